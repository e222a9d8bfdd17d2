"""TLS contexts: what we show to browsers, and what we demand of servers.

In: the inspection authority, the trust store; the name a client asked for.
Out: pyOpenSSL contexts, one for each host shown and one for servers, made once and kept.
Must never: accept a server's certificate unverified; speak below TLS 1.2; offer a session ticket
under one name that is good under another (each host has a context of its own).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachetools import TTLCache
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from proxy_addons.engine.sessions import Place, Sessions
from proxy_addons.engine.trust import load_trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.engine.authority import Authority

_HOSTS = 4096  # contexts kept; some 20 kB each
_LEAF_KEPT = 24 * 3600.0  # seconds; a leaf is valid for days longer than that
_HTTP1, _HTTP2 = b"http/1.1", b"h2"
# What OpenSSL knows as good, whatever level it was built with: keys and signatures of 112 bits and
# more (RSA 2048, no SHA-1), and nothing with shared secrets, of which there are none. Towards
# browsers nothing need be said: with a P-256 leaf only ECDHE-ECDSA is left.
_SERVER_CIPHERS = b"DEFAULT:!PSK:!SRP:!aNULL:!eNULL:@SECLEVEL=2"
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE


class TlsContexts:
    """Makes and keeps TLS contexts.

    Args:
        authority: signs the leaves.
        trusted_ca_file: PEM file added to the system's trust store, or None.
        http2: whether browsers are offered HTTP/2.
        clock: monotonic seconds, for the age of kept leaves.
        now: wall clock, aware UTC, for their validity.
    """

    def __init__(
        self,
        authority: Authority,
        trusted_ca_file: Path | None,
        *,
        http2: bool,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._authority = authority
        self._select_alpn = _select_any if http2 else _select_http1
        self._now = now
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._shown: TTLCache[str, SSL.Context] = TTLCache(_HOSTS, _LEAF_KEPT, clock)
        self._server = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._server.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._server.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        self._server.set_cipher_list(_SERVER_CIPHERS)
        self._server.set_verify(SSL.VERIFY_PEER, None)
        self._server.set_mode(SSL.MODE_RELEASE_BUFFERS)
        # Sessions are ours to keep: OpenSSL would look for them by nothing but their number.
        self._server.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        load_trust(self._server, trusted_ca_file)
        self._sessions = Sessions(clock)

    def for_client(self, host: str) -> SSL.Connection:
        """The server side of a handshake with a browser that asked for `host`."""
        context = self._shown.get(host)
        if context is None:
            context = self._shown[host] = self._make(host)
        connection = SSL.Connection(context)
        connection.set_accept_state()
        return connection

    def for_server(self) -> SSL.Connection:
        """The client side of a handshake with a server; its name is to be set by the caller."""
        connection = SSL.Connection(self._server)
        connection.set_connect_state()
        return connection

    def resume(self, connection: SSL.Connection, place: Place) -> None:
        """Let a connection of `for_server` resume an earlier session with the same place."""
        self._sessions.begin(connection, place)

    def _make(self, host: str) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(_OPTIONS)
        # An idle connection keeps no room for records: 26 kB less for each.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_id(host.encode()[:32])
        context.use_certificate(
            self._authority.leaf(host, self._leaf_key.public_key(), self._now())
        )
        context.use_privatekey(self._leaf_key)
        context.set_alpn_select_callback(self._select_alpn)
        return context


def _select_any(_connection: SSL.Connection, offers: list[bytes]) -> Any:
    """HTTP/2 where the client offers it, else HTTP/1.1, else no protocol (RFC 7301)."""
    return _HTTP2 if _HTTP2 in offers else _select_http1(_connection, offers)


def _select_http1(_connection: SSL.Connection, offers: list[bytes]) -> Any:
    """HTTP/1.1 where the client offers it, else no protocol (RFC 7301)."""
    return _HTTP1 if _HTTP1 in offers else SSL.NO_OVERLAPPING_PROTOCOLS
