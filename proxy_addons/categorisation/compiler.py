"""Compiles category lists into the index file.

In: lists (tree.py). Out: one index file in place of the one before, and a report.
Must never: hold all names as Python objects (five million would be gigabytes), drop a line without
counting it, or leave half an index.

Two passes. The first turns lines into index texts, feeds them to the trie and spools them to an
unnamed temporary file. Once the trie is built, each text has a number; the second pass reads the
spool and adds to each number's category set. Sets are few, so a number needs one small integer.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

import marisa_trie

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.expressions import ExpressionSet
from proxy_addons.categorisation.indexfile import VALUE_TYPES, value_width, write_index
from proxy_addons.categorisation.reading import read_entries
from proxy_addons.categorisation.report import CategorySourceError, Problems
from proxy_addons.categorisation.sources import fingerprint
from proxy_addons.categorisation.tree import UNCATEGORISED, ListFile, ListTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

# What is being done, how much of it is done, how much there is of it.
type Progress = Callable[[str, int, int], None]
type Label = tuple[str, str, bool]  # list, category, whether it is an exception to it

_STEP = 1 << 16  # texts filed between two calls of progress


@dataclass(frozen=True, slots=True)
class CompileReport:
    """What a compilation did.

    Attributes:
        version: short id of the content.
        entries: distinct names, addresses and URLs in the index.
        expressions: expressions in the index.
        categories: number of categories.
        problems: lines and files that were not used.
        ignored: places that are not used by design.
        size: octets of the index file.
        seconds: time it took.
        peak_memory: highest resident size of this process so far, octets.
    """

    version: str
    entries: int
    expressions: int
    categories: int
    problems: Problems
    ignored: tuple[str, ...]
    size: int
    seconds: float
    peak_memory: int


def nothing(_stage: str, _done: int, _total: int) -> None:
    """The progress of somebody who does not watch."""


def compile_index(
    trees: tuple[ListTree, ...],
    target: Path,
    *,
    progress: Progress = nothing,
    clock: Callable[[], float] = time.time,
) -> CompileReport:
    """Compiles lists into an index file.

    Args:
        trees: the lists, see `read_sources`. The one named `local` overrides the others.
        target: the index file. It is replaced as a whole, and only when the new one is complete.
        progress: told what is being done.
        clock: Unix time, seconds.

    Raises:
        CategorySourceError: when a list cannot be read, no entry at all is usable, or the index
            cannot be written.
    """
    started = clock()
    stamp = fingerprint(trees)  # before reading: a change meanwhile makes the next start compile
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent) as spool:
            work = _Compilation(trees, spool, progress)
            # One trie in place of three nested ones: a quarter less time for a look-up, at the
            # cost of two fifths more room.
            trie = marisa_trie.Trie(work.texts(), num_tries=1)
            values = work.values(trie)
            meta = work.meta(values, stamp, datetime.fromtimestamp(started, UTC))
            progress("writing", 0, 1)
            size = write_index(target, trie, memoryview(values), meta)
            progress("writing", 1, 1)
    except OSError as error:  # the index in force stays
        raise CategorySourceError(
            f"{error.filename or target}: {error.strerror or error}; the index has not changed"
        ) from error
    return CompileReport(
        version=meta["version"],
        entries=len(values),
        expressions=len(meta["expressions"]),
        categories=len(meta["counts"]),
        problems=work.problems,
        ignored=tuple(str(item) for tree in trees for item in tree.ignored),
        size=size,
        seconds=clock() - started,
        peak_memory=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    )


@dataclass(slots=True)
class _Section:
    """Files with the same content: parsed once, for all their categories.

    Attributes:
        file: the first of them, which problems are reported under.
        labels: list and category of each.
        start: where its texts begin in the spool, octets.
        count: number of its texts.
    """

    file: ListFile
    labels: set[Label] = field(default_factory=set)
    start: int = 0
    count: int = 0


class _Sets:
    """Category sets by number. A set is a kind of entry and the labels that it is filed under."""

    def __init__(self) -> None:
        self.known: list[tuple[Kind, frozenset[Label]]] = []
        self._numbers: dict[tuple[Kind, frozenset[Label]], int] = {}

    def number(self, kind: Kind, labels: frozenset[Label]) -> int:
        """Gives the number of a set, from 1. 0 stands for no set yet."""
        known = self._numbers.get((kind, labels))
        if known is None:
            self.known.append((kind, labels))
            known = self._numbers[kind, labels] = len(self.known)
        return known

    def labels(self, number: int) -> frozenset[Label]:
        return self.known[number - 1][1] if number else frozenset()


class _Compilation:
    """One run of the compiler."""

    def __init__(self, trees: tuple[ListTree, ...], spool: BinaryIO, progress: Progress) -> None:
        self.trees = trees
        self.spool = spool
        self.progress = progress
        self.problems = Problems()
        self.sets = _Sets()
        self.content = hashlib.blake2b(digest_size=16)
        self.expressions: dict[str, set[Label]] = {}
        for tree in trees:
            self.problems.extend(tree.problems)
        self.sections = self._sections()

    def _sections(self) -> list[_Section]:
        """Groups equal files (UT1 has the same 130,000 names three times); hashes the content."""
        sections: dict[tuple[Kind, bytes], _Section] = {}
        self.octets = 0
        for tree in self.trees:
            for file in tree.files:
                with file.path.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "blake2b").digest()
                self.content.update(
                    repr((tree.name, file.kind, file.excepts, file.categories, digest)).encode()
                )
                new = _Section(file)
                section = sections.setdefault((file.kind, digest), new)
                section.labels.update(
                    (tree.name, category, file.excepts) for category in file.categories
                )
                if section is new:
                    self.octets += file.path.stat().st_size
        return list(sections.values())

    def texts(self) -> Iterator[str]:
        """First pass: yields every index text and spools it."""
        done = 0
        for section in self.sections:
            section.start = self.spool.tell()
            for found, octets in read_entries(section.file, self.problems):
                if section.file.kind is Kind.EXPRESSIONS:
                    for pattern in found:
                        self.expressions.setdefault(pattern, set()).update(section.labels)
                else:
                    section.count += len(found)
                    self.spool.write("".join(f"{text}\n" for text in found).encode("ascii"))
                    yield from found
                done += octets
                self.progress("reading", min(done, self.octets), self.octets)
        self.progress("building", 0, 1)

    def values(self, trie: Any) -> array[int]:
        """Second pass: gives the number of its category set for each number of the trie."""
        self.progress("building", 1, 1)
        if not len(trie) and not self.expressions:
            raise CategorySourceError(
                "the category lists have no usable entry at all; the index has not changed\n"
                + "\n".join(self.problems.lines())
            )
        values = array("I", bytes(4 * len(trie)))
        total = sum(section.count for section in self.sections)
        number_of = trie.get
        done = 0
        for section in self.sections:
            self.spool.seek(section.start)
            kind, labels = section.file.kind, frozenset(section.labels)
            after: dict[int, int] = {}  # set before: set with this section's labels
            lines = islice(self.spool, section.count)
            while block := list(islice(lines, _STEP)):
                for line in block:
                    place = number_of(line[:-1])
                    before = values[place]
                    if before not in after:
                        together = self.sets.labels(before) | labels
                        after[before] = self.sets.number(kind, together)
                    values[place] = after[before]
                done += len(block)
                self.progress("filing", done, total)
        self.progress("filing", total, total)
        return array(VALUE_TYPES[value_width(len(self.sets.known))], values)

    def meta(self, values: array[int], stamp: str, built: datetime) -> dict[str, Any]:
        """The JSON of the index file."""
        labels = sorted(
            {label for _, labels in self.sets.known for label in labels}.union(
                *self.expressions.values()
            )
        )
        place = {label: number for number, label in enumerate(labels)}
        patterns = sorted(self.expressions)
        try:
            ExpressionSet(patterns)
        except ValueError as error:  # the index in force stays
            raise CategorySourceError(f"{error}; the index has not changed") from error
        descriptions: dict[str, str] = {}
        for tree in self.trees:
            for category, text in tree.descriptions.items():
                descriptions.setdefault(category, text)
        return {
            "version": self.content.hexdigest()[:12],
            "built": built.isoformat(),
            "fingerprint": stamp,
            "labels": labels,
            # number 0 is never given: a value of 0 would be a text that no list has
            "sets": [None]
            + [
                [kind, sorted(place[label] for label in labels)] for kind, labels in self.sets.known
            ],
            "expressions": [
                [pattern, sorted(place[label] for label in self.expressions[pattern])]
                for pattern in patterns
            ],
            "counts": self._counts(values),
            "descriptions": descriptions,
            "skipped": len(self.problems),
            "skipped_first": [str(problem) for problem in self.problems.shown[:20]],
        }

    def _counts(self, values: array[int]) -> dict[str, dict[str, int]]:
        """Distinct entries by category and kind."""
        counts: dict[str, Counter[str]] = {}

        def add(labels: Iterable[Label], kind: Kind, amount: int) -> None:
            listed = {category for _, category, excepts in labels if not excepts}
            for category in listed - {UNCATEGORISED}:
                counts.setdefault(category, Counter())[kind.value] += amount

        for number, amount in Counter(values).items():
            kind, labels = self.sets.known[number - 1]
            add(labels, kind, amount)
        for of_expression in self.expressions.values():
            add(of_expression, Kind.EXPRESSIONS, 1)
        return {category: dict(count) for category, count in sorted(counts.items())}
