"""What formats have in common: their names, and what they read a line into.

In: a file. Out: its lines with their numbers; entries in our own terms.
Must never: give an entry that the compiler would read as another one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.categorisation.entries import PARSERS, EntryError, Kind, readable, reversed_name
from proxy_addons.categorisation.lines import MAX_LINE, batches
from proxy_addons.urlkey import is_canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Format(StrEnum):
    """How a list is written. AUTO finds out by what is in it."""

    AUTO = "auto"
    SQUIDGUARD = "squidguard"
    DOMAINS = "domains"
    HOSTS = "hosts"
    ADBLOCK = "adblock"
    RPZ = "rpz"
    E2GUARDIAN = "e2guardian"


class Entry(NamedTuple):
    """What a line of any format comes to.

    Attributes:
        kind: what it is.
        line: how our own list files write it.
        text: its index text; of an expression the pattern.
        excepts: it is what is not in the category.
        strong: it stands above those that are not, whichever is more specific.
        number: of the line it stands on.
        place: the file it stands in, where a reader reads several.
        category: what it is filed under, where the format says so.
    """

    kind: Kind
    line: str
    text: str
    excepts: bool = False
    strong: bool = False
    number: int = 0
    place: str = ""
    category: str = ""


def entry(
    kind: Kind, written: str, number: int, *, excepts: bool = False, strong: bool = False
) -> Entry:
    """Makes an entry of what a line says.

    Raises:
        EntryError: when our own list files cannot say it.
    """
    if kind is Kind.DOMAINS and is_canonical_name(written):  # nearly all there are
        return Entry(kind, written, reversed_name(written), excepts, strong, number)
    text = PARSERS[kind](written)
    if text is None:
        raise EntryError("nothing where a name should be")
    # Names are written out again in one spelling. A URL stays as it was: its escapes are undone
    # once, and undoing them twice could make another of it.
    line = readable(text) if kind in {Kind.DOMAINS, Kind.HOSTS} else written.strip()
    return Entry(kind, line, text, excepts, strong, number)


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file without white space around them, and their numbers from 1.

    A line that is too long comes cut, see `lines.batches`; `too_long` tells.

    Raises:
        OSError: when the file cannot be read.
    """
    for first, lines in batches(path):
        for number, line in enumerate(lines, first):
            yield number, line.strip()


def too_long(line: str) -> None:
    """Refuses a line that has been cut.

    Raises:
        EntryError: then.
    """
    if len(line) > MAX_LINE:
        raise EntryError(f"the line is longer than {MAX_LINE} octets")
