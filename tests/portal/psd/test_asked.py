"""A search in an address: what it says is asked, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.store import Question
from proxy_addons.portal.psd.asked import PLAIN, asked

if TYPE_CHECKING:
    from collections.abc import Mapping

LONDON = ZoneInfo("Europe/London")


def read(**query: str) -> Any:
    return asked(query, LONDON)


def test_everything() -> None:
    found = read(
        au="au-2026-0001", person=" P-7KQ2M4XH ", host="site.test", action="block", order="oldest",
        since="2026-07-01", until="2026-07-01", text="a%_b",
    )  # fmt: skip
    assert found.problems == ()
    assert found.authorisation == "AU-2026-0001"
    assert found.question == Question(
        since=datetime(2026, 6, 30, 23, tzinfo=UTC),
        until=datetime(2026, 7, 1, 23, tzinfo=UTC),
        person="P-7KQ2M4XH",
        host="site.test",
        action="block",
        text="a%_b",
        newest_first=False,
    )


def test_nothing() -> None:
    found = read()
    assert (found.authorisation, found.question, found.problems) == ("", Question(), ())
    assert found.address() == "/psd/search"


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-03-29", "2026-03-29T00:00Z", "2026-03-29T23:00Z"),  # the clocks go forward
        ("2026-10-25", "2026-10-24T23:00Z", "2026-10-26T00:00Z"),  # and back
        ("2026-11-23T09:30", "2026-11-23T09:30Z", "2026-11-23T09:30Z"),
        ("2026-11-23 09:30:15", "2026-11-23T09:30:15Z", "2026-11-23T09:30:15Z"),
    ],
)
def test_days_are_those_of_the_force(text: str, since: str, until: str) -> None:
    assert read(since=text).question.since == datetime.fromisoformat(since)
    assert read(until=text).question.until == datetime.fromisoformat(until)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-30"}, "since"),
        ({"until": "9999-12-31"}, "until"),
        ({"until": "2026-11-23T24:01"}, "until"),
        ({"since": "2026-11-23T10:00", "until": "2026-11-23T10:00"}, "until"),
        ({"action": "allowed"}, "action"),
        ({"au": "AU 1"}, "au"),
        ({"au": "AU-1'; --"}, "au"),
        ({"text": "x" * 513}, "text"),
    ],
)
def test_what_makes_no_sense_is_said(query: Mapping[str, str], field: str) -> None:
    assert [name for name, _ in asked(query, LONDON).problems] == [field]


@given(st.dictionaries(st.sampled_from([*PLAIN, "order", "au"]), st.text(max_size=20), max_size=5))
def test_the_address_of_a_search_asks_the_same(query: dict[str, str]) -> None:
    found = asked(query, LONDON)
    address = urlsplit(found.address(after=""))
    again = asked(dict(parse_qsl(address.query)), LONDON)
    assert (again.question, again.authorisation, again.fields) == (
        found.question,
        found.authorisation,
        found.fields,
    )
