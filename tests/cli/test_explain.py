from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
TUESDAY = "2026-11-24T10:30"


@pytest.fixture
def explain(watchhouse: Callable[..., Any], data: Path) -> Callable[..., dict[str, Any]]:
    """Explain on a Tuesday morning unless told otherwise; the JSON that it prints."""

    def run(url: str, *arguments: str, at: str = TUESDAY) -> dict[str, Any]:
        done = watchhouse("explain", url, "--json", "--data", str(data), "--at", at, *arguments)
        assert (done.code, done.err) == (0, "")
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


def test_shopping_in_working_hours_and_in_a_break(explain: Callable[..., dict[str, Any]]):
    url = "https://www.amazon.co.uk/dp/1"
    refused, allowed = explain(url), explain(url, at="2026-11-24T12:30")
    assert refused["action"] == "block"
    assert refused["rule"] == "personal-use"
    assert refused["clause"] == "Inf/27 2.9.1"
    assert refused["reason"].startswith("Sites for personal use")
    assert refused["categories"] == refused["matched_categories"] == ["shopping"]
    assert refused["retry_at"] == "2026-11-24T12:00:00+00:00"
    assert refused["profile"] == "standard"
    assert refused["user"] is None
    assert (allowed["action"], allowed["rule"]) == ("allow", "personal-use-in-breaks")
    assert allowed["retry_at"] is None


def test_the_trace_goes_rule_by_rule(explain: Callable[..., dict[str, Any]]):
    found = explain("https://www.hotmail.com/")
    assert [step["rule"] for step in found["trace"] if step["matched"]] == ["webmail"]
    whys = {step["rule"]: step["why"] for step in found["trace"]}
    assert len(whys) == (ROOT / "config/policy.yaml").read_text().count("\n  - id: ")
    assert whys["webmail"] == "category webmail"
    assert whys["withdrawn"] == "profile is standard; the rule is for withdrawn"
    assert whys["games"] == "not reached: an earlier rule decided"


def test_the_keys_are_documented(explain: Callable[..., dict[str, Any]]):
    text = (ROOT / "docs/policy.md").read_text()
    found = explain("https://www.gov.uk/")
    assert {"action", "rule", "clause", "reason", "categories", "retry_at", "trace"} <= set(found)
    for key in found:
        assert f"`{key}`" in text


def test_for_whom(explain: Callable[..., dict[str, Any]], watchhouse: Callable[..., Any]):
    url = "https://www.hotmail.com/"
    sample = explain(url, "--user", "Sample Person")
    assert (sample["user"], sample["profile"], sample["rule"]) == (
        "Sample Person",
        "standard",
        "webmail",
    )
    assert explain(url, "--profile", "unrestricted")["rule"] == "unrestricted"
    assert explain(url, "--profile", "withdrawn")["rule"] == "withdrawn"
    done = watchhouse("explain", url, "--user", "Sampel Person")
    assert (done.code, done.out) == (1, "")
    assert "no person 'Sampel Person'; did you mean Sample Person?" in done.err
    done = watchhouse("explain", url, "--profile", "standart")
    assert (done.code, done.out) == (1, "")
    assert "no profile 'standart'; did you mean standard?" in done.err
    assert watchhouse("explain", url, "--user", "A", "--profile", "standard").code == 2


@pytest.mark.parametrize(
    ("at", "local"),
    [
        ("2026-07-14T10:30", "2026-07-14T10:30:00+01:00"),
        ("2026-07-14T10:30Z", "2026-07-14T11:30:00+01:00"),
        ("2026-07-14T10:30-05:00", "2026-07-14T16:30:00+01:00"),
        ("2026-10-25T01:30", "2026-10-25T01:30:00+01:00"),  # the first of two
        ("2026-10-25T01:30+00:00", "2026-10-25T01:30:00+00:00"),  # the second
        ("2027-03-28T01:30", "2027-03-28T02:30:00+01:00"),  # does not occur
        ("2026-11-24", "2026-11-24T00:00:00+00:00"),
        ("2045-12-25T10:30", "2045-12-25T10:30:00+00:00"),
    ],
)
def test_when(explain: Callable[..., dict[str, Any]], at: str, local: str):
    assert explain("https://www.gov.uk/", at=at)["at"] == local


def test_bank_holidays_are_known_for_the_year_asked_about(explain: Callable[..., dict[str, Any]]):
    """Christmas Day of 2045 is a Monday."""
    found = explain("https://www.amazon.co.uk/", at="2045-12-25T10:30")
    assert found["rule"] == "personal-use-out-of-hours"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("WWW.HotMail.COM.", "https://www.hotmail.com/"),
        ("http://hotmail.com:80/a/../b?x=1", "http://hotmail.com/b?x=1"),
        ("hotmail.com:8443/", "https://hotmail.com:8443/"),
        ("https://user:hunter2@hotmail.com/", "https://hotmail.com/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("https://[2001:DB8::1]/", "https://[2001:db8::1]/"),
    ],
)
def test_the_address_is_the_gateways_key(
    explain: Callable[..., dict[str, Any]], given: str, url: str
):
    found = explain(given)
    assert found["url"] == url
    assert "hunter2" not in json.dumps(found)


def test_an_address_without_meaning_is_not_repeated(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse("explain", "https://user:hunter2@a..b/", "--data", str(data))
    assert (done.code, done.out) == (1, "")
    assert "the gateway would refuse it" in done.err
    assert "hunter2" not in done.err


def test_privacy_categories_are_not_decrypted(explain: Callable[..., dict[str, Any]]):
    assert explain("https://www.samaritans.org/")["inspect"] is False
    assert explain("https://www.gov.uk/")["inspect"] is True


def test_methods(explain: Callable[..., dict[str, Any]]):
    assert explain("https://www.gov.uk/", "--method", "post")["method"] == "POST"


@pytest.mark.parametrize(
    ("url", "note"),
    [
        ("https://www.gov.uk:8443/", "network.allow_ports"),
        ("http://www.gov.uk:25/", "network.allow_http_ports"),
        ("http://169.254.169.254/", "network.deny_destinations"),
        ("https://[::1]/", "network.deny_destinations"),
        ("http://www.gov.uk:8080/", None),
        ("https://192.0.2.1/", None),
    ],
)
def test_what_is_refused_for_other_reasons_is_noted(
    explain: Callable[..., dict[str, Any]], url: str, note: str | None
):
    notes = explain(url)["notes"]
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


def test_the_intranet_is_not_noted(explain: Callable[..., dict[str, Any]]):
    assert explain("http://10.1.2.3/", "--set", "network.intranet=10.0.0.0/8")["notes"] == []


def test_for_people(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse(
        "explain", "https://www.amazon.co.uk:8443/", "--data", str(data), "--at", TUESDAY
    )
    assert (done.code, done.err) == (0, "")
    lines = [re.sub(r" +", " ", line).strip() for line in done.out.splitlines()]
    for expected in (
        "decision block by rule personal-use",
        "but port 8443 is refused whatever the policy says: see network.allow_ports",
        "allowed from Tuesday 24 November 2026, 12:00",
        "categories shopping",
        "for anybody, profile standard",
        "at Tuesday 24 November 2026, 10:30 GMT",
        "webmail category shopping is not in webmail",
        "personal-use-in-breaks Tue 10:30 is not within breaks",
        "→ personal-use category shopping",
        "2 later rules are not reached.",
    ):
        assert expected in lines


def test_brackets_of_an_address_are_no_markup(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse("explain", "https://a.example/[bold]x[/bold]", "--data", str(data))
    assert done.code == 0
    assert "bold" in done.out


def test_without_an_index_it_says_what_to_do(watchhouse: Callable[..., Any], tmp_path: Path):
    done = watchhouse("explain", "https://www.gov.uk/", "--data", str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path}/categories.index" in done.err
    assert "watchhouse categories compile" in done.err
    (tmp_path / "categories.index").write_bytes(b"damaged")
    done = watchhouse("explain", "https://www.gov.uk/", "--data", str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert "watchhouse categories compile" in done.err


def test_a_time_that_is_none(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse("explain", "https://www.gov.uk/", "--data", str(data), "--at", "teatime")
    assert (done.code, done.out) == (1, "")
    assert "2026-11-24T10:30" in done.err


def test_a_wrong_configuration(watchhouse: Callable[..., Any]):
    done = watchhouse("explain", "https://www.gov.uk/", "--set", "listen.workers=many")
    assert (done.code, done.out) == (1, "")
    assert "listen.workers" in done.err


def test_an_address_that_another_carries(explain: Callable[..., dict[str, Any]]):
    url = "https://translate.google.com/translate?u=https%3A%2F%2Fwww.hotmail.com%2F"
    found = explain(url)
    assert (found["action"], found["rule"]) == ("block", "webmail")
    assert found["carried"] == ["https://www.hotmail.com/"]
    assert found["judged_host"] == "www.hotmail.com"
    assert found["categories"] == ["translators", "webmail"]
    (step,) = (step for step in found["trace"] if step["matched"])
    assert step["rule"] == "webmail"
    plain = explain("https://translate.google.com/")
    assert (plain["rule"], plain["carried"]) == ("business", [])
    assert plain["judged_host"] == "translate.google.com"


def test_an_address_inside_that_cannot_be_read(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse(
        "explain", "https://web.archive.org/web/2020/http://a..b/", "--data", str(data)
    )
    assert done.code == 1
    assert "inner-address" in done.err


def test_with_an_exemption(explain: Callable[..., dict[str, Any]], watchhouse: Callable[..., Any]):
    url = "https://www.hotmail.com/"
    found = explain(url, "--exempt", "webmail")
    assert (found["action"], found["rule"]) == ("allow", "everything-else")
    assert (found["exempted"], found["rests_on_exemption"]) == (["webmail"], True)
    assert not explain(url, "--exempt", "games")["rests_on_exemption"]
    done = watchhouse("explain", url, "--exempt", "webmial")
    assert (done.code, done.out) == (1, "")


def test_an_exempt_profile_is_nobodys_by_itself(explain: Callable[..., dict[str, Any]]):
    (note,) = explain("https://www.gov.uk/", "--profile", "unrestricted")["notes"]
    assert note == "unrestricted holds with a live exemption only; without one, standard does"
    assert explain("https://www.gov.uk/")["notes"] == []


def test_what_will_stand_for_the_person(
    explain: Callable[..., dict[str, Any]], watchhouse: Callable[..., Any], data: Path
):
    url = "https://www.amazon.co.uk/dp/1"
    on_duty = ("--state", "on-duty")
    assert explain(url, *on_duty)["retry_at"] is None
    ends = ("--then", "2026-11-24T14:00", "on-duty", "--then", "2026-11-24T22:00", "off-duty")
    found = explain(url, *on_duty, *ends)
    assert found["retry_at"] == "2026-11-24T22:00:00+00:00"
    assert found["retry_ended"] == ["on-duty"]
    whys = {step["rule"]: step["why"] for step in found["trace"]}
    assert whys["personal-use-in-breaks"].endswith("the rule is for no-rota")
    shown = watchhouse("explain", url, "--data", str(data), "--at", TUESDAY, *on_duty, *ends).out
    assert "22:00, when your duty ends" in " ".join(shown.split())
    assert explain("https://www.gov.uk/", *ends)["retry_at"] is None
    for wrong, why in (
        (("--then", "2026-11-24T09:00", "off-duty"), "not later"),
        (("--then", "noon", "off-duty"), "--then 'noon' is no ISO"),
        (("--then", "2026-11-24T14:00", "off-dooty"), "--then: there is no state"),
    ):
        done = watchhouse("explain", url, "--data", str(data), "--at", TUESDAY, *wrong)
        assert (done.code, done.out) == (1, "")
        assert why in done.err


def test_what_stands_for_the_person(explain: Callable[..., dict[str, Any]]):
    url = "https://www.amazon.co.uk/dp/1"
    plain = explain(url)
    assert (plain["rule"], plain["states"]) == ("personal-use", ["no-rota"])
    on_break = explain(url, "--state", "on-break")
    assert (on_break["action"], on_break["rule"], on_break["states"]) == (
        "allow", "personal-use-in-booked-breaks", ["no-rota", "on-break"],
    )  # fmt: skip
    low = explain(url, "--state", "off-duty", "--state", "allowance-low")
    assert (low["action"], low["rule"]) == ("coach", "personal-allowance-low")
    assert (low["states"], low["retry_at"]) == (["allowance-low", "off-duty"], None)
    whys = {step["rule"]: step["why"] for step in low["trace"]}
    assert whys["personal-allowance-low"] == (
        "category shopping; state allowance-low; coaches, as a rule after it allows"
    )
    assert whys["personal-use-off-duty"].endswith("allows what has been coached")
    on_duty = explain(url, "--state", "on-duty", at="2026-11-24T22:30")
    assert (on_duty["action"], on_duty["rule"]) == ("block", "personal-use")


def test_a_coached_site_for_people(watchhouse: Callable[..., Any], data: Path):
    done = watchhouse("explain", "https://chatgpt.com/", "--data", str(data), "--at", TUESDAY)
    assert done.code == 0
    assert "coach by rule ai-assistants" in done.out
    assert re.search(r"state +no-rota", done.out)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["on-brake"], "--state: there is no state 'on-brake'; did you mean on-break?"),
        (["on-duty", "off-duty"], "--state: off-duty and on-duty cannot stand together"),
    ],
)
def test_states_that_nobody_can_be_in(
    watchhouse: Callable[..., Any], data: Path, states: list[str], said: str
):
    options = [part for state in states for part in ("--state", state)]
    done = watchhouse("explain", "https://www.gov.uk/", "--data", str(data), *options)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_what_rules_do_besides_deciding(explain: Callable[..., dict[str, Any]], tmp_path: Path):
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    policy = config / "policy.yaml"
    before, rules, after = policy.read_text().partition("\nrules:\n")
    tried = "id: tried, clause: x, reason: X., action: block, stealth: true"
    old = "id: old, clause: x, reason: X., action: redirect, to: 'https://www.gov.uk/'"
    policy.write_text(
        f"{before}{rules}  - pack: safe-search\n"
        f"  - {{{tried}, when: {{categories: search}}}}\n"
        f"  - {{{old}, when: {{hosts: old.example}}}}\n{after}"
    )
    found = explain("https://www.bing.com/search?q=a", "--config", str(config))
    assert (found["action"], found["rule"], found["would_block"]) == ("allow", "business", "tried")
    assert found["changed"] == ["query:adlt@safe-search-bing"]
    whys = {step["rule"]: step["why"] for step in found["trace"]}
    assert whys["safe-search-bing"].endswith("changes query:adlt")
    assert whys["tried"] == "category search; on trial: would block"
    found = explain("https://old.example/", "--config", str(config))
    assert (found["action"], found["to"]) == ("redirect", "https://www.gov.uk/")
    assert (found["changed"], found["would_block"]) == ([], None)
