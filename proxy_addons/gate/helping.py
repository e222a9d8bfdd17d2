"""Refusals that help: what waits for a click, what the page offers, and the click itself.

In: a judged request; a request for the gateway itself.
Out: a refusal with its page, or None where nothing is against it; a coroutine that does what a
button asks for.
Must never: let anything pass; a confirmation lets through by the next request's judgement alone.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy_addons.gate.actions import action_of
from proxy_addons.gate.judge import in_time, judge
from proxy_addons.gate.names import names_of
from proxy_addons.gate.redirecting import answer_to, can_lead, target_of
from proxy_addons.gate.refusal import Kind
from proxy_addons.gate.traits import traits_of
from proxy_addons.gate.visits import Visits
from proxy_addons.policy.model import REFUSALS, Action
from proxy_addons.policy.states import ON_BREAK
from proxy_addons.urlkey import UrlKeyError, request_key, url_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.accesslog import Transaction
    from proxy_addons.gate.actions import Actions, Deeds
    from proxy_addons.gate.facts import RequestFacts, Verdict, Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.personal import Personal
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.resolved import Resolved
    from proxy_addons.gate.signin import Found
    from proxy_addons.gate.tokens import Tokens
    from proxy_addons.policy.model import Moment
    from proxy_addons.urlkey import UrlKey


class Helping(Visits):
    """The part of the gate that people can do something about.

    Attributes:
        personal: what personal use asks of requests, and offers people.
        actions: does what buttons of pages ask for.
        resolved: which names addresses lately stood for.
    """

    personal: Personal
    actions: Actions
    resolved: Resolved

    def act(self, visitor: Visitor, facts: RequestFacts) -> Found:
        """A request may be for the gateway itself; to be asked before `request`, on every lane.

        Returns:
            None: it is not, or not for anything that can be done: go on with `request`, which lets
            nothing for the gateway through; a refusal; or a coroutine that gives the answer.
        """
        action = action_of(facts)
        if action is None:
            return None
        # From here on no record can hold the token, whatever becomes of the request.
        facts.path, _, query = facts.path.partition("?")
        self.people.know_again(visitor)
        try:
            keys, reached = names_of(visitor, facts)
        except UrlKeyError:
            return None  # refused by `request`, for that
        visitor.requests += 1
        if visitor.half_open:
            self.clients.agreed(visitor)
        if (refused := self._refuse_unjudged(visitor, facts, keys[0], reached)) is not None:
            return refused
        return self.actions.perform(visitor, facts, keys[0], action, query)

    def offer(self, tokens: Tokens, deeds: Deeds) -> None:
        """Pages have buttons from now on.

        Args:
            tokens: prove that a page of ours offered what a click asks for.
            deeds: do it.
        """
        self.personal.tokens = self.actions.tokens = tokens
        self.actions.deeds = deeds

    def _refuse_judged(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey,
        judgement: Judgement,
        transaction: Transaction | None = None,
    ) -> Verdict | None:
        """Refuse what the policy blocks, or what waits for a click; None when it may pass.

        Args:
            visitor: whose request it is.
            facts: its head.
            key: its canonical address.
            judgement: of it, or of what came back.
            transaction: its record, where it was let through and something came back.
        """
        action, personal, at = judgement.decision.action, self.personal, self._now().local
        found = judgement.decision.findings
        answer = None
        if action in REFUSALS:
            kind = Kind.POLICY
            personal.refused(visitor, facts, judgement, at)
            if not found:
                judgement = self._in_time(visitor, facts, judgement)
            # No time and no break makes another file of it.
            in_a_break = lambda: not found and self._in_a_break(visitor, facts, judgement)  # noqa: E731 - asked for only where it helps
            offer = personal.instead(visitor, facts, key, judgement, at, in_a_break)
            if action is Action.REDIRECT:
                answer = self._leads(visitor, facts, key, judgement)
        elif personal.waits(visitor, judgement, at):
            kind = Kind.STATEMENT if personal.statement is not None else Kind.UNDECIDED
            judgement, offer = personal.unread(judgement), personal.to_read(visitor, facts, key)
        elif action is Action.ALLOW:
            return None
        else:
            kind, offer = Kind.COACH, personal.to_confirm(visitor, facts, key, judgement)
        if kind in {Kind.POLICY, Kind.COACH} and not judgement.key.is_address and not found:
            self.resolved.refused(judgement.key.host)
        if answer is not None:
            return self._recorder.lead(visitor, facts, key, judgement, answer, transaction)
        return self._recorder.refuse_by_policy(
            visitor, facts, key, judgement, kind, offer, transaction
        )

    def _leads(
        self, visitor: Visitor, facts: RequestFacts, key: UrlKey, judgement: Judgement
    ) -> Answer | None:
        """The answer of a rule that redirects; None where a page says more.

        That is: where nobody would follow, or where it leads to what is redirected itself, which
        could go round for ever.
        """
        decision = judgement.decision
        if not can_lead(facts):
            return None
        url = self._recorder.url_of(key, facts, judgement)
        target = target_of(decision.to, url=url, host=key.host, rule=decision.rule)
        try:
            then = self._judge(visitor, (url_key(target.partition("#")[0]),), "GET")
        except (UrlKeyError, CarriedError):
            # What was filled in has made an address of it that nothing could be said of.
            return None
        if then.decision.action is Action.REDIRECT:
            return None
        return answer_to(target, facts.method)

    def _in_time(self, visitor: Visitor, facts: RequestFacts, judgement: Judgement) -> Judgement:
        """What is refused, with when it would be allowed by what will stand for the person."""
        basis, person, today = self.basis, visitor.person, self.people.today
        assert basis.index is not None
        method, traits, now = facts.method.upper(), traits_of(facts), self._now()
        about = self._about(visitor, facts.user_agent)
        return in_time(
            basis.decider, basis.index, person, judgement, method, now, traits, today, about
        )

    def _in_a_break(self, visitor: Visitor, facts: RequestFacts, judgement: Judgement) -> bool:
        """Whether what is refused would not be in a break."""
        basis, person, today = self.basis, visitor.person, self.people.today
        assert basis.index is not None
        other = replace(person, states=person.states | {ON_BREAK})
        method, traits, now = facts.method.upper(), traits_of(facts), self._now()
        about = self._about(visitor, facts.user_agent)
        then = judge(
            basis.decider, basis.index, other, judgement.keys, method, now, traits, today,
            about=about,
        )  # fmt: skip
        return then.decision.action not in REFUSALS

    def _asked_now(self, visitor: Visitor, asked: UrlKey, path: str) -> Judgement | None:
        """What is said of a page on a host if it is asked for now; None: it cannot be judged."""
        try:
            authority = f"[{asked.host}]" if ":" in asked.host else asked.host
            key = request_key(asked.scheme, f"{authority}:{asked.port}", path)
            return self._judge(visitor, (key,), "GET")
        except (UrlKeyError, CarriedError):
            return None  # nothing is let through by it: it is for the record of a review

    def _about(self, visitor: Visitor, agent: str | None) -> frozenset[str]:
        """What is known of client and program, where rules look at it.

        Args:
            visitor: whose request it is.
            agent: what that says of its program; None: what the visitor's latest says.
        """
        policy = self.basis.settings.policy
        if not policy.names_atoms:
            return frozenset()
        return policy.about(visitor.client_ip, visitor.agent if agent is None else agent)

    # --- of the gate itself ---------------------------------------------------------------

    @abstractmethod
    def _judge(
        self,
        visitor: Visitor,
        keys: Sequence[UrlKey],
        method: str,
        traits: frozenset[str] = ...,
        findings: frozenset[str] = ...,
        agent: str | None = ...,
    ) -> Judgement:
        """Judge by all names; may raise CarriedError."""

    @abstractmethod
    def _refuse_unjudged(
        self, visitor: Visitor, facts: RequestFacts, asked: UrlKey, reached: UrlKey
    ) -> Verdict | None:
        """Refuse what the policy is not asked about; None when it is."""

    @abstractmethod
    def _now(self) -> Moment:
        """The present moment."""
