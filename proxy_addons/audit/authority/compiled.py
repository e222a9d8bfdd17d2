"""An authorisation, compiled: what somebody may see by it now.

In: an authorisation or None, who looks, the time, the settings. Out: `Bounds`; or
`NotCoveredError`. Must never: give more than was applied for and approved; tell an outsider
whether there is such an authorisation, or what became of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.applying import (
    COMPARED_BY,
    IDENTIFYING,
    MOST_FIELDS,
    WITHOUT_SUBJECTS,
)
from proxy_addons.audit.authority.colleagues import are_those
from proxy_addons.audit.authority.model import Kind, State
from proxy_addons.audit.authority.rules import is_concerned
from proxy_addons.audit.store import Bounds
from proxy_addons.standing.actor import PSD

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor

_COMPARED: Final = COMPARED_BY | {"bytes_up", "bytes_down"}
OUTSIDE: Final = (
    "You have no authorisation of this reference. Look at the reference again, or apply for one."
)


class NotCoveredError(Exception):
    """Nothing may be looked at. The text is a plain sentence for the person."""


def compile_bounds(
    found: Authorisation | None, actor: Actor, now: datetime, settings: Audit
) -> Bounds:
    """What somebody may see.

    Args:
        found: what `Authorisations.find` gave.
        actor: who looks: a proven name with the roles that it has now.
        now: aware.
        settings: `audit`.

    Raises:
        NotCoveredError: nothing; to those who look by it the text says why, to all others the same
            whatever the reason.
    """
    if found is None or not looks_by(actor, found):
        raise NotCoveredError(OUTSIDE)
    if not found.holds(now):
        raise NotCoveredError(_why(found, now))
    if not found.subjects and found.kind not in WITHOUT_SUBJECTS:
        # Its rows are not whole: nobody named must never come to mean everybody.
        raise NotCoveredError(f"{found.reference} names nobody; make a new application.")
    special = frozenset() if found.kind is Kind.SUBJECT_ACCESS else frozenset(settings.special)
    fields = found.fields & MOST_FIELDS[found.kind]
    if not found.names_shown:
        fields -= IDENTIFYING
    since, until = found.begins, min(found.ends, found.valid_until)
    if since >= until:
        # Records to come, of a time that its validity ends before.
        raise NotCoveredError(f"{found.reference} holds before the time of its records begins.")
    return Bounds(
        since=since,
        until=until,
        fields=fields,
        persons=frozenset(found.subjects) or None,
        categories=found.categories,
        special=special - found.unmasked,
        pseudonyms=None if found.names_shown else found.pseudonym_key,
        rows=min(found.row_cap, settings.rows),
    )


def compile_comparison(
    found: Authorisation, bounds: Bounds, names: frozenset[str], settings: Audit
) -> tuple[Bounds, Bounds]:
    """What a comparison is made of: the subject's records, and those of the colleagues.

    Both are of the dates and categories of the authorisation, and no filter narrows them: two
    answers that differ by an hour, or a site, would tell what happened in it.

    Args:
        found: the authorisation.
        bounds: what `compile_bounds` made of it for who asks.
        names: the colleagues (`Authorisations.colleagues`).
        settings: `audit`.

    Raises:
        NotCoveredError: it comes with no comparison, or one that may not be made any more.
    """
    comparison, persons = found.comparison, bounds.persons
    if comparison is None or persons is None or len(persons) != 1:
        raise NotCoveredError(f"{found.reference} comes with no comparison with a unit.")
    if found.kind not in settings.comparison.kinds:
        raise NotCoveredError(
            f"Authorisations for {found.kind} come with no comparison (audit.comparison.kinds)."
        )
    if not are_those(names, comparison):
        # A row was put in or taken out by hand: that is how one person's figure would be found.
        raise NotCoveredError(
            f"The colleagues of {found.reference} are not those that were approved. Nothing is"
            " compared; make a new application."
        )
    others = names - persons
    if len(others) < settings.comparison.people:
        raise NotCoveredError(
            f"Too few to compare: the unit of {found.reference} has fewer than"
            f" {settings.comparison.people} others (audit.comparison.people)."
        )
    fields = (bounds.fields & _COMPARED) | {"person"}
    own = replace(bounds, fields=fields, pseudonyms=None)
    return own, replace(own, persons=others)


def looks_by(actor: Actor, found: Authorisation) -> bool:
    """Whether somebody is one of those who look by an authorisation, if it holds.

    The applicant and the investigators, as long as they are of Professional Standards; never its
    subjects, nor who has declared a conflict, whatever the record says besides.
    """
    named = actor.name == found.applicant or actor.name in found.investigators
    return named and PSD in actor.roles and not is_concerned(actor.name, found)


def _why(found: Authorisation, now: datetime) -> str:
    state = found.state_at(now)
    if state is State.REQUESTED:
        return f"{found.reference} is not approved yet."
    if state in {State.APPROVED, State.WRITTEN_UP}:
        return f"{found.reference} holds from {found.valid_from:%d %B %Y %H:%M} UTC."
    if state is not State.EXPIRED:
        return f"{found.reference} was {state}."
    if found.written_by is not None and now >= found.written_by:
        return (
            f"{found.reference} ended on {found.written_by:%d %B %Y %H:%M} UTC: it was approved by"
            " word of mouth and not confirmed in writing by then. Make a new application."
        )
    ended = f"{found.valid_until:%d %B %Y %H:%M}"
    return f"{found.reference} ended on {ended} UTC. If it is still needed, apply anew."
