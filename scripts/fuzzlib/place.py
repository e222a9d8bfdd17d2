"""A folder in memory for what a target has to read from a file.

In: nothing. Out: a folder that goes with the process.
Must never: be on a disk where memory will do.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it


@cache
def folder() -> Path:
    """The folder of this process."""
    made = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
