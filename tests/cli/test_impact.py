"""`watchhouse impact`: the log decided anew by another policy."""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.logged import put, record

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.cli.replayed import spans_of
from proxy_addons.policy.model import Moment
from proxy_addons.policy.timespaces import EVERY_DAY, TimeRange, TimeSpace
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")
PERIOD = ("--from", "2026-11-24", "--to", "2026-11-25")


@pytest.fixture
def access(tmp_path: Path) -> Path:
    return tmp_path / "data/log/access"


@pytest.fixture
def impact(watchhouse: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What changes when each first text of the default policy is the second; the JSON."""

    def run(*changes: tuple[str, str], options: tuple[str, ...] = PERIOD) -> dict[str, Any]:
        text = (ROOT / "config/policy.yaml").read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        new = tmp_path / "new.yaml"
        new.write_text(text)
        arguments = ("--policy", str(new), "--data", str(tmp_path / "data"), *options, "--json")
        done = watchhouse("impact", *arguments)
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


NO_NEWS = (
    "    action: allow\n    when:\n      categories: news",
    "    action: block\n    when:\n      categories: news",
)
SHORTER = ('from: "12:00", to: "14:00"', 'from: "12:00", to: "13:30"')


def people(many: int, at: str = "2026-11-24T10:30", **fields: Any) -> list[dict[str, Any]]:
    return [record(n, at, person=f"pc{n}", **fields) for n in range(many)]


def test_what_changes_by_rule_people_and_site(impact: Callable[..., Any], access: Path):
    twice = [
        *people(12, host="www.bbc.example", categories=["news"], action="allow", rule="news"),
        *people(10, host="www.itv.example", categories=["news"], action="allow", rule="news"),
        *people(9, host="rare.example", categories=["news"], action="allow", rule="news"),
    ]
    put(access, *twice, *twice, *people(3))
    found = impact(NO_NEWS)
    assert (found["requests"], found["replayed"]) == (65, 65)
    assert found["changes"] == [
        {
            "was": "allow news",
            "becomes": "block news",
            "requests": 62,
            "people": 12,
            "sites": [
                {"host": "www.bbc.example", "requests": 24, "people": 12},
                {"host": "www.itv.example", "requests": 20, "people": 10},
            ],
        }
    ]
    assert found["not_replayed"] == {}
    text = (ROOT / "docs/policy-tests.md").read_text()
    for key in (*found, *found["changes"][0], *found["changes"][0]["sites"][0]):
        assert f"`{key}`" in text


def test_of_fewer_than_ten_people_there_is_no_figure(
    impact: Callable[..., Any], access: Path, watchhouse: Callable[..., Any], tmp_path: Path
):
    nine = people(9, host="rare.example", categories=["news"], rule="news")
    put(access, *nine, *nine)
    (change,) = impact(NO_NEWS)["changes"]
    few = {"was": "allow news", "becomes": "block news", "requests": None, "people": None}
    assert change == {**few, "sites": []}
    arguments = ("--policy", str(tmp_path / "new.yaml"), "--data", str(tmp_path / "data"))
    said = watchhouse("impact", *arguments, *PERIOD).out
    assert "fewer than 10" in said
    assert "rare.example" not in said
    assert "18" not in said.partition("\n\n")[2]
    put(access, *nine, record(99, "2026-11-24T10:30", client_ip="192.0.2.1", host="rare.example",
                              categories=["news"], rule="news"))  # fmt: skip
    (change,) = impact(NO_NEWS)["changes"]
    assert (change["requests"], change["people"]) == (10, 10), "who is not known counts by address"


def test_moments_are_those_of_the_log(impact: Callable[..., Any], access: Path):
    shop = {"categories": ["shopping"], "rule": "personal-use-in-breaks"}
    put(
        access,
        *people(10, "2026-11-24T13:29:59", **shop),
        *people(10, "2026-11-24T13:30:00", **shop),
        *people(10, "2026-11-24T13:59:59.999", **shop),
        *people(10, "2026-11-24T14:00:00", **shop),
        hour="20261124T13Z",
    )
    (change,) = impact(SHORTER)["changes"]
    assert (change["was"], change["becomes"]) == (
        "allow personal-use-in-breaks",
        "block personal-use",
    )
    assert change["requests"] == 20


def test_by_the_summer_clock(impact: Callable[..., Any], access: Path):
    shop = {"categories": ["shopping"], "rule": "personal-use-in-breaks"}
    put(access, *people(10, "2026-07-14T12:45", **shop), hour="20260714T12Z")  # 13:45 BST
    (change,) = impact(SHORTER, options=("--from", "2026-07-14", "--to", "2026-07-15"))["changes"]
    assert change["requests"] == 10


def test_what_cannot_be_replayed_is_counted_by_why(impact: Callable[..., Any], access: Path):
    version = load(ROOT / "config", environ={}).policy_version
    at = "2026-11-24T10:30"
    put(
        access,
        record(1, at, rule="bad-request", action="block"),
        record(2, at, rule="review-allowed", categories=["games"]),
        record(3, at, rule="everything-else", categories=["games"], exemption="EX-1"),
        record(4, at, rule="unrestricted", exemption="EX-1", profile="unrestricted"),
        record(5, at, rule=None, action=None),
        record(6, at, host=None),
        record(7, at, altered=["categories:cut:40"], categories=["news"], rule="news"),
        record(8, at, altered=["url:cut:9000"]),
        record(9, at, rule="games", action="block", policy_version=version),
        record(10, at, rule="games", judged_host="b.example", policy_version=version),
        record(11, at, rule="ai-assistants", categories=["ai"], policy_version=version),  # coached
        record(12, at, rule="games", action="block"),  # under another policy
        record(13, at, event="open"),
        record(14, "2026-11-25T00:00"),
    )  # fmt: skip
    found = impact()
    assert found["requests"] == 12
    assert found["not_replayed"] == {
        "it rests on an exemption of categories, which the record does not name": 1,
        "it went by several addresses": 1,
        "nothing was decided": 1,
        "the gateway decided without the policy (bad-request)": 1,
        "the gateway decided without the policy (review-allowed)": 1,
        "the present policy decides otherwise than was logged under it": 1,
        "the record has no profile or no host": 1,
        "the record was cut": 1,
    }
    assert found["replayed"] == 4
    assert found["changes"] == []


def test_findings_states_methods_and_hosts_are_replayed(impact: Callable[..., Any], access: Path):
    put(
        access,
        *people(10, findings=["file_type=windows-program"], rule="software", action="block"),
        *people(11, categories=["shopping"], states=["off-duty"], rule="personal-use-off-duty"),
        *people(12, categories=["politics"], host="www.polfed.org", rule="staff-associations"),
    )
    found = impact(
        (
            "      file_type: software\n\n  - id: software-in",
            "      file_type: unseen\n\n  - id: software-in",
        ),
        ("      state: off-duty", "      state: on-break"),
        ("polfed.org, ", ""),
    )
    assert {(each["was"], each["becomes"], each["people"]) for each in found["changes"]} == {
        ("block software", "allow everything-else", 10),
        ("allow personal-use-off-duty", "block personal-use", 11),
        ("allow staff-associations", "block politics", 12),
    }


def test_with_the_lists_of_now(impact: Callable[..., Any], access: Path, data: Path):
    access.mkdir(parents=True)
    shutil.copy2(data / "categories.index", access.parents[1])
    put(access, *people(10, host="www.hotmail.com", url="https://www.hotmail.com/", categories=[]))
    no_mail = ("  - id: webmail\n", "  - id: mail-elsewhere\n")
    assert impact(no_mail)["changes"] == []
    (change,) = impact(no_mail, options=(*PERIOD, "--lists", "now"))["changes"]
    assert (change["was"], change["becomes"]) == ("block webmail", "block mail-elsewhere")


def test_the_same_from_segments_seals_and_parquet(impact: Callable[..., Any], access: Path):
    news = {"categories": ["news"], "rule": "news"}
    for hour in (10, 11, 12):
        at = f"2026-11-24T{hour}:30"
        put(access, *people(10 + hour, at, **news), hour=f"20261124T{hour}Z").chmod(0o440)
    expected = impact(NO_NEWS)
    assert (expected["changes"][0]["requests"], expected["changes"][0]["people"]) == (63, 22)
    log, chance = access.parent, random.Random(1)
    signer, now = Signer("records.test/access-log", bytes(32)), "2026-11-24T12:00:00+00:00"
    sealed = Seals(log / "sealed")
    for until in (now, "2026-11-24T13:00:00+00:00"):
        at = datetime.fromisoformat(until).timestamp() - 600
        seal(access, sealed, signer, now=at, entropy=chance.randbytes, software="x")
        if until == now:
            made = compact(access, sealed, log / "parquet", now=at)
            assert made.hours == 2
            assert impact(NO_NEWS) == expected, "two hours in Parquet, one live"
    for path in access.glob("*.jsonl"):
        path.unlink()
    assert impact(NO_NEWS) == expected, "two in Parquet, one sealed only"


def test_lines_that_are_no_records_and_torn_ones(impact: Callable[..., Any], access: Path):
    path = put(access, *people(10, categories=["news"], rule="news"))
    whole = path.read_bytes()
    good = len(whole)
    path.write_bytes(whole + b"no record\n" + whole[: good // 3])
    found = impact(NO_NEWS)
    assert found["changes"][0]["requests"] >= 10
    assert found["unreadable"] >= 1
    # Given up: what follows stands in another segment.
    path.with_name(f"{path.name}.broken").write_text(json.dumps({"good_bytes": good}))
    found = impact(NO_NEWS)
    assert (found["changes"][0]["requests"], found["unreadable"]) == (10, 0)


def test_an_empty_log(watchhouse: Callable[..., Any], tmp_path: Path):
    policy = str(ROOT / "config/policy.yaml")
    done = watchhouse("impact", "--policy", policy, "--data", str(tmp_path / "none"))
    assert (done.code, done.err) == (0, "")
    assert "The log has nothing of this time." in done.out
    done = watchhouse("impact", "--policy", str(ROOT / "config"), "--data", str(tmp_path / "none"))
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--from", "noon"), "--from 'noon' is no ISO 8601 time"),
        (("--from", "2026-11-25", "--to", "2026-11-24"), "--from is not before --to"),
        (("--log", "0"), "--log: wanted at least one day"),
        (("--lists", "now"), "run `watchhouse categories compile`"),
    ],
)
def test_wrong_questions(
    watchhouse: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], problem: str
):
    policy = ("--policy", str(ROOT / "config/policy.yaml"), "--data", str(tmp_path))
    done = watchhouse("impact", *policy, *arguments)
    assert (done.code, done.out) == (1, "")
    assert problem in done.err


def test_what_is_wrong_with_the_other_policy_names_its_file(
    watchhouse: Callable[..., Any], tmp_path: Path
):
    new = tmp_path / "new.yaml"
    new.write_text(
        (ROOT / "config/policy.yaml")
        .read_text()
        .replace("\n    action: allow", "\n    action: alow", 1)
    )
    done = watchhouse("impact", "--policy", str(new))
    assert (done.code, done.out) == (1, "")
    assert re.match(rf"{re.escape(str(new))}:\d+: rules\[\d+\]\.action: found \"alow\"", done.err)


# --- moments reduced to what time spaces say ------------------------------------------------------


DEFAULT = load(ROOT / "config", environ={}, today=datetime(2026, 11, 24, tzinfo=UTC).date()).policy
# An edge at no quarter of an hour, in the hour that comes twice.
ODD = replace(
    DEFAULT,
    time_spaces={**DEFAULT.time_spaces, "odd": TimeSpace("odd", (TimeRange(EVERY_DAY, 67, 113),))},
)
HALF_YEAR = spans_of(
    (ODD,), datetime(2026, 9, 1, tzinfo=LONDON), datetime(2027, 4, 10, tzinfo=LONDON)
)


@given(st.integers(min_value=0, max_value=220 * 86400))
@example(54 * 86400 + 2 * 3600 + 8 * 60)  # 2026-10-25, the second 01:08
@example(54 * 86400 + 2 * 3600 + 53 * 60)  # the second 01:53
def test_a_moment_is_like_that_of_its_span(seconds: int):
    at = datetime(2026, 9, 1, tzinfo=LONDON).astimezone(UTC) + timedelta(seconds=seconds)
    span = next(number for begins, number in reversed(HALF_YEAR.begins) if begins <= at)
    for space in ODD.time_spaces.values():
        now, like = (
            space.holds(ODD.reading(ODD.local(Moment(each))))
            for each in (at, HALF_YEAR.moments[span])
        )
        assert now == like


def test_there_are_as_many_kinds_of_moments_as_make_a_difference():
    assert len(HALF_YEAR.moments) == 4, "out of hours, working hours, breaks, the odd one"


def test_what_turns_on_who_asks_is_not_replayed(impact: Callable[..., Any], access: Path):
    """A policy that names a person must not tell what they did."""
    news = {"categories": ["news"], "rule": "news"}
    put(
        access, *people(12, url="https://a.example/secret/1", host="a.example", **news), *people(20)
    )
    named = ("      categories: news", "      categories: news\n      persons: [pc3]")
    found = impact(named)
    turns = "it turns on who asks, from where or with which program, which is not replayed"
    assert (found["changes"], found["not_replayed"]) == ([], {turns: 12})
    found = impact(
        ("      categories: news", "      categories: news\n      url: a.example/secret/")
    )
    assert (found["changes"], found["not_replayed"]) == ([], {})
    found = impact(
        ("      categories: news", "      categories: news\n      url: a.example/other/")
    )
    (change,) = found["changes"]
    assert (change["becomes"], change["people"]) == ("allow everything-else", 12)
