"""`policy_tests.yaml`: what a case means, and what is wrong with one, with file, line and key."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.policy.model import Action
from proxy_addons.settings.case_facts import FACTS
from proxy_addons.settings.cases_file import read_cases
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import Report, SettingsError
from proxy_addons.settings.tree import read

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.cases_file import Case

ROOT = Path(__file__).parents[2]


@cache
def policy() -> Policy:
    return load(ROOT / "config", environ={}, today=date(2026, 11, 24)).policy


def cases_in(text: str) -> tuple[Case, ...]:
    report = Report()
    root = read(text.encode(), "cases.yaml", report)
    found = () if root is None else read_cases(root, report, policy())
    report.raise_if_any()
    return found


def cases(*lines: str, before: str = "") -> tuple[Case, ...]:
    listed = "".join(f"  - {{{line}}}\n" for line in lines)
    return cases_in(f"version: 1\n{before}cases:\n{listed}")


def test_a_case_says_all_that_it_can():
    (case,) = cases(
        "categories: webmail, host: Mail.EXAMPLE, method: POST, found: file_type=pdf, person: Sam,"
        " profile: packagers, state: [on-duty], exempted: [adult], at: '2026-11-24T12:30',"
        " then: {'2026-11-24T22:00': off-duty}, want: block webmail,"
        " retry_at: '2026-11-24T22:00', ended: on-duty, inspect: false, clause: Inf/27 2.13"
    )
    assert case.key.host == "mail.example"
    assert case.categories == {"webmail"}
    assert case.facts == {
        "profile": "packagers",
        "person": "sam",
        "state": {"on-duty"},
        "exempted": policy().with_aliases(["adult"]),
        "method": "POST",
        "found": {"file_type=pdf"},
    }
    assert set(case.facts) <= {fact.name for fact in FACTS}
    zone = policy().time_zone
    assert case.at == datetime(2026, 11, 24, 12, 30, tzinfo=zone)
    assert case.then == {
        datetime(2026, 11, 24, 22, tzinfo=zone): {
            "off-duty",
        }
    }
    assert (case.action, case.rule) == (Action.BLOCK, "webmail")
    assert case.wishes["inspect"] is False
    assert (case.retry_at, case.ended) == (datetime(2026, 11, 24, 22, tzinfo=zone), {"on-duty"})
    assert case.clause == "Inf/27 2.13"
    assert case.place == "cases.yaml:3"
    assert case.title.startswith("categories: webmail, host: Mail.EXAMPLE")


def test_a_title_has_nothing_that_a_terminal_obeys():
    (case,) = cases(r'want: "block \t\x1dwithdrawn", profile: withdrawn, categories: []')
    assert case.title == r"want: block \t\x1dwithdrawn, profile: withdrawn, categories: []"
    assert case.rule == "withdrawn"


def test_defaults_hold_where_a_case_says_nothing():
    before = "defaults: {profile: withdrawn, at: '2026-07-01T12:00', method: PUT}\n"
    usual, own = cases(
        "categories: [], want: block withdrawn",
        "categories: [], profile: standard, at: '2026-07-02T12:00', want: block withdrawn",
        before=before,
    )
    assert usual.facts == {"profile": "withdrawn", "method": "PUT"}
    assert usual.at.astimezone(UTC) == datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert own.facts == {"profile": "standard", "method": "PUT"}
    assert own.at.day == 2


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("at: '2026-10-25T01:30', fold: 0", "2026-10-25T00:30"),
        ("at: '2026-10-25T01:30', fold: 1", "2026-10-25T01:30"),
        ("at: '2026-10-25T01:30+01:00'", "2026-10-25T00:30"),
        ("at: '2026-10-25T01:30Z'", "2026-10-25T01:30"),
        ("at: '2026-10-25T00:59:59'", "2026-10-24T23:59:59"),
        ("at: '2026-10-25T02:00'", "2026-10-25T02:00"),
        ("at: '2027-03-28T00:59:59'", "2027-03-28T00:59:59"),
        ("at: '2027-03-28T02:00'", "2027-03-28T01:00"),
    ],
)
def test_a_reading_is_one_moment(written: str, utc: str):
    (case,) = cases(f"categories: [], {written}, want: allow business")
    assert case.at.astimezone(UTC) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


SOUND = "categories: [news], want: allow news"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("categories: [a], wants: allow news", "cases[0].wants: unknown key; did you mean want?"),
        ("categories: [a]", "cases[0].want: not given; wanted an action and the rule"),
        (
            "categories: [a], want: block webmial",
            'cases[0].want: policy.yaml has no rule "webmial"; did you mean webmail?',
        ),
        ("categories: [a], want: blok webmail", "wanted an action and the rule"),
        ("categories: [a], want: blok webmail", "did you mean block?"),
        ("want: allow news", "cases[0]: says nothing of the site; give categories"),
        ("host: a.example, want: allow news", "cases[0].host: given without categories"),
        (
            "url: a.example, host: b.example, want: allow news",
            "cases[0].host: given beside url; keep one of them",
        ),
        ("url: 'http://a b/', want: allow news", "cases[0].url: has no single meaning"),
        (
            f"profile: standart, {SOUND}",
            "cases[0].profile: policy.yaml has no profile standart; did you mean standard?",
        ),
        (f"state: on-brake, {SOUND}", "did you mean on-break?"),
        (f"state: [on-duty, off-duty], {SOUND}", "off-duty and on-duty cannot stand together"),
        (f"found: file_typ=pdf, {SOUND}", "did you mean file_type?"),
        (f"found: [virus=fund], {SOUND}", 'virus has no value "fund"; did you mean found?'),
        (f"method: post, {SOUND}", "wanted an HTTP method in capitals"),
        (f"at: 2026-11-24T12:30:00, {SOUND}", "put it in quotes"),
        (f"at: '2026-11-24', {SOUND}", 'found "2026-11-24" without a time'),
        (f"at: noon, {SOUND}", 'cases[0].at: found "noon"; wanted a date and time'),
        (f"at: '2026-10-25T01:30', {SOUND}", "cases[0].at: 2026-10-25T01:30:00 comes twice"),
        (f"at: '2027-03-28T01:30', {SOUND}", "cases[0].at: 2027-03-28T01:30:00 is skipped"),
        (f"at: '2027-03-28T01:30', fold: 1, {SOUND}", "is skipped"),
        (f"at: '2026-11-24T12:00', fold: 1, {SOUND}", "has a fold, but comes once"),
        (f"at: '2026-11-24T12:00Z', fold: 1, {SOUND}", "has a zone and a fold"),
        (f"retry_at: '2026-10-25T01:30', {SOUND}", "cases[0].retry_at: 2026-10-25T01:30:00 comes"),
        (f"then: [on-break], {SOUND}", "wanted a table: a later moment"),
        (f"then: {{'2026-11-24T10:30': on-break}}, {SOUND}", "is not later than the moment asked"),
        (f"then: {{2026-11-24T12:30: on-brake}}, {SOUND}", "did you mean on-break?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line: str, problem: str):
    with pytest.raises(SettingsError) as found:
        cases(line)
    assert problem in str(found.value)
    assert str(found.value).startswith("cases.yaml:3: cases[0]")


def test_a_case_that_asks_the_same_as_another_is_an_error():
    same = "want: allow news, categories: [news], at: '2026-11-24T10:30Z'"
    with pytest.raises(SettingsError) as found:
        cases(SOUND, "categories: [], want: allow business", same)
    expected = "cases.yaml:5: cases[2]: asks the same as cases.yaml:3; keep one of them"
    assert str(found.value) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("- {categories: []}\n", "cases.yaml:1: found a list; wanted a table of keys at the top"),
        ("version: 2\ncases: []\n", "cases.yaml:1: version: found the number 2"),
        ("version: 1\n", "cases: not given"),
        ("version: 1\ncases: []\n", "cases.yaml:2: cases: found an empty list"),
        ("version: 1\ncase: []\n", "cases.yaml:2: case: unknown key; did you mean cases?"),
        ("version: 1\ndefaults: {want: x}\ncases: [{}]\n", "defaults.want: unknown key"),
    ],
)
def test_a_file_that_is_none(text: str, problem: str):
    with pytest.raises(SettingsError) as found:
        cases_in(text)
    assert problem in str(found.value)
