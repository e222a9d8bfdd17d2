"""What is odd about a policy that is otherwise valid: rules that can never decide, unused names.

In: a compiled policy, the profiles that people have.
Out: findings, each naming a rule, time space, group or profile.
Must never: refuse a policy (settings/ does); these are warnings for `watchhouse check`.

Whether a rule can decide is found exactly. Conditions are "any one of", so a request that has just
one of the rule's categories, one of its hosts and so on is the hardest for earlier rules to catch;
and time is a finite set of readings between boundaries. All such requests are tried. A rule that
coaches decides only what a rule after it allows: for it, requests that match both are tried. States
are taken as free of each other, although on-duty and off-duty never hold together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.compiled import OF_TUNNELS, Facts, host_and_parents
from proxy_addons.policy.model import Action
from proxy_addons.policy.states import ALLOWANCE_LOW, ALLOWANCE_USED, SOCIAL_LOW, SOCIAL_USED
from proxy_addons.policy.timespaces import BANK_HOLIDAY, Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

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
        *_uncounted(policy),
        *_unused(policy, profiles_of_people),
    )


def _unreachable(policy: Policy) -> Iterator[Finding]:
    grid = _grid(policy)
    always = (1 << len(grid)) - 1
    timed = [_Timed(rule, _mask(rule.time, grid) if rule.time else always) for rule in policy.rules]
    for number, (rule, mask) in enumerate(timed):
        # A rule that coaches takes nothing from those after it: one of them still decides whether
        # the request passes at all. One that only has effects takes nothing from anybody.
        earlier = [
            other
            for other in timed[:number]
            if (other.rule.action in OF_TUNNELS if rule.action in OF_TUNNELS else other.rule.ends)
            or (rule.coaches and other.rule.coaches)
        ]
        shadows: set[str] = set()
        if not mask:
            yield Finding("rules", rule.id, "can never decide: its time never comes")
        elif not _is_left(_hardest(policy, rule), mask, earlier, shadows):
            names = ", ".join(other.rule.id for other in earlier if other.rule.id in shadows)
            message = f"can never decide: earlier rules always do ({names})"
            yield Finding("rules", rule.id, message)
        elif rule.coaches and not _can_coach(policy, timed, number):
            message = "can never decide: no rule after it allows what it would coach"
            yield Finding("rules", rule.id, message)


class _Timed(NamedTuple):
    """A rule, and the readings at which its time holds, as bits."""

    rule: Rule
    mask: int


def _is_left(
    requests: Iterable[Facts], mask: int, earlier: Collection[_Timed], shadows: set[str]
) -> bool:
    """Whether at any of these times any of these requests meets no earlier rule.

    Args:
        requests: what is asked.
        mask: when.
        earlier: rules that would decide instead.
        shadows: takes the ids of those that do.
    """
    for facts in requests:
        left = mask
        for other in earlier:
            if left & other.mask and other.rule.concerns(facts):
                shadows.add(other.rule.id)
                left &= ~other.mask
        if left:
            return True
    return False


def _can_coach(policy: Policy, timed: Sequence[_Timed], number: int) -> bool:
    """Whether there is a request that a rule coaches and one after it allows."""
    coach = timed[number]
    before = [each for each in timed[:number] if each.rule.ends or each.rule.coaches]
    between: list[_Timed] = []
    for later in timed[number + 1 :]:
        requests = _hardest(policy, coach.rule, later.rule)
        if later.rule.action is Action.ALLOW and _is_left(
            requests, coach.mask & later.mask, [*before, *between], set()
        ):
            return True
        if later.rule.ends:
            between.append(later)
    return False


def _hardest(policy: Policy, *rules: Rule) -> Iterator[Facts]:
    """The requests that match some rules and as little else as possible."""
    profiles = set(policy.profiles).intersection(
        *(rule.profiles for rule in rules if rule.profiles is not None)
    )
    methods = [rule.methods for rule in rules if rule.methods is not None]
    for profile, categories, host, method, states, findings in product(
        sorted(profiles),
        _one_of_each([rule.categories for rule in rules]),
        _hosts([rule.hosts for rule in rules if rule.hosts is not None]),
        sorted(methods[0].intersection(*methods)) if methods else [_OTHER_METHOD],
        _one_of_each([rule.states for rule in rules]),
        _one_of_each([each.meant for rule in rules for each in rule.findings]),
    ):
        hosts = frozenset(host_and_parents(host))
        yield Facts(profile, categories, hosts, method, states=states, findings=findings)


def _one_of_each(conditions: Iterable[frozenset[str] | None]) -> list[frozenset[str]]:
    choices = product(*(sorted(names) for names in conditions if names is not None))
    return [frozenset(chosen) for chosen in choices]


def _hosts(conditions: Collection[frozenset[str]]) -> list[str]:
    """Hosts that meet all of some conditions; of two that do, one under the other, the deeper."""
    if not conditions:
        return [_NO_HOST]
    return [
        host
        for host in sorted(frozenset[str]().union(*conditions))
        if not any(names.isdisjoint(host_and_parents(host)) for names in conditions)
    ]


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


def _uncounted(policy: Policy) -> Iterator[Finding]:
    """Rules that look at minutes of which none are ever counted."""
    for rule in policy.rules:
        states = rule.states or frozenset()
        for counted, key, uses in (
            (policy.personal, "categories", {ALLOWANCE_LOW, ALLOWANCE_USED}),
            (policy.social, "social", {SOCIAL_LOW, SOCIAL_USED}),
        ):
            if not counted and not states.isdisjoint(uses):
                state = min(states & uses)
                message = f"looks at {state}, but personal_use.{key} names nothing that counts"
                yield Finding("rules", rule.id, message)


def _unused(policy: Policy, profiles_of_people: Collection[str]) -> Iterator[Finding]:
    spaces = {space.name for rule in policy.rules if rule.time for space in rule.time.spaces}
    for name in policy.time_spaces:
        if name not in spaces:
            yield Finding("time_spaces", name, "is used by no rule")
    groups = {name for rule in policy.rules for name in rule.category_names}
    groups.update(policy.personal_names, policy.masks.names)
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
