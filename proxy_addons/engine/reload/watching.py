"""Whether files have changed, and are quiet again.

In: what gives paths, the time between looks. Out: word that something is other than it was.
Must never: give word while somebody is still writing: editors write twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    type Seen = tuple[tuple[str, tuple[int, ...] | None], ...]

EVERY = 0.5
"""Seconds between looks. What has not changed from one look to the next is quiet."""


class Files:
    """Some files, as they were when last looked at; what they are at first is nothing new.

    Args:
        paths: gives them, at each look; one that is not there is one that may come.
    """

    def __init__(self, paths: Callable[[], Iterable[Path]]) -> None:
        self._paths = paths
        self._known = self._last = self._look()

    def changed(self) -> bool:
        """Whether they are other than was last said, and as they were at the last look.

        Blocks for some calls of stat(2).
        """
        now = self._look()
        quiet = now == self._last
        self._last = now
        if not quiet or now == self._known:
            return False
        self._known = now
        return True

    def _look(self) -> Seen:
        return tuple((str(path), _state(path)) for path in self._paths())


def _state(path: Path) -> tuple[int, ...] | None:
    """What differs once a file is written, replaced, or reached by another link."""
    try:
        found = path.stat()
    except OSError:
        return None  # not there, or not to be reached: when that changes, it counts
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
