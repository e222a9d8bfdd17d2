"""An exemption as the register holds it, and what state it is in.

In: a row of the table, the time. Out: a frozen value. Must never: judge who may do what (rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row


class State(StrEnum):
    """What an exemption is at some moment."""

    REQUESTED = "requested"
    """Nobody has decided."""
    LAPSED = "lapsed"
    """Nobody decided before its period ended."""
    REFUSED = "refused"
    UPCOMING = "upcoming"
    """Approved; its period has not begun."""
    LIVE = "live"
    EXPIRED = "expired"
    """Approved; its period has ended."""
    REVOKED = "revoked"


EXPIRING = timedelta(days=30)
"""How long before its end a live exemption is reported as expiring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for in a request.

    Attributes:
        person: for whom: a login name.
        why: what it is needed for.
        begins: aware; included.
        ends: aware; excluded.
        everything: whether it is for everything but what has to be named.
        categories: ids of categories by name.
        force_reference: the force's own reference, or None.
        significant: whether it may exceed the documented tolerance of risk (Inf/27 2.13.1).
        review_at: when it is to be reviewed; None for the middle of the period.
    """

    person: str
    why: str
    begins: datetime
    ends: datetime
    everything: bool = False
    categories: frozenset[str] = frozenset()
    force_reference: str | None = None
    significant: bool = False
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """An entry of the register. All times are aware, in UTC; all names canonical.

    Attributes:
        id: of the row.
        reference: `EX-2026-0001`.
        revision: number of its steps; what a view of it is known by.
        state: as written: `requested`, `approved`, `refused` or `revoked`. See `state_at`.
        person: for whom.
        everything: whether it opens everything but what has to be named.
        categories: what it opens by name.
        why: the reason that was given.
        force_reference: the force's own reference, or None.
        significant: whether it was marked so.
        escalated_to: whom it was escalated to, or None.
        requested_by: who asked for it.
        requested_at: when.
        begins: included.
        ends: excluded.
        decided_by: who approved or refused it.
        decided_at: when.
        review_at: when the next review is due; None when none is.
        reviewed_at: when it was last reviewed.
        extension_ends: the end that a pending extension asks for; None when none is pending.
        extension_why: its reason.
        extension_by: who asked for it.
        extension_at: when.
        revoked_by: who revoked it.
        revoked_at: when.
        expiry_noted_at: when its end was written into the register.
    """

    id: int
    reference: str
    revision: int
    state: str
    person: str
    everything: bool
    categories: frozenset[str]
    why: str
    force_reference: str | None
    significant: bool
    escalated_to: str | None
    requested_by: str
    requested_at: datetime
    begins: datetime
    ends: datetime
    decided_by: str | None
    decided_at: datetime | None
    review_at: datetime | None
    reviewed_at: datetime | None
    extension_ends: datetime | None
    extension_why: str | None
    extension_by: str | None
    extension_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    expiry_noted_at: datetime | None

    def state_at(self, now: datetime) -> State:
        """What it is at that moment; begins included, ends excluded."""
        over = now >= self.ends
        if self.state == "approved":
            if over:
                return State.EXPIRED
            return State.LIVE if now >= self.begins else State.UPCOMING
        if self.state == "requested" and over:
            return State.LAPSED
        return State(self.state)

    def is_expiring(self, now: datetime) -> bool:
        """Whether it is live and ends within 30 days."""
        return self.state_at(now) is State.LIVE and self.ends - now <= EXPIRING

    def review_is_overdue(self, now: datetime) -> bool:
        """Whether it is live and should have been reviewed."""
        due = self.review_at is not None and self.review_at <= now
        return due and self.state_at(now) is State.LIVE

    @property
    def opens(self) -> str:
        """What it opens, in words."""
        named = ", ".join(sorted(self.categories))
        if self.everything:
            return f"everything, and {named}" if named else "everything"
        return named

    @property
    def extension_is_pending(self) -> bool:
        """Whether somebody asked for an extension and nobody has decided."""
        return self.extension_ends is not None


def from_row(row: Row[Any]) -> Exemption:
    """The exemption that a row of `tables.exemptions` holds."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    values["categories"] = frozenset(values["categories"])
    return Exemption(**values)
