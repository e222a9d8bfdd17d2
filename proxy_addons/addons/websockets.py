"""WebSockets: finish the record when they end. What passes is counted by engine/websockets.py.

In: the websocket_end hook. Out: the finished record.
Must never: leave the record of a WebSocket open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons.observing import observe
from proxy_addons.addons.words import unquoted

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from proxy_addons.addons.visitors import Visitors


class WebSockets:
    """Follows WebSocket connections that the gate has let through."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors

    def websocket_end(self, flow: HTTPFlow) -> None:
        """The connection has ended."""
        transaction = self._visitors[flow.client_conn].open.pop(flow.id, None)
        if transaction is None:
            return
        why = flow.client_conn.error  # where we ended it ourselves
        if why is not None:
            transaction.error = transaction.error or unquoted(why)
        transaction.finish()
        observe(transaction)
