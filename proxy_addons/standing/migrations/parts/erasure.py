"""Part of the third form: ordered erasures.

In: the second form. Out: their tables.
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from proxy_addons.standing.migrations.append_only import append_only

if TYPE_CHECKING:
    from datetime import datetime

_NAME = 256
_REFERENCE = 32


def make() -> None:
    """Make the tables."""
    op.create_table(
        "erasure_orders",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("reference", _REFERENCE),
        _text("person"),
        _time("since"),
        _time("until"),
        sa.Column("why", sa.Text(), nullable=False),
        _text("asked_by"),
        _time("asked_at"),
        _text("confirmed_by", nullable=True),
        _time("confirmed_at", nullable=True),
        _text("refused_by", nullable=True),
        _time("done_at", nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_orders"),
        sa.UniqueConstraint("reference", name="uq_erasure_orders_reference"),
        sa.CheckConstraint("since < until", name="ck_erasure_orders_period"),
        sa.CheckConstraint(
            "confirmed_by IS NULL OR (confirmed_at IS NOT NULL AND confirmed_by <> asked_by"
            " AND confirmed_by <> person AND refused_by IS NULL)",
            name="ck_erasure_orders_second_person",
        ),
        sa.CheckConstraint("asked_by <> person", name="ck_erasure_orders_not_own"),
        sa.CheckConstraint(
            "done_at IS NULL OR confirmed_by IS NOT NULL", name="ck_erasure_orders_done"
        ),
    )
    op.create_table(
        "erasure_order_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("erasure", sa.Integer(), nullable=False),
        _time("at"),
        _text("kind", _REFERENCE),
        _text("who"),
        _text("how", _REFERENCE),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_order_steps"),
        sa.ForeignKeyConstraint(
            ["erasure"], ["erasure_orders.id"], name="fk_erasure_order_steps_erasure"
        ),
    )
    op.create_index("ix_erasure_order_steps_erasure", "erasure_order_steps", ["erasure"])
    append_only("erasure_order_steps")


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int = _NAME, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)
