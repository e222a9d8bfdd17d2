"""WebSockets: count what passes, and finish the record when they end.

In: the websocket_message and websocket_end hooks. Out: the finished record.
Must never: keep messages (they would pile up for as long as the socket lives).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons.requests import RECORD, observe

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from proxy_addons.accesslog import Transaction
    from proxy_addons.addons.visitors import Visitors


class WebSockets:
    """Follows WebSocket connections that the gate has let through."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors

    def websocket_message(self, flow: HTTPFlow) -> None:
        """A message passes."""
        assert flow.websocket is not None
        transaction: Transaction = flow.metadata[RECORD]
        message = flow.websocket.messages[-1]
        if message.from_client:
            transaction.bytes_up = (transaction.bytes_up or 0) + len(message.content)
        else:
            transaction.bytes_down = (transaction.bytes_down or 0) + len(message.content)
        flow.websocket.messages.clear()

    def websocket_end(self, flow: HTTPFlow) -> None:
        """The connection has ended."""
        assert flow.websocket is not None
        transaction = self._visitors[flow.client_conn].open.pop(flow.id, None)
        if transaction is None:
            return
        transaction.finish()
        observe(transaction)
