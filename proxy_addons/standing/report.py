"""The report on exemptions (Inf/27 2.13.1: tracked and reported): for the page and as CSV.

In: exemptions, the days of their last use, who is in which unit, the time. Out: rows, counts, text.
Must never: ask the store or the clock; write a cell that a spreadsheet would run.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.exemption import EXPIRING, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from proxy_addons.standing.exemption import Exemption

UNUSED: Final = timedelta(days=30)
NO_UNIT: Final = "unknown"
"""The unit of people whom the directory does not know, or gives none."""


class Section(StrEnum):
    """The parts of the report. One exemption may be in several."""

    WAITING = "waiting"
    """Requests, and requests to extend, that nobody has decided on."""
    LIVE = "live"
    EXPIRING = "expiring"
    """Live, and over within 30 days."""
    OVERDUE = "review-overdue"
    UNUSED = "unused"
    """Live for 30 days or longer, and not used in the last 30 days."""
    UPCOMING = "upcoming"
    EXPIRED = "expired"
    ENDED = "ended"
    """Refused, lapsed or revoked."""


@dataclass(frozen=True, slots=True)
class Row:
    """One exemption in the report.

    Attributes:
        exemption: the entry.
        state: at the report's time.
        unit: of the person.
        last_used: last day (UTC) of use; None for never.
        sections: where it stands.
    """

    exemption: Exemption
    state: State
    unit: str
    last_used: date | None
    sections: frozenset[Section]


@dataclass(frozen=True, slots=True)
class Report:
    """The report as of one moment.

    Attributes:
        at: the moment.
        rows: all exemptions, oldest first.
    """

    at: datetime
    rows: tuple[Row, ...]

    def section(self, section: Section) -> tuple[Row, ...]:
        """The rows of one part; live ones by their end, others as they came."""
        found = [row for row in self.rows if section in row.sections]
        if section in {Section.LIVE, Section.EXPIRING, Section.UNUSED, Section.OVERDUE}:
            found.sort(key=lambda row: row.exemption.ends)
        return tuple(found)

    def by_unit(self) -> Mapping[str, Mapping[Section, int]]:
        """Unit → how many of its people's exemptions are in each part."""
        counts: dict[str, Counter[Section]] = {}
        for row in self.rows:
            counts.setdefault(row.unit, Counter()).update(row.sections)
        return dict(sorted(counts.items(), key=lambda each: (each[0] == NO_UNIT, each[0])))


def report(
    exemptions: Iterable[Exemption],
    *,
    last_used: Mapping[str, date],
    unit_of: Callable[[str], str | None],
    now: datetime,
) -> Report:
    """Make the report.

    Args:
        exemptions: all of them (`Register.all`).
        last_used: reference → last day of use (`Register.last_used`).
        unit_of: the unit of a person (canonical name), None when nobody knows.
        now: aware.
    """
    units: dict[str, str] = {}
    rows: list[Row] = []
    for each in exemptions:
        if each.person not in units:
            units[each.person] = unit_of(each.person) or NO_UNIT
        used = last_used.get(each.reference)
        sections = frozenset(_sections(each, used, now))
        rows.append(Row(each, each.state_at(now), units[each.person], used, sections))
    return Report(now, tuple(rows))


def is_unused(exemption: Exemption, last_used: date | None, now: datetime) -> bool:
    """Whether it has been live for 30 days or longer without a use in the last 30 days."""
    if exemption.state_at(now) is not State.LIVE or exemption.decided_at is None:
        return False
    if now - max(exemption.begins, exemption.decided_at) < UNUSED:
        return False
    return last_used is None or now.astimezone(UTC).date() - last_used >= UNUSED


def _sections(each: Exemption, last_used: date | None, now: datetime) -> Iterable[Section]:
    state = each.state_at(now)
    live = state is State.LIVE
    for section, belongs in (
        (
            Section.WAITING,
            state is State.REQUESTED
            or (each.extension_is_pending and state in {State.LIVE, State.UPCOMING}),
        ),
        (Section.LIVE, live),
        (Section.EXPIRING, live and each.ends - now <= EXPIRING),
        (Section.OVERDUE, each.review_is_overdue(now)),
        (Section.UNUSED, is_unused(each, last_used, now)),
        (Section.UPCOMING, state is State.UPCOMING),
        (Section.EXPIRED, state is State.EXPIRED),
        (Section.ENDED, state in {State.REFUSED, State.LAPSED, State.REVOKED}),
    ):
        if belongs:
            yield section


# --- CSV ------------------------------------------------------------------------------------------

_COLUMNS: Final = (
    "reference",
    "person",
    "unit",
    "opens",
    "state",
    "notes",
    "begins",
    "ends",
    "why",
    "force reference",
    "significant",
    "escalated to",
    "requested by",
    "requested at",
    "decided by",
    "decided at",
    "review due",
    "last reviewed",
    "last used",
    "extension asked to",
    "extension asked by",
    "revoked by",
    "revoked at",
)
_NOTES: Final = (Section.WAITING, Section.EXPIRING, Section.OVERDUE, Section.UNUSED)


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV (RFC 4180: CRLF, a line of headings), times in UTC (ISO 8601).

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(tuple(map(harmless, _cells(row))))
    return text.getvalue()


def harmless(cell: str) -> str:
    """A cell as text, whatever a spreadsheet makes of its first character."""
    # The characters that spreadsheets begin a formula with; tab and CR are skipped before it, as
    # are spaces; full-width forms are read as the plain ones in some languages.
    bare = cell.lstrip(" \t\r\n")
    return f"'{cell}" if bare[:1] in set("=+-@\uff1d\uff0b\uff0d\uff20") and bare else cell


def _cells(row: Row) -> tuple[str, ...]:
    each = row.exemption
    return (
        each.reference,
        each.person,
        row.unit,
        each.opens,
        row.state,
        ", ".join(section for section in _NOTES if section in row.sections),
        _time(each.begins),
        _time(each.ends),
        each.why,
        each.force_reference or "",
        "yes" if each.significant else "no",
        each.escalated_to or "",
        each.requested_by,
        _time(each.requested_at),
        each.decided_by or "",
        _time(each.decided_at),
        _time(each.review_at),
        _time(each.reviewed_at),
        row.last_used.isoformat() if row.last_used else "",
        _time(each.extension_ends),
        each.extension_by or "",
        each.revoked_by or "",
        _time(each.revoked_at),
    )


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
