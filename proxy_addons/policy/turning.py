"""What a decision turns on: what could make it another one, as it stands in the rules.

In: a compiled policy, the facts of a request.
Out: whether the clock could, or what stands for the person; what of its body has to be looked at.
Must never: leave out what could; to say too much costs time only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Facts, Policy

_NONE: frozenset[str] = frozenset()


def turns_on(policy: Policy, facts: Facts) -> tuple[bool, bool]:
    """What could make the decision on these facts another one.

    Returns:
        Whether the time could, with what stands for the person now, and whether what stands for
        them could, at whatever time.
    """
    seen = [facts]
    if facts.exempted or facts.profile in policy.otherwise:
        # Decided as well, for comparison: without the exemption (decide.py).
        profile = policy.otherwise.get(facts.profile, facts.profile)
        seen.append(facts._replace(profile=profile, exempted=_NONE))
    return (
        any(_turns_on_time(policy, each) for each in seen),
        any(_turns_on_states(policy, each) for each in seen),
    )


def _turns_on_time(policy: Policy, facts: Facts) -> bool:
    for rule in policy.rules_of(facts.profile):
        if rule.concerns(facts):
            if rule.timed:
                return True
            if rule.ends:
                break  # it decides at the latest, whenever
    return any(rule.timed and rule.concerns(facts) for rule in policy.tunnel_rules(facts))


def _turns_on_states(policy: Policy, facts: Facts) -> bool:
    anything = facts._replace(states=policy.states)
    for rule in policy.rules_of(facts.profile):
        if rule.concerns(anything, whatever=True):
            if rule.stated:
                return True
            if not rule.timed and rule.concerns(facts) and rule.ends:
                break  # it decides at the latest, whatever stands
    return any(
        rule.stated and rule.concerns(anything, whatever=True)
        for rule in policy.tunnel_rules(facts)
    )


def looks(policy: Policy, facts: Facts) -> frozenset[str]:
    """The kinds of findings (findings.py) that could make the decision another one.

    Whatever the time, and whatever stands for the person: a body may come minutes later.
    """
    if not policy.findings:
        return _NONE
    kinds: set[str] = set()
    open_to = facts._replace(states=policy.states, findings=policy.findings)
    for rule in policy.rules_of(facts.profile):
        if not rule.concerns(open_to, whatever=True):
            continue
        if wanted := rule.wanted:
            kinds.update(each.kind for each in wanted)
        elif not rule.timed and not rule.stated and rule.ends:
            break  # it decides at the latest
    return frozenset(kinds)


def looks_anyhow(policy: Policy, facts: Facts) -> frozenset[str]:
    """The same, if no rule that looks at something else decided."""
    open_to = facts._replace(states=policy.states, findings=policy.findings)
    return frozenset(
        each.kind
        for rule in policy.rules_of(facts.profile)
        if rule.concerns(open_to, whatever=True)
        for each in rule.wanted
    )
