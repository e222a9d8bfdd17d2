"""Requests: ask the gate before anything is contacted, then follow the exchange to its end.

In: requestheaders, responseheaders, response, error and upstream_failed hooks.
Out: a refusal on the flow, or the canonical destination and counters on it; the finished record.
Must never: decide; send the client's proxy credentials on; leave a record unfinished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from proxy_addons.addons.answers import response_of
from proxy_addons.addons.forwarding import forward_fields
from proxy_addons.addons.heads import OF_PROXIES, facts_of_head
from proxy_addons.addons.observing import observe
from proxy_addons.addons.words import unquoted
from proxy_addons.gate.facts import Course, RequestFacts, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from mitmproxy.connection import Client
    from mitmproxy.http import HTTPFlow, Request, Response

    from proxy_addons.accesslog import Transaction
    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.gate import Gate
    from proxy_addons.gate.sending import Sending
    from proxy_addons.gate.watching import Watch

# Keys in mitmproxy's flow.metadata.
RECORD, FACTS, REFUSED = "watchhouse.record", "watchhouse.facts", "watchhouse.refused"
WATCH, WRITTEN = "watchhouse.watch", "watchhouse.written"
SENDING = "watchhouse.sending"


class BadRequest(Protocol):
    """What a client sent and cannot be treated as a request (engine/layers.py)."""

    client: Client
    problem: str
    request: Request | None
    answer: Response | None
    can_answer: bool


class Requests:
    """Asks the gate about each request, and finishes its record."""

    def __init__(self, gate: Gate, visitors: Visitors) -> None:
        self._gate = gate
        self._visitors = visitors

    def requestheaders(self, flow: HTTPFlow) -> Coroutine[Any, Any, None] | None:
        """A request head has been read; nothing of it has been sent on."""
        visitor = self._visitors[flow.client_conn]
        inside = visitor.connect_host is not None
        facts = facts_of(flow.request, inside_tunnel=inside)
        flow.metadata[FACTS] = facts
        found = None if inside else self._gate.sign_in(visitor, facts)
        if found is None:
            found = self._gate.act(visitor, facts)
        if found is None or isinstance(found, Verdict):
            self._decide(flow, visitor, facts, found)
            return None
        return self._settled(flow, visitor, facts, found)

    async def _settled(
        self,
        flow: HTTPFlow,
        visitor: Visitor,
        facts: RequestFacts,
        found: Coroutine[Any, Any, Verdict | None],
    ) -> None:
        """Go on when it is known who sends the request, and what it asks of the gateway is done."""
        verdict = await found
        if verdict is None:
            acting = self._gate.act(visitor, facts)
            verdict = acting if acting is None or isinstance(acting, Verdict) else await acting
        self._decide(flow, visitor, facts, verdict)

    def _decide(
        self, flow: HTTPFlow, visitor: Visitor, facts: RequestFacts, refused: Verdict | None
    ) -> None:
        verdict = refused or self._gate.request(visitor, facts)
        transaction = verdict.transaction
        assert transaction is not None
        flow.metadata[RECORD] = transaction
        visitor.open[flow.id] = transaction
        request = flow.request
        headers = request.headers
        if verdict.course is not Course.PASS:
            assert verdict.answer is not None
            flow.metadata[REFUSED] = True
            # Without it the client would first be told to send the body of what is refused.
            headers.pop("expect", None)
            flow.response = response_of(
                verdict.answer, with_body=facts.method != "HEAD", close=verdict.close
            )
            transaction.status = verdict.answer.status
            transaction.bytes_down = len(flow.response.raw_content or b"")
            transaction.content_type = flow.response.headers.get("content-type")
            return
        host: bytes | None = None
        if visitor.connect_host is None:
            request.data.host, request.data.port = verdict.host, verdict.port
            default = 443 if facts.scheme == "https" else 80
            bare = f"[{verdict.host}]" if ":" in verdict.host else verdict.host
            host = (bare if verdict.port == default else f"{bare}:{verdict.port}").encode()
        fields, watch, changes = headers.fields, verdict.watch, verdict.changes

        def written() -> tuple[tuple[bytes, bytes], ...]:
            sent = forward_fields(
                fields,
                websocket=facts.upgrade == "websocket",
                via=self._gate.via(visitor, http2=request.is_http2),
                host=host,
                watched=watch is not None,
                part=None if watch is None else watch.part,
            )
            return tuple(sent if changes is None else changes.fields(sent))

        headers.fields = written()
        if changes is not None:
            request.path = changes.path(facts.path)
        if watch is not None:
            flow.metadata[WATCH], flow.metadata[WRITTEN] = watch, written
        if verdict.sending is not None:
            flow.metadata[SENDING] = verdict.sending
        request.stream = _Count(transaction, "bytes_up")

    def responseheaders(self, flow: HTTPFlow) -> None:
        """The server's answer begins."""
        if REFUSED in flow.metadata:
            return
        response = flow.response
        transaction: Transaction = flow.metadata[RECORD]
        assert response is not None
        if any(name.lower() in OF_PROXIES for name, _ in response.headers.fields):
            response.headers.fields = tuple(
                field for field in response.headers.fields if field[0].lower() not in OF_PROXIES
            )
        transaction.status = response.status_code
        transaction.content_type = response.headers.get("content-type")
        if peer := flow.server_conn.peername:
            transaction.server_ip, transaction.server_port = peer[0], peer[1]
        response.stream = _Count(transaction, "bytes_down")

    def response(self, flow: HTTPFlow) -> None:
        """The answer is complete."""
        if flow.websocket is not None:
            transaction: Transaction = flow.metadata[RECORD]
            transaction.kind = "websocket"
            return
        self._finish(flow, None)

    def error(self, flow: HTTPFlow) -> None:
        """The exchange broke off."""
        sending: Sending | None = flow.metadata.pop(SENDING, None)
        if sending is not None:
            sending.close()
        # Why the whole connection ended says more than that it did.
        why = flow.client_conn.error or (flow.error.msg if flow.error else "broken off")
        self._finish(flow, unquoted(why))

    def upstream_failed(self, flow: HTTPFlow) -> None:
        """The server could not be reached, or left before it answered."""
        assert flow.error is not None
        transaction: Transaction = flow.metadata[RECORD]
        facts: RequestFacts = flow.metadata[FACTS]
        kind = getattr(flow.error.msg, "kind", None) or kind_of(flow.error.msg)
        answer = self._gate.upstream_failed(
            self._visitors[flow.client_conn], facts, transaction, kind, unquoted(flow.error.msg)
        )
        flow.metadata[REFUSED] = True
        flow.response = response_of(answer, with_body=facts.method != "HEAD")
        transaction.status = answer.status
        transaction.bytes_down = len(flow.response.raw_content or b"")
        transaction.content_type = flow.response.headers.get("content-type")

    def body_refused(self, flow: HTTPFlow) -> None:
        """What is sent, or has come back, is refused, and nothing of it has gone on."""
        transaction: Transaction = flow.metadata[RECORD]
        facts: RequestFacts = flow.metadata[FACTS]
        sending: Sending | None = flow.metadata.get(SENDING)
        refusal = sending.refusal if sending is not None else None
        if refusal is None:  # nothing is against what was sent: it is what came back
            watch: Watch = flow.metadata[WATCH]
            refusal = watch.refusal
        assert refusal is not None
        flow.metadata[REFUSED] = True
        flow.response = response_of(refusal, with_body=facts.method != "HEAD")
        transaction.status = refusal.status
        transaction.bytes_down = len(flow.response.raw_content or b"")
        transaction.content_type = flow.response.headers.get("content-type")

    def bad_request(self, bad: BadRequest) -> None:
        """A client sent what cannot be treated as a request."""
        visitor = self._visitors[bad.client]
        request = bad.request
        facts = (
            facts_of(request, inside_tunnel=visitor.connect_host is not None) if request else None
        )
        verdict = self._gate.bad_request(visitor, facts, bad.problem)
        assert verdict.answer is not None
        assert verdict.transaction is not None
        if not bad.can_answer:
            verdict.transaction.finish()
            observe(verdict.transaction)
            return
        with_body = facts is None or facts.method != "HEAD"
        bad.answer = response_of(verdict.answer, with_body=with_body)
        # Where this request ends, and the next begins, is not known.
        bad.answer.headers["Connection"] = "close"
        verdict.transaction.finish(
            status=verdict.answer.status,
            bytes_down=len(bad.answer.raw_content or b""),
            content_type=bad.answer.headers.get("content-type"),
        )
        observe(verdict.transaction)

    def _finish(self, flow: HTTPFlow, error: str | None) -> None:
        visitor: Visitor = self._visitors[flow.client_conn]
        transaction = visitor.open.pop(flow.id, None)
        if transaction is None:
            return
        if error is not None:
            transaction.finish(error=transaction.error or error)
        else:
            transaction.finish()
        observe(transaction)


def facts_of(request: Request, *, inside_tunnel: bool) -> RequestFacts:
    """What a request head said.

    Args:
        request: mitmproxy's request, its host already filled in by the HTTP layer.
        inside_tunnel: whether it came through CONNECT.
    """
    target = request.data.authority.decode("ascii", "backslashreplace")
    http2 = request.is_http2
    if not inside_tunnel and not http2:
        bare = f"[{request.host}]" if ":" in request.host else request.host
        target = f"{bare}:{request.port}"
    return facts_of_head(
        request.headers.fields,
        method=request.method,
        scheme=request.scheme,
        path=request.path,
        target_authority=target,
        http2=http2,
        to_us=not inside_tunnel,
    )


def kind_of(problem: str) -> str:
    """The kind of page for a failure that mitmproxy's layers named themselves, in their words."""
    if problem.startswith("Certificate verify failed"):
        return "upstream-certificate"
    if "TLS" in problem or "OpenSSL" in problem:
        return "upstream-tls"
    if "HTTP" in problem or "answer" in problem:
        return "upstream-response"
    return "upstream-failed"


class _Count:
    """Counts the bytes of a body as they pass.

    Args:
        transaction: the open record.
        field: where the number goes: `bytes_up` or `bytes_down`.
    """

    __slots__ = ("_count", "_field", "_transaction")

    def __init__(self, transaction: Transaction, field: str) -> None:
        self._transaction = transaction
        self._field = field
        self._count = 0

    def __call__(self, data: bytes) -> bytes:
        self._count += len(data)
        setattr(self._transaction, self._field, self._count)
        return data
