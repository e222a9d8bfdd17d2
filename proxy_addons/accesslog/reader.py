"""Reading the access log: complete records, of all workers, in the order of time.

In: the folder of the segments, and what is wanted. Out: records, each with the place it stands at.
Must never: show a torn or given-up tail as a record; hold a segment, or a record, back in silence
(what could not be read is counted and named); change anything.

Records are put in order by when they were written: hour by hour after the names of the segments,
and within an hour by the end of each transaction. Workers write a little apart and clocks step, so
the order between workers is good to a moment; within a worker it is exact.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from proxy_addons.accesslog.reference import issued_at, worker_of
from proxy_addons.accesslog.segment import SegmentName, counted_bytes, segments_in
from proxy_addons.accesslog.tails import end_of_last_line, lines_backward, lines_forward
from proxy_addons.accesslog.unpacked import (
    PACKED,
    numbered,
    packed_in,
    sealed_in,
    unpacked,
    unpacked_file,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and where it stands.

    Attributes:
        record: the fields; those of docs/access-log.md when Watchhouse wrote it.
        raw: the line, without its newline, byte for byte.
        segment: the file.
        offset: byte at which the line begins.
    """

    record: dict[str, Any]
    raw: bytes
    segment: Path
    offset: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted: those that meet everything that is not None.

    Attributes:
        person: exact proven name.
        host: a host, or a domain whose subdomains count too.
        actions: one of these, such as `block`.
        since: records of transactions that began at this time (aware) or later.
        until: ... and before this one.
        reference: number in its canonical form.
    """

    person: str | None = None
    host: str | None = None
    actions: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    reference: str | None = None

    def wants(self, record: Mapping[str, Any]) -> bool:
        """Returns whether a record meets the filter."""
        if self.reference is not None and record.get("id") != self.reference:
            return False
        if self.person is not None and record.get("person") != self.person:
            return False
        if self.actions is not None and record.get("action") not in self.actions:
            return False
        if self.host is not None:
            host, wanted = record.get("host"), self.host.lower().rstrip(".")
            if not isinstance(host, str) or not f".{host}".endswith(f".{wanted}"):
                return False
        if self.since is not None or self.until is not None:
            start = started(record)
            if start is None:
                return False
            return (self.since is None or start >= self.since) and (
                self.until is None or start < self.until
            )
        return True


EVERYTHING = Filter()


def started(record: Mapping[str, Any]) -> datetime | None:
    """Returns the aware start of a record's transaction, or None when it has none."""
    try:
        start = datetime.fromisoformat(record["start"])
    except (KeyError, TypeError, ValueError):
        # Not written by us: the caller treats it as a record without a time.
        return None
    return start if start.tzinfo is not None else None


def _written(entry: Entry) -> datetime:
    """Returns when a record was written, as well as it says itself."""
    start = started(entry.record)
    if start is None:
        name = SegmentName.parse(entry.segment.name)
        return name.begins if name else datetime.min.replace(tzinfo=UTC)
    duration = entry.record.get("duration_ms")
    if isinstance(duration, int | float):
        return start + timedelta(milliseconds=duration)
    return start


def snapshot(directory: Path) -> dict[Path, int]:
    """Returns the segments there are, and the end of the last whole line in each.

    Raises:
        OSError: the folder or a segment cannot be read.
    """
    ends = {}
    for _, path in segments_in(directory):
        # One that is sealed may be taken away at any time; it is read among the sealed ones then.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            ends[path] = end_of_last_line(file, counted_bytes(path))
    return ends


class LogReader:
    """Reads the segments of a folder.

    Args:
        directory: the folder.
        ends: read each segment only so far, and no others (see `snapshot`); None: read it all.
        sealed: the folder of the seals: segments that are not in the other one any more are read
            there, whole.

    Attributes:
        torn: segments whose last line is not complete: being written just now, or cut by a crash.
        unreadable: places (file, byte) of lines that are no records.
        problems: segments that could not be read at all, and why.
    """

    def __init__(
        self,
        directory: Path,
        ends: Mapping[Path, int] | None = None,
        sealed: Path | None = None,
    ) -> None:
        self.directory = directory
        self.sealed = sealed
        self.torn: list[Path] = []
        self.unreadable: list[tuple[Path, int]] = []
        self.problems: list[str] = []
        self._ends = ends

    def entries(
        self, wanted: Filter = EVERYTHING, *, newest_first: bool = False
    ) -> Iterator[Entry]:
        """Yields the records that meet a filter.

        Raises:
            OSError: the folder cannot be read.
        """
        # No record in an hour can have begun after it; one more for a clock that was set back.
        earliest = None if wanted.since is None else wanted.since - 2 * _HOUR
        segments = self._segments(since=earliest)
        yield from self._merged(segments, wanted, newest_first=newest_first)

    def find(self, reference: str) -> list[Entry]:
        """Returns the records of one transaction, in the order in which they were written.

        Looks from the hour in which the number was issued, in the segments of the worker that
        issued it, up to the closing record; and everywhere else only if it is not there.

        Args:
            reference: the number in its canonical form.

        Raises:
            OSError: the folder cannot be read.
        """
        wanted = Filter(reference=reference)
        earliest = issued_at(reference) - 2 * _HOUR
        segments = self._segments(worker_of(reference))
        likely = [item for item in segments if item[0].begins >= earliest]
        others = [item for item in segments if item[0].begins < earliest]
        for group in (likely, others):
            found: list[Entry] = []
            for entry in self._merged(group, wanted, newest_first=False):
                found.append(entry)
                if entry.record.get("event") != "open":
                    break
            if found:
                return found
        return []

    def _segments(
        self, worker: int | None = None, since: datetime | None = None
    ) -> list[tuple[SegmentName, Path]]:
        """The segments there are, each once: as they were written, else as they were sealed."""
        # Listed in this order: one that is taken away in between is found among the sealed ones.
        plain = {
            name: path
            for name, path in segments_in(self.directory, worker)
            if (since is None or name.begins >= since)
            and (self._ends is None or path in self._ends)
        }
        sealed = sealed_in(self.sealed, worker, since) if self.sealed is not None else ()
        in_use = self._in_use()
        return sorted({**{n: p for n, p in sealed if str(n) not in in_use}, **plain}.items())

    def _in_use(self) -> set[str]:
        """Names of plain segments: those beyond `ends` are not to be read in another form."""
        if self._ends is None:
            return set()
        return {path.name for _, path in segments_in(self.directory)}

    def _merged(
        self,
        segments: Iterable[tuple[SegmentName, Path]],
        wanted: Filter,
        *,
        newest_first: bool,
    ) -> Iterator[Entry]:
        hours: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for name, path in segments:
            hours[name.hour][name.worker].append(path)
        for hour in sorted(hours, reverse=newest_first):
            streams = [
                self._stream(paths[::-1] if newest_first else paths, wanted, newest_first)
                for paths in hours[hour].values()
            ]
            yield from heapq.merge(*streams, key=_written, reverse=newest_first)

    def _stream(self, paths: list[Path], wanted: Filter, newest_first: bool) -> Iterator[Entry]:
        for path in paths:
            try:
                yield from self._segment(path, wanted, newest_first)
            except OSError as problem:
                # The other segments still tell what they know, and this one is named.
                self.problems.append(f"{path}: {problem.strerror or problem}")

    def _segment(self, path: Path, wanted: Filter, newest_first: bool) -> Iterator[Entry]:
        try:
            if path.name.endswith(PACKED):
                yield from self._sealed_segment(path, wanted, newest_first)
                return
            with path.open("rb") as file:
                end = counted_bytes(path) if self._ends is None else self._ends[path]
                whole = end_of_last_line(file, end)
                if whole < end:
                    self.torn.append(path)
                lines = lines_backward(file, whole) if newest_first else lines_forward(file, whole)
                yield from self._wanted(path, lines, wanted)
        except FileNotFoundError:
            # Sealed, and taken away since it was listed; where it is in neither place, the caller
            # names it.
            name = SegmentName.parse(path.name)
            if self.sealed is None or name is None:
                raise
            yield from self._sealed_segment(packed_in(self.sealed, name), wanted, newest_first)

    def _sealed_segment(self, path: Path, wanted: Filter, newest_first: bool) -> Iterator[Entry]:
        if newest_first:
            with unpacked_file(path) as (file, end):
                yield from self._wanted(path, lines_backward(file, end), wanted)
        else:
            yield from self._wanted(path, numbered(unpacked(path)), wanted)

    def _wanted(
        self, path: Path, lines: Iterable[tuple[int, bytes]], wanted: Filter
    ) -> Iterator[Entry]:
        needle = None if wanted.reference is None else wanted.reference.encode()
        for offset, raw in lines:
            if needle is not None and needle not in raw:
                continue
            record = parse(raw)
            if record is None:
                self.unreadable.append((path, offset))
            elif wanted.wants(record):
                yield Entry(record, raw, path, offset)


def parse(raw: bytes) -> dict[str, Any] | None:
    """Returns the record in a line, or None when it is none."""
    try:
        record = orjson.loads(raw)
    except ValueError:
        # Something else wrote into the segment, or a disk decayed: counted by the caller.
        return None
    return record if isinstance(record, dict) else None


class Follower:
    """Hands out the records that are new since the last time.

    A record may be seen a moment before it is durable, and, should the disk fail in that moment,
    be seen again when it is written anew: for watching, not for counting.

    Args:
        directory: the folder.
        ends: where to begin in each segment (see `snapshot`).
    """

    def __init__(self, directory: Path, ends: Mapping[Path, int]) -> None:
        self._directory = directory
        self._ends = dict(ends)

    def poll(self, wanted: Filter = EVERYTHING) -> list[Entry]:
        """Returns the new records that meet a filter, in the order of time.

        Raises:
            OSError: the folder or a segment cannot be read.
        """
        found: list[Entry] = []
        for _, path in segments_in(self._directory):
            # A segment that is taken away in this moment was sealed long ago, and is not new.
            with contextlib.suppress(FileNotFoundError):
                found += self._new_in(path, wanted)
        return sorted(found, key=_written)

    def _new_in(self, path: Path, wanted: Filter) -> list[Entry]:
        found = []
        counted = counted_bytes(path)
        begin = min(self._ends.get(path, 0), counted)
        self._ends[path] = begin
        with path.open("rb") as file:
            for offset, raw in lines_forward(file, counted, begin):
                self._ends[path] = offset + len(raw) + 1
                record = parse(raw)
                if record is not None and wanted.wants(record):
                    found.append(Entry(record, raw, path, offset))
        return found
