"""Which exemptions were used on which day, for the report of unused ones.

In: references, a day. Out: rows in the store, one a day for each exemption, however often used.
Must never: be asked for each request (Watch gathers), or hold what was visited: only that it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from proxy_addons.standing import tables

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from sqlalchemy import Connection

    from proxy_addons.standing.store import Store


def note_use(store: Store, references: Iterable[str], day: date) -> None:
    """Note that these exemptions were used on this day (UTC). Unknown references are left out.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    wanted = sorted(set(references))
    if not wanted:
        return
    exemptions, use = tables.exemptions.c, tables.exemption_use
    with store.noting() as connection:
        found = set(
            connection.scalars(select(exemptions.id).where(exemptions.reference.in_(wanted)))
        )
        noted = set(
            connection.scalars(
                select(use.c.exemption).where(use.c.day == day, use.c.exemption.in_(found))
            )
        )
        for each in sorted(found - noted):
            _insert_once(connection, each, day)


def _insert_once(connection: Connection, exemption: int, day: date) -> None:
    # Another worker may note the same in this moment; each engine has its own word for that.
    statement = insert(tables.exemption_use).values(exemption=exemption, day=day)
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert  # noqa: PLC0415 - only where it is one

        statement = upsert(tables.exemption_use).values(exemption=exemption, day=day)
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)
