"""A segment: the file that one worker appends its lines to for an hour.

In: whole lines. Out: lines that are on the disk, or an error that says what became of them.
Must never: keep part of a batch; write after a failed fdatasync; call a line durable that is not.

Names sort by time: `access-w01-20261121T20Z-0001.jsonl` is worker 1, the hour from 20:00 UTC, its
first file in that hour. A segment that is being written has mode 0640; one that was ended is
read-only, 0440: whatever is still writable at the next start was cut short and is looked at.
A segment that had to be given up has a file `….jsonl.broken` beside it, whose `good_bytes` says how
far it counts; what follows was written again elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    from pathlib import Path

OPEN_MODE = 0o640
ENDED_MODE = 0o440
BROKEN_SUFFIX = ".broken"
TORN_SUFFIX = ".torn"

_NAME = re.compile(r"access-w(\d{2,4})-(\d{8}T\d{2})Z-(\d{4,})\.jsonl", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Syscalls(Protocol):
    """The calls that reach the disk: the module `os`, or in tests a disk that fails."""

    def open(self, path: Path, flags: int, mode: int = ..., /) -> int:
        """As os.open."""

    def write(self, fd: int, data: bytes, /) -> int:
        """As os.write."""

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        """As os.pread."""

    def fdatasync(self, fd: int, /) -> None:
        """As os.fdatasync."""

    def fsync(self, fd: int, /) -> None:
        """As os.fsync."""

    def ftruncate(self, fd: int, length: int, /) -> None:
        """As os.ftruncate."""


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What the name of a segment says. Sorts by time.

    Attributes:
        hour: `20261121T20`, UTC.
        worker: number of the worker.
        number: which file of that worker and hour, from 1.
    """

    hour: str
    worker: int
    number: int

    def __str__(self) -> str:
        return f"access-w{self.worker:02d}-{self.hour}Z-{self.number:04d}.jsonl"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """Returns what a file name says, or None when it is not that of a segment."""
        match = _NAME.fullmatch(name)
        return cls(match[2], int(match[1]), int(match[3])) if match else None

    @property
    def begins(self) -> datetime:
        """Start of the hour, aware, UTC."""
        return datetime.strptime(self.hour, "%Y%m%dT%H").replace(tzinfo=UTC)


def hour_of(now: float) -> str:
    """Returns the UTC hour of a Unix time as in the names of segments."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H")


def segments_in(directory: Path, worker: int | None = None) -> list[tuple[SegmentName, Path]]:
    """Returns the segments in a folder in the order of their names; of one worker, or of all.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = SegmentName.parse(entry.name)
            if name is not None and worker in {None, name.worker}:
                found.append((name, directory / entry.name))
    return sorted(found)


def broken_marker(segment: Path) -> Path:
    """Returns where the mark of a given-up segment stands."""
    return segment.with_name(segment.name + BROKEN_SUFFIX)


def counted_bytes(segment: Path) -> int:
    """Returns how many bytes of a segment count: all, or those that its mark calls good.

    Raises:
        OSError: it cannot be read.
    """
    size = segment.stat().st_size
    try:
        mark = orjson.loads(broken_marker(segment).read_bytes())
        good = mark["good_bytes"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # No mark, or one that a full disk cut short: then the file itself was cut (see abandon).
        return size
    return min(size, good) if isinstance(good, int) else size


def sync_directory(directory: Path, syscalls: Syscalls) -> None:
    """Makes the names in a folder durable: without it a new file can vanish with the power.

    Raises:
        OSError: it did not work.
    """
    fd = syscalls.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.fsync(fd)
    finally:
        os.close(fd)


class SegmentError(Exception):
    """A batch was not written; nothing of it counts.

    Attributes:
        usable: whether the same segment may be tried again: the disk is full, and the segment was
            cut back to where it was. Otherwise it must be given up.
    """

    def __init__(self, message: str, *, usable: bool) -> None:
        super().__init__(message)
        self.usable = usable


class Segment:
    """A segment that is being written. For one thread.

    Attributes:
        path: the file.
        name: its parsed name.
        good: bytes that are known to be on the disk.
    """

    def __init__(self, path: Path, name: SegmentName, fd: int, syscalls: Syscalls) -> None:
        self.path = path
        self.name = name
        self.good = 0
        self._fd = fd
        self._syscalls = syscalls
        self._foreign = False

    @classmethod
    def create(cls, directory: Path, name: SegmentName, syscalls: Syscalls) -> Segment:
        """Creates a new file, and makes its name durable.

        Raises:
            FileExistsError: there is a file of that name.
            OSError: it cannot be created.
        """
        path = directory / str(name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = syscalls.open(path, flags, OPEN_MODE)
        segment = cls(path, name, fd, syscalls)
        try:
            os.fchmod(fd, OPEN_MODE)  # whatever the umask took away
            sync_directory(directory, syscalls)
        except OSError:
            # The caller keeps its lines and tries again; an empty file must not stay behind.
            segment.discard()
            raise
        return segment

    def append(self, lines: bytes) -> None:
        """Writes whole lines and waits until they are on the disk.

        Raises:
            SegmentError: they are not; the file counts up to `good`, as before.
        """
        try:
            self._write(lines)
        except OSError as problem:
            # The caller keeps the lines. A part of them may stand in the file: cut it off again.
            usable = problem.errno in _FULL and self._cut_back()
            raise SegmentError(f"writing {self.path}: {problem}", usable=usable) from problem
        self.verify(len(lines))
        try:
            self._syscalls.fdatasync(self._fd)
        except OSError as problem:
            # Linux may have dropped the pages and cleared the error: asking again would lie. The
            # caller keeps the lines and writes them elsewhere.
            raise SegmentError(f"syncing {self.path}: {problem}", usable=False) from problem
        self.good += len(lines)

    def _write(self, lines: bytes) -> None:
        """Writes all bytes.

        A full disk shows first as a short write without an error; writing the rest then gives the
        error itself, and with it the reason for the alarm.
        """
        rest = lines
        while rest:
            written = self._syscalls.write(self._fd, rest)
            if written <= 0:
                raise OSError(errno.EIO, "nothing was written")
            rest = rest[written:]

    def _cut_back(self) -> bool:
        try:
            self._syscalls.ftruncate(self._fd, self.good)
        except OSError:
            # The lines stay with the caller; the segment is given up and marked instead.
            return False
        return True

    def verify(self, added: int = 0) -> None:
        """Checks that the file is still where it was and holds nothing but our lines.

        Args:
            added: bytes written since `good`.

        Raises:
            SegmentError: it was removed, moved, replaced, cut or written to by somebody else.
        """
        held = os.fstat(self._fd)
        if held.st_nlink == 0:
            raise SegmentError(f"{self.path} was removed while in use", usable=False)
        try:
            named = self.path.stat()
        except OSError as problem:
            # As good as removed: nobody who reads the log would find it.
            raise SegmentError(f"{self.path} is not there any more: {problem}", usable=False) from (
                problem
            )
        if not os.path.samestat(held, named):
            raise SegmentError(f"{self.path} was replaced by another file", usable=False)
        if held.st_size != self.good + added:
            self._foreign = True
            raise SegmentError(
                f"{self.path} was changed by somebody else: it has {held.st_size} bytes instead "
                f"of {self.good + added}",
                usable=False,
            )

    @property
    def removed(self) -> bool:
        """Whether the file has no name any more, so that its content lives only as long as this."""
        return os.fstat(self._fd).st_nlink == 0

    def read(self, length: int, offset: int) -> bytes:
        """Returns durable bytes of the file, also of one that was removed.

        Raises:
            OSError: they cannot be read.
        """
        return self._syscalls.pread(self._fd, min(length, self.good - offset), offset)

    def abandon(self, reason: str) -> None:
        """Gives the segment up: cuts or marks what does not count, so that no reader sees it.

        A segment in which nothing counts is removed. What somebody else wrote is only marked: it
        may be evidence.

        Raises:
            OSError: neither cutting nor marking worked. Call again before writing elsewhere, or
                the same lines would be found twice.
        """
        if not self.good and not self._foreign:
            self.discard()
            return
        cut = not self._foreign and self._cut_back()
        if self._in_place():
            try:
                self._mark(reason, cut=cut)
            except OSError:
                # Cut back, it needs no mark to be read rightly; otherwise the caller tries again.
                if not cut:
                    raise
        self._make_read_only()
        self.close()

    def _in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self.path.stat())
        except OSError:
            # Nothing stands under our name: there is nothing to mark or to remove.
            return False

    def _mark(self, reason: str, *, cut: bool) -> None:
        mark = {"good_bytes": self.good, "cut": cut, "reason": reason}
        data = orjson.dumps(mark, option=orjson.OPT_APPEND_NEWLINE)
        path = broken_marker(self.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = self._syscalls.open(path, flags, OPEN_MODE)
        try:
            if self._syscalls.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, "short write")
            self._syscalls.fsync(fd)
        finally:
            os.close(fd)
        sync_directory(path.parent, self._syscalls)

    def end(self) -> None:
        """Ends the segment: read-only from here on. Its lines are durable already."""
        self._make_read_only()
        with contextlib.suppress(OSError):
            # Only the mode is at stake; see _make_read_only.
            self._syscalls.fsync(self._fd)
        self.close()

    def _make_read_only(self) -> None:
        with contextlib.suppress(OSError):
            # Still writable, it is looked at again at the next start, which does no harm.
            os.fchmod(self._fd, ENDED_MODE)

    def discard(self) -> None:
        """Removes a segment in which nothing counts."""
        if self._in_place():
            with contextlib.suppress(OSError):
                # Left behind, it is an empty file, or one whose tail the next start looks at.
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError):
            # Nothing of ours is in flight: append waits for the disk.
            os.close(self._fd)
