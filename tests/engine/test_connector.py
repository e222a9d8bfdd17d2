"""Connecting: every address is checked, a checked one is connected to, and there is a limit."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from support.names import NameServer

from proxy_addons.engine.connector import Connector
from proxy_addons.engine.outcomes import ConnectFailed
from proxy_addons.engine.resolver import ResolutionFailed, Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator


class Names:
    """Answers as it is told, another answer each time."""

    def __init__(self, *answers: tuple[str, ...] | Exception | None) -> None:
        self.answers = list(answers)

    def known(self, host: str) -> tuple[str, ...] | None:
        """Only what is certain: one answer, and the same each time."""
        del host
        answer = self.answers[0]
        return answer if len(self.answers) == 1 and isinstance(answer, tuple) else None

    async def addresses(self, host: str) -> tuple[str, ...]:
        del host
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


class Check:
    """Refuses some addresses, and notes which it was asked about."""

    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.asked: list[tuple[str, int]] = []

    def __call__(self, address: str, port: int) -> str | None:
        self.asked.append((address, port))
        return f"{address} is inside" if address in self.denied else None


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def full(listening: socket.socket) -> Iterator[str]:
    """An address on the same port that takes no connection and refuses none."""
    port = listening.getsockname()[1]
    with socket.socket() as sock:
        sock.bind(("127.0.0.2", port))
        sock.listen(0)
        waiting = []
        for _ in range(4):  # fill the queue: from then on the kernel drops what comes
            one = socket.socket()
            one.setblocking(False)  # noqa: FBT003 - as the socket module has it
            one.connect_ex(("127.0.0.2", port))
            waiting.append(one)
        yield "127.0.0.2"
        for one in waiting:
            one.close()


def connector(
    names: Names | Resolver,
    check: Check,
    timeout: float = 5.0,
    parent: tuple[str, int] | None = None,
) -> Connector:
    return Connector(names, check, timeout, parent)  # type: ignore[arg-type] # stands in for one


async def failure(made: Connector, host: str, port: int) -> tuple[str, str]:
    with pytest.raises(ConnectFailed) as failed:
        (await made.connect(host, port)).close()
    return failed.value.reason.kind, str(failed.value.reason)


async def test_a_checked_address_is_connected_to(listening: socket.socket) -> None:
    check = Check()
    port = listening.getsockname()[1]
    sock = await connector(Names(("127.0.0.1",)), check).connect("allowed.test", port)
    assert sock.getpeername() == ("127.0.0.1", port)
    assert check.asked == [("127.0.0.1", port)]
    sock.close()


async def test_every_address_of_a_name_is_checked(listening: socket.socket) -> None:
    check = Check()
    port = listening.getsockname()[1]
    names = Names(("127.0.0.1", "127.0.0.3", "::1"))
    (await connector(names, check).connect("allowed.test", port)).close()
    assert {address for address, _ in check.asked} == {"127.0.0.1", "127.0.0.3", "::1"}


@pytest.mark.parametrize(
    "found", [("10.0.0.1",), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "10.0.0.1")]
)
async def test_one_inside_address_refuses_the_name(
    found: tuple[str, ...], listening: socket.socket
) -> None:
    made = connector(Names(found), Check("10.0.0.1"))
    outcome = await failure(made, "rebound.test", listening.getsockname()[1])
    assert outcome == ("destination-denied", "10.0.0.1 is inside")
    listening.setblocking(False)  # noqa: FBT003 - as the socket module has it
    with pytest.raises(BlockingIOError):
        listening.accept()


async def test_a_name_that_is_rebound_between_two_requests(listening: socket.socket) -> None:
    made = connector(Names(("127.0.0.1",), ("10.0.0.1",)), Check("10.0.0.1"))
    port = listening.getsockname()[1]
    (await made.connect("rebound.test", port)).close()
    assert (await failure(made, "rebound.test", port))[0] == "destination-denied"


async def test_a_name_is_resolved_once_for_a_connection(listening: socket.socket) -> None:
    """Between the check and the connection the answer must not change."""
    names = Names(("127.0.0.1",), ("10.0.0.1",))
    port = listening.getsockname()[1]
    (await connector(names, Check("10.0.0.1")).connect("rebound.test", port)).close()
    assert len(names.answers) == 1


async def test_the_parent_that_the_operator_named_is_not_subject_to_the_check(
    listening: socket.socket,
) -> None:
    port = listening.getsockname()[1]
    check = Check("127.0.0.1")
    made = connector(Names(("127.0.0.1",)), check, parent=("parent.test", port))
    (await made.connect("parent.test", port)).close()
    assert (await failure(made, "parent.test", port + 1))[0] == "destination-denied"
    assert (await failure(made, "other.test", port))[0] == "destination-denied"


async def test_nobody_listens(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    kind, text = await failure(connector(Names(("127.0.0.9",)), Check()), "down.test", port)
    assert kind == "upstream-failed"
    assert "Connection refused" in text or "Connect call failed" in text
    assert text.startswith(f"down.test port {port}: ")


async def test_a_name_that_does_not_resolve() -> None:
    made = connector(Names(ResolutionFailed("the name gone.test does not resolve")), Check())
    assert await failure(made, "gone.test", 443) == (
        "upstream-name",
        "the name gone.test does not resolve",
    )


async def test_a_name_server_that_is_dead() -> None:
    kind, text = await failure(connector(Names(None), Check(), 0.02), "slow.test", 443)
    assert (kind, text) == ("upstream-timeout", "no connection to slow.test port 443 within 0.02 s")


async def test_a_server_that_does_not_answer(full: str, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    kind, _ = await failure(connector(Names((full,)), Check(), 0.1), "dead.test", port)
    assert kind == "upstream-timeout"


@pytest.mark.parametrize("order", [("dead", "127.0.0.1"), ("::1", "127.0.0.1")])
async def test_a_dead_first_address_does_not_stop_the_second(
    order: tuple[str, ...], full: str, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    found = tuple(full if each == "dead" else each for each in order)
    sock = await connector(Names(found), Check()).connect("half-dead.test", port)
    assert sock.getpeername()[0] == "127.0.0.1"
    sock.close()


async def test_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        check = Check()
        sock = await connector(Names(("::1",)), check).connect("six.test", port)
        assert (sock.getpeername()[0], check.asked) == ("::1", [("::1", port)])
        sock.close()


async def test_who_gives_up_leaves_no_socket(full: str, listening: socket.socket) -> None:
    """Warnings are errors: a socket left over would be one."""
    port = listening.getsockname()[1]
    made = connector(Names((full, "127.0.0.1")), Check())
    for steps in range(12):
        asking = asyncio.ensure_future(made.connect("allowed.test", port))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        (outcome,) = await asyncio.gather(asking, return_exceptions=True)
        if isinstance(outcome, socket.socket):
            outcome.close()


@pytest.mark.root
async def test_with_a_real_name_server(listening: socket.socket) -> None:
    names = {"mixed.test": ["127.0.0.1", "10.0.0.1"], "good.test": ["127.0.0.1"]}
    with NameServer(names) as server:
        made = connector(Resolver([server.address], lambda: 0.0), Check("10.0.0.1"))
        port = listening.getsockname()[1]
        (await made.connect("good.test", port)).close()
        assert (await failure(made, "mixed.test", port))[0] == "destination-denied"
        assert (await failure(made, "unknown.test", port))[0] == "upstream-name"
