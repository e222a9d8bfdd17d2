"""Configurations of any size: so many rules, so many people.

In: numbers. Out: a configuration folder that `proxy_addons.settings` loads.
Must never: be easier than a real one: rules have the conditions that real ones have, and a request
that nothing is said about is compared with all of them.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIRST_ADDRESS = IPv4Address("10.0.0.1")
CATEGORY_RULES = 40


def address(number: int) -> str:
    """The client address of the person of that number."""
    return str(FIRST_ADDRESS + number)


def rules_of(number: int) -> list[dict[str, Any]]:
    """So many rules, the last of which matches everything.

    The most common kinds in turn: hosts; hosts and a method; a category for a profile; a category
    within a time space.
    """
    kinds: tuple[dict[str, Any], ...] = (
        {"hosts": ["{n}.sites.test", "{n}.more-sites.test"]},
        {"hosts": ["{n}.forms.test"], "methods": ["POST"]},
        {"profiles": "special", "categories": "category-{c:02d}"},
        {"categories": "category-{c:02d}", "time": {"within": "nights"}},
    )
    made = []
    for place in range(number - 1):
        when = _numbered(kinds[place % len(kinds)], place)
        action = "allow" if place % 3 else "block"
        made.append(rule(f"rule-{place:04d}", action, when))
    return [*made, rule("everything-else", "allow")]


def rule(name: str, action: str, when: dict[str, Any] | None = None) -> dict[str, Any]:
    """One rule."""
    made: dict[str, Any] = {"id": name, "clause": "bench", "reason": f"Rule {name}."}
    return made | {"action": action} | ({"when": when} if when else {})


def write(
    folder: Path,
    rules: Sequence[dict[str, Any]],
    people: Sequence[tuple[str, str]],
    **sections: Any,
) -> Path:
    """A configuration.

    Args:
        folder: where; it is made.
        rules: as in policy.yaml.
        people: networks, and the profile that applies there.
        sections: more of policy.yaml.
    """
    folder.mkdir()
    policy = {
        "version": 1,
        "time_zone": "Europe/London",
        "profiles": {
            "standard": {"description": "Officers and staff."},
            "special": {"description": "A few."},
            "withdrawn": {"description": "Everybody else.", "strictest": True},
        },
        "time_spaces": {
            "always": [{"days": "daily", "from": "00:00", "to": "24:00"}],
            "nights": [{"days": "daily", "from": "23:58", "to": "23:59"}],
        },
        "rules": list(rules),
        **sections,
    }
    entries = [
        {"network": network, "person": f"Person {place}", "profile": profile}
        for place, (network, profile) in enumerate(people)
    ]
    # JSON is YAML too, and is written in no time. One person a line: a file has at most 4 MiB.
    lines = ",\n".join(map(json.dumps, entries))
    data = json.dumps(str(folder / "data"))
    (folder / "policy.yaml").write_text(json.dumps(policy, indent=1), encoding="utf-8")
    # One address stands for everybody here.
    limits = json.dumps(
        dict.fromkeys(("client_connections", "client_handshakes", "client_tunnels"), 1_000_000)
    )
    (folder / "watchhouse.yaml").write_text(
        f'{{"data_dir": {data}, "limits": {limits}, "identity": {{"addresses": [\n{lines}\n]}}}}\n',
        encoding="utf-8",
    )
    return folder


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.format(n=number, c=number % CATEGORY_RULES)
    if isinstance(value, dict):
        return {key: _numbered(each, number) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbered(each, number) for each in value]
    return value
