"""CONNECT: the first decision point of HTTPS.

In: the http_connect hook. Out: a refusal on the flow, or the tunnel's canonical address on it.
Must never: let the engine connect to another spelling of the host than the one that was judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons.answers import response_of
from proxy_addons.addons.heads import facts_of_head
from proxy_addons.addons.observing import observe
from proxy_addons.gate.facts import Course, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from mitmproxy.http import HTTPFlow

    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.gate import Gate


class Tunnels:
    """Asks the gate about each CONNECT."""

    def __init__(self, gate: Gate, visitors: Visitors) -> None:
        self._gate = gate
        self._visitors = visitors

    def http_connect(self, flow: HTTPFlow) -> Coroutine[Any, Any, None] | None:
        """A tunnel is asked for."""
        request = flow.request
        visitor = self._visitors[flow.client_conn]
        facts = facts_of_head(
            request.headers.fields,
            method="CONNECT",
            scheme="",
            path="",
            target_authority=request.data.authority.decode("ascii", "backslashreplace"),
            to_us=True,
        )
        found = self._gate.sign_in(visitor, facts)
        if found is None or isinstance(found, Verdict):
            self._decide(flow, visitor, facts, found)
            return None
        return self._signed_in(flow, visitor, facts, found)

    async def _signed_in(
        self,
        flow: HTTPFlow,
        visitor: Visitor,
        facts: RequestFacts,
        found: Coroutine[Any, Any, Verdict | None],
    ) -> None:
        """Go on when it is known who asks."""
        self._decide(flow, visitor, facts, await found)

    def _decide(
        self, flow: HTTPFlow, visitor: Visitor, facts: RequestFacts, refused: Verdict | None
    ) -> None:
        verdict = refused or self._gate.connect(
            visitor, facts.target_authority, facts.accept, facts.user_agent
        )
        if verdict.course is Course.REFUSE:
            assert verdict.answer is not None
            flow.response = response_of(verdict.answer, close=verdict.close)
            if verdict.transaction is not None:
                verdict.transaction.finish(
                    status=verdict.answer.status,
                    bytes_down=len(verdict.answer.body),
                    content_type=flow.response.headers.get("content-type"),
                )
                observe(verdict.transaction)
            return
        flow.request.host, flow.request.port = verdict.host, verdict.port
