"""The steps of the keeper, in their order.

In: nothing. Out: `STEPS`.
Must never: do anything itself.

A step is named as `module:attribute`, a class or function that gives a `Step` without being given
anything. It is imported when the keeper begins: one that cannot be is reported, and keeps none of
the others from running. A step of a room above this one is added in the same way, by a line.
"""

from __future__ import annotations

from typing import Final

_HERE: Final = "proxy_addons.accesslog.keeper"

STEPS: Final[tuple[str, ...]] = (
    f"{_HERE}.seals:SealAccess",
    f"{_HERE}.seals:SealTrail",
    f"{_HERE}.stamps:Stamps",
    f"{_HERE}.cosigning:Witnesses",
    f"{_HERE}.compaction:Compaction",
    "proxy_addons.audit.retention.step:Erasing",
    f"{_HERE}.removal:Removal",
)
