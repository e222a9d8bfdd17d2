"""Decisions remembered for the minute they hold.

In: the same questions as `decide`. Out: the same answers, most of them from memory.
Must never: give a decision of another minute or of other facts. Time spaces change on whole minutes
only, and `Facts` holds all else that a rule can see, so both together are the whole question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.decide import decide_facts

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Facts, Policy
    from proxy_addons.policy.model import Decision, Moment, Person, Resource

_NONE: frozenset[str] = frozenset()


class Decider:
    """`decide` with a memory; one for each worker and each policy. Not for several threads.

    Args:
        policy: the compiled policy. A new policy needs a new decider.
        remembered: how many different questions of one minute are kept.
    """

    __slots__ = (
        "_answers",
        "_hosts_matter",
        "_minute",
        "_moment",
        "_of_hosts",
        "_remembered",
        "_states_matter",
        "policy",
    )

    def __init__(self, policy: Policy, *, remembered: int = 4096) -> None:
        self.policy = policy
        self._hosts_matter = policy.names_hosts
        self._states_matter = bool(policy.states)
        self._remembered = remembered
        self._answers: dict[Facts, Decision] = {}
        # The same by host: a shorter way to them for hosts asked about again. Without a host
        # where the policy names none: then no two hosts of the same categories differ.
        # With all states of the person, as they are a frozenset that has its hash already.
        self._of_hosts: dict[
            tuple[str, frozenset[str], str, str, frozenset[str], frozenset[str]], Decision
        ] = {}
        self._moment: Moment | None = None
        self._minute: tuple[int, ...] = ()

    def decide(self, person: Person, resource: Resource, moment: Moment) -> Decision:
        """Decide one request, without a trace; see `proxy_addons.policy.decide.decide`.

        Raises:
            ValueError: the moment names no time zone. The caller refuses the request in hand.
        """
        if moment is not self._moment:
            self._begin(moment)
        host = resource.key.host if self._hosts_matter else ""
        states = person.states if self._states_matter else _NONE
        question = (
            person.profile, resource.categories, host, resource.method, person.exempted, states,
        )  # fmt: skip
        decision = self._of_hosts.get(question)
        if decision is not None:
            return decision
        policy = self.policy
        facts = policy.facts(person, resource)
        decision = self._answers.get(facts)
        if decision is None:
            decision = decide_facts(policy, facts, policy.local(moment))
            if len(self._answers) < self._remembered:
                self._answers[facts] = decision
        if len(self._of_hosts) < self._remembered:
            self._of_hosts[question] = decision
        return decision

    def _begin(self, moment: Moment) -> None:
        """Forget the answers where the moment is of another minute."""
        local = self.policy.local(moment)
        minute = (local.toordinal(), local.hour, local.minute, local.fold)
        if minute != self._minute:
            self._answers.clear()
            self._of_hosts.clear()
            self._minute = minute
        self._moment = moment
