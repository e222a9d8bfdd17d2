"""The tables beside an authorisation: saved searches, and whom a comparison is of.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).

Rows of `saved_searches` and `authorisation_colleagues` go when the authorisation's period of
retention is over (audit/retention/details.py); that there was a comparison stays with it.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata

SEARCH_NAME = 80
"""Characters of a saved search's name."""
UNIT = 256
"""Characters of a unit's name."""
_DIGEST = 64

saved_searches = Table(
    "saved_searches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("authorisation", ForeignKey("authorisations.id"), nullable=False, index=True),
    Column("person", String(NAME), nullable=False),
    Column("name", String(SEARCH_NAME), nullable=False),
    Column("query", Text, nullable=False),
    Column("saved_at", Utc, nullable=False),
    UniqueConstraint("person", "authorisation", "name", name="uq_saved_searches_person"),
    CheckConstraint("length(name) > 0", name="named"),
)
"""`query`: of the address of the search, without the authorisation."""

authorisation_comparisons = Table(
    "authorisation_comparisons",
    metadata,
    Column("authorisation", ForeignKey("authorisations.id"), primary_key=True, autoincrement=False),
    Column("scope", String(REFERENCE), nullable=False),
    Column("unit", String(UNIT), nullable=False),
    Column("people", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("digest", String(_DIGEST), nullable=False),
    Column("at", Utc, nullable=False),
    CheckConstraint("scope = 'unit'", name="scope"),
    CheckConstraint("people > 0", name="people"),
)
"""What was applied for, and approved with the rest: append-only. `digest`: of the colleagues'
names, so that a row put in or taken out by hand is seen."""

authorisation_colleagues = Table(
    "authorisation_colleagues",
    metadata,
    Column("authorisation", ForeignKey("authorisations.id"), primary_key=True, autoincrement=False),
    Column("person", String(NAME), primary_key=True),
)
"""Whose records the medians are of, without the subject."""
