"""Looking at what goes out and comes back: the part of the gate that decides again.

In: a request that was let through, its judgement; later, what was found in its body or answer.
Out: a `Sending` and a `Watch` on the verdict, for the lane to ask; a refusal.
Must never: open what was refused before: what is found can only make a decision stricter; let a
marked document go in the clear, whatever the policy says.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from proxy_addons.content.outgoing import findings_of_address
from proxy_addons.gate.facts import Course, Verdict
from proxy_addons.gate.headwatch import HeadWatch
from proxy_addons.gate.helping import Helping
from proxy_addons.gate.parts import PartWatch, Seen, shows_its_beginning
from proxy_addons.gate.recording import full_url
from proxy_addons.gate.refusal import Kind
from proxy_addons.gate.rules import KINDS, RULE_MARKED_IN_CLEAR, RULE_UNDECIDED
from proxy_addons.gate.sending import Sending
from proxy_addons.gate.traits import traits_of
from proxy_addons.gate.watching import Watch
from proxy_addons.policy.findings import (
    CONTENT_TYPE,
    FILE_TYPE,
    FILE_TYPES,
    MARKING,
    MARKINGS,
    OF_ANSWERS,
    OF_REQUESTS,
    SENDS,
    UPLOAD_SIZE,
    found,
    parted,
)
from proxy_addons.policy.measures import over, sizes_of, typed
from proxy_addons.policy.model import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog import Transaction
    from proxy_addons.content.outgoing import Sent
    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.whole import Bodies, Looked

_ANY_TYPE = found(FILE_TYPE, FILE_TYPES)
_MARKED: Final = found(MARKING, MARKINGS)
_CLAUSE: Final = "Inf/27 2.10.1"
_REASON: Final = (
    "Information with a protective marking must not be sent over the Internet unencrypted, and this"
    " site's connection is not encrypted."
)


class Looking(Helping):
    """The part of the gate that looks at bodies.

    Attributes:
        basis: what decisions rest on.
        seen: files of which parts may be given.
        bodies: looks into whole bodies; None: nothing does. Set by the worker.
    """

    basis: Basis
    seen: Seen
    bodies: Bodies | None

    def _look(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, verdict: Verdict
    ) -> Verdict:
        """Have what is sent and what comes back looked at, where that could change the decision.

        Args:
            visitor: whose request it is.
            facts: its head.
            judgement: of it.
            verdict: that lets it through.

        Returns:
            The same verdict, with who looks at them; or a refusal, for what the address itself has.
        """
        transaction = verdict.transaction
        assert transaction is not None
        if SENDS in judgement.looks:
            domains = self.basis.settings.content.force_domains
            if told := findings_of_address(facts.path, domains):
                answer = self._found(visitor, facts, judgement, transaction, told)
                if answer is not None:
                    return Verdict(Course.REFUSE, answer, transaction)
        if UPLOAD_SIZE in judgement.looks and facts.length is not None:
            told = over(facts.length, sizes_of(self.basis.decider.policy.findings))
            if told:
                answer = self._found(visitor, facts, judgement, transaction, told)
                if answer is not None:
                    return Verdict(Course.REFUSE, answer, transaction)
        if facts.body is not None:
            self._hold(visitor, facts, judgement, verdict)
        self._watch(visitor, facts, judgement, verdict)
        return verdict

    def _hold(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, verdict: Verdict
    ) -> None:
        """Have the request's body looked at before it is sent on."""
        in_clear = facts.scheme == "http"
        reads = in_clear or not judgement.looks.isdisjoint({MARKING, SENDS})
        counts = UPLOAD_SIZE in judgement.looks and facts.length is None
        if not reads and not counts:
            return
        transaction = verdict.transaction
        assert transaction is not None
        assert facts.body is not None

        def judge(what: frozenset[str]) -> Answer | None:
            refused = self._found(visitor, facts, judgement, transaction, what)
            if refused is None and in_clear and not _MARKED.isdisjoint(what):
                refused = self._in_clear(visitor, facts, judgement, transaction, what)
            if refused is not None:
                transaction.changed = ()  # nothing was sent on
            return refused

        def fail(problem: str) -> Answer:
            transaction.changed = ()
            return self._unseen(visitor, facts, transaction, problem)

        def note(sent: Sent) -> None:
            if sent.words:
                transaction.members = sent.words

        verdict.sending = Sending(
            facts.body,
            facts.path,
            judge,
            fail,
            bodies=self.bodies,
            about=lambda: _about(transaction),
            domains=self.basis.settings.content.force_domains,
            told=note,
            sizes=sizes_of(self.basis.decider.policy.findings) if counts else (),
            reads=reads,
        )

    def _in_clear(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        judgement: Judgement,
        transaction: Transaction,
        findings: frozenset[str],
    ) -> Answer:
        """A marked document would be sent in the clear: refused, whatever the policy says."""
        told = tuple(sorted(findings & _MARKED))
        decision = replace(
            judgement.decision,
            action=Action.BLOCK,
            rule=RULE_MARKED_IN_CLEAR,
            clause=_CLAUSE,
            reason=_REASON,
            exempted=False,
            retry_at=None,
            findings=told,
        )
        verdict = self._recorder.refuse_by_policy(
            visitor,
            facts,
            judgement.keys[0],
            replace(judgement, decision=decision),
            Kind.POLICY,
            transaction=transaction,
        )
        assert verdict.answer is not None
        return verdict.answer

    def _watch(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, verdict: Verdict
    ) -> None:
        """Have the answer to a request looked at, where that could change the decision."""
        if judgement.looks.isdisjoint(OF_ANSWERS) or facts.method == "HEAD":
            return
        transaction = verdict.transaction
        assert transaction is not None

        def judge(what: frozenset[str]) -> Answer | None:
            return self._found(visitor, facts, judgement, transaction, what)

        def fail(problem: str) -> Answer:
            return self._unseen(visitor, facts, transaction, problem)

        if judgement.looks & OF_ANSWERS == {CONTENT_TYPE}:
            verdict.watch = HeadWatch(facts.path, judge, fail, typed=self._typed)
            return

        def note(looked: Looked) -> None:
            if looked.virus is not None:
                transaction.virus = looked.virus
            if looked.words and looked.findings:
                transaction.members = looked.words

        about = partial(_about, transaction)
        of_head = self._typing(judgement)
        anything = bool(facts.range) and self._may_be_anything(visitor, facts, judgement)
        # A request that has a body cannot be asked again for another part.
        if not facts.range or anything or shows_its_beginning(facts.range):
            verdict.watch = Watch(
                facts.path, judge, fail, parts=anything, bodies=self.bodies,
                kinds=judgement.looks, told=note,
                about=about, typed=of_head,
            )  # fmt: skip
        elif facts.method == "GET" and facts.body is None:
            address = full_url(judgement.keys[0], facts)  # the record may not have all of it
            verdict.watch = PartWatch(
                facts.path, judge, fail, address, self.seen, bodies=self.bodies,
                kinds=judgement.looks, told=note,
                about=about, typed=of_head,
            )  # fmt: skip
        else:
            verdict.watch = Watch(
                facts.path,
                judge,
                fail,
                bodies=self.bodies,
                kinds=judgement.looks,
                told=note,
                about=about,
                typed=of_head,
            )
            verdict.watch.part = ""

    def _typing(self, judgement: Judgement) -> Callable[[str], frozenset[str]] | None:
        return self._typed if CONTENT_TYPE in judgement.looks else None

    def _typed(self, content_type: str) -> frozenset[str]:
        """What rules ask about that a declared type is."""
        return typed(content_type, self.basis.decider.policy.findings)

    def _may_be_anything(self, visitor: Visitor, facts: RequestFacts, judgement: Judgement) -> bool:
        """Whether a part of a file may be given, as the whole may whatever it is."""
        method, traits = facts.method.upper(), traits_of(facts)
        then = self._judge(visitor, judgement.keys, method, traits, _ANY_TYPE, facts.user_agent)
        return then.decision.action is Action.ALLOW

    def _found(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        judgement: Judgement,
        transaction: Transaction,
        findings: frozenset[str],
    ) -> Answer | None:
        """What was found in a body: note it, and refuse it where the policy does.

        What goes out and what comes back are judged each by itself: a rule that lets the one pass
        must not let the other.
        """
        before = transaction.findings
        transaction.findings = tuple(sorted(findings.union(before)))
        if findings.isdisjoint(self.basis.decider.policy.findings):
            return None  # a picture, a font: no rule looks at it, and what was decided holds
        ways = {parted(each)[0] in OF_REQUESTS for each in findings}
        findings = findings.union(
            each for each in before if (parted(each)[0] in OF_REQUESTS) in ways
        )
        method, traits = facts.method.upper(), traits_of(facts)
        then = self._judge(visitor, judgement.keys, method, traits, findings, facts.user_agent)
        if would := then.would_block:
            self._recorder.tried(transaction, would)
        if not then.decision.findings:
            return None  # no rule looks at it: what was decided holds
        if then.decision.action is Action.ALLOW:
            self._recorder.note(transaction, then)
            return None
        verdict = self._refuse_judged(visitor, facts, judgement.keys[0], then, transaction)
        assert verdict is not None
        return verdict.answer

    def _unseen(
        self, visitor: Visitor, facts: RequestFacts, transaction: Transaction, problem: str
    ) -> Answer:
        """Looking failed: the answer is refused and recorded as undecided."""
        transaction.action, transaction.rule = "block", RULE_UNDECIDED
        transaction.clause = transaction.reason = None
        return self.upstream_failed(visitor, facts, transaction, KINDS[RULE_UNDECIDED], problem)


def _about(transaction: Transaction) -> dict[str, str]:
    """A request, for alerts, and to know whose bodies these are."""
    facts = {
        "reference": transaction.id,
        "person": transaction.person,
        "client_ip": transaction.client_ip,
        "url": transaction.url,
    }
    return {name: value for name, value in facts.items() if value is not None}
