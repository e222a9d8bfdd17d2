"""Whom a comparison is of: the others of somebody's unit, as the directory has it.

In: everybody of the directory, a person; or the rows of an authorisation. Out: a unit with its
people; whether they are still those that were approved.
Must never: count the person whom it is about; guess a unit.

The names are fixed when the application is made. If they were looked up at each look, two looks
around the day on which somebody joins a unit would tell of that one person.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from proxy_addons.audit.authority.model import Comparison
from proxy_addons.standing.tables_searches import (
    UNIT,
    authorisation_colleagues,
    authorisation_comparisons,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from proxy_addons.audit.authority.model import Wanted
    from proxy_addons.identity.entries import Entry


_LIST: Final = "watchhouse/colleagues/v1"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, but for one person.

    Attributes:
        name: as the directory has it.
        people: canonical names of the others.
    """

    name: str
    people: frozenset[str]


def unit_of(person: str, everybody: Iterable[Entry]) -> Unit | None:
    """The unit of somebody.

    Args:
        person: canonical name.
        everybody: of the directory.

    Returns:
        None: the directory does not have the person, or gives them no unit.
    """
    units = {each.name: (each.unit or "").strip() for each in everybody}
    own = units.get(person, "")
    if not own:
        return None
    same = {name for name, unit in units.items() if unit.casefold() == own.casefold()}
    return Unit(own[:UNIT], frozenset(same - {person}))


def write(connection: Connection, number: int, wanted: Wanted, unit: Unit, now: datetime) -> str:
    """Write what an application says of a comparison, and whom it is of.

    Returns:
        The same in words, for its first step.
    """
    names = unit.people - wanted.subjects.keys()
    made = Comparison(
        scope=wanted.comparison,
        unit=unit.name,
        people=len(names),
        why=wanted.comparison_why,
        digest=_digest(names),
        at=now,
    )
    connection.execute(
        insert(authorisation_comparisons).values(authorisation=number, **asdict(made))
    )
    connection.execute(
        insert(authorisation_colleagues),
        [{"authorisation": number, "person": name} for name in sorted(names)],
    )
    return f"{made.people} others of {made.unit}"


def read(connection: Connection, number: int) -> frozenset[str]:
    """The names that are kept of an authorisation, by its number."""
    question = select(authorisation_colleagues.c.person).where(
        authorisation_colleagues.c.authorisation == number
    )
    return frozenset(connection.execute(question).scalars())


def are_those(names: frozenset[str], comparison: Comparison) -> bool:
    """Whether they are those of the application: none was added or taken out by hand."""
    return len(names) == comparison.people and _digest(names) == comparison.digest


def _digest(names: Iterable[str]) -> str:
    """SHA-256 of a line that says what it is, and of the names, a line each, in order."""
    lines = (_LIST, *sorted(names))
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
