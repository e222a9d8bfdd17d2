"""Authorisations as rows: read and written.

In: a connection, a condition or a complete application. Out: frozen values; rows.
Must never: judge; read what somebody may not know of where they ask: the time that a list takes
would tell how many there are, and whether one is about them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, cast, insert, or_, select, true, union

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
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from proxy_addons.audit.authority.model import Wanted

_INVESTIGATOR: Final = "investigator"
_AT_ONCE: Final = 500  # numbers in one condition
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


def find(
    connection: Connection, reference: str, within: ColumnElement[bool] | None = None
) -> Authorisation | None:
    """The one of a reference, or None.

    Args:
        connection: of the transaction.
        reference: as somebody wrote it.
        within: condition of those that are looked for; of others no more than the number is read.
    """
    table = tables.authorisations.c
    # All of those first, whatever was asked for: it takes the same whether that exists or not.
    allowed = None if within is None else connection.scalars(select(table.id).where(within)).all()
    wanted = select(table.id).where(table.reference == reference.strip().upper())
    number = connection.scalar(wanted)
    if number is None or (allowed is not None and number not in allowed):
        return None
    found = matching(connection, table.id == number)
    return found[0] if found else None


def looked_by(name: str) -> ColumnElement[bool]:
    """That somebody is the applicant or an investigator."""
    return tables.authorisations.c.id.in_(union(*_by_name(name)))


def concerning(
    name: str, offices: Collection[str], *, urgent: bool, everything: bool
) -> ColumnElement[bool]:
    """That somebody may know of it (`rules.may_see`, which asks again).

    Args:
        name: who.
        offices: that they act for.
        urgent: whether they see what waits for an approval by word of mouth.
        everything: whether they see all but those that are about them.
    """
    table, people = tables.authorisations.c, tables.authorisation_people.c
    conflicts = tables.authorisation_conflicts.c
    about = select(people.authorisation).where(people.person == name, people.part != _INVESTIGATOR)
    declared = select(conflicts.authorisation).where(conflicts.person == name)
    ways = _by_name(name)
    needed = [cast(table.needs, Text).contains(f'"{each}"', autoescape=True) for each in offices]
    if needed:
        ways.append(select(table.id).where(or_(*needed)))
    if urgent:
        ways.append(select(table.id).where(table.state == "requested", table.urgent))
    # One query for each way, so that each goes by its own index, and reads nothing of others.
    seen = true() if everything else table.id.in_(union(*ways))
    return and_(seen, table.id.not_in(about), table.id.not_in(declared))


def _by_name(name: str) -> list[Select[tuple[int]]]:
    table, people = tables.authorisations.c, tables.authorisation_people.c
    named = select(people.authorisation).where(people.person == name, people.part == _INVESTIGATOR)
    return [select(table.id).where(table.applicant == name), named]


def get(connection: Connection, reference: str) -> Authorisation:
    """The one of a reference that was looked up before: none is ever taken away."""
    found = find(connection, reference)
    assert found is not None, reference
    return found


def _by_entry(connection: Connection, table: Any, numbers: list[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for several in batched(numbers, _AT_ONCE):
        question = select(table).where(table.c.authorisation.in_(several))
        if "id" in table.c:
            question = question.order_by(table.c.id)
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


def same(connection: Connection, wanted: Wanted) -> Authorisation | None:
    """What was applied for already, with the same kind, subjects and allegation."""
    columns = tables.authorisations.c
    found = matching(
        connection,
        columns.kind == str(wanted.kind),
        columns.allegation == (wanted.allegation or None),
    )
    return next((each for each in found if each.subjects.keys() == wanted.subjects.keys()), None)
