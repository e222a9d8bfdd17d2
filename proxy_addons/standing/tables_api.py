"""The table of tokens by which programs ask the API (portal/api/).

In: nothing. Out: a SQLAlchemy Core table, in the metadata of tables.py.
Must never: hold a token: only its SHA-256; differ from what migrations/ make
(tests/standing/test_upgrade.py compares them).
"""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Column, Integer, String, Table

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata

DIGEST = 64
"""Hexadecimal digits of SHA-256."""
LABEL = 80
"""Characters of what a token is for."""

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("digest", String(DIGEST), nullable=False, unique=True),
    Column("label", String(LABEL), nullable=False),
    Column("person", String(NAME), nullable=False, index=True),
    Column("role", String(REFERENCE), nullable=False),
    Column("authorisation", String(REFERENCE)),
    Column("networks", JSON, nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("made_how", String(REFERENCE), nullable=False),
    Column("ends", Utc, nullable=False),
    Column("revoked_at", Utc),
    Column("used_at", Utc),
    # Against a fault of the program too: nobody reads records but by an authorisation.
    CheckConstraint(
        "(role = 'psd' AND authorisation IS NOT NULL)"
        " OR (role = 'auditor' AND authorisation IS NULL)",
        name="right",
    ),
    CheckConstraint("made_at < ends", name="period"),
)
"""Rows stay when a token has ended: the trail names their references."""
