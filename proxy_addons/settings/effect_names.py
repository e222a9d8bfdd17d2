"""Effects of rules, against the rules that have them: what could never come true is refused.

In: the rules as written. Out: problems.
Must never: refuse what is only odd (policy/oddeffects.py warns of that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.findings import KINDS
from proxy_addons.policy.model import OF_TUNNELS, Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.settings.policy_kinds import RuleSource
    from proxy_addons.settings.problems import Report


def check_effects(rules: Sequence[RuleSource], report: Report) -> None:
    """Report effects that cannot be.

    Args:
        rules: in order.
        report: takes the problems.
    """
    for rule in rules:
        if rule.effects.never_overridden and rule.is_catch_all:
            message = "matches everything, so that no other rule would ever decide; give it a when"
            report.add(rule.place, rule.key, message)
        deeper = (leaf.kind for each in rule.more for leaf in each.leaves() if leaf.kind in KINDS)
        found = [*(each.kind for each in rule.findings), *deeper]
        if found and rule.action in {*OF_TUNNELS, Action.MODIFY}:
            message = (
                f"{found[0]} is known only when a body has come, and a rule with"
                f" action: {rule.action} has to act before"
            )
            report.add(rule.place, f"{rule.key}.when", message)
    if not rules:
        return
    last = rules[-1]
    if last.effects.stealth:
        message = "the last rule is on trial, and none after it decides; take stealth out"
        report.add(last.place, f"{last.key}.stealth", message)
    elif last.action in {*OF_TUNNELS, Action.MODIFY}:
        message = f"the last rule says {last.action}, which decides nothing; let it allow or block"
        report.add(last.place, f"{last.key}.action", message)
