"""Acknowledgements of the acceptable-use statement: who, when, which version, from where.

In: the statement, who says OK. Out: a row for good, and the text that was acknowledged.
Must never: record that somebody acknowledged another text than the one they saw.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, union

from proxy_addons.standing import rules
from proxy_addons.standing import tables_shifts as tables
from proxy_addons.standing.problems import StandingError, StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from proxy_addons.standing.statement import Statement
    from proxy_addons.standing.store import Store

CLAUSE: Final = "Inf/27 3.8"
_COLUMNS: Final = tables.acknowledgements.c


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One "OK".

    Attributes:
        id: of the row.
        person: canonical name.
        version: of the statement.
        at: when, UTC.
        client_ip: from where; empty where there was no such address.
        how: how the name was known, e.g. `kerberos`.
        until: when it is to be renewed, UTC; excluded.
        change: in which it was written.
    """

    id: int
    person: str
    version: str
    at: datetime
    client_ip: str
    how: str
    until: datetime
    change: int


class Acknowledgements:
    """The acknowledgements of everybody.

    Every method may raise `StandingUnavailableError`.

    Args:
        store: where they are kept.
        renewed: days after which one is asked for again.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        renewed: int = 365,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._renewed = timedelta(days=renewed)
        self._clock = clock

    def acknowledge(
        self, statement: Statement, person: str, *, seen: str, client_ip: str, how: str
    ) -> Acknowledgement:
        """Write down that somebody said OK.

        Args:
            statement: the present one.
            person: login name.
            seen: the version on the page that was answered.
            client_ip: from where.
            how: how the name is known.

        Returns:
            The new one; or one of the same version that has more than half its time to go: a second
            click changes nothing.

        Raises:
            StepRefusedError: the page showed another version; nothing was written.
            StandingError: another text with this version was acknowledged before.
        """
        person = rules.name_of(person)
        if seen != statement.version:
            raise StepRefusedError(
                "statement",
                "The statement has changed since this page was opened. Read it once more.",
                CLAUSE,
            )
        with self._store.shifting() as (connection, change):
            now = self._clock().astimezone(UTC)
            _keep(connection, statement, now)
            row = connection.execute(
                select(tables.acknowledgements)
                .where(
                    _COLUMNS.person == person,
                    _COLUMNS.version == statement.version,
                    _COLUMNS.until > now + self._renewed / 2,
                )
                .order_by(_COLUMNS.until.desc())
                .limit(1)
            ).one_or_none()
            if row is None:
                values = {
                    "person": person,
                    "version": statement.version,
                    "at": now,
                    "client_ip": client_ip[: tables.ADDRESS],
                    "how": how,
                    "until": now + self._renewed,
                    "change": change,
                }
                row = connection.execute(
                    insert(tables.acknowledgements)
                    .values(values)
                    .returning(tables.acknowledgements)
                ).one()
        return _from_row(row)

    def of_person(self, person: str) -> tuple[Acknowledgement, ...]:
        """All of somebody's (canonical name), oldest first."""
        question = select(tables.acknowledgements).where(_COLUMNS.person == person)
        return self._found(question.order_by(_COLUMNS.id))

    def all(self, version: str | None = None) -> tuple[Acknowledgement, ...]:
        """All, or those of a version; oldest first."""
        question = select(tables.acknowledgements).order_by(_COLUMNS.id)
        if version is not None:
            question = question.where(_COLUMNS.version == version)
        return self._found(question)

    def who_has(self, version: str) -> dict[str, Acknowledgement]:
        """Who has acknowledged a version so that it counts now; by canonical name, the latest."""
        question = (
            select(tables.acknowledgements)
            .where(_COLUMNS.version == version, _COLUMNS.until > self._clock())
            .order_by(_COLUMNS.until, _COLUMNS.id)
        )
        return {each.person: each for each in self._found(question)}

    def text_of(self, version: str) -> str | None:
        """The Markdown that was acknowledged; None when nobody acknowledged such a version."""
        question = select(tables.statements.c.text).where(tables.statements.c.version == version)
        with self._store.reading() as connection:
            text: str | None = connection.execute(question).scalar_one_or_none()
        return text

    def versions(self) -> tuple[tuple[str, datetime], ...]:
        """The versions that anybody acknowledged, and since when; oldest first."""
        columns = tables.statements.c
        question = select(columns.version, columns.first_seen).order_by(columns.first_seen)
        with self._store.reading() as connection:
            return tuple((row.version, row.first_seen) for row in connection.execute(question))

    def known_people(self) -> frozenset[str]:
        """Everybody whom the store has heard of: by rota, personal use, or an acknowledgement."""
        heard = (
            tables.acknowledgements,
            tables.breaks,
            tables.confirmations,
            tables.minutes,
            tables.minute_totals,
            tables.refusals,
            tables.rota_cover,
        )
        with self._store.reading() as connection:
            found = connection.execute(union(*(select(table.c.person) for table in heard)))
            return frozenset(found.scalars())

    def _found(self, question: Any) -> tuple[Acknowledgement, ...]:
        with self._store.reading() as connection:
            return tuple(map(_from_row, connection.execute(question)))


def _keep(connection: Connection, statement: Statement, now: datetime) -> None:
    """Keep the text, the first time that anybody acknowledges it."""
    columns = tables.statements.c
    digest = connection.execute(
        select(columns.digest).where(columns.version == statement.version)
    ).scalar_one_or_none()
    if digest is None:
        values = {
            "version": statement.version,
            "digest": statement.digest,
            "text": statement.text,
            "first_seen": now,
        }
        connection.execute(insert(tables.statements).values(values))
    elif digest != statement.digest:
        # Nothing is written. By chance this does not happen: somebody made one text pass for
        # another.
        msg = (
            f"another text with the version {statement.version} was acknowledged before; change a"
            " word of the statement"
        )
        raise StandingError(msg)


def _from_row(row: Row[Any]) -> Acknowledgement:
    return Acknowledgement(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
