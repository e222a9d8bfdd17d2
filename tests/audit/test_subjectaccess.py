"""Subject access: all of one's own, nothing that names others, and what was cut is said."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.store import At, Row
from proxy_addons.audit.subjectaccess import Subject, SubjectAccessError, export, redacted

SUBJECT = Subject(
    "ab1234",
    frozenset({"Alex.Brown@force.example"}),
    frozenset({"CD5678", "jo.lee", "Kim Smith", "07700 900123", "--"}),
)
LONDON = ZoneInfo("Europe/London")
CASES = {
    "nothing of anybody": ("https://a.test/news?page=2#top", None, ""),
    "one's own e-mail": ("https://a.test/?u=alex.brown%40force.example", None, ""),
    "one's own name": ("https://a.test/~AB1234/", None, ""),
    "e-mail of another": (
        "https://a.test/?q=1&to=kim%40home.example",
        "https://a.test/?q=1&to=[cut: e-mail]",
        "e-mail",
    ),
    "in a path": ("https://a.test/u/k@h.example/x", "https://a.test/u/[cut: e-mail]/x", "e-mail"),
    "name in a path": ("https://a.test/~CD5678/x", "https://a.test/[cut: name]/x", "name"),
    "name among words": ("https://a.test/?q=is+Jo.Lee", "https://a.test/?q=[cut: name]", "name"),
    "name as a part of a word": ("https://a.test/xcd56789", None, ""),
    "name as a key": ("https://a.test/?cd5678", "https://a.test/?[cut: name]", "name"),
    "in a fragment": ("https://a.test/#/m/k@h.example", "https://a.test/#[cut: e-mail]", "e-mail"),
    "sign-in of another": ("ftp://kim:pw@a.test/", "ftp://[cut: sign-in]@a.test/", "sign-in"),
    "own sign-in, no password": ("ftp://ab1234:pw@a.test/", "ftp://ab1234@a.test/", ""),
    "several words": ("https://a.test/?q=is+KIM_Smith%21", "https://a.test/?q=[cut: name]", "name"),
    "a number": ("https://a.test/07700-900123", "https://a.test/[cut: name]", "name"),
    "one word of several": ("https://a.test/?q=kim&r=smith", None, ""),
    "several, not beside": ("https://a.test/?q=kim+j+smith+kimsmith", None, ""),
    "no address": ("http://[::1", "[cut: address]", "address"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_cut(case: str) -> None:
    url, wanted, rule = CASES[case]
    cut: Counter[str] = Counter()
    assert redacted(url, SUBJECT, cut) == (url if wanted is None else wanted)
    assert cut == (Counter({rule: 1}) if rule else Counter())


@given(
    who=st.sampled_from(["kim@home.example", "CD5678", "jo.lee"]),
    times=st.integers(0, 9),
    where=st.sampled_from(["https://a.test/{}", "https://a.test/x?k={}", "https://a.test/?{}=1#"]),
)
def test_no_encoding_hides_anybody(who: str, times: int, where: str) -> None:
    text = who
    for _ in range(times):
        text = quote(text, safe="").replace(".", "%2E")
    cut: Counter[str] = Counter()
    assert "[cut: " in redacted(where.format(text), SUBJECT, cut)
    assert cut.total() == 1


def row(**values: object) -> Row:
    given = {
        "person": "AB1234",
        "start": datetime(2026, 7, 1, 12, tzinfo=UTC),
        "url": "https://a.test/?to=kim@home.example",
        "host": "a.test",
        "categories": ("news", "sport"),
        "reason": "=1+1",
    }
    return Row(At("s", 1), given | values)


def test_three_files_that_say_the_same() -> None:
    done = export([row(), row(host="<b>")], SUBJECT, "AU-2026-0007", LONDON)
    assert (done.records, done.cut) == (2, {"e-mail": 2})
    said = json.loads(done.files["records.json"])
    assert (said["authorisation"], said["cut"]) == ("AU-2026-0007", {"e-mail": 2})
    assert said["rows"][0]["start"] == "2026-07-01 13:00:00+01:00"
    cells = list(csv.reader(io.StringIO(done.files["records.csv"].decode("utf-8-sig"))))
    assert cells[1][1:4] == ["a.test", "https://a.test/?to=[cut: e-mail]", "news, sport"]
    assert cells[1][5] == "'=1+1"
    page = done.files["records.html"].decode()
    assert "From 2026-07-01" not in page
    assert "&lt;b&gt;" in page
    assert "<li>e-mail: 2</li>" in page
    assert not any(b"kim@" in each for each in done.files.values())


@pytest.mark.parametrize("person", ["cd5678", None])
def test_a_row_of_somebody_else_ends_it(person: str | None) -> None:
    with pytest.raises(SubjectAccessError, match="not the subject's"):
        export([row(), row(person=person)], SUBJECT, "AU-2026-0007", LONDON)


def test_the_explanation_is_cut_as_addresses_are() -> None:
    done = export([row(reason="As agreed with Kim Smith.", url=None)], SUBJECT, "AU-1", LONDON)
    assert json.loads(done.files["records.json"])["rows"][0]["reason"] == "[cut: name]"
    assert [(each.recorded, each.given) for each in done.cuts] == [
        ("As agreed with Kim Smith.", "[cut: name]")
    ]


def test_it_says_which_time_it_covers() -> None:
    period = (datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    done = export([row()], SUBJECT, "AU-1", LONDON, period)
    said = json.loads(done.files["records.json"])
    assert (said["since"], said["until"]) == (
        "2026-07-01 01:00:00+01:00",
        "2026-12-01 00:00:00+00:00",
    )
    assert "From 2026-07-01 01:00:00+01:00 until before" in done.files["records.html"].decode()
