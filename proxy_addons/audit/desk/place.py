"""The desk's socket by a short name, however long the data folder's is.

In: a path. Out: another one of the same file, while it is needed.
Must never: leave a descriptor open.

An address of a Unix socket has 107 octets (unix(7)); a folder that is open has a short name below
/proc.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def near(path: Path) -> Iterator[str]:
    """A name of at most 40 octets besides the file's own.

    Raises:
        OSError: its folder cannot be opened.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
