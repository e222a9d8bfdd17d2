"""Part of the third form: legal holds, collateral material, disposal certificates.

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
_DIGEST = 64


def make() -> None:
    """Make the tables."""
    _holds()
    _collateral()
    _certificates()
    for table in ("legal_hold_steps", "collateral_decisions", "disposal_certificates"):
        append_only(table)


def _time(name: str, *, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int = _NAME, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _long(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _holds() -> None:
    op.create_table(
        "legal_holds",
        _number(),
        _text("reference", _REFERENCE),
        sa.Column("persons", sa.JSON()),
        sa.Column("unknown_too", sa.Boolean(), nullable=False),
        _time("since"),
        _time("until"),
        _text("authorisation", _REFERENCE, nullable=True),
        _long("case_reference"),
        _text("owner"),
        _long("why"),
        _time("review_at", nullable=False),
        _text("placed_by"),
        _time("placed_at", nullable=False),
        _text("lift_asked_by", nullable=True),
        _time("lift_asked_at"),
        _long("lift_why", nullable=True),
        _text("lifted_by", nullable=True),
        _time("lifted_at"),
        _number("revision"),
        sa.PrimaryKeyConstraint("id", name="pk_legal_holds"),
        sa.UniqueConstraint("reference", name="uq_legal_holds_reference"),
        sa.CheckConstraint(
            "persons IS NOT NULL OR since IS NOT NULL OR until IS NOT NULL"
            " OR authorisation IS NOT NULL",
            name="ck_legal_holds_scope",
        ),
        sa.CheckConstraint(
            "since IS NULL OR until IS NULL OR since < until", name="ck_legal_holds_period"
        ),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_by IS NULL"
            " OR (lift_asked_by IS NOT NULL AND lifted_by <> lift_asked_by))",
            name="ck_legal_holds_second_person",
        ),
    )
    op.create_table(
        "legal_hold_steps",
        _number(),
        _number("hold"),
        _time("at", nullable=False),
        _text("kind", _REFERENCE),
        _text("who"),
        _text("how", _REFERENCE),
        _long("note"),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_legal_hold_steps"),
        sa.ForeignKeyConstraint(["hold"], ["legal_holds.id"], name="fk_legal_hold_steps_hold"),
    )
    op.create_index("ix_legal_hold_steps_hold", "legal_hold_steps", ["hold"])


def _collateral() -> None:
    op.create_table(
        "collateral_decisions",
        _number(),
        _text("reference", _REFERENCE),
        _text("authorisation", _REFERENCE),
        _text("decision", 16),
        sa.Column("rows", sa.JSON(), nullable=False),
        _text("digest", _DIGEST),
        _time("since", nullable=False),
        _time("until", nullable=False),
        sa.Column("persons", sa.JSON()),
        _long("why"),
        _text("by"),
        _text("how", _REFERENCE),
        _time("at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collateral_decisions"),
        sa.UniqueConstraint("reference", name="uq_collateral_decisions_reference"),
        sa.CheckConstraint(
            "decision IN ('disregard', 'delete', 'keep')", name="ck_collateral_decisions_decision"
        ),
        sa.CheckConstraint("since < until", name="ck_collateral_decisions_period"),
    )
    op.create_index(
        "ix_collateral_decisions_authorisation", "collateral_decisions", ["authorisation"]
    )


def _certificates() -> None:
    op.create_table(
        "disposal_certificates",
        _number(),
        _text("reference", _REFERENCE),
        _text("class", _REFERENCE),
        _long("subject"),
        _time("since"),
        _time("until"),
        _number("records"),
        _number("segments"),
        _long("rule"),
        _text("by"),
        _text("how", _REFERENCE),
        _time("at", nullable=False),
        _text("digest", _DIGEST),
        sa.PrimaryKeyConstraint("id", name="pk_disposal_certificates"),
        sa.UniqueConstraint("reference", name="uq_disposal_certificates_reference"),
        sa.CheckConstraint(
            "records >= 0 AND segments >= 0", name="ck_disposal_certificates_counts"
        ),
    )
    op.create_index("ix_disposal_certificates_class", "disposal_certificates", ["class"])
