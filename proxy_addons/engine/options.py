"""The options that mitmproxy's protocol layers read, as one plain frozen object.

In: limits from the settings. Out: an object with an attribute for each option that the
layers look up (mitmproxy's own option manager walks several dictionaries at each look-up).
Must never: lack an option that the layers of the pinned mitmproxy read;
tests/engine/test_options.py reads their source to prove it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.settings.model import Settings


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What mitmproxy's layers may ask of `context.options`.

    Attributes:
        tcp_timeout: seconds a connection may be idle.
        connect_timeout: seconds to reach a server, and again for TLS there (our own layers' only).
        head_bytes: bytes of a head; head_fields: fields in it; url_bytes: bytes of the address.
        head_timeout: seconds for a whole request head once its first byte has come.
        first_byte_timeout: seconds from the request's end to the head of its answer.
        body_timeout: seconds without a byte in the middle of a body.
        handshake_timeout: seconds from an accepted CONNECT to TLS inside it.
        trickle_after: seconds after which a client gets some of an answer that is kept back; 0:
            never. trickle_bytes: how many.
        http2_streams: requests at a time on one HTTP/2 connection of a client.
        connection_strategy: `lazy`: a server is contacted only after the decision.
        rawtcp: False: nothing that is not HTTP, WebSocket or a spliced tunnel is relayed.
        validate_inbound_headers: True: the layers' defence against request smuggling.
    """

    tcp_timeout: float = 600
    connect_timeout: float = 10.0
    head_bytes: int = 262144
    head_fields: int = 200
    url_bytes: int = 16384
    head_timeout: float = 30.0
    first_byte_timeout: float = 120.0
    body_timeout: float = 60.0
    handshake_timeout: float = 15.0
    trickle_after: float = 10.0
    trickle_bytes: int = 1
    http2_streams: int = 100
    connection_strategy: str = "lazy"
    rawtcp: bool = False
    websocket: bool = True
    http2: bool = True
    # Never: the answers to such pings would keep a connection from ever being idle, and with it
    # the connection of a client that has long gone.
    http2_ping_keepalive: int = 0
    http3: bool = False
    validate_inbound_headers: bool = True
    normalize_outbound_headers: bool = True
    http_connect_send_host_header: bool = True
    keep_host_header: bool = False
    store_streamed_bodies: bool = False
    stream_large_bodies: str | None = None
    body_size_limit: str | None = None
    proxy_debug: bool = False
    show_ignored_hosts: bool = False


def options_of(settings: Settings) -> EngineOptions:
    """The options of a gateway."""
    network, limits = settings.network, settings.limits
    return EngineOptions(
        tcp_timeout=network.idle_timeout,
        connect_timeout=network.connect_timeout,
        head_bytes=limits.head_bytes,
        head_fields=limits.head_fields,
        url_bytes=limits.url_bytes,
        head_timeout=limits.head_timeout,
        first_byte_timeout=limits.first_byte_timeout,
        body_timeout=limits.body_timeout,
        handshake_timeout=limits.handshake_timeout,
        trickle_after=settings.content.trickle.after,
        trickle_bytes=settings.content.trickle.bytes,
        http2_streams=limits.http2_streams,
    )
