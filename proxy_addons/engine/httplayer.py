"""HTTP of one client connection: mitmproxy's layer with our sides, exchanges and limits.

In: events of the client and of its servers. Out: commands.
Must never: remember a failure for the next request; keep what has ended; let one side send faster
than the other takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpClient,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
)
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy

from proxy_addons.engine import http1, http2
from proxy_addons.engine.asking import Answered
from proxy_addons.engine.exchange import Stream
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Late
from proxy_addons.engine.tls import ServerTls, let_go
from proxy_addons.engine.tuning import way_out_of
from proxy_addons.engine.wires import Full, HoldStream, Host

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context

type Commands[T] = layer.CommandGenerator[T]

# Bytes of one exchange that may wait for an HTTP/2 peer; above it the other side is held.
_HIGH, _LOW = 256 * 1024, 64 * 1024
_EARLY = 0.05  # seconds by which a timer may ring before its time
_KEPT = 8  # connections, ended ones among them, before the ended are let go


class Speaker(HttpClient):
    """Opens one connection to a server, and speaks there what was agreed on."""

    def _handle_event(self, event: events.Event) -> Commands[None]:
        assert isinstance(event, events.Start)
        server = self.context.server
        error: str | None = yield commands.OpenConnection(server)
        if not error:
            side = http2.Client if server.alpn == b"h2" else http1.Client
            self.child_layer = side(self.context)
            self._handle_event = self.child_layer.handle_event  # type: ignore[method-assign]
            yield from self._handle_event(event)
        yield RegisterHttpConnection(server, error)


@dataclass(slots=True)
class _Way:
    """How a server is reached.

    Attributes:
        speaker: the innermost layer.
        carrier: the connection on the network: the server's, or that to the parent proxy.
        late: whether it took too long.
    """

    speaker: Speaker
    carrier: Server
    late: bool = False


class Http(HttpLayer):
    """mitmproxy's HTTP layer, with our sides and exchanges."""

    def __init__(self, context: Context, mode: HTTPMode) -> None:
        super().__init__(context, mode)
        self._ways: dict[Server, _Way] = {}
        self._gone: list[layer.Layer] = []  # outermost layers of connections that were let go
        # When servers that are being reached are late (seconds of time.monotonic), soonest first.
        # One alarm serves for all: one each would keep each until it rings, long after.
        self._deadlines: dict[Server, float] = {}
        self._alarm: commands.RequestWakeup | None = None
        self._http2: list[tuple[Connection, http2.Server | http2.Client]] = []
        # What exchanges have asked for, whose client takes no more of them for now (HTTP/2).
        self._parked: dict[int, Answered] = {}
        # Exchanges of which one side is held, by the connection whose peer is slow.
        self._held: dict[tuple[Connection, int], Connection] = {}
        self._full: set[Connection] = set()  # servers' connections that take no more for now

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, events.Start):
            # Ours in place of the side that mitmproxy would make.
            http2_wanted = self.context.client.alpn == b"h2"
            side = (http2.Server if http2_wanted else http1.Server)(self.context.fork())
            self.connections[self.context.client] = side
            if isinstance(side, http2.Server):
                self._http2.append((self.context.client, side))
            yield from super()._handle_event(event)
        elif isinstance(event, events.Wakeup) and event.command is self._alarm:
            yield from self._ring()
        elif isinstance(event, (Late, Answered, Full)):
            yield from self._ours(event)
        elif (
            isinstance(event, events.ConnectionEvent)
            and event.connection not in self.connections
            and event.connection is not self.context.server
        ):
            pass  # of a connection that has been let go
        else:
            yield from super()._handle_event(event)
            if self._http2:
                yield from self._balance()
        # Only here: what is let go may be in the middle of a step.
        while self._gone:
            let_go(self._gone.pop())

    def _ours(self, event: Late | Answered | Full) -> Commands[None]:
        """What the driver says that mitmproxy does not know."""
        if isinstance(event, Late):
            yield from self._late(event)
        elif isinstance(event, Answered):
            yield from self._answered(event)
            if self._http2:
                yield from self._balance()
        else:
            if event.on:
                self._full.add(event.connection)
            else:
                self._full.discard(event.connection)
            yield from self._balance()
            yield from self._tell_tunnels(event)

    def make_stream(self, stream_id: int) -> Commands[None]:
        """An exchange begins."""
        self.streams[stream_id] = Stream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def _late(self, event: Late) -> Commands[None]:
        """Hand it to the side or exchange whose wait it was, here or inside a tunnel."""
        if isinstance(event.key, Stream) and self._is_ours(event.key):
            yield from self.event_to_child(event.key, event)
            return
        side = event.key[0] if isinstance(event.key, tuple) else None
        if side is self.connections[self.context.client]:
            yield from self.event_to_child(side, event)
            return
        for server, way in self._ways.items():
            if getattr(way.speaker, "child_layer", None) is side and side is not None:
                yield from self.event_to_child(self.connections[server], event)
                return
        yield from self._tell_tunnels(event)

    def _answered(self, event: Answered) -> Commands[None]:
        """Hand it to the exchange that has asked, when its client takes more of it."""
        exchange = event.command.owner
        if not isinstance(exchange, Stream) or not self._is_ours(exchange):
            yield from self._tell_tunnels(event)
            return
        side = self.connections[self.context.client]
        if (
            event.command.paced
            and event.command.by is None
            and isinstance(side, http2.Server)
            and side.h2_conn.waiting(exchange.stream_id) > _HIGH
        ):
            self._parked[exchange.stream_id] = event
        else:
            yield from self.event_to_child(exchange, event)

    def _is_ours(self, exchange: Stream) -> bool:
        return self.streams.get(exchange.stream_id) is exchange

    def _tell_tunnels(self, event: events.Event) -> Commands[None]:
        for exchange in list(self.streams.values()):
            if exchange.child_layer is not None:
                yield from self.event_to_child(exchange, event)

    # --- servers --------------------------------------------------------------------------

    # Overrides mitmproxy's, which says what it is called with.
    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> Commands[None]:
        """A connection for an exchange: one that is there, or a new one.

        Unlike mitmproxy's: a failure is not remembered (the next request tries again), ended
        connections are let go, and the time for reaching a server is limited.
        """
        way_out = way_out_of(self.context)
        for server in self.connections if reuse else ():
            if not isinstance(server, Host) or server.way_out != way_out:
                continue  # the client's own, or of another way out
            if not event.connection_spec_matches(server):
                continue
            if server in self.waiting_for_establishment:
                self.waiting_for_establishment[server].append(event)
                return
            # One exchange at a time where the client has many and the server speaks HTTP/1.
            many_to_one = self.context.client.alpn == b"h2" and server.alpn != b"h2"
            if server.connected and not many_to_one:
                exchange = self.command_sources.pop(event)
                done = GetHttpConnectionCompleted(event, (server, None))
                yield from self.event_to_child(exchange, done)
                return
        self._let_go()
        yield from self._connect(event)

    def _connect(self, event: GetHttpConnection) -> Commands[None]:
        context = self.context.fork()
        server = context.server = Host(address=event.address)
        server.way_out = way_out_of(context)
        stack = tunnel.LayerStack()
        carrier: Server = server
        if event.via:
            server.via = event.via
            # In the clear a parent is sent the request itself, else CONNECT.
            connects = event.tls or self.mode is not HTTPMode.upstream
            stack /= HttpUpstreamProxy.make(context, connects)
            parent = stack[-1]
            assert isinstance(parent, HttpUpstreamProxy)
            carrier = parent.tunnel_connection
        if event.tls:
            # Inside a tunnel the client has said which name it expects the certificate for; every
            # name was judged. Without one, and outside, it is the host connected to.
            inside = (
                self.mode is HTTPMode.transparent and event.address == self.context.server.address
            )
            server.sni = (self.context.client.sni if inside else None) or event.address[0]
            stack /= ServerTls(context)
        speaker = Speaker(context)
        stack /= speaker
        self._ways[server] = _Way(speaker, carrier)
        self.connections[server] = stack[0]
        self.waiting_for_establishment[server].append(event)
        self._set_deadline(server)
        yield from self._set_alarm()
        yield from self.event_to_child(stack[0], events.Start())

    def _set_deadline(self, server: Server) -> None:
        self._deadlines[server] = time.monotonic() + self.context.options.connect_timeout

    def _set_alarm(self) -> Commands[None]:
        if self._alarm is None and self._deadlines:
            first = next(iter(self._deadlines.values()))
            self._alarm = commands.RequestWakeup(max(first - time.monotonic(), 0))
            yield self._alarm

    def _ring(self) -> Commands[None]:
        self._alarm = None
        now = time.monotonic() + _EARLY
        for server in [each for each, due in self._deadlines.items() if due <= now]:
            self._deadlines.pop(server, None)
            yield from self._too_late(server)
        yield from self._set_alarm()

    def _too_late(self, server: Server) -> Commands[None]:
        if server not in self.waiting_for_establishment:
            return
        way = self._ways[server]
        if way.carrier.connected:
            # TCP stands, but no parent or no TLS answers there.
            way.late = True
            yield commands.CloseConnection(way.carrier)
        else:
            # The connector has a limit of its own; it may have had to wait for its turn.
            self._set_deadline(server)

    def register_connection(self, command: RegisterHttpConnection) -> Commands[None]:
        """A server has been reached, or has not."""
        server = command.connection
        assert isinstance(server, Server)
        self._deadlines.pop(server, None)
        way = self._ways[server]
        if command.err is None:
            side: Any = way.speaker.child_layer
            if isinstance(side, http2.Client):
                self._http2.append((server, side))
            server.peername = way.carrier.peername
        elif way.late:
            seconds = self.context.options.connect_timeout
            command.err = ConnectRefused(f"no answer within {seconds:g} s", "upstream-timeout")
        elif command.err == "connection closed" and server.tls:
            command.err = ConnectRefused("closed while TLS was being agreed on", "upstream-tls")
        yield from super().register_connection(command)

    def _let_go(self) -> None:
        """Forget connections that have ended: a client may stay for a day, and open thousands."""
        if len(self.connections) <= _KEPT:
            return
        in_use = {exchange.context.server for exchange in self.streams.values()}
        for server, way in list(self._ways.items()):
            if server.connected or server in in_use or server in self.waiting_for_establishment:
                continue
            del self._ways[server]
            self._gone.append(self.connections[server])
            for connection in {server, way.carrier}:
                self.connections.pop(connection, None)
            self._http2 = [each for each in self._http2 if each[0] is not server]

    # --- back-pressure --------------------------------------------------------------------

    def _balance(self) -> Commands[None]:
        """Hold the side that sends faster than its peer takes, where one of them is HTTP/2."""
        yield from self._unpark()
        waiting: dict[tuple[Connection, int], int] = {}
        for slow, side in self._http2:
            if side.h2_conn.stream_buffers or (
                isinstance(side, http2.Client) and side.stream_queue
            ):
                for stream_id, size in side.swamped().items():
                    waiting[slow, stream_id] = size
        for stream_id, exchange in self.streams.items() if self._full else ():
            way = self._ways.get(exchange.context.server)
            if way is not None and way.carrier in self._full:
                waiting[exchange.context.server, stream_id] = _HIGH + 1
        for key, size in waiting.items():
            if size > _HIGH and key not in self._held:
                yield from self._hold(*key)
        for key in [key for key in self._held if waiting.get(key, 0) < _LOW]:
            source = self._held.pop(key)
            if source in self.connections:
                yield from self.event_to_child(
                    self.connections[source], HoldStream(key[1], on=False)
                )

    def _unpark(self) -> Commands[None]:
        """Let those go on whose client takes more again."""
        if not self._parked:
            return
        side = self.connections[self.context.client]
        assert isinstance(side, http2.Server)
        for stream_id, event in list(self._parked.items()):
            exchange = self.streams.get(stream_id)
            if exchange is None or exchange is not event.command.owner:
                del self._parked[stream_id]
            elif side.h2_conn.waiting(stream_id) < _LOW:
                del self._parked[stream_id]
                yield from self.event_to_child(exchange, event)

    def _hold(self, slow: Connection, stream_id: int) -> Commands[None]:
        exchange = self.streams.get(stream_id)
        if exchange is None:
            return  # all of its answer has come already
        source = exchange.context.server if slow is self.context.client else self.context.client
        if source in self.connections:
            self._held[slow, stream_id] = source
            yield from self.event_to_child(self.connections[source], HoldStream(stream_id, on=True))
