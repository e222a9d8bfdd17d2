"""The steps of the registers: what was done, by whom, when; kept for good.

In: a transaction, a step. Out: a row that no one can change; the steps of an entry, oldest first.
Must never: offer a way to change or remove one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Table

    from proxy_addons.standing.actor import Actor


@dataclass(frozen=True, slots=True)
class Step:
    """One step in the life of an exemption, a withdrawal or a review.

    Attributes:
        at: when, UTC.
        kind: `request`, `approval`, `refusal`, `extension-request`, `extension`,
            `extension-refusal`, `escalation`, `review`, `revocation`, `expiry`; `withdrawal`,
            `lifting`; `review-request`, `review-allowed`, `review-recategorised`,
            `review-declined`, `review-ended`.
        who: canonical name; `watchhouse` for what happened by the clock.
        how: how the name was known, e.g. `kerberos`, `command-line`, `clock`.
        note: the reason or remark that was given.
        changes: what it set, by field, as text; empty where the step's kind says it all.
    """

    at: datetime
    kind: str
    who: str
    how: str
    note: str
    changes: Mapping[str, str]

    @classmethod
    def by(
        cls,
        actor: Actor,
        now: datetime,
        kind: str,
        note: str,
        changes: Mapping[str, Any] | None = None,
    ) -> Step:
        """The step that somebody takes.

        Args:
            actor: who.
            now: when, aware.
            kind: see above.
            note: the reason or remark.
            changes: what it sets, by field; a field that is None is left out.
        """
        told = {
            name: value.astimezone(UTC).isoformat(timespec="seconds")
            if isinstance(value, datetime)
            else str(value)
            for name, value in (changes or {}).items()
            if value is not None
        }
        return cls(now, kind, actor.name, actor.how, note, told)


def append(connection: Connection, table: Table, entry: int, step: Step) -> None:
    """Append a step to an entry, within the transaction of what it records."""
    values: dict[str, Any] = {
        _parent(table): entry,
        "at": step.at,
        "kind": step.kind,
        "who": step.who,
        "how": step.how,
        "note": step.note,
    }
    if "changes" in table.c:
        values["changes"] = dict(step.changes) or None
    connection.execute(insert(table).values(values))


def steps_of(connection: Connection, table: Table, entry: int) -> tuple[Step, ...]:
    """All steps of an entry, oldest first."""
    rows = connection.execute(
        select(table).where(table.c[_parent(table)] == entry).order_by(table.c.id)
    )
    return tuple(
        Step(row.at, row.kind, row.who, row.how, row.note, getattr(row, "changes", None) or {})
        for row in rows
    )


def steps_since(
    connection: Connection, table: Table, entries: Table, number: int, most: int = 1000
) -> tuple[tuple[int, str, Step], ...]:
    """Steps of all entries of a register after a number.

    Args:
        connection: of the store.
        table: of the steps, which have `changes`.
        entries: what they are steps of, by `reference`.
        number: of the last step that is known.
        most: how many at once.

    Returns:
        The step's number, the entry's reference, the step; in their order.
    """
    rows = connection.execute(
        select(table, entries.c.reference)
        .join_from(table, entries)
        .where(table.c.id > number)
        .order_by(table.c.id)
        .limit(most)
    )
    return tuple(
        (
            row.id,
            row.reference,
            Step(row.at, row.kind, row.who, row.how, row.note, row.changes or {}),
        )
        for row in rows
    )


def _parent(table: Table) -> str:
    """The column that names the entry: it refers to the entry's table."""
    return next(column.name for column in table.c if column.foreign_keys)
