"""Who can be drawn: people, the strata that they are in, and the weeks.

In: people with their service and unit, a period. Out: strata with their people; the number of
person-weeks in each.
Must never: sample requests: whoever browses more would be drawn more often.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.standing.weeks import Week

SERVICES: Final = ("officer", "staff", "other")
"""Officers and staff have different approvers (Inf/27 4.2.6); `other`: contractors, volunteers."""
NO_UNIT: Final = "unknown"
"""The unit of people whom the directory gives none: they can be drawn like everybody else."""


class RosterError(ValueError):
    """A roster cannot be drawn from; the text says which entry."""


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """A part of the force from which somebody is drawn.

    Attributes:
        service: one of `SERVICES`.
        unit: name.
    """

    service: str
    unit: str

    def __str__(self) -> str:
        return f"{self.service}, {self.unit}"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One person of a roster.

    Attributes:
        person: canonical name.
        stratum: where they belong.
    """

    person: str
    stratum: Stratum

    @classmethod
    def of(cls, person: str, service: str, unit: str | None = None) -> Entry:
        """One, without a unit too."""
        return cls(person, Stratum(service, unit or NO_UNIT))


def strata_of(roster: Iterable[Entry]) -> Mapping[Stratum, tuple[str, ...]]:
    """The people of each stratum; strata and names in their order, whatever the roster's.

    Raises:
        RosterError: it is empty, names somebody twice, or a service that there is not.
    """
    found: dict[Stratum, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for entry in roster:
        if entry.person in seen:
            msg = f"{entry.person} is in the roster twice: everybody is in one stratum"
            raise RosterError(msg)
        if entry.stratum.service not in SERVICES:
            msg = f"{entry.person}: {entry.stratum.service!r} is none of {', '.join(SERVICES)}"
            raise RosterError(msg)
        if not entry.person or not entry.stratum.unit:
            raise RosterError("an entry of the roster has no name or no unit")
        seen.add(entry.person)
        found[entry.stratum].append(entry.person)
    if not found:
        raise RosterError("nobody is in the roster")
    return {stratum: tuple(sorted(found[stratum])) for stratum in sorted(found)}


def weeks_of(first: Week, count: int) -> tuple[Week, ...]:
    """The weeks of a period, in their order."""
    return tuple(first.later(number) for number in range(count))
