"""Which rules can decide: exactly, over all requests, people and times.

In: a compiled policy. Out: the rules that never decide, with why.
Must never: call a rule unreachable that a request could meet.

Per profile, what is left for a rule are the requests (space.py) that no earlier rule matches. A
rule that coaches takes nothing from those after it, as one of them still decides whether the
request passes at all; and it decides only what a rule after it allows. One that only has effects
takes nothing from anybody; whether a tunnel is decrypted is a question of its own. What a rule
matches by ignorance alone, while a tunnel is opened, does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.diagrams import FALSE
from proxy_addons.policy.model import OF_TUNNELS, Action
from proxy_addons.policy.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy_addons.policy.compiled import Policy, Rule


def unreachable(policy: Policy) -> Iterator[tuple[Rule, str]]:
    """The rules that can never decide, each with why, in plain words."""
    profiles = [_Profile(policy, profile) for profile in policy.profiles]
    for number, rule in enumerate(policy.rules):
        if not any(each.comes(number) for each in profiles):
            yield rule, "can never decide: its time never comes"
        elif not any(each.matches(number) for each in profiles):
            yield rule, "can never decide: its conditions exclude each other"
        elif not any(each.is_left(number) for each in profiles):
            shadows = set[int]().union(*(each.shadows(number) for each in profiles))
            names = ", ".join(policy.rules[each].id for each in sorted(shadows))
            yield rule, f"can never decide: earlier rules always do ({names})"
        elif rule.coaches and not any(each.can_coach(number) for each in profiles):
            yield rule, "can never decide: no rule after it allows what it would coach"


def _takes(other: Rule, rule: Rule) -> bool:
    """Whether one rule takes something from another after it."""
    if rule.action in OF_TUNNELS or other.action in OF_TUNNELS:
        return rule.action in OF_TUNNELS and other.action in OF_TUNNELS
    return other.ends or (rule.coaches and other.coaches)


class _Profile:
    """What the rules match of the requests of one profile."""

    def __init__(self, policy: Policy, profile: str) -> None:
        self._rules = policy.rules
        space = self._space = Space(policy, profile)
        self._of = space.diagrams
        self._parts = [self._of.both(space.requests, space.part(rule)) for rule in policy.rules]
        # What is left for each rule: of those on tunnels, of those that coach, and of the others.
        self._left: list[int] = []
        tunnels = anybody = nobody = space.requests
        for rule, part in zip(policy.rules, self._parts, strict=True):
            if rule.action in OF_TUNNELS:
                self._left.append(self._of.both(tunnels, part))
                tunnels = self._of.less(tunnels, part)
                continue
            self._left.append(self._of.both(nobody if rule.coaches else anybody, part))
            if rule.ends or rule.coaches:
                nobody = self._of.less(nobody, part)
            if rule.ends:
                anybody = self._of.less(anybody, part)

    def comes(self, number: int) -> bool:
        """Whether there is a time at which a rule could match."""
        rule = self._rules[number]
        return self._space.times(rule.also, rule.time) != FALSE

    def matches(self, number: int) -> bool:
        """Whether there is a request that a rule matches."""
        return self._parts[number] != FALSE

    def is_left(self, number: int) -> bool:
        """Whether there is one of these that no earlier rule decides."""
        return self._left[number] != FALSE

    def shadows(self, number: int) -> set[int]:
        """The earlier rules that decide what a rule matches, and as little else as may be."""
        rule = self._rules[number]
        own = self._parts[number]
        earlier = [other for other in range(number) if _takes(self._rules[other], rule)]
        found = set(self._taken(self._of.both(own, self._space.bare(rule)), earlier))
        # These may not be all that is needed: what they leave, others take.
        rest = self._of.less(own, self._of.any(self._parts[other] for other in found))
        return found.union(self._taken(rest, earlier))

    def _taken(self, left: int, earlier: Iterable[int]) -> Iterator[int]:
        """The rules that, one after the other, take something of some requests."""
        for other in earlier:
            rest = self._of.less(left, self._parts[other])
            if rest != left:
                yield other
            left = rest

    def can_coach(self, number: int) -> bool:
        """Whether a rule after it allows some of what is left for one that coaches."""
        left = self._left[number]
        for other in range(number + 1, len(self._rules)):
            later = self._rules[other]
            allows = later.ends and later.action is Action.ALLOW
            if allows and self._of.both(left, self._parts[other]) != FALSE:
                return True
            if later.ends:
                left = self._of.less(left, self._parts[other])
        return False
