"""The tables of ordered erasures.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).
"""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Column, Integer, String, Table, Text

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

erasure_orders = Table(
    "erasure_orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("person", String(NAME), nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_by", String(NAME), nullable=False),
    Column("asked_at", Utc, nullable=False),
    Column("confirmed_by", String(NAME)),
    Column("confirmed_at", Utc),
    Column("refused_by", String(NAME)),
    Column("done_at", Utc),
    Column("revision", Integer, nullable=False),
    CheckConstraint("since < until", name="period"),
    # Against a fault of the program too: nobody orders an erasure alone, or of their own records.
    CheckConstraint(
        "confirmed_by IS NULL OR (confirmed_at IS NOT NULL AND confirmed_by <> asked_by"
        " AND confirmed_by <> person AND refused_by IS NULL)",
        name="second_person",
    ),
    CheckConstraint("asked_by <> person", name="not_own"),
    CheckConstraint("done_at IS NULL OR confirmed_by IS NOT NULL", name="done"),
)

erasure_order_steps = steps_table(
    "erasure_order_steps",
    "erasure",
    "erasure_orders.id",
    Column("changes", JSON(none_as_null=True)),
)
