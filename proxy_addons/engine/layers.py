"""Our own layers beside HTTP: splice and refusal; and the hooks that our layers fire.

In: mitmproxy's events. Out: mitmproxy's commands, and three hooks of our own.
Must never: relay a tunnel that was not spliced by a verdict; hold what is relayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy

from proxy_addons.engine.splice import Join, OpenToJoin
from proxy_addons.engine.wires import Guest, HalfClose, Hold

if TYPE_CHECKING:
    from mitmproxy.connection import Client, Server
    from mitmproxy.http import HTTPFlow, Request, Response
    from mitmproxy.proxy.context import Context

    from proxy_addons.gate.facts import Visitor

type Commands[T] = layer.CommandGenerator[T]


@dataclass
class UpstreamFailedHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """The server of an allowed request could not be reached. An addon sets `flow.response`."""

    flow: HTTPFlow


@dataclass
class BodyRefusedHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """What is sent, or has come back, is refused, and nothing of it has gone on.

    An addon sets `flow.response`.
    """

    flow: HTTPFlow


@dataclass(slots=True)
class BadRequest:
    """What a client sent and cannot be treated as a request.

    Attributes:
        client: who sent it.
        problem: what is wrong with it, in words of ours (never the client's bytes).
        request: its head, where that could be read.
        answer: the page to give, to be set by an addon.
        can_answer: whether it will be given; not every protocol can, nor is there always time.
    """

    client: Client
    problem: str
    request: Request | None = None
    answer: Response | None = None
    can_answer: bool = True


@dataclass
class BadRequestHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """A client sent what cannot be treated as a request. An addon records it."""

    data: BadRequest


@dataclass
class SpliceEndHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """A spliced tunnel has ended."""

    tunnel: Tunnel
    blocking = False


OWN_HOOKS = ("upstream_failed", "body_refused", "bad_request", "splice_end")


@dataclass(slots=True)
class Tunnel:
    """A spliced tunnel: what is relayed, and how it ended.

    Attributes:
        record: the gate's open record of it. Its counts are kept up to date, as a client that
            vanishes leaves no time for it later.
        error: why it failed, or None; a ConnectRefused has its kind.
        visitor: whose tunnel it is; None where nobody keeps a list of what is open.
    """

    record: Any
    error: str | None = None
    visitor: Visitor | None = None


def carrier(context: Context) -> Server:
    """The connection on the network: that to the parent proxy, where there is one."""
    for outer in context.layers:
        if isinstance(outer, HttpUpstreamProxy):
            return outer.tunnel_connection
    return context.server


class Splice(layer.Layer):
    """A tunnel relayed as it is, encrypted end to end; only its bytes are counted."""

    def __init__(self, context: Context, tunnel: Tunnel) -> None:
        super().__init__(context)
        self.tunnel = tunnel
        self._over = False

    def _handle_event(self, event: events.Event) -> Commands[None]:
        client, server, record = self.context.client, self.context.server, self.tunnel.record
        if isinstance(event, events.DataReceived):
            if self._over:
                return
            if event.connection == client:
                record.bytes_up += len(event.data)
                yield commands.SendData(server, event.data)
            else:
                record.bytes_down += len(event.data)
                yield commands.SendData(client, event.data)
            on_network = carrier(self.context)
            if self._bare(on_network):
                yield Join(client, on_network, self.tunnel)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._closed(event)
        elif isinstance(event, events.Start):
            yield from self._open()

    def _bare(self, on_network: Server) -> bool:
        """Whether the sockets carry the tunnel's own bytes: TLS of ours would need its layers."""
        client = self.context.client
        secure = isinstance(client, Guest) and client.secure
        return not client.tls and not secure and not on_network.tls

    def _open(self) -> Commands[None]:
        client, server = self.context.client, self.context.server
        on_network = carrier(self.context)
        # What the client sends meanwhile would pile up here.
        yield Hold(client, self, on=True)
        opening = (
            OpenToJoin(server)
            if on_network is server and self._bare(on_network)
            else commands.OpenConnection(server)
        )
        error = yield opening
        if isinstance(opening, OpenToJoin) and opening.kept:
            # What the client has sent so far comes in this same step, and goes out with the join.
            yield Join(client, server, self.tunnel)
        else:
            yield Hold(client, self, on=False)
        if error:
            self.tunnel.error = error
            yield from self._end()
            yield commands.CloseConnection(client)
        elif peer := on_network.peername:
            self.tunnel.record.server_ip, self.tunnel.record.server_port = peer[0], peer[1]

    def _closed(self, event: events.ConnectionClosed) -> Commands[None]:
        client, server = self.context.client, self.context.server
        if self._over:
            return
        both_quiet = not (client.state | server.state) & ConnectionState.CAN_READ
        if both_quiet or ConnectionState.CLOSED in (client.state, server.state):
            yield from self._end()
            for connection in (server, client):
                if connection.state is not ConnectionState.CLOSED:
                    yield commands.CloseConnection(connection)
        else:
            # One side has said all it had to say; the other may still be talking.
            yield HalfClose(carrier(self.context) if event.connection == client else client)

    def _end(self) -> Commands[None]:
        self._over = True
        self.tunnel.error = self.tunnel.error or self.context.client.error
        yield SpliceEndHook(self.tunnel)


class Refuse(layer.Layer):
    """The end of a connection that nothing may come of: close it, read nothing more."""

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


__all__ = [
    "OWN_HOOKS",
    "BadRequest",
    "BadRequestHook",
    "BodyRefusedHook",
    "Refuse",
    "Splice",
    "SpliceEndHook",
    "Tunnel",
    "UpstreamFailedHook",
    "carrier",
]
