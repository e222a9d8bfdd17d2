"""What a witness remembers: the last checkpoint of each log that it has signed.

In: a file. Out: checkpoints by origin; the file, written whole and durable.
Must never: begin with nothing where something was remembered: it would sign a log that went back;
be used by two witnesses at a time.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final, Self

import orjson

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MODE: Final = 0o600
_LOCK: Final = ".lock"


class StoreError(Exception):
    """What was remembered cannot be had. The text says what to do."""


class Store:
    """The memory of a witness.

    Args:
        path: its file.

    Raises:
        StoreError: it is gone, damaged, or in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = -1
        try:
            self._lock = os.open(
                path.with_name(path.name + _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            said = orjson.loads(path.read_bytes())
            self.last: dict[str, str] = {str(key): str(note) for key, note in said["logs"].items()}
            for origin, note in self.last.items():
                if Checkpoint.parse(parts_of(note)[0]).origin != origin:
                    raise NoteError(f"the checkpoint of {origin} is that of another log")
        except BlockingIOError as problem:
            self.close()
            raise StoreError(f"{path} is used by another witness") from problem
        except FileNotFoundError as problem:
            self.close()
            raise StoreError(
                f"{path} is gone. Put it back from its copy: a witness that has forgotten what it"
                " saw would sign a log that went back. Where there is no copy, make a new key"
                " (--make-key), and give that to those who check."
            ) from problem
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            self.close()
            raise StoreError(f"{path} cannot be used: {problem}") from problem

    @classmethod
    def make(cls, path: Path) -> None:
        """Make the memory of a new witness, which has seen nothing.

        Raises:
            StoreError: there is one.
            OSError: it could not be written.
        """
        if path.exists():
            raise StoreError(f"{path} is there already: it belongs to another key")
        put(path, _form({}), mode=_MODE)

    def keep(self, origin: str, note: str) -> None:
        """Remember a checkpoint. It is durable once this returns.

        Raises:
            OSError: it is not, and what was remembered before may be what is there.
        """
        after = {**self.last, origin: note}
        put(self._path, _form(after), mode=_MODE)
        self.last = after

    def close(self) -> None:
        """Let another use it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _form(logs: Mapping[str, str]) -> bytes:
    said = {"version": 1, "logs": dict(logs)}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
