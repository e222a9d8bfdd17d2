"""Authorisations as rows: read and written.

In: a connection, a condition or a complete application. Out: frozen values; rows.
Must never: judge.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from proxy_addons.audit.authority.model import (
    Approval,
    Authorisation,
    Comparison,
    Kind,
    Purpose,
    Regime,
    Renewal,
    SubjectClass,
)
from proxy_addons.standing import tables_audit as tables
from proxy_addons.standing.tables_searches import authorisation_comparisons

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from proxy_addons.audit.authority.model import Wanted

_INVESTIGATOR: Final = "investigator"
_RENEWAL: Final = ("renewal_until", "renewal_why", "renewal_by", "renewal_at")


def matching(connection: Connection, *conditions: Any) -> tuple[Authorisation, ...]:
    """Authorisations whose rows meet conditions, oldest first."""
    table = tables.authorisations
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.id)).all()
    numbers = [row.id for row in rows]
    if not numbers:
        return ()
    people, approvals, conflicts, compared = (
        _by_entry(connection, each, numbers)
        for each in (
            tables.authorisation_people,
            tables.authorisation_approvals,
            tables.authorisation_conflicts,
            authorisation_comparisons,
        )
    )
    return tuple(
        replace(
            _entry(row, people[row.id], approvals[row.id], conflicts[row.id]),
            comparison=next(map(_comparison, compared[row.id]), None),
        )
        for row in rows
    )


def find(connection: Connection, reference: str) -> Authorisation | None:
    """The one of a reference, or None."""
    wanted = reference.strip().upper()
    found = matching(connection, tables.authorisations.c.reference == wanted)
    return found[0] if found else None


def get(connection: Connection, reference: str) -> Authorisation:
    """The one of a reference that was looked up before: none is ever taken away."""
    found = find(connection, reference)
    assert found is not None, reference
    return found


def _by_entry(connection: Connection, table: Any, numbers: list[int]) -> dict[int, list[Row[Any]]]:
    question = select(table)
    if len(numbers) == 1:  # of more, all: a list of thousands of numbers is no condition
        question = question.where(table.c.authorisation == numbers[0])
    if "id" in table.c:
        question = question.order_by(table.c.id)
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(question):
        found[row.authorisation].append(row)
    return found


def _entry(
    row: Row[Any], people: list[Row[Any]], approvals: list[Row[Any]], conflicts: list[Row[Any]]
) -> Authorisation:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    renewal = [values.pop(name) for name in _RENEWAL]
    return Authorisation(
        **values
        | {
            "kind": Kind(row.kind),
            "purpose": Purpose(row.purpose),
            "regime": Regime(row.regime),
            "fields": frozenset(row.fields),
            "categories": None if row.categories is None else frozenset(row.categories),
            "unmasked": frozenset(row.unmasked),
            "needs": tuple(map(tuple, row.needs)),
        },
        renewal=None if renewal[0] is None else Renewal(*renewal),
        subjects={
            each.person: SubjectClass(each.part) for each in people if each.part != _INVESTIGATOR
        },
        investigators=frozenset(each.person for each in people if each.part == _INVESTIGATOR),
        approvals=tuple(
            Approval(
                round=each.round,
                office=each.office,
                person=each.person,
                delegation=each.delegation,
                oral=each.oral,
                recorded_by=each.recorded_by,
                at=each.at,
            )
            for each in approvals
        ),
        conflicts=frozenset(each.person for each in conflicts),
    )


def _comparison(row: Row[Any]) -> Comparison:
    return Comparison(
        scope=row.scope,
        unit=row.unit,
        people=row.people,
        why=row.why,
        digest=row.digest,
        at=row.at,
    )


def add(connection: Connection, wanted: Wanted, **more: Any) -> int:
    """Write an application.

    Args:
        connection: of the transaction.
        wanted: as `applying.applied` made it.
        more: further columns.

    Returns:
        Its number.
    """
    same = (
        *("necessity", "proportionality", "alternatives", "collateral", "begins", "ends"),
        *("criminal", "names_shown", "row_cap", "valid_from", "valid_until", "urgent"),
        *("retention", "review_at"),
    )
    number: int = connection.execute(
        insert(tables.authorisations)
        .values(
            **{name: getattr(wanted, name) for name in same},
            kind=str(wanted.kind),
            purpose=str(wanted.purpose),
            regime=str(wanted.regime),
            allegation=wanted.allegation or None,
            fields=sorted(wanted.fields),
            categories=None if wanted.categories is None else sorted(wanted.categories),
            unmasked=sorted(wanted.unmasked),
            state="requested",
            renewals=0,
            rounds=0,
            revision=1,
            **more,
        )
        .returning(tables.authorisations.c.id)
    ).scalar_one()
    parts = {name: str(each) for name, each in wanted.subjects.items()}
    parts |= dict.fromkeys(wanted.investigators, _INVESTIGATOR)
    if parts:
        connection.execute(
            insert(tables.authorisation_people),
            [
                {
                    "authorisation": number,
                    "person": name,
                    "applicant": more["applicant"],
                    "part": part,
                }
                for name, part in sorted(parts.items())
            ],
        )
    return number
