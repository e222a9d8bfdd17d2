"""Part of the third form: alerts, what they rest on, who is told, what became of them.

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
_ALERT = 128
_WORD = 16


def make() -> None:
    """Make the tables."""
    _alerts()
    _parts()
    _deliveries()
    _steps()
    append_only("alert_steps")


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int = _NAME, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _long(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _large(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _alerts() -> None:
    op.create_table(
        "alerts",
        _number(),
        _text("reference", _REFERENCE),
        _text("alert", _ALERT),
        _text("severity", _WORD),
        _long("clause"),
        _long("words"),
        _text("measure", _WORD),
        _large("threshold"),
        _number("within"),
        _text("kind", _WORD),
        _text("who"),
        _time("window_start"),
        _time("until"),
        _time("raised_at"),
        _text("state", _WORD),
        _text("outcome", _REFERENCE, nullable=True),
        _text("authorisation", _REFERENCE, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("reference", name="uq_alerts_reference"),
        sa.UniqueConstraint("alert", "kind", "who", "window_start", name="uq_alerts_alert"),
        sa.CheckConstraint("kind IN ('person', 'client', 'everybody')", name="ck_alerts_kind"),
        sa.CheckConstraint(
            "state IN ('new', 'seen', 'requested', 'closed')", name="ck_alerts_state"
        ),
        sa.CheckConstraint("(state = 'closed') = (outcome IS NOT NULL)", name="ck_alerts_outcome"),
    )


def _parts() -> None:
    op.create_table(
        "alert_parts",
        _number(),
        _number("entry"),
        _text("gateway"),
        _text("alert", _ALERT),
        _text("kind", _WORD),
        _text("who"),
        _time("window_start"),
        _time("first_at"),
        _time("last_at"),
        _large("records"),
        _large("amount"),
        _large("late"),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_parts"),
        sa.ForeignKeyConstraint(["entry"], ["alerts.id"], name="fk_alert_parts_entry"),
        sa.UniqueConstraint(
            "gateway", "alert", "kind", "who", "window_start", name="uq_alert_parts_gateway"
        ),
        sa.CheckConstraint("first_at <= last_at", name="ck_alert_parts_period"),
    )
    op.create_index("ix_alert_parts_entry", "alert_parts", ["entry"])


def _deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        _number(),
        _number("entry"),
        _text("gateway"),
        _text("way", _WORD),
        _text("target"),
        _long("body"),
        _text("state", _WORD),
        _number("attempts"),
        _time("next_at"),
        _long("problem"),
        _time("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alert_deliveries"),
        sa.ForeignKeyConstraint(["entry"], ["alerts.id"], name="fk_alert_deliveries_entry"),
        sa.UniqueConstraint("entry", "way", "target", name="uq_alert_deliveries_entry"),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'given-up')", name="ck_alert_deliveries_state"
        ),
    )
    op.create_index("ix_alert_deliveries_state", "alert_deliveries", ["state"])


def _steps() -> None:
    op.create_table(
        "alert_steps",
        _number(),
        _number("entry"),
        _time("at"),
        _text("kind", _REFERENCE),
        _text("who"),
        _text("how", _REFERENCE),
        _long("note"),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_alert_steps"),
        sa.ForeignKeyConstraint(["entry"], ["alerts.id"], name="fk_alert_steps_entry"),
    )
    op.create_index("ix_alert_steps_entry", "alert_steps", ["entry"])
