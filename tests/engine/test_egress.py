"""Ways out of their own: from another source address, through another proxy, and never mixed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ending import end
from support.stage import PEOPLE, answering, make_settings, request_head

from proxy_addons.engine.connector import Connector
from proxy_addons.engine.egress import WayOut, ways_out
from proxy_addons.engine.outcomes import ConnectFailed, ConnectRefused
from proxy_addons.engine.resolver import Resolver
from proxy_addons.gate.gate import basis_of
from proxy_addons.settings.model import Endpoint
from proxy_addons.settings.people import Egress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from support.stage import Stage

    type Begin = Callable[..., Any]
    type Pieces = list[bytes]

SOURCE = "127.0.0.77"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Parent:
    """A proxy that answers as it is told, and notes what it was asked.

    Attributes:
        pieces: its answer, as separate writes; then it is silent, or closes.
        heads: what it was asked; peers: by whom.
    """

    port = 0

    def __init__(self) -> None:
        self.pieces: Pieces = [ESTABLISHED]
        self.closes = False
        self.heads: list[str] = []
        self.peers: list[str] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        end(self._server)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await asyncio.sleep(0)  # what was closed has ended then

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.peers.append(writer.get_extra_info("peername")[0])
        # Python 3.12 would report the cancelled task of a server as an error.
        ends = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)
            if not self.closes:
                await reader.read()
        self._serving.discard(task)
        writer.close()


@pytest.fixture
async def parent() -> AsyncIterator[Parent]:
    made = Parent()
    await made.start()
    yield made
    await made.end()


def refuse_inside(address: str, _port: int) -> str | None:
    return f"{address} is inside" if address.startswith("10.") else None


def connector(within: float = 5.0) -> Connector:
    return Connector(Resolver([], lambda: 0.0), refuse_inside, within, None)


def by(parent: Parent, **more: Any) -> WayOut:
    return WayOut(proxy=("127.0.0.1", parent.port), **more)


async def failure(way_out: WayOut, host: str, port: int = 443, within: float = 5.0) -> Any:
    with pytest.raises(ConnectFailed) as failed:
        (await connector(within).connect(host, port, way_out)).close()
    return failed.value.reason


async def received(sock: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        got += await asyncio.get_running_loop().sock_recv(sock, count - len(got))
    return got


# --- the settings -------------------------------------------------------------------------------


def test_profiles_that_say_the_same_have_the_same_way_out() -> None:
    proxy = Endpoint("exit.test", 3128)
    found = ways_out(
        (
            Egress("research", None, proxy, "user:secret"),
            Egress("intelligence", None, proxy, "user:secret"),
            Egress("other", None, proxy, "user:other"),
            Egress("fourth", SOURCE),
        )
    )
    assert found["research"] == found["intelligence"]
    assert len(set(found.values())) == 3
    assert found["research"].login == b"Basic dXNlcjpzZWNyZXQ="
    assert "Basic" not in repr(found)


# --- a source address ---------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "host"), [(SOURCE, "127.0.0.1"), ("::1", "::1")])
async def test_connections_come_from_the_source_address(source: str, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        port = listening.getsockname()[1]
        sock = await connector().connect(host, port, WayOut(source))
        taken, address = listening.accept()
        assert address[0] == source
        taken.close()
        sock.close()


async def test_destinations_are_checked_as_on_the_usual_way() -> None:
    reason = await failure(WayOut(SOURCE), "10.1.2.3")
    assert (reason.kind, str(reason)) == ("destination-denied", "10.1.2.3 is inside")


@pytest.mark.parametrize(
    ("source", "words"),
    [("192.0.2.1", "192.0.2.1"), ("::1", "no address of the kind of this way out's source")],
)
async def test_a_source_address_that_cannot_be_had_is_a_failure(source: str, words: str) -> None:
    """Never another way out."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)  # noqa: FBT003 - as the socket module has it
        port = listening.getsockname()[1]
        reason = await failure(WayOut(source), "127.0.0.1", port)
        assert reason.kind == "upstream-failed"
        assert words in reason or "Cannot assign requested address" in reason
        with pytest.raises(BlockingIOError):
            listening.accept()


# --- a proxy ------------------------------------------------------------------------------------


async def test_a_tunnel_is_asked_for_and_what_follows_is_kept(parent: Parent) -> None:
    """What a server says first may come in one piece with the proxy's answer."""
    parent.pieces = [ESTABLISHED + b"220 ready\r\n"]
    login = b"Basic dXNlcjpzZWNyZXQ="
    way_out = by(parent, login=login, source=SOURCE)
    sock = await connector().connect("allowed.test", 8443, way_out)
    (head,) = parent.heads
    assert head == (
        "CONNECT allowed.test:8443 HTTP/1.1\r\nHost: allowed.test:8443\r\n"
        f"Proxy-Authorization: {login.decode()}\r\n\r\n"
    )
    assert parent.peers == [SOURCE]
    assert await received(sock, 11) == b"220 ready\r\n"
    sock.close()


async def test_ipv6_destinations_stand_in_brackets(parent: Parent) -> None:
    (await connector().connect("2001:db8::1", 443, by(parent))).close()
    assert parent.heads[0].startswith("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n")
    assert "Authorization" not in parent.heads[0]


@given(st.lists(st.integers(1, 80), max_size=4), st.binary(max_size=20))
def test_however_the_answer_is_cut(cuts: list[int], tail: bytes) -> None:
    """The tunnel stands, and not a byte behind the head is lost."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n" + tail
    places = [0, *sorted(cuts), len(answer)]

    async def play() -> None:
        parent = Parent()
        cut = [answer[start:end] for start, end in pairwise(places)]
        parent.pieces = [piece for piece in cut if piece]
        parent.closes = True
        await parent.start()
        sock = await connector().connect("allowed.test", 443, by(parent))
        assert await received(sock, len(tail)) == tail
        sock.close()
        await parent.end()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("pieces", "closes", "kind", "words"),
    [
        ([b"HTTP/1.1 407 Auth\r\n\r\n"], False, "upstream-failed", "other credentials (407)"),
        ([b"HTTP/1.1 403 No\r\n\r\n"], False, "upstream-failed", "answered 403 to CONNECT"),
        ([b"HTTP/1.1 504 Late\r\n\r\n"], False, "upstream-timeout", "answered 504"),
        ([b"HTTP/1.1 302 Go\r\nLocation: x\r\n\r\n"], False, "upstream-failed", "answered 302"),
        ([b"HTTP/1.1 101 Up\r\n\r\n"], False, "upstream-failed", "does not answer as one"),
        ([b"HTTP/2 200\r\n\r\n"], False, "upstream-failed", "does not answer as one"),
        ([b"220 mail.test ESMTP\r\n\r\n"], False, "upstream-failed", "does not answer as one"),
        ([b"HTTP/1.1 200 OK\r\n"], True, "upstream-failed", "closed the connection"),
        ([], True, "upstream-failed", "closed the connection"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000], False, "upstream-failed", "too much"),
        ([b"HTTP/1.1 100 OK\r\n\r\n" * 2_000], False, "upstream-failed", "too much"),
        ([], False, "upstream-timeout", "no connection to allowed.test port 443 within"),
        ([b"HTTP/1.1 200 OK\r\n"], False, "upstream-timeout", "no connection to allowed.test"),
    ],
)
async def test_an_answer_that_is_no_tunnel(
    parent: Parent, pieces: Pieces, closes: bool, kind: str, words: str
) -> None:
    parent.pieces, parent.closes = pieces, closes
    silent = kind == "upstream-timeout" and "504" not in words
    reason = await failure(by(parent), "allowed.test", within=0.1 if silent else 5.0)
    assert reason.kind == kind
    assert words in reason


async def test_a_proxy_that_is_down_is_a_failure(parent: Parent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reason = await failure(WayOut(proxy=("127.0.0.1", port)), "allowed.test")
    assert reason.kind == "upstream-failed"
    assert not parent.heads


async def test_literal_addresses_are_checked_before_the_proxy_is_asked(parent: Parent) -> None:
    reason = await failure(by(parent), "10.1.2.3")
    assert reason.kind == "destination-denied"
    assert not parent.heads


# --- people, on both lanes ----------------------------------------------------------------------

OWN = WayOut(SOURCE)
EGRESS = {"network": {"egress": [{"profile": "standard", "source_address": SOURCE}]}}


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def reassign(stage: Stage, folder: Path, profile: str) -> None:
    """The address map says another profile for 127.0.0.1 from now on."""
    people = [{**entry} for entry in PEOPLE["addresses"]]
    people[0]["profile"] = profile
    settings = make_settings(folder / profile, {**EGRESS, "identity": {"addresses": people}})
    own = [Endpoint("127.0.0.1", stage.port)]
    stage.gate.basis = basis_of(settings, stage.gate.basis.index, own)


async def test_each_goes_their_own_way(stage_with: Begin) -> None:
    stage = await stage_with(EGRESS)
    heads: list[str] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await request_head(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    await stage.origin("allowed.test", script=origin)
    await stage.secure_origin("bank.test", script=answering())
    for address, expected in (("127.0.0.1", OWN), ("127.0.0.3", None)):
        client = await stage.client(address)
        answer = await client.get("http://allowed.test/", "Host: allowed.test")
        assert answer.status == 200
        assert stage.roads.ways.pop() == expected
        assert ("\r\nVia: " in heads[-1]) is (expected is None), "a pseudonym links the two"
    client = await stage.client()
    assert (await client.connect_to("bank.test:443")).status == 200
    await client.start_tls("bank.test", stage.web.file)  # spliced
    assert stage.roads.ways == [OWN]


async def test_a_kept_connection_is_not_used_for_another_way_out(
    stage_with: Begin, tmp_path: Path
) -> None:
    stage = await stage_with(EGRESS)
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    for profile, expected in (
        ("standard", [OWN]),
        ("standard", []),  # kept
        ("withdrawn", [None]),
        ("withdrawn", []),
        ("standard", []),  # that of the first is still there
    ):
        await asyncio.to_thread(reassign, stage, tmp_path, profile)
        answer = await client.get("http://allowed.test/", "Host: allowed.test")
        assert answer.status == 200
        assert stage.roads.ways == expected
        stage.roads.ways.clear()


async def test_sessions_are_not_resumed_on_another_way_out(stage_with: Begin) -> None:
    """By a ticket that it gave to one address a server would know the other again."""
    stage = await stage_with(EGRESS)
    resumed: list[bool] = []
    answer = answering()

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await answer(reader, writer)

    await stage.secure_origin("allowed.test", script=origin)
    for address in ("127.0.0.1", "127.0.0.1", "127.0.0.3", "127.0.0.3", "127.0.0.1"):
        client = await stage.client(address)
        assert (await client.connect_to("allowed.test:443")).status == 200
        await client.start_tls("allowed.test", stage.authority)
        assert (await client.get("/", "Host: allowed.test")).status == 200
        client.close()
    assert resumed == [False, True, False, True, True]


async def test_a_way_out_that_is_down_is_a_page_and_no_other_way(stage_with: Begin) -> None:
    stage = await stage_with(EGRESS)
    down = ConnectRefused("the proxy of this way out closed the connection", "upstream-failed")
    stage.roads.places["allowed.test"] = down
    client = await stage.client()
    answer = await client.get("http://allowed.test/", "Host: allowed.test")
    assert answer.status == 502
    assert stage.roads.ways == [OWN]
    (record,) = await stage.logged(1)
    assert record["error"] == str(down)
