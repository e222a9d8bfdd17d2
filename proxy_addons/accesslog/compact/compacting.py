"""Compaction: what was sealed becomes Parquet, an hour at a time, and then a day.

In: the seals, the folder of the segments. Out: files, and the index that names them.
Must never: name a segment twice, or leave one out in silence; remove a file that the index names;
change anything that is evidence.

New files are whole and durable before the index names them, and old ones are removed after it has
ceased to: the index is the only thing that is ever replaced. Whatever moment the power goes, it
names each segment once; what it does not name is removed by the next run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import duckdb

from proxy_addons.accesslog.compact.days import day_file
from proxy_addons.accesslog.compact.index import DAYS, HOURS, Index, ParquetIndexError
from proxy_addons.accesslog.compact.making import (
    SPILL,
    HourJob,
    Means,
    SourceError,
    hour_file,
)
from proxy_addons.accesslog.seal.erasure import ERASURE_KIND, Erasure, states_of
from proxy_addons.accesslog.seal.files import make_folder
from proxy_addons.accesslog.seal.manifest import KIND, Manifest, parsed
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of
from proxy_addons.accesslog.seal.sealing import LOCK
from proxy_addons.accesslog.seal.tiles import TileError
from proxy_addons.accesslog.segment import SegmentName, segments_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from proxy_addons.accesslog.compact.index import File
    from proxy_addons.accesslog.seal.erasure import State
    from proxy_addons.accesslog.seal.sealing import Seals

    type AtOnce = Callable[
        [Callable[[HourJob], File | str], Iterable[HourJob]], Iterable[File | str]
    ]
    """`map`, or what does the same with several at a time."""

MEMORY: Final = 1_000_000_000
"""Octets that DuckDB may take for a day; what is more goes to a file."""
_HOUR_MEMORY: Final = 400_000_000
_PATIENCE: Final = timedelta(hours=6)
"""So long after its end a day waits for segments that have not ended in order."""


class CompactError(Exception):
    """Nothing more was compacted; what was before still counts. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What came of it.

    Attributes:
        hours: files of segments that were made.
        days: days that were made, `20261121`.
        problems: segments that could not be read, and why; all that are so now.
        index: as it is now.
    """

    hours: int
    days: tuple[str, ...]
    problems: tuple[str, ...]
    index: Index


def compact(
    access: Path,
    seals: Seals,
    folder: Path,
    *,
    now: float,
    memory: int = MEMORY,
    at_once: AtOnce = map,
    told: Callable[[str, int, int], None] = lambda _what, _done, _whole: None,
) -> Compacted:
    """Make Parquet of all that was sealed and is in none, and one file of each day that is over.

    Blocks for as long as it takes: call it in a process, or a thread, of its own.

    Args:
        access: the folder of the segments.
        seals: the folder of the seals.
        folder: the folder of the Parquet files.
        now: seconds since 1970.
        memory: octets that DuckDB may take.
        at_once: makes files of segments: `map`, or that of a pool, for several at a time.
        told: is told what is done, how many of how many.

    Raises:
        CompactError: the index, the log or a file is damaged, or another process is at it.
        OSError: something could not be read or written.
    """
    with locked(folder):
        try:
            index = _without_harmed(Index.read(folder), folder)
            sealed = sealed_now(seals)
            _tidy(folder, index)
            index, made = _hours(index, sealed, folder, memory, at_once, told)
            index, days = _days(index, access, sealed.manifests, folder, now, memory, told)
        except ParquetIndexError as problem:
            raise CompactError(str(problem)) from problem
        except (duckdb.Error, SourceError) as problem:
            # The index still names what was there before; a day that failed is tried again.
            raise CompactError(f"{folder}: {problem}") from problem
        finally:
            shutil.rmtree(folder / SPILL, ignore_errors=True)  # of our own making alone
    problems = tuple(index.problems.values())
    return Compacted(made, days, problems, index)


def forget(folder: Path, segments: frozenset[str]) -> None:
    """Take segments out of the files: their days are made anew, of what is sealed, without them.

    For those who have erased lines, and sealed others in their place, or none.

    Raises:
        CompactError: the index is damaged, or another process is at it.
        OSError: it could not be written.
    """
    with locked(folder):
        try:
            index = Index.read(folder)
        except ParquetIndexError as problem:
            raise CompactError(str(problem)) from problem
        gone = {
            file.name
            for file in index.files
            if any(each.name in segments for each in file.segments)
        }
        if gone:
            index.with_files((), frozenset(gone)).write(folder)
        _tidy(folder, index.with_files((), frozenset(gone)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold what only one process may hold at a time.

    Raises:
        CompactError: another one does.
        OSError: the lock cannot be had.
    """
    make_folder(folder)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise CompactError(f"{folder} is being compacted by another process") from problem
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class SealedNow:
    """What is sealed.

    Attributes:
        seals: where.
        manifests: by the names of segments; not of those that were erased whole.
        states: what erasures have left, by name.
    """

    seals: Seals
    manifests: dict[str, Manifest]
    states: dict[str, State]


def sealed_now(seals: Seals) -> SealedNow:
    """What is sealed, and what erasures have left of it.

    Raises:
        CompactError: it cannot be read, or is not what was signed.
    """
    try:
        note = seals.note()
        if not note:
            return SealedNow(seals, {}, {})
        checkpoint = Checkpoint.parse(parts_of(note)[0])
        seals.tiles.forget()
        if seals.tiles.root(checkpoint.size) != checkpoint.root:
            raise CompactError(f"{seals.folder}: the tiles are not what was signed. {_LOOK}")
        entries = [entry for _, entry in seals.tiles.entries(checkpoint.size)]
        kinds = [(parsed(entry)["kind"], entry) for entry in entries]
        states = states_of(Erasure.parse(entry) for kind, entry in kinds if kind == ERASURE_KIND)
        sealed = [Manifest.parse(entry) for kind, entry in kinds if kind == KIND]
        gone = {name for name, state in states.items() if state.whole}
        there = {each.name: each for each in sealed if each.name not in gone}
        return SealedNow(seals, there, states)
    except (NoteError, TileError, ValueError) as problem:
        raise CompactError(f"{seals.folder}: {problem}. {_LOOK}") from problem


_LOOK: Final = "Nothing was compacted; `watchhouse log verify` says what was changed."


def _without_harmed(index: Index, folder: Path) -> Index:
    """The index without files that are gone or were cut: their segments are made anew."""
    harmed = frozenset(
        each.name
        for each in index.files
        if not (path := folder / each.name).is_file() or path.stat().st_size != each.octets
    )
    if not harmed:
        return index
    index = index.with_files((), harmed)
    index.write(folder)
    return index


def _tidy(folder: Path, index: Index) -> None:
    """Remove what a crash left behind, and files that were replaced."""
    named = {folder / each.name for each in index.files}
    for sort in (HOURS, DAYS):
        for path in (folder / sort).glob("*.parquet*"):
            if path not in named:
                path.unlink()
    shutil.rmtree(folder / SPILL, ignore_errors=True)


def _hours(
    index: Index,
    sealed: SealedNow,
    folder: Path,
    memory: int,
    at_once: AtOnce,
    told: Callable[[str, int, int], None],
) -> tuple[Index, int]:
    """A file for each segment that is in none."""
    means = Means(folder, min(memory, _HOUR_MEMORY), 1)
    jobs = [
        _job(sealed.seals, name, manifest, sealed.states.get(each), means)
        for each, manifest in sorted(sealed.manifests.items())
        if each not in index.segments and (name := SegmentName.parse(each)) is not None
    ]
    problems: dict[str, str] = {}
    made: list[File] = []
    for done, (job, found) in enumerate(zip(jobs, at_once(hour_file, jobs), strict=True), 1):
        if isinstance(found, str):
            problems[job.manifest.name] = found
        else:
            made.append(found)
        told("segments", done, len(jobs))
    if made or problems != index.problems:
        index = replace(index.with_files(tuple(made)), problems=problems)
        index.write(folder)
    return index, len(made)


def _job(
    seals: Seals, name: SegmentName, manifest: Manifest, state: State | None, means: Means
) -> HourJob:
    if state is None:
        return HourJob(seals.packed(name), manifest, means)
    lines, kept = seals.rest(name, state.number)
    return HourJob(lines, manifest, means, kept, state.rest.lines)


def _days(
    index: Index,
    access: Path,
    sealed: dict[str, Manifest],
    folder: Path,
    now: float,
    memory: int,
    told: Callable[[str, int, int], None],
) -> tuple[Index, tuple[str, ...]]:
    """One file for each day that is over, and again where segments came late."""
    waiting = {name.hour[:8] for name, _ in segments_in(access) if str(name) not in sealed}
    days: dict[str, list[File]] = defaultdict(list)
    for each in index.files:
        days[each.day].append(each)
    wanted = [
        day
        for day, files in sorted(days.items())
        if any(each.name.startswith(HOURS) for each in files)
        and _over(day, now, patient=day in waiting)
    ]
    means = Means(folder, memory, 2)
    for done, day in enumerate(wanted, 1):
        old = frozenset(each.name for each in days[day])
        taken = frozenset(each.name for each in index.files)
        new = day_file(day, days[day], means, taken=taken)
        index = index.with_files((new,), old)
        index.write(folder)
        for name in old:
            (folder / name).unlink()
        told("days", done, len(wanted))
    return index, tuple(wanted)


def _over(day: str, now: float, *, patient: bool) -> bool:
    end = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
    return datetime.fromtimestamp(now, UTC) >= end + (_PATIENCE if patient else timedelta(0))
