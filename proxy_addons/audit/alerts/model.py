"""An alert as the queue holds it.

In: rows of the tables. Out: frozen values.
Must never: judge who may do what (rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime


class AlertState(StrEnum):
    """What became of an alert."""

    NEW = "new"
    SEEN = "seen"
    REQUESTED = "requested"
    """An authorisation to look at the records was asked for."""
    CLOSED = "closed"


OUTCOMES: Final = {
    "work": "Explained by the person’s work",  # noqa: RUF001 - an apostrophe
    "machine": "A program or device did it, not the person",
    "error": "An error of the lists or of the alert",
    "advice": "Advice to the person or their line manager",
    "case": "Taken up in an investigation",
    "nothing": "Not pursued",
}
"""Outcome code → what people read."""


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery: `way`, `target`, `state`, `attempts`, and what went wrong last."""

    way: str
    target: str
    state: str
    attempts: int
    problem: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueuedAlert:
    """One entry of the queue.

    Attributes:
        id: of the row.
        reference: `AL-2026-0001`.
        alert: id in the settings.
        severity: `low`, `medium` or `high`.
        clause: of the force's policy.
        words: what it means.
        measure: what is counted.
        threshold: from which on it was raised.
        within: minutes of the window.
        kind: `person`, `client`, or `everybody`.
        who: name or address.
        raised_at: when, UTC.
        first_at: of its records, UTC.
        last_at: of its records, UTC.
        records: how many.
        amount: sum of the measure.
        late: of the records, how many could not be told apart by the minute.
        ids: references of the first records.
        state: see `AlertState`.
        outcome: code, once it is closed.
        authorisation: reference of what was asked for.
        revision: number of its steps.
    """

    id: int
    reference: str
    alert: str
    severity: str
    clause: str
    words: str
    measure: str
    threshold: int
    within: int
    kind: str
    who: str
    raised_at: datetime
    first_at: datetime
    last_at: datetime
    records: int
    amount: int
    late: int
    ids: tuple[str, ...]
    state: AlertState
    outcome: str | None
    authorisation: str | None
    revision: int

    @property
    def person(self) -> str | None:
        """Canonical name, where it is a person's."""
        return self.who if self.kind == "person" else None
