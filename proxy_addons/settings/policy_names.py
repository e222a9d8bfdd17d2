"""Names of the policy: every one that is used is known; then the rules are compiled.

In: a `PolicySource`, and the names that come from elsewhere (people's profiles, categories that are
not to be decrypted, the categories that lists know).
Out: problems; a `Policy`.
Must never: compile a policy in which a name is unknown: its rule would silently match nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.compiled import BY_NAME_ONLY, Policy, Rule
from proxy_addons.policy.conditions import CATEGORIES, PROFILES
from proxy_addons.policy.model import REFUSALS, RESERVED_RULES, Action
from proxy_addons.policy.timespaces import TimeCondition
from proxy_addons.settings.condition_kinds import OUTSIDE, WITHIN
from proxy_addons.settings.condition_values import searching
from proxy_addons.settings.conditions_build import Compiler, names_in
from proxy_addons.settings.effect_names import check_effects
from proxy_addons.settings.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from proxy_addons.policy.timespaces import TimeSpace
    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.policy_file import PolicySource
    from proxy_addons.settings.policy_kinds import RuleSource
    from proxy_addons.settings.problems import Report


def check_names(
    source: PolicySource,
    profiles_given: Iterable[Located],
    never_inspect: Iterable[Located],
    known_categories: Collection[str] | None,
    report: Report,
    *,
    or_groups: Iterable[Located] = (),
) -> None:
    """Report every name that is used and not known, and what else cannot be compiled.

    Args:
        source: the policy as read.
        profiles_given: profiles that the settings name, which must exist.
        never_inspect: categories that must exist.
        known_categories: the categories of all lists; None leaves categories unchecked.
        report: takes the problems.
        or_groups: categories or groups that the settings name, which must exist.
    """
    profiles = source.written.get("profiles")
    spaces = source.written.get("time_spaces")
    _check_strictest(source, report)
    for profile in profiles_given:
        _check(profile, profiles, "profile", report)
    _check_aliases(source, report)
    _Categories(source, known_categories, report).check(never_inspect, or_groups)
    _check_ids(source, report)
    for rule in source.rules:
        for name in (*(rule.profiles or ()), *names_in(rule.more, PROFILES)):
            _check(name, profiles, "profile", report)
        times = (*(rule.within or ()), *(rule.outside or ()))
        for name in (*times, *names_in(rule.more, WITHIN, OUTSIDE)):
            _check(name, spaces, "time space", report)
    _check_exempt(source, report)
    _check_social(source, report)
    if source.rules and not source.rules[-1].is_catch_all:
        last = source.rules[-1]
        message = (
            "the last rule must match everything, so that it is said what holds when no other"
            " does; end with a rule that has no when"
        )
        report.add(last.place, last.key, message)
    elif source.rules and source.rules[-1].action is Action.COACH:
        last = source.rules[-1]
        message = "the last rule coaches, and none after it allows; let it allow or block"
        report.add(last.place, f"{last.key}.action", message)
    check_effects(source.rules, report)


def compile_policy(
    source: PolicySource, never_inspect: Iterable[Located], never_inspect_hosts: Iterable[str]
) -> Policy:
    """The compiled policy, once `check_names` had nothing to report."""
    aliases = {name: target.text for name, (_, target) in source.aliases.items()}
    spelt: dict[str, set[str]] = {}
    for name, target in aliases.items():
        spelt.setdefault(target, set()).add(name)

    def with_aliases(names: Iterable[str]) -> frozenset[str]:
        return frozenset(form for name in names for form in (name, *spelt.get(name, ())))

    groups = {
        name: with_aliases(member.text for member in members)
        for name, (_, members) in source.groups.items()
    }

    def expanded(names: Collection[str]) -> frozenset[str]:
        return with_aliases(name for name in names if name not in groups).union(
            *(groups[name] for name in names if name in groups)
        )

    spaces = source.time_spaces()
    by_name_only: Collection[str] = BY_NAME_ONLY
    if source.by_name_only is not None:
        by_name_only = [name.text for name in source.by_name_only]
    rules = []
    for rule in source.rules:
        names = tuple(name.text for name in rule.categories or ())
        categories = expanded(names)
        rules.append(
            Rule(
                id=rule.id.text,
                clause=rule.clause,
                reason=rule.reason,
                action=rule.action,
                profiles=_texts(rule.profiles),
                categories=None if rule.categories is None else categories,
                category_names=names,
                hosts=None if rule.hosts is None else frozenset(rule.hosts),
                methods=None if rule.methods is None else frozenset(rule.methods),
                states=None if rule.states is None else frozenset(rule.states),
                findings=rule.findings,
                effects=rule.effects,
                time=_time(rule, spaces),
                also=_compiler(rule, spaces, expanded).compiled(rule.more),
            )
        )
    (strictest,) = (name for name, (_, each) in source.profiles.items() if each.strictest)
    return Policy(
        profiles={name: profile.description for name, (_, profile) in source.profiles.items()},
        strictest_profile=strictest,
        time_zone=source.time_zone,
        rules=tuple(rules),
        time_spaces=spaces,
        category_groups=groups,
        category_aliases=aliases,
        never_inspect_categories=with_aliases(name.text for name in never_inspect),
        never_inspect_hosts=frozenset(never_inspect_hosts),
        bank_holidays=source.bank_holidays,
        otherwise={
            name: profile.otherwise.text
            for name, (_, profile) in source.profiles.items()
            if profile.otherwise is not None
        },
        by_name_only=expanded(by_name_only),
        personal=expanded([name.text for name in source.personal]),
        social=expanded([name.text for name in source.social]),
        masks=source.masks.built(expanded),
        personal_names=tuple(name.text for name in (*source.personal, *source.social)),
        compiled=searching,
    )


class _Categories:
    """The check of every category id that is used anywhere."""

    def __init__(self, source: PolicySource, known: Collection[str] | None, report: Report) -> None:
        self._source = source
        self._known = known
        self._report = report

    def check(self, never_inspect: Iterable[Located], or_groups: Iterable[Located]) -> None:
        groups = self._source.written.get("category_groups", frozenset())
        self._check_groups(groups)
        for rule in self._source.rules:
            self._check_all((*(rule.categories or ()), *names_in(rule.more, CATEGORIES)), groups)
        self._check_all(self._source.by_name_only or (), groups)
        self._check_all((*self._source.personal, *self._source.social, *or_groups), groups)
        self._check_all(self._source.masks.categories, groups)
        for name_used in never_inspect:
            self._check(name_used, ())

    def _check_all(self, names: Iterable[Located], groups: Collection[str]) -> None:
        for name in names:
            if name.text not in groups:
                self._check(name, groups)

    def _check_groups(self, groups: Collection[str]) -> None:
        for name, (written, members) in self._source.groups.items():
            if self._known is not None and name in self._known:
                message = f"the group {name} has the name of a category; choose another"
                self._report.add(written.place, written.key, message)
            for member in members:
                if member.text in groups:
                    message = f"found the group {member.text}; a group holds categories only"
                    self._report.add(member.place, member.key, message)
                else:
                    self._check(member, ())

    def _check(self, name: Located, groups: Iterable[str]) -> None:
        alias = self._source.aliases.get(name.text)
        if alias is not None:
            message = f"{name.text} is an alias of {alias[1].text} (category_aliases); write that"
            self._report.add(name.place, name.key, message)
        elif self._known is not None and not self._is_known(name.text):
            hint = nearest(name.text, [*self._known, *groups])
            message = f"no list has the category {name.text}{hint}"
            self._report.add(name.place, name.key, message)

    def _is_known(self, name: str) -> bool:
        """Whether a list has the category, under this name or one that is renamed to it."""
        known = self._known or ()
        return name in known or any(
            alias in known and target.text == name
            for alias, (_, target) in self._source.aliases.items()
        )


def _check(name: Located, known: Collection[str] | None, what: str, report: Report) -> None:
    # None: the section itself could not be read, so its names are not to blame.
    if known is not None and name.text not in known:
        message = f"policy.yaml has no {what} {name.text}{nearest(name.text, known)}"
        report.add(name.place, name.key, message)


def _check_ids(source: PolicySource, report: Report) -> None:
    ids: dict[str, RuleSource] = {}
    for rule in source.rules:
        name = rule.id
        first = ids.setdefault(name.text, rule)
        if name.text in RESERVED_RULES:
            message = f"the rule id {name.text} is one of the gateway's own; choose another"
            report.add(name.place, name.key, message)
        elif first is not rule and name.text:
            message = f"the rule id {name.text} is taken, see {first.place}; choose another"
            report.add(name.place, name.key, message)


def _check_strictest(source: PolicySource, report: Report) -> None:
    strictest = [written for written, profile in source.profiles.values() if profile.strictest]
    all_read = len(source.profiles) == len(source.written.get("profiles", ()))
    if source.profiles and all_read and not strictest:
        message = "no profile is the strictest; mark one with strictest: true"
        report.add(source.place, "profiles", message)
    for second in strictest[1:]:
        message = f"{strictest[0].text} is marked strictest already; only one profile can be"
        report.add(second.place, f"{second.key}.strictest", message)


def _check_exempt(source: PolicySource, report: Report) -> None:
    """A profile that needs an exemption falls back to one that needs none."""
    for written, profile in source.profiles.values():
        otherwise = profile.otherwise
        if otherwise is None:
            continue
        _check(otherwise, source.written.get("profiles"), "profile", report)
        _, target = source.profiles.get(otherwise.text, (None, None))
        if profile.strictest:
            message = (
                f"{written.text} is the strictest profile, which nobody needs to be exempt for"
            )
            report.add(otherwise.place, otherwise.key, message)
        elif otherwise.text == written.text or (target and target.otherwise is not None):
            message = f"{otherwise.text} needs an exemption itself; name a profile that needs none"
            report.add(otherwise.place, otherwise.key, message)


def _check_social(source: PolicySource, report: Report) -> None:
    """The minutes of social networks are some of those of personal use."""

    def members(name: Located) -> set[str]:
        _, group = source.groups.get(name.text, (None, None))
        return {name.text} if group is None else {member.text for member in group}

    personal = set[str]().union(*map(members, source.personal))
    for name in source.social:
        if outside := sorted(members(name) - personal):
            message = f"{', '.join(outside)} is not in personal_use.categories; add it there"
            report.add(name.place, name.key, message)


def _check_aliases(source: PolicySource, report: Report) -> None:
    for written, target in source.aliases.values():
        if target.text in source.aliases:
            message = f"{target.text} is an alias itself; write what it stands for"
            report.add(target.place, target.key, message)
        elif target.text in source.groups:
            message = f"{target.text} is a group; an alias stands for one category"
            report.add(target.place, written.key, message)


def _compiler(
    rule: RuleSource,
    spaces: dict[str, TimeSpace],
    expanded: Callable[[Collection[str]], frozenset[str]],
) -> Compiler:
    """What compiles the conditions of a rule, on the side that its action is on."""
    against = rule.action in {*REFUSALS, Action.COACH}
    return Compiler(
        spaces,
        expanded,
        strict=rule.action not in {Action.ALLOW, Action.SPLICE},
        passed_by=against and not rule.effects.never_overridden,
    )


def _texts(names: Iterable[Located] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name.text for name in names)


def _time(rule: RuleSource, spaces: dict[str, TimeSpace]) -> TimeCondition | None:
    names = rule.within if rule.within is not None else rule.outside
    if names is None:
        return None
    return TimeCondition(
        tuple(spaces[name.text] for name in names), outside=rule.outside is not None
    )
