"""Part of the third form: saved searches, and whom a comparison is of.

In: the tables of authority. Out: the tables of tables_searches.py.
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from proxy_addons.standing.migrations.append_only import append_only

_NAME = 256
_REFERENCE = 32
_SEARCH_NAME = 80
_DIGEST = 64


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _of_authorisation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["authorisation"], ["authorisations.id"], name=f"fk_{table}_authorisation"
    )


def make() -> None:
    """Make the tables."""
    op.create_table(
        "saved_searches",
        _number("id"),
        _number("authorisation"),
        _text("person", _NAME),
        _text("name", _SEARCH_NAME),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_searches"),
        sa.UniqueConstraint("person", "authorisation", "name", name="uq_saved_searches_person"),
        _of_authorisation("saved_searches"),
        sa.CheckConstraint("length(name) > 0", name="ck_saved_searches_named"),
    )
    op.create_index("ix_saved_searches_authorisation", "saved_searches", ["authorisation"])
    op.create_table(
        "authorisation_comparisons",
        _number("authorisation"),
        _text("scope", _REFERENCE),
        _text("unit", _NAME),
        _number("people"),
        sa.Column("why", sa.Text(), nullable=False),
        _text("digest", _DIGEST),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("authorisation", name="pk_authorisation_comparisons"),
        _of_authorisation("authorisation_comparisons"),
        sa.CheckConstraint("scope = 'unit'", name="ck_authorisation_comparisons_scope"),
        sa.CheckConstraint("people > 0", name="ck_authorisation_comparisons_people"),
    )
    op.create_table(
        "authorisation_colleagues",
        _number("authorisation"),
        _text("person", _NAME),
        sa.PrimaryKeyConstraint("authorisation", "person", name="pk_authorisation_colleagues"),
        _of_authorisation("authorisation_colleagues"),
    )
    append_only("authorisation_comparisons")
