"""The folder of the segments, as one worker holds it: created, locked, and given new segments.

In: the folder's path and the worker's number. Out: the lock, and new segments.
Must never: let two processes write as the same worker, which would give the same number twice.

The lock is flock(2) on `access-w01.lock`, so that it ends with the process however that ends. The
file says who holds it (for the message to the second one), the last record number as of the last
change of segment (in case all segments are moved away), and until when reference numbers are known
to be used up (so that the next process begins later).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from proxy_addons.accesslog.segment import (
    OPEN_MODE,
    Segment,
    SegmentName,
    segments_in,
    sync_directory,
)

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.segment import Syscalls

DIRECTORY_MODE = 0o750


class AccessLogError(Exception):
    """The access log cannot be started; the text says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the lock file says of the process before.

    Attributes:
        pid: its process number; 0 when unknown.
        last_seq: number of the last record that it knew to be on the disk; 0 when unknown.
        numbered_until: latest Unix second for which it is known to have issued reference numbers;
            0 when unknown.
    """

    pid: int = 0
    last_seq: int = 0
    numbered_until: int = 0


class Folder:
    """One worker's hold on the folder. For one thread at a time.

    Attributes:
        numbered_until: goes into the lock file with the next `note`.
    """

    def __init__(self, directory: Path, worker: int, syscalls: Syscalls) -> None:
        self.directory = directory
        self.worker = worker
        self.syscalls = syscalls
        self._lock_path = directory / f"access-w{worker:02d}.lock"
        self.numbered_until = 0
        self._lock = -1

    def acquire(self) -> Note:
        """Creates the folder where it is missing and takes the lock.

        Returns:
            What the process before left in the lock file.

        Raises:
            AccessLogError: the folder or the lock cannot be had.
        """
        try:
            self._create_directory()
            fd = self._open_lock()
        except OSError as problem:
            raise AccessLogError(
                f"access log: {self.directory} cannot be written: {problem}. "
                "Give this user write access to it, or set another data_dir."
            ) from problem
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            # The start ends here: nothing was decided or served yet.
            holder = self._read_note(fd).pid or "unknown"
            os.close(fd)
            raise AccessLogError(
                f"access log: worker {self.worker} in {self.directory} is already written by "
                f"process {holder} (lock {self._lock_path.name}). Stop it, or give this one "
                "another worker number or another data_dir."
            ) from problem
        self._lock = fd
        return self._read_note(fd)

    def _create_directory(self) -> None:
        if self.directory.is_dir():
            return
        self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.directory.chmod(DIRECTORY_MODE)  # whatever the umask took away
        for parent in list(self.directory.parents)[:3]:
            with contextlib.suppress(PermissionError):
                # A parent that we may not read is not ours to sync; it existed before. Any other
                # error means that the folder may vanish with the power: the log does not start.
                sync_directory(parent, self.syscalls)

    def _open_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return self.syscalls.open(self._lock_path, flags, OPEN_MODE)

    @staticmethod
    def _read_note(fd: int) -> Note:
        try:
            note = orjson.loads(os.pread(fd, 4096, 0))
            return Note(*(int(note.get(name, 0)) for name in ("pid", "last_seq", "numbered_until")))
        except (OSError, ValueError, TypeError, AttributeError):
            # New, or cut short by a full disk: the segments themselves know the numbers.
            return Note()

    def note(self, last_seq: int) -> None:
        """Writes what the next process wants to know. What fails here costs nothing by itself."""
        note = {"pid": os.getpid(), "last_seq": last_seq, "numbered_until": self.numbered_until}
        with contextlib.suppress(OSError):
            # A second copy only: see the head of this module.
            os.pwrite(self._lock, orjson.dumps(note).ljust(96) + b"\n", 0)

    def new_segment(self, hour: str) -> Segment:
        """Creates the next segment of an hour, and the folder and lock where they were removed.

        Raises:
            OSError: it cannot be created.
            AccessLogError: another process has taken the lock meanwhile.
        """
        if not self._lock_in_place():
            self.release()
            self.acquire()
        existing = segments_in(self.directory, self.worker)
        taken = [name.number for name, _ in existing if name.hour == hour]
        name = SegmentName(hour, self.worker, max(taken, default=0) + 1)
        return Segment.create(self.directory, name, self.syscalls)

    def _lock_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock), self._lock_path.stat())
        except OSError:
            # Removed with the folder, or never taken: the caller takes it anew.
            return False

    def release(self) -> None:
        """Gives the lock back."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                # Closed or not, the lock is not used any more.
                os.close(self._lock)
        self._lock = -1
