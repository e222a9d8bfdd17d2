"""Files that are there whole, or not at all.

In: a path, bytes. Out: a file that outlives the power.
Must never: leave half a file under its name; change one that is there, unless it is told to; call a
file durable whose fsync failed, or try that again.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.segment import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o440
HALF: Final = ".half"
"""What a file is called that is not whole yet. The next attempt writes over it."""


def put(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a file, whole and durable; one that is there is replaced.

    Args:
        path: its name; folders above it are made.
        data: all of it.
        mode: of the file.

    Raises:
        OSError: it is not there; what was there before still is.
    """
    make_folder(path.parent)
    half = path.with_name(path.name + HALF)
    with contextlib.suppress(FileNotFoundError):
        half.unlink()  # of an attempt that was cut short
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask took away
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    half.rename(path)
    sync_directory(path.parent, os)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=FOLDER_MODE)
        folder.chmod(FOLDER_MODE)
    sync_directory(folder.parent, os)
