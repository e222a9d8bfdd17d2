"""A small disk, and a gateway whose log is on it.

In: a folder, a gateway. Out: a mounted file system; a disk without room. Must never: stay mounted.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.gateway import Gateway


@contextlib.contextmanager
def small(mount: Path) -> Iterator[Path]:
    """A file system of 3 MB. Needs root."""
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def log_on(disk: Path, gateway: Gateway) -> None:
    """Start a gateway, which has not been started before, with its log on a disk."""
    (disk / "log").mkdir()
    (gateway.data / "log").symlink_to(disk / "log")
    gateway.start()


def fill(disk: Path) -> Path:
    """Leave no room on a disk. Gives the file to remove for it to have room again."""
    ballast = disk / "ballast"
    # Without a buffer: what stands in one is written, and fails, once more as the file is closed.
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:  # until there is no room
            file.write(b"\0" * 4096)
    return ballast
