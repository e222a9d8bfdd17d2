"""Exemptions end by the clock alone; this writes into the register that they did.

In: the store, the time. Out: a step `expiry` for each that has ended and has none yet.
Must never: be what ends an exemption: nobody waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from proxy_addons.standing import tables
from proxy_addons.standing.actor import CLOCK
from proxy_addons.standing.steps import Step, append

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from proxy_addons.standing.store import Store

BY_ITSELF: Final = "watchhouse"
"""`who` of steps that nobody took."""


def note_expiries(store: Store, now: datetime) -> int:
    """Note the ends that have come. Does nothing, at the cost of one look, when there are none.

    Args:
        store: the store.
        now: aware.

    Returns:
        How many were noted.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    with store.reading() as connection:
        if connection.execute(_ended(now)).first() is None:
            return 0
    with store.changing() as connection:
        return _note(connection, now)


def _note(connection: Connection, now: datetime) -> int:
    rows = connection.execute(_ended(now)).all()  # anew: another worker may have noted them
    for row in rows:
        connection.execute(
            update(tables.exemptions)
            .where(tables.exemptions.c.id == row.id)
            .values(
                expiry_noted_at=now,
                revision=row.revision + 1,
                extension_ends=None,
                extension_why=None,
                extension_by=None,
                extension_at=None,
            )
        )
        step = Step(row.ends, "expiry", BY_ITSELF, CLOCK, "The period has ended.", {})
        append(connection, tables.exemption_steps, row.id, step)
    return len(rows)


def _ended(now: datetime) -> Select[tuple[int, int, datetime]]:
    columns = tables.exemptions.c
    return (
        select(columns.id, columns.revision, columns.ends)
        .where(
            columns.state == "approved",
            columns.ends <= now,
            columns.expiry_noted_at.is_(None),
        )
        .order_by(columns.id)
    )
