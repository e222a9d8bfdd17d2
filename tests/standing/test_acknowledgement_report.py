"""The report of who has acknowledged the statement, and who has not."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from proxy_addons.standing.acknowledgement_report import (
    Standing,
    counts,
    event_data,
    events_csv,
    missing,
    report,
    row_data,
    rows_csv,
)
from proxy_addons.standing.acknowledgements import Acknowledgement

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
PRESENT, OLD = "a" * 12, "b" * 12


def said(
    person: str, days: float, version: str = PRESENT, *, lasts: float = 365
) -> Acknowledgement:
    at = NOW - days * DAY
    return Acknowledgement(1, person, version, at, "10.0.0.7", "basic", at + lasts * DAY, 1)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        ([], Standing.NEVER),
        ([said("a", 1)], Standing.ACKNOWLEDGED),
        ([said("a", 335, lasts=365.001)], Standing.ACKNOWLEDGED),
        ([said("a", 335)], Standing.DUE),
        ([said("a", 364.999)], Standing.DUE),
        ([said("a", 365)], Standing.EXPIRED),
        ([said("a", 1, OLD)], Standing.OLDER),
        ([said("a", 400, OLD), said("a", 2)], Standing.ACKNOWLEDGED),
        # The statement was put back to an earlier version: what was said of that counts.
        ([said("a", 9), said("a", 2, OLD)], Standing.ACKNOWLEDGED),
        ([said("a", 400), said("a", 2, OLD)], Standing.EXPIRED),
        # The time to renew was shortened meanwhile: what counts longer counts.
        ([said("a", 9), said("a", 2, lasts=1)], Standing.ACKNOWLEDGED),
        ([said("b", 1)], Standing.NEVER),
    ],
)
def test_how_somebody_stands(found: list[Acknowledgement], standing: Standing) -> None:
    rows = {row.person: row for row in report(["a"], found, version=PRESENT, now=NOW)}
    assert rows["a"].standing is standing
    assert missing([rows["a"]]) == (() if standing.counts else (rows["a"],))
    assert standing.counts == any(
        each.person == "a" and each.version == PRESENT and each.until > NOW for each in found
    )


def test_everybody_is_in_it_once() -> None:
    found = [said("zoe", 1), said("ann", 800, OLD), said("ann", 2)]
    rows = report(
        ["kim", "ann", "kim"], found, version=PRESENT, now=NOW, unit_of={"kim": "CID"}.get
    )
    assert [(row.person, row.unit, row.last and row.last.at) for row in rows] == [
        ("ann", "unknown", NOW - 2 * DAY),
        ("kim", "CID", None),
        ("zoe", "unknown", NOW - DAY),
    ]
    assert counts(rows) == {
        Standing.ACKNOWLEDGED: 2,
        Standing.NEVER: 1,
        Standing.DUE: 0,
        Standing.EXPIRED: 0,
        Standing.OLDER: 0,
    }
    assert [row.person for row in missing(rows)] == ["kim"]


def test_as_csv() -> None:
    rows = report(["=kim"], [said("ann", 1)], version=PRESENT, now=NOW, unit_of=lambda _: "@CID")
    text = rows_csv(rows)
    assert text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text))) == [
        ["person", "unit", "standing", "version", "at", "until"],
        ["'=kim", "'@CID", "never", "", "", ""],
        [
            *("ann", "'@CID", "acknowledged", PRESENT),
            *("2026-11-22T09:30:00+00:00", "2027-11-22T09:30:00+00:00"),
        ],
    ]
    assert list(csv.reader(io.StringIO(events_csv([said("-ann", 1)])))) == [
        ["person", "version", "at", "until", "client_ip", "how"],
        [
            *("'-ann", PRESENT, "2026-11-22T09:30:00+00:00", "2027-11-22T09:30:00+00:00"),
            *("10.0.0.7", "basic"),
        ],
    ]


def test_as_json() -> None:
    (row,) = report(["kim"], [], version=PRESENT, now=NOW)
    assert json.loads(json.dumps(row_data(row))) == {
        "person": "kim",
        "unit": "unknown",
        "standing": "never",
        "version": None,
        "at": None,
        "until": None,
    }
    assert event_data(said("ann", 1))["client_ip"] == "10.0.0.7"
