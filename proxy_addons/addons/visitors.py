"""Who is connected: one `Visitor` for each client connection.

In: the client_connected and client_disconnected hooks.
Out: `Visitors.of(client)`.
Must never: keep a visitor after its connection; leave a record open behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons.observing import observe
from proxy_addons.addons.words import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mitmproxy.connection import Client

    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.gate import Gate


class Visitors:
    """Visitors by client connection."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._by_client: dict[str, Visitor] = {}

    def __getitem__(self, client: Client) -> Visitor:
        """The visitor of a connection. KeyError (a refusal) when it was never taken in."""
        return self._by_client[client.id]

    def __contains__(self, client: Client) -> bool:
        return client.id in self._by_client

    def __len__(self) -> int:
        return len(self._by_client)

    def __iter__(self) -> Iterator[Visitor]:
        return iter(list(self._by_client.values()))

    def client_connected(self, client: Client) -> None:
        """Take the client in."""
        ip, port, *_ = client.peername
        # Of the driver's own clients (engine/driver.py); others are plain.
        self._by_client[client.id] = self._gate.connected(
            ip,
            port,
            secure=getattr(client, "secure", False),
            balancer=getattr(client, "balancer", None),
        )

    def client_disconnected(self, client: Client) -> None:
        """Finish what the client leaves behind."""
        visitor = self._by_client.pop(client.id, None)
        if visitor is None:
            return
        left = list(visitor.open.values())
        visitor.open.clear()
        for transaction in left:
            why = transaction.error or client.error or "the client closed the connection"
            transaction.finish(error=unquoted(why))
        for transaction in left:
            observe(transaction)
        if visitor.connect_host is not None and not visitor.requests and not visitor.spliced:
            self._gate.tunnel_failed(visitor, unquoted(client.error or "closed before any request"))
        self._gate.disconnected(visitor)
