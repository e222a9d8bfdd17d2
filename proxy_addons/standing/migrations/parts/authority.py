"""Authority: authorisations, their people, approvals and conflicts, and deputies.

In: the second form. Out: the tables of tables_audit.py, with triggers that guard what is vital.
Must never: be changed once it is released.
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
_OFFICE = 64
_APPEND_ONLY = (
    "authorisation_steps",
    "authorisation_people",
    "authorisation_approvals",
    "authorisation_conflicts",
    "delegation_steps",
)
_FIXED = (
    *("reference", "form", "form_version", "kind", "applicant", "applied_at", "purpose", "regime"),
    *("allegation", "criminal", "necessity", "proportionality", "alternatives", "collateral"),
    *("begins", "ends", "fields", "categories", "unmasked", "names_shown", "row_cap", "needs"),
    *("valid_from", "urgent", "retention", "pseudonym_key"),
)


def make() -> None:
    """Make the tables."""
    _authorisations()
    _around_them()
    _delegations()
    for table in _APPEND_ONLY:
        append_only(table)
    _refuse_changes()
    _refuse_approvals()


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(_NAME), nullable=nullable)


def _short(name: str, length: int = _REFERENCE) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=nullable)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _authorisations() -> None:
    op.create_table(
        "authorisations",
        _number(),
        _short("reference"),
        _text("form"),
        _text("form_version"),
        _short("kind"),
        _name("applicant"),
        _time("applied_at"),
        _short("purpose"),
        _short("regime"),
        _text("allegation", nullable=True),
        _flag("criminal"),
        _text("necessity"),
        _text("proportionality"),
        _text("alternatives"),
        _text("collateral"),
        _time("begins"),
        _time("ends"),
        _json("fields"),
        _json("categories", nullable=True),
        _json("unmasked"),
        _flag("names_shown"),
        _number("row_cap"),
        _time("valid_from"),
        _time("valid_until"),
        _flag("urgent"),
        _json("needs"),
        _short("retention"),
        _short("state", 16),
        _time("approved_at", nullable=True),
        _time("written_by", nullable=True),
        _time("review_at", nullable=True),
        _time("reviewed_at", nullable=True),
        _number("renewals"),
        _number("rounds"),
        _time("renewal_until", nullable=True),
        _text("renewal_why", nullable=True),
        _name("renewal_by", nullable=True),
        _time("renewal_at", nullable=True),
        _name("ended_by", nullable=True),
        _time("ended_at", nullable=True),
        sa.Column("pseudonym_key", sa.LargeBinary(), nullable=False),
        _number("revision"),
        sa.PrimaryKeyConstraint("id", name="pk_authorisations"),
        sa.UniqueConstraint("reference", name="uq_authorisations_reference"),
        sa.UniqueConstraint("id", "applicant", name="uq_authorisations_id_applicant"),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'written-up', 'refused', 'withdrawn', 'cancelled')",
            name="ck_authorisations_state",
        ),
        sa.CheckConstraint(
            "kind IN ('reactive', 'live', 'dip-sample', 'subject-access', 'technical-support',"
            " 'disclosure')",
            name="ck_authorisations_kind",
        ),
        sa.CheckConstraint("begins < ends", name="ck_authorisations_period"),
        sa.CheckConstraint("valid_from < valid_until", name="ck_authorisations_validity"),
        sa.CheckConstraint("row_cap > 0", name="ck_authorisations_row_cap"),
        sa.CheckConstraint(
            "kind NOT IN ('dip-sample', 'technical-support') OR NOT names_shown",
            name="ck_authorisations_pseudonymous",
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'written-up') OR approved_at IS NOT NULL",
            name="ck_authorisations_approved",
        ),
        sa.CheckConstraint(
            "state <> 'withdrawn' OR (ended_by IS NOT NULL AND ended_by = applicant)",
            name="ck_authorisations_withdrawn",
        ),
        sa.CheckConstraint(
            "state NOT IN ('refused', 'cancelled')"
            " OR (ended_by IS NOT NULL AND ended_by <> applicant)",
            name="ck_authorisations_second_person",
        ),
    )
    _index("authorisations", "applicant", "state")
    op.create_index("ix_authorisations_urgent_state", "authorisations", ["urgent", "state"])


def _of_application(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["authorisation", "applicant"],
        ["authorisations.id", "authorisations.applicant"],
        name=f"fk_{table}_authorisation",
    )


def _steps(table: str, entry: str, refers_to: str, *more: sa.Column[object]) -> None:
    op.create_table(
        table,
        _number(),
        _number(entry),
        _time("at"),
        _short("kind"),
        _name("who"),
        _short("how"),
        _text("note"),
        *more,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint([entry], [f"{refers_to}.id"], name=f"fk_{table}_{entry}"),
    )
    _index(table, entry)


def _around_them() -> None:
    _steps(
        "authorisation_steps", "authorisation", "authorisations", _json("changes", nullable=True)
    )
    op.create_table(
        "authorisation_people",
        _number("authorisation"),
        _name("person"),
        _name("applicant"),
        _short("part"),
        sa.PrimaryKeyConstraint("authorisation", "person", name="pk_authorisation_people"),
        _of_application("authorisation_people"),
        sa.CheckConstraint(
            "part IN ('officer', 'staff', 'other', 'investigator')",
            name="ck_authorisation_people_part",
        ),
        sa.CheckConstraint("person <> applicant", name="ck_authorisation_people_other"),
    )
    _index("authorisation_people", "person")
    op.create_table(
        "authorisation_approvals",
        _number(),
        _number("authorisation"),
        _name("applicant"),
        _number("round"),
        _short("office", _OFFICE),
        _name("person"),
        sa.Column("delegation", sa.String(_REFERENCE)),
        _flag("oral"),
        _name("recorded_by"),
        _time("at"),
        sa.PrimaryKeyConstraint("id", name="pk_authorisation_approvals"),
        _of_application("authorisation_approvals"),
        sa.UniqueConstraint(
            *("authorisation", "round", "office", "oral"),
            name="uq_authorisation_approvals_authorisation",
        ),
        sa.CheckConstraint(
            "person <> applicant AND recorded_by <> applicant",
            name="ck_authorisation_approvals_second_person",
        ),
        sa.CheckConstraint(
            "oral OR recorded_by = person", name="ck_authorisation_approvals_own_hand"
        ),
    )
    _index("authorisation_approvals", "authorisation")
    op.create_table(
        "authorisation_conflicts",
        _number("authorisation"),
        _name("person"),
        _time("at"),
        _text("why"),
        sa.PrimaryKeyConstraint("authorisation", "person", name="pk_authorisation_conflicts"),
        sa.ForeignKeyConstraint(
            ["authorisation"],
            ["authorisations.id"],
            name="fk_authorisation_conflicts_authorisation",
        ),
    )
    _index("authorisation_conflicts", "person")


def _delegations() -> None:
    op.create_table(
        "delegations",
        _number(),
        _short("reference"),
        _short("office", _OFFICE),
        _name("deputy"),
        _time("begins"),
        _time("ends"),
        _text("why"),
        _name("given_by"),
        _time("given_at"),
        _name("revoked_by", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_delegations"),
        sa.UniqueConstraint("reference", name="uq_delegations_reference"),
        sa.CheckConstraint("begins < ends", name="ck_delegations_period"),
        sa.CheckConstraint("deputy <> given_by", name="ck_delegations_other"),
    )
    _index("delegations", "office", "deputy")
    _steps("delegation_steps", "delegation", "delegations")


def _refuse(table: str, name: str, when: str, said: str, only_if: str = "") -> None:
    """A trigger that refuses, on both engines; `only_if` may look at the row `new`."""
    if op.get_bind().dialect.name == "postgresql":
        test = f"IF {only_if} THEN RAISE EXCEPTION '{said}'; END IF; RETURN new;"
        body = test if only_if else f"RAISE EXCEPTION '{said}';"
        op.execute(
            f"CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} END $$"
        )
        each = "ROW" if only_if else "STATEMENT"
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION {table}_{name}()"
        )
        return
    condition = f" WHERE {only_if}" if only_if else ""
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{said}'){condition}; END"
    )


def _refuse_changes() -> None:
    """What was asked for and approved stays: whoever needs more asks anew."""
    said = "an authorisation is not widened: it takes a new one"
    _refuse("authorisations", "fixed", f"UPDATE OF {', '.join(_FIXED)}", said)
    _refuse("authorisations", "kept", "DELETE", "an authorisation is kept")
    _refuse("delegations", "kept", "DELETE", "a delegation is kept")


def _refuse_approvals() -> None:
    """No approval by those whom it is about, who look by it, or who have a conflict."""
    tables = {"people": "authorisation_people", "conflict": "authorisation_conflicts"}
    for name, table in tables.items():
        concerned = (
            f"EXISTS (SELECT 1 FROM {table} AS p WHERE p.authorisation = new.authorisation"  # noqa: S608 - names of our own
            " AND p.person IN (new.person, new.recorded_by))"
        )
        said = "no approval by somebody who is concerned"
        _refuse("authorisation_approvals", name, "INSERT", said, concerned)
