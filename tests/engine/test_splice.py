"""Spliced tunnels on their short way: all bytes, both ends, no memory, and always an end."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.client import client_hello
from support.waiting import until

from proxy_addons.engine import splice
from proxy_addons.engine.splice import Joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

pytestmark = pytest.mark.usefixtures("little_to_collect")

BANK = "bank.test"
MEGABYTE = 1 << 20


class Pair:
    """A joined tunnel between two sockets of a test's own."""

    def __init__(self) -> None:
        self.record: Any = SimpleNamespace(bytes_up=0, bytes_down=0)
        self.ends = 0
        self.client, ours = socket.socketpair()
        self.server, other = socket.socketpair()
        for sock in (self.client, self.server, ours, other):
            sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.joined = Joined(asyncio.get_running_loop(), ours, other, self.record, self._ended)
        self.ours = (ours, other)

    def _ended(self) -> None:
        self.ends += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.joined.end()
        self.client.close()
        self.server.close()
        assert self.ends == 1
        assert [sock.fileno() for sock in self.ours] == [-1, -1]
        watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
        assert len(watched) == 1, "the loop's own"

    @property
    def counts(self) -> tuple[int, int]:
        return self.record.bytes_up, self.record.bytes_down


async def say(sock: socket.socket, data: bytes, *, end: bool = True) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)
    if end:
        sock.shutdown(socket.SHUT_WR)


async def hear(sock: socket.socket, pause: float | None = None) -> bytes:
    """All that comes, up to an orderly end."""
    got = []
    while data := await asyncio.get_running_loop().sock_recv(sock, 65536):
        got.append(data)
        if pause is not None:
            await asyncio.sleep(pause)
    return b"".join(got)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(up=st.binary(max_size=50_000), down=st.binary(max_size=50_000), slow=st.booleans())
def test_all_passes_in_both_directions(up: bytes, down: bytes, *, slow: bool) -> None:
    async def run() -> None:
        with Pair() as pair:
            pause = 0.0 if slow else None
            async with asyncio.timeout(20):
                _, _, to_server, to_client = await asyncio.gather(
                    say(pair.client, up), say(pair.server, down),
                    hear(pair.server, pause), hear(pair.client),
                )  # fmt: skip
            assert (to_server, to_client) == (up, down)
            assert pair.counts == (len(up), len(down))
            assert pair.ends == 1, "both have ended: so has the tunnel"

    asyncio.run(run())


async def test_one_side_may_go_on_after_the_other_has_ended() -> None:
    with Pair() as pair:
        await say(pair.client, b"question")
        assert await hear(pair.server) == b"question"
        for number in range(5):
            await say(pair.server, b"x" * number, end=False)
            await asyncio.sleep(0)
        assert pair.ends == 0
        await say(pair.server, b"end")
        assert (await hear(pair.client)).endswith(b"end")
        assert pair.ends == 1


async def test_no_more_is_read_than_the_other_side_takes() -> None:
    with Pair() as pair:
        sending = asyncio.create_task(say(pair.server, b"y" * (3 * MEGABYTE)))
        done = -1
        while pair.record.bytes_down != done:
            done = pair.record.bytes_down
            await asyncio.sleep(0.05)
        assert done < 2 * splice._READ, "the rest waits at its sender"
        assert not sending.done()
        assert len(await hear(pair.client)) == 3 * MEGABYTE
        await sending


async def test_a_slow_direction_does_not_hold_the_other() -> None:
    with Pair() as pair:
        stuck = asyncio.create_task(say(pair.server, b"y" * MEGABYTE))
        await asyncio.sleep(0.05)
        for _ in range(20):
            await say(pair.client, b"ping", end=False)
            async with asyncio.timeout(5):
                assert await asyncio.get_running_loop().sock_recv(pair.server, 100) == b"ping"
        stuck.cancel()
        with suppress(asyncio.CancelledError):
            await stuck


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_side_that_vanishes_ends_it(who: str) -> None:
    with Pair() as pair:
        gone = getattr(pair, who)
        other = pair.server if who == "client" else pair.client
        await say(other, b"unread", end=False)
        await until(lambda: sum(pair.counts) == 6)
        gone.close()  # with bytes unread: a reset
        await until(lambda: pair.ends)
        assert await hear(other) == b""


async def test_what_was_said_before_a_reset_is_still_passed_on() -> None:
    """Where the receiver is slow: the sender's words were complete before it vanished."""
    with Pair() as pair:
        loop = asyncio.get_running_loop()
        way = next(way for way in pair.joined._ways if way.field == "bytes_down")
        pair.server.send(b"y" * 6000)
        while not way.left:  # until the client's side is full
            with suppress(BlockingIOError):
                pair.server.send(b"y" * 6000)
            await asyncio.sleep(0)
        loop.call_soon(pair.joined._lost, way)
        await asyncio.sleep(0)
        assert pair.ends == 0
        got = b""
        while data := await loop.sock_recv(pair.client, 65536):
            got += data
        assert len(got) == pair.record.bytes_down
        assert pair.ends == 1


async def test_what_came_before_goes_up_first_however_slow_the_server_is() -> None:
    with Pair() as pair:
        first = bytes(range(256)) * 4000
        pair.joined.send_up(first)
        assert pair.joined._ways[0].left, "the server's side is full"
        await say(pair.client, b"later")
        await asyncio.sleep(0.02)
        assert pair.counts == (0, 0), "nothing is read from a client whose server is slow"
        assert await hear(pair.server) == first + b"later"
        assert pair.counts == (5, 0), "what came before was counted then"
        await say(pair.server, b"")
        await until(lambda: pair.ends)


async def test_a_server_that_has_gone_before_the_first_bytes() -> None:
    with Pair() as pair:
        pair.server.close()
        pair.joined.send_up(b"hello")
        assert pair.ends == 1
        assert await hear(pair.client) == b""


async def test_an_end_comes_once() -> None:
    with Pair() as pair:
        await say(pair.client, b"")
        await say(pair.server, b"")
        await until(lambda: pair.ends)
        pair.joined.end()
        assert pair.ends == 1


async def test_when_bytes_last_passed() -> None:
    with Pair() as pair:
        begun = pair.joined.active
        await asyncio.sleep(0.02)
        await say(pair.client, b"x", end=False)
        await until(lambda: pair.joined.active >= begun + 0.02)


# --- through the gateway ----------------------------------------------------------------------


HELLO = client_hello(BANK)


async def tunnel(stage: Stage, script: Any) -> Client:
    await stage.origin(BANK, script=script)
    client = await stage.client()
    await client.connect_to(f"{BANK}:443")
    client.send(HELLO)
    await until(lambda: stage.drivers and stage.drivers[0]._joined is not None)
    return client


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def test_a_tunnel_takes_the_short_way(stage: Stage) -> None:
    client = await tunnel(stage, echo)
    (driver,) = stage.drivers
    assert driver._wires == {}, "no transport of asyncio's is left"
    client.send(b"x" * 500_000)
    client.writer.write_eof()
    assert await client.ended() == HELLO + b"x" * 500_000
    (record,) = await stage.end()
    assert (record["bytes_up"], record["bytes_down"]) == (len(HELLO) + 500_000,) * 2
    assert (record["kind"], record["handling"], record["error"]) == ("tunnel", "spliced", None)
    assert record["server_ip"] == "127.0.0.1"


async def test_no_transport_is_made_for_the_server(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    create = asyncio.get_running_loop().create_connection

    def noting(*args: Any, **named: Any) -> Any:
        made.append(args)
        return create(*args, **named)

    await stage.origin(BANK, script=echo)
    client = await stage.client()
    await client.connect_to(f"{BANK}:443")
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", noting)
    client.send(HELLO)
    client.writer.write_eof()
    assert await client.ended() == HELLO
    assert not made
    (record,) = await stage.end()
    assert (record["bytes_up"], record["error"]) == (len(HELLO), None)


async def test_a_client_that_says_its_end_while_the_server_is_opened(stage: Stage) -> None:
    """Its bytes and its end reach the server all the same, in the order they were said."""
    await stage.origin(BANK, script=echo)
    client = await stage.client()
    await client.connect_to(f"{BANK}:443")
    client.send(HELLO + b"and more")
    client.writer.write_eof()
    assert await client.ended() == HELLO + b"and more"
    (record,) = await stage.end()
    assert (record["bytes_up"], record["bytes_down"]) == (len(HELLO) + 8,) * 2


async def test_a_tunnel_is_counted_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    for module in ("engine.protocols", "addons.visitors"):
        monkeypatch.setattr(f"proxy_addons.{module}.observe", seen.append)
    client = await tunnel(stage, echo)
    client.writer.write_eof()
    await client.ended()
    (record,) = await stage.end()
    assert [each.id for each in seen] == [record["id"]]


async def test_no_byte_for_long(stage_with: Callable[..., Any]) -> None:
    stage = await stage_with({"network": {"idle_timeout": 1}})
    client = await tunnel(stage, echo)
    assert (await client.ended())[:1] == b"\x16"
    (record,) = await stage.end()
    assert record["error"] == "no byte for 1 s"
    assert record["bytes_up"] == len(HELLO)


async def test_a_stop_of_the_gateway(stage: Stage) -> None:
    await tunnel(stage, echo)
    stage.drivers[0].abort("the gateway stopped")
    (record,) = await stage.end()
    assert record["error"] == "the gateway stopped"


async def test_a_polite_stop(stage: Stage) -> None:
    await tunnel(stage, echo)
    stage.drivers[0].shut()
    (record,) = await stage.end()
    assert record["error"] is None


async def test_without_descriptors_the_layers_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[socket.socket] = []
    asked: list[socket.socket] = []
    dup = socket.socket.dup

    def few(sock: socket.socket) -> socket.socket:
        asked.append(sock)
        if len(asked) != 2:  # for the open; for the join that is asked for later, half of it
            raise OSError(24, "Too many open files")
        copies.append(dup(sock))
        return copies[0]

    monkeypatch.setattr(socket.socket, "dup", few)
    await stage.origin(BANK, script=echo)
    client = await stage.client()
    await client.connect_to(f"{BANK}:443")
    client.send(HELLO)
    async with asyncio.timeout(5):
        assert (await client.reader.readexactly(1)) == b"\x16"
    assert stage.drivers[0]._joined is None
    assert copies[0].fileno() == -1, "given back"
    gc.collect()
    client.writer.write_eof()
    await client.ended()
    (record,) = await stage.end()
    assert record["bytes_down"] == len(HELLO)


async def test_a_failing_end_ends_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is then finished with what the client leaves behind."""
    client = await tunnel(stage, echo)
    monkeypatch.setitem(stage.worker.hooks._table, "splice_end", (lambda _: 1 // 0,))
    client.reset()
    (record,) = await stage.end()
    assert record["kind"] == "tunnel"
