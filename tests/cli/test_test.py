"""`watchhouse test`: cases of the policy, run as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., str]:
    def write(*lines: str) -> str:
        listed = "".join(f"  - {{{line}}}\n" for line in lines)
        path = tmp_path / "cases.yaml"
        path.write_text(f"version: 1\ncases:\n{listed}")
        return str(path)

    return write


def test_the_default_policy_meets_its_cases(watchhouse: Callable[..., Any]):
    done = watchhouse("test", "--uncovered")
    assert (done.code, done.err) == (0, "")
    summary = r"^3\d\d cases, 0 not met; (\d+) of \1 rules decide a case$"
    assert re.search(summary, done.out, re.MULTILINE)
    assert re.search(r"^Inf/27 2\.13 +0 +1\d", done.out, re.MULTILINE)


def test_a_case_that_is_not_met_says_what_was_got_and_why(
    watchhouse: Callable[..., Any], put: Callable[..., str]
):
    path = put(
        "categories: [webmail], want: allow business",
        "categories: [shopping], want: block personal-use",
        "categories: [bank], want: allow private-matters",
        "categories: [ai, shopping], want: coach ai-assistants",
        "categories: [news], want: allow news",
    )
    done = watchhouse("test", path)
    assert (done.code, done.err) == (1, "")
    assert f"{path}:3: categories: [webmail], want: allow business" in done.out
    lines = [re.sub(r"\s{2,}", " | ", line.strip()) for line in done.out.splitlines()]
    assert "wanted | allow business" in lines
    assert "got | block webmail" in lines
    assert "webmail | category webmail" in lines
    assert "business | not reached, as a rule before it decided" in lines
    assert "wanted | retry_at: never" in lines
    assert "got | retry_at: 2026-11-24T12:00:00+00:00 (Tuesday)" in lines
    assert "got | inspect: false" in lines
    assert "ai-assistants | category ai; would coach, but no rule after it allows" in lines
    assert "no case decides the rule webmail" in lines  # a case that failed decides nothing
    assert lines[-1] == "5 cases, 4 not met; 1 of 43 rules decide a case"


def test_as_json_with_documented_keys(watchhouse: Callable[..., Any], put: Callable[..., str]):
    path = put("categories: [games], want: block webmail", "categories: [news], want: allow news")
    done = watchhouse("test", path, "--json")
    found = json.loads(done.out)
    assert done.code == 1
    assert (found["cases"], found["failed"]) == (2, 1)
    (failure,) = found["failures"]
    wanted = {"fact": "want", "wanted": "block webmail", "got": "block games"}
    assert failure["differs"] == [wanted]
    assert (failure["place"], failure["not_run"]) == (f"{path}:3", None)
    assert {step["rule"] for step in failure["why"]} == {"webmail", "games"}
    assert found["rules"]["news"] == found["clauses"]["Inf/27 2.9.2"] == 1
    assert "games" in found["uncovered"]
    text = (ROOT / "docs/policy-tests.md").read_text()
    for key in (*found, *failure, *wanted):
        assert f"`{key}`" in text


def test_as_junit(watchhouse: Callable[..., Any], put: Callable[..., str], tmp_path: Path):
    path = put("categories: [games], want: block webmail", "categories: [news], want: allow news")
    report = tmp_path / "report.xml"
    assert watchhouse("test", path, "--junit", str(report)).code == 1
    suite = ET.fromstring(report.read_bytes())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failed, met = suite
    failure = failed.find("failure")
    assert failure is not None
    assert failure.get("message") == "want: wanted block webmail, got block games"
    assert len(met) == 0


def test_addresses_are_looked_up_in_the_lists(
    watchhouse: Callable[..., Any], put: Callable[..., str], data: Path, tmp_path: Path
):
    path = put(
        "url: 'https://www.hotmail.com/', want: block webmail",
        "url: www-hotmail-com.translate.goog, want: block webmail",
        "url: www.amazon.co.uk/dp/1, at: '2026-11-24T12:30', want: allow personal-use-in-breaks",
        "url: www.hotmail.com, categories: [], want: allow everything-else",
        "url: www.gov.uk, found: [file_type=windows-program], want: block software",
    )
    done = watchhouse("test", path, "--data", str(data))
    assert (done.code, done.err) == (0, ""), done.out
    # Without lists they are no success; left out they are none either, but nothing failed.
    done = watchhouse("test", path, "--data", str(tmp_path / "none"))
    assert done.code == 1
    assert done.out.count("there are no lists: `watchhouse categories compile`") == 4
    done = watchhouse("test", path, "--data", str(tmp_path / "none"), "--no-lists")
    assert (done.code, done.out.splitlines()[-1][:17]) == (0, "1 cases, 0 not me")


def test_only_some(watchhouse: Callable[..., Any]):
    done = watchhouse("test", "--only", "POLFED")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("2 cases, 0 not met")
    assert watchhouse("test", "--only", "polfed", "--uncovered").code == 1
    done = watchhouse("test", "--only", "no such text")
    assert done.code == 1
    assert "no case was run" in done.out


def test_what_is_wrong_is_said_and_nothing_is_run(
    watchhouse: Callable[..., Any], put: Callable[..., str], tmp_path: Path
):
    done = watchhouse("test", put("categories: [games], want: block game"))
    assert (done.code, done.out) == (1, "")
    expected = 'cases[0].want: policy.yaml has no rule "game"; did you mean games?'
    assert done.err.strip() == f"{tmp_path / 'cases.yaml'}:3: {expected}"
    done = watchhouse("test", str(tmp_path / "other.yaml"))
    assert (done.code, done.out) == (1, "")
    assert "other.yaml: cannot be read: No such file" in done.err


def test_a_rule_that_is_taken_away_is_noticed(watchhouse: Callable[..., Any], tmp_path: Path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config/policy.yaml"
    text = path.read_text()
    begins = text.index("  - id: games")
    path.write_text(text[:begins] + text[text.index("  - id: offensive-or-illegal") :])
    done = watchhouse("test", "--config", str(tmp_path / "config"))
    assert done.code == 1
    assert 'want: policy.yaml has no rule "games"' in done.err


def test_years_far_apart_have_their_own_bank_holidays(
    watchhouse: Callable[..., Any], put: Callable[..., str]
):
    """Bank holidays are known for some years around the one that a policy is loaded for."""
    path = put(
        *(
            f"categories: [shopping], at: '{year}-12-25T10:30',"
            " want: allow personal-use-out-of-hours"
            for year in (2015, 2026, 2040, 2051)
        )
    )
    done = watchhouse("test", path)
    assert done.code == 0, done.out


def test_cases_say_who_asks_from_where_and_with_what(
    watchhouse: Callable[..., Any], put: Callable[..., str], tmp_path: Path
):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    policy = tmp_path / "config/policy.yaml"
    rule = """  - id: special
    clause: Inf/27 2.9.2
    reason: Some people may.
    action: allow
    when:
      categories: webmail
      any:
        - {persons: [ab1234]}
        - {groups: [mail-users]}
        - {clients: [192.0.2.0/24]}
        - {user_agent: "^Mail/"}
        - {url: mail.example/open/}
"""
    policy.write_text(policy.read_text().replace("  - id: webmail\n", f"{rule}\n  - id: webmail\n"))
    path = put(
        "categories: [webmail], person: AB1234, want: allow special",
        "categories: [webmail], person: ab9999, want: block webmail",
        "categories: [webmail], groups: [Mail-Users], want: allow special",
        "categories: [webmail], client: 192.0.2.9, want: allow special",
        "categories: [webmail], client: 198.51.100.9, want: block webmail",
        "categories: [webmail], user_agent: Mail/1.0, want: allow special",
        "categories: [webmail], url: 'https://mail.example/open/1', want: allow special",
        "categories: [webmail], url: 'https://mail.example/', want: block webmail",
        "categories: [webmail], want: block webmail",
    )
    done = watchhouse("test", path, "--config", str(tmp_path / "config"))
    assert (done.code, done.err) == (0, ""), done.out
    done = watchhouse("test", put("categories: [], client: here, want: allow news"))
    assert "wanted a client address such as 192.0.2.7" in done.err
