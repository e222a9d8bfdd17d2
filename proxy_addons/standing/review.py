"""A review as the register holds it: somebody asked to have a refused site looked at.

In: a row of the table, the time. Out: a frozen value.
Must never: judge who may do what (review_rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row


class ReviewState(StrEnum):
    """What a review is at some moment."""

    OPEN = "open"
    """Nobody has decided."""
    ALLOWED = "allowed"
    """The site is open, to the person or to everybody, until `Review.until`."""
    RECATEGORISED = "recategorised"
    """The site has other categories, for everybody."""
    DECLINED = "declined"
    ENDED = "ended"
    """It was allowed or recategorised, and no longer is: its time is over, or somebody ended it."""


@dataclass(frozen=True, slots=True)
class Review:
    """One entry of the queue.

    Attributes:
        id: of the row.
        reference: `RV-2026-0001`.
        person: who asks, canonical name.
        site: canonical host that was asked about; once decided, that the decision is about: it and
            all below it.
        url: the address that was refused, without user name, query and fragment.
        rule: that refused it.
        categories: the site's, when it was asked.
        why: what the person said.
        asked_at: when, UTC.
        decision: as kept: `open`, `allowed`, `recategorised` or `declined`.
        decided_by: who decided; None before.
        decided_at: when, UTC.
        answer: what the person is told; empty before.
        until: when an allowance ends, or ended; of a recategorisation, when somebody undid it.
        everybody: whether an allowance is for everybody.
        revision: number of its steps.
    """

    id: int
    reference: str
    person: str
    site: str
    url: str
    rule: str
    categories: frozenset[str]
    why: str
    asked_at: datetime
    decision: str
    decided_by: str | None
    decided_at: datetime | None
    answer: str
    until: datetime | None
    everybody: bool
    revision: int

    def state_at(self, now: datetime) -> ReviewState:
        """What it is at a moment (aware)."""
        if self.until is not None and self.until <= now:
            return ReviewState.ENDED
        return ReviewState(self.decision)


def from_row(row: Row[Any], revision: int) -> Review:
    """A row of the table as a review."""
    return Review(
        id=row.id,
        reference=row.reference,
        person=row.person,
        site=row.url_host,
        url=row.url,
        rule=row.rule,
        categories=frozenset(row.categories or ()),
        why=row.why,
        asked_at=row.asked_at,
        decision=row.state,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        answer=row.answer or "",
        until=row.until,
        everybody=bool(row.everybody),
        revision=revision,
    )
