"""The first form: the register of exemptions, withdrawals, the portal's sessions and lock-outs.

In: an empty database. Out: its tables; rows of steps can be added and nothing else.
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from proxy_addons.standing.migrations.append_only import append_only

if TYPE_CHECKING:
    from datetime import datetime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = 256
_REFERENCE = 32
_APPEND_ONLY = ("exemption_steps", "withdrawal_steps")


def upgrade() -> None:
    """Make everything."""
    _counters()
    _exemptions()
    _withdrawals()
    _portal()
    for table in _APPEND_ONLY:
        append_only(table)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(_NAME), nullable=nullable)


def _counters() -> None:
    versions = op.create_table(
        "versions",
        sa.Column("name", sa.String(_REFERENCE), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_versions"),
    )
    op.bulk_insert(versions, [{"name": "standing", "version": 1}])
    op.create_table(
        "numbers",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "year", name="pk_numbers"),
    )


def _exemptions() -> None:
    op.create_table(
        "exemptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(_REFERENCE), nullable=False),
        _name("person"),
        sa.Column("everything", sa.Boolean(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("force_reference", sa.Text()),
        sa.Column("significant", sa.Boolean(), nullable=False),
        sa.Column("escalated_to", sa.Text()),
        _name("requested_by"),
        _time("requested_at"),
        _time("begins"),
        _time("ends"),
        sa.Column("state", sa.String(16), nullable=False),
        _name("decided_by", nullable=True),
        _time("decided_at", nullable=True),
        _time("review_at", nullable=True),
        _time("reviewed_at", nullable=True),
        _time("extension_ends", nullable=True),
        sa.Column("extension_why", sa.Text()),
        _name("extension_by", nullable=True),
        _time("extension_at", nullable=True),
        _name("revoked_by", nullable=True),
        _time("revoked_at", nullable=True),
        _time("expiry_noted_at", nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_exemptions"),
        sa.UniqueConstraint("reference", name="uq_exemptions_reference"),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'refused', 'revoked')", name="ck_exemptions_state"
        ),
        sa.CheckConstraint("begins < ends", name="ck_exemptions_period"),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'revoked') OR (decided_by IS NOT NULL"
            " AND decided_by <> requested_by AND decided_by <> person)",
            name="ck_exemptions_second_person",
        ),
    )
    op.create_index("ix_exemptions_person", "exemptions", ["person"])
    op.create_index("ix_exemptions_state", "exemptions", ["state"])
    op.create_table(
        "exemption_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("exemption", sa.Integer(), nullable=False),
        _time("at"),
        sa.Column("kind", sa.String(_REFERENCE), nullable=False),
        _name("who"),
        sa.Column("how", sa.String(_REFERENCE), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_exemption_steps"),
        sa.ForeignKeyConstraint(
            ["exemption"], ["exemptions.id"], name="fk_exemption_steps_exemption"
        ),
    )
    op.create_index("ix_exemption_steps_exemption", "exemption_steps", ["exemption"])
    op.create_table(
        "exemption_use",
        sa.Column("exemption", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("exemption", "day", name="pk_exemption_use"),
        sa.ForeignKeyConstraint(
            ["exemption"], ["exemptions.id"], name="fk_exemption_use_exemption"
        ),
    )


def _withdrawals() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(_REFERENCE), nullable=False),
        _name("person"),
        sa.Column("reason", sa.Text(), nullable=False),
        _name("withdrawn_by"),
        sa.Column("by_right", sa.String(_REFERENCE), nullable=False),
        _time("withdrawn_at"),
        _name("lifted_by", nullable=True),
        _time("lifted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_withdrawals"),
        sa.UniqueConstraint("reference", name="uq_withdrawals_reference"),
        sa.CheckConstraint(
            "withdrawn_by <> person AND (lifted_by IS NULL OR lifted_by <> person)",
            name="ck_withdrawals_other",
        ),
    )
    op.create_index(
        "ux_withdrawals_live",
        "withdrawals",
        ["person"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "withdrawal_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("withdrawal", sa.Integer(), nullable=False),
        _time("at"),
        sa.Column("kind", sa.String(_REFERENCE), nullable=False),
        _name("who"),
        sa.Column("how", sa.String(_REFERENCE), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_withdrawal_steps"),
        sa.ForeignKeyConstraint(
            ["withdrawal"], ["withdrawals.id"], name="fk_withdrawal_steps_withdrawal"
        ),
    )
    op.create_index("ix_withdrawal_steps_withdrawal", "withdrawal_steps", ["withdrawal"])


def _portal() -> None:
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.String(128), nullable=False),
        _name("person"),
        sa.Column("how", sa.String(_REFERENCE), nullable=False),
        _time("created_at"),
        _time("seen_at"),
        _time("proven_at"),
        sa.Column("csrf", sa.String(128), nullable=False),
        sa.Column("roles", sa.JSON()),
        sa.PrimaryKeyConstraint("id_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])
    op.create_index("ix_sessions_seen_at", "sessions", ["seen_at"])
    op.create_table(
        "lockouts",
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _time("first_at"),
        _time("until", nullable=True),
        sa.PrimaryKeyConstraint("subject", name="pk_lockouts"),
    )
