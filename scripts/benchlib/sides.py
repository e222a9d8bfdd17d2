"""Which sides there are.

In: nothing. Out: the kinds of sides by name, and which of them a run compares by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchlib.gateway import Watchhouse, WatchhouseGeneric
from benchlib.guardian import E2Guardian
from benchlib.squid import Squid, SquidPeek, SquidRsa
from benchlib.stock import Mitmdump

if TYPE_CHECKING:
    from benchlib.side import Side

SIDES: dict[str, type[Side]] = {
    side.name: side
    for side in (
        Mitmdump,
        Squid,
        SquidPeek,
        SquidRsa,
        E2Guardian,
        Watchhouse,
        WatchhouseGeneric,
    )
}
DEFAULT_SIDES = tuple(name for name in SIDES if name != SquidRsa.name)
