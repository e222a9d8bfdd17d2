"""A plan of dip sampling, its draws and its samples, as the register holds them.

In: rows of the tables. Out: frozen values.
Must never: hold a name of somebody who was drawn: names are kept apart (rows.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.strata import weeks_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from proxy_addons.audit.sampling.strata import Stratum
    from proxy_addons.standing.weeks import Week


class PlanState(StrEnum):
    """How far a plan has come."""

    PLANNED = "planned"
    COMMITTED = "committed"
    """Both parties have committed."""
    DRAWN = "drawn"
    REVIEW = "in-review"
    """Somebody has taken a sample."""
    CLOSED = "closed"


class DrawState(StrEnum):
    """What a draw came to."""

    OPEN = "open"
    DRAWN = "drawn"
    REPLACED = "replaced"
    """Drawn again, or given up before it was drawn; the step says why."""


class Outcome(StrEnum):
    """What a review came to. A plan can have codes of its own for each."""

    NO_CONCERN = "no-concern"
    CONCERN = "concern"
    UNABLE = "unable"
    """It could not be reviewed: no records, gaps, a device that several people share."""
    WRONG_PERSON = "wrong-person"
    """The records turned out to be somebody else's."""


REVIEWED: Final = frozenset({Outcome.NO_CONCERN, Outcome.CONCERN})
"""What figures count as reviewed: of the others nothing is known."""
CODES: Final[Mapping[str, Outcome]] = {each.value: each for each in Outcome}
"""The codes of a plan that brings none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPlan:
    """What somebody plans.

    Attributes:
        why: purpose, and which standards are looked at.
        authority: reference of the standing authorisation (Inf/27 4.2.4).
        first_week: of the period; it has to be over when samples are reviewed.
        weeks: how many.
        size: person-weeks to draw.
        second_party: who makes the second commitment: a login name, of nobody in PSD.
        codes: code → outcome, as the force's forms have them.
    """

    why: str
    authority: str
    first_week: Week
    weeks: int = 1
    size: int = 59
    second_party: str
    codes: Mapping[str, Outcome] = field(default_factory=lambda: dict(CODES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An entry of the register. Times are aware, in UTC; names canonical.

    Attributes:
        id: of the row.
        reference: `DS-2026-0001`.
        revision: number of its steps.
        state: how far it has come.
        why: purpose.
        authority: reference of the standing authorisation.
        first_week: of the period.
        weeks: how many.
        size: person-weeks to draw.
        second_party: who makes the second commitment.
        codes: code → outcome.
        planned_by: who made it.
        planned_at: when.
        closed_by: who closed it, or None.
        closed_at: when.
    """

    id: int
    reference: str
    revision: int
    state: PlanState
    why: str
    authority: str
    first_week: Week
    weeks: int
    size: int
    second_party: str
    codes: Mapping[str, Outcome]
    planned_by: str
    planned_at: datetime
    closed_by: str | None
    closed_at: datetime | None

    @property
    def period(self) -> tuple[Week, ...]:
        """Its weeks."""
        return weeks_of(self.first_week, self.weeks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One draw of a plan. What was revealed is not in it (`Sampling.record`).

    Attributes:
        id: of the row.
        plan: id of the plan.
        number: from 1.
        state: what it came to.
        reason: why it was drawn again; "" for the first.
        made_by: who fixed its roster.
        made_at: when.
        people: in the roster.
        roster_digest: of the roster's hashes.
        psd_commitment: or None.
        psd_by: who made it.
        second_commitment: or None.
        second_by: who made it.
        psd_revealed: whether PSD's secret is known.
        second_revealed: whether the second party's is.
        drawn_at: when both were, and it was drawn.
        taken: person-weeks that were drawn.
    """

    id: int
    plan: int
    number: int
    state: DrawState
    reason: str
    made_by: str
    made_at: datetime
    people: int
    roster_digest: str
    psd_commitment: str | None
    psd_by: str | None
    second_commitment: str | None
    second_by: str | None
    psd_revealed: bool
    second_revealed: bool
    drawn_at: datetime | None
    taken: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One person-week to review, under a pseudonym.

    Attributes:
        id: of the row.
        plan: id of the plan.
        draw: number of the draw.
        pseudonym: `DS-2026-0001/1-017`, by which reviewers know it.
        week: which.
        stratum: from which; reviewers are not shown it: a small unit would give the name away.
        reviewer: who has taken it, or None.
        taken_at: when.
        code: of the outcome, or None.
        outcome: what that means.
        note: the reviewer's.
        decided_at: when.
        request: reference of the request that a concern led to; None: none yet.
        disposal: reference of the certificate that its view was deleted; None: none yet.
    """

    id: int
    plan: int
    draw: int
    pseudonym: str
    week: Week
    stratum: Stratum
    reviewer: str | None
    taken_at: datetime | None
    code: str | None
    outcome: Outcome | None
    note: str
    decided_at: datetime | None
    request: str | None
    disposal: str | None
