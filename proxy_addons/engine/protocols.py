"""Which protocol layer comes next, and the TLS of both sides: the engine's own part of the hooks.

In: next_layer, tls and splice_end hooks. Out: layers and TLS connections.
Must never: relay anything but HTTP, WebSocket and what a verdict has spliced; decrypt what a
verdict spliced; start TLS towards a server whose name is not checked against its certificate.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from mitmproxy.connection import Server
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import HTTP_ALPNS
from OpenSSL import SSL

from proxy_addons.addons.observing import observe
from proxy_addons.addons.words import unquoted
from proxy_addons.engine.hello import Hello, read_hello
from proxy_addons.engine.httplayer import Http
from proxy_addons.engine.layers import Refuse, Splice, Tunnel
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.relay.lane import Relay
from proxy_addons.engine.sessions import Place
from proxy_addons.engine.tls import InspectedTls
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import Host
from proxy_addons.gate.facts import Course
from proxy_addons.urlkey import host_key

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import Layer, NextLayer
    from mitmproxy.tls import TlsData

    from proxy_addons.accesslog import Transaction
    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.tlscontexts import TlsContexts
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.gate import Gate

# A ClientHello with post-quantum key shares has some 2 kB; nobody needs more than this. It is read
# anew with each piece that comes.
_CLIENT_HELLO_LIMIT = 16 * 1024
_SERVER_NAME = 0  # RFC 6066 3
_METHOD_LIMIT = 32  # bytes in which an HTTP method and its space must be seen
# The subject of a certificate is not its name (RFC 6125 6.4.4, as browsers do), and a partial
# wildcard is none.
_HOST_FLAGS = (
    0x4 | 0x20
)  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT


class Protocols:
    """Chooses layers, and hands them their TLS.

    Args:
        gate: asked for the course of each ClientHello.
        visitors: the connected clients.
        contexts: TLS contexts of both sides.
        desk: of the relay lane; None where it is switched off.
        parent: whether requests go to a parent proxy.
    """

    def __init__(
        self,
        gate: Gate,
        visitors: Visitors,
        contexts: TlsContexts,
        desk: Desk | None,
        *,
        parent: bool,
    ) -> None:
        self._gate = gate
        self._visitors = visitors
        self._contexts = contexts
        self._desk = desk
        self._mode = HTTPMode.upstream if parent else HTTPMode.regular

    # --- layers ---------------------------------------------------------------------------

    def next_layer(self, choice: NextLayer) -> None:
        """Choose the next layer, or leave it open until more bytes have come."""
        if choice.layer is None:
            choice.layer = self._choose(choice)

    def _choose(self, choice: NextLayer) -> Layer | None:
        context = choice.context
        outer = context.layers[-1]
        if isinstance(outer, (modes.HttpProxy, modes.HttpUpstreamProxy)):
            return self._http(context, self._mode)
        visitor = self._visitors[context.client]
        data: bytes = choice.data_client()  # type: ignore[no-untyped-call] # of mitmproxy
        if visitor.tls:
            return self._inside_tls(choice, visitor, data)
        if not data:
            return None
        if data[0] == 0x16:
            if len(data) < 3:
                return None
            if starts_like_tls_record(data):
                return self._tls(choice, visitor, data)
        return self._plain(choice, visitor, data)

    def _tls(self, choice: NextLayer, visitor: Visitor, data: bytes) -> Layer | None:
        context = choice.context
        try:
            # mitmproxy's reader takes any kind of handshake message for a hello, of any size.
            hello = read_hello(data) if _may_be_hello(data) else None
        except ValueError:
            # Nothing can be said of where it goes: refused, and recorded.
            self._refused(visitor, "a TLS handshake that cannot be read")
            return Refuse(context)
        if hello is None:
            if len(data) > _CLIENT_HELLO_LIMIT or not _may_be_hello(data):
                self._refused(visitor, "a TLS handshake that is no hello, or of more than 16 kB")
                return Refuse(context)
            return None
        if not _name_is_clear(hello):
            # A server might read a name where we read none: refused, and recorded.
            self._refused(visitor, "a TLS handshake whose server name cannot be read")
            return Refuse(context)
        verdict = self._gate.client_hello(visitor, hello.sni)
        if verdict.course is Course.SPLICE:
            visitor.spliced = True
            assert verdict.transaction is not None
            tunnel = Tunnel(verdict.transaction, visitor=visitor)
            visitor.open[verdict.transaction.id] = verdict.transaction
            pace_of(context).end(Wait.HANDSHAKE)
            return Splice(context, tunnel)
        if verdict.course is Course.INSPECT:
            # The HTTP layer opens the server's side when a request has been passed, with a TLS
            # layer of its own; it has to know that it is TLS.
            context.server.tls = True
            return InspectedTls(context, hello)
        if verdict.transaction is not None:
            verdict.transaction.finish()
        visitor.spliced = True  # its record is written; no second one at the end
        return Refuse(context)

    def _inside_tls(self, choice: NextLayer, visitor: Visitor, data: bytes) -> Layer | None:
        context = choice.context
        if context.client.alpn == b"h2":
            return Http(context, HTTPMode.transparent)
        if context.client.alpn in HTTP_ALPNS:
            return self._http(context, HTTPMode.transparent)
        return self._plain(choice, visitor, data)

    def _http(self, context: Context, mode: HTTPMode) -> Layer:
        """HTTP/1: by the relay lane, unless it is switched off."""
        return Http(context, mode) if self._desk is None else Relay(context, self._desk, mode)

    def _plain(self, choice: NextLayer, visitor: Visitor, data: bytes) -> Layer | None:
        """Bytes that are not TLS: HTTP/1 by its first word, else refused."""
        if not data:
            return None
        head = data[:_METHOD_LIMIT]
        word, space, _ = head.partition(b" ")
        if not word.isalpha() or not word.isascii() or b"\n" in head[: len(word) + 1]:
            self._refused(visitor, "neither TLS nor HTTP")
            return Refuse(choice.context)
        if not space:
            if len(data) < _METHOD_LIMIT:
                return None
            self._refused(visitor, "neither TLS nor HTTP")
            return Refuse(choice.context)
        pace_of(choice.context).end(Wait.HANDSHAKE)
        return self._http(choice.context, HTTPMode.transparent)

    def _refused(self, visitor: Visitor, found: str) -> None:
        verdict = self._gate.not_tls(visitor, found)
        visitor.spliced = True  # its record is written; no second one at the end
        if verdict.transaction is not None:
            verdict.transaction.finish()

    def splice_end(self, tunnel: Tunnel) -> None:
        """A spliced tunnel has ended: finish its record."""
        record: Transaction = tunnel.record
        if tunnel.error is not None:
            self._gate.tunnel_broke(
                record, getattr(tunnel.error, "kind", None), unquoted(tunnel.error)
            )
        record.finish()
        if tunnel.visitor is not None:
            # Finished and counted here: not once more with what the client leaves behind.
            tunnel.visitor.open.pop(record.id, None)
        observe(record)

    # --- TLS ------------------------------------------------------------------------------

    def tls_start_client(self, start: TlsData) -> None:
        """A browser wants TLS: show it a certificate for the name it asked for."""
        visitor = self._visitors[start.context.client]
        host = visitor.sni or visitor.connect_host
        assert host is not None
        start.ssl_conn = self._contexts.for_client(host)

    def tls_established_client(self, data: TlsData) -> None:
        """From here on its requests can be read."""
        visitor = self._visitors[data.context.client]
        visitor.tls = True
        self._gate.handshake_done(visitor)
        pace_of(data.context).end(Wait.HANDSHAKE)

    def tls_failed_client(self, data: TlsData) -> None:
        """The browser did not go through with it; said in the record when the connection ends."""
        data.context.client.error = data.conn.error or "TLS handshake failed"

    def tls_start_server(self, start: TlsData) -> None:
        """A server is to be spoken to in TLS: demand a certificate for its name."""
        server, client = start.conn, start.context.client
        if not isinstance(server, Server) or server.address is None:
            # Nothing to check a certificate against: no TLS connection is handed out.
            msg = "TLS towards a server without an address"
            raise TypeError(msg)
        name = server.sni = host_key(server.sni or server.address[0])
        connection = self._contexts.for_server()
        parameters = SSL._lib.SSL_get0_param(connection._ssl)  # type: ignore[attr-defined] # noqa: SLF001 - pyOpenSSL does not set names to verify
        SSL._lib.X509_VERIFY_PARAM_set_hostflags(parameters, _HOST_FLAGS)  # type: ignore[attr-defined] # noqa: SLF001 - pyOpenSSL does not set names to verify
        try:
            packed = ip_address(name).packed
        except ValueError:
            encoded = name.encode("ascii")
            connection.set_tlsext_host_name(encoded)
            done = SSL._lib.X509_VERIFY_PARAM_set1_host(parameters, encoded, len(encoded))  # type: ignore[attr-defined] # noqa: SLF001 - pyOpenSSL does not set names to verify
        else:
            # RFC 6066 3: no address in the server name, but its certificate must name it.
            done = SSL._lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))  # type: ignore[attr-defined] # noqa: SLF001 - pyOpenSSL does not set names to verify
        if done != 1:
            # Without the name in place any certificate would do: no TLS connection is handed out.
            msg = "the server's name cannot be checked"
            raise ValueError(msg)
        offers = server.alpn_offers or client.alpn_offers or ()
        offers = [offer for offer in offers if offer in HTTP_ALPNS]
        if offers:
            connection.set_alpn_protos(offers)
            server.alpn_offers = tuple(offers)
        way_out = server.way_out if isinstance(server, Host) else None  # else a parent proxy
        place = Place(*server.address[:2], name, tuple(offers), way_out)
        self._contexts.resume(connection, place)
        start.ssl_conn = connection


def _may_be_hello(data: bytes) -> bool:
    """Whether a TLS handshake, or its beginning, can be that of a hello of a decent size."""
    record = int.from_bytes(data[3:5])
    if data[5:6] not in {b"", b"\x01"}:
        return False
    # Its length stands in the first record, where that is not split even before it.
    return record < 4 or len(data) < 9 or int.from_bytes(data[6:9]) <= _CLIENT_HELLO_LIMIT


def _name_is_clear(hello: Hello) -> bool:
    """Whether the hello names one server, or none at all."""
    said = sum(kind == _SERVER_NAME for kind, _ in hello.extensions)
    return said == 0 or (said == 1 and hello.sni is not None)
