"""Cuts an iCalendar file into calendars and events, with the line on which each begins.

In: text. Out: content lines, unfolded (RFC 5545 3.1), and events of what is wanted of them.
Must never: hold all lines at once; follow components without end into each other.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from icalendar.parser import Contentline

from proxy_addons.standing.rota_problems import CellError, file_error, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OURS: Final = "X-WATCHHOUSE-PERSON"
"""Property with a login name, for duty systems whose addresses do not begin with it."""
_TIME: Final = frozenset(
    {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SEQUENCE"}
)
_SERIES: Final = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
_KEPT: Final = frozenset({"SUMMARY", "CATEGORIES", "STATUS", OURS})
_LINE_AT_MOST: Final = 65_536  # characters, unfolded
_FOLDED: Final = frozenset({" ", "\t"})
_DEEP: Final = 8  # components within each other
_NAME = re.compile(r"([A-Za-z0-9-]{1,60})(?=[;:])")


type Line = tuple[int, str, str]
"""A content line: the line of the file on which it begins, from 1; the property's name in capitals;
all of its text. A plain tuple: there are millions."""


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


def lines_of(pieces: Iterable[str], file: str) -> Iterator[Line]:
    """The content lines of a file, with those that go on in the next one put together (3.1).

    Args:
        pieces: its text, in whole lines.
        file: its name.

    Raises:
        RotaFileError: it is no iCalendar file.
    """
    held, first, row = "", 0, 0
    match = _NAME.match
    # A line is whole when the next one begins: an empty one behind the last.
    for piece in itertools.chain(pieces, ("",)):
        for line in piece.replace("\r\n", "\n").removesuffix("\n").split("\n"):
            row += 1
            if first and line[:1] in _FOLDED:
                held += line[1:]
                if len(held) > _LINE_AT_MOST:
                    raise file_error(file, "the line is too long", "export the rota alone", first)
                continue
            if found := match(held):
                yield first, found[1].upper(), held
            elif held.strip():
                what = f"{quoted(held)} is no line of an iCalendar file"
                raise file_error(file, what, "export it as iCalendar (.ics) or as CSV", first)
            held, first = line, row


def value_of(line: Line) -> str:
    """What is behind the first colon; for properties without parameters."""
    return line[2].partition(":")[2].strip()


def component(lines: Iterator[Line], begin: Line, file: str, depth: int = 2) -> list[str]:
    """The lines of a component, of which the first was read already.

    Raises:
        RotaFileError: it has no end.
    """
    found = [begin[2]]
    for line in lines:
        row, name, text = line
        if name == "BEGIN":
            if depth >= _DEEP:
                what = "components are too deep within each other"
                raise file_error(file, what, "export it anew", row)
            found += component(lines, line, file, depth + 1)
            continue
        found.append(text)
        if name == "END":
            return found
    raise file_error(file, "a component has no end", "export it anew", begin[0])


def event(lines: Iterator[Line], row: int, file: str) -> Event:
    """An event, of which the first line was read already.

    Raises:
        RotaFileError: it has no end.
    """
    found = Event(row)
    for line in lines:
        _, name, text = line
        if name in _TIME:
            found.times.append(text)
            if name in _SERIES:
                found.repeats |= name != "RECURRENCE-ID"
                found.replaces |= name == "RECURRENCE-ID"
        elif name == "ATTENDEE":
            found.attendees.append(text)
        elif name == "UID":
            found.uid = text
        elif name in _KEPT:
            found.texts[name] = text
        elif name == "END":
            return found
        elif name == "BEGIN":
            component(lines, line, file, 3)  # an alarm
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
