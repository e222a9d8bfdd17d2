"""A step of a register of this room: a row that stays, and a record in the trail, or neither.

In: a step, within the transaction of what it records. Out: nothing.
Must never: let a step be committed that the trail did not take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.standing.steps import append

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

    from proxy_addons.standing.steps import Step

    type Trail = Callable[[str, Step], None]
    """Takes the reference of an entry and a step of it. When it raises, nothing is changed. It is
    called before the commit: what it has taken may, when the store fails in that moment, name a
    step that was not made; it never misses one that was."""


def no_trail(reference: str, step: Step) -> None:
    """For commands and tests without a trail."""
    del reference, step


def note(
    connection: Connection, table: Table, entry: int, reference: str, step: Step, trail: Trail
) -> None:
    """Append a step and hand it to the trail."""
    append(connection, table, entry, step)
    trail(reference, step)
