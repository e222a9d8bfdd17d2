"""The tables of retention: legal holds, collateral material, disposal certificates.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    String,
    Table,
    Text,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

DIGEST = 64
"""Hexadecimal digits of SHA-256."""

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("persons", JSON(none_as_null=True)),
    Column("unknown_too", Boolean, nullable=False),
    Column("since", Utc),
    Column("until", Utc),
    Column("authorisation", String(REFERENCE)),
    Column("case_reference", Text, nullable=False),
    Column("owner", String(NAME), nullable=False),
    Column("why", Text, nullable=False),
    Column("review_at", Utc, nullable=False),
    Column("placed_by", String(NAME), nullable=False),
    Column("placed_at", Utc, nullable=False),
    Column("lift_asked_by", String(NAME)),
    Column("lift_asked_at", Utc),
    Column("lift_why", Text),
    Column("lifted_by", String(NAME)),
    Column("lifted_at", Utc),
    Column("revision", Integer, nullable=False),
    CheckConstraint(
        "persons IS NOT NULL OR since IS NOT NULL OR until IS NOT NULL"
        " OR authorisation IS NOT NULL",
        name="scope",
    ),
    CheckConstraint("since IS NULL OR until IS NULL OR since < until", name="period"),
    # Against a fault of the program too: nobody lifts a hold alone.
    CheckConstraint(
        "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_by IS NULL"
        " OR (lift_asked_by IS NOT NULL AND lifted_by <> lift_asked_by))",
        name="second_person",
    ),
)

legal_hold_steps = steps_table(
    "legal_hold_steps", "hold", "legal_holds.id", Column("changes", JSON(none_as_null=True))
)

collateral_decisions = Table(
    "collateral_decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("authorisation", String(REFERENCE), nullable=False, index=True),
    Column("decision", String(16), nullable=False),
    Column("rows", JSON, nullable=False),
    Column("digest", String(DIGEST), nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("persons", JSON(none_as_null=True)),
    Column("why", Text, nullable=False),
    Column("by", String(NAME), nullable=False),
    Column("how", String(REFERENCE), nullable=False),
    Column("at", Utc, nullable=False),
    CheckConstraint("decision IN ('disregard', 'delete', 'keep')", name="decision"),
    CheckConstraint("since < until", name="period"),
)
"""`rows`: pairs of segment and line. Append-only, by triggers: another decision is another row."""

disposal_certificates = Table(
    "disposal_certificates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("class", String(REFERENCE), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("since", Utc),
    Column("until", Utc),
    Column("records", Integer, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("by", String(NAME), nullable=False),
    Column("how", String(REFERENCE), nullable=False),
    Column("at", Utc, nullable=False),
    Column("digest", String(DIGEST), nullable=False),
    CheckConstraint("records >= 0 AND segments >= 0", name="counts"),
)
"""Append-only, by triggers."""
