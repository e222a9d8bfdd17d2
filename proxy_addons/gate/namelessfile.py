"""A file without a name: what is kept back of a body where memory is not for it.

In: bytes, on threads. Out: the same bytes, or a descriptor that other processes can open.
Must never: claim that a byte is in it that is not; be waited for by the event loop.

It is gone with its last descriptor, however the process ends.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NamelessFile:
    """A file without a name, made with its first bytes. Its methods run on threads.

    Args:
        folder: see `Holding`.

    Attributes:
        descriptor: -1 before there is one.
    """

    __slots__ = ("_closed", "_folder", "_lock", "descriptor")

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._closed = False
        self.descriptor = -1

    def append(self, data: bytearray) -> tuple[int, OSError | None]:
        """Write bytes behind all others.

        Returns:
            How many are in the file, and why they are not all.
        """
        count, written = 0, 1
        with self._lock, memoryview(data) as view:
            if self._closed:
                return 0, OSError(errno.EBADF, os.strerror(errno.EBADF))
            try:
                if self.descriptor < 0:
                    self.descriptor = make(self._folder)
                while count < len(data) and written > 0:
                    # A disk that is nearly full takes a part, and says so by the number only.
                    written = os.write(self.descriptor, view[count:])
                    count += written
            except OSError as problem:
                # The rest stays in memory; whoever keeps the body decides.
                return count, problem
        whole = count == len(data)
        return count, None if whole else OSError(errno.EIO, os.strerror(errno.EIO))

    def read(self, start: int, most: int) -> bytes:
        """Read bytes.

        Raises:
            OSError: that is not possible.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return os.pread(self.descriptor, most, start)

    def close(self, *, wait: bool = True) -> None:
        """It is not needed any more.

        Args:
            wait: for a thread that writes just now; else it is closed with the process.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            self._closed = True
            if self.descriptor >= 0:
                os.close(self.descriptor)
                self.descriptor = -1
        finally:
            self._lock.release()


def make(folder: Path | None) -> int:
    """A file without a name; gives its descriptor.

    Args:
        folder: where; made if it is not there. None: the system's for temporary files.

    Raises:
        OSError: there is none to be had.
    """
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile("wb", buffering=0, dir=folder) as file:
        return os.dup(file.fileno())
