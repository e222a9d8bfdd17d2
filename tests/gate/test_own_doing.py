"""Which requests are something that the person opened: recorded browsing, request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from support.gateway import ROOT

from proxy_addons.addons.heads import facts_of_head
from proxy_addons.gate.own_doing import is_navigation, is_own_doing

if TYPE_CHECKING:
    from typing import Any

CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/own_doing.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_request_of_recorded_browsing(case: dict[str, Any]) -> None:
    fields = [
        (name.encode(), value.encode())
        for name, _, value in (line.partition(": ") for line in case["fields"])
    ]
    line = case.get("line", "GET /")
    method, _, path = line.partition(" ")
    facts = facts_of_head(fields, method=method, scheme="https", path=path)
    assert is_own_doing(facts) is case["own"]
    assert is_navigation(facts) is case.get("page", case["own"])
