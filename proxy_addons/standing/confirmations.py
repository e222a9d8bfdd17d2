"""Confirmations: somebody has read what a coaching rule expects, and goes on (Inf/27 2.9, 2.10).

In: who, which rule, which site, until when. Out: a row that every worker goes by within 2 s.
Must never: count for another rule or site than the page named.

All functions block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, insert, select

from proxy_addons.standing import rules
from proxy_addons.standing.tables_shifts import confirmations as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from proxy_addons.standing.store import Store


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A click on "I understand".

    Attributes:
        id: of the row.
        person: canonical name.
        rule: id of the rule that coached.
        site: host it was for.
        at: when, UTC.
        until: until when it counts, UTC; excluded.
        change: in which it was written.
    """

    id: int
    person: str
    rule: str
    site: str
    at: datetime
    until: datetime
    change: int


def confirm(
    store: Store, person: str, rule: str, site: str, until: datetime, now: datetime
) -> Confirmation:
    """Write down a click.

    Args:
        store: where.
        person: login name.
        rule: id of the rule that coached.
        site: host it is for.
        until: aware; until when it counts.
        now: aware.

    Returns:
        The new one; or the one that counts already: a second click prolongs nothing.

    Raises:
        StepRefusedError: that is nobody.
        StandingUnavailableError: nothing was confirmed, or it is unknown whether.
        ValueError: `until` is not after `now`.
    """
    person = rules.name_of(person)
    if until <= now:
        # Nothing is written: it would never count.
        msg = "a confirmation counts until a later moment"
        raise ValueError(msg)
    columns = table.c
    with store.shifting() as (connection, change):
        row = connection.execute(
            select(table)
            .where(
                columns.person == person,
                columns.rule == rule,
                columns.site == site,
                columns.until > now,
            )
            .order_by(columns.until.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            values = {
                "person": person,
                "rule": rule,
                "site": site,
                "at": now.astimezone(UTC),
                "until": until.astimezone(UTC),
                "change": change,
            }
            row = connection.execute(insert(table).values(values).returning(table)).one()
    return _from_row(row)


def of_person(store: Store, person: str) -> tuple[Confirmation, ...]:
    """All of somebody's (canonical name), oldest first.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    question = select(table).where(table.c.person == person).order_by(table.c.id)
    with store.reading() as connection:
        return tuple(map(_from_row, connection.execute(question)))


def forget(store: Store, before: datetime) -> int:
    """Take away those that ended before a moment; the access log keeps each click.

    Returns:
        How many.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    over = table.c.until < before
    with store.reading() as connection:
        if not connection.execute(select(exists().where(over))).scalar_one():
            return 0
    with store.noting() as connection:  # no worker goes by what has ended
        return connection.execute(delete(table).where(over)).rowcount


def _from_row(row: Row[Any]) -> Confirmation:
    return Confirmation(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
