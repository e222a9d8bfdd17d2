"""What relays ask of the gate, and what they leave in its records; answers of ours as bytes.

In: the facts of a request, its exchange. Out: verdicts; bytes to send; finished records.
Must never: let a failure of the gate pass a request on; finish a record twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from proxy_addons.addons.forwarding import forward_fields
from proxy_addons.addons.observing import observe
from proxy_addons.engine.outcomes import where
from proxy_addons.gate.facts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mitmproxy.connection import Client

    from proxy_addons.accesslog import Transaction
    from proxy_addons.addons.visitors import Visitors
    from proxy_addons.engine.relay.exchange import Exchange
    from proxy_addons.engine.relay.heads import RequestHead
    from proxy_addons.gate.changes import HeadChanges
    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.gate import Gate
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.signin import Found
    from proxy_addons.gate.watching import Watch

logger = logging.getLogger("watchhouse.engine")


@dataclass(frozen=True, slots=True)
class Desk:
    """What all relays of a worker share.

    Attributes:
        gate: asked about each request.
        visitors: the connected clients.
        login: `Proxy-Authorization` for the parent proxy, or None.
    """

    gate: Gate
    visitors: Visitors
    login: bytes | None = None

    def decide(self, client: Client, facts: RequestFacts) -> Verdict:
        """Ask the gate about a request or tunnel; where it fails, that is refused and recorded."""
        gate, visitor = self.gate, self.visitors[client]
        try:
            if facts.method == "CONNECT":
                return gate.connect(visitor, facts.target_authority, facts.accept, facts.user_agent)
            return gate.request(visitor, facts)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
            return self._undecided(visitor, facts, problem)

    def sign_in(
        self, client: Client, facts: RequestFacts
    ) -> Verdict | Coroutine[Any, Any, Verdict | None] | None:
        """Ask the gate who sends a request or asks for a tunnel; see Gate.sign_in.

        Where it fails, that is refused and recorded. The coroutine never raises.
        """
        return self._begun(client, facts, self.gate.sign_in)

    def act(
        self, client: Client, facts: RequestFacts
    ) -> Verdict | Coroutine[Any, Any, Verdict | None] | None:
        """Ask the gate whether a request is for itself; see Gate.act, and as for `sign_in`."""
        return self._begun(client, facts, self.gate.act)

    def _begun(
        self, client: Client, facts: RequestFacts, begin: Callable[[Visitor, RequestFacts], Found]
    ) -> Found:
        visitor = self.visitors[client]
        try:
            found = begin(visitor, facts)
        except Exception as problem:  # noqa: BLE001 - as above
            return self._undecided(visitor, facts, problem)
        if found is None or isinstance(found, Verdict):
            return found
        return self._settled(visitor, facts, found)

    async def _settled(
        self, visitor: Visitor, facts: RequestFacts, found: Coroutine[Any, Any, Verdict | None]
    ) -> Verdict | None:
        try:
            return await found
        except Exception as problem:  # noqa: BLE001 - as above
            return self._undecided(visitor, facts, problem)

    def _undecided(self, visitor: Visitor, facts: RequestFacts, problem: Exception) -> Verdict:
        kind = type(problem).__name__
        # No traceback: it could quote what the client sent.
        logger.error("the gate failed (%s at %s): refused", kind, where(problem))
        if facts.method == "CONNECT":
            visitor.connect_host = None
        return self.gate.undecided(visitor, facts, kind)

    def open(self, client: Client, exchange: Exchange) -> None:
        """The record of an exchange is open: if the client leaves, it is finished for it."""
        transaction = exchange.transaction
        self.visitors[client].open[transaction.id] = transaction

    def finish(self, client: Client, exchange: Exchange, error: str | None) -> None:
        """Finish the record of an exchange, once.

        Args:
            client: whose it is.
            exchange: whose record it is.
            error: what went wrong, in words of ours, or None.
        """
        transaction = exchange.transaction
        if self.visitors[client].open.pop(transaction.id, None) is None:
            return
        if error is None:
            transaction.finish()
        else:
            transaction.finish(error=transaction.error or error)
        observe(transaction)

    def failure(self, client: Client, exchange: Exchange, kind: str, problem: str) -> bytes:
        """The page for a request that was let through and cannot be answered, and its record.

        Args:
            client: whose it is.
            exchange: what failed.
            kind: of gate/refusal.py.
            problem: what happened, without anything that a peer sent.
        """
        transaction = exchange.transaction
        answer = self.gate.upstream_failed(
            self.visitors[client], exchange.facts, transaction, kind, problem
        )
        return _page(answer, transaction, exchange.facts.method, close=exchange.close)

    def refused(self, exchange: Exchange) -> bytes:
        """The page for a body that is refused, sent or come back, of which nothing has gone on."""
        looked = exchange.sending or exchange.watch
        assert looked is not None
        assert looked.refusal is not None
        return _page(
            looked.refusal, exchange.transaction, exchange.facts.method, close=exchange.close
        )

    def written(
        self,
        client: Client,
        head: RequestHead,
        path: str,
        host: str | None,
        *,
        absolute: bool,
        watch: Watch | None,
        changes: HeadChanges | None = None,
    ) -> bytes:
        """A request's head as it goes on.

        Args:
            client: whose it is.
            head: as the client sent it, judged.
            path: path and query.
            host: what `Host` has to say; None leaves what the client said.
            absolute: for a parent proxy, which is told the whole address (RFC 9112 3.2.2).
            watch: of the answer, or None.
            changes: what rules change about it, or None.
        """
        fields = forward_fields(
            head.fields,
            websocket=False,
            via=self.gate.via(self.visitors[client], http2=False),
            host=None if host is None else host.encode(),
            watched=watch is not None,
            part=None if watch is None else watch.part,
        )
        if changes is not None:
            fields, path = changes.fields(fields), changes.path(path)
        if absolute:
            path = f"http://{host}{path}"
            if self.login is not None:
                fields.append((b"Proxy-Authorization", self.login))
        lines = [f"{head.method} {path} HTTP/1.1".encode("ascii")]
        lines += [b"%b: %b" % field for field in fields]
        lines += (b"", b"")
        return b"\r\n".join(lines)


def refusal(verdict: Verdict, facts: RequestFacts, *, close: bool) -> bytes:
    """The page of a refusal; its record says what it was."""
    assert verdict.answer is not None
    assert verdict.transaction is not None
    return _page(verdict.answer, verdict.transaction, facts.method, close=close)


def _page(answer: Answer, transaction: Transaction, method: str, *, close: bool) -> bytes:
    """An answer of ours as it goes over the line.

    Args:
        answer: status, headers and body.
        transaction: its record.
        method: of the request: HEAD gets the same head without the body (RFC 9110 9.3.2).
        close: whether the connection ends with it.
    """
    phrase = answer.phrase or HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    body = b"" if method == "HEAD" else answer.body
    transaction.status = answer.status
    transaction.bytes_down = len(body)
    transaction.content_type = next(
        (value for name, value in answer.headers if name.lower() == "content-type"), None
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body
