"""Reviews out of their table: those that meet a condition, and how many.

In: a connection in a transaction; a condition. Out: reviews as they are then.
Must never: change anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from proxy_addons.standing.problems import UnknownReferenceError
from proxy_addons.standing.review import Review, from_row
from proxy_addons.standing.tables_shifts import review_steps, reviews

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _question(where: Any) -> Any:
    steps = (
        select(func.count())
        .where(review_steps.c.review == reviews.c.id)
        .scalar_subquery()
        .label("revision")
    )
    return select(reviews, steps).where(where)


def some(
    connection: Connection, where: Any, *, most: int | None = None, newest: bool = False
) -> tuple[Review, ...]:
    """Those that meet a condition.

    Args:
        connection: in a transaction.
        where: of the table's columns.
        most: how many at most; None: all.
        newest: what was decided or, failing that, asked last comes first; else in their order.
    """
    order = reviews.c.id
    if newest:
        question = _question(where).order_by(
            func.coalesce(reviews.c.decided_at, reviews.c.asked_at).desc(), order.desc()
        )
    else:
        question = _question(where).order_by(order)
    if most is not None:
        question = question.limit(most)
    return tuple(from_row(row, row.revision) for row in connection.execute(question))


def count(connection: Connection, where: Any) -> int:
    """How many meet a condition."""
    found: int = connection.execute(
        select(func.count()).select_from(reviews).where(where)
    ).scalar_one()
    return found


def get(connection: Connection, reference: str) -> Review:
    """One review.

    Raises:
        UnknownReferenceError: there is none of this reference.
    """
    found = some(connection, reviews.c.reference == reference.strip().upper())
    if not found:
        raise UnknownReferenceError(reference)
    return found[0]


def by_id(connection: Connection, number: int) -> Review:
    """The one of that row."""
    return some(connection, reviews.c.id == number)[0]
