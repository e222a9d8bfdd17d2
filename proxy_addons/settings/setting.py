"""One row of the table of settings.

In: nothing. Out: `Setting`, which table.py and limits.py make their rows of.
Must never: read anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy_addons.settings.kinds import Kind

ENV_PREFIX = "WATCHHOUSE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key.

    Attributes:
        name: dotted key.
        kind: what it may hold.
        default: what holds when it is not given: text, a number, a tuple of such, or None.
        help: what it does, in a sentence.
        variable: environment variable, where it is not made from the name.
        textual: whether an option or environment variable can hold it.
    """

    name: str
    kind: Kind[Any]
    default: object
    help: str
    variable: str = ""
    textual: bool = True

    @property
    def env(self) -> str:
        """The environment variable that overrides it; empty when none can."""
        if not self.textual:
            return ""
        return self.variable or ENV_PREFIX + self.name.upper().replace(".", "_")
