"""Dates and times as duty systems write them, and which moments they mean.

In: texts of one row, the force's time zone. Out: a `Span` in UTC, or `CellError` with the fix.
Must never: guess between day and month, or which century; read a time that does not exist, or is
twice, without saying how.

A local time that the clocks leave out in spring counts by the clock of before: 01:30 is 02:30. One
that is twice in autumn is the first, unless the end would then not be after the beginning. That is
what RFC 5545 3.3.5 says, for CSV as well. A time with an offset is never in doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.standing.rota_problems import CellError, quoted

if TYPE_CHECKING:
    from datetime import tzinfo

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100
LONGEST: Final = timedelta(hours=48)
"""The longest duty: beyond, a date is mistyped."""
_REMEMBERED: Final = 200_000

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s+", re.IGNORECASE)
_ISO = re.compile(r"([0-9]{4})([-/.]?)([0-9]{2})\2([0-9]{2})")
_BRITISH = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_NAMED = re.compile(r"([0-9]{1,2})[-/ ]([a-z]{3})[a-z]*[-/ ,]+([0-9]{4})", re.IGNORECASE)
_TIME = re.compile(
    r"([0-9]{1,2})(?:[:.]([0-9]{2})(?::([0-9]{2})(?:\.0+)?)?|([0-9]{2}))?"
    r"\s*([ap]\.?m\.?)?\s*(Z|UTC|GMT|BST|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_BOTH = re.compile(r"(.*?[0-9])(?:T|,?\s+)([0-9]{1,4}(?:[:.][0-9]{2})*.*)")
_OFFSETS: Final = {"Z": 0, "UTC": 0, "GMT": 0, "BST": 60}

_DATE_FIX: Final = "write it as 2026-12-01 or 01/12/2026"
_TIME_FIX: Final = "write it as 07:00 (24 hours)"


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when.

    Attributes:
        begins: in UTC.
        ends: in UTC, later, excluded.
        day: the local day on which it begins.
        notes: what is read in a way worth knowing.
    """

    begins: datetime
    ends: datetime
    day: date
    notes: tuple[str, ...] = ()


class Texts(NamedTuple):
    """What a row says of its time; empty where it says nothing.

    Attributes:
        day: date on which it begins.
        begins: date and time, or time.
        last: date on which it ends.
        ends: date and time, or time.
    """

    day: str
    begins: str
    last: str
    ends: str


class Columns(NamedTuple):
    """How the columns of `Texts` are called, for messages."""

    day: str = "date"
    begins: str = "begins"
    last: str = "end date"
    ends: str = "ends"


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that somebody wrote down.

    Attributes:
        at: in UTC.
        again: in UTC, when the local time is twice on that day.
        day: local day by the force's clock.
        note: how it is read; empty where there is no doubt.
    """

    at: datetime
    again: datetime | None
    day: date
    note: str = ""


class _Clock(NamedTuple):
    """A time of day; `next_day` for 24:00."""

    time: time
    next_day: bool
    offset: timezone | None


class Times:
    """Reads the times of a file. Remembers texts: duty systems repeat a few of them."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._known: dict[Texts, Span | CellError] = {}

    def span(self, texts: Texts, columns: Columns) -> Span:
        """From when to when a row is.

        Raises:
            CellError: it does not say so.
        """
        known = self._known.get(texts)
        if known is None:
            try:
                known = self._span(texts, columns)
            except CellError as problem:
                # The row is a problem of the file, which is then not imported.
                known = problem.again()
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[texts] = known
        if isinstance(known, CellError):
            raise known.again()
        return known

    def days(self, texts: Texts, columns: Columns) -> tuple[date, date]:
        """The first and the last day of time off, of which hours do not matter.

        Raises:
            CellError: it does not say so.
        """
        begin_date, begin_time = _parts(texts.begins, columns.begins)
        end_date, end_time = _parts(texts.ends, columns.ends)
        first_text = texts.day.strip() or begin_date
        if not first_text:
            raise CellError(columns.day, "there is no date", _DATE_FIX)
        first = day_of(first_text, columns.day if texts.day.strip() else columns.begins)
        last_text = texts.last.strip() or end_date
        if not last_text:
            return first, first
        column = columns.last if texts.last.strip() else columns.ends
        last = day_of(last_text, column)
        if end_time and last > first:
            clock = _clock(end_time, columns.ends).time
            begun = _clock(begin_time, columns.begins).time if begin_time else time()
            # Until midnight that day is not in it any more; and a night off is of the day on which
            # it would have begun, as a night on duty is.
            if clock == time() or (clock <= begun and last - first == timedelta(days=1)):
                last -= timedelta(days=1)
        if last < first:
            raise CellError(column, f"{last} is before {first}", "swap them, or mend one")
        if (last - first).days > 400:
            raise CellError(column, f"from {first} to {last} is too long", "mend the year")
        return first, last

    def moment(self, local: datetime, zone: tzinfo | None = None) -> Moment:
        """Which moment a local time is.

        Args:
            local: without a zone.
            zone: by which clock; None: the force's.
        """
        place = zone or self._zone
        at = local.replace(tzinfo=place, fold=0).astimezone(UTC)
        second = local.replace(tzinfo=place, fold=1).astimezone(UTC)
        day = at.astimezone(self._zone).date()
        if at == second:
            return Moment(at, None, day)
        back = at.astimezone(place).replace(tzinfo=None, fold=0)
        when = f"{local:%H:%M} on {local:%d %B %Y}"
        if back != local:
            return Moment(
                at,
                None,
                day,
                f"{when} does not exist (the clocks go forward): read as {back:%H:%M}",
            )
        return Moment(at, second, day, f"{when} is twice (the clocks go back): read as the first")

    def day(self, at: datetime) -> date:
        """The local day of a moment, by the force's clock."""
        return at.astimezone(self._zone).date()

    def between(self, begins: Moment, ends: Moment, column: str) -> Span:
        """The span between two moments.

        Raises:
            CellError: the end is not after the beginning, or too late; says so of this column.
        """
        end, note = ends.at, ends.note
        if end <= begins.at and ends.again is not None and ends.again > begins.at:
            end, note = ends.again, f"{note.rpartition(':')[0]}: read as the second"
        if end <= begins.at:
            doubt = f" ({begins.note})" if begins.note else ""
            raise CellError(
                column,
                f"the end is not after the beginning{doubt}",
                "mend one; over midnight the end has the next day's date",
            )
        if end - begins.at > LONGEST:
            hours = (end - begins.at).total_seconds() / 3600
            longest = LONGEST.total_seconds() / 3600
            raise CellError(
                column,
                f"it lasts {hours:,.0f} hours, and at most {longest:.0f} are taken for one duty",
                "mend the date, or write an entry for each day",
            )
        notes = tuple(dict.fromkeys(filter(None, (begins.note, note))))
        return Span(begins.at, end, begins.day, notes)

    def _span(self, texts: Texts, columns: Columns) -> Span:
        begin_date, begin_time = _parts(texts.begins, columns.begins)
        end_date, end_time = _parts(texts.ends, columns.ends)
        if (
            texts.day.strip()
            and begin_date
            and day_of(texts.day, columns.day) != day_of(begin_date, columns.begins)
        ):
            raise CellError(columns.begins, "its date is not that of the row", "mend one of them")
        first = day_of(texts.day, columns.day) if texts.day.strip() else None
        if first is None:
            if not begin_date:
                raise CellError(columns.day, "there is no date", _DATE_FIX)
            first = day_of(begin_date, columns.begins)
        begin_clock = _clock(begin_time, columns.begins)
        end_clock = _clock(end_time, columns.ends)
        if begin_clock.next_day:
            first, begin_clock = first + timedelta(days=1), begin_clock._replace(next_day=False)
        begins = self._moment(first, begin_clock)
        last_text = texts.last.strip() or end_date
        if last_text:
            column = columns.last if texts.last.strip() else columns.ends
            return self.between(begins, self._moment(day_of(last_text, column), end_clock), column)
        return self.between(begins, self._end(begins, begin_clock, end_clock, first), columns.ends)

    def _end(self, begins: Moment, begin_clock: _Clock, end_clock: _Clock, first: date) -> Moment:
        """When it ends, where only the hour is given: the same day, or over midnight the next."""
        if begin_clock == end_clock:
            raise CellError(
                "",
                "it ends at the time at which it begins: nothing, or a whole day",
                "write the end with its date",
            )
        over = not end_clock.next_day and end_clock.time <= begin_clock.time
        if begin_clock.offset or end_clock.offset:
            over = self._moment(first, end_clock).at <= begins.at
        return self._moment(first + timedelta(days=1) if over else first, end_clock)

    def _moment(self, day: date, clock: _Clock) -> Moment:
        local = datetime.combine(day + timedelta(days=1) if clock.next_day else day, clock.time)
        if clock.offset is None:
            return self.moment(local)
        at = local.replace(tzinfo=clock.offset).astimezone(UTC)
        return Moment(at, None, at.astimezone(self._zone).date())


def day_of(text: str, column: str) -> date:
    """A date.

    Raises:
        CellError: it is none, or could be two.
    """
    shown = text.strip()
    bare = _bare(shown)
    if found := _ISO.fullmatch(bare):
        year, _, month, day = found.groups()
    elif found := _BRITISH.fullmatch(bare):
        day, _, month, year = found.groups()
    elif found := _NAMED.fullmatch(bare):
        day, name, year = found.groups()
        if name.lower() not in _MONTHS:
            raise CellError(column, f"{quoted(shown)} is no date", _DATE_FIX)
        month = str(_MONTHS.index(name.lower()) + 1)
    else:
        raise CellError(column, f"{quoted(shown)} is no date", _DATE_FIX)
    try:
        made = date(int(year), int(month), int(day))
    except ValueError as problem:
        # The row is a problem of the file, which is then not imported.
        raise CellError(
            column, f"{quoted(shown)} is no day of the calendar", _DATE_FIX
        ) from problem
    if not FIRST_YEAR <= made.year <= LAST_YEAR:
        raise CellError(
            column, f"{quoted(shown)} is not between {FIRST_YEAR} and {LAST_YEAR}", "mend the year"
        )
    return made


def _bare(text: str) -> str:
    """A date without the day of the week, which says nothing more."""
    return _WEEKDAY.sub("", text, count=1) if text[:1].isalpha() else text


def _parts(text: str, column: str) -> tuple[str, str]:
    """A date and a time, of which either may be empty."""
    text = text.strip()
    if not text:
        return "", ""
    if _TIME.fullmatch(text):
        # 8 digits in a row are a date, and do not match.
        return "", text
    if found := _BOTH.fullmatch(text):
        day, clock = found.groups()
        if _TIME.fullmatch(clock):
            return day, clock
    if not any(pattern.fullmatch(_bare(text)) for pattern in (_ISO, _BRITISH, _NAMED)):
        what = f"{quoted(text)} is no time, nor a date and a time"
        raise CellError(column, what, "write it as 07:00, or as 2026-12-01 07:00")
    return text, ""


def _clock(text: str, column: str) -> _Clock:
    if not text:
        raise CellError(column, "there is no time", _TIME_FIX)
    found = _TIME.fullmatch(text)
    if found is None:
        raise CellError(column, f"{quoted(text)} is no time", _TIME_FIX)
    hour_text, minute, second, joined, half, offset_text = found.groups()
    hour = int(hour_text)
    if not (minute or joined or half):
        raise CellError(column, f"{quoted(text)} is no time", _TIME_FIX)
    if half:
        if not 1 <= hour <= 12:
            raise CellError(column, f"{quoted(text)} is no time", _TIME_FIX)
        hour = hour % 12 + (12 if half.lower().startswith("p") else 0)
    minutes, seconds = int(minute or joined or 0), int(second or 0)
    next_day = (hour, minutes, seconds) == (24, 0, 0)
    try:
        clock = time(0 if next_day else hour, minutes, seconds)
        offset = _offset(offset_text)
    except ValueError as problem:
        # The row is a problem of the file, which is then not imported.
        raise CellError(column, f"{quoted(text)} is no time", _TIME_FIX) from problem
    return _Clock(clock, next_day, offset)


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    minutes = _OFFSETS.get(text.upper())
    if minutes is None:
        sign = -1 if text[0] == "-" else 1
        minutes = sign * (int(text[1:3]) * 60 + int(text[-2:]))
    return timezone(timedelta(minutes=minutes))
