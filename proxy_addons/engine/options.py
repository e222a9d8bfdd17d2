"""The options that mitmproxy's protocol layers read, as one plain frozen object.

In: the idle time-out from the settings. Out: an object with an attribute for each option that the
layers look up (mitmproxy's own option manager walks several dictionaries at each look-up).
Must never: lack an option that the layers of the pinned mitmproxy read;
tests/engine/test_options.py reads their source to prove it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What mitmproxy's layers may ask of `context.options`.

    Attributes:
        tcp_timeout: seconds a connection may be idle.
        connect_timeout: seconds to reach a server, and again for TLS there (our own layers' only).
        connection_strategy: `lazy`: a server is contacted only after the decision.
        rawtcp: False: nothing that is not HTTP, WebSocket or a spliced tunnel is relayed.
        validate_inbound_headers: True: the layers' defence against request smuggling.
    """

    tcp_timeout: int = 600
    connect_timeout: float = 10.0
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
