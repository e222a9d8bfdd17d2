"""What is odd about a policy that is otherwise valid: rules that can never decide, unused names.

In: a compiled policy, the profiles that people have.
Out: findings, each naming a rule, time space, group or profile.
Must never: refuse a policy (settings/ does); these are warnings for `watchhouse check`.

Whether a rule can decide is found exactly. Conditions are "any one of", so a request that has just
one of the rule's categories, one of its hosts and so on is the hardest for earlier rules to catch;
and time is a finite set of readings between boundaries. All such requests are tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from proxy_addons.policy.compiled import Facts, host_and_parents
from proxy_addons.policy.timespaces import BANK_HOLIDAY, Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from proxy_addons.policy.compiled import Policy, Rule
    from proxy_addons.policy.timespaces import TimeCondition

# A method and a host that no policy names.
_OTHER_METHOD = ""
_NO_HOST = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity.

    Attributes:
        where: dotted key in `policy.yaml` of the section: `rules`, `time_spaces` and so on.
        name: the rule's id or the name.
        message: what is odd, in plain words.
    """

    where: str
    name: str
    message: str


def findings(policy: Policy, profiles_of_people: Collection[str]) -> tuple[Finding, ...]:
    """All oddities of a policy.

    Args:
        policy: the compiled policy.
        profiles_of_people: profiles that the settings give to people.
    """
    return (
        *_unreachable(policy),
        *_without_clause(policy),
        *_unused(policy, profiles_of_people),
    )


def _unreachable(policy: Policy) -> Iterator[Finding]:
    grid = _grid(policy)
    always = (1 << len(grid)) - 1
    masks = [_mask(rule.time, grid) if rule.time else always for rule in policy.rules]
    for number, rule in enumerate(policy.rules):
        if not masks[number]:
            yield Finding("rules", rule.id, "can never decide: its time never comes")
            continue
        earlier = list(zip(policy.rules[:number], masks, strict=False))
        shadows: set[str] = set()
        for facts in _hardest(policy, rule):
            left = masks[number]
            for other, mask in earlier:
                if left & mask and other.concerns(facts):
                    shadows.add(other.id)
                    left &= ~mask
            if left:
                break
        else:
            names = ", ".join(other.id for other, _ in earlier if other.id in shadows)
            message = f"can never decide: earlier rules always do ({names})"
            yield Finding("rules", rule.id, message)


def _hardest(policy: Policy, rule: Rule) -> Iterator[Facts]:
    """The requests that match a rule and as little else as possible."""
    for profile, category, host, method in product(
        sorted(policy.profiles if rule.profiles is None else rule.profiles),
        [None] if rule.categories is None else sorted(rule.categories),
        [_NO_HOST] if rule.hosts is None else sorted(rule.hosts),
        [_OTHER_METHOD] if rule.methods is None else sorted(rule.methods),
    ):
        categories = frozenset() if category is None else frozenset({category})
        yield Facts(profile, categories, frozenset(host_and_parents(host)), method)


def _grid(policy: Policy) -> list[Reading]:
    """One reading for every stretch of time in which no time space changes."""
    minutes = {0}.union(*(space.boundaries for space in policy.time_spaces.values()))
    pairs = {
        (today, yesterday)
        for weekday in range(7)
        for today in (weekday, BANK_HOLIDAY)
        for yesterday in ((weekday - 1) % 7, BANK_HOLIDAY)
    }
    return [Reading(*pair, minute) for pair in sorted(pairs) for minute in sorted(minutes)]


def _mask(condition: TimeCondition, grid: list[Reading]) -> int:
    return sum(1 << bit for bit, now in enumerate(grid) if condition.holds(now))


def _without_clause(policy: Policy) -> Iterator[Finding]:
    for rule in policy.rules:
        if not rule.clause:
            yield Finding("rules", rule.id, "names no clause of the force's policy")


def _unused(policy: Policy, profiles_of_people: Collection[str]) -> Iterator[Finding]:
    spaces = {space.name for rule in policy.rules if rule.time for space in rule.time.spaces}
    for name in policy.time_spaces:
        if name not in spaces:
            yield Finding("time_spaces", name, "is used by no rule")
    groups = {name for rule in policy.rules for name in rule.category_names}
    for name in policy.category_groups:
        if name not in groups:
            yield Finding("category_groups", name, "is used by no rule")
    for name in policy.profiles:
        if (
            name != policy.strictest_profile
            and name not in profiles_of_people
            and not any(rule.profiles and name in rule.profiles for rule in policy.rules)
        ):
            yield Finding("profiles", name, "is given to nobody and named by no rule")
