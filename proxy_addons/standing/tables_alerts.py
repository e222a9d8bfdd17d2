"""The tables of alerts: what was raised, what it rests on, what became of it, who is to be told.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them); hold
an address that somebody opened.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

ALERT = 128
"""Characters of an alert's id."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("alert", String(ALERT), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("clause", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("measure", String(16), nullable=False),
    Column("threshold", BigInteger, nullable=False),
    Column("within", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("who", String(NAME), nullable=False),
    Column("window_start", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("raised_at", Utc, nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(REFERENCE)),
    Column("authorisation", String(REFERENCE)),
    UniqueConstraint("alert", "kind", "who", "window_start"),
    CheckConstraint("kind IN ('person', 'client', 'everybody')", name="kind"),
    CheckConstraint("state IN ('new', 'seen', 'requested', 'closed')", name="state"),
    CheckConstraint("(state = 'closed') = (outcome IS NOT NULL)", name="outcome"),
)
"""One row for each alert, whichever gateways saw what it rests on."""

alert_parts = Table(
    "alert_parts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("gateway", String(NAME), nullable=False),
    Column("alert", String(ALERT), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("who", String(NAME), nullable=False),
    Column("window_start", Utc, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("ids", JSON, nullable=False),
    UniqueConstraint("gateway", "alert", "kind", "who", "window_start"),
    CheckConstraint("first_at <= last_at", name="period"),
)
"""What each gateway counted: its last word on it, so that saying it twice changes nothing."""

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry", ForeignKey("alerts.id"), nullable=False),
    Column("gateway", String(NAME), nullable=False),
    Column("way", String(16), nullable=False),
    Column("target", String(NAME), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("problem", Text, nullable=False),
    Column("ended_at", Utc),
    UniqueConstraint("entry", "way", "target"),
    CheckConstraint("state IN ('waiting', 'delivered', 'given-up')", name="state"),
)
"""Who is to be told, and whether they were. A gateway delivers what it raised."""

alert_steps = steps_table(
    "alert_steps", "entry", "alerts.id", Column("changes", JSON(none_as_null=True))
)
