"""TLS with a client whose connection is inspected.

In: the ClientHello as it was read for the decision, and the client's bytes.
Out: what is inside the TLS.
Must never: begin with another ClientHello than the one that was decided on. The hello is parsed
once: the bytes that reach OpenSSL here are those that the decision read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.proxy.layers import ClientTLSLayer

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import CommandGenerator
    from mitmproxy.tls import ClientHello


class InspectedTls(ClientTLSLayer):
    """mitmproxy's client TLS layer, without its own reading of the ClientHello.

    Args:
        context: of the connection.
        hello: its ClientHello, parsed and passed by the gate.
    """

    def __init__(self, context: Context, hello: ClientHello) -> None:
        super().__init__(context)
        self._hello = hello

    def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
        """Feed the handshake; with the first bytes, start it."""
        if not self.client_hello_parsed:
            self.client_hello_parsed = True
            self.conn.sni = self._hello.sni
            self.conn.alpn_offers = self._hello.alpn_protocols
            yield from self.start_tls()
            if not self.conn.connected:
                return False, "connection closed early"
        return (yield from super().receive_handshake_data(data))
