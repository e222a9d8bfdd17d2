"""CONNECT: the first decision point of HTTPS.

In: the http_connect hook. Out: a refusal on the flow, or the tunnel's canonical address on it.
Must never: let the engine connect to another spelling of the host than the one that was judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons.answers import response_of
from proxy_addons.addons.observing import observe
from proxy_addons.gate.facts import Course

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.gate.gate import Gate


class Tunnels:
    """Asks the gate about each CONNECT."""

    def __init__(self, gate: Gate, visitors: Visitors) -> None:
        self._gate = gate
        self._visitors = visitors

    def http_connect(self, flow: HTTPFlow) -> None:
        """A tunnel is asked for."""
        request = flow.request
        authority = request.data.authority.decode("ascii", "backslashreplace")
        verdict = self._gate.connect(
            self._visitors[flow.client_conn], authority, request.headers.get("accept", "")
        )
        if verdict.course is Course.REFUSE:
            assert verdict.answer is not None
            flow.response = response_of(verdict.answer)
            if verdict.transaction is not None:
                verdict.transaction.finish(
                    status=verdict.answer.status,
                    bytes_down=len(verdict.answer.body),
                    content_type=flow.response.headers.get("content-type"),
                )
                observe(verdict.transaction)
            return
        request.host, request.port = verdict.host, verdict.port
