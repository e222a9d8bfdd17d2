"""What happens when a handler raises: the request in hand is refused, recorded and reported.

In: the hook's name, its data, the exception. Out: a refusal on that data.
Must never: let the request go on; quote the exception's text (it may hold what the client sent).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Client
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import TlsData

from proxy_addons.addons.answers import response_of
from proxy_addons.addons.requests import FACTS, RECORD, REFUSED, facts_of
from proxy_addons.engine.layers import Refuse
from proxy_addons.engine.outcomes import ConnectRefused, where

if TYPE_CHECKING:
    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.gate.gate import Gate

logger = logging.getLogger("watchhouse.engine")

_BEFORE_ANSWER = frozenset({"http_connect", "requestheaders", "request"})
# Here a connection waits for its TLS; without one it is closed.
_BEFORE_TLS = frozenset({"tls_start_client", "tls_start_server"})


class FailClosed:
    """Turns a handler's exception into a refusal."""

    def __init__(self, gate: Gate, visitors: Visitors) -> None:
        self._gate = gate
        self._visitors = visitors

    def __call__(self, hook: str, data: Any, problem: Exception) -> None:
        """Refuse what `data` stands for.

        Args:
            hook: name of the hook whose handler raised.
            data: its argument.
            problem: what was raised.

        Raises:
            Exception: whatever goes wrong here; the hook table then closes the connection.
        """
        kind = type(problem).__name__
        logger.error("a handler of %s failed (%s at %s): refused", hook, kind, where(problem))
        if isinstance(data, HTTPFlow):
            self._refuse_flow(hook, data, kind)
        elif isinstance(data, NextLayer):
            data.layer = Refuse(data.context)
        elif isinstance(data, TlsData) and hook in _BEFORE_TLS:
            data.ssl_conn = None
        elif isinstance(data, ServerConnectionHookData):
            data.server.error = ConnectRefused(f"undecided ({kind})", "undecided")
        elif isinstance(data, Client):
            data.error = f"undecided ({kind})"
        else:
            # Of this nothing passes any more (the end of a tunnel); the caller closes.
            msg = f"no refusal known for {type(data).__name__}"
            raise TypeError(msg)

    def _refuse_flow(self, hook: str, flow: HTTPFlow, kind: str) -> None:
        record = flow.metadata.get(RECORD)
        if hook not in _BEFORE_ANSWER or record is not None:
            # The answer has begun, or the record holds another decision: break the exchange off.
            if record is not None:
                record.finish(error=f"undecided ({kind})", action="block", rule="undecided")
                self._visitors[flow.client_conn].open.pop(flow.id, None)
            flow.response = None
            if flow.killable and flow.websocket is None:
                flow.kill()  # type: ignore[no-untyped-call] # of mitmproxy
                return
            msg = "the exchange cannot be broken off"
            raise TypeError(msg)
        visitor = self._visitors[flow.client_conn]
        facts = flow.metadata.get(FACTS) or facts_of(
            flow.request, inside_tunnel=visitor.connect_host is not None
        )
        verdict = self._gate.undecided(visitor, facts, kind)
        assert verdict.answer is not None
        assert verdict.transaction is not None
        flow.metadata[REFUSED] = True
        flow.response = response_of(verdict.answer, with_body=flow.request.method != "HEAD")
        verdict.transaction.finish(
            status=verdict.answer.status,
            bytes_down=len(flow.response.raw_content or b""),
            content_type=flow.response.headers.get("content-type"),
        )
