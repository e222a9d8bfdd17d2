"""What somebody had typed into a form before they had to confirm who they are.

In: fields of a form. Out: the same fields, once, for the same session and page.
Must never: keep a password or a token; keep much, or for long.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST = 256
_FOR = 900.0  # seconds; confirming takes one or two minutes
_NEVER = frozenset({"csrf", "password"})


class Drafts:
    """In memory only: after a restart, or in another portal, the form is simply empty.

    Args:
        clock: seconds that only ever go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept: TTLCache[tuple[str, str], dict[str, list[str]]] = TTLCache(_MOST, _FOR, clock)

    def keep(self, person: str, path: str, fields: Mapping[str, list[str]]) -> None:
        """Keep what was typed.

        Args:
            person: whose it is: the session's id changes when they confirm.
            path: of the form.
            fields: what was typed.
        """
        self._kept[person, path] = {
            name: values for name, values in fields.items() if name not in _NEVER
        }

    def take(self, person: str, path: str) -> dict[str, list[str]]:
        """What was kept, which then is no longer; else nothing."""
        found: dict[str, list[str]] | None = self._kept.pop((person, path), None)
        return found or {}
