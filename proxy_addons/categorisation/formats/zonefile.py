"""Reads the text of DNS zones (RFC 1035, section 5.1; $TTL: RFC 2308) in bounded memory.

In: a file. Out: its records, with owners in full.
Must never: read another file ($INCLUDE), or hold more than one record.

A library for zones reads a whole zone into objects first; of a response policy zone with a million
names only the owner, the type and the first word of the data are wanted, and the line number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.categorisation.entries import EntryError
from proxy_addons.categorisation.lines import MAX_LINE, batches
from proxy_addons.categorisation.report import CategoryImportError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from proxy_addons.categorisation.report import Problems

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|;|(?:[^\s();"\\]|\\.)+|.', re.DOTALL)
_SPECIAL = re.compile(r'[();"\\]')
_TTL = re.compile(r"(?=[0-9])(?:[0-9]+[smhdw])*[0-9]*", re.IGNORECASE | re.ASCII)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
_CLASSES = {"IN", "CH", "HS", "CS", "ANY"}
_LONGEST = 1024  # characters of a name in full, escapes counted
_MOST_WORDS = 10_000  # of one record: more is an open parenthesis that nobody has closed


class Record(NamedTuple):
    """One record.

    Attributes:
        line: where it begins.
        owner: its name, lower case, without the dot at the end.
        absolute: whether the owner was in full, or there is an $ORIGIN to make it so.
        origin: the first $ORIGIN, without the dot at its end; None without one.
        type: upper case.
        data: its words; names in full, with the dot, where they are so written.
    """

    line: int
    owner: str
    absolute: bool
    origin: str | None
    type: str
    data: list[str]


def records(path: Path, place: str, problems: Problems) -> Iterator[Record]:
    """Yields the records of a zone.

    Raises:
        CategoryImportError: when it wants to include another file.
        OSError: when the file cannot be read.
    """
    zone = _Zone()
    for number, blank, words in _entries(path, place, problems):
        try:
            record = zone.record(number, words, blank=blank)
        except EntryError as error:  # this record is not used, and said so
            problems.add(place, number, str(error))
        else:
            if record is not None:
                yield record


def _entries(path: Path, place: str, problems: Problems) -> Iterator[tuple[int, bool, list[str]]]:
    """Lines put together where parentheses say so: number, whether it begins blank, words."""
    words: list[str] = []
    depth = start = 0
    blank = False
    for first, lines in batches(path):
        for number, line in enumerate(lines, first):
            if not depth:
                words, start, blank = [], number, line[:1] in {" ", "\t"}
            if len(line) > MAX_LINE:
                problems.add(place, number, f"the line is longer than {MAX_LINE} octets")
                words, depth = [], 0
                continue
            for word in _words(line):
                if word in {"(", ")"}:
                    depth = depth + 1 if word == "(" else max(0, depth - 1)
                else:
                    words.append(word)
            if len(words) > _MOST_WORDS:
                problems.add(place, start, "a record without an end: a parenthesis is left open")
                words, depth = [], 0
            if words and not depth:
                yield start, blank, words
                words = []
    if words:
        problems.add(place, start, "a record without an end: a parenthesis is left open")


def _words(line: str) -> Iterable[str]:
    return _apart(line) if _SPECIAL.search(line) else line.split()


def _apart(line: str) -> Iterator[str]:
    for found in _TOKEN.finditer(line):
        word = found[0]
        if word == ";":
            return
        if not word.isspace():
            yield word


class _Zone:
    """What a record leaves for the next: origin and owner."""

    def __init__(self) -> None:
        self.origin: str | None = None
        self.first: str | None = None
        self.owner: tuple[str, bool] | None = None

    def record(self, line: int, words: list[str], *, blank: bool) -> Record | None:
        if words[0].startswith("$") and not blank:
            self._directive(words)
            return None
        if not blank:
            self.owner = self._full(words[0])
            words = words[1:]
        if self.owner is None:
            raise EntryError("a record without an owner, and none before it")
        place = 0
        while place < len(words) and (
            _TTL.fullmatch(words[place]) or words[place].upper() in _CLASSES
        ):
            place += 1
        if place >= len(words) or not _TYPE.fullmatch(words[place]):
            raise EntryError(f"no record: {quoted(' '.join(words[:5]))}")
        owner, absolute = self.owner
        kind = words[place].upper()
        return Record(line, owner, absolute, self.first, kind, words[place + 1 :])

    def _directive(self, words: list[str]) -> None:
        name = words[0].upper()
        if name == "$INCLUDE":
            raise CategoryImportError(
                "the zone includes another file ($INCLUDE), which is not read: "
                "give the zone whole, as a transfer of it is"
            )
        if name == "$ORIGIN" and len(words) > 1:
            origin, absolute = self._full(words[1])
            if not absolute:
                raise EntryError(f"an $ORIGIN that is not in full: {quoted(words[1])}")
            self.origin = origin
            self.first = origin if self.first is None else self.first
        elif name != "$TTL":
            raise EntryError(f"a directive that is not read: {quoted(words[0])}")

    def _full(self, name: str) -> tuple[str, bool]:
        """A name in lower case without the dot at its end, and whether it is in full."""
        if len(name) > _LONGEST:
            raise EntryError(f"a name longer than any name is: {quoted(name)}")
        name = name.lower()
        if name == "@":
            return self.origin or "", self.origin is not None
        if name.endswith("."):
            return name[:-1], True
        if self.origin is None:
            return name, False
        if len(name) + len(self.origin) > _LONGEST:
            raise EntryError(f"with its origin a name longer than any name is: {quoted(name)}")
        return f"{name}.{self.origin}" if self.origin else name, True
