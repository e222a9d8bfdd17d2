"""The driver between real sockets: closes, failures, slow peers, limits; nothing is left over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from support.room import Room, reset
from support.waiting import PATIENCE, until

from proxy_addons.engine.layers import Tunnel
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Late, Wait
from proxy_addons.engine.splice import Join, OpenToJoin
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import HalfClose, Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from mitmproxy.proxy.context import Context

pytestmark = pytest.mark.usefixtures("little_to_collect")

MEGABYTE = 1 << 20
SMALL = 32 * 1024  # a kernel buffer that fills at once


class OddError(Exception):
    """A fault in a layer."""


class Recording(layer.Layer):
    """Notes what it is told; does what its test says."""

    def __init__(self, context: Context, told: list[str]) -> None:
        super().__init__(context)
        self.told = told

    def _handle_event(self, event: events.Event) -> Any:
        if isinstance(event, events.ConnectionEvent):
            who = "client" if event.connection is self.context.client else "server"
            what = event.data.decode() if isinstance(event, events.DataReceived) else "closed"
            self.told.append(f"{who} {what}")
            yield from self.do(event)
        else:
            self.told.append(type(event).__name__)
            yield from self.do(event)

    def do(self, event: events.Event) -> Any:
        del event
        yield from ()


class Echo(Recording):
    def do(self, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived):
            yield commands.SendData(event.connection, event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield commands.SendData(event.connection, b"bye")
            yield commands.CloseConnection(event.connection)


class Relay(layer.Layer):
    """Opens one server and relays; half-closes as the peers do."""

    address: tuple[str, int]
    error: str | None = None

    def _handle_event(self, event: events.Event) -> Any:
        client, server = self.context.client, self.context.server
        if isinstance(event, events.Start):
            server.address = self.address
            Relay.error = yield commands.OpenConnection(server)
            if Relay.error:
                yield commands.SendData(client, f"failed: {Relay.error}".encode())
                yield commands.CloseConnection(client)
        elif isinstance(event, events.DataReceived):
            yield commands.SendData(server if event.connection is client else client, event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield HalfClose(server if event.connection is client else client)


def relay_to(
    address: Callable[[], tuple[str, int]], kind: type[Relay] = Relay
) -> Callable[[Context], Relay]:
    """Makes relays to a server that may not be there yet."""

    def make(context: Context) -> Relay:
        made = kind(context)
        made.address = address()
        return made

    return make


async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def read(reader: asyncio.StreamReader, count: int = -1) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await (reader.read() if count < 0 else reader.readexactly(count))


async def cut_off(reader: asyncio.StreamReader) -> None:
    """The connection ends, or is reset, with nothing sent."""
    with contextlib.suppress(ConnectionError):
        assert await read(reader) == b""


# --- events and closes ------------------------------------------------------------------------


async def test_data_and_an_orderly_end() -> None:
    told: list[str] = []
    async with Room(lambda context: Echo(context, told)) as room:
        reader, writer = await room.client()
        writer.write(b"one")
        assert await read(reader, 3) == b"one"
        writer.write_eof()
        assert await read(reader) == b"bye", "what is sent after the client's end still arrives"
    assert told == ["Start", "client one", "client closed"]
    assert room.watching.seen == ["client", "client gone"]


async def test_writes_of_one_step_go_out_in_order() -> None:
    class Many(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                for number in range(5):
                    yield commands.SendData(self.context.client, str(number).encode())
                yield commands.CloseConnection(self.context.client)

    async with Room(lambda context: Many(context, [])) as room:
        reader, _ = await room.client()
        assert await read(reader) == b"01234"


async def test_a_client_that_is_refused_is_never_read() -> None:
    told: list[str] = []
    async with Room(lambda context: Echo(context, told)) as room:
        room.watching.refuse_clients = True
        reader, writer = await room.client()
        writer.write(b"one")
        await cut_off(reader)
    assert "client one" not in told
    assert "Start" not in told


async def test_a_layer_that_raises_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.DataReceived):
                raise OddError(event.data.decode())
            yield from ()

    told: list[str] = []
    with caplog.at_level(logging.ERROR):
        async with Room(lambda context: Failing(context, told)) as room:
            reader, writer = await room.client()
            writer.write(b"a password")
            await cut_off(reader)
    assert room.watching.seen == ["client", "client gone"]
    (record,) = [each for each in caplog.records if each.name == "watchhouse.engine"]
    assert record.getMessage().startswith("a protocol layer failed (OddError at test_driver.py:")
    assert "password" not in str(vars(record))


async def test_a_layer_that_raises_in_the_middle_of_a_relay_ends_the_server_too() -> None:
    class Failing(Relay):
        def _handle_event(self, event: events.Event) -> Any:
            yield from super()._handle_event(event)
            if isinstance(event, events.DataReceived):
                raise OddError

    gone = asyncio.Event()

    async def origin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            gone.set()

    async with Room(relay_to(lambda: address, Failing)) as room:
        address = await room.origin(origin)
        _, writer = await room.client()
        await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        writer.write(b"x")
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


async def test_an_unknown_command_ends_the_connection() -> None:
    class Odd(commands.Command):
        pass

    class Asking(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.DataReceived):
                yield Odd()

    async with Room(lambda context: Asking(context, [])) as room:
        reader, writer = await room.client()
        writer.write(b"x")
        await cut_off(reader)


async def test_half_close_passes_in_both_directions() -> None:
    async with Room(relay_to(lambda: address)) as room:
        address = await room.origin(echoing)
        reader, writer = await room.client()
        writer.write(b"x" * MEGABYTE)
        writer.write_eof()
        assert len(await read(reader)) == MEGABYTE, "the answer comes after the client's end"


async def test_a_server_that_ends_first() -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all I have to say")
        writer.write_eof()
        got.append(await reader.read())

    got: list[bytes] = []
    async with Room(relay_to(lambda: address)) as room:
        address = await room.origin(origin)
        reader, writer = await room.client()
        assert await read(reader) == b"all I have to say"
        writer.write(b"but I have more")
        writer.write_eof()
        await until(lambda: got)
    assert got == [b"but I have more"]


async def test_writes_after_a_close_are_dropped() -> None:
    class Late(Recording):
        def do(self, event: events.Event) -> Any:
            client = self.context.client
            if isinstance(event, events.Start):
                yield commands.SendData(client, b"before")
                yield HalfClose(client)
                yield commands.SendData(client, b"after the half-close")
            elif isinstance(event, events.DataReceived):
                yield commands.CloseConnection(client)
                yield commands.SendData(client, b"after the close")
                yield commands.CloseConnection(client)
                yield HalfClose(client)

    told: list[str] = []
    async with Room(lambda context: Late(context, told)) as room:
        reader, writer = await room.client()
        assert await read(reader) == b"before"
        writer.write(b"still here")
        await until(lambda: room.ended)
    assert told == ["Start", "client still here", "client closed"]


async def test_events_queue_up_while_a_layer_runs() -> None:
    """A hook's answer comes after the step that asked, never inside it."""
    order: list[str] = []

    class Asking(layer.Layer):
        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                order.append("asks")
                yield commands.RequestWakeup(0)
                order.append("asked")
            else:
                order.append(type(event).__name__)
                yield commands.CloseConnection(self.context.client)

    async with Room(Asking) as room:
        reader, _ = await room.client()
        assert await read(reader) == b""
    assert order[:3] == ["asks", "asked", "Wakeup"]


# --- clients that vanish ----------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["at once", "opening", "relaying", "full"])
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_vanishes(phase: str, how: str) -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if phase == "full":
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        await reader.read()

    async with Room(relay_to(lambda: address)) as room:
        address = await room.origin(origin)
        if phase == "opening":
            room.gate = asyncio.Event()
        _, writer = await room.client(SMALL)
        if phase == "opening":
            await until(lambda: room.opened)
        elif phase == "relaying":
            await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        elif phase == "full":
            await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
            await until(lambda: not room.wire_to("server").transport.is_reading())
        if how == "reset" or phase == "full":
            reset(writer)
        else:
            writer.close()
        if how == "close" and phase != "full":
            # A half-open relay goes on until the other side has gone too.
            await until(lambda: room.drivers)
            room.drivers[0].shut()
        await until(lambda: room.ended)
    assert room.watching.seen[0] == "client"
    assert room.watching.seen.count("client gone") == 1


class Joins(layer.Layer):
    """Opens a server to be joined; what it does then, its test says."""

    address: tuple[str, int]
    tunnel: Tunnel

    def _handle_event(self, event: events.Event) -> Any:
        if isinstance(event, events.Start):
            server = self.context.server
            server.address = self.address
            opening = OpenToJoin(server)
            yield opening
            assert opening.kept
            yield from self.then(server)

    def then(self, server: Server) -> Any:
        yield Join(self.context.client, server, self.tunnel)
        yield commands.SendData(server, b"one ")
        yield commands.SendData(server, b"two")


class Forgets(Joins):
    def then(self, server: Server) -> Any:
        yield commands.SendData(server, b"one ")


class Closes(Joins):
    def then(self, server: Server) -> Any:
        yield Join(self.context.client, server, self.tunnel)
        yield commands.CloseConnection(self.context.client)


class Fails(Joins):
    def then(self, server: Server) -> Any:
        yield Join(self.context.client, server, self.tunnel)
        raise OddError


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Joins, None), (Forgets, "could not be joined"), (Closes, "joined"), (Fails, "joined")],
)
async def test_a_server_kept_for_a_join_is_joined_or_closed(
    kind: type[Joins], error: str | None
) -> None:
    """Never is one left behind that nobody reads."""
    got: list[bytes] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.write_eof()

    def make(context: Context) -> Joins:
        made = kind(context)
        made.address = address
        made.tunnel = Tunnel(SimpleNamespace(bytes_up=0, bytes_down=0))
        return made

    async with Room(make) as room:
        address = await room.origin(origin)
        reader, writer = await room.client()
        if error is None:
            await until(lambda: room.drivers and room.drivers[0]._joined is not None)
            writer.write_eof()
            assert await read(reader) == b""
        else:
            await cut_off(reader)
        await until(lambda: got and room.ended)
        assert got == [b"one two" if error is None else b""]
        assert room.drivers[0]._kept is None
        assert error is None or error in (room.drivers[0].client.error or "")


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_while_a_server_is_opened_for_a_join(how: str) -> None:
    def make(context: Context) -> Joins:
        made = Opens(context)
        made.address = address
        return made

    class Opens(Joins):
        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                self.context.server.address = self.address
                opening = OpenToJoin(self.context.server)
                yield opening
                kept.append(opening.kept)
                yield commands.CloseConnection(self.context.client)

    async def origin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        gone.append(await reader.read())

    kept: list[bool] = []
    gone: list[bytes] = []
    async with Room(make) as room:
        address = await room.origin(origin)
        room.gate = asyncio.Event()
        _, writer = await room.client()
        await until(lambda: room.opened)
        if how == "reset":
            reset(writer)
            await until(lambda: room.ended)
            assert kept == []
        else:
            writer.write_eof()
            wire = room.wire_to("client")
            await until(lambda: wire.ended)
            room.gate.set()
            await until(lambda: room.ended and gone)
            assert kept == [False], "its end has been read: only the layers can pass it on"
        assert room.drivers[0]._kept is None


async def test_nothing_happens_in_the_name_of_a_client_that_has_gone() -> None:
    """No layer is run after client_disconnected; its servers are cut off."""
    told: list[str] = []

    class Open(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                yield commands.RequestWakeup(0.01)
                yield Opening.Unblocked(Server(address=address))

    async def origin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        gone.append(await reader.read())

    gone: list[bytes] = []
    async with Room(lambda context: Open(context, told)) as room:
        address = await room.origin(origin)
        _, writer = await room.client()
        await until(lambda: "Wakeup" in told and "OpenConnectionCompleted" in told)
        reset(writer)
        await until(lambda: gone)
    assert told[-1] == "client closed"
    assert "server closed" not in told
    assert room.watching.seen[:3] == ["client", "server", "client gone"]


# --- servers ----------------------------------------------------------------------------------


async def test_a_server_that_refuses() -> None:
    async with Room(relay_to(lambda: ("127.0.0.1", 1))) as room:
        room.fail = ConnectRefused("nobody listens there", "upstream-failed")
        reader, _ = await room.client()
        assert await read(reader) == b"failed: nobody listens there"
    assert isinstance(Relay.error, ConnectRefused)
    assert Relay.error.kind == "upstream-failed", "the kind arrives with the text"


async def test_a_connect_that_raises_is_a_failure_without_its_text() -> None:
    async with Room(relay_to(lambda: ("127.0.0.1", 1))) as room:
        room.fail = RuntimeError("secret-token")
        reader, _ = await room.client()
        assert await read(reader) == b"failed: connecting failed: RuntimeError"


async def test_a_server_that_an_addon_refuses_is_not_contacted() -> None:
    async with Room(relay_to(lambda: ("127.0.0.1", 1))) as room:
        room.watching.refuse_servers = True
        reader, _ = await room.client()
        assert await read(reader) == b"failed: refused by an addon"
    assert room.opened == []


async def test_closing_a_connection_that_is_opening_cancels_it() -> None:
    class GivingUp(layer.Layer):
        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                self.server = Server(address=("127.0.0.1", 1))
                yield Unblocked(self.server)
            elif isinstance(event, events.DataReceived):
                yield commands.CloseConnection(self.server)
                yield commands.SendData(self.context.client, b"gave up")

    class Unblocked(commands.OpenConnection):
        blocking = False

    async with Room(GivingUp) as room:
        room.gate = asyncio.Event()
        reader, writer = await room.client()
        await until(lambda: room.opened)
        writer.write(b"x")
        assert await read(reader, 7) == b"gave up"
        await until(lambda: not room.drivers[0]._opening)
        limit = room.drivers[0]._limits["127.0.0.1", 1]
        await until(lambda: limit._value == 5)


class Opening(layer.Layer):
    """Opens as many connections to one server as its test wants, all at once."""

    count = 8

    def _handle_event(self, event: events.Event) -> Any:
        if isinstance(event, events.Start):
            self.servers = [Server(address=address_of[0]) for _ in range(self.count)]
            self.done: list[Server] = []
            for server in self.servers:
                yield Opening.Unblocked(server)
        elif isinstance(event, events.OpenConnectionCompleted):
            if event.reply is None:
                self.done.append(event.command.connection)
        elif isinstance(event, events.DataReceived) and self.done:
            yield commands.CloseConnection(self.done.pop())

    class Unblocked(commands.OpenConnection):
        blocking = False


address_of: list[tuple[str, int]] = []


async def test_five_connections_at_once_to_one_server() -> None:
    async def origin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        arrived.append(1)
        await reader.read()

    arrived: list[int] = []
    async with Room(Opening) as room:
        address_of[:] = [await room.origin(origin)]
        _, writer = await room.client()
        await until(lambda: len(arrived) == 5)
        assert len(room.opened) == 5
        for number in (6, 7, 8):
            writer.write(b"x")
            await until(lambda number=number: len(arrived) == number)


@pytest.mark.parametrize("problem", [ConnectRefused("no", "upstream-failed"), OSError(), "peer"])
async def test_a_failed_connection_gives_its_place_back(problem: object) -> None:
    async def origin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if problem == "peer":
            reset(writer)

    async with Room(Opening) as room:
        room.fail = problem if problem != "peer" else None  # type: ignore[assignment]
        address_of[:] = [await room.origin(origin)]
        await room.client()
        await until(lambda: len(room.opened) == 8)
        limit = next(iter(room.drivers[0]._limits.values()))
        await until(lambda: limit._value == 5)


async def test_a_cancelled_connection_gives_its_place_back_once() -> None:
    """Whenever the cancellation strikes: while connecting, or while the transport is made."""
    for steps in range(8):

        async def origin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        async with Room(Opening) as room:
            address_of[:] = [await room.origin(origin)]
            _, writer = await room.client()
            await until(lambda: room.opened)
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in list(room.drivers[0]._opening.values()):
                task.cancel()
            await until(lambda: not room.drivers[0]._opening)
            reset(writer)
            await until(lambda: room.ended)
            limit = next(iter(room.drivers[0]._limits.values()))
            await until(lambda limit=limit: limit._value == 5)


# --- slow peers -------------------------------------------------------------------------------


async def test_a_slow_client_stops_the_reading_from_the_server() -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(32):
            writer.write(b"x" * MEGABYTE)
            await writer.drain()
        writer.write_eof()
        await reader.read()

    async with Room(relay_to(lambda: address)) as room:
        address = await room.origin(origin)
        reader, writer = await room.client(SMALL)
        await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        await until(lambda: not room.wire_to("server").transport.is_reading())
        assert room.wire_to("client").transport.get_write_buffer_size() < MEGABYTE
        assert room.wire_to("client").transport.is_reading(), "what it says is still heard"
        assert len(await read(reader)) == 32 * MEGABYTE
        writer.close()


async def test_a_slow_server_stops_the_reading_from_the_client() -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wanted.wait()
        total = 0
        while data := await reader.read(65536):
            total += len(data)
        writer.write(str(total).encode())
        writer.write_eof()

    wanted = asyncio.Event()
    async with Room(relay_to(lambda: address)) as room:
        address = await room.origin(origin, buffer=SMALL)
        reader, writer = await room.client()
        writer.write(b"x" * (32 * MEGABYTE))
        writer.write_eof()
        await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        await until(lambda: not room.wire_to("client").transport.is_reading())
        assert room.wire_to("server").transport.get_write_buffer_size() < MEGABYTE
        assert room.wire_to("server").transport.is_reading()
        wanted.set()
        assert await read(reader) == str(32 * MEGABYTE).encode()


async def test_a_connection_opened_for_a_client_that_is_slow_waits_too() -> None:
    class Two(layer.Layer):
        """Two servers, both to one client; the second is opened when the client asks."""

        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                yield Opening.Unblocked(Server(address=address))
            elif isinstance(event, events.DataReceived):
                if event.connection is self.context.client:
                    yield Opening.Unblocked(Server(address=address))
                else:
                    yield commands.SendData(self.context.client, event.data)

    async def origin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * MEGABYTE)
            await writer.drain()

    async with Room(Two) as room:
        address = await room.origin(origin)
        _, writer = await room.client(SMALL)
        await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        await until(lambda: not room.wire_to("server").transport.is_reading())
        writer.write(b"another")
        await until(lambda: len(room.drivers[0]._wires) == 3)
        wires = room.drivers[0]._wires.values()
        # The kernel may take a little more before it is full for good.
        await until(lambda: [w.transport.is_reading() for w in wires] == [True, False, False])
        assert room.wire_to("client").transport.get_write_buffer_size() < MEGABYTE


async def test_a_slow_peer_that_leaves_holds_nobody_up() -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        await stop.wait()
        reset(writer)

    class Uploading(Relay):
        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.ConnectionClosed):
                return
            yield from super()._handle_event(event)

    stop = asyncio.Event()
    async with Room(relay_to(lambda: address, Uploading)) as room:
        address = await room.origin(origin, buffer=SMALL)
        _, writer = await room.client()
        writer.write(b"x" * (16 * MEGABYTE))
        await until(lambda: room.drivers and len(room.drivers[0]._wires) == 2)
        await until(lambda: not room.wire_to("client").transport.is_reading())
        stop.set()
        await until(room.wire_to("client").transport.is_reading)
    assert room.drivers[0]._pressure._full == set()


async def test_a_layer_holds_and_lets_go() -> None:
    class Holding(Recording):
        def do(self, event: events.Event) -> Any:
            client = self.context.client
            if event_is(event, b"hold"):
                yield Hold(client, "one", on=True)
                yield Hold(client, "two", on=True)
                yield Hold(client, "two", on=True)
                yield commands.RequestWakeup(0)
            elif isinstance(event, events.Wakeup):
                held.append(self.told.copy())
                yield Hold(client, "one", on=False)
                if "two" not in held:
                    yield Hold(client, "two", on=False)
                yield Hold(client, "never held", on=False)
            elif event_is(event, b"more"):
                yield commands.CloseConnection(client)

    def event_is(event: events.Event, data: bytes) -> bool:
        return isinstance(event, events.DataReceived) and event.data == data

    held: list[Any] = []
    told: list[str] = []
    async with Room(lambda context: Holding(context, told)) as room:
        reader, writer = await room.client()
        writer.write(b"hold")
        await until(lambda: "client hold" in told)
        writer.write(b"more")
        assert await read(reader) == b""
    assert "client more" not in held[0], "while held nothing is read"


async def test_a_held_connection_that_has_said_all_is_not_read_a_second_time() -> None:
    """asyncio would report the end of the stream again."""

    class Holding(Recording):
        waits = 0

        def do(self, event: events.Event) -> Any:
            client = self.context.client
            if isinstance(event, events.ConnectionClosed):
                yield commands.RequestWakeup(0)
            elif isinstance(event, events.Wakeup):
                self.waits += 1
                if self.waits == 3:
                    yield commands.CloseConnection(client)
                else:
                    yield Hold(client, self, on=self.waits == 1)
                    yield commands.RequestWakeup(0.01)

    told: list[str] = []
    async with Room(lambda context: Holding(context, told)) as room:
        reader, writer = await room.client()
        writer.write_eof()
        assert await read(reader) == b""
    assert told.count("client closed") == 1


# --- time -------------------------------------------------------------------------------------


async def test_a_wake_up_comes_when_it_was_asked_for() -> None:
    class Sleeping(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                self.wanted = commands.RequestWakeup(0.01)
                yield self.wanted
            elif isinstance(event, events.Wakeup):
                assert event.command is self.wanted
                yield commands.CloseConnection(self.context.client)

    told: list[str] = []
    async with Room(lambda context: Sleeping(context, told)) as room:
        reader, _ = await room.client()
        assert await read(reader) == b""
    assert told == ["Start", "Wakeup", "client closed"]


async def test_wake_ups_end_with_the_connection() -> None:
    class Sleeping(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                yield commands.RequestWakeup(3600)

    async with Room(lambda context: Sleeping(context, [])) as room:
        _, writer = await room.client()
        await until(lambda: room.drivers and room.drivers[0]._timers)
        reset(writer)
        await until(lambda: room.ended)
        assert all(timer.cancelled() for timer in room.drivers[0]._timers)


async def test_a_connection_that_is_idle_ends() -> None:
    told: list[str] = []
    async with Room(lambda context: Recording(context, told), tcp_timeout=0.05) as room:
        reader, _ = await room.client()
        await cut_off(reader)
        await until(lambda: room.ended)
        assert room.drivers[0].client.error == "no byte for 0.05 s"
        assert room.drivers[0].client.state is ConnectionState.CLOSED


async def test_bytes_from_either_side_keep_a_connection_alive() -> None:
    async def origin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(6):
            writer.write(b"x")
            await asyncio.sleep(0.05)
        writer.write_eof()

    async with Room(relay_to(lambda: address), tcp_timeout=0.2) as room:
        address = await room.origin(origin)
        reader, writer = await room.client()
        assert await read(reader) == b"x" * 6, "0.3 s in all, never 0.2 s without a byte"
        writer.close()


async def test_what_has_ended_is_gone_at_once() -> None:
    """Its TLS has tens of kB; nobody should have to wait for the collector of garbage."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await reader.read()

    layers: list[weakref.ref[layer.Layer]] = []

    def noting(context: Any) -> layer.Layer:
        outer, inner = layer.NextLayer(context), relay_to(lambda: address)(context)
        outer.layer = inner
        inner.child_layer, inner.streams = outer, {1: outer}  # type: ignore[attr-defined]
        layers.append(weakref.ref(outer))  # the outermost is the driver's, which the room keeps
        return inner

    async with Room(noting) as room:
        address = await room.origin(origin)
        reader, writer = await room.client()
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        gc.collect()
        gc.disable()
        try:
            reset(writer)
            await until(lambda: room.ended)
            await until(lambda: layers[0]() is None)
        finally:
            gc.enable()


# --- waits ------------------------------------------------------------------------------------


async def test_a_server_that_has_gone_is_not_waited_for() -> None:
    class Waiting(Relay):
        def _handle_event(self, event: events.Event) -> Any:
            yield from super()._handle_event(event)
            if isinstance(event, events.Start):
                pace_of(self.context).begin(Wait.BODY, self.context.server)

    async def origin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        reset(writer)

    go = asyncio.Event()
    async with Room(relay_to(lambda: address, Waiting)) as room:
        address = await room.origin(origin)
        _, writer = await room.client()
        await until(lambda: room.drivers and room.drivers[0]._pace._since)
        go.set()
        await until(lambda: not room.drivers[0]._pace._since)
        reset(writer)


async def test_a_wait_of_the_layers_is_theirs_to_end_and_any_other_ends_the_connection() -> None:
    class Begins(Recording):
        def do(self, event: events.Event) -> Any:
            if isinstance(event, events.DataReceived):
                pace_of(self.context).begin(Wait(event.data.decode()), "key")
            elif isinstance(event, Late):
                late.append((event.what, event.key))
            yield from ()

    late: list[Any] = []
    told: list[str] = []
    async with Room(lambda context: Begins(context, told)) as room:
        reader, writer = await room.client()
        for what in ("first-byte", "stream", "body"):
            writer.write(what.encode())
            await until(lambda what=what: f"client {what}" in told)
            room.drivers[0].sweep(0.0)
            room.drivers[0].sweep(1e6)
        assert late == [(Wait.FIRST_BYTE, "key"), (Wait.STREAM, "key")]
        await cut_off(reader)
        assert room.drivers[0].client.error == "no byte of a body for 60 s"
