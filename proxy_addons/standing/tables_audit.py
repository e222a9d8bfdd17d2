"""The tables of authority: who may look at the access log, approved by whom, and who deputises.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).

What the rules forbid (audit/authority/rules.py) the tables forbid once more, where they can: by
checks here, and by triggers of the migration.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

authorisations = Table(
    "authorisations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("form", Text, nullable=False),
    Column("form_version", Text, nullable=False),
    Column("kind", String(REFERENCE), nullable=False),
    Column("applicant", String(NAME), nullable=False, index=True),
    Column("applied_at", Utc, nullable=False),
    Column("purpose", String(REFERENCE), nullable=False),
    Column("regime", String(REFERENCE), nullable=False),
    Column("allegation", Text),
    Column("criminal", Boolean, nullable=False),
    Column("necessity", Text, nullable=False),
    Column("proportionality", Text, nullable=False),
    Column("alternatives", Text, nullable=False),
    Column("collateral", Text, nullable=False),
    Column("begins", Utc, nullable=False),
    Column("ends", Utc, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("categories", JSON(none_as_null=True)),
    Column("unmasked", JSON, nullable=False),
    Column("names_shown", Boolean, nullable=False),
    Column("row_cap", Integer, nullable=False),
    Column("valid_from", Utc, nullable=False),
    Column("valid_until", Utc, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("needs", JSON, nullable=False),
    Column("retention", String(REFERENCE), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("approved_at", Utc),
    Column("written_by", Utc),
    Column("review_at", Utc),
    Column("reviewed_at", Utc),
    Column("renewals", Integer, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("renewal_until", Utc),
    Column("renewal_why", Text),
    Column("renewal_by", String(NAME)),
    Column("renewal_at", Utc),
    Column("ended_by", String(NAME)),
    Column("ended_at", Utc),
    Column("pseudonym_key", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False),
    # What somebody may know of is found without reading what they may not.
    Index("ix_authorisations_urgent_state", "urgent", "state"),
    UniqueConstraint("id", "applicant", name="uq_authorisations_id_applicant"),
    CheckConstraint(
        "state IN ('requested', 'approved', 'written-up', 'refused', 'withdrawn', 'cancelled')",
        name="state",
    ),
    CheckConstraint(
        "kind IN ('reactive', 'live', 'dip-sample', 'subject-access', 'technical-support',"
        " 'disclosure')",
        name="kind",
    ),
    CheckConstraint("begins < ends", name="period"),
    CheckConstraint("valid_from < valid_until", name="validity"),
    CheckConstraint("row_cap > 0", name="row_cap"),
    CheckConstraint(
        "kind NOT IN ('dip-sample', 'technical-support') OR NOT names_shown", name="pseudonymous"
    ),
    CheckConstraint(
        "state NOT IN ('approved', 'written-up') OR approved_at IS NOT NULL", name="approved"
    ),
    CheckConstraint(
        "state <> 'withdrawn' OR (ended_by IS NOT NULL AND ended_by = applicant)", name="withdrawn"
    ),
    # Nobody decides on their own application, against a fault of the program too.
    CheckConstraint(
        "state NOT IN ('refused', 'cancelled') OR (ended_by IS NOT NULL AND ended_by <> applicant)",
        name="second_person",
    ),
)
"""What is asked for does not change (triggers): only its state, its validity, its reviews."""

authorisation_steps = steps_table(
    "authorisation_steps",
    "authorisation",
    "authorisations.id",
    Column("changes", JSON(none_as_null=True)),
)


def _of_application() -> ForeignKeyConstraint:
    """The entry together with its applicant, so that a check of this table can compare with it."""
    return ForeignKeyConstraint(
        ["authorisation", "applicant"], ["authorisations.id", "authorisations.applicant"]
    )


authorisation_people = Table(
    "authorisation_people",
    metadata,
    Column("authorisation", Integer, primary_key=True, autoincrement=False),
    Column("person", String(NAME), primary_key=True, index=True),
    Column("applicant", String(NAME), nullable=False),
    Column("part", String(REFERENCE), nullable=False),
    _of_application(),
    CheckConstraint("part IN ('officer', 'staff', 'other', 'investigator')", name="part"),
    CheckConstraint("person <> applicant", name="other"),
)
"""Subjects, by their class, and investigators: by the key nobody is both. Append-only."""

authorisation_approvals = Table(
    "authorisation_approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("authorisation", Integer, nullable=False, index=True),
    Column("applicant", String(NAME), nullable=False),
    Column("round", Integer, nullable=False),
    Column("office", String(64), nullable=False),
    Column("person", String(NAME), nullable=False),
    Column("delegation", String(REFERENCE)),
    Column("oral", Boolean, nullable=False),
    Column("recorded_by", String(NAME), nullable=False),
    Column("at", Utc, nullable=False),
    _of_application(),
    UniqueConstraint(
        "authorisation", "round", "office", "oral", name="uq_authorisation_approvals_authorisation"
    ),
    CheckConstraint("person <> applicant AND recorded_by <> applicant", name="second_person"),
    CheckConstraint("oral OR recorded_by = person", name="own_hand"),
)
"""`round`: 0 for the application, then one for each renewal. Append-only, and by trigger never of
a subject, an investigator or somebody with a conflict."""

authorisation_conflicts = Table(
    "authorisation_conflicts",
    metadata,
    Column("authorisation", ForeignKey("authorisations.id"), primary_key=True, autoincrement=False),
    Column("person", String(NAME), primary_key=True, index=True),
    Column("at", Utc, nullable=False),
    Column("why", Text, nullable=False),
)
"""Append-only."""

delegations = Table(
    "delegations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("office", String(64), nullable=False, index=True),
    Column("deputy", String(NAME), nullable=False, index=True),
    Column("begins", Utc, nullable=False),
    Column("ends", Utc, nullable=False),
    Column("why", Text, nullable=False),
    Column("given_by", String(NAME), nullable=False),
    Column("given_at", Utc, nullable=False),
    Column("revoked_by", String(NAME)),
    Column("revoked_at", Utc),
    CheckConstraint("begins < ends", name="period"),
    CheckConstraint("deputy <> given_by", name="other"),
)

delegation_steps = steps_table("delegation_steps", "delegation", "delegations.id")
