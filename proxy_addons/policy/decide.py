"""Deciding: the first rule that matches decides, and nothing else does (matching.py).

In: a compiled policy; who asks, for what, when.
Out: a `Decision`, with its trace on request.
Must never: allow what no rule allows, do I/O, read a clock, or remember anything between calls
(cache.py does that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.effects import Change
from proxy_addons.policy.explain import trace_of
from proxy_addons.policy.matching import decrypted, match_of
from proxy_addons.policy.model import REFUSALS, Action, Decision
from proxy_addons.policy.retry import retry_at
from proxy_addons.policy.turning import looks

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.policy.compiled import Facts, Policy, Rule
    from proxy_addons.policy.matching import Match
    from proxy_addons.policy.model import Moment, Person, Resource

NO_RULE_MATCHED = "no-rule-matched"
"""Rule id of the refusal when no rule matches; rare, as settings/ demands a catch-all rule."""
THREAT_NOT_EXEMPTED = "threat-not-exempted"
"""Rule id of the refusal of a threat to somebody whose exemption does not name it."""
_THREAT_CLAUSE = "Inf/27 3.1"
_THREAT_REASON = (
    "This site is listed as a threat to the force's systems. The exemption does not name that"
    " category, so it stays refused."
)
_NO_RULE_REASON = "No rule of the policy covers this request, so it is refused."


def decide(
    policy: Policy,
    person: Person,
    resource: Resource,
    moment: Moment,
    *,
    findings: frozenset[str] = frozenset(),
    trace: bool = False,
) -> Decision:
    """Decide one request.

    Args:
        policy: the compiled policy.
        person: who asks. A profile that the policy does not know counts as the strictest.
        resource: what is asked for, under one name.
        moment: when.
        findings: what was found in a body (findings.py), once one has been looked at.
        trace: whether the decision carries its trace, rule by rule.

    Returns:
        The decision. For a block, `retry_at` is the next moment at which the same request would be
        allowed or coached by the passing of time alone, if that is within `retry.HORIZON_DAYS`.

    Raises:
        ValueError: the moment names no time zone. The caller refuses the request in hand.
    """
    facts = policy.facts(person, resource, findings)
    return decide_facts(policy, facts, policy.local(moment), trace=trace)


def decide_facts(policy: Policy, facts: Facts, local: datetime, *, trace: bool = False) -> Decision:
    """Decide on facts already gathered; see `decide`.

    Args:
        policy: the compiled policy.
        facts: as `policy.facts` gives them.
        local: as `policy.local` gives it.
        trace: whether the decision carries its trace.
    """
    match = match_of(policy, facts, local)
    steps = trace_of(policy, facts, local, match) if trace else ()
    rule, inspect = match.decides, decrypted(policy, facts, local)
    if rule is None:
        return Decision(
            action=Action.BLOCK,
            rule=NO_RULE_MATCHED,
            clause="",
            reason=_NO_RULE_REASON,
            categories=tuple(sorted(facts.categories)),
            profile=facts.profile,
            inspect=inspect,
            retry_at=retry_at(policy, facts, local),
            trace=steps,
        )
    if match.withheld(policy, facts):
        return Decision(
            action=Action.BLOCK,
            rule=THREAT_NOT_EXEMPTED,
            clause=_THREAT_CLAUSE,
            reason=_THREAT_REASON,
            categories=tuple(sorted(facts.categories & policy.by_name_only)),
            profile=facts.profile,
            inspect=inspect,
            trace=steps,
        )
    met = facts.categories if rule.categories is None else facts.categories & rule.categories
    refuses, on_trial = rule.action in REFUSALS, match.on_trial
    return Decision(
        action=rule.action,
        rule=rule.id,
        clause=rule.clause,
        reason=rule.reason,
        categories=tuple(sorted(met)),
        profile=facts.profile,
        inspect=inspect,
        exempted=not refuses and _rests_on_exemption(policy, facts, rule, local),
        retry_at=retry_at(policy, facts, local) if refuses else None,
        looks=frozenset() if refuses else looks(policy, facts),
        findings=rule.told(facts),
        to=rule.effects.to,
        final=rule.effects.never_overridden,
        changes=_changes(match),
        would_block="" if on_trial is None else on_trial.id,
        trace=steps,
    )


def against(
    policy: Policy, person: Person, resource: Resource, moment: Moment, findings: frozenset[str]
) -> Decision | None:
    """What rules on findings say by themselves, where that is no permission; else None.

    Information security looks at a site when it allows one after a review, not at each file that
    comes from there.
    """
    facts = policy.facts(person, resource, findings)
    now = policy.reading(policy.local(moment))
    for rule in policy.rules_of(facts.profile):
        if rule.effects.stealth or not rule.wanted or not rule.concerns(facts):
            continue
        if rule.holds(facts, now) and rule.told(facts):
            if rule.action is Action.ALLOW:
                return None
            return Decision(
                action=rule.action,
                rule=rule.id,
                clause=rule.clause,
                reason=rule.reason,
                categories=tuple(sorted(facts.categories)),
                profile=facts.profile,
                inspect=decrypted(policy, facts, policy.local(moment)),
                findings=rule.told(facts),
                to=rule.effects.to,
                final=rule.effects.never_overridden,
            )
    return None


def _changes(match: Match) -> tuple[Change, ...]:
    return tuple(
        Change(rule.id, rule.effects) for rule in match.before if rule.action is Action.MODIFY
    )


def _rests_on_exemption(policy: Policy, facts: Facts, rule: Rule, local: datetime) -> bool:
    """Whether somebody without the exemption would have had another rule decide."""
    if facts.profile not in policy.otherwise and facts.exempted.isdisjoint(facts.categories):
        return False  # nearly always
    profile = policy.otherwise.get(facts.profile, facts.profile)
    without = facts._replace(profile=profile, exempted=frozenset())
    return match_of(policy, without, local).decides is not rule
