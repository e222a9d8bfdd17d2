"""The servers of one client connection: reached, kept for the next request, let go.

In: where a request goes; events. Out: commands; ways with what came out of them.
Must never: keep many connections for a client that asks many sites; wait for a server without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events

from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.relay.ways import Outward, Way
from proxy_addons.engine.tls import let_go
from proxy_addons.engine.tuning import way_out_of
from proxy_addons.engine.wires import Hold

if TYPE_CHECKING:
    from mitmproxy.connection import Connection
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import CommandGenerator

type Commands = CommandGenerator[None]

_KEPT = 4  # at a time


class Servers:
    """The ways of one relay.

    Args:
        context: of the relay.
        inside: whether its requests come through a tunnel.
    """

    __slots__ = ("_context", "_deadlines", "_inside", "_sources", "_ways")

    def __init__(self, context: Context, *, inside: bool) -> None:
        self._context = context
        self._inside = inside
        self._ways: dict[Connection, Way] = {}  # by the connection on the network
        self._sources: dict[commands.Command, Way] = {}
        self._deadlines: dict[commands.Command, Way] = {}

    def of(self, event: events.Event) -> Way | None:
        """Whose event this is; None where the way has been let go."""
        if isinstance(event, events.CommandCompleted):
            return self._sources.pop(event.command, None)
        assert isinstance(event, events.ConnectionEvent)
        return self._ways.get(event.connection)

    def __contains__(self, way: Way) -> bool:
        return way.carrier in self._ways

    def kept(self, address: tuple[str, int]) -> Way | None:
        """A way to this server that is there already, for whose request is in hand."""
        way_out = way_out_of(self._context)
        for way in self._ways.values():
            if way.open and way.address == address and way.way_out == way_out:
                return way
        return None

    def reach(self, address: tuple[str, int]) -> Way:
        """A new way to a server; `start` opens it."""
        sni = None
        if self._inside and self._context.server.tls:
            # The client has said which name it expects the certificate for; every name was judged.
            sni = self._context.client.sni or address[0]
        via = self._context.server.via
        way = Way(self._context, address, sni=sni, via=via, connects=self._inside)
        self._ways[way.carrier] = way
        return way

    def start(self, way: Way, *, hold: bool) -> Commands:
        """Open a way, within a time.

        Args:
            way: to be opened.
            hold: whether nothing is read from the client meanwhile.
        """
        for old in [old for old in self._ways.values() if old.open][: len(self._ways) - _KEPT]:
            yield from self.close(old)
        way.holds = hold
        if hold:
            yield Hold(self._context.client, way, on=True)
        yield self._deadline(way)
        yield from self.through(way, events.Start())

    def through(self, way: Way, event: events.Event) -> Commands:
        """Let an event pass through the layers of a way."""
        opening = way.opening
        for command in way.outermost.handle_event(event):
            if command.blocking:
                self._sources[command] = way
            yield command
        if opening and not way.opening:
            # Its deadline would keep it, with its TLS, long after it has been closed.
            for deadline in [each for each, of in self._deadlines.items() if of is way]:
                del self._deadlines[deadline]
            if way.holds:
                yield Hold(self._context.client, way, on=False)
            if way.error is not None:
                self._ways.pop(way.carrier, None)
                way.error = self._reason(way)

    def send(self, way: Way, data: bytes) -> Commands:
        """Send bytes to a server."""
        yield from self.through(way, Outward(data))

    def close(self, way: Way) -> Commands:
        """Let a server go."""
        way.open = False
        self._ways.pop(way.carrier, None)
        if way.carrier.state is not ConnectionState.CLOSED:
            yield commands.CloseConnection(way.carrier)
        let_go(way.outermost)

    def close_all(self) -> Commands:
        """Let all go."""
        for way in list(self._ways.values()):
            yield from self.close(way)

    def woken(self, event: events.Wakeup) -> Commands:
        """The time for reaching a server has run out."""
        way = self._deadlines.pop(event.command, None)
        if way is None or not way.opening:
            return
        if way.carrier.connected:
            # TCP stands, but no parent or no TLS answers there.
            way.late = True
            yield commands.CloseConnection(way.carrier)
        else:
            # The connector has a limit of its own; it may have had to wait for its turn.
            yield self._deadline(way)

    def _deadline(self, way: Way) -> commands.RequestWakeup:
        deadline = commands.RequestWakeup(self._context.options.connect_timeout)
        self._deadlines[deadline] = way
        return deadline

    def _reason(self, way: Way) -> str:
        error = way.error or "connecting failed"
        if way.late:
            seconds = self._context.options.connect_timeout
            return ConnectRefused(f"no answer within {seconds:g} s", "upstream-timeout")
        if error == "connection closed" and way.server.tls:
            return ConnectRefused("closed while TLS was being agreed on", "upstream-tls")
        return error
