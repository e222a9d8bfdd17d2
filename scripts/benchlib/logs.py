"""Counting the lines of growing log files.

In: a folder and a pattern. Out: how many whole lines there are up to now.
Must never: read again what was counted before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LineCount:
    """Lines in all files of a folder that match a pattern; files may be added, none shortened."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self.folder, self.pattern = folder, pattern
        self._offsets: Counter[Path] = Counter()
        self._lines = 0

    def total(self) -> int:
        """Whole lines up to now."""
        for path in sorted(self.folder.glob(self.pattern)):
            with path.open("rb") as file:
                file.seek(self._offsets[path])
                fresh = file.read()
            self._lines += fresh.count(b"\n")
            self._offsets[path] += len(fresh)
        return self._lines
