"""On which side of what is not known, and of what an exemption opens, a rule's effects stand."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import Moment, Person, Resource
from proxy_addons.urlkey import UrlKey, url_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.load import Examined

POLICY = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: Staff.}
  withdrawn: {description: Nobody., strictest: true}
rules:
  - {id: stays, clause: x, reason: X., action: block, never_overridden: true,
     when: {any: [{categories: hate}, {hosts: hate.example}]}}
  - {id: opens, clause: x, reason: X., action: block,
     when: {any: [{categories: webmail}, {hosts: mail.example}]}}
  - {id: splice-page, clause: x, reason: X., action: splice, when: {url: app.example/pinned}}
  - {id: inspect-page, clause: x, reason: X., action: inspect, when: {url: mixed.example/ours}}
  - {id: splice-host, clause: x, reason: X., action: splice,
     when: {hosts: [mixed.example, pinned.example]}}
  - {id: someone, clause: x, reason: X., action: modify, set_query: {safe: active},
     when: {not: {persons: [dc5678]}}}
  - {id: rest, clause: x, reason: X., action: allow}
"""
NOW = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=ZoneInfo("Europe/London")))

CASES: list[tuple[dict[str, Any], str, bool, list[str]]] = [
    # who asks for what; what is decided; whether it is decrypted; what changes it
    ({"categories": ["hate"], "exempted": ["hate"]}, "block stays", True, []),
    ({"categories": ["webmail"], "exempted": ["webmail"]}, "allow rest", True, ["someone"]),
    ({"categories": ["webmail"]}, "block opens", True, []),
    ({"tunnel": "app.example"}, "allow rest", True, ["someone"]),  # not known: not spliced
    ({"tunnel": "mixed.example"}, "allow rest", True, ["someone"]),  # not known: inspected
    ({"tunnel": "pinned.example"}, "allow rest", False, ["someone"]),
    ({"person": "dc5678"}, "allow rest", True, []),
    ({"person": "pc1234"}, "allow rest", True, ["someone"]),
    ({"person": None}, "allow rest", True, ["someone"]),  # not known: changed
]


@pytest.mark.parametrize(("asked", "want", "inspect", "changes"), CASES, ids=str)
def test_sides(
    asked: dict[str, Any],
    want: str,
    inspect: bool,
    changes: list[str],
    look: Callable[..., Examined],
):
    policy: Policy = look(policy=POLICY).settings.policy
    key, method = url_key("https://x.example/"), "GET"
    if "tunnel" in asked:
        key, method = UrlKey("", asked["tunnel"], 443), "CONNECT"
    person = Person(
        asked.get("person", "pc1234"), "address", "standard",
        exempted=frozenset(asked.get("exempted", ())),
    )  # fmt: skip
    resource = Resource(key, frozenset(asked.get("categories", ())), method)
    decision = decide(policy, person, resource, NOW)
    assert f"{decision.action} {decision.rule}" == want
    assert decision.inspect is inspect
    if want.startswith("allow"):
        assert [change.rule for change in decision.changes] == changes
