"""Who has acknowledged the statement and who has not (Inf/27 3.8): for pages, and as CSV.

In: people, acknowledgements, the present version, the time. Out: rows, counts, text.
Must never: ask the store or the clock; write a cell that a spreadsheet would run; leave out
somebody who has not.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.standing.report import NO_UNIT, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from proxy_addons.standing.acknowledgements import Acknowledgement

SOON: Final = timedelta(days=30)


class Standing(StrEnum):
    """How somebody stands to the present version of the statement."""

    ACKNOWLEDGED = "acknowledged"
    DUE = "due soon"
    """Acknowledged; to be renewed within 30 days."""
    EXPIRED = "expired"
    """Acknowledged, and not renewed in time."""
    OLDER = "older version"
    """Only an earlier version was acknowledged."""
    NEVER = "never"

    @property
    def counts(self) -> bool:
        """Whether browsing goes on."""
        return self in {Standing.ACKNOWLEDGED, Standing.DUE}


@dataclass(frozen=True, slots=True)
class Row:
    """One person in the report.

    Attributes:
        person: canonical name.
        unit: as the directory has it; `unknown` where nobody asked.
        standing: at the report's time.
        last: the acknowledgement that counts longest of the present version; else the last of any;
            None for never.
    """

    person: str
    unit: str
    standing: Standing
    last: Acknowledgement | None


def report(
    people: Iterable[str],
    acknowledgements: Iterable[Acknowledgement],
    *,
    version: str,
    now: datetime,
    unit_of: Callable[[str], str | None] = lambda _: None,
) -> tuple[Row, ...]:
    """One row for each person.

    Args:
        people: everybody who should have acknowledged it, by canonical name. Whoever has
            acknowledged anything is in the report besides.
        acknowledgements: all, oldest first.
        version: the present one.
        now: aware.
        unit_of: unit of a canonical name; None for unknown.

    Returns:
        Rows in the order of the names.
    """
    present: dict[str, Acknowledgement] = {}
    last: dict[str, Acknowledgement] = {}
    for each in acknowledgements:
        last[each.person] = each
        known = present.get(each.person)
        if each.version == version and (known is None or known.until <= each.until):
            present[each.person] = each
    return tuple(
        Row(
            person,
            unit_of(person) or NO_UNIT,
            _standing(present.get(person), last.get(person), now),
            present.get(person) or last.get(person),
        )
        for person in sorted({*people, *last})
    )


def _standing(
    present: Acknowledgement | None, last: Acknowledgement | None, now: datetime
) -> Standing:
    if present is None:
        return Standing.NEVER if last is None else Standing.OLDER
    if present.until <= now:
        return Standing.EXPIRED
    return Standing.DUE if present.until - now <= SOON else Standing.ACKNOWLEDGED


def missing(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Those who have to acknowledge it before they can go on."""
    return tuple(row for row in rows if not row.standing.counts)


def counts(rows: Iterable[Row]) -> Mapping[Standing, int]:
    """How many stand how; every standing is there."""
    found = Counter(row.standing for row in rows)
    return {each: found[each] for each in Standing}


# --- as data --------------------------------------------------------------------------------------

_ROW: Final = ("person", "unit", "standing", "version", "at", "until")
_EVENT: Final = ("person", "version", "at", "until", "client_ip", "how")


def row_data(row: Row) -> dict[str, str | None]:
    """One row for JSON: times in UTC (ISO 8601)."""
    last = row.last
    return {
        "person": row.person,
        "unit": row.unit,
        "standing": str(row.standing),
        "version": None if last is None else last.version,
        "at": None if last is None else _time(last.at),
        "until": None if last is None else _time(last.until),
    }


def event_data(each: Acknowledgement) -> dict[str, str]:
    """One acknowledgement for JSON: times in UTC (ISO 8601)."""
    return {
        "person": each.person,
        "version": each.version,
        "at": _time(each.at),
        "until": _time(each.until),
        "client_ip": each.client_ip,
        "how": each.how,
    }


def rows_csv(rows: Iterable[Row]) -> str:
    """The report as CSV (RFC 4180: CRLF, a line of headings)."""
    return _csv(_ROW, map(row_data, rows))


def events_csv(found: Iterable[Acknowledgement]) -> str:
    """Acknowledgements as CSV, one a line: who, which version, when, from where."""
    return _csv(_EVENT, map(event_data, found))


def _csv(columns: Sequence[str], found: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for each in found:
        writer.writerow(harmless(each[name] or "") for name in columns)
    return text.getvalue()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
