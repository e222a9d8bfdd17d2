"""Names to addresses: the system's way and our own name servers, memory, and dead servers."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.names import NameServer
from support.waiting import PATIENCE, until

from proxy_addons.engine import resolver as resolving
from proxy_addons.engine.resolver import ResolutionFailed, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.fixtures import Clock


@pytest.fixture
def name_server() -> Iterator[Callable[[dict[str, list[str]]], NameServer]]:
    running = []

    def begin(names: dict[str, list[str]]) -> NameServer:
        running.append(NameServer(names).__enter__())
        return running[-1]

    yield begin
    for server in running:
        server.__exit__()


@pytest.mark.parametrize(
    ("literal", "address"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("::1", "::1")],
)
async def test_a_literal_is_its_own_address(literal: str, address: str, clock: Clock) -> None:
    assert await Resolver([], clock).addresses(literal) == (address,)


@pytest.mark.parametrize("name", ["intranet2", "db.host1", "1a.b2"])
async def test_a_name_that_ends_in_a_digit_is_a_name(
    name: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering({name: ["192.0.2.7"]}))
    assert await Resolver([], clock).addresses(name) == ("192.0.2.7",)


def answering(names: dict[str, list[str]], asked: list[str] | None = None) -> Any:
    """Stands in for the system's resolver."""

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if asked is not None:
            asked.append(host)
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, 0))
            for each in names[host]
        ]

    return getaddrinfo


async def test_the_systems_resolver(clock: Clock) -> None:
    assert "127.0.0.1" in await Resolver([], clock).addresses("localhost")


async def test_addresses_keep_their_order_and_come_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ["2001:db8::1", "192.0.2.1", "2001:db8::1", "192.0.2.2"]
    monkeypatch.setattr(socket, "getaddrinfo", answering({"allowed.test": found}))
    assert await Resolver([], clock).addresses("allowed.test") == (
        "2001:db8::1",
        "192.0.2.1",
        "192.0.2.2",
    )


async def test_an_answer_is_used_for_half_a_minute(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, asked = {"allowed.test": ["192.0.2.1"]}, list[str]()
    monkeypatch.setattr(socket, "getaddrinfo", answering(names, asked))
    resolver = Resolver([], clock)
    for _ in range(3):
        assert await resolver.addresses("allowed.test") == ("192.0.2.1",)
    assert asked == ["allowed.test"]
    names["allowed.test"] = ["192.0.2.2"]
    clock.now = 29.0
    assert await resolver.addresses("allowed.test") == ("192.0.2.1",)
    clock.now = 30.0
    assert await resolver.addresses("allowed.test") == ("192.0.2.2",)


async def test_a_failure_is_remembered_for_a_moment(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, asked = dict[str, list[str]](), list[str]()
    monkeypatch.setattr(socket, "getaddrinfo", answering(names, asked))
    resolver = Resolver([], clock)
    for _ in range(3):
        with pytest.raises(ResolutionFailed, match=r"the name late\.test does not resolve"):
            await resolver.addresses("late.test")
    assert asked == ["late.test"]
    names["late.test"] = ["192.0.2.1"]
    assert resolver.known("late.test") is None
    clock.now = 2.9
    with pytest.raises(ResolutionFailed):
        await resolver.addresses("late.test")
    clock.now = 3.0
    assert await resolver.addresses("late.test") == ("192.0.2.1",)


async def test_what_is_known_without_asking(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering({"allowed.test": ["192.0.2.1"]}))
    resolver = Resolver([], clock)
    assert resolver.known("192.0.2.9") == ("192.0.2.9",)
    assert resolver.known("2001:db8::1") == ("2001:db8::1",)
    assert resolver.known("allowed.test") is None
    await resolver.addresses("allowed.test")
    assert resolver.known("allowed.test") == ("192.0.2.1",)
    clock.now = 30.0
    assert resolver.known("allowed.test") is None


async def test_a_name_without_addresses(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering({"empty.test": []}))
    with pytest.raises(ResolutionFailed, match="has no address"):
        await Resolver([], clock).addresses("empty.test")


async def test_a_name_that_the_system_cannot_even_ask_for(clock: Clock) -> None:
    with pytest.raises(ResolutionFailed):
        await Resolver([], clock).addresses("a" * 70 + ".test")


class Stuck:
    """The system's resolver, waiting for a name server that does not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()

    def __call__(self, host: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        self.answer.wait(PATIENCE)
        return [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))]


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    made = Stuck()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answer.set()


async def test_one_look_up_for_all_who_ask_at_once(clock: Clock, stuck: Stuck) -> None:
    resolver = Resolver([], clock)
    asking = [asyncio.ensure_future(resolver.addresses("allowed.test")) for _ in range(5)]
    await until(lambda: stuck.asked)
    asking[0].cancel()  # who gives up takes nothing from the others
    stuck.answer.set()
    assert await asyncio.gather(*asking[1:]) == [("192.0.2.1",)] * 4
    assert stuck.asked == ["allowed.test"]
    with pytest.raises(asyncio.CancelledError):
        await asking[0]


async def test_a_dead_name_server_is_given_up(
    clock: Clock, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "_TIMEOUT", 0.02)
    with pytest.raises(ResolutionFailed, match=r"no name server answered for allowed\.test"):
        await Resolver([], clock).addresses("allowed.test")
    assert stuck.asked


async def test_a_dead_name_server_holds_up_nothing_else(clock: Clock, stuck: Stuck) -> None:
    """Housekeeping and the log's end need threads too."""
    resolver = Resolver([], clock)
    asking = [
        asyncio.ensure_future(resolver.addresses(f"{number}.allowed.test")) for number in range(64)
    ]
    await until(lambda: len(stuck.asked) == resolving._THREADS)
    async with asyncio.timeout(PATIENCE / 2):
        assert await asyncio.to_thread(lambda: "done") == "done"
    stuck.answer.set()
    assert len(await asyncio.gather(*asking)) == 64


@pytest.mark.root
async def test_a_name_server_of_our_own(
    clock: Clock, name_server: Callable[[dict[str, list[str]]], NameServer]
) -> None:
    server = name_server({"both.test": ["192.0.2.1", "2001:db8::1"], "six.test": ["2001:db8::2"]})
    resolver = Resolver([server.address], clock)
    assert set(await resolver.addresses("both.test")) == {"192.0.2.1", "2001:db8::1"}
    assert await resolver.addresses("six.test") == ("2001:db8::2",)
    asked = len(server.asked)
    await resolver.addresses("both.test")
    assert len(server.asked) == asked
    with pytest.raises(ResolutionFailed, match="does not resolve"):
        await resolver.addresses("no-such-name.test")
