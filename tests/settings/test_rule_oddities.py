"""What `watchhouse check` says of rules in the light of lists and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.load import Examined


def warned(look: Callable[..., Examined], config: Path, when: Any, **settings: Any) -> list[str]:
    """What is said with one more rule in the default policy, and some settings."""
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    rule = {"id": "tried", "clause": "T 1", "reason": "So.", "action": "block", "when": when}
    policy["rules"].insert(0, rule)
    main = yaml.safe_load((config / "watchhouse.yaml").read_text()) | settings
    found = look(yaml.safe_dump(main), yaml.safe_dump(policy, sort_keys=False)).warnings
    return [f"{each.key}: {each.message}" for each in found if each.place.rpartition(":")[0]
            == str(config / "policy.yaml")]  # fmt: skip


def test_groups_without_a_directory(look: Callable[..., Examined], config: Path):
    assert warned(look, config, {"groups": "ICT"}) == [
        "rules[0].when.groups: looks at groups, but no directory is set up (directory.servers)"
    ]


def test_a_group_that_is_nearly_one_that_is_mapped(look: Callable[..., Examined], config: Path):
    when = {"any": [{"groups": ["Packagers", "packager", "Night Desk"]}]}
    identity = {"profiles": [{"groups": ["PACKAGERS"], "profile": "packagers"}]}
    directory = {"servers": "ldaps://dc.force.example", "base": "dc=force,dc=example"}
    found = warned(look, config, when, identity=identity, directory=directory)
    near = "packager is near to PACKAGERS of identity.profiles; if that is meant, write it so"
    assert found == [f"rules[0].when.any[0].groups: {near}"]


def test_categories_that_no_rule_names_are_one_line(look: Callable[..., Examined], config: Path):
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    policy["rules"] = [policy["rules"][0], policy["rules"][-1]]
    for key in ("personal_use", "category_groups"):
        policy.pop(key)
    policy["exemptions"] = {"by_name_only": "malware"}
    policy["rules"][0]["when"] = {"not": {"categories": ["malware", "phishing"]}}
    found = look(None, yaml.safe_dump(policy, sort_keys=False)).warnings
    (line,) = [each.message for each in found if "no rule names" in each.message]
    assert line.startswith("the lists have ")
    assert line.endswith(" more")
    assert len(line) < 200
    assert "malware" not in line
    assert "websocket" not in line
