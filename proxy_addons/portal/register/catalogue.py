"""The categories that an exemption can name, and those of a site, from the workers' own index.

In: the compiled index, addresses. Out: names and descriptions; nothing where there is no index.
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

    from proxy_addons.urlkey import UrlKey

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
        self._index: CategoryIndex | None = None
        self._identity: object = None
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, str] | None:
        """Category → description (may be empty), by name; None: there is no index."""
        with self._lock:
            return self._read()

    def categories_of(self, key: UrlKey) -> frozenset[str]:
        """The categories that the lists give an address; none where there is no index."""
        with self._lock:
            self._read()
            return frozenset() if self._index is None else self._index.lookup(key)

    def _read(self) -> Mapping[str, str] | None:
        if self._clock() - self._looked_at < _LOOK_EVERY:
            return self._found
        self._looked_at = self._clock()
        try:
            stat = self._path.stat()
            identity = (stat.st_ino, stat.st_mtime_ns)
            if identity != self._identity:
                index = self._index = CategoryIndex.open(self._path)
                self._found = {
                    name: index.descriptions.get(name, "") for name in sorted(index.categories)
                }
                self._identity = identity
        except (OSError, CategoryIndexError):
            # Names are then typed, and checked by nobody but the second person.
            self._found = self._identity = self._index = None
        return self._found
