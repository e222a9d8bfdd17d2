"""Cuts an iCalendar file into calendars and events, with the line on which each begins.

In: text. Out: content lines, unfolded (RFC 5545 3.1), and events of what is wanted of them.
Must never: hold all lines at once; follow components without end into each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from icalendar.parser import Contentline

from proxy_addons.standing.rota_problems import CellError, file_error, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.standing.rota_entries import Progress

OURS: Final = "X-WATCHHOUSE-PERSON"
"""Property with a login name, for duty systems whose addresses do not begin with it."""
_TIME: Final = frozenset(
    {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SEQUENCE"}
)
_KEPT: Final = frozenset({"SUMMARY", "CATEGORIES", "STATUS", OURS})
_LINE_AT_MOST: Final = 65_536  # characters, unfolded
_DEEP: Final = 8  # components within each other
_TOLD_EVERY: Final = 100_000  # lines
_NAME = re.compile(r"([A-Za-z0-9-]{1,60})(?=[;:])")


class Line(NamedTuple):
    """A content line.

    Attributes:
        row: line of the file on which it begins, from 1.
        name: of the property, in capitals.
        text: all of it.
    """

    row: int
    name: str
    text: str

    @property
    def value(self) -> str:
        """What is behind the first colon; for properties without parameters."""
        return self.text.partition(":")[2].strip()


@dataclass(slots=True)
class Event:
    """An event as it stands in the file.

    Attributes:
        row: line on which it begins.
        times: content lines that say when it is.
        uid: content line, or empty.
        attendees: content lines.
        texts: further content lines, by name.
        repeats: whether it has a rule or dates of recurrence.
        replaces: whether it replaces one occurrence of another event.
    """

    row: int
    times: list[str] = field(default_factory=list)
    uid: str = ""
    attendees: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    repeats: bool = False
    replaces: bool = False


def lines_of(text: str, file: str, progress: Progress | None) -> Iterator[Line]:
    """The content lines of a file.

    Raises:
        RotaFileError: it is no iCalendar file.
    """
    total = text.count("\n") + 1
    for number, (row, line) in enumerate(_unfolded(text, file)):
        if progress is not None and number % _TOLD_EVERY == 0:
            progress("reading", row, total)
        if not line.strip():
            continue
        found = _NAME.match(line)
        if found is None:
            what = f"{quoted(line)} is no line of an iCalendar file"
            raise file_error(file, what, "export it as iCalendar (.ics) or as CSV", row)
        yield Line(row, found[1].upper(), line)
    if progress is not None:
        progress("reading", total, total)


def component(lines: Iterator[Line], begin: Line, file: str, depth: int = 2) -> list[str]:
    """The lines of a component, of which the first was read already.

    Raises:
        RotaFileError: it has no end.
    """
    found = [begin.text]
    for line in lines:
        if line.name == "BEGIN":
            if depth >= _DEEP:
                what = "components are too deep within each other"
                raise file_error(file, what, "export it anew", line.row)
            found += component(lines, line, file, depth + 1)
            continue
        found.append(line.text)
        if line.name == "END":
            return found
    raise file_error(file, "a component has no end", "export it anew", begin.row)


def event(lines: Iterator[Line], row: int, file: str) -> Event:
    """An event, of which the first line was read already.

    Raises:
        RotaFileError: it has no end.
    """
    found = Event(row)
    for line in lines:
        name = line.name
        if name == "END":
            return found
        if name == "BEGIN":
            component(lines, line, file, 3)  # an alarm
        elif name in _TIME:
            found.times.append(line.text)
            found.repeats |= name in {"RRULE", "RDATE"}
            found.replaces |= name == "RECURRENCE-ID"
        elif name == "ATTENDEE":
            found.attendees.append(line.text)
        elif name == "UID":
            found.uid = line.text
        elif name in _KEPT:
            found.texts[name] = line.text
    raise file_error(file, "an event has no end", "export it anew", row)


def name_of(line: str) -> str:
    """The name of a content line's property, in capitals."""
    found = _NAME.match(line)
    return found[1].upper() if found else ""


def parts(line: str) -> tuple[dict[str, str], str]:
    """Parameters, by name in capitals, and value of a content line.

    Raises:
        CellError: it cannot be read.
    """
    try:
        _, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
    except ValueError as problem:
        # The event is a problem of the file, which is then not imported.
        raise CellError(name_of(line), f"{quoted(line)} cannot be read", "export it anew") from (
            problem
        )
    return {str(name).upper(): str(each) for name, each in parameters.items()}, value


def _unfolded(text: str, file: str) -> Iterator[tuple[int, str]]:
    held, first = None, 0
    for row, line in enumerate(_raw(text), 1):
        if held is not None and line[:1] in {" ", "\t"}:
            held += line[1:]
            if len(held) > _LINE_AT_MOST:
                raise file_error(file, "the line is too long", "export the rota alone", first)
            continue
        if held is not None:
            yield first, held
        held, first = line, row
    if held is not None:
        yield first, held


def _raw(text: str) -> Iterator[str]:
    """Lines, one at a time: all at once would take several times the text's memory."""
    place = 0
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        yield text[place:end].removesuffix("\r")
        place = end + 1
