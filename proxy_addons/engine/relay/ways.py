"""Ways to servers: the layers between a relay and one server, and what comes out of them.

In: a server's address. Out: a `Way`: sending into it, and the bytes, the end or the failure that
came back.
Must never: reach a server that the relay did not name; give what one server said to another
exchange than the one that asked it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy

from proxy_addons.engine.tls import ServerTls
from proxy_addons.engine.tuning import way_out_of
from proxy_addons.engine.wires import Host

if TYPE_CHECKING:
    from mitmproxy.connection import Server
    from mitmproxy.net.server_spec import ServerSpec
    from mitmproxy.proxy.context import Context

_HTTP1 = (b"http/1.1",)


class Outward(events.Event):
    """Bytes for the server, on their way through the layers that carry them."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class Way:
    """One connection to a server, with the layers that it goes through.

    Attributes:
        address: host and port that it leads to.
        server: the connection as its user sees it.
        carrier: the connection on the network: the server's, or that to the parent proxy.
        open: whether it is there, and nobody has ended it.
        opening: whether it is being made.
        used: whether a request was sent on it.
        error: why it could not be made; it may carry its kind (ConnectRefused).
        received: what came, to be taken by the relay.
        ended: whether the server sends no more.
        late: whether making it took too long.
        holds: whether the client is not read while it is being made.
        way_out: of whose request it was made for, or None for the usual one.
    """

    __slots__ = (
        "address", "carrier", "ended", "error", "holds", "late", "open", "opening", "outermost",
        "received", "server", "used", "way_out",
    )  # fmt: skip

    def __init__(
        self,
        context: Context,
        address: tuple[str, int],
        *,
        sni: str | None,
        via: ServerSpec | None,
        connects: bool,
    ) -> None:
        """A way to a server, not yet opened.

        Args:
            context: of the relay; a fork of it is used.
            address: host and port, as judged.
            sni: the server name for TLS, which the certificate has to hold; None for no TLS.
            via: scheme and address of a parent proxy.
            connects: whether the parent is asked for a tunnel.
        """
        context = context.fork()
        server = context.server = Host(address=address)
        server.way_out = self.way_out = way_out_of(context)
        stack = tunnel.LayerStack()
        self.carrier: Server = server
        if via:
            server.via = via
            stack /= HttpUpstreamProxy.make(context, connects)
            parent = stack[-1]
            assert isinstance(parent, HttpUpstreamProxy)
            self.carrier = parent.tunnel_connection
        if sni is not None:
            server.sni = sni
            server.alpn_offers = _HTTP1
            stack /= ServerTls(context)
        stack /= _End(context, self)
        self.outermost: layer.Layer = stack[0]
        self.address = address
        self.server = server
        self.open = False
        self.opening = True
        self.used = False
        self.error: str | None = None
        self.received: list[bytes] = []
        self.ended = False
        self.late = False
        self.holds = False


class _End(layer.Layer):
    """The innermost layer: takes what comes out, puts in what goes out."""

    def __init__(self, context: Context, way: Way) -> None:
        super().__init__(context)
        self._way = way

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        way = self._way
        if isinstance(event, events.DataReceived):
            way.received.append(event.data)
        elif isinstance(event, Outward):
            yield commands.SendData(way.server, event.data)
        elif isinstance(event, events.ConnectionClosed):
            way.ended = True
        elif isinstance(event, events.Start):
            way.error = yield commands.OpenConnection(way.server)
            way.opening = False
            way.open = way.error is None
