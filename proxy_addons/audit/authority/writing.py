"""How the register writes: approvals, ends, each with its step.

In: a connection of a transaction, what the rules let pass. Out: rows.
Must never: judge; write without a step.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from proxy_addons.audit.authority import rules
from proxy_addons.audit.authority.applying import longest
from proxy_addons.audit.authority.deputies import deputies_of
from proxy_addons.audit.authority.model import Approval, State
from proxy_addons.audit.authority.rows import get
from proxy_addons.standing import tables_audit as tables
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.steps import Step, append

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.authority.rules import Held
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor

NO_RENEWAL: Final[Mapping[str, None]] = {
    "renewal_until": None,
    "renewal_why": None,
    "renewal_by": None,
    "renewal_at": None,
}


def take(
    connection: Connection,
    found: Authorisation,
    step: Step,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Change the row and append the step."""
    connection.execute(
        update(tables.authorisations)
        .where(tables.authorisations.c.id == found.id)
        .values(revision=found.revision + 1, **(values or {}))
    )
    append(connection, tables.authorisation_steps, found.id, step)


def end(connection: Connection, found: Authorisation, step: Step, state: State) -> None:
    """End it."""
    values = {"state": str(state), "ended_by": step.who, "ended_at": step.at, **NO_RENEWAL}
    take(connection, found, step, values)


def add(connection: Connection, found: Authorisation, approval: Approval) -> Authorisation:
    """Add an approval, without a step.

    Returns:
        The authorisation with it.
    """
    connection.execute(
        insert(tables.authorisation_approvals).values(
            authorisation=found.id,
            applicant=found.applicant,
            round=approval.round,
            office=approval.office,
            person=approval.person,
            delegation=approval.delegation,
            oral=approval.oral,
            recorded_by=approval.recorded_by,
            at=approval.at,
        )
    )
    return get(connection, found.reference)


def approve(
    connection: Connection,
    found: Authorisation,
    approval: Approval,
    actor: Actor,
    now: datetime,
    note: str,
    settings: Audit,
) -> None:
    """Add an approval; where it was the last one missing, what was asked for holds."""
    after = add(connection, found, approval)
    values: dict[str, Any] = {}
    changes: dict[str, Any] = {"office": approval.office, "deputy by": approval.delegation}
    kind = "approval"
    if approval.oral:
        kind, changes["by"] = "oral-approval", approval.person
    if not after.missing and found.renewal is not None:
        kind, until = "renewal", found.renewal.until
        rules.renewed(found, until, now, longest(found.kind, settings))
        values = {"valid_until": until, "renewals": found.renewals + 1, **NO_RENEWAL}
        changes["valid until"] = until
    elif not after.missing:
        deadline = _deadline(after, settings)
        values = {"state": str(State.APPROVED), "approved_at": now, "written_by": deadline}
        changes["written by"] = deadline
    take(connection, found, Step.by(actor, now, kind, note, changes), values)


def _deadline(found: Authorisation, settings: Audit) -> datetime | None:
    """Until when what was approved by word of mouth has to be confirmed."""
    waiting = {office for need in found.unwritten for office in need}
    oral = [each.at for each in found.approvals if each.oral and each.office in waiting]
    return min(oral) + timedelta(hours=settings.urgent) if oral else None


def oral_office(
    connection: Connection, found: Authorisation, by: str, at: datetime, settings: Audit
) -> str:
    """The office by which somebody approved: the first missing one that they may hold.

    Raises:
        StepRefusedError: there is none.
    """
    refused = StepRefusedError("state", f"{found.reference} has nothing to approve.", rules.FORM)
    for office in (office for need in found.missing for office in need):
        try:
            rules.is_holder(by, office, settings, deputies_of(connection, office, at))
        except StepRefusedError as problem:
            # Perhaps another one; if none, this is what is said.
            refused = problem
        else:
            return office
    raise refused


def by_own_hand(number: int, office: str, actor: Actor, offices: Held, now: datetime) -> Approval:
    """An approval that somebody gives at their own screen, not by word of mouth."""
    return Approval(
        round=number,
        office=office,
        person=actor.name,
        delegation=offices[office],
        oral=False,
        recorded_by=actor.name,
        at=now,
    )
