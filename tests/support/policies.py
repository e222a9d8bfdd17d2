"""Policies of a few rules, written as people write them and read as the program reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from proxy_addons.settings.kinds import Located
from proxy_addons.settings.policy_file import read_policy
from proxy_addons.settings.policy_names import check_names, compile_policy
from proxy_addons.settings.problems import Report
from proxy_addons.settings.tree import read as tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.policy.compiled import Policy

BASE: dict[str, Any] = {
    "version": 1,
    "time_zone": "Europe/London",
    "profiles": {
        "staff": {"description": "Staff."},
        "special": {"description": "Some.", "without_exemption": "staff"},
        "strict": {"description": "Nobody.", "strictest": True},
    },
    "time_spaces": {
        "day": [{"days": "daily", "from": "08:00", "to": "18:00"}],
        "weekend": [{"days": ["sat", "sun"], "from": "00:00", "to": "24:00"}],
    },
    "category_groups": {"fun": ["shop", "sport"]},
}


def rule_of(number: int, when: Any, action: str = "block") -> dict[str, Any]:
    """A rule `rule-N` with these conditions; None: a rule that matches everything."""
    rule = {"id": f"rule-{number}", "clause": "T 1", "reason": "So.", "action": action}
    return rule if when is None else {**rule, "when": when}


def read(
    rules: list[dict[str, Any]], *, never: Sequence[str] = (), **changes: Any
) -> tuple[Policy | None, list[str]]:
    """The policy of some rules, and what is wrong with it: one of the two.

    `never` are categories that are not decrypted.
    """
    text = json.dumps({**BASE, **changes, "rules": rules}, indent=1)  # YAML, without anchors
    report = Report()
    root = tree_of(text.encode(), "policy.yaml", report)
    assert root is not None
    source = read_policy(root, report, 2026)
    check_names(source, (), (), None, report)
    if report.problems:
        return None, [f"{each.key}: {each.message}" for each in report.problems]
    hidden = [Located(name, "settings", "never_inspect") for name in never]
    return compile_policy(source, hidden, ()), []


def policy_of(rules: list[dict[str, Any]], **changes: Any) -> Policy:
    """The policy of some rules, and of a last one that allows everything."""
    policy, problems = read([*rules, rule_of(len(rules), None, "allow")], **changes)
    assert policy is not None, problems
    return policy
