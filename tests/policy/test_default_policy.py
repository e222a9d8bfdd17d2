"""The default policy, case by case (tests/cases/policy.yaml)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy_addons.policy.decide import decide
from proxy_addons.policy.lint import findings
from proxy_addons.policy.model import Action, Moment, Person, Resource
from proxy_addons.policy.retry import Retry, retry_ahead, spans
from proxy_addons.policy.states import as_given
from proxy_addons.settings.load import load
from proxy_addons.urlkey import UrlKey

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/policy.yaml").read_text())
TODAY = datetime(2026, 11, 24).date()  # noqa: DTZ001 - a date and time on the wall


@pytest.fixture(scope="module")
def policy() -> Any:
    return load(ROOT / "config", environ={}, today=TODAY).policy


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case.values())))
def test_decision(policy: Any, case: dict[str, Any]):
    assert set(case) <= {
        "categories", "profile", "state", "exempted", "at", "host", "method", "want", "retry_at",
        "inspect", "then", "ended", "found",
    }  # fmt: skip

    def moment_of(text: str) -> datetime:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=policy.time_zone) if at.tzinfo is None else at

    local = moment_of(case.get("at", "2026-11-24T10:30"))
    key = UrlKey("https", case.get("host", "site.example"), 443, "/")
    resource = Resource(key, frozenset(case["categories"]), case.get("method", "GET"))
    person = Person(
        "Sam",
        "address",
        case.get("profile", "standard"),
        exempted=policy.with_aliases(case.get("exempted", ())),
        states=as_given(case.get("state", ())),
    )
    found_in_it = frozenset(case.get("found", ()))
    decision = decide(policy, person, resource, Moment(local), findings=found_in_it)
    assert f"{decision.action} {decision.rule}" == case["want"]
    assert decision.inspect is case.get("inspect", True)
    found = Retry(decision.retry_at) if decision.retry_at else None
    if "then" in case:
        then = {moment_of(text): as_given(states) for text, states in case["then"].items()}
        facts, here = policy.facts(person, resource), policy.local(Moment(local))
        found = retry_ahead(policy, facts, here, spans(here, person.states, then))
    expected = moment_of(case["retry_at"]) if "retry_at" in case else None
    at, ended = found or (None, ())
    assert (at and at.timestamp()) == (expected and expected.timestamp())
    assert sorted(ended) == case.get("ended", [])
    assert at is None or at.tzinfo is policy.time_zone


def test_every_rule_has_a_case(policy: Any):
    decided = {case["want"].partition(" ")[2] for case in CASES}
    assert decided == {rule.id for rule in policy.rules}


def test_every_rule_has_a_clause_and_a_sentence_for_people(policy: Any):
    for rule in policy.rules:
        assert rule.clause.startswith("Inf/27 ")
        assert rule.reason.endswith(".")
        assert rule.reason[0].isupper()


def test_nothing_is_odd_about_it(policy: Any):
    assert findings(policy, {"standard"}) == ()


def test_the_last_rule_is_a_catch_all(policy: Any):
    assert policy.rules[-1].is_catch_all
    assert policy.rules[-1].action is Action.ALLOW
    assert not any(rule.is_catch_all for rule in policy.rules[:-1])


def test_every_category_of_the_starter_lists_is_spoken_for(policy: Any):
    """A starter list that no rule names would be decoration."""
    named = {category for rule in policy.rules for category in rule.categories or ()}
    lists = {folder.name for folder in (ROOT / "categories/starter").iterdir() if folder.is_dir()}
    assert lists <= named
