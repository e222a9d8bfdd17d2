"""Part of the third form: dip sampling.

In: the second form. Out: plans, draws, rosters and samples.
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
    _plans()
    _draws()
    _samples()
    for table in ("sampling_steps", "sampling_snapshots"):
        append_only(table)


def _time(name: str, *, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int = _NAME, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _long(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str = "id", *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _plans() -> None:
    op.create_table(
        "sampling_plans",
        _number(),
        _text("reference", _REFERENCE),
        _text("state", 16),
        _long("why"),
        _long("authority"),
        sa.Column("first_day", sa.Date(), nullable=False),
        _number("weeks"),
        _number("size"),
        _text("second_party"),
        sa.Column("codes", sa.JSON(), nullable=False),
        _text("planned_by"),
        _time("planned_at", nullable=False),
        _text("closed_by", nullable=True),
        _time("closed_at"),
        _number("revision"),
        sa.PrimaryKeyConstraint("id", name="pk_sampling_plans"),
        sa.UniqueConstraint("reference", name="uq_sampling_plans_reference"),
        sa.CheckConstraint(
            "state IN ('planned', 'committed', 'drawn', 'in-review', 'closed')",
            name="ck_sampling_plans_state",
        ),
        sa.CheckConstraint("weeks BETWEEN 1 AND 53", name="ck_sampling_plans_weeks"),
        sa.CheckConstraint("size >= 1", name="ck_sampling_plans_size"),
        sa.CheckConstraint("second_party <> planned_by", name="ck_sampling_plans_second_party"),
    )
    op.create_index("ix_sampling_plans_state", "sampling_plans", ["state"])
    op.create_table(
        "sampling_steps",
        _number(),
        _number("plan"),
        _time("at", nullable=False),
        _text("kind", _REFERENCE),
        _text("who"),
        _text("how", _REFERENCE),
        _long("note"),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_sampling_steps"),
        sa.ForeignKeyConstraint(["plan"], ["sampling_plans.id"], name="fk_sampling_steps_plan"),
    )
    op.create_index("ix_sampling_steps_plan", "sampling_steps", ["plan"])


def _draws() -> None:
    op.create_table(
        "sampling_draws",
        _number(),
        _number("plan"),
        _number("number"),
        _text("state", 16),
        _long("reason"),
        _text("made_by"),
        _time("made_at", nullable=False),
        _number("people"),
        _text("roster_digest", _DIGEST),
        _text("psd_commitment", _DIGEST, nullable=True),
        _text("psd_by", nullable=True),
        _text("second_commitment", _DIGEST, nullable=True),
        _text("second_by", nullable=True),
        _text("psd_secret", 128, nullable=True),
        _text("second_secret", 128, nullable=True),
        _time("drawn_at"),
        _number("taken", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sampling_draws"),
        sa.ForeignKeyConstraint(["plan"], ["sampling_plans.id"], name="fk_sampling_draws_plan"),
        sa.UniqueConstraint("plan", "number", name="uq_sampling_draws_plan"),
        sa.CheckConstraint(
            "state IN ('open', 'drawn', 'replaced')", name="ck_sampling_draws_state"
        ),
        sa.CheckConstraint("psd_by <> second_by", name="ck_sampling_draws_two_people"),
        sa.CheckConstraint(
            "(psd_secret IS NULL AND second_secret IS NULL)"
            " OR (psd_commitment IS NOT NULL AND second_commitment IS NOT NULL)",
            name="ck_sampling_draws_both_committed",
        ),
    )
    op.create_table(
        "sampling_snapshots",
        _number("draw"),
        _text("salt", _DIGEST),
        _long("hashes"),
        sa.PrimaryKeyConstraint("draw", name="pk_sampling_snapshots"),
        sa.ForeignKeyConstraint(["draw"], ["sampling_draws.id"], name="fk_sampling_snapshots_draw"),
    )
    op.create_table(
        "sampling_strata",
        _number("draw"),
        _text("service", 16),
        _text("unit"),
        _number("people"),
        sa.PrimaryKeyConstraint("draw", "service", "unit", name="pk_sampling_strata"),
        sa.ForeignKeyConstraint(["draw"], ["sampling_draws.id"], name="fk_sampling_strata_draw"),
    )
    op.create_table(
        "sampling_roster",
        _number("draw"),
        _text("person"),
        _text("service", 16),
        _text("unit"),
        sa.PrimaryKeyConstraint("draw", "person", name="pk_sampling_roster"),
        sa.ForeignKeyConstraint(["draw"], ["sampling_draws.id"], name="fk_sampling_roster_draw"),
    )


def _samples() -> None:
    op.create_table(
        "sampling_samples",
        _number(),
        _number("plan"),
        _number("draw"),
        _text("pseudonym", 48),
        sa.Column("monday", sa.Date(), nullable=False),
        _text("service", 16),
        _text("unit"),
        _text("ticket", _DIGEST),
        _text("reviewer", nullable=True),
        _time("taken_at"),
        _text("code", _REFERENCE, nullable=True),
        _text("outcome", 16, nullable=True),
        _long("note"),
        _time("decided_at"),
        _text("request", _REFERENCE, nullable=True),
        _text("disposal", _REFERENCE, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sampling_samples"),
        sa.ForeignKeyConstraint(["plan"], ["sampling_plans.id"], name="fk_sampling_samples_plan"),
        sa.UniqueConstraint("pseudonym", name="uq_sampling_samples_pseudonym"),
        sa.CheckConstraint(
            "outcome IS NULL OR reviewer IS NOT NULL", name="ck_sampling_samples_reviewer"
        ),
        sa.CheckConstraint(
            "request IS NULL OR outcome = 'concern'", name="ck_sampling_samples_request"
        ),
        sa.CheckConstraint(
            "disposal IS NULL OR outcome IS NOT NULL", name="ck_sampling_samples_disposal"
        ),
    )
    op.create_index("ix_sampling_samples_plan", "sampling_samples", ["plan"])
    op.create_table(
        "sampling_names",
        _number("sample"),
        _text("person"),
        sa.PrimaryKeyConstraint("sample", name="pk_sampling_names"),
        sa.ForeignKeyConstraint(
            ["sample"], ["sampling_samples.id"], name="fk_sampling_names_sample"
        ),
    )
