"""What a target is: an input that a stranger writes, and what must hold whatever it is.

In: bytes. Out: nothing, or an exception (a finding).
Must never: depend on the time of day, or on what was checked before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name on the command line, and module of this package.
NAMES = (
    "urlkey",
    "lists",
    "formats",
    "publishers",
    "archives",
    "members",
    "settings",
    "cases",
    "hello",
    "requests",
    "answers",
    "scanners",
    "types",
    "documents",
    "uploads",
    "redirector",
    "squidguard",
)


class Target(Protocol):
    """One thing to fuzz: a module with these three."""

    def seeds(self) -> Sequence[bytes]:
        """Inputs that reach far: what good ones look like, and near misses."""

    def words(self) -> Sequence[bytes]:
        """Pieces that mutations put in."""

    def check(self, data: bytes) -> None:
        """Raises when something does not hold for an input."""


def target(name: str) -> Target:
    """The target of a name in `NAMES`."""
    found: Target = importlib.import_module(f"fuzzlib.of_{name}")  # type: ignore[assignment]
    return found
