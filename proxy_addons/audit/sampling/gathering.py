"""Rosters from elsewhere: a file that somebody made, or everybody whom the directory has.

In: CSV, or entries of the directory. Out: a roster to draw from.
Must never: leave anybody out silently: a line that makes no sense stops the whole file.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.strata import SERVICES, Entry, RosterError, strata_of
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.audit.sampling.strata import Stratum
    from proxy_addons.identity.entries import Entry as Person

HEADINGS: Final = ("name", "class", "unit")
_LONGEST_UNIT: Final = 256


def from_csv(text: str) -> tuple[Entry, ...]:
    """A roster out of CSV (RFC 4180) with a line of headings: `name,class,unit`.

    Args:
        text: of the file; `class` is officer, staff or other. A unit may be empty.

    Raises:
        RosterError: it cannot be drawn from; the text says which line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    found: list[Entry] = []
    try:
        first = next(reader, [])
        if tuple(each.strip().casefold() for each in first) != HEADINGS:
            raise RosterError(f"line 1: a roster begins with the headings {','.join(HEADINGS)}")
        found.extend(
            _entry(cells, reader.line_num)
            for cells in reader
            if any(each.strip() for each in cells)
        )
    except csv.Error as problem:
        # Nothing is drawn from half a file.
        msg = f"line {reader.line_num}: this is no CSV ({problem})"
        raise RosterError(msg) from problem
    strata_of(found)
    return tuple(found)


def from_directory(people: Iterable[Person]) -> tuple[Entry, ...]:
    """A roster of everybody whom the directory has.

    The class is what `directory.kind_attribute` says: officer, staff; of all others, `other`.

    Raises:
        RosterError: it cannot be drawn from.
    """
    found = tuple(
        Entry.of(each.name, _class(each.kind or ""), (each.unit or "").strip()[:_LONGEST_UNIT])
        for each in people
    )
    strata_of(found)
    return found


def sizes(roster: Iterable[Entry]) -> Mapping[Stratum, int]:
    """How many people are in each stratum: a preview.

    Raises:
        RosterError: it cannot be drawn from.
    """
    return {stratum: len(names) for stratum, names in strata_of(roster).items()}


def _entry(cells: list[str], line: int) -> Entry:
    if len(cells) != len(HEADINGS):
        msg = f"line {line}: a line has {len(HEADINGS)} cells, this one {len(cells)}"
        raise RosterError(msg)
    name, service, unit = (each.strip() for each in cells)
    try:
        name = canonical_name(name)
    except ValueError as problem:
        # As above.
        msg = f"line {line}: the first cell is no login name ({problem})"
        raise RosterError(msg) from problem
    if service.casefold() not in SERVICES:
        msg = f"line {line}: the class is one of {', '.join(SERVICES)}"
        raise RosterError(msg)
    if len(unit) > _LONGEST_UNIT or not unit.isprintable():
        msg = f"line {line}: a unit has at most {_LONGEST_UNIT} printable characters"
        raise RosterError(msg)
    return Entry.of(name, service.casefold(), unit)


def _class(kind: str) -> str:
    said = kind.strip().casefold()
    return said if said in SERVICES else "other"
