"""The tables of dip sampling: plans, draws, rosters, samples, and their names apart.

In: nothing. Out: SQLAlchemy Core tables, in the metadata of tables.py.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from proxy_addons.standing.tables import NAME, REFERENCE, Utc, metadata, steps_table

UNIT = 256
DIGEST = 64
"""Hexadecimal digits of SHA-256."""
SECRET = 128
"""Hexadecimal digits of a salt and a secret."""
PSEUDONYM = 48

sampling_plans = Table(
    "sampling_plans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("why", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("weeks", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("second_party", String(NAME), nullable=False),
    Column("codes", JSON, nullable=False),
    Column("planned_by", String(NAME), nullable=False),
    Column("planned_at", Utc, nullable=False),
    Column("closed_by", String(NAME)),
    Column("closed_at", Utc),
    Column("revision", Integer, nullable=False),
    CheckConstraint(
        "state IN ('planned', 'committed', 'drawn', 'in-review', 'closed')", name="state"
    ),
    CheckConstraint("weeks BETWEEN 1 AND 53", name="weeks"),
    CheckConstraint("size >= 1", name="size"),
    # Against a fault of the program too: nobody plans and is the second party.
    CheckConstraint("second_party <> planned_by", name="second_party"),
)
"""`first_day`: the Monday on which the period begins."""

sampling_steps = steps_table(
    "sampling_steps", "plan", "sampling_plans.id", Column("changes", JSON(none_as_null=True))
)

sampling_draws = Table(
    "sampling_draws",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plan", ForeignKey("sampling_plans.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", String(NAME), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("people", Integer, nullable=False),
    Column("roster_digest", String(DIGEST), nullable=False),
    Column("psd_commitment", String(DIGEST)),
    Column("psd_by", String(NAME)),
    Column("second_commitment", String(DIGEST)),
    Column("second_by", String(NAME)),
    Column("psd_secret", String(SECRET)),
    Column("second_secret", String(SECRET)),
    Column("drawn_at", Utc),
    Column("taken", Integer),
    UniqueConstraint("plan", "number"),
    CheckConstraint("state IN ('open', 'drawn', 'replaced')", name="state"),
    CheckConstraint("psd_by <> second_by", name="two_people"),
    CheckConstraint(
        "(psd_secret IS NULL AND second_secret IS NULL)"
        " OR (psd_commitment IS NOT NULL AND second_commitment IS NOT NULL)",
        name="both_committed",
    ),
)
"""`psd_secret`, `second_secret`: NULL until they are revealed, which is after both commitments."""

sampling_snapshots = Table(
    "sampling_snapshots",
    metadata,
    Column("draw", ForeignKey("sampling_draws.id"), primary_key=True, autoincrement=False),
    Column("salt", String(DIGEST), nullable=False),
    Column("hashes", Text, nullable=False),
)
"""The salted hashes of a draw's roster, joined. Append-only, by triggers."""

sampling_strata = Table(
    "sampling_strata",
    metadata,
    Column("draw", ForeignKey("sampling_draws.id"), primary_key=True, autoincrement=False),
    Column("service", String(16), primary_key=True),
    Column("unit", String(UNIT), primary_key=True),
    Column("people", Integer, nullable=False),
)
"""How many people a draw's roster had in each stratum: figures stay when the names go."""

sampling_roster = Table(
    "sampling_roster",
    metadata,
    Column("draw", ForeignKey("sampling_draws.id"), primary_key=True, autoincrement=False),
    Column("person", String(NAME), primary_key=True),
    Column("service", String(16), nullable=False),
    Column("unit", String(UNIT), nullable=False),
)
"""The names of a draw's roster: to draw from, and to replay it. They can go by themselves."""

sampling_samples = Table(
    "sampling_samples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plan", ForeignKey("sampling_plans.id"), nullable=False, index=True),
    Column("draw", Integer, nullable=False),
    Column("pseudonym", String(PSEUDONYM), nullable=False, unique=True),
    Column("monday", Date, nullable=False),
    Column("service", String(16), nullable=False),
    Column("unit", String(UNIT), nullable=False),
    Column("ticket", String(DIGEST), nullable=False),
    Column("reviewer", String(NAME)),
    Column("taken_at", Utc),
    Column("code", String(REFERENCE)),
    Column("outcome", String(16)),
    Column("note", Text, nullable=False),
    Column("decided_at", Utc),
    Column("request", String(REFERENCE)),
    Column("disposal", String(REFERENCE)),
    CheckConstraint("outcome IS NULL OR reviewer IS NOT NULL", name="reviewer"),
    CheckConstraint("request IS NULL OR outcome = 'concern'", name="request"),
    CheckConstraint("disposal IS NULL OR outcome IS NOT NULL", name="disposal"),
)

sampling_names = Table(
    "sampling_names",
    metadata,
    Column("sample", ForeignKey("sampling_samples.id"), primary_key=True, autoincrement=False),
    Column("person", String(NAME), nullable=False),
)
"""Whose sample it is. Read for one sample at a time; the row goes when there is no concern."""
