"""The rules of authority, in one place: what a step needs, and why it is refused.

In: who acts, what the authorisation is, which offices they have, the time. Out: nothing, or what
was decided; or `StepRefusedError` with a sentence that says the rule, the clause and what to do.
Must never: change anything; let somebody decide on their own application, or on what they are
concerned by; count being at the machine, or an operator, as a right.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.model import State
from proxy_addons.settings.audit import HEAD_OF_PSD
from proxy_addons.standing.actor import PSD
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor

type Held = Mapping[str, str | None]
"""Offices that somebody may act for → reference of the delegation, or None: their own."""

FORM: Final = "Inf/27 4.2.5"
APPROVAL: Final = "Inf/27 4.2.6"
LIVE: Final = "Inf/27 3.6"
RANDOM: Final = "Inf/27 4.2.4"
PROFESSIONAL_STANDARDS: Final = "Inf/27 3.5, 4.2.1"
SCRUTINY: Final = "Lawful Business Monitoring: scrutinised by appropriate consent levels"


# --- who ------------------------------------------------------------------------------------------


def is_concerned(name: str, found: Authorisation) -> bool:
    """Whether the authorisation is about somebody, or they have declared a conflict."""
    return name in found.subjects or name in found.conflicts


def may_see(actor: Actor, found: Authorisation, held: Held) -> bool:
    """Whether somebody may know that there is this authorisation.

    Those who look by it, those who decide on it, and the head of Professional Standards. What was
    approved by word of mouth is written down by another member of Professional Standards, who is
    told its reference.
    """
    if is_concerned(actor.name, found):
        return False
    named = actor.name == found.applicant or actor.name in found.investigators
    waits = found.urgent and found.state == State.REQUESTED
    if PSD in actor.roles and (named or waits):
        return True
    return any(
        office in held for office in (HEAD_OF_PSD, *(o for need in found.needs for o in need))
    )


def seen(actor: Actor, found: Authorisation, held: Held) -> None:
    """To others an authorisation does not exist."""
    if not may_see(actor, found, held):
        raise UnknownReferenceError(found.reference)


def by_professional_standards(actor: Actor, doing: str) -> None:
    """Professional Standards monitors, nobody else: no operator either."""
    if PSD not in actor.roles:
        raise StepRefusedError(
            "role",
            f"Only Professional Standards may {doing}, and you do not have that role.",
            PROFESSIONAL_STANDARDS,
        )


def by_the_applicant(actor: Actor, found: Authorisation, doing: str) -> None:
    """What is the applicant's to do."""
    by_professional_standards(actor, doing)
    if actor.name != found.applicant:
        raise StepRefusedError(
            "applicant",
            f"Only {found.applicant}, who applied, may {doing}; an approver can cancel it.",
            FORM,
        )


def by_those_who_look(actor: Actor, found: Authorisation, doing: str) -> None:
    """The applicant and the investigators."""
    by_professional_standards(actor, doing)
    if actor.name != found.applicant and actor.name not in found.investigators:
        raise StepRefusedError(
            "applicant", f"Only those who look by {found.reference} may {doing}.", FORM
        )


def by_a_second_person(name: str, found: Authorisation, doing: str) -> None:
    """Whoever decides neither applied nor looks, and is not concerned; by name alone."""
    if name == found.applicant:
        raise StepRefusedError(
            "four-eyes",
            f"Nobody may {doing} that they applied for themselves; a second person has to.",
            APPROVAL,
        )
    if name in found.investigators:
        raise StepRefusedError(
            "four-eyes",
            f"Nobody may {doing} by which they look themselves; a second person has to.",
            APPROVAL,
        )
    if is_concerned(name, found):
        # Somebody else asks on their behalf (word of mouth): they do not see it themselves.
        raise StepRefusedError(
            "conflict",
            f"Nobody may {doing} who is its subject, or has declared a conflict.",
            APPROVAL,
        )


def office_for(held: Held, needs: Iterable[tuple[str, ...]], doing: str) -> str:
    """The office by which somebody may take part in a decision.

    Args:
        held: what they may act for.
        needs: groups of offices of which one each is wanted.
        doing: for the refusal.
    """
    wanted = [office for need in needs for office in need]
    for office in sorted(wanted, key=lambda each: held.get(each, "") is not None):
        if office in held:
            return office
    raise StepRefusedError(
        "office",
        f"Only {listed(wanted)} may {doing}, and you neither hold such an office nor deputise.",
        APPROVAL,
    )


def once(name: str, found: Authorisation, *, written: bool = False) -> None:
    """Where several have to approve, they are several people.

    Args:
        name: who approves.
        found: what.
        written: whether it confirms what was approved by word of mouth.
    """
    for each in found.approvals:
        same = not each.oral and not each.round if written else each.round == found.round
        if same and each.person == name:
            raise StepRefusedError(
                "several",
                f"{name} has approved already; the other office has to as well, and be another"
                " person.",
                APPROVAL,
            )


def may_cancel(found: Authorisation, held: Held) -> None:
    """Whoever may approve it, and the head of Professional Standards."""
    office_for(held, (*found.needs, (HEAD_OF_PSD,)), "cancel, or review, this authorisation")


# --- states ---------------------------------------------------------------------------------------


def undecided(found: Authorisation, now: datetime, doing: str) -> None:
    """There is an application, or a renewal, to decide on."""
    state = found.state_at(now)
    renewal = found.renewal is not None and state in {State.APPROVED, State.WRITTEN_UP}
    if state is not State.REQUESTED and not renewal:
        raise StepRefusedError(
            "state", f"{found.reference} is {state}, and there is nothing to {doing}.", FORM
        )


def open_still(found: Authorisation, now: datetime, doing: str) -> None:
    """It is asked for, or approved, and has not ended."""
    state = found.state_at(now)
    if state not in {State.REQUESTED, State.APPROVED, State.WRITTEN_UP}:
        raise StepRefusedError(
            "state",
            f"{found.reference} is {state}, and there is nothing to {doing}. If it is still needed,"
            " make a new application.",
            FORM,
        )


def orally(found: Authorisation, at: datetime, now: datetime, settings: Audit) -> None:
    """By word of mouth only what was applied for as urgent, and not long ago."""
    if not found.urgent or found.state != State.REQUESTED:
        raise StepRefusedError(
            "urgent",
            f"{found.reference} was not applied for as urgent, or is decided: it is approved in"
            " writing.",
            FORM,
        )
    if not now - timedelta(hours=settings.urgent) < at <= now:
        raise StepRefusedError(
            "urgent",
            f"An approval by word of mouth was given within the last {settings.urgent} hours, and"
            " not in the future; otherwise have it approved in writing.",
            FORM,
        )


def is_holder(name: str, office: str, settings: Audit, deputies: Iterable[str]) -> None:
    """Who is said to have approved by word of mouth can hold the office, as far as is known.

    Who is in a group of the directory is not known here: the confirmation in writing proves it.
    """
    entries = [each for each in settings.offices if each.office == office]
    known = any(name in each.people or each.groups for each in entries)
    if not known and name not in deputies:
        raise StepRefusedError(
            "office",
            f"{name} neither holds the office {office} nor deputises for it (audit.offices).",
            APPROVAL,
        )


def to_be_written_up(found: Authorisation, now: datetime) -> None:
    """Somebody approved by word of mouth, and the time for confirming has not run out."""
    open_still(found, now, "write up")
    if not found.unwritten:
        raise StepRefusedError(
            "state", f"{found.reference} has no approval by word of mouth to confirm.", FORM
        )


def renewable(found: Authorisation, now: datetime, settings: Audit) -> None:
    """It holds, in writing, nothing is pending, and it was not renewed too often."""
    state = found.state_at(now)
    if state not in {State.APPROVED, State.WRITTEN_UP}:
        raise StepRefusedError(
            "renewal",
            f"{found.reference} is {state}; only what holds can be renewed. Apply anew.",
            FORM,
        )
    if found.written_by is not None:
        raise StepRefusedError(
            "renewal", f"{found.reference} has to be confirmed in writing first.", FORM
        )
    if found.renewal is not None:
        raise StepRefusedError(
            "renewal",
            f"A renewal of {found.reference} has been asked for already; it has to be approved or"
            " refused first.",
            FORM,
        )
    if found.renewals >= settings.renewals:
        raise StepRefusedError(
            "renewal",
            f"{found.reference} has been renewed {found.renewals} times, which is as often as may"
            " be. Make a new application.",
            FORM,
        )


def renewed(found: Authorisation, until: datetime, now: datetime, longest: timedelta) -> None:
    """A renewal is to a later end, not too far ahead; it changes nothing else."""
    if until <= found.valid_until:
        raise StepRefusedError("renewal", "The new end is not after the present one.", FORM)
    if until > now + longest:
        raise StepRefusedError(
            "renewal",
            f"A renewal lasts at most {longest.days} days from now; give an earlier end.",
            FORM,
        )


def next_review(found: Authorisation, at: datetime | None, now: datetime) -> datetime:
    """The review after a review: as wanted, else half-way to the end."""
    if at is None:
        return now + (found.valid_until - now) / 2
    if not now < at < found.valid_until:
        raise StepRefusedError(
            "review", "The next review has to be before the authorisation ends.", FORM
        )
    return at


def listed(names: Iterable[str]) -> str:
    """Offices, as sentences name them."""
    return " or ".join(dict.fromkeys(names)) or "nobody"
