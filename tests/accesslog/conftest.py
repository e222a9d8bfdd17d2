"""What the tests of the access log share: clocks that are set by hand, and a disk that can fail."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog import AccessLog, Limits, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def unix(text: str) -> float:
    """Unix time of an ISO 8601 time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@dataclass
class Clock:
    """Wall clock and monotonic clock, moved by hand."""

    wall: float = unix("2026-11-21T20:15:00.250000")
    steady: float = 1000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        """Time passes, on both clocks."""
        self.wall += seconds
        self.steady += seconds

    def set_wall(self, text: str) -> None:
        """The wall clock alone is set, as by an administrator."""
        self.wall = unix(text)


@dataclass
class Disk:
    """The real calls, and instead of the next ones the faults that a test asks for.

    Real write errors of a block device cannot be had without device-mapper; full disks, which can,
    are tested for real in test_faults.py.
    """

    fail_open: list[int] = field(default_factory=list)
    fail_write: list[int] = field(default_factory=list)
    fail_datasync: list[int] = field(default_factory=list)
    fail_truncate: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    always: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def _next(self, call: str, faults: list[int]) -> None:
        self.calls.append(call)
        number = self.always.get(call) or (faults.pop(0) if faults else 0)
        if number:
            raise OSError(number, os.strerror(number))

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        self._next("open", self.fail_open)
        return os.open(path, flags, mode)

    def write(self, fd: int, data: bytes) -> int:
        if self.short:
            self.calls.append("short write")
            return os.write(fd, data[: self.short.pop(0)])
        self._next("write", self.fail_write)
        return os.write(fd, data)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def fdatasync(self, fd: int) -> None:
        self._next("fdatasync", self.fail_datasync)
        os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._next("fsync", [])
        os.fsync(fd)

    def ftruncate(self, fd: int, length: int) -> None:
        self._next("ftruncate", self.fail_truncate)
        os.ftruncate(fd, length)

    def fill_up(self) -> None:
        """From now on the disk is full: nothing can be written or created."""
        self.always |= {"write": errno.ENOSPC, "open": errno.ENOSPC}

    def mend(self) -> None:
        """From now on all is well."""
        self.always.clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log" / "access"


@pytest.fixture
def entropy() -> Callable[[int], bytes]:
    return bytes


@pytest.fixture
def quick() -> Limits:
    """Limits for tests that use a real thread: it tries again soon and gives up soon."""
    return Limits(retry_interval=0.02, close_timeout=2.0)


@pytest.fixture
def make_log(
    directory: Path, clock: Clock, disk: Disk, entropy: Callable[[int], bytes]
) -> Iterator[Callable[..., AccessLog]]:
    """Makes logs on the fixtures' clock and disk; closes those that a test leaves open."""
    made = []

    def make(worker: int = 1, **options: Any) -> AccessLog:
        options.setdefault("limits", Limits(retry_interval=0.02, close_timeout=0.5))
        options.setdefault("sync_interval", 0.005)
        log = AccessLog(
            directory,
            worker,
            clock=clock.now,
            world=World(monotonic=clock.monotonic, entropy=entropy, syscalls=disk),
            **options,
        )
        made.append(log)
        return log

    yield make
    disk.mend()
    for log in made:
        log.close()


@pytest.fixture
def records_in() -> Callable[[Path], list[dict[str, Any]]]:
    """Reads all segments of a folder strictly: a line that is no record fails the test."""

    def read(folder: Path) -> list[dict[str, Any]]:
        records = []
        for path in sorted(folder.glob("*.jsonl")):
            data = path.read_bytes()
            assert data == b"" or data.endswith(b"\n"), path
            records += [orjson.loads(line) for line in data.splitlines()]
        return records

    return read
