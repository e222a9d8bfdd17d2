"""Reference numbers: `EX-2026-0001`, counted for each kind and year without gaps.

In: a transaction of `Store.changing` (which no other runs beside). Out: the next reference.
Must never: give one twice, on either engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from proxy_addons.standing import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection


def next_reference(connection: Connection, kind: str, year: int) -> str:
    """The next reference; used up only if the transaction is committed."""
    numbers = tables.numbers
    last = connection.execute(
        update(numbers)
        .where(numbers.c.kind == kind, numbers.c.year == year)
        .values(last=numbers.c.last + 1)
        .returning(numbers.c.last)
    ).scalar_one_or_none()
    if last is None:
        last = 1
        connection.execute(insert(numbers).values(kind=kind, year=year, last=last))
    return f"{kind}-{year}-{last:04}"
