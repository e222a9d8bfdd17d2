"""What may be erased now, and what is held, and by which hold: one pure function.

In: the time, the schedule, holds, an inventory. Out: a verdict for each item whose period is over.
Must never: call due what a hold covers, or may cover; ask a clock or the store.

Whoever erases asks `Verdict.may_erase` for each record of an item that is held in part, and asks
for new verdicts before each item: a hold may have been placed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.audit.retention.schedule import Class, Schedule
    from proxy_addons.audit.retention.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that is erased in one go: a segment, a pack, an export, a sample's view.

    Attributes:
        name: unique in its class.
        kind: its class.
        counted_from: aware; see `COUNTED_FROM`.
        since: `start` of its first record; None: not known.
        until: `start` of its last record, which is included; None: not known.
        persons: whose records it has; None: not known.
        authorisations: under which any of it was seen or taken.
        records: how many it has.
        divisible: whether a part of it can be erased: single lines of a segment, but not of a pack
            that is signed as a whole.
    """

    name: str
    kind: Class
    counted_from: datetime
    since: datetime | None = None
    until: datetime | None = None
    persons: frozenset[str] | None = None
    authorisations: frozenset[str] = frozenset()
    records: int = 0
    divisible: bool = False


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A hold that is in force.

    Attributes:
        reference: `LH-2026-0001`.
        scope: what it covers.
    """

    reference: str
    scope: Scope


class Fate(StrEnum):
    """What becomes of an item."""

    ERASE = "erase"
    PART = "erase-part"
    """What no hold covers."""
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one item whose period is over.

    Attributes:
        item: which.
        since: when its period ended, UTC.
        rule: of the schedule, in words.
        holds: those that cover any of it.
        fate: what becomes of it.
    """

    item: Item
    since: datetime
    rule: str
    holds: tuple[HeldBy, ...]
    fate: Fate

    def may_erase(self, person: str | None, at: datetime) -> bool:
        """Whether one of its records may be erased.

        Args:
            person: whose it is; None: it names nobody.
            at: its `start`, aware.
        """
        if self.fate is not Fate.PART:
            return self.fate is Fate.ERASE
        under = self.item.authorisations
        return not any(hold.scope.covers(person, at, under) for hold in self.holds)


def due(
    now: datetime, schedule: Schedule, holds: Iterable[HeldBy], inventory: Iterable[Item]
) -> tuple[Verdict, ...]:
    """Look through an inventory.

    Args:
        now: aware.
        schedule: periods by class.
        holds: those in force; a hold whose review is overdue is in force.
        inventory: what there is.

    Returns:
        Those whose period is over, in the inventory's order. What is not named is to be kept.
    """
    in_force = tuple(holds)
    found = []
    for item in inventory:
        try:
            since = schedule.ends(item.kind, item.counted_from)
        except OverflowError:
            # It is kept: its period ends after the calendar does.
            continue
        if since <= now:
            touching = tuple(hold for hold in in_force if _touches(hold, item))
            rule = schedule.rule(item.kind)
            found.append(Verdict(item, since, rule, touching, _fate(item, touching)))
    return tuple(found)


def _touches(hold: HeldBy, item: Item) -> bool:
    return hold.scope.touches(item.persons, item.since, item.until, item.authorisations)


def _fate(item: Item, holds: tuple[HeldBy, ...]) -> Fate:
    if not holds:
        return Fate.ERASE
    if not item.divisible:
        return Fate.HELD
    whole = any(hold.scope.has_all(item.since, item.until, item.authorisations) for hold in holds)
    return Fate.HELD if whole else Fate.PART
