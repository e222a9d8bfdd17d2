"""Reads duty times from iCalendar, RFC 5545 (docs/rota.md).

In: a file of one or more calendars. Out: a `RotaFile`, or `RotaFileError` with every problem.
Must never: guess whose an event is.
"""

from __future__ import annotations

import itertools
import warnings
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from icalendar.timezone import tzp

from proxy_addons.standing.rota_entries import (
    PERIOD_AT_MOST,
    Entries,
    Options,
    kind_of,
)
from proxy_addons.standing.rota_ics_lines import OURS, component, event, lines_of, parts, value_of
from proxy_addons.standing.rota_ics_when import Occurrences, UnknownZoneError
from proxy_addons.standing.rota_problems import CellError, file_error, quoted
from proxy_addons.standing.rota_source import Source
from proxy_addons.standing.rota_times import Times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from proxy_addons.standing.rota_entries import Progress, RotaFile
    from proxy_addons.standing.rota_ics_lines import Event, Line
    from proxy_addons.standing.rota_times import Moment, Span

_LINES_OF_ZONES: Final = 20_000
_PERSONS: Final = frozenset({"", "INDIVIDUAL", "UNKNOWN"})


def read_ics(
    path: Path, zone: tzinfo, options: Options | None = None, progress: Progress | None = None
) -> RotaFile:
    """Read an iCalendar file. Not for several threads at once: the library's memory is one.

    Args:
        path: the file.
        zone: the force's, of times without one.
        options: how it is to be read.
        progress: told what is being done.

    Raises:
        RotaFileError: it cannot be imported; with all that is wrong.
    """
    options = options or Options()
    source = Source(path, progress)
    entries = Entries(path.name, options)
    with warnings.catch_warnings():
        # The library warns of time zones that it knows by their last part (RFC 5545 3.2.19).
        warnings.simplefilter("ignore")
        _Reader(path.name, entries, options, zone).read(lines_of(source.pieces(), path.name))
    return entries.finish(source.digest)


class _Reader:
    """Reads the calendars of a file, one after another."""

    def __init__(self, file: str, entries: Entries, options: Options, zone: tzinfo) -> None:
        self._file = file
        self._entries = entries
        self._options = options
        self._times = Times(zone)
        self._uids: dict[int, int] = {}
        self._attendees: dict[str, str | CellError | None] = {}
        self._kinds: dict[str, str] = {}
        # Of one calendar:
        self._zone: tzinfo | None = None
        self._person = ""
        self._occurrences = Occurrences(options, self._utc)
        self._spans: dict[tuple[date, date], Span | CellError] = {}
        self._series: dict[str, list[Event]] = {}
        self._waiting: list[list[Event]] | None = None

    def read(self, lines: Iterator[Line]) -> None:
        """Read all of them."""
        begin = None
        for begin in lines:
            row, _, text = begin
            if text.strip().upper() != "BEGIN:VCALENDAR":
                what = f"{quoted(text)} is outside of any calendar"
                raise file_error(self._file, what, "begin with BEGIN:VCALENDAR", row)
            self._calendar(lines, row)
        if begin is None:
            raise file_error(self._file, "the file is empty", "export it anew")

    def _calendar(self, lines: Iterator[Line], row: int) -> None:
        self._zone = None
        self._person = ""
        self._occurrences = Occurrences(self._options, self._utc)
        self._spans = {}
        self._series = {}
        waiting: list[list[Event]] = []
        self._waiting = waiting
        lines_of_zones = 0
        for line in lines:
            place, name, _ = line
            if name == "END":
                break
            if name != "BEGIN":
                self._property(line)
            elif value_of(line).upper() == "VEVENT":
                self._sort_in(event(lines, place, self._file))
            else:
                found = component(lines, line, self._file)
                if value_of(line).upper() == "VTIMEZONE":
                    self._occurrences.define(found)
                    lines_of_zones += len(found)
                if lines_of_zones > _LINES_OF_ZONES:
                    what = "there are too many time zones"
                    raise file_error(self._file, what, "export it anew", place)
        else:
            raise file_error(self._file, "the calendar has no end", "export it anew", row)
        # A time zone may be defined behind the events that use it.
        self._waiting = None
        for series in itertools.chain(waiting, self._series.values()):
            self._take(series)

    def _property(self, line: Line) -> None:
        """A property of the calendar."""
        row, name, text = line
        value = value_of(line)
        if name == "METHOD" and value.upper() not in {"PUBLISH", "REQUEST"}:
            what = f"METHOD {quoted(value)} is no rota"
            self._entries.problem(row, CellError(name, what, "export it with PUBLISH"))
        elif name == "X-WR-TIMEZONE":
            self._zone = tzp.timezone(value)
            if self._zone is None:
                what = f"the time zone {quoted(value)} is not known"
                problem = CellError(name, what, "name one such as Europe/London")
                self._entries.problem(row, problem)
        elif name == OURS:
            self._person = text

    # --- series ---

    def _sort_in(self, found: Event) -> None:
        """Put an event to the others of its series; one by itself is taken at once."""
        if found.uid and (found.repeats or found.replaces):
            self._series.setdefault(found.uid, []).append(found)
            return
        if found.uid:
            # One identifier, two events: one of them is out of date, and which is not said. People
            # may share one, where a duty is an event for each.
            key = hash((found.uid, *sorted(found.attendees), found.texts.get(OURS)))
            first = self._uids.setdefault(key, found.row)
            if first != found.row:
                what = f"it has the UID of the event on line {first}, for the same people"
                fix = "export each duty once, or give each a UID of its own"
                self._entries.problem(found.row, CellError("UID", what, fix))
                return
        self._take([found])

    def _take(self, series: list[Event]) -> None:
        """Take an event, or one that is repeated with what replaces some of it."""
        wrong = False
        people: list[Sequence[str]] = []
        for each in series:
            try:
                people.append(self._people(each))
            except CellError as problem:
                # Nothing of the file is imported; its time, and the other events, are looked at
                # all the same, so that all that is wrong is said at once.
                self._entries.problem(each.row, problem)
                wrong = True
        row = series[0].row
        try:
            for number, begins, ends in self._occurrences.of(series):
                row = series[number].row
                self._occurrence(series[number], begins, ends, () if wrong else people[number])
        except UnknownZoneError as problem:
            # As above; unless the calendar goes on to define it.
            if self._waiting is None:
                self._entries.problem(row, problem)
            elif not wrong:
                self._waiting.append(series)
        except CellError as problem:
            # As above.
            self._entries.problem(row, problem)

    def _occurrence(self, found: Event, begins: date, ends: date, people: Sequence[str]) -> None:
        kind = self._kind(found)
        status = found.texts.get("STATUS")
        cancelled = status is not None and status.partition(":")[2].strip().upper() == "CANCELLED"
        if cancelled or self._entries.is_off(kind):
            first, last = self._days(begins, ends)
            for person in people:
                self._entries.time_off(person, first, last, found.row)
            return
        span = self._span(begins, ends, kind)
        for person in people:
            self._entries.duty(person, span, kind, found.row)

    # --- when ---

    def _span(self, begins: date, ends: date, kind: str) -> Span:
        known = self._spans.get((begins, ends))
        if known is None:
            if not isinstance(begins, datetime) or not isinstance(ends, datetime):
                what = f"it is for whole days, and {quoted(kind)} is not known as time off"
                raise CellError("DTSTART", what, f"give it times, or say --off {kind}")
            try:
                known = self._times.between(self._moment(begins), self._moment(ends), "DTEND")
            except CellError as problem:
                # Remembered for the other events at that time; each is a problem of its own.
                known = problem.again()
            self._spans[begins, ends] = known
        if isinstance(known, CellError):
            raise known.again()
        return known

    def _days(self, begins: date, ends: date) -> tuple[date, date]:
        """The local days of time off."""
        if isinstance(begins, datetime):
            assert isinstance(ends, datetime)
            first, until = self._moment(begins), self._moment(ends)
            # A night off is of the day on which it would have begun, as a night on duty is: the
            # day after stays as it is.
            is_day = until.at - first.at <= timedelta(days=1)
            last = self._times.day(until.at - timedelta(seconds=1))
            found = first.day, first.day if is_day else max(first.day, last)
        else:
            found = begins, max(begins, ends - timedelta(days=1))
        if (found[1] - found[0]).days > PERIOD_AT_MOST:
            what = f"from {found[0]} to {found[1]} is too long"
            raise CellError("DTEND", what, "mend the year")
        return found

    def _moment(self, at: datetime) -> Moment:
        return self._times.moment(at.replace(tzinfo=None, fold=0), at.tzinfo or self._zone)

    def _utc(self, at: datetime) -> datetime:
        return self._moment(at).at

    # --- what, and whose ---

    def _kind(self, found: Event) -> str:
        line = found.texts.get("CATEGORIES") or found.texts.get("SUMMARY") or ""
        kind = self._kinds.get(line)
        if kind is None:
            value = parts(line)[1] if line else ""
            if line is found.texts.get("CATEGORIES"):
                value = value.partition(",")[0]
            kind = self._kinds[line] = kind_of(value)
        return kind

    def _people(self, found: Event) -> list[str]:
        """Whose an event is: whom it names itself, else who attends, else whose calendar it is."""
        own = found.texts.get(OURS) or ("" if found.attendees else self._person)
        if own:
            return [self._entries.person(parts(own)[1], OURS)]
        if len(found.attendees) == 1:  # the usual case
            person = self._attendee(found.attendees[0])
            return [person or self._entries.person("", "ATTENDEE")]
        people = [self._attendee(line) for line in found.attendees]
        named = list(dict.fromkeys(each for each in people if each is not None))
        return named or [self._entries.person("", "ATTENDEE")]

    def _attendee(self, line: str) -> str | None:
        """A login name; None for rooms, and for who has declined."""
        if line not in self._attendees:
            try:
                self._attendees[line] = self._attending(line)
            except CellError as problem:
                # Remembered for the other events of this person; each is a problem of its own.
                self._attendees[line] = problem.again()
        found = self._attendees[line]
        if isinstance(found, CellError):
            raise found.again()
        return found

    def _attending(self, line: str) -> str | None:
        parameters, value = parts(line)
        if (
            parameters.get("CUTYPE", "").upper() not in _PERSONS
            or parameters.get("PARTSTAT", "").upper() == "DECLINED"
            or parameters.get("ROLE", "").upper() == "NON-PARTICIPANT"
        ):
            return None
        scheme, colon, address = value.strip().partition(":")
        if not colon or scheme.lower() != "mailto":
            what = f"{quoted(value)} is no address such as mailto:pc1234@force.example"
            fix = f"export addresses whose first part is the login name, or {OURS}"
            raise CellError("ATTENDEE", what, fix)
        return self._entries.person(address.partition("@")[0], "ATTENDEE")
