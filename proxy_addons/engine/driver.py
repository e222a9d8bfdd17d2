"""The connection driver: mitmproxy's sans-I/O layers on asyncio transports.

In: bytes and ends of one client connection and of the server connections it causes.
Out: bytes, connections and closes, as the layers command; hooks to the hook table.
Must never: run a layer while it is already running (events queue up behind it); connect to an
address that the gate has not passed; leave anything open when the client has gone.

It stands where mitmproxy has `proxy/server.py`. What differs: protocols instead of streams (no
task wakes up for each piece of data), hooks without a task, writes of one step sent together, one
timer for each connection instead of a task, and name resolution before the connection, so that
the address that was checked is the one connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, server_hooks

from proxy_addons.engine.asking import Answered, Ask, Asking
from proxy_addons.engine.layers import BadRequest, BadRequestHook, SpliceEndHook
from proxy_addons.engine.outcomes import ConnectFailed, ConnectRefused, where
from proxy_addons.engine.pace import OF_BODIES, OF_THE_LAYERS, Late, Wait, said
from proxy_addons.engine.splice import Join, Joined, OpenToJoin
from proxy_addons.engine.tuning import ForkingContext, take_apart
from proxy_addons.engine.wires import (
    Acceptor,
    Full,
    Guest,
    HalfClose,
    Hold,
    Host,
    Pressure,
    ServerWire,
    Wire,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Collection, Coroutine

    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import Layer
    from mitmproxy.proxy.mode_specs import ProxyMode

    from proxy_addons.engine.egress import WayOut
    from proxy_addons.engine.hooks import HookTable
    from proxy_addons.engine.options import EngineOptions

logger = logging.getLogger("watchhouse.engine")

# Of one client connection to one server address, as mitmproxy has it: an HTTP/2 client before an
# HTTP/1 server would otherwise open a connection for each of its streams.
_SERVER_CONNECTIONS_AT_ONCE = 5

type Connect = Callable[[str, int, WayOut | None], Awaitable[Any]]


class Driver:
    """Drives one client connection for its whole life.

    Args:
        hooks: the hook table.
        options: what the layers may ask.
        mode: mitmproxy's proxy mode (regular, or upstream with a parent proxy).
        connect: opens a checked connection: `await connect(host, port, way_out)` gives a connected
            socket, or raises ConnectFailed.
        first_layer: makes the outermost layer.
        on_end: called once, when nothing of the connection is left.
        secure: whether the client's transport is one of TLS.
        balancer: numeric address of the load balancer that named the client, or None.
        way_out: gives the way out of the person whose request is in hand; None for the usual one.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        *,
        peername: tuple[Any, ...],
        sockname: tuple[Any, ...],
        hooks: HookTable,
        options: EngineOptions,
        mode: ProxyMode,
        connect: Connect,
        first_layer: Callable[[Context], Layer],
        on_end: Callable[[Driver], None],
        secure: bool = False,
        balancer: str | None = None,
        way_out: Callable[[Client], WayOut | None] = lambda _: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._hooks = hooks
        self._connect = connect
        self._on_end = on_end
        self._wires: dict[Connection, Wire] = {}
        self._opening: dict[Connection, asyncio.Task[None]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._limits: dict[Any, asyncio.Semaphore] = {}
        self._queue: deque[events.Event] = deque()
        self._running = False
        self._pressure = Pressure()
        self._asking = Asking(self._loop, self._hold_client, self._not_answered)
        self._taken: dict[Connection, asyncio.Future[None]] = {}  # of peers that take no more
        self._full: set[Wire] = set()  # of servers, where the layers hold single exchanges
        self._ended = False
        self._why: str | None = None  # why we ended it
        self._dirty: list[Wire] = []
        self._join: Join | None = None
        self._joined: Joined | None = None
        # The client's and the server's socket, from the server's being there to the join.
        self._kept: tuple[socket.socket, socket.socket] | None = None
        self._first: list[bytes] = []  # for the server of `_kept`
        self._idle_after = options.tcp_timeout
        self._last_activity = self._loop.time()
        self.client = Guest(
            peername=peername,
            sockname=sockname,
            timestamp_start=time.time(),
            proxy_mode=mode,
            state=ConnectionState.OPEN,
        )
        self.client.secure, self.client.balancer = secure, balancer
        self._way_out = partial(way_out, self.client)
        context = ForkingContext(self.client, options, self._way_out)
        self._pace = context.pace
        self._layer = first_layer(context)

    # --- life -----------------------------------------------------------------------------

    def start(self, wire: Wire) -> None:
        """The client's transport is there: begin."""
        self._wires[self.client] = wire
        if not self._hooks.call(server_hooks.ClientConnectedHook(self.client)) or self.client.error:
            # The client could not be taken in: nothing of it is read.
            wire.transport.abort()
            return
        self._watchdog = self._loop.call_later(self._idle_after, self._look_idle)
        self.dispatch(events.Start())

    def shut(self) -> None:
        """End the connection now (the worker stops)."""
        if self._joined is not None:
            self._joined.end()
        if (wire := self._wires.get(self.client)) is not None:
            wire.transport.close()

    def abort(self, reason: str) -> None:
        """End the connection at once, whatever is still to be sent.

        Args:
            reason: for the records that are still open.
        """
        self._why = self._why or self.client.error or reason
        if self._joined is not None:
            self.client.error = self._why
            self._joined.end()
        elif (wire := self._wires.get(self.client)) is not None:
            self.client.error = self._why
            wire.transport.abort()

    def sweep(self, now: float) -> None:
        """End what keeps us waiting for too long. The worker calls this about once a second.

        Args:
            now: seconds of any clock that never goes back.
        """
        free: Collection[Wait] = frozenset()
        if self._pressure:
            wire = self._wires.get(self.client)
            unread = wire is not None and not wire.transport.is_reading()
            free = OF_BODIES | {Wait.HEAD} if unread else OF_BODIES
        for what, key in self._pace.overdue(now, free):
            if what in OF_THE_LAYERS:
                self.dispatch(Late(what, key))
                continue
            why = said(what, self._pace.limit(what))
            if what is Wait.HEAD:
                # No record of it is open yet.
                self._hooks.call(BadRequestHook(BadRequest(self.client, why, can_answer=False)))
            self.abort(why)
            return

    def _look_idle(self) -> None:
        if self._joined is not None:
            self._last_activity = self._joined.active
        if self._asking.tasks or (self._asking.aside and not self._taken):
            self._last_activity = self._loop.time()  # it is us who are at work
        quiet = self._loop.time() - self._last_activity
        if quiet >= self._idle_after:
            # Closing politely would wait for ever for a peer that takes nothing.
            self.abort(f"no byte for {self._idle_after:g} s")
        else:
            self._watchdog = self._loop.call_later(self._idle_after - quiet, self._look_idle)

    def _finish(self) -> None:
        """The client has gone: end everything that it caused."""
        if self._ended:
            return
        self._ended = True
        if watchdog := getattr(self, "_watchdog", None):
            watchdog.cancel()
        for timer in self._timers:
            timer.cancel()
        for task in list(self._opening.values()):
            task.cancel()
        self._asking.cancel()
        for wire in list(self._wires.values()):
            wire.transport.abort()
        self._let_go()
        # The layers have put what they saw of the end in its place.
        self.client.error = self._why or self.client.error
        self.client.timestamp_end = time.time()
        self._hooks.call(server_hooks.ClientDisconnectedHook(self.client))
        self._on_end(self)
        if not self._running:
            take_apart(self._layer)

    # --- events ---------------------------------------------------------------------------

    def received(self, connection: Connection, data: bytes) -> None:
        """Bytes came."""
        self._last_activity = self._loop.time()
        if self._asking.tasks and connection is self.client:
            self._asking.came(len(data))
        self.dispatch(events.DataReceived(connection, data))

    def peer_closed(self, connection: Connection) -> None:
        """A peer sends no more; it may still be reading."""
        self.dispatch(events.ConnectionClosed(connection))

    def lost(self, wire: Wire) -> None:
        """A transport has ended."""
        self._wires.pop(wire.connection, None)
        self._pressure.forget(wire.connection)
        self._pace.end(Wait.BODY, wire.connection)
        self.writer_drained(wire)
        if not wire.ended:
            wire.ended = True
            self.dispatch(events.ConnectionClosed(wire.connection))
        if wire.connection is self.client:
            self._finish()
        elif isinstance(wire.connection, Server):
            wire.connection.timestamp_end = time.time()
            self._hooks.call(
                server_hooks.ServerDisconnectedHook(
                    server_hooks.ServerConnectionHookData(wire.connection, self.client)
                )
            )

    def dispatch(self, event: events.Event) -> None:
        """Hand an event to the layers, now or, while they are running, right after."""
        if self._ended:
            # The client has gone, its records are finished: nothing may happen in its name.
            return
        self._queue.append(event)
        if self._running:
            return
        self._running = True
        queue = self._queue
        try:
            while queue:
                for command in self._layer.handle_event(queue.popleft()):
                    self._obey(command)
        except Exception as problem:  # noqa: BLE001 - the whole connection ends
            # A layer failed: what it would have done with the request in hand is unknown, so the
            # whole connection ends. The records still open are finished by client_disconnected.
            logger.error(
                "a protocol layer failed (%s at %s); the connection is closed",
                type(problem).__name__, where(problem),
            )  # fmt: skip
            queue.clear()
            self._flush()
            if (wire := self._wires.get(self.client)) is not None:
                wire.transport.abort()
        finally:
            self._running = False
        self._flush()
        if self._join is not None:
            self._join_sockets(self._join)
        if self._kept is not None:
            # Its layer did not ask for the join, or the client's side ended in this very step.
            # There is nothing else that could carry the tunnel on.
            self._let_go()
            self.abort("the tunnel could not be joined")

    def _obey(self, command: commands.Command) -> None:  # noqa: C901, PLR0912 - one branch a command
        if isinstance(command, commands.SendData):
            if (wire := self._wires.get(command.connection)) is not None:
                if not wire.pending:
                    self._dirty.append(wire)
                wire.pending.append(command.data)
            elif self._kept is not None and command.connection is not self.client:
                self._first.append(command.data)
        elif isinstance(command, commands.StartHook):
            if not command.blocking:
                self._called(self._hooks.call(command), None)
            elif isinstance(done := self._hooks.ask(command), bool):
                self._called(done, command)
            else:
                self._asking.wait(done, lambda done: self._called(done, command))
        elif isinstance(command, commands.OpenConnection):
            self._open(command)
        elif isinstance(command, commands.CloseTcpConnection):
            self._flush()
            self._close(command.connection, half=command.half_close)
        elif isinstance(command, commands.CloseConnection):
            self._flush()
            self._close(command.connection, half=False)
        elif isinstance(command, commands.RequestWakeup):
            self._wake_later(command)
        elif isinstance(command, Hold):
            self._pressure.hold(command)
            self._settle()
        elif isinstance(command, HalfClose):
            self._flush()
            self._close(command.connection, half=True)
        elif isinstance(command, Join):
            self._join = command
        elif isinstance(command, Ask):
            answer = command.answer
            if command.paced:
                answer = self._when_taken(answer, command.by or self.client)
            self._asking.wait(
                answer,
                lambda reply: self.dispatch(Answered(command, reply)),
                aside=command.aside,
            )
        elif isinstance(command, commands.Log):
            if command.level >= logging.ERROR:
                logger.log(command.level, "engine: %s", command.message[:200])
        else:
            msg = f"a command unknown to the driver: {type(command).__name__}"
            raise TypeError(msg)

    def _called(self, done: bool, command: commands.StartHook | None) -> None:
        """A hook's handlers have been called; its layer goes on, if it waits."""
        if not done:
            # Not even a refusal could be made: close, so that nothing passes undecided.
            self._flush()
            self._close(self.client, half=False)
        elif command is not None:
            # `blocking` holds the layer that waits; the answer must come after this step.
            self.dispatch(events.HookCompleted(command))

    def _hold_client(self, on: bool) -> None:
        self._pressure.hold(Hold(self.client, self._asking, on=on))
        self._settle()

    def _not_answered(self, problem: Exception) -> None:
        logger.error(
            "what was asked failed (%s at %s); the connection is closed",
            type(problem).__name__, where(problem),
        )  # fmt: skip
        self.abort(f"undecided ({type(problem).__name__})")

    def _flush(self) -> None:
        dirty = self._dirty
        while dirty:
            wire = dirty.pop()
            data, wire.pending = wire.pending, []
            # Data for a peer to which the way is closed is dropped, as by mitmproxy's own server.
            if (
                wire.connection.state & ConnectionState.CAN_WRITE
                and not wire.transport.is_closing()
            ):
                wire.transport.write(data[0] if len(data) == 1 else b"".join(data))

    def _wake_later(self, command: commands.RequestWakeup) -> None:
        def wake() -> None:
            self._timers.discard(timer)
            self.dispatch(events.Wakeup(command))

        timer = self._loop.call_later(command.delay, wake)
        self._timers.add(timer)

    # --- spliced tunnels ------------------------------------------------------------------

    def _join_sockets(self, command: Join) -> None:
        """Leave a spliced tunnel to its sockets, if all that came before has been sent on."""
        self._join = None
        if self._kept is not None:
            wire = self._wires.get(self.client)
            if self._ended or wire is None or not wire.idle:
                return  # whoever called us lets go of them
            (client, server), self._kept = self._kept, None
            first, self._first = b"".join(self._first), []
            self._leave(wire)
            self._hand_over(command, client, server)
            assert self._joined is not None
            self._joined.send_up(first)
            return
        wires = [self._wires.get(command.client), self._wires.get(command.server)]
        if self.client.secure:
            return  # its socket carries TLS of ours: the layers go on
        if self._ended or not all(wire is not None and wire.idle for wire in wires):
            return
        copies: list[socket.socket] = []
        try:
            for wire in wires:
                assert wire is not None
                copies.append(wire.transport.get_extra_info("socket").dup())
        except OSError:
            # No descriptor is left: the layers go on relaying, and ask again.
            for copy in copies:
                copy.close()
            return
        for wire in wires:
            assert wire is not None
            self._leave(wire)
        self._hand_over(command, copies[0], copies[1])

    def _leave(self, wire: Wire) -> None:
        """Give up the transport of a wire, not its socket."""
        del self._wires[wire.connection]
        self._pressure.forget(wire.connection)
        wire.leave()

    def _keep(self, server: socket.socket) -> bool:
        """Keep a server's socket for a join in this very step, if nothing stands in its way."""
        wire = self._wires.get(self.client)
        if self._ended or self.client.secure or wire is None or not wire.idle:
            return False
        try:
            client = wire.transport.get_extra_info("socket").dup()
        except OSError:
            return False  # no descriptor is left: with transports, the layers relay
        self._kept = (client, server)
        return True

    def _let_go(self) -> None:
        """Close the sockets of a join that does not come about."""
        if self._kept is not None:
            for sock in self._kept:
                sock.close()
            self._kept = None
            self._first.clear()

    def _hand_over(
        self, command: Join, client_socket: socket.socket, server_socket: socket.socket
    ) -> None:
        server = command.server

        def over() -> None:
            self._joined = None
            server.state = self.client.state = ConnectionState.CLOSED
            server.timestamp_end = time.time()
            command.tunnel.error = command.tunnel.error or self.client.error
            # Where this fails the record is finished by client_disconnected, just after.
            self._hooks.call(SpliceEndHook(command.tunnel))
            if "server_disconnected" in self._hooks:
                self._hooks.call(
                    server_hooks.ServerDisconnectedHook(
                        server_hooks.ServerConnectionHookData(server, self.client)  # type: ignore[arg-type]
                    )
                )
            self._finish()

        self._joined = Joined(self._loop, client_socket, server_socket, command.tunnel.record, over)

    # --- closing --------------------------------------------------------------------------

    def _close(self, connection: Connection, *, half: bool) -> None:
        wire = self._wires.get(connection)
        if wire is None:
            connection.state = ConnectionState.CLOSED
            if (task := self._opening.pop(connection, None)) is not None:
                task.cancel()
            return
        if half:
            if connection.state & ConnectionState.CAN_WRITE:
                connection.state &= ~ConnectionState.CAN_WRITE
                if wire.transport.can_write_eof() and not wire.transport.is_closing():
                    # A peer that has just vanished: its end is told of in a moment.
                    with contextlib.suppress(OSError):
                        wire.transport.write_eof()
            if connection.state is not ConnectionState.CLOSED:
                return
        connection.state = ConnectionState.CLOSED
        wire.transport.close()

    # --- opening --------------------------------------------------------------------------

    def _open(self, command: commands.OpenConnection) -> None:
        # Begun at once: where the name is known, the connection is on its way within this step.
        task = asyncio.Task(self._open_server(command), loop=self._loop, eager_start=True)
        if not task.done():
            self._opening[command.connection] = task

    async def _open_server(self, command: commands.OpenConnection) -> None:
        server = command.connection
        assert isinstance(server, Server)
        error: str | None
        try:
            error = await self._try_open(command, server)
        except asyncio.CancelledError:
            # The client has gone or the layer gave up: there is nobody to answer.
            self._opening.pop(server, None)
            if wire := self._wires.pop(server, None):
                wire.transport.abort()
            raise
        except Exception as problem:  # noqa: BLE001 - the request in hand gets the failure page
            error = ConnectRefused(
                f"connecting failed: {type(problem).__name__}", "upstream-failed"
            )
        self._opening.pop(server, None)
        if self._ended:
            if wire := self._wires.pop(server, None):
                wire.transport.abort()
            return
        if error:
            server.error = error
        self.dispatch(events.OpenConnectionCompleted(command, error))

    async def _try_open(self, command: commands.OpenConnection, server: Server) -> str | None:
        address = server.address
        if address is None:
            return ConnectRefused("no server named", "upstream-failed")
        host, port = address[0], address[1]
        # Spliced tunnels go to servers that mitmproxy has made.
        way_out = server.way_out if isinstance(server, Host) else self._way_out()
        data = server_hooks.ServerConnectionHookData(server, self.client)
        if not self._hooks.call(server_hooks.ServerConnectHook(data)) or server.error:
            return server.error or ConnectRefused("refused before connecting", "undecided")
        limit = self._limits.get(address)
        if limit is None:
            limit = self._limits[address] = asyncio.Semaphore(_SERVER_CONNECTIONS_AT_ONCE)
        await limit.acquire()
        wire = ServerWire(self, server, limit)
        sock = None
        try:
            server.timestamp_start = time.time()
            sock = await self._connect(host, port, way_out)
            server.peername, server.sockname = sock.getpeername(), sock.getsockname()
            if isinstance(command, OpenToJoin) and self._keep(sock):
                wire.give_place_back()
                command.kept = True
            else:
                await self._loop.create_connection(lambda: wire, sock=sock)
                self._wires[server] = wire
        except ConnectFailed as failed:
            wire.give_place_back()
            return failed.reason
        except BaseException:
            wire.give_place_back()
            if sock is not None:
                sock.close()
            raise
        server.timestamp_tcp_setup = time.time()
        server.state = ConnectionState.OPEN
        if server in self._wires:
            self._settle()  # it waits too where the client is slow already
        return None

    # --- back-pressure --------------------------------------------------------------------

    async def _when_taken(self, answer: Coroutine[Any, Any, Any], peer: Connection) -> Any:
        """A result, when a peer takes data."""
        reply = await answer
        while (taken := self._taken.get(peer)) is not None:
            await asyncio.wait([taken])
        return reply

    def writer_full(self, wire: Wire) -> None:
        """A peer takes data more slowly than it comes: stop reading what is meant for it."""
        if wire.connection not in self._taken:
            self._taken[wire.connection] = self._loop.create_future()
        if self.client.alpn == b"h2" and wire.connection is not self.client:
            self._full.add(wire)
            self.dispatch(Full(wire.connection, on=True))
            return
        self._pressure.full(wire)
        self._settle()

    def writer_drained(self, wire: Wire) -> None:
        """A slow peer has caught up, or has gone."""
        if (taken := self._taken.pop(wire.connection, None)) is not None:
            taken.set_result(None)
        if wire in self._full:
            self._full.discard(wire)
            self.dispatch(Full(wire.connection, on=False))
        self._pressure.drained(wire)
        self._last_activity = self._loop.time()
        self._settle()

    def _settle(self) -> None:
        self._pressure.settle(self._wires.values(), self.client)


__all__ = ["Acceptor", "ConnectFailed", "ConnectRefused", "Driver", "where"]
