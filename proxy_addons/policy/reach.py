"""Which rules can decide: exactly, over all requests, people and times.

In: a compiled policy. Out: the rules that never decide, with why.
Must never: call a rule unreachable that a request could meet.

For each rule and profile a request is searched (search.py) that it matches and no earlier rule
does. A rule that coaches takes nothing from those after it, as one of them still decides whether
the request passes at all; and it decides only what a rule after it allows. One that only has
effects takes nothing from anybody; whether a tunnel is decrypted is a question of its own. What a
rule matches by ignorance alone, while a tunnel is opened, does not count. Of a rule of which it
takes too long to say, nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.model import OF_TUNNELS, Action
from proxy_addons.policy.search import UndecidedError
from proxy_addons.policy.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy_addons.policy.compiled import Policy, Rule
    from proxy_addons.policy.search import Formula


def unreachable(policy: Policy) -> Iterator[tuple[Rule, str]]:
    """The rules that can never decide, each with why, in plain words."""
    profiles = [_Profile(policy, profile) for profile in policy.profiles]
    for number, rule in enumerate(policy.rules):
        try:
            why = _why(policy, profiles, number)
        except UndecidedError:
            continue  # a warning that may be wrong is worse than none
        if why is not None:
            yield rule, f"can never decide: {why}"


def _why(policy: Policy, profiles: list[_Profile], number: int) -> str | None:
    """Why a rule never decides; None: it can.

    Raises:
        UndecidedError: it takes too long to say.
    """
    if any(each.is_left(number) for each in profiles):
        coaches = policy.rules[number].coaches
        if coaches and not any(each.can_coach(number) for each in profiles):
            return "no rule after it allows what it would coach"
        return None
    if not any(each.comes(number) for each in profiles):
        return "its time never comes"
    if not any(each.matches(number) for each in profiles):
        return "its conditions exclude each other"
    shadows = set[int]().union(*(each.shadows(number) for each in profiles))
    return (
        f"earlier rules always do ({', '.join(policy.rules[each].id for each in sorted(shadows))})"
    )


def _takes(other: Rule, rule: Rule) -> bool:
    """Whether one rule takes something from another after it."""
    if rule.action in OF_TUNNELS or other.action in OF_TUNNELS:
        return rule.action in OF_TUNNELS and other.action in OF_TUNNELS
    return other.ends or (rule.coaches and other.coaches)


class _Profile:
    """What the rules match of the requests of one profile."""

    def __init__(self, policy: Policy, profile: str) -> None:
        self._rules = policy.rules
        self._space = Space(policy, profile)
        self._parts = [self._space.part(rule) for rule in policy.rules]
        self._others = [self._space.variables.negated(part) for part in self._parts]

    def comes(self, number: int) -> bool:
        """Whether there is a time at which a rule could match."""
        return self._possible(self._space.times(self._rules[number]))

    def matches(self, number: int) -> bool:
        """Whether there is a request that a rule matches."""
        return self._possible(self._parts[number])

    def is_left(self, number: int) -> bool:
        """Whether there is one of these that no earlier rule decides."""
        left = self._left(number)
        # Most often one that has nothing else to it is left, and that is found at once.
        return self._possible(self._space.bare(self._rules[number]), *left) or self._possible(*left)

    def shadows(self, number: int) -> set[int]:
        """The earlier rules that decide what a rule matches, and as little else as may be."""
        part = self._parts[number]
        bare = self._space.bare(self._rules[number])
        found = set(self._taken([part, bare], number))
        # These may not be all that is needed: what they leave, others take.
        rest = [part, *(self._others[other] for other in found)]
        return found.union(self._taken(rest, number))

    def can_coach(self, number: int) -> bool:
        """Whether a rule after it allows some of what is left for one that coaches."""
        left = self._left(number)
        for other in range(number + 1, len(self._rules)):
            later = self._rules[other]
            allows = later.ends and later.action is Action.ALLOW
            if allows and self._possible(self._parts[other], *left):
                return True
            if later.ends:
                left.append(self._others[other])
        return False

    def _left(self, number: int) -> list[Formula]:
        """What is left for a rule."""
        return [self._parts[number], *(self._others[other] for other in self._earlier(number))]

    def _earlier(self, number: int) -> Iterable[int]:
        """The rules before one that take something from it."""
        rule = self._rules[number]
        yield from (other for other in range(number) if _takes(self._rules[other], rule))

    def _taken(self, left: list[Formula], number: int) -> Iterator[int]:
        """The rules that, one after the other, take something of some requests."""
        for other in self._earlier(number):
            if self._possible(self._parts[other], *left):
                yield other
                left.append(self._others[other])

    def _possible(self, *formulas: Formula) -> bool:
        return self._space.variables.possible([self._space.requests, *formulas])
