"""Delivery to a file, one JSON line for each record, which its reader may move away at any time.

In: parcels. Out: lines that are on the disk.
Must never: write a line twice into a file that it can find again; leave half a line that it does
not go on with; call a line written whose fsync has failed.

Before a batch is written its position says which file it goes to, and how long that is. Whatever
comes between, what stands behind that place is compared with the batch, and only the rest is
written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from proxy_addons.accesslog.feeds.https import document, line
from proxy_addons.accesslog.feeds.ways import Failed
from proxy_addons.accesslog.seal.files import make_folder
from proxy_addons.accesslog.segment import sync_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from proxy_addons.accesslog.feeds.ways import Parcel
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.settings.feeds import Feed

_MODE = 0o640
_fsync = os.fsync


class File:
    """See `ways.Way`.

    Args:
        feed: of the kind `file`.
        path: where it writes.
        gateway: that delivers.
    """

    def __init__(self, feed: Feed, path: Path, gateway: Gateway) -> None:
        self._feed = feed
        self._path = path
        self._gateway = gateway
        self._unsure = False  # whether an fsync failed: what stands there may not be on the disk

    def note(self) -> dict[str, int]:
        """Which file it is, and where the batch will begin.

        Raises:
            Failed: it cannot be made.
        """
        with self._opened() as descriptor:
            found = os.fstat(descriptor)
            return {"device": found.st_dev, "inode": found.st_ino, "size": found.st_size}

    def stand_by(self) -> None:
        """Nothing is to be done."""

    def sound(self) -> bool:
        """What is on the disk is there."""
        return True

    def deliver(self, parcel: Parcel, note: Mapping[str, int]) -> None:
        """Write what of a batch is not there yet."""
        text = self._text(parcel, resent=False)
        try:
            there = None if self._unsure else self._find(note)
            if there is not None:
                self._complete(there, text, note["size"])
                return
        except OSError as problem:
            # What was written of it stands where the note says; it is gone on with from there.
            raise Failed(f"{self._path}: {problem.strerror or problem}") from problem
        # The file was taken away, with what it held of the batch, if anything; or an fsync failed.
        with self._opened() as descriptor:
            try:
                self._write(descriptor, self._text(parcel, resent=True))
                self._unsure = False
            except OSError as problem:
                # Written anew with the next attempt.
                raise Failed(f"{self._path}: {problem.strerror or problem}") from problem

    def close(self) -> None:
        """Nothing is kept open."""

    # --- inside -----------------------------------------------------------------------------

    def _text(self, parcel: Parcel, *, resent: bool) -> bytes:
        return b"".join(
            line(document(each, self._feed, self._gateway, resent=resent)) + b"\n"
            for each in parcel.records
        )

    @contextlib.contextmanager
    def _opened(self):  # type: ignore[no-untyped-def] # noqa: ANN202 - a context manager's
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            make_folder(self._path.parent)
            new = not self._path.exists()
            descriptor = os.open(self._path, flags, _MODE)
        except OSError as problem:
            # Nothing was written: the batch waits.
            raise Failed(f"{self._path}: {problem.strerror or problem}") from problem
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Failed(f"{self._path}: is no ordinary file")
            if new:
                sync_directory(self._path.parent, os)
            yield descriptor
        finally:
            os.close(descriptor)

    def _find(self, note: Mapping[str, int]) -> int | None:
        """A descriptor of the file that the note is about, wherever it was moved in its folder."""
        if not note:
            return None
        with os.scandir(self._path.parent) as entries:
            names = [entry.path for entry in entries if entry.inode() == note["inode"]]
        for name in names:
            descriptor = os.open(name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            if os.fstat(descriptor).st_dev == note["device"]:
                return descriptor
            os.close(descriptor)
        return None

    def _complete(self, descriptor: int, text: bytes, begin: int) -> None:
        """Write what is missing of a batch after `begin`."""
        try:
            # Emptied in place (logrotate's copytruncate) it is shorter: a copy has what was in it.
            begin = min(begin, os.fstat(descriptor).st_size)
            there = self._read(descriptor, begin, len(text))
            common = _common(there, text)
            if common < len(there):
                # Others wrote there, or the mask was changed since: whole lines of the batch that
                # are there count, a half one is ended, so that the next begins on a line.
                whole = there.rfind(b"\n", 0, common) + 1
                rest = text[whole:]
                if not there.endswith(b"\n"):
                    rest = b"\n" + rest
                self._write(descriptor, rest)
                return
            self._write(descriptor, text[common:])
        finally:
            os.close(descriptor)

    @staticmethod
    def _read(descriptor: int, begin: int, length: int) -> bytes:
        found = b""
        while len(found) < length:
            data = os.pread(descriptor, length - len(found), begin + len(found))
            if not data:
                break
            found += data
        return found

    def _write(self, descriptor: int, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        try:
            _fsync(descriptor)
        except OSError:
            # Linux may have dropped the pages: asking again would lie (see segment.py).
            self._unsure = True
            raise


def _common(one: bytes, other: bytes) -> int:
    """How many octets two texts begin with alike."""
    if other.startswith(one):
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
