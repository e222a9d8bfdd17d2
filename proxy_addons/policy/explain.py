"""The trace of a decision: rule by rule, what matched or what did not, in plain words.

In: a compiled policy, the facts, the moment, what the request met.
Out: one `TraceStep` for every rule of the policy.
Must never: decide by itself; a trace that disagrees with the decision would be worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy import words
from proxy_addons.policy.effects import Change
from proxy_addons.policy.findings import words_of
from proxy_addons.policy.model import OF_TUNNELS, Action, TraceStep

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from proxy_addons.policy.compiled import Facts, Policy, Rule
    from proxy_addons.policy.matching import Match

NOT_REACHED = "not reached: an earlier rule decided"


def trace_of(policy: Policy, facts: Facts, local: datetime, match: Match) -> tuple[TraceStep, ...]:
    """The trace of a decision.

    Args:
        policy: the compiled policy.
        facts: of the request.
        local: the moment, in the policy's time zone.
        match: what the request met.

    Returns:
        One step for each rule, in the policy's order. At most one has `matched`.
    """
    # What an exemption does not name is refused at the rule that would have allowed it.
    decides = match.rests if match.withheld(policy, facts) else match.decides
    steps = []
    reached, said = True, False
    for rule in policy.rules:
        on_tunnels = rule.action in OF_TUNNELS
        if not reached and not on_tunnels:
            why = NOT_REACHED
        elif rule is match.rests or (not rule.ends and _matches(rule, policy, facts, local)):
            why = _met(policy, rule, facts, local)
            why += (
                _on_tunnels(rule, policy, facts, said=said)
                if on_tunnels
                else _role(rule, match, decides)
            )
            said = said or on_tunnels
            reached = reached and rule is not match.rests
        else:
            why = _unmet(policy, rule, facts, local)
        steps.append(TraceStep(rule.id, matched=rule is decides, why=why))
    return tuple(steps)


def _matches(rule: Rule, policy: Policy, facts: Facts, local: datetime) -> bool:
    return (
        (rule.profiles is None or facts.profile in rule.profiles)
        and rule.concerns(facts)
        and rule.holds(facts, policy.reading(local))
    )


def _role(rule: Rule, match: Match, decides: Rule | None) -> str:
    """What became of a rule that matched, where that is not simply that it decided."""
    if rule is match.rests:
        coached = match.coach is not None and decides is match.coach
        said = "; allows what has been coached" if coached else ""
    elif rule.effects.stealth:
        verb = "lead elsewhere" if rule.action is Action.REDIRECT else str(rule.action)
        said = f"; on trial: would {verb}" if rule is match.on_trial else "; on trial"
    elif rule.action is Action.MODIFY:
        changed = (name.partition("@")[0] for name in Change(rule.id, rule.effects).names())
        said = f"; changes {', '.join(changed)}"
    elif match.coach is not rule:
        said = "; would coach, but an earlier rule does"
    elif rule is decides:
        said = "; coaches, as a rule after it allows"
    else:
        said = "; would coach, but no rule after it allows"
    return said + ("; never overridden" if rule.effects.never_overridden else "")


def _on_tunnels(rule: Rule, policy: Policy, facts: Facts, *, said: bool) -> str:
    """What became of a rule on decrypting that matched."""
    if not policy.inspects(facts):
        return "; never decrypted, whatever rules say (tls.never_inspect)"
    if said:
        return "; an earlier rule says whether it is decrypted"
    return "; not decrypted" if rule.action is Action.SPLICE else "; decrypted"


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
    if rule.states is not None:
        parts.append(f"state {_listed(facts.states & rule.states)}")
    if rule.findings:
        parts.append(f"found {', '.join(map(words_of, rule.told(facts)))}")
    if rule.also is not None:
        parts.append(words.met(rule.also, facts, policy.reading(local), _time(policy, local)))
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
    return _unmet_now(policy, rule, facts, local)


def _unmet_now(policy: Policy, rule: Rule, facts: Facts, local: datetime) -> str:
    """The same of the conditions that may be met another time, or by what a body holds."""
    if rule.states is not None and rule.states.isdisjoint(facts.states):
        are = _listed(facts.states) or "none that rules name"
        return f"state is {are}; the rule is for {_listed(rule.states)}"
    for wanted in rule.findings:
        if wanted.meant.isdisjoint(facts.findings):
            return f"no {wanted.kind.replace('_', ' ')} is found that is in {_listed(wanted.names)}"
    now, clock = policy.reading(local), _time(policy, local)
    if rule.also is not None and not rule.also.holds(facts, now):
        return words.unmet(rule.also, facts, now, clock)
    return f"{clock} is not {rule.time}"


def _passed_by(rule: Rule, facts: Facts) -> bool:
    """Whether the rule is against categories that an exemption opens, and no others."""
    return (
        rule.passed_by
        and rule.categories is not None
        and rule.categories.isdisjoint(facts.categories - facts.exempted)
    )


def _time(policy: Policy, local: datetime) -> str:
    holiday = " (bank holiday)" if local.date() in policy.bank_holidays else ""
    return f"{local:%a %H:%M}{holiday}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
