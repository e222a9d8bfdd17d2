"""The second form: personal use. Breaks, minutes, duties, confirmations, acknowledgements, reviews.

In: the first form. Out: the new tables beside the old ones, which stay as they are.
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from proxy_addons.standing.migrations.append_only import append_only

if TYPE_CHECKING:
    from datetime import datetime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = 256
_REFERENCE = 32
_RULE = 128
_SITE = 255
_VERSION = 12
_APPEND_ONLY = ("statements", "acknowledgements", "review_steps", "views")


def upgrade() -> None:
    """Make what is new."""
    versions = sa.table("versions", sa.column("name"), sa.column("version"))
    op.bulk_insert(versions, [{"name": name, "version": 1} for name in ("shifts", "keeping")])
    _breaks()
    _minutes()
    _rota()
    _statement()
    _reviews()
    for table in _APPEND_ONLY:
        append_only(table)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(_NAME), nullable=nullable)


def _short(name: str, length: int = _REFERENCE) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _change() -> sa.Column[int]:
    return sa.Column("change", sa.BigInteger(), nullable=False)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _breaks() -> None:
    op.create_table(
        "breaks",
        _number(),
        _name("person"),
        sa.Column("day", sa.Date(), nullable=False),
        _time("begins"),
        _time("ends"),
        _number("minutes"),
        sa.Column("ended_early", sa.Boolean(), nullable=False),
        _name("by"),
        _short("how"),
        _change(),
        sa.PrimaryKeyConstraint("id", name="pk_breaks"),
        sa.CheckConstraint("minutes BETWEEN 1 AND 1440", name="ck_breaks_minutes"),
        sa.CheckConstraint("begins <= ends", name="ck_breaks_period"),
    )
    op.create_index("ix_breaks_day", "breaks", ["day", "person"])
    op.create_index("ix_breaks_person", "breaks", ["person", "begins"])
    _index("breaks", "change")
    op.create_table(
        "confirmations",
        _number(),
        _name("person"),
        _short("rule", _RULE),
        _short("site", _SITE),
        _time("at"),
        _time("until"),
        _change(),
        sa.PrimaryKeyConstraint("id", name="pk_confirmations"),
        sa.CheckConstraint("at < until", name="ck_confirmations_period"),
    )
    _index("confirmations", "person", "until", "change")


def _minutes() -> None:
    op.create_table(
        "minutes",
        _name("person"),
        _time("minute"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("social", sa.Boolean(), nullable=False),
        _change(),
        sa.PrimaryKeyConstraint("person", "minute", name="pk_minutes"),
    )
    _index("minutes", "day", "change")
    op.create_table(
        "minute_totals",
        _name("person"),
        sa.Column("day", sa.Date(), nullable=False),
        _number("personal"),
        _number("social"),
        sa.PrimaryKeyConstraint("person", "day", name="pk_minute_totals"),
        sa.CheckConstraint("0 <= social AND social <= personal", name="ck_minute_totals_social"),
    )
    _index("minute_totals", "day")
    op.create_table(
        "refusals",
        _name("person"),
        sa.Column("day", sa.Date(), nullable=False),
        _short("rule", _RULE),
        _number("count"),
        sa.PrimaryKeyConstraint("person", "day", "rule", name="pk_refusals"),
    )
    _index("refusals", "day")
    op.create_table(
        "refusal_portions",
        _short("worker"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_refusal_portions"),
    )


def _rota() -> None:
    op.create_table(
        "duties",
        _number(),
        _name("person"),
        _time("begins"),
        _time("ends"),
        _short("kind"),
        _name("source"),
        _change(),
        sa.PrimaryKeyConstraint("id", name="pk_duties"),
        sa.CheckConstraint("begins < ends", name="ck_duties_period"),
        sa.UniqueConstraint("person", "begins", "ends", "kind", name="uq_duties_person"),
    )
    _index("duties", "begins", "change")
    op.create_table(
        "rota_cover",
        _name("person"),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        _change(),
        sa.PrimaryKeyConstraint("person", name="pk_rota_cover"),
        sa.CheckConstraint("first <= last", name="ck_rota_cover_period"),
    )
    _index("rota_cover", "change")
    op.create_table(
        "rota_imports",
        _number(),
        _time("at"),
        _name("by"),
        sa.Column("source", sa.Text(), nullable=False),
        _short("digest", 64),
        _number("rows"),
        _number("added"),
        _number("removed"),
        sa.PrimaryKeyConstraint("id", name="pk_rota_imports"),
    )


def _statement() -> None:
    op.create_table(
        "statements",
        _short("version", _VERSION),
        _short("digest", 64),
        sa.Column("text", sa.Text(), nullable=False),
        _time("first_seen"),
        sa.PrimaryKeyConstraint("version", name="pk_statements"),
    )
    op.create_table(
        "acknowledgements",
        _number(),
        _name("person"),
        _short("version", _VERSION),
        _time("at"),
        _short("client_ip", 64),
        _short("how"),
        _time("until"),
        _change(),
        sa.PrimaryKeyConstraint("id", name="pk_acknowledgements"),
        sa.ForeignKeyConstraint(
            ["version"], ["statements.version"], name="fk_acknowledgements_version"
        ),
        sa.CheckConstraint("at < until", name="ck_acknowledgements_period"),
    )
    _index("acknowledgements", "person", "version", "change")


def _reviews() -> None:
    op.create_table(
        "reviews",
        _number(),
        _short("reference"),
        _name("person"),
        _short("url_host", _SITE),
        sa.Column("url", sa.Text(), nullable=False),
        _short("rule", _RULE),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        _time("asked_at"),
        _short("state", 16),
        _name("decided_by", nullable=True),
        _time("decided_at", nullable=True),
        sa.Column("answer", sa.Text()),
        _time("until", nullable=True),
        sa.Column("everybody", sa.Boolean(), nullable=False),
        _change(),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.UniqueConstraint("reference", name="uq_reviews_reference"),
        sa.CheckConstraint(
            "state IN ('open', 'allowed', 'recategorised', 'declined')", name="ck_reviews_state"
        ),
        sa.CheckConstraint(
            "state = 'open' OR (decided_by IS NOT NULL AND decided_at IS NOT NULL"
            " AND decided_by <> person)",
            name="ck_reviews_second_person",
        ),
        sa.CheckConstraint(
            "state <> 'allowed' OR until IS NOT NULL", name="ck_reviews_allowed_until"
        ),
    )
    _index("reviews", "person", "state", "change")
    op.create_table(
        "review_steps",
        _number(),
        _number("review"),
        _time("at"),
        _short("kind"),
        _name("who"),
        _short("how"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_review_steps"),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name="fk_review_steps_review"),
    )
    _index("review_steps", "review")
    op.create_table(
        "site_categories",
        _short("host", _SITE),
        sa.Column("categories", sa.JSON()),
        _short("review"),
        _name("set_by"),
        _time("set_at"),
        _change(),
        sa.PrimaryKeyConstraint("host", name="pk_site_categories"),
    )
    _index("site_categories", "change")
    op.create_table(
        "views",
        _number(),
        _time("at"),
        _name("viewer"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        _short("how"),
        sa.PrimaryKeyConstraint("id", name="pk_views"),
    )
    _index("views", "at", "viewer", "subject")
