"""The tables of personal use: breaks, minutes, duties, confirmations, acknowledgements, reviews.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).

What workers go by has a column `change`: the version of the row `shifts` in whose transaction
(`Store.shifting`) it was last written. Whoever has read up to a version reads on with `change >`
that. A row that is taken away is not seen so: where that can happen, another row stands for it.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

VERSION = 12
"""Characters of a statement's version: the first of its hash."""
RULE = 128
SITE = 255
"""Characters of a host name."""
ADDRESS = 64


def _change() -> Column[int]:
    return Column("change", BigInteger, nullable=False, index=True)


breaks = Table(
    "breaks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", String(NAME), nullable=False),
    Column("day", Date, nullable=False),
    Column("begins", Utc, nullable=False),
    Column("ends", Utc, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("ended_early", Boolean, nullable=False),
    Column("by", String(NAME), nullable=False),
    Column("how", String(REFERENCE), nullable=False),
    _change(),
    CheckConstraint("minutes BETWEEN 1 AND 1440", name="minutes"),
    CheckConstraint("begins <= ends", name="period"),
    Index("ix_breaks_day", "day", "person"),
    Index("ix_breaks_person", "person", "begins"),
)
"""Booked breaks. `day`: the duty day they count for. `ends`: as planned, or when it was ended.
`minutes`: what it takes of the allowance."""

minutes = Table(
    "minutes",
    metadata,
    Column("person", String(NAME), primary_key=True),
    Column("minute", Utc, primary_key=True),
    Column("day", Date, nullable=False, index=True),
    Column("social", Boolean, nullable=False),
    _change(),
)
"""Minutes of personal use, by their beginning. Folded into `minute_totals` after some days."""

minute_totals = Table(
    "minute_totals",
    metadata,
    Column("person", String(NAME), primary_key=True),
    Column("day", Date, primary_key=True, index=True),
    Column("personal", Integer, nullable=False),
    Column("social", Integer, nullable=False),
    CheckConstraint("0 <= social AND social <= personal", name="social"),
)
"""Days that are closed. `personal` includes `social`."""

refusals = Table(
    "refusals",
    metadata,
    Column("person", String(NAME), primary_key=True),
    Column("day", Date, primary_key=True, index=True),
    Column("rule", String(RULE), primary_key=True),
    Column("count", Integer, nullable=False),
)
"""How often each rule refused somebody on a duty day: for them and the weekly report; no sites."""

refusal_portions = Table(
    "refusal_portions",
    metadata,
    Column("worker", String(REFERENCE), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
)
"""The last portion of refusals that each worker has added: none is added twice. `day`: the newest
duty day in it. `worker`: a name made up at its start."""

duties = Table(
    "duties",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", String(NAME), nullable=False),
    Column("begins", Utc, nullable=False, index=True),
    Column("ends", Utc, nullable=False),
    Column("kind", String(REFERENCE), nullable=False),
    Column("source", String(NAME), nullable=False),
    _change(),
    CheckConstraint("begins < ends", name="period"),
    UniqueConstraint("person", "begins", "ends", "kind", name="uq_duties_person"),
)
"""The rota. Whoever adds or takes away a duty also writes the person's row of `rota_cover` with
the new change: by that, workers know to read all duties of that person again."""

rota_cover = Table(
    "rota_cover",
    metadata,
    Column("person", String(NAME), primary_key=True),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
    _change(),
    CheckConstraint("first <= last", name="period"),
)
"""For which days the rota knows somebody: within them, no duty means off duty."""

rota_imports = Table(
    "rota_imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("by", String(NAME), nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
)

confirmations = Table(
    "confirmations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", String(NAME), nullable=False, index=True),
    Column("rule", String(RULE), nullable=False),
    Column("site", String(SITE), nullable=False),
    Column("at", Utc, nullable=False),
    Column("until", Utc, nullable=False, index=True),
    _change(),
    CheckConstraint("at < until", name="period"),
)
"""Clicks on "I understand" of a coaching page."""

statements = Table(
    "statements",
    metadata,
    Column("version", String(VERSION), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
)
"""The texts that were acknowledged, as Markdown. `digest`: SHA-256; `version` is how it begins.
Append-only, by triggers."""

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", String(NAME), nullable=False, index=True),
    Column("version", ForeignKey("statements.version"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("client_ip", String(ADDRESS), nullable=False),
    Column("how", String(REFERENCE), nullable=False),
    Column("until", Utc, nullable=False),
    _change(),
    CheckConstraint("at < until", name="period"),
)
"""Append-only, by triggers."""

reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("person", String(NAME), nullable=False, index=True),
    Column("url_host", String(SITE), nullable=False),
    Column("url", Text, nullable=False),
    Column("rule", String(RULE), nullable=False),
    Column("categories", JSON, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_at", Utc, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("decided_by", String(NAME)),
    Column("decided_at", Utc),
    Column("answer", Text),
    Column("until", Utc),
    Column("everybody", Boolean, nullable=False),
    _change(),
    CheckConstraint("state IN ('open', 'allowed', 'recategorised', 'declined')", name="state"),
    # Nobody decides on their own, against a fault of the program too.
    CheckConstraint(
        "state = 'open' OR (decided_by IS NOT NULL AND decided_at IS NOT NULL"
        " AND decided_by <> person)",
        name="second_person",
    ),
    CheckConstraint("state <> 'allowed' OR until IS NOT NULL", name="allowed_until"),
)

review_steps = steps_table(
    "review_steps", "review", "reviews.id", Column("changes", JSON(none_as_null=True))
)

site_categories = Table(
    "site_categories",
    metadata,
    Column("host", String(SITE), primary_key=True),
    Column("categories", JSON(none_as_null=True)),
    Column("review", String(REFERENCE), nullable=False),
    Column("set_by", String(NAME), nullable=False),
    Column("set_at", Utc, nullable=False),
    _change(),
)
"""Sites that a review gave other categories. NULL: taken back (the row stays, so that workers see
it). `review`: its reference."""

views = Table(
    "views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("viewer", String(NAME), nullable=False, index=True),
    Column("subject", Text, nullable=False, index=True),
    Column("what", Text, nullable=False),
    Column("how", String(REFERENCE), nullable=False),
)
"""Every look of a manager at the figures of their team. Append-only, by triggers."""
