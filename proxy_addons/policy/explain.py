"""The trace of a decision: rule by rule, what matched or what did not, in plain words.

In: a compiled policy, the facts, the moment, the rule that decided.
Out: one `TraceStep` for every rule of the policy.
Must never: decide by itself; a trace that disagrees with the decision would be worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.model import Action, TraceStep

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from proxy_addons.policy.compiled import Facts, Policy, Rule

NOT_REACHED = "not reached: an earlier rule decided"


def trace_of(
    policy: Policy, facts: Facts, local: datetime, decided: Rule | None
) -> tuple[TraceStep, ...]:
    """The trace of a decision.

    Args:
        policy: the compiled policy.
        facts: of the request.
        local: the moment, in the policy's time zone.
        decided: the rule that decided, or None when none did.

    Returns:
        One step for each rule, in the policy's order. At most one has `matched`.
    """
    steps = []
    reached = True
    for rule in policy.rules:
        if rule is decided:
            steps.append(TraceStep(rule.id, matched=True, why=_met(policy, rule, facts, local)))
            reached = False
        elif reached:
            why = _unmet(policy, rule, facts, local)
            steps.append(TraceStep(rule.id, matched=False, why=why))
        else:
            steps.append(TraceStep(rule.id, matched=False, why=NOT_REACHED))
    return tuple(steps)


def _met(policy: Policy, rule: Rule, facts: Facts, local: datetime) -> str:
    parts = []
    if rule.profiles is not None:
        parts.append(f"profile {facts.profile}")
    if rule.categories is not None:
        parts.append(f"category {_listed(facts.categories & rule.categories)}")
    if policy.withholds(facts, rule):
        parts.append("a threat that the exemption does not name")
    if rule.hosts is not None:
        parts.append(f"host is or is under {_listed(facts.hosts & rule.hosts)}")
    if rule.methods is not None:
        parts.append(f"method {facts.method}")
    if rule.time is not None:
        parts.append(f"{_time(policy, local)} is {rule.time}")
    return "; ".join(parts) or "matches everything"


def _unmet(policy: Policy, rule: Rule, facts: Facts, local: datetime) -> str:
    """The first condition that is not met."""
    if rule.profiles is not None and facts.profile not in rule.profiles:
        return f"profile is {facts.profile}; the rule is for {_listed(rule.profiles)}"
    if rule.categories is not None and rule.categories.isdisjoint(facts.categories):
        if not facts.categories:
            return f"no category is known; the rule is for {_listed(rule.category_names)}"
        are = _listed(facts.categories)
        if len(facts.categories) == 1:
            return f"category {are} is not in {_listed(rule.category_names)}"
        return f"none of the categories {are} is in {_listed(rule.category_names)}"
    if _passed_by(rule, facts):
        return f"an exemption opens {_listed(facts.categories & facts.exempted)}"
    if rule.hosts is not None and rule.hosts.isdisjoint(facts.hosts):
        return f"host is not, and is not under, {_listed(rule.hosts)}"
    if rule.methods is not None and facts.method not in rule.methods:
        return f"method is not {_listed(rule.methods)}"
    return f"{_time(policy, local)} is not {rule.time}"


def _passed_by(rule: Rule, facts: Facts) -> bool:
    """Whether the rule would block a category that an exemption opens, and no other."""
    return (
        rule.action is Action.BLOCK
        and rule.categories is not None
        and rule.categories.isdisjoint(facts.categories - facts.exempted)
    )


def _time(policy: Policy, local: datetime) -> str:
    holiday = " (bank holiday)" if local.date() in policy.bank_holidays else ""
    return f"{local:%a %H:%M}{holiday}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
