"""Minutes that are not yet in the store, kept where the end of a process does not reach them.

In: a person, a minute. Out: the same, after `kill -9`, for whichever worker of this machine looks
first.
Must never: wait for the disk while a request waits; give anything that was not written whole; take
what a living worker has in hand.

A small file for each worker, mapped into memory: what is written to it is the kernel's at once, and
outlives the process. (After a power cut it may be as old as the kernel's last writing, half a
minute; what the store has by then is not concerned.) The file has two halves: entries are added to
one of them; what is left to keep after a writing to the store goes into the other, which then
counts. The lock says that its worker lives.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import struct
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HALF: Final = 1 << 20  # octets: some 25,000 minutes, a quarter of a force for eight minutes
_MAGIC: Final = b"WHM1"
_ACTIVE: Final = 4  # where it says which half counts
_LENGTHS: Final = (8, 12)  # where it says how much of each is used
_HEAD: Final = 16
_LENGTH = struct.Struct("<I")
_ENTRY = struct.Struct("<IBH")  # minutes since 1970, social, octets of the name that follows
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_SUFFIX: Final = ".journal"
_UNLOCKED: Final = ".new"
_SURELY: Final = 60.0  # seconds after which nobody is still about to lock what is new


class Entry(NamedTuple):
    """A minute of personal use.

    Attributes:
        person: canonical name.
        minute: its beginning; aware, UTC.
        social: whether it was one of social networks.
    """

    person: str
    minute: datetime
    social: bool


class Journal:
    """The file of one worker. Used under one lock (`Tally` has it).

    Args:
        path: a new file.

    Raises:
        OSError: it cannot be made, or the disk is full.
    """

    def __init__(self, path: Path, *, half: int = HALF) -> None:
        self._half = half
        # Under its name it is locked from the first moment on: another worker would take it for
        # that of one that has ended, and remove it.
        self.path = path.with_name(path.name + _UNLOCKED)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # All of it at once: a mapped page that finds no room on the disk ends the process.
            os.posix_fallocate(self._descriptor, 0, _HEAD + 2 * half)
            self._map = mmap.mmap(self._descriptor, _HEAD + 2 * half)
        except BaseException:
            # Nothing is journalled; the caller says so.
            self._remove()
            raise
        self._active = 0
        self._used = 0
        self._map[: len(_MAGIC)] = _MAGIC
        try:
            self.path = self.path.rename(path)
        except BaseException:
            self.close(remove=True)  # as above
            raise

    @classmethod
    def new(cls, folder: Path) -> Self:
        """A journal with a name of its own.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(folder / f"minutes-{secrets.token_hex(8)}{_SUFFIX}")

    def add(self, person: str, minute: datetime, *, social: bool) -> bool:
        """Keep a minute. Gives whether there was room for it."""
        entry = _packed(person, minute, social=social)
        begin = _HEAD + self._active * self._half + self._used
        if self._used + len(entry) > self._half:
            return False
        self._map[begin : begin + len(entry)] = entry
        self._used += len(entry)
        # Last: an entry that the end of the process cuts short was never there.
        _LENGTH.pack_into(self._map, _LENGTHS[self._active], self._used)
        return True

    def keep_only(self, entries: Iterable[Entry]) -> None:
        """Keep these, and nothing else."""
        self._active, self._used = 1 - self._active, 0
        _LENGTH.pack_into(self._map, _LENGTHS[self._active], 0)
        for each in entries:
            if not self.add(each.person, each.minute, social=each.social):
                break
        self._map[_ACTIVE] = self._active

    def close(self, *, remove: bool) -> None:
        """End it. What is in it stays for others, or is known to be in the store."""
        self._map.close()
        if remove:
            self._remove()
        else:
            os.close(self._descriptor)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)


class Leftover:
    """The journal of a worker that has ended: nobody else takes it over between `with` and its end.

    Left without `drop`, it stays for the next time.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def entries(self) -> list[Entry]:
        """What was whole when the worker ended.

        Raises:
            OSError: it cannot be read.
        """
        size = os.fstat(self._descriptor).st_size
        return list(_entries(os.pread(self._descriptor, size, 0)))

    def drop(self) -> None:
        """What is in it is kept elsewhere: remove it."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def leftovers(folder: Path) -> Iterator[Leftover]:
    """The journals of workers that have ended.

    Raises:
        OSError: the folder or a file in it cannot be read.
    """
    _sweep(folder)
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another worker was faster
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = path.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            there = False  # its worker lives, or another was faster
        if there:
            yield Leftover(path, descriptor)
        else:
            os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what a worker had made and not yet named when it ended: there is nothing in it."""
    for path in folder.glob(f"*{_SUFFIX}{_UNLOCKED}"):
        with suppress(FileNotFoundError):  # another worker was faster, or it has its name now
            if path.stat().st_mtime < time.time() - _SURELY:
                path.unlink()


def _packed(person: str, minute: datetime, *, social: bool) -> bytes:
    name = person.encode()
    body = _ENTRY.pack((minute - _EPOCH) // _MINUTE, social, len(name)) + name
    return body + _LENGTH.pack(zlib.crc32(body))


def _entries(data: bytes) -> Iterator[Entry]:
    if len(data) < _HEAD or not data.startswith(_MAGIC):
        return  # its worker ended before it had anything to keep
    active = data[_ACTIVE] & 1
    half = (len(data) - _HEAD) // 2
    (used,) = _LENGTH.unpack_from(data, _LENGTHS[active])
    at = _HEAD + active * half
    end = at + min(used, half)
    while at + _ENTRY.size <= end:
        number, social, length = _ENTRY.unpack_from(data, at)
        body, at = data[at : at + _ENTRY.size + length], at + _ENTRY.size + length
        if at + _LENGTH.size > end or _LENGTH.unpack_from(data, at)[0] != zlib.crc32(body):
            return  # after a power cut, pages of different age: what follows is not to be trusted
        at += _LENGTH.size
        name = body[_ENTRY.size :].decode()
        yield Entry(name, _EPOCH + number * _MINUTE, bool(social))
