"""What became of what was let through, or could not be decided: records and pages afterwards.

In: a visitor, the facts or the open record, what happened. Out: the record completed; the page.
Must never: turn a refusal into anything else; quote what a client or server sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.gate import metrics
from proxy_addons.gate.blockpage import render
from proxy_addons.gate.facts import RequestFacts
from proxy_addons.gate.rules import (
    KINDS,
    RULE_DESTINATION_DENIED,
    RULE_TUNNEL_WITHOUT_REQUEST,
    RULE_UNDECIDED,
)
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from proxy_addons.accesslog import Transaction
    from proxy_addons.gate.facts import Verdict, Visitor
    from proxy_addons.gate.recording import Recorder
    from proxy_addons.gate.refusal import Answer


class Aftermath:
    """The part of the gate that decides nothing.

    Args:
        recorder: begins records, makes refusals.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def undecided(self, visitor: Visitor, facts: RequestFacts, problem: str) -> Verdict:
        """A decision point failed inside. The request in hand is refused and recorded.

        Args:
            visitor: whose request it is.
            facts: what is known of it.
            problem: the kind of failure (an exception's class), never its text: that may quote
                what the client sent.
        """
        visitor.requests += 1  # its record says what became of the tunnel
        facts.login = ""
        return self._refuse(visitor, facts, None, RULE_UNDECIDED, problem)

    def upstream_failed(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        transaction: Transaction,
        kind: str,
        problem: str,
    ) -> Answer:
        """An allowed request could not be answered by its server: the page that says so.

        The record keeps the decision and gains the error; a destination refused after name
        resolution becomes a block. A body that turned out to be none does not, whether its server
        had been asked by then or not: that depends on how its bytes were cut on the way.
        """
        transaction.error = problem
        if kind == "destination-denied":
            # The name resolved to an address that must not be connected to.
            self._block(transaction, RULE_DESTINATION_DENIED)
        metrics.count_refusal(kind)
        return render(
            self._recorder.refusal(
                visitor,
                facts,
                transaction.url or "",
                transaction.host or "",
                kind,
                problem,
                transaction.id,
            )
        )

    def tunnel_failed(self, visitor: Visitor, problem: str) -> None:
        """A tunnel that was accepted ended before any request of it could be read: record it."""
        if visitor.connect_host is None:
            return
        facts = RequestFacts("CONNECT", visitor.connect_host, visitor.connect_host, 1, "")
        key = UrlKey("", visitor.connect_host, visitor.connect_port)
        transaction = self._recorder.begin(
            visitor, facts, key, kind="connect", handling="none", at=visitor.tunnel_started
        )
        transaction.action = "allow"
        transaction.rule = RULE_TUNNEL_WITHOUT_REQUEST
        transaction.finish(error=problem)

    def tunnel_broke(self, transaction: Transaction, kind: str | None, problem: str) -> None:
        """A spliced tunnel could not be set up, or broke: say so in its record.

        Args:
            transaction: its open record.
            kind: the kind of refusal, where the tunnel was not set up.
            problem: what happened, in words of ours.
        """
        transaction.error = problem
        if kind == "destination-denied":
            # The name resolved to an address that must not be connected to.
            self._block(transaction, RULE_DESTINATION_DENIED)

    @staticmethod
    def _block(transaction: Transaction, rule: str) -> None:
        """What was let through is refused after all, for a reason that showed later."""
        transaction.action = "block"
        transaction.rule = rule
        transaction.clause = transaction.reason = None
        metrics.count("block", rule)

    def _refuse(
        self, visitor: Visitor, facts: RequestFacts, key: UrlKey | None, rule: str, problem: str
    ) -> Verdict:
        """Refuse what no rule of the policy decided; see Recorder.refuse."""
        return self._recorder.refuse(visitor, facts, key, KINDS[rule], rule, problem)
