"""Plain lists of names: one name or address a line, `#` begins a comment.

In: a file. Out: a name stands for itself and all below it, as in squidGuard's `domains`; what is
written with a path is an entry of `urls`.
Must never: take `*.name` for the name itself: whether its author meant the name too, it cannot say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import EntryError, Kind
from proxy_addons.categorisation.formats.base import Entry, entry, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.categorisation.report import Problems


def read(path: Path, place: str, problems: Problems) -> Iterator[Entry]:
    """Yields the entries of a plain list.

    Raises:
        OSError: when the file cannot be read.
    """
    for number, line in numbered(path):
        if not line or line.startswith(("#", ";", "//")):
            continue
        try:
            kind = Kind.URLS if "/" in line.split("#", 1)[0] else Kind.DOMAINS
            yield entry(kind, line, number)
        except EntryError as error:  # this line is not used, and said so
            problems.add(place, number, str(error))
