"""The tables of the standing store, as the newest migration leaves them.

In: nothing. Out: SQLAlchemy Core tables for the statements of this room and of the portal.
Must never: differ from what migrations/ make (tests/standing/test_upgrade.py compares them), or
hold a time that is not UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, override

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""How constraints are named, so that later migrations can name them too."""

NAME = 256  # characters of a login name (policy/people.py)
REFERENCE = 32


class Utc(TypeDecorator[datetime]):
    """An aware time, kept as UTC by both engines (SQLite keeps text without a zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            # Nothing is written: which moment is meant would be anybody's guess.
            msg = "a time without a zone cannot be kept"
            raise ValueError(msg)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(naming_convention=NAMES)


def steps_table(name: str, entry: str, refers_to: str, *more: Column[Any]) -> Table:
    """The table of a register's steps (steps.py). Append-only, by triggers of its migration.

    Args:
        name: of the table.
        entry: the column that says whose steps.
        refers_to: `table.column` of the register.
        more: further columns.
    """
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column(entry, ForeignKey(refers_to), nullable=False, index=True),
        Column("at", Utc, nullable=False),
        Column("kind", String(REFERENCE), nullable=False),
        Column("who", String(NAME), nullable=False),
        Column("how", String(REFERENCE), nullable=False),
        Column("note", Text, nullable=False),
        *more,
    )


versions = Table(
    "versions",
    metadata,
    Column("name", String(REFERENCE), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
"""Two rows that are bumped by each change of their part, in the change's own transaction: a row's
lock puts the changes of all gateways in one order. A third has a day as its version."""

STANDING = "standing"
"""The row of exemptions and withdrawals."""
SHIFTS = "shifts"
"""The row of personal use (tables_shifts.py)."""
KEEPING = "keeping"
"""The row of the duty day for which what is over was last taken away (keeping.py)."""

numbers = Table(
    "numbers",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
)
"""The last reference number given out, for each kind and year."""

exemptions = Table(
    "exemptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("person", String(NAME), nullable=False, index=True),
    Column("everything", Boolean, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("why", Text, nullable=False),
    Column("force_reference", Text),
    Column("significant", Boolean, nullable=False),
    Column("escalated_to", Text),
    Column("requested_by", String(NAME), nullable=False),
    Column("requested_at", Utc, nullable=False),
    Column("begins", Utc, nullable=False),
    Column("ends", Utc, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("decided_by", String(NAME)),
    Column("decided_at", Utc),
    Column("review_at", Utc),
    Column("reviewed_at", Utc),
    Column("extension_ends", Utc),
    Column("extension_why", Text),
    Column("extension_by", String(NAME)),
    Column("extension_at", Utc),
    Column("revoked_by", String(NAME)),
    Column("revoked_at", Utc),
    Column("expiry_noted_at", Utc),
    Column("revision", Integer, nullable=False),
    CheckConstraint("state IN ('requested', 'approved', 'refused', 'revoked')", name="state"),
    CheckConstraint("begins < ends", name="period"),
    # The rule that nobody approves their own also holds against a fault of the program.
    CheckConstraint(
        "state NOT IN ('approved', 'revoked') OR (decided_by IS NOT NULL"
        " AND decided_by <> requested_by AND decided_by <> person)",
        name="second_person",
    ),
)

exemption_steps = steps_table(
    "exemption_steps", "exemption", "exemptions.id", Column("changes", JSON(none_as_null=True))
)

exemption_use = Table(
    "exemption_use",
    metadata,
    Column("exemption", ForeignKey("exemptions.id"), primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reference", String(REFERENCE), nullable=False, unique=True),
    Column("person", String(NAME), nullable=False),
    Column("reason", Text, nullable=False),
    Column("withdrawn_by", String(NAME), nullable=False),
    Column("by_right", String(REFERENCE), nullable=False),
    Column("withdrawn_at", Utc, nullable=False),
    Column("lifted_by", String(NAME)),
    Column("lifted_at", Utc),
    CheckConstraint(
        "withdrawn_by <> person AND (lifted_by IS NULL OR lifted_by <> person)", name="other"
    ),
    Index(
        "ux_withdrawals_live",
        "person",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

withdrawal_steps = steps_table("withdrawal_steps", "withdrawal", "withdrawals.id")

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(128), primary_key=True),
    Column("person", String(NAME), nullable=False, index=True),
    Column("how", String(REFERENCE), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False, index=True),
    Column("proven_at", Utc, nullable=False),
    Column("csrf", String(128), nullable=False),
    Column("roles", JSON(none_as_null=True)),
)
"""The portal's (portal/): signed-in browsers. No secret is in it: `id_hash` is a hash."""

lockouts = Table(
    "lockouts",
    metadata,
    Column("subject", String(300), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("until", Utc),
)
"""The portal's: failed sign-ins of a name or an address."""
