"""Compares two lists entry by entry: what came, what went, what changed its category.

In: two sides (sides.py). Out: counts and a few examples by category.
Must never: hold more than a part of the entries at once, whatever their number.

Both sides are dealt into parts by a hash of the entry, in files; then each part is compared by
itself. A part of five million entries holds eighty thousand.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, cast

from proxy_addons.categorisation.entries import readable
from proxy_addons.categorisation.report import CategorySourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from proxy_addons.categorisation.updates.sides import Side

_PARTS: Final = 64
_EXAMPLES: Final = 5
_IN_MEMORY: Final = 1 << 16  # octets of a part; what is larger is on disk
_NONE: Final[frozenset[str]] = frozenset()

type Change = tuple[frozenset[str], frozenset[str]]
"""Categories before and after."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How one category, or a list as a whole, has changed. Entries are counted once.

    Attributes:
        before: entries on the old side.
        after: entries on the new side.
        added: entries of the new side that the old one has not there.
        removed: entries of the old side that the new one has not there.
        examples_added: some of those added, as a person writes them.
        examples_removed: some of those removed.
    """

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    examples_added: tuple[str, ...] = ()
    examples_removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What two sides differ in.

    Attributes:
        whole: all entries, whatever their category: one that moved is neither added nor removed.
        categories: by category, those that have not changed included.
        moved: entries that left one category and came into another, by both; with examples.
    """

    whole: Amounts
    categories: Mapping[str, Amounts]
    moved: Mapping[tuple[str, str], tuple[int, tuple[str, ...]]]

    @property
    def is_empty(self) -> bool:
        """Whether both sides say the same."""
        return not any(each.added or each.removed for each in self.categories.values())


def compare(old: Side, new: Side, work: Path) -> Difference:
    """Compares two sides.

    Args:
        old: what was.
        new: what comes.
        work: a folder for files that have no name.

    Raises:
        CategorySourceError: a side cannot be read, or the disk is full.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        tally = _Tally()
        with _Dealt(old, work) as before, _Dealt(new, work) as after:
            for number in range(_PARTS):
                tally.part(before.part(number), after.part(number))
        return tally.difference()
    except OSError as error:  # nothing is changed by a comparison
        raise CategorySourceError(
            f"{error.filename or work}: cannot be compared: {error.strerror or error}"
        ) from error


class _Dealt:
    """One side, dealt into files by a hash of the entry."""

    def __init__(self, side: Side, work: Path) -> None:
        self._sets: list[frozenset[str]] = []
        self._files: list[BinaryIO] = []
        try:
            for _ in range(_PARTS):
                file = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+b", dir=str(work))  # noqa: SIM115 - closed by __exit__
                self._files.append(cast("BinaryIO", file))
            self._deal(side)
        except BaseException:  # nothing is left behind: the files have no names
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def _deal(self, side: Side) -> None:
        numbers: dict[frozenset[str], int] = {}
        crc32 = zlib.crc32
        for expressions, categories, texts in side.batches():
            if categories not in numbers:
                numbers[categories] = len(self._sets)
                self._sets.append(categories)
            head = b"%d\t%c" % (numbers[categories], b"e" if expressions else b"n")
            parts: list[list[bytes]] = [[] for _ in range(_PARTS)]
            for text in texts:
                line = text.encode("utf-8", "surrogateescape")
                parts[crc32(line) % _PARTS].append(line)
            for file, lines in zip(self._files, parts, strict=True):
                if lines:
                    file.write(head + (b"\n" + head).join(lines) + b"\n")

    def part(self, number: int) -> dict[bytes, frozenset[str]]:
        """The entries of a part, with their categories."""
        file, sets = self._files[number], self._sets
        file.seek(0, os.SEEK_SET)
        found: dict[bytes, frozenset[str]] = {}
        for line in file:
            place, _, entry = line.partition(b"\t")
            categories = sets[int(place)]
            known = found.get(entry)
            found[entry] = categories if known is None else known | categories
        return found


@dataclass(slots=True)
class _Tally:
    """Counts by what changed: of all else only a few examples are kept."""

    changes: Counter[Change] = field(default_factory=Counter)
    examples: dict[Change, list[str]] = field(default_factory=dict)

    def part(self, old: dict[bytes, frozenset[str]], new: dict[bytes, frozenset[str]]) -> None:
        """Count one part."""
        for entry, before in old.items():
            self._count(entry, before, new.pop(entry, _NONE))
        for entry, after in new.items():
            self._count(entry, _NONE, after)

    def _count(self, entry: bytes, before: frozenset[str], after: frozenset[str]) -> None:
        change = (before, after)
        self.changes[change] += 1
        if before != after:
            shown = self.examples.setdefault(change, [])
            if len(shown) < _EXAMPLES:
                shown.append(_shown(entry))

    def difference(self) -> Difference:
        """What the counts say."""
        whole = _Sum()
        by_category: dict[str, _Sum] = {}
        moved: dict[tuple[str, str], _Sum] = {}
        for change, amount in sorted(self.changes.items(), key=_in_order):
            before, after = change
            examples = self.examples.get(change, [])
            whole.add(bool(before), bool(after), amount, examples)
            for category in before | after:
                sums = by_category.setdefault(category, _Sum())
                sums.add(category in before, category in after, amount, examples)
            for left in before - after:
                for come in after - before:
                    moved.setdefault((left, come), _Sum()).add(
                        was=False, is_now=True, amount=amount, examples=examples
                    )
        return Difference(
            whole.amounts(),
            {category: sums.amounts() for category, sums in sorted(by_category.items())},
            {pair: (sums.added, tuple(sums.come)) for pair, sums in sorted(moved.items())},
        )


def _in_order(item: tuple[Change, int]) -> tuple[list[str], list[str]]:
    return sorted(item[0][0]), sorted(item[0][1])


def _shown(entry: bytes) -> str:
    text = entry[1:].rstrip(b"\n").decode("utf-8", "surrogateescape")
    return ascii(text)[1:-1] if entry[:1] == b"e" else readable(text)


@dataclass(slots=True)
class _Sum:
    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    come: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def add(self, was: bool, is_now: bool, amount: int, examples: list[str]) -> None:
        self.before += was * amount
        self.after += is_now * amount
        if is_now and not was:
            self.added += amount
            self.come += examples[: _EXAMPLES - len(self.come)]
        if was and not is_now:
            self.removed += amount
            self.gone += examples[: _EXAMPLES - len(self.gone)]

    def amounts(self) -> Amounts:
        return Amounts(
            self.before, self.after, self.added, self.removed, tuple(self.come), tuple(self.gone)
        )


def as_pairs(difference: Difference) -> Iterator[tuple[str, Amounts]]:
    """The categories that have changed, the greatest changes first."""
    changed = [
        (name, each) for name, each in difference.categories.items() if each.added or each.removed
    ]
    yield from sorted(changed, key=lambda item: (-item[1].added - item[1].removed, item[0]))
