"""Reading the segments for a feed: what is new since its position, and what was sent before.

In: the folder of the segments, that of the sealed ones, a position. Out: batches of whole lines.
Must never: hand out a line that is not on the disk yet; skip one; read a segment into memory whole.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

from proxy_addons.accesslog.feeds.position import Batch, Position, Range
from proxy_addons.accesslog.segment import SegmentName, counted_bytes, segments_in
from proxy_addons.accesslog.tails import end_of_last_line, lines_forward

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

logger = logging.getLogger("watchhouse.feeds")

LARGEST_BATCH = 1 << 20
"""Octets of lines in a batch; a single line may be more."""

_PACKED = ".gz"
_HOUR = timedelta(hours=1)


class Source:
    """Hands out lines. For one feed, in one thread.

    Args:
        plain: the folder of the segments.
        sealed: the folder of the sealed segments; it may not exist.
    """

    def __init__(self, plain: Path, sealed: Path) -> None:
        self._plain = plain
        self._sealed = sealed / "segments"
        self._packed: tuple[str, int, gzip.GzipFile] | None = None
        self._looked = False  # whether sealed ones were looked for that are not there any more

    # --- where a feed begins ----------------------------------------------------------------

    def now(self) -> Position:
        """The position after everything that is written.

        Raises:
            OSError: the folder or a segment cannot be read.
        """
        position = Position()
        for name in self._sealed_names():
            position.reach_end(name)  # only `latest` is kept of it
        for name, path in self._listed().items():
            with path.open("rb") as file:
                end = end_of_last_line(file, counted_bytes(path))
            if _has_ended(path):
                position.reach_end(name)
            else:
                position.begin(name, end)
        return position

    def after(self, moment: datetime) -> Position:
        """The position before everything in segments of the hour of a moment, and later ones.

        Args:
            moment: aware.

        Raises:
            OSError: the folder cannot be read.
        """
        position = Position()
        for name in {*self._sealed_names(), *self._listed()}:
            parsed = SegmentName.parse(name)
            if parsed is not None and parsed.begins + _HOUR <= moment:
                position.reach_end(name)
        return position

    # --- what is new ------------------------------------------------------------------------

    def following(self, position: Position, most: int) -> tuple[Batch, list[bytes]] | None:
        """The next batch after a position, or None when there is nothing new.

        Notes in the position which segments are passed.

        Args:
            position: of the feed.
            most: lines.

        Raises:
            OSError: the folder cannot be read.
        """
        listed = self._listed()
        waiting = self._waiting(position, listed)
        ranges: list[Range] = []
        found: list[bytes] = []
        octets = 0
        for place, name in enumerate(waiting):
            # Workers of the same hour share a batch: none waits for another to be quiet.
            share = -(-(most - len(found)) // max(1, _of_the_hour(waiting[place:])))
            begin = position.begun.get(name, 0)
            end = begin
            lines: list[bytes] = []
            try:
                for after, line in self._lines(name, listed.get(name), begin):
                    lines.append(line)
                    end = after
                    octets += len(line) + 1
                    if len(lines) >= share or octets >= LARGEST_BATCH:
                        break
                else:
                    if not lines:
                        self._look_at_the_end(name, listed.get(name), position)
            except (OSError, EOFError) as problem:
                # Nothing of it counts as read; it is tried again with the next batch.
                logger.error("feeds: %s cannot be read: %s", name, problem)
                continue
            if lines:
                ranges.append(Range(name, begin, end))
                found += lines
            if len(found) >= most or octets >= LARGEST_BATCH:
                break
        position.passed &= listed.keys()
        return (Batch(tuple(ranges)), found) if ranges else None

    def lines(self, batch: Batch) -> list[bytes]:
        """The lines of a batch, once more.

        Raises:
            OSError: a segment cannot be read any more.
        """
        listed = self._listed()
        found = []
        for each in batch.ranges:
            reached = each.begin
            for after, line in self._lines(each.segment, listed.get(each.segment), each.begin):
                found.append(line)
                reached = after
                if after >= each.end:
                    break
            if reached != each.end:
                # Cut back since (segment.py, abandon): the same lines stand in a later segment.
                logger.warning("feeds: %s was cut back to before %d", each.segment, each.end)
        return found

    # --- inside -----------------------------------------------------------------------------

    def _listed(self) -> dict[str, Path]:
        return {str(name): path for name, path in segments_in(self._plain)}

    def _waiting(self, position: Position, listed: dict[str, Path]) -> list[str]:
        """Segments that are not passed, in the order of their names."""
        names = {name for name in listed if name not in position.passed}
        gone = [name for name in position.begun if name not in listed]
        if gone or not self._looked:
            self._looked = True
            for name in self._sealed_names():
                parsed = SegmentName.parse(name)
                if parsed is None or name in listed:
                    continue
                latest = SegmentName.parse(position.latest.get(parsed.worker, ""))
                if name in position.begun or latest is None or latest < parsed:
                    names.add(name)
        for name in gone:
            if name not in names:
                self._gone(name, position)
        for name in names:
            position.begin(name)
        return sorted(names, key=_order)

    @staticmethod
    def _gone(name: str, position: Position) -> None:
        offset = position.begun.pop(name)
        if offset:
            # An empty one is taken away by its worker; this one had lines.
            logger.error(
                "feeds: %s was removed before it was passed; %d octets of it were delivered, and"
                " what followed cannot be",
                name,
                offset,
            )

    def _sealed_names(self) -> list[str]:
        return [path.name.removesuffix(_PACKED) for path in self._sealed.rglob(f"*{_PACKED}")]

    def _lines(self, name: str, path: Path | None, begin: int) -> Iterator[tuple[int, bytes]]:
        """Yields (offset after it, line)."""
        if path is None:
            yield from self._packed_lines(name, begin)
            return
        with path.open("rb") as file:
            end = counted_bytes(path)
            if not _has_ended(path) and begin < end:
                # What was written and not synced could be gone with the power, and its number be
                # given to another record: whoever was sent the first would drop the second.
                os.fdatasync(file.fileno())
            for offset, line in lines_forward(file, end, begin):
                yield offset + len(line) + 1, line

    def _packed_lines(self, name: str, begin: int) -> Iterator[tuple[int, bytes]]:
        file = self._opened(name, begin)
        offset = begin
        for line in file:
            offset += len(line)
            self._packed = (name, offset, file)
            yield offset, line.removesuffix(b"\n")

    def _opened(self, name: str, begin: int) -> gzip.GzipFile:
        """A compressed segment, read up to a place. It is kept open: going on costs nothing."""
        if self._packed is not None and self._packed[:2] == (name, begin):
            return self._packed[2]
        if self._packed is not None:
            self._packed[2].close()
            self._packed = None
        parsed = SegmentName.parse(name)
        if parsed is None:
            raise FileNotFoundError(name)
        day = f"{parsed.begins:%Y/%m/%d}"
        file = gzip.GzipFile(self._sealed / day / f"{name}{_PACKED}", "rb")
        rest = begin
        while rest > 0:
            read = len(file.read(min(rest, 1 << 20)))
            if not read:
                break
            rest -= read
        self._packed = (name, begin, file)
        return file

    def _look_at_the_end(self, name: str, path: Path | None, position: Position) -> None:
        """There was nothing new in a segment: see whether there ever will be."""
        if path is None or (_has_ended(path) and self._at_the_end(path, position.begun[name])):
            position.reach_end(name)
            if self._packed is not None and self._packed[0] == name:
                self._packed[2].close()
                self._packed = None

    @staticmethod
    def _at_the_end(path: Path, offset: int) -> bool:
        """Looked at again after the mode: lines may have come since they were read."""
        with path.open("rb") as file:
            return offset >= end_of_last_line(file, counted_bytes(path))

    def close(self) -> None:
        """Close what is open."""
        if self._packed is not None:
            with contextlib.suppress(OSError):
                # Only read from.
                self._packed[2].close()
            self._packed = None


def _has_ended(path: Path) -> bool:
    return not path.stat().st_mode & stat.S_IWUSR


def _order(name: str) -> tuple[str, int, int]:
    parsed = SegmentName.parse(name)
    return (parsed.hour, parsed.number, parsed.worker) if parsed else ("", 0, 0)


def _of_the_hour(names: list[str]) -> int:
    first = _order(names[0])[0]
    return sum(_order(name)[0] == first for name in names)
