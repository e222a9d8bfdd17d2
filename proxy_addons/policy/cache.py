"""Decisions remembered for as long as they hold.

In: the same questions as `decide`. Out: the same answers, most of them from memory.
Must never: give a decision of another minute where the clock has a say, or of other facts. Time
spaces change on whole minutes only, and `Facts` holds all else that a rule can see, so both
together are the whole question, less what no rule looks at for a request (turning.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.decide import decide_facts
from proxy_addons.policy.turning import turns_on

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Facts, Policy
    from proxy_addons.policy.model import Decision, Moment, Person, Resource

    type Question = tuple[str, frozenset[str], object, str, frozenset[str]]


class _Answer(NamedTuple):
    """A decision, and what of it may be another next time.

    Attributes:
        decision: what was decided.
        passes: whether it may be another in another minute, with the same standing for the person.
        stands: whether it may be another where something else stands for the person.
    """

    decision: Decision
    passes: bool
    stands: bool


class Decider:
    """`decide` with a memory; one for each worker and each policy. Not for several threads.

    Args:
        policy: the compiled policy. A new policy needs a new decider.
        remembered: how many different questions are kept. When they are so many, no more are until
            the minute ends, with which all are forgotten.
    """

    __slots__ = (
        "_answers",
        "_atoms_matter",
        "_hosts_matter",
        "_kept",
        "_minute",
        "_moment",
        "_of_hosts",
        "_passing",
        "_passing_facts",
        "_remembered",
        "policy",
    )

    def __init__(self, policy: Policy, *, remembered: int = 4096) -> None:
        self.policy = policy
        self._hosts_matter = policy.names_hosts
        self._atoms_matter = policy.names_atoms
        self._remembered = remembered
        self._answers: dict[Facts, _Answer] = {}
        # The same by host: a shorter way to them for hosts asked about again. Without a host
        # where the policy names none: then no two hosts of the same categories differ. Where it
        # matters what stands for the person, by all their states: a frozenset has its hash already.
        self._of_hosts: dict[Question, Decision | dict[frozenset[str], Decision]] = {}
        self._kept = 0  # decisions in it
        # What is of this minute only.
        self._passing: list[tuple[Question, frozenset[str] | None]] = []
        self._passing_facts: list[Facts] = []
        self._moment: Moment | None = None
        self._minute: tuple[int, ...] = ()

    def decide(self, person: Person, resource: Resource, moment: Moment) -> Decision:
        """Decide one request, without a trace; see `proxy_addons.policy.decide.decide`.

        Raises:
            ValueError: the moment names no time zone. The caller refuses the request in hand.
        """
        if moment is not self._moment:
            self._begin(moment)
        host: object = resource.key.host if self._hosts_matter else ""
        if self._atoms_matter:
            host = (host, self.policy.atoms(person, resource))
        question = (person.profile, resource.categories, host, resource.method, person.exempted)
        found = self._of_hosts.get(question)
        if found.__class__ is dict:
            found = found.get(person.states)
        if found is not None:
            return found  # type: ignore[return-value]
        answer = self._answer(person, resource, moment)
        if self._kept < self._remembered:
            self._keep(question, person.states, answer)
        return answer.decision

    def _answer(self, person: Person, resource: Resource, moment: Moment) -> _Answer:
        policy = self.policy
        facts = policy.facts(person, resource)
        answer = self._answers.get(facts)
        if answer is None:
            decision = decide_facts(policy, facts, policy.local(moment))
            answer = _Answer(decision, *turns_on(policy, facts))
            if len(self._answers) < self._remembered:
                self._answers[facts] = answer
                if answer.passes:
                    self._passing_facts.append(facts)
        return answer

    def _keep(self, question: Question, states: frozenset[str], answer: _Answer) -> None:
        # Whether states matter depends on the question without them: all answers to it are of one
        # kind. Whether the clock does depends on them too: most people's day is their rota's.
        if answer.stands:
            found = self._of_hosts.setdefault(question, {})
            assert isinstance(found, dict)
            found[states] = answer.decision
        else:
            self._of_hosts[question] = answer.decision
        if answer.passes:
            self._passing.append((question, states if answer.stands else None))
        self._kept += 1

    def _begin(self, moment: Moment) -> None:
        """Forget what may be answered otherwise, where the moment is of another minute."""
        local = self.policy.local(moment)
        minute = (local.toordinal(), local.hour, local.minute, local.fold)
        if minute != self._minute:
            self._forget()
            self._minute = minute
        self._moment = moment

    def _forget(self) -> None:
        full = max(self._kept, len(self._answers)) >= self._remembered
        if full:
            self._of_hosts.clear()
            self._answers.clear()
            self._kept = 0
        else:
            for question, states in self._passing:
                found = self._of_hosts[question]
                if isinstance(found, dict) and states is not None:
                    del found[states]
                if states is None or not found:
                    del self._of_hosts[question]
                self._kept -= 1
            for facts in self._passing_facts:
                del self._answers[facts]
        self._passing.clear()
        self._passing_facts.clear()
