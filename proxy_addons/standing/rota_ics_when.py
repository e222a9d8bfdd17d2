"""Says when an event of a calendar is, by the libraries icalendar and recurring-ical-events.

In: the content lines of a series (an event, or a repeated one with what replaces some of it), the
calendar's time zones. Out: its occurrences.
Must never: repeat an event without end; read a time whose zone is not known as a local one.

The libraries take a quarter of a millisecond for an event, and 13,000 people have 780,000 in two
months: so they are asked once for each text that says when, of which a force has a few hundred, and
not once for each event.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import icalendar
import recurring_ical_events
from icalendar.timezone import tzp

from proxy_addons.standing.rota_entries import PERIOD_AT_MOST
from proxy_addons.standing.rota_ics_lines import name_of
from proxy_addons.standing.rota_problems import CellError, quoted
from proxy_addons.standing.rota_times import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from proxy_addons.standing.rota_entries import Options
    from proxy_addons.standing.rota_ics_lines import Event

_MARK: Final = "X-WATCHHOUSE-EVENT"
_REMEMBERED: Final = 100_000
_ONCE: Final = ("DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID")
_RULE: Final = {
    # What a rule may say. Of a rule that never comes to pass, such as the 30th of February, the
    # libraries look for the first day until the year 9999.
    "FREQ": re.compile(r"DAILY|WEEKLY|MONTHLY|YEARLY"),
    "INTERVAL": re.compile(r"0*[1-9][0-9]{0,2}"),
    "COUNT": re.compile(r"[0-9]{1,6}"),
    "UNTIL": re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?"),
    "BYDAY": re.compile(r"(?:[+-]?[1-5])?(?:MO|TU|WE|TH|FR|SA|SU)"),
    "BYMONTH": re.compile(r"0?[1-9]|1[0-2]"),
    "BYMONTHDAY": re.compile(r"[+-]?(?:0?[1-9]|[12][0-9]|3[01])"),
    "BYSETPOS": re.compile(r"[+-]?(?:0?[1-9]|[12][0-9]|3[01])"),
    "WKST": re.compile(r"MO|TU|WE|TH|FR|SA|SU"),
}
_SHORT_MONTHS: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_TZID = re.compile(r"[A-Z-]+;(?:[^:]*;)?TZID=\"?([^\";:]+)", re.IGNORECASE)
_PROBLEMS: Final = (
    # What the two libraries raise for a text that is no calendar.
    *(ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ArithmeticError, RecursionError),
)


class When(NamedTuple):
    """An occurrence.

    Attributes:
        number: of the event in its series.
        begins: a day, or a time; without a zone it is local.
        ends: as `begins`; of days, the first one after.
    """

    number: int
    begins: date
    ends: date


class UnknownZoneError(CellError):
    """An event names a time zone that is not known, or not yet."""


class Occurrences:
    """Says when the events of one calendar are."""

    def __init__(self, options: Options, utc: Callable[[datetime], datetime]) -> None:
        """Begin a calendar.

        Args:
            options: the days that are wanted.
            utc: makes a time of an event UTC.
        """
        self._options = options
        self._utc = utc
        self._zones: list[str] = []
        self._known: dict[tuple[tuple[str, ...], ...], tuple[When, ...] | CellError] = {}
        tzp.use_default()  # forget the time zones that another calendar defined

    def define(self, lines: Sequence[str]) -> None:
        """Take a time zone that the calendar defines."""
        self._zones += lines

    def of(self, series: Sequence[Event]) -> tuple[When, ...]:
        """When a series is.

        Raises:
            UnknownZoneError: its time zone is not known, or not yet.
            CellError: it does not say when.
        """
        key = tuple(tuple(event.times) for event in series)
        known = self._known.get(key)
        if known is None:
            try:
                known = tuple(self._asked(series))
            except UnknownZoneError:
                # It may be known later, and is not remembered.
                raise
            except CellError as problem:
                # Remembered for the other events with these lines; each is a problem of its own.
                known = problem.again()
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        if isinstance(known, CellError):
            raise known.again()
        return known

    def _asked(self, series: Sequence[Event]) -> Iterator[When]:
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Watchhouse//EN", *self._zones]
        for number, event in enumerate(series):
            _check(event)
            lines += ("BEGIN:VEVENT", "UID:1", f"{_MARK}:{number}", *event.times, "END:VEVENT")
        lines += ("END:VCALENDAR", "")
        try:
            yield from self._found(series, icalendar.Calendar.from_ical("\r\n".join(lines)))
        except CellError:
            # Said already.
            raise
        except _PROBLEMS as problem:
            # Nothing of the file is imported.
            what = f"its time cannot be read ({_shown(problem)})"
            raise CellError("", what, "look at DTSTART, DTEND and RRULE") from problem

    def _found(self, series: Sequence[Event], calendar: icalendar.Component) -> Iterator[When]:
        for zone in calendar.walk("VTIMEZONE"):
            tzp.cache_timezone_component(zone)
        _check_zones(series)
        events = [each for each in calendar.walk("VEVENT") if isinstance(each, icalendar.Event)]
        for event in events:
            for name, what in event.errors:
                raise CellError(str(name), _shown(what), "export it anew")
            _check_year(event.start, "DTSTART")
        if any(event.repeats or event.replaces for event in series):
            first, last = self._window(series, min(_day(event.start) for event in events))
            events = recurring_ical_events.of(calendar).between(first, last)
        for event in events:
            ends = event.end
            if isinstance(event.start, datetime) and (lasts := _exactly(event)):
                # RFC 5545 3.3.6: hours are hours, also in the night when the clocks change.
                ends = self._utc(event.start) + lasts
            _check_year(event.start, "DTSTART")
            _check_year(ends, "DTEND")
            yield When(int(str(event[_MARK])), event.start, ends)

    def _window(self, series: Sequence[Event], begins: date) -> tuple[date, date]:
        """From when to when a repeated event is asked for."""
        rules = [line.upper() for event in series for line in event.times]
        endless = any(
            rule.startswith("RRULE") and "UNTIL=" not in rule and "COUNT=" not in rule
            for rule in rules
        )
        if endless and self._options.last is None:
            what = "it is repeated without end"
            raise CellError("RRULE", what, "say with --until DAY how far the rota goes")
        first = self._options.first or begins
        # A day more than a file may have: that it is too long is then said of the whole.
        last = self._options.last or first + timedelta(days=PERIOD_AT_MOST)
        # Whatever its time zone makes of the days; those that are not wanted are left out later.
        return first - timedelta(days=1), max(first, last) + timedelta(days=2)


def _check(event: Event) -> None:
    """Refuse what would keep the libraries busy for ever, or contradicts itself."""
    names = [name_of(line) for line in event.times]
    for name in _ONCE:
        if names.count(name) > 1:
            raise CellError(name, "it is there more than once", "export it anew")
    if "DTSTART" not in names:
        raise CellError("DTSTART", "there is none", "say when the duty begins")
    for name, line in zip(names, event.times, strict=True):
        value = line.partition(":")[2].strip().upper()
        if name == "RRULE" and not _is_rule(value):
            what = f"{quoted(value)} is no rule for duties"
            raise CellError(name, what, "repeat by days, weeks, months or years")


def _is_rule(text: str) -> bool:
    """Whether it is a rule by which duties can be repeated, and comes to pass."""
    said: dict[str, list[str]] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in said or name not in _RULE:
            return False
        said[name] = value.split(",")
        if not all(_RULE[name].fullmatch(each) for each in said[name]):
            return False
    if "FREQ" not in said or ("BYSETPOS" in said and said["FREQ"] == ["DAILY"]):
        return False
    days = [abs(int(each)) for each in said.get("BYMONTHDAY", ())]
    longest = max(_SHORT_MONTHS.get(int(each), 31) for each in said.get("BYMONTH", ("1",)))
    return not days or min(days) <= longest


def _check_year(at: date, name: str) -> None:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise CellError(name, f"the year is {at.year}", "mend the year")


def _check_zones(series: Sequence[Event]) -> None:
    """Refuse a time zone that the libraries would read as none."""
    for event in series:
        for line in event.times:
            found = _TZID.match(line)
            if found is not None and tzp.timezone(found[1]) is None:
                what = f"the time zone {quoted(found[1])} is not known"
                fix = "export it with one such as Europe/London, or with its VTIMEZONE"
                raise UnknownZoneError(name_of(line), what, fix)


def _exactly(event: icalendar.Component) -> timedelta | None:
    """How long an event lasts, where it says so in hours; None otherwise."""
    lasts = event.get("DURATION")
    if lasts is None or not isinstance(lasts.dt, timedelta) or "T" not in lasts.to_ical().decode():
        return None
    return lasts.dt


def _day(at: date) -> date:
    return at.date() if isinstance(at, datetime) else at


def _shown(what: object) -> str:
    """What a library says, as it may be shown: it quotes the file."""
    return quoted(str(what)).strip("'\"")
