"""Recovery: puts the segments of a worker right after a crash, before anything new is written.

In: the folder, with the worker's lock held. Out: a report: what was cut off and where it is kept,
and the last record number on disk.
Must never: destroy a byte (what is cut off is kept beside the segment first); touch a segment that
was ended; touch another worker's.

Only segments that are still writable are looked at: an ended one is read-only. After recovery every
segment ends in a whole record.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from proxy_addons.accesslog.segment import (
    ENDED_MODE,
    OPEN_MODE,
    TORN_SUFFIX,
    broken_marker,
    counted_bytes,
    segments_in,
    sync_directory,
)
from proxy_addons.accesslog.tails import end_of_whole_lines, lines_backward, size_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from proxy_addons.accesslog.segment import Syscalls

_BLOCK = 1 << 20
_MAX_TORN_FILES = 1000


@dataclass(frozen=True, slots=True)
class TornTail:
    """What was cut off the end of one segment.

    Attributes:
        segment: the file.
        kept_bytes: its size now.
        discarded_bytes: how much was cut off.
        sha256: hexadecimal SHA-256 of what was cut off.
        saved_as: the file that holds it.
    """

    segment: Path
    kept_bytes: int
    discarded_bytes: int
    sha256: str
    saved_as: Path


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was found at start.

    Attributes:
        torn: tails that were cut off.
        unended: segments that the process before did not end, torn or not: it was killed, or the
            power failed, and up to 200 ms of records may be missing after their last line.
        unrepaired: segments that could not be put right, and why (a full disk: there is no room to
            keep the tail). They stay as they are, readers skip the tail, the next start tries anew.
        last_seq: number of the last record on disk; 0 when there is none.
        last_write: Unix time, seconds, of the last change to a segment; 0.0 when there is none.
    """

    torn: tuple[TornTail, ...] = ()
    unended: tuple[Path, ...] = ()
    unrepaired: tuple[tuple[Path, str], ...] = ()
    last_seq: int = 0
    last_write: float = 0.0


def _seq_of(line: bytes) -> int | None:
    try:
        record = orjson.loads(line)
    except ValueError:
        # Not a record: the caller looks further back.
        return None
    seq = record.get("seq") if isinstance(record, dict) else None
    return seq if isinstance(seq, int) else None


def _last_seq(file: BinaryIO, end: int) -> tuple[int, int]:
    """Returns number and end offset of the last whole record, (0, 0) when there is none."""
    for offset, line in lines_backward(file, end):
        seq = _seq_of(line)
        if seq is not None:
            return seq, offset + len(line) + 1
    return 0, 0


def _save_tail(segment: Path, file: BinaryIO, start: int, syscalls: Syscalls) -> tuple[Path, str]:
    """Copies the end of a segment into a new file beside it, durably.

    Returns:
        The new file, and the SHA-256 of what it holds.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    for attempt in range(_MAX_TORN_FILES):
        suffix = TORN_SUFFIX if not attempt else f"{TORN_SUFFIX}-{attempt + 1}"
        path = segment.with_name(segment.name + suffix)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = syscalls.open(path, flags, OPEN_MODE)
        except FileExistsError:
            # From a start that was itself cut short: kept too, nothing is overwritten.
            continue
        break
    else:
        raise FileExistsError(f"{segment}: too many files {TORN_SUFFIX} beside it")
    digest = hashlib.sha256()
    try:
        file.seek(start)
        while block := file.read(_BLOCK):
            digest.update(block)
            while block:
                block = block[syscalls.write(fd, block) :]
        syscalls.fsync(fd)
    except OSError:
        # Half a copy would be taken for the whole; the segment itself is still untouched.
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(fd)
    sync_directory(path.parent, syscalls)
    return path, digest.hexdigest()


def _repair(segment: Path, syscalls: Syscalls) -> TornTail | None:
    """Cuts a segment after its last whole record, having saved what follows; makes it read-only.

    Raises:
        OSError: it could not be done; the segment is as it was.
    """
    with segment.open("r+b") as file:
        size = size_of(file)
        end = end_of_whole_lines(file, size)
        _, whole = _last_seq(file, end)
        torn = None
        if whole < size:
            saved_as, digest = _save_tail(segment, file, whole, syscalls)
            syscalls.ftruncate(file.fileno(), whole)
            torn = TornTail(segment, whole, size - whole, digest, saved_as)
        os.fchmod(file.fileno(), ENDED_MODE)
        syscalls.fsync(file.fileno())
    return torn


def recover(directory: Path, worker: int, syscalls: Syscalls) -> RecoveryReport:
    """Puts the worker's segments right.

    Args:
        directory: the folder; the caller holds the worker's lock.
        worker: number of the worker.
        syscalls: the calls that reach the disk.

    Raises:
        OSError: a segment cannot be read, so that the next record number is not known.
    """
    torn: list[TornTail] = []
    unended: list[Path] = []
    unrepaired: list[tuple[Path, str]] = []
    last_seq = 0
    last_write = 0.0
    for _, path in segments_in(directory, worker):
        status = path.stat()
        last_write = max(last_write, status.st_mtime)
        if status.st_mode & 0o200 and not broken_marker(path).exists():
            unended.append(path)
            try:
                tail = _repair(path, syscalls)
            except OSError as problem:
                # Reported and left as it is. Records are written to a new segment, never here.
                unrepaired.append((path, str(problem)))
            else:
                if tail is not None:
                    torn.append(tail)
        with path.open("rb") as file:
            last_seq = max(last_seq, _last_seq(file, counted_bytes(path))[0])
    return RecoveryReport(tuple(torn), tuple(unended), tuple(unrepaired), last_seq, last_write)
