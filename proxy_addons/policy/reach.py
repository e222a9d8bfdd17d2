"""Which rules can decide: exactly, over all requests, people and times.

In: a compiled policy. Out: the rules that never decide, with why.
Must never: call a rule unreachable that a request could meet.

Per profile, what is left for a rule are the requests (space.py) that no earlier rule matches which
takes them. One that ends (allows, redirects, blocks) takes them from all after it; one that coaches
from those that coach, as a rule after it still decides whether the request passes at all; one that
splices or inspects from those that do. One that modifies or is on trial takes nothing. And a rule
that coaches decides only what one after it allows. What a rule matches by ignorance alone, while a
tunnel is opened, does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.policy.compiled import OF_TUNNELS
from proxy_addons.policy.diagrams import FALSE
from proxy_addons.policy.model import Action
from proxy_addons.policy.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy_addons.policy.compiled import Policy, Rule


_ENDING: Final = "ending"
_COACHING: Final = "coaching"
_OF_TUNNELS: Final = "of tunnels"


def _asks(rule: Rule) -> str:
    """Whose earlier rules take requests from a rule."""
    if rule.action in OF_TUNNELS:
        return _OF_TUNNELS
    return _COACHING if rule.coaches else _ENDING


def _takes_from(rule: Rule) -> tuple[str, ...]:
    """From whom a rule takes the requests that it matches."""
    if rule.action in OF_TUNNELS:
        return (_OF_TUNNELS,)
    if rule.coaches:
        return (_COACHING,)
    return (_ENDING, _COACHING) if rule.ends else ()


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


class _Profile:
    """What the rules match of the requests of one profile."""

    def __init__(self, policy: Policy, profile: str) -> None:
        self._rules = policy.rules
        space = self._space = Space(policy, profile)
        self._of = space.diagrams
        self._parts = [self._of.both(space.requests, space.part(rule)) for rule in policy.rules]
        # What is left for each rule, by what can take it.
        self._left: list[int] = []
        left = dict.fromkeys((_ENDING, _COACHING, _OF_TUNNELS), space.requests)
        for rule, part in zip(policy.rules, self._parts, strict=True):
            self._left.append(self._of.both(left[_asks(rule)], part))
            for who in _takes_from(rule):
                left[who] = self._of.less(left[who], part)

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
        earlier = [
            other for other in range(number) if _asks(rule) in _takes_from(self._rules[other])
        ]
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
            after = self._rules[other]
            if not after.ends:
                continue
            if after.action is Action.ALLOW and self._of.both(left, self._parts[other]) != FALSE:
                return True
            left = self._of.less(left, self._parts[other])
        return False
