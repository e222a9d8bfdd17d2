"""What an import changes: the duties to add and to take away, the days that the rota then knows.

In: what a file says of somebody, what the store has. Out: the difference.
Must never: read or write; let a gap count as days off duty, of which no file said anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.rota import Cover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.standing.rota_entries import Person

_NAMED: Final = 20  # people, in what an import says

type Key = tuple[datetime, datetime, str]
"""Begin, end and kind of a duty."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import changes.

    Attributes:
        people: in the file.
        changed: of whom anything changes.
        new: whom the rota did not know.
        added: duties.
        removed: duties.
        gaps: people, at most twenty, whose days would not join those that the rota knows; until
            these are over, the new days count as without a rota.
        gap_count: how many such people there are.
    """

    people: int = 0
    changed: int = 0
    new: int = 0
    added: int = 0
    removed: int = 0
    gaps: tuple[str, ...] = ()
    gap_count: int = 0


class Plan:
    """What is to be done for some people."""

    def __init__(self) -> None:
        self.added: list[tuple[str, Key]] = []
        self.removed: list[int] = []
        self.changed: list[str] = []
        self.covers: dict[str, Cover] = {}
        self.new: set[str] = set()
        self.gaps: list[str] = []

    @property
    def is_change(self) -> bool:
        """Whether anything changes."""
        return bool(self.changed)


class Count:
    """Adds plans up."""

    def __init__(self) -> None:
        self._changed = self._new = self._removed = 0
        self.added = 0
        self._gaps: list[str] = []

    def add(self, plan: Plan) -> None:
        """Add one."""
        self._changed += len(plan.changed)
        self._new += len(plan.new)
        self.added += len(plan.added)
        self._removed += len(plan.removed)
        self._gaps += plan.gaps

    def changes(self, people: int) -> Changes:
        """All that was added, of a file with so many people."""
        return Changes(
            people=people,
            changed=self._changed,
            new=self._new,
            added=self.added,
            removed=self._removed,
            gaps=tuple(self._gaps[:_NAMED]),
            gap_count=len(self._gaps),
        )


def difference(person: Person, there: Mapping[Key, int]) -> tuple[list[Key], list[int]]:
    """Duties to add, and the numbers of those to take away."""
    wanted = {(each.begins, each.ends, each.kind) for each in person.duties}
    added = sorted(wanted.difference(there))
    removed = [number for key, number in there.items() if key not in wanted]
    return added, removed


def joined_cover(known: Cover | None, wanted: Cover, today: date) -> Cover | None:
    """The days for which the rota knows somebody after an import; None: they stay as they are.

    They are one range: days in between, of which no file said anything, would count as off duty,
    when more is allowed. Where a gap would be, the range that is over gives way to the other; if
    neither is over, what is known stays.
    """
    day = timedelta(days=1)
    if known is None:
        return wanted
    if wanted.first <= known.last + day and known.first <= wanted.last + day:
        return Cover(min(known.first, wanted.first), max(known.last, wanted.last))
    if known.last < today <= wanted.last:
        return wanted
    return None
