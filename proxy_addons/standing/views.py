"""Looks of line managers at the figures of their people, kept for good.

In: who looks, at whom, at what. Out: rows that nobody can change or remove.
Must never: let figures be shown whose look could not be recorded: callers record first.

Each person looked at is a row of its own, so that each can be told who looked at theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from proxy_addons.standing.tables_shifts import views

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.standing.store import Store


@dataclass(frozen=True, slots=True)
class View:
    """One look.

    Attributes:
        at: when, UTC.
        viewer: who looked, canonical name.
        subject: at whose figures.
        what: which, e.g. `weekly 2026-W47`.
        how: by which way, e.g. `page`, `csv`, `e-mail`.
    """

    at: datetime
    viewer: str
    subject: str
    what: str
    how: str


def record(
    store: Store, *, viewer: str, subjects: Iterable[str], what: str, how: str, now: datetime
) -> None:
    """Record a look, before anything is shown. Blocks.

    Args:
        store: the standing store.
        viewer: canonical name.
        subjects: canonical names.
        what: which figures.
        how: by which way.
        now: aware.

    Raises:
        StandingUnavailableError: it is not recorded, and nothing may be shown.
    """
    rows = [
        {"at": now, "viewer": viewer, "subject": subject, "what": what, "how": how}
        for subject in sorted(set(subjects))
    ]
    if not rows:
        return
    with store.noting() as connection:
        connection.execute(insert(views), rows)


def of(
    store: Store, *, subject: str | None = None, viewer: str | None = None, most: int = 100
) -> tuple[View, ...]:
    """Looks at somebody's figures, or by somebody; the newest first. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    question = select(views).order_by(views.c.id.desc()).limit(most)
    if subject is not None:
        question = question.where(views.c.subject == subject)
    if viewer is not None:
        question = question.where(views.c.viewer == viewer)
    with store.reading() as connection:
        return tuple(
            View(row.at, row.viewer, row.subject, row.what, row.how)
            for row in connection.execute(question)
        )


def last_of(store: Store, *, viewer: str, what: str, hows: Iterable[str]) -> View | None:
    """The newest look of somebody at certain figures, by certain ways. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    columns = views.c
    question = (
        select(views)
        .where(columns.viewer == viewer, columns.what == what, columns.how.in_(sorted(hows)))
        .order_by(columns.id.desc())
        .limit(1)
    )
    with store.reading() as connection:
        row = connection.execute(question).one_or_none()
    return None if row is None else View(row.at, row.viewer, row.subject, row.what, row.how)
