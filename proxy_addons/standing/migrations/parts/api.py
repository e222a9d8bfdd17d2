"""Part of the third form: tokens of the API.

In: the second form. Out: their table.
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from datetime import datetime

_NAME = 256
_REFERENCE = 32
_DIGEST = 64
_LABEL = 80


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def make() -> None:
    """Make the table."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("reference", _REFERENCE),
        _text("digest", _DIGEST),
        _text("label", _LABEL),
        _text("person", _NAME),
        _text("role", _REFERENCE),
        _text("authorisation", _REFERENCE, nullable=True),
        sa.Column("networks", sa.JSON(), nullable=False),
        _time("made_at"),
        _text("made_how", _REFERENCE),
        _time("ends"),
        _time("revoked_at", nullable=True),
        _time("used_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("reference", name="uq_api_tokens_reference"),
        sa.UniqueConstraint("digest", name="uq_api_tokens_digest"),
        sa.CheckConstraint(
            "(role = 'psd' AND authorisation IS NOT NULL)"
            " OR (role = 'auditor' AND authorisation IS NULL)",
            name="ck_api_tokens_right",
        ),
        sa.CheckConstraint("made_at < ends", name="ck_api_tokens_period"),
    )
    op.create_index("ix_api_tokens_person", "api_tokens", ["person"])
