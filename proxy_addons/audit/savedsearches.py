"""The register of saved searches: somebody's own, under one authorisation.

In: who, an authorisation's reference, a name, a search as its address has it. Out: rows.
Must never: show one to anybody else, or under an authorisation that they cannot look by now; ask
the search itself (the desk does, and records it); take one that the caller has not read as an
address is read.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from proxy_addons.audit.authority.compiled import looks_by
from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.authority.rows import matching
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.tables_audit import authorisations
from proxy_addons.standing.tables_searches import SEARCH_NAME, saved_searches

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

MOST: Final = 50
"""Saved searches of one person under one authorisation."""
LONGEST: Final = 7500
"""Characters of a search: an address of it is taken (HTTP servers take some 8000)."""
_SEARCHED: Final = frozenset(Kind) - {Kind.LIVE, Kind.DIP_SAMPLE}
"""Kinds that open a search."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved search.

    Attributes:
        id: its number.
        authorisation: reference.
        name: as its person called it.
        query: of its address, without the authorisation.
        saved_at: when, UTC.
    """

    id: int
    authorisation: str
    name: str
    query: str
    saved_at: datetime


class SavedSearches:
    """The register.

    Every method may raise `StandingUnavailableError`. Steps raise `StepRefusedError` (a rule), and
    `UnknownReferenceError` where there is no such search or authorisation that the actor may use
    now; nothing is changed then.

    Args:
        store: where they are kept.
        clock: the time now, aware.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._clock = clock

    # --- looking ----------------------------------------------------------------------------

    def of(self, actor: Actor, reference: str = "") -> tuple[Saved, ...]:
        """An actor's own, under authorisations that they can look by now; by name.

        Args:
            actor: whose.
            reference: only under this authorisation; "": under all.
        """
        with self._store.reading() as connection:
            return tuple(
                each
                for each in _of(connection, actor.name)
                if reference in {"", each.authorisation}
                and self._usable(connection, actor, each.authorisation) is not None
            )

    def get(self, actor: Actor, number: int) -> Saved:
        """One of an actor's own."""
        with self._store.reading() as connection:
            return self._own(connection, actor, number)

    # --- steps ------------------------------------------------------------------------------

    def save(self, actor: Actor, reference: str, name: str, query: str) -> Saved:
        """Keep a search.

        Args:
            actor: whose it is.
            reference: of an authorisation that they can look by now.
            name: of 1 to 80 printable characters, another than of their others under it.
            query: as `Asked` made it of an address without problems.
        """
        name = named(name)
        if len(query) > LONGEST:
            raise StepRefusedError("query", "This search is too long to be saved.")
        with self._store.changing() as connection:
            found = self._usable(connection, actor, reference)
            if found is None:
                raise UnknownReferenceError(reference)
            mine = _under(connection, actor, found)
            if len(mine) >= MOST:
                raise StepRefusedError(
                    "many",
                    f"You have {MOST} saved searches under {found.reference}, which is as many as"
                    " there can be. Delete one first.",
                )
            _unlike(name, mine)
            number: int = connection.execute(
                insert(saved_searches)
                .values(
                    authorisation=found.id,
                    person=actor.name,
                    name=name,
                    query=query,
                    saved_at=self._clock(),
                )
                .returning(saved_searches.c.id)
            ).scalar_one()
            return self._own(connection, actor, number)

    def rename(self, actor: Actor, number: int, name: str) -> Saved:
        """Give one another name."""
        name = named(name)
        with self._store.changing() as connection:
            own = self._own(connection, actor, number)
            found = self._usable(connection, actor, own.authorisation)
            assert found is not None  # or it would not be theirs now
            others = {each: its for each, its in _under(connection, actor, found).items()
                      if each != number}  # fmt: skip
            _unlike(name, others)
            connection.execute(
                update(saved_searches).where(saved_searches.c.id == number).values(name=name)
            )
            return self._own(connection, actor, number)

    def delete(self, actor: Actor, number: int) -> None:
        """Take one away. What was looked at by it stays in the trail."""
        with self._store.changing() as connection:
            own = self._own(connection, actor, number)
            connection.execute(delete(saved_searches).where(saved_searches.c.id == own.id))

    # --- inside -----------------------------------------------------------------------------

    def _usable(self, connection: Connection, actor: Actor, reference: str) -> Authorisation | None:
        """The authorisation, if a search can be asked by it now."""
        for each in matching(connection, authorisations.c.reference == reference):
            if each.kind in _SEARCHED and looks_by(actor, each) and each.holds(self._clock()):
                return each
        return None

    def _own(self, connection: Connection, actor: Actor, number: int) -> Saved:
        for each in _of(connection, actor.name):
            if each.id == number and self._usable(connection, actor, each.authorisation):
                return each
        raise UnknownReferenceError(str(number))


def named(text: str) -> str:
    """A name, without space around it.

    Raises:
        StepRefusedError: it is none.
    """
    text = text.strip()
    if not text:
        raise StepRefusedError("name", "Give the search a name.")
    if len(text) > SEARCH_NAME:
        raise StepRefusedError("name", f"A name has at most {SEARCH_NAME} characters.")
    if not text.isprintable():
        raise StepRefusedError("name", "A name has printable characters only.")
    return text


def _of(connection: Connection, person: str) -> tuple[Saved, ...]:
    table = saved_searches
    question = (
        select(
            table.c.id, authorisations.c.reference, table.c.name, table.c.query, table.c.saved_at
        )
        .join(authorisations, authorisations.c.id == table.c.authorisation)
        .where(table.c.person == person)
    )
    found = [Saved(*row) for row in connection.execute(question)]
    # Not by the database: its order of letters is another on each engine.
    return tuple(
        sorted(found, key=lambda each: (each.authorisation, each.name.casefold(), each.id))
    )


def _under(connection: Connection, actor: Actor, found: Authorisation) -> dict[int, str]:
    """Numbers and names of an actor's searches under an authorisation."""
    table = saved_searches.c
    question = select(table.id, table.name).where(
        table.person == actor.name, table.authorisation == found.id
    )
    return {row.id: row.name for row in connection.execute(question)}


def _unlike(name: str, others: dict[int, str]) -> None:
    if name in others.values():
        raise StepRefusedError("name", "You have a saved search of this name already.")
