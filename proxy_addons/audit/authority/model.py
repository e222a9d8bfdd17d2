"""An authorisation as the register holds it, and what state it is in.

In: rows of the tables, the time. Out: frozen values.
Must never: judge who may do what (rules.py); show the key of its pseudonyms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Kind(StrEnum):
    """What an authorisation is for."""

    REACTIVE = "reactive"
    """Records of the past, of named people: an investigation."""
    LIVE = "live"
    """Records of named people as they come (Inf/27 3.6: proactively monitor)."""
    DIP_SAMPLE = "dip-sample"
    """The standing authority for routine random monitoring (Inf/27 4.2.4)."""
    SUBJECT_ACCESS = "subject-access"
    """Somebody's own records, asked for by them (UK GDPR 15, DPA 2018 s.45)."""
    TECHNICAL_SUPPORT = "technical-support"
    """Faults (Inf/27 4.2.1): under pseudonyms, without addresses of pages."""
    DISCLOSURE = "disclosure"
    """Material of a case for prosecution and defence (CPIA 1996)."""


class SubjectClass(StrEnum):
    """What a subject is to the force: by it goes who approves (Inf/27 4.2.6)."""

    OFFICER = "officer"
    STAFF = "staff"
    OTHER = "other"
    """Contractors, volunteers, whoever is neither."""


class Purpose(StrEnum):
    """What monitoring may be for: SI 2018/356 reg. 3."""

    FACTS = "establish-facts"
    COMPLIANCE = "ascertain-compliance"
    STANDARDS = "standards"
    NATIONAL_SECURITY = "national-security"
    CRIME = "prevent-or-detect-crime"
    UNAUTHORISED_USE = "unauthorised-use"
    OPERATION = "effective-operation"


class Regime(StrEnum):
    """The law under which it is done."""

    MONITORING = "si-2018-356"
    """Lawful Business Monitoring."""
    DATA_PROTECTION = "uk-gdpr"
    LAW_ENFORCEMENT = "dpa-2018-part-3"
    DISCLOSURE = "cpia-1996"


class State(StrEnum):
    """What an authorisation is at some moment."""

    REQUESTED = "requested"
    """Not everybody who has to has approved."""
    APPROVED = "approved"
    WRITTEN_UP = "written-up"
    """Approved by word of mouth, and confirmed in writing since."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """By its applicant."""
    CANCELLED = "cancelled"
    """Ended early by an approver, or the head of Professional Standards."""
    EXPIRED = "expired"
    """Ended by the clock: its validity is over, or nobody wrote up in time."""


UNIT: Final = "unit"
"""Scope of a comparison: the subject's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for in an application.

    Attributes:
        kind: what it is for.
        subjects: login name → class; empty for a standing dip sample.
        investigators: login names of those who look besides the applicant.
        purpose: after SI 2018/356 reg. 3.
        regime: the law.
        allegation: reference of the allegation, case or fault; "" where there is none.
        criminal: whether it is about a crime.
        necessity: why it is needed.
        proportionality: why less would not do, and that it is not too much.
        alternatives: what else was considered.
        collateral: how intrusion on others is kept small.
        begins: first moment of the records, aware.
        ends: first moment after them.
        fields: names of fields of the record; empty: those that its kind usually needs.
        categories: only records in these; None: in any, or none.
        unmasked: special categories that are shown.
        names_shown: whether names are shown, instead of pseudonyms.
        row_cap: most rows of one answer.
        valid_from: from when one may look.
        valid_until: and until when.
        review_at: when it is to be reviewed; None: half-way.
        urgent: whether it may be approved by word of mouth.
        retention: class of retention; "": by its kind.
        comparison: `UNIT`: medians of the subject's unit are shown beside their figures; "": none.
        comparison_why: why that is proportionate.
    """

    kind: Kind
    purpose: Purpose
    regime: Regime
    necessity: str
    proportionality: str
    alternatives: str
    collateral: str
    begins: datetime
    ends: datetime
    valid_from: datetime
    valid_until: datetime
    subjects: Mapping[str, SubjectClass] = field(default_factory=dict)
    investigators: frozenset[str] = frozenset()
    allegation: str = ""
    criminal: bool = False
    fields: frozenset[str] = frozenset()
    categories: frozenset[str] | None = None
    unmasked: frozenset[str] = frozenset()
    names_shown: bool = True
    row_cap: int = 10_000
    review_at: datetime | None = None
    urgent: bool = False
    retention: str = ""
    comparison: str = ""
    comparison_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """That figures of a subject may be compared with those of their unit.

    Attributes:
        scope: `UNIT`.
        unit: name of the unit, as the directory had it.
        people: how many colleagues, without the subject.
        why: the reason it is proportionate.
        digest: of the colleagues' names (`colleagues.are_those`).
        at: when the directory was asked.
    """

    scope: str
    unit: str
    people: int
    why: str
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One approval.

    Attributes:
        round: 0: of the application; then of each renewal.
        office: which office approved.
        person: who holds it, or deputises.
        delegation: reference of the delegation by which they do, or None.
        oral: whether it was given by word of mouth.
        recorded_by: who wrote it into the register.
        at: when.
    """

    round: int
    office: str
    person: str
    delegation: str | None
    oral: bool
    recorded_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal that was asked for and not decided.

    Attributes:
        until: the new end.
        why: the reason.
        by: who asked.
        at: when.
    """

    until: datetime
    why: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """An entry of the register. All times are aware, in UTC; all names canonical.

    Attributes are those of `Wanted`, and:
        id: of the row.
        reference: `AU-2026-0001`.
        revision: number of its steps; what a view of it is known by.
        form: name and version of the form of application.
        form_version: see there.
        applicant: who applied.
        applied_at: when.
        needs: who has to approve: of each group of offices one.
        state: as written; see `state_at`.
        approved_at: when the last of them did.
        written_by: until when what was approved by word of mouth is to be confirmed; None:
            nothing was, or it is confirmed.
        review_at: when the next review is due; None when none is.
        reviewed_at: when it was last reviewed.
        renewals: how many were approved.
        rounds: how many were asked for.
        renewal: one that waits.
        ended_by: who refused, withdrew or cancelled it.
        ended_at: when.
        approvals: in their order.
        conflicts: names of those who declared a conflict.
        pseudonym_key: what its pseudonyms are made with.
        comparison: with the subject's unit, or None.
    """

    id: int
    reference: str
    revision: int
    form: str
    form_version: str
    kind: Kind
    applicant: str
    applied_at: datetime
    subjects: Mapping[str, SubjectClass]
    investigators: frozenset[str]
    purpose: Purpose
    regime: Regime
    allegation: str | None
    criminal: bool
    necessity: str
    proportionality: str
    alternatives: str
    collateral: str
    begins: datetime
    ends: datetime
    fields: frozenset[str]
    categories: frozenset[str] | None
    unmasked: frozenset[str]
    names_shown: bool
    row_cap: int
    valid_from: datetime
    valid_until: datetime
    urgent: bool
    needs: tuple[tuple[str, ...], ...]
    retention: str
    state: str
    approved_at: datetime | None
    written_by: datetime | None
    review_at: datetime | None
    reviewed_at: datetime | None
    renewals: int
    rounds: int
    renewal: Renewal | None
    ended_by: str | None
    ended_at: datetime | None
    approvals: tuple[Approval, ...]
    conflicts: frozenset[str]
    pseudonym_key: bytes = field(repr=False)
    comparison: Comparison | None = None

    def state_at(self, now: datetime) -> State:
        """What it is at that moment; ends are excluded."""
        written = State(self.state)
        if written not in {State.REQUESTED, State.APPROVED, State.WRITTEN_UP}:
            return written
        unwritten = self.written_by is not None and now >= self.written_by
        return State.EXPIRED if unwritten or now >= self.valid_until else written

    def holds(self, now: datetime) -> bool:
        """Whether one may look by it at that moment."""
        approved = self.state_at(now) in {State.APPROVED, State.WRITTEN_UP}
        return approved and self.granted and self.valid_from <= now

    @property
    def granted(self) -> bool:
        """Whether all have approved that have to, by the approvals themselves.

        A row whose state somebody wrote by hand opens nothing.
        """
        concerned = {self.applicant, *self.investigators, *self.subjects}
        given = {
            each.office
            for each in self.approvals
            if not each.round and each.person not in concerned
        }
        return bool(self.needs) and not any(given.isdisjoint(need) for need in self.needs)

    def review_is_overdue(self, now: datetime) -> bool:
        """Whether it holds and should have been reviewed."""
        due = self.review_at is not None and self.review_at <= now
        return due and self.holds(now)

    @property
    def round(self) -> int:
        """Which approvals are gathered now: 0 for the application's, then the renewals'."""
        return 0 if self.state == State.REQUESTED else self.rounds

    @property
    def missing(self) -> tuple[tuple[str, ...], ...]:
        """Who of `needs` has not approved yet in the present round, not by word of mouth either."""
        given = {each.office for each in self.approvals if each.round == self.round}
        return tuple(need for need in self.needs if given.isdisjoint(need))

    @property
    def unwritten(self) -> tuple[tuple[str, ...], ...]:
        """Who of `needs` has approved by word of mouth alone."""
        oral = {each.office for each in self.approvals if not each.round and each.oral}
        written = {each.office for each in self.approvals if not each.round and not each.oral}
        return tuple(
            need for need in self.needs if not oral.isdisjoint(need) and written.isdisjoint(need)
        )
