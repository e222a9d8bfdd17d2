"""The default policy: its cases (config/policy_tests.yaml), and that they would notice a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.policymutants import (
    other_groups,
    other_rules,
    other_times,
    swapped,
    without_a_rule,
)

from proxy_addons.cli.tested import cases_of, coverage, outcome
from proxy_addons.policy.lint import findings
from proxy_addons.policy.model import Action
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.policymutants import Mutant

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.cases_file import Case
    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 24)


@cache
def loaded() -> Settings:
    return load(ROOT / "config", environ={}, today=TODAY)


@cache
def cases() -> tuple[Case, ...]:
    report = Report()
    found = cases_of(ROOT / "config/policy_tests.yaml", loaded().policy, report)
    report.raise_if_any()
    return found


@pytest.fixture(scope="module")
def policy() -> Policy:
    return loaded().policy


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_decision(case: Case):
    found = outcome(case, loaded(), None)
    assert (found.not_run, found.differs) == ("", ()), found.why


# --- what the cases are worth -------------------------------------------------------------------

# What the sources ask for that policy.yaml carries out, and the rules that do.
CLAUSES = (
    ("Inf/27 2.9.1", "personal use in breaks, out of hours, off duty", {
        "personal-use", "personal-use-in-breaks", "personal-use-in-booked-breaks",
        "personal-use-off-duty", "personal-use-out-of-hours",
    }),
    ("Inf/27 2.9.2", "what the job needs, news", {"business", "news"}),
    ("Inf/27 2.10.1", "no webmail or outside accounts", {"webmail"}),
    ("Inf/27 2.10.1", "no online games", {"games"}),
    ("Inf/27 2.10.1", "no software downloads of any description", {
        "software", "software-in-archives", "software-download", "software-for-packagers",
        "software-in-archives-for-packagers", "software-sites-for-packagers",
    }),
    ("Inf/27 2.10.1", "no breach of copyright", {"warez"}),
    ("Inf/27 2.10.1", "nothing indecent, offensive, illegal, racist", {"offensive-or-illegal"}),
    ("Inf/27 2.10.1", "no political activity, but for representatives", {
        "politics", "staff-associations",
    }),
    ("Inf/27 2.10.1", "no business of one's own", {"auctions"}),
    ("Inf/27 2.10.1", "nothing marked sent unencrypted or elsewhere", {
        "marked", "marked-above-restricted", "marked-to-public-service",
    }),
    ("Inf/27 2.10.1", "no force address for personal ends", {"force-address"}),
    ("Inf/27 2.10.1", "no excessive personal use", {
        "personal-allowance-used", "personal-allowance-low",
        "social-allowance-used", "social-allowance-low",
    }),
    ("Inf/27 2.12.1", "data does not leave the force", {"file-sharing", "ai-assistants"}),
    ("Inf/27 2.3.2", "permission may be withdrawn", {"withdrawn", "withdrawn-public-service"}),
    ("Inf/27 2.13", "exceptions", set()),
    ("Inf/27 3.1", "malicious software, hiding", {
        "security-threats", "hiding", "remote-access", "software-update",
    }),
    ("Inf/27 5.1", "content checking, unrestricted posts", {
        "virus", "not-scanned", "sealed-files", "unrestricted",
    }),
    ("Inf/27 8.1", "help for people in distress", {"support-lines"}),
)  # fmt: skip

_TOGETHER = "no request meets both"
_COACHES = "one coaches and one blocks: a block decides wherever it stands"
ALIKE = {
    "unrestricted before withdrawn": _TOGETHER,
    "software before software-sites-for-packagers": "software-for-packagers decides before both",
    "sealed-files before software-in-archives": _COACHES,
    "software-download before sealed-files": _COACHES,
    "ai-assistants before file-sharing": _COACHES,
    "force-address before social-allowance-used": _COACHES,
    "personal-use-in-breaks before personal-use-off-duty": _TOGETHER,
    "personal-use-out-of-hours before personal-use-in-breaks": _TOGETHER,
}
"""Policies that decide all alike, although they are written otherwise, and why."""


def test_there_are_enough_cases():
    assert len(cases()) >= 150


def test_every_rule_and_every_clause_is_decided_by_a_case(policy: Policy):
    found = coverage(policy, [outcome(case, loaded(), None) for case in cases()])
    assert found.uncovered == ()
    clause_of = {rule.id: rule.clause for rule in policy.rules}
    named: set[str] = {"private-matters", "everything-else"}
    for clause, says, rules in CLAUSES:
        assert found.clauses[clause], says
        # A rule may carry out another clause of the same section as well.
        assert {clause_of[rule] for rule in rules} <= {clause}, says
        named |= rules
    assert named == set(clause_of)


@pytest.mark.parametrize(
    "make",
    [
        without_a_rule,
        swapped,
        other_times,
        other_groups,
        other_rules,
    ],
)
def test_a_case_notices_each_change(make: Callable[[Policy], Iterator[Mutant]]):
    alike = {
        what
        for what, changed in make(loaded().policy)
        if all(outcome(case, replace(loaded(), policy=changed), None).met for case in cases())
    }
    assert alike == (set(ALIKE) if make is swapped else set())


# --- the policy itself --------------------------------------------------------------------------


def test_every_rule_has_a_clause_and_a_sentence_for_people(policy: Policy):
    for rule in policy.rules:
        assert rule.clause.startswith("Inf/27 ")
        assert rule.reason.endswith(".")
        assert rule.reason[0].isupper()


def test_nothing_is_odd_about_it(policy: Policy):
    assert findings(policy, {"standard"}) == ()


def test_the_last_rule_is_a_catch_all(policy: Policy):
    assert policy.rules[-1].is_catch_all
    assert policy.rules[-1].action is Action.ALLOW
    assert not any(rule.is_catch_all for rule in policy.rules[:-1])


def test_every_category_of_the_starter_lists_is_spoken_for(policy: Policy):
    """A starter list that no rule names would be decoration."""
    named = {category for rule in policy.rules for category in rule.categories or ()}
    lists = {folder.name for folder in (ROOT / "categories/starter").iterdir() if folder.is_dir()}
    assert lists <= named
