"""Policies that differ from another in one thing, each of which good cases find out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from proxy_addons.policy.findings import GROUPS, found
from proxy_addons.policy.model import Action
from proxy_addons.policy.timespaces import DAY_NAMES, EVERY_DAY, TimeCondition, TimeRange, TimeSpace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.policy.compiled import Policy, Rule

type Mutant = tuple[str, Policy]


def without_a_rule(policy: Policy) -> Iterator[Mutant]:
    for number, rule in enumerate(policy.rules[:-1]):
        rules = (*policy.rules[:number], *policy.rules[number + 1 :])
        yield f"without {rule.id}", replace(policy, rules=rules)


def swapped(policy: Policy) -> Iterator[Mutant]:
    for number, (first, second) in enumerate(pairwise(policy.rules[:-1])):
        rules = (*policy.rules[:number], second, first, *policy.rules[number + 2 :])
        yield f"{second.id} before {first.id}", replace(policy, rules=rules)


def other_times(policy: Policy) -> Iterator[Mutant]:
    """Every edge a minute earlier and later, every kind of day in or out."""
    yield "no bank holidays", replace(policy, bank_holidays=frozenset())
    for name, space in policy.time_spaces.items():
        for number, each in enumerate(space.ranges):
            others = [
                (f"from {sign:+}", replace(each, start=each.start + sign)) for sign in (-1, 1)
            ]
            others += [(f"to {sign:+}", replace(each, end=each.end + sign)) for sign in (-1, 1)]
            others += [
                (f"{DAY_NAMES[day]} in or out", replace(each, days=each.days ^ {day}))
                for day in sorted(EVERY_DAY)
            ]
            for what, other in others:
                yield f"{name} {what}", _with_range(policy, name, number, other)


def _with_range(policy: Policy, name: str, number: int, other: TimeRange) -> Policy:
    ranges = policy.time_spaces[name].ranges
    space = TimeSpace(name, (*ranges[:number], other, *ranges[number + 1 :]))

    def timed(rule: Rule) -> Rule:
        if rule.time is None:
            return rule
        spaces = tuple(space if each.name == name else each for each in rule.time.spaces)
        return replace(rule, time=TimeCondition(spaces, outside=rule.time.outside))

    spaces = {**policy.time_spaces, name: space}
    return replace(policy, time_spaces=spaces, rules=tuple(map(timed, policy.rules)))


def other_rules(policy: Policy) -> Iterator[Mutant]:
    """Each rule with another action, without one of its conditions, or without a name in one."""
    for number, rule in enumerate(policy.rules):
        for what, other in _other(policy, rule):
            rules = (*policy.rules[:number], other, *policy.rules[number + 1 :])
            yield f"{rule.id} {what}", replace(policy, rules=rules)


def other_groups(policy: Policy) -> Iterator[Mutant]:
    """Each category group without one of its categories, and each alias without its meaning."""
    for name, members in policy.category_groups.items():
        for each in sorted(members - set(policy.category_aliases)):
            groups = {**policy.category_groups, name: members - policy.with_aliases([each])}
            yield f"{name} without {each}", _anew(replace(policy, category_groups=groups))
    for alias in policy.category_aliases:
        aliases = {name: own for name, own in policy.category_aliases.items() if name != alias}
        groups = {name: members - {alias} for name, members in policy.category_groups.items()}
        other = replace(policy, category_groups=groups, category_aliases=aliases)
        yield f"without the alias {alias}", _anew(other)


def _anew(policy: Policy) -> Policy:
    """The rules with what the groups and aliases hold now."""

    def expanded(rule: Rule) -> Rule:
        if rule.categories is None:
            return rule
        return replace(rule, categories=policy.expanded(rule.category_names))

    return replace(policy, rules=tuple(map(expanded, policy.rules)))


def _other(policy: Policy, rule: Rule) -> Iterator[tuple[str, Rule]]:
    for action in Action:
        if action is not rule.action and not (rule.is_catch_all and action is Action.COACH):
            yield f"with the action {action}", replace(rule, action=action)
    for name in ("profiles", "hosts", "methods", "states"):
        yield from _other_names(rule, name)
    if rule.time is not None:
        yield "at any time", replace(rule, time=None)
    if rule.categories is not None:
        yield "whatever the category", replace(rule, categories=None)
        for each in rule.category_names if len(rule.category_names) > 1 else ():
            others = [name for name in rule.category_names if name != each]
            yield f"without {each}", replace(rule, categories=policy.expanded(others))
    yield from _other_findings(rule)


def _other_names(rule: Rule, name: str) -> Iterator[tuple[str, Rule]]:
    members = getattr(rule, name)
    if members is not None:
        yield f"whatever the {name}", replace(rule, **{name: None})
        for each in sorted(members) if len(members) > 1 else ():
            yield f"without {each}", replace(rule, **{name: members - {each}})


def _other_findings(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for place, wanted in enumerate(rule.findings):
        others = (*rule.findings[:place], *rule.findings[place + 1 :])
        yield f"whatever the {wanted.kind}", replace(rule, findings=others)
        for name in wanted.names:
            less = wanted.meant - found(wanted.kind, GROUPS.get(name, (name,)))
            if less:
                changed = wanted._replace(meant=less)
                yield f"without {name}", replace(rule, findings=(*others, changed))
