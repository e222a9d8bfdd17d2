"""The categories that an exemption can name, from the index that the workers use.

In: the compiled index. Out: names and descriptions; nothing where there is no index.
Must never: block (callers use a thread), or hold up a page because the index is missing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from proxy_addons.categorisation.index import CategoryIndex
from proxy_addons.categorisation.report import CategoryIndexError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LOOK_EVERY = 30.0


class Catalogue:
    """Names and descriptions of categories.

    Args:
        path: of the index.
        clock: seconds that only ever go forward.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = float("-inf")
        self._found: dict[str, str] | None = None
        self._identity: object = None
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, str] | None:
        """Category → description (may be empty), by name; None: there is no index."""
        with self._lock:
            if self._clock() - self._looked_at < _LOOK_EVERY:
                return self._found
            self._looked_at = self._clock()
            try:
                stat = self._path.stat()
                identity = (stat.st_ino, stat.st_mtime_ns)
                if identity != self._identity:
                    index = CategoryIndex.open(self._path)
                    self._found = {
                        name: index.descriptions.get(name, "") for name in sorted(index.categories)
                    }
                    self._identity = identity
            except (OSError, CategoryIndexError):
                # Names are then typed, and checked by nobody but the second person.
                self._found = self._identity = None
            return self._found
