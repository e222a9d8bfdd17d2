"""The rules of both registers, in one place: what a step needs, and why it is refused.

In: who acts, what the entry is, what is asked, the time. Out: nothing, or a value made canonical;
or `StepRefusedError` with a sentence that says the rule and the clause.
Must never: change anything, or let somebody decide on what they asked for or what is for them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.people import canonical_name
from proxy_addons.standing.actor import INFORMATION_SECURITY, PSD
from proxy_addons.standing.dates import begin_of, months_later
from proxy_addons.standing.exemption import State
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime, tzinfo

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.exemption import Exemption, Wanted

EXCEPTIONS: Final = "Inf/27 2.13.1"
POST_HOLDERS: Final = "Inf/27 5.1"
WITHDRAWAL: Final = "Inf/27 2.3.2"

MONTHS: Final = 12
REVIEW_MONTHS: Final = 6
WHY_LEAST: Final = 20  # characters of a reason to be exempt: "operational" is none
REASON_LEAST: Final = 10
LONGEST: Final = 4000
LONGEST_REFERENCE: Final = 200


# --- texts and names ------------------------------------------------------------------------------


def name_of(text: str) -> str:
    """The canonical form of a login name."""
    try:
        return canonical_name(text)
    except ValueError as problem:
        # Nothing is changed: nobody is meant.
        raise StepRefusedError("name", f"This is no login name: {problem}.") from problem


def reason(text: str, *, least: int = REASON_LEAST, clause: str = EXCEPTIONS) -> str:
    """A reason, without space around it."""
    text = _clean(text, LONGEST)
    if len(text) < least:
        raise StepRefusedError(
            "reason",
            f"Give a reason of at least {least} characters: it is what auditors read.",
            clause,
        )
    return text


def remark(text: str | None, longest: int = LONGEST) -> str | None:
    """What may be left out."""
    return _clean(text or "", longest) or None


def _clean(text: str, longest: int) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > longest:
        raise StepRefusedError("length", f"A text here has at most {longest} characters.")
    if not all(each.isprintable() or each in "\n\t" for each in text):
        raise StepRefusedError("text", "A text here has no control characters.")
    return text


# --- who ------------------------------------------------------------------------------------------


def by_information_security(actor: Actor, doing: str) -> None:
    """Information security approves, tracks and reports exemptions."""
    if not actor.may(INFORMATION_SECURITY):
        raise StepRefusedError(
            "role",
            f"Only information security may {doing}, and you do not have that role.",
            EXCEPTIONS,
        )


def by_a_second_person(actor: Actor, person: str, requested_by: str, doing: str) -> None:
    """Whoever decides is neither who asked nor who benefits, by name, whatever their roles."""
    if actor.name == person:
        raise StepRefusedError(
            "own", f"Nobody may {doing} that is for themselves; a second person has to.", EXCEPTIONS
        )
    if actor.name == requested_by:
        raise StepRefusedError(
            "four-eyes",
            f"Nobody may {doing} that they asked for themselves; a second person has to.",
            EXCEPTIONS,
        )


def not_for_oneself(actor: Actor, person: str, doing: str, clause: str = EXCEPTIONS) -> None:
    """Nobody decides about themselves."""
    if actor.name == person:
        raise StepRefusedError("own", f"Nobody may {doing} for themselves.", clause)


def may_revoke(actor: Actor, exemption: Exemption) -> None:
    """Information security, PSD, the line manager."""
    if not actor.may(INFORMATION_SECURITY, PSD) and exemption.person not in actor.manages:
        raise StepRefusedError(
            "role",
            "Only information security, professional standards or the person's line manager may"
            " revoke an exemption.",
            EXCEPTIONS,
        )


def may_ask_to_extend(actor: Actor, exemption: Exemption) -> None:
    """Those whom it concerns."""
    concerned = {exemption.person, exemption.requested_by}
    if (
        actor.name not in concerned
        and exemption.person not in actor.manages
        and not actor.may(INFORMATION_SECURITY)
    ):
        raise StepRefusedError(
            "role",
            "Only the person, who asked for the exemption, the person's line manager or information"
            " security may ask for it to be extended.",
            EXCEPTIONS,
        )


def may_withdraw(actor: Actor, person: str, doing: str) -> None:
    """Line managers for their own people; information security and PSD for anybody."""
    not_for_oneself(actor, person, doing, WITHDRAWAL)
    if not actor.may(INFORMATION_SECURITY, PSD) and person not in actor.manages:
        raise StepRefusedError(
            "role",
            f"Only the person's line manager, information security or professional standards may"
            f" {doing}.",
            WITHDRAWAL,
        )


def may_lift(actor: Actor, by_right: str) -> None:
    """What a line manager withdrew any of them lifts; the rest only who may withdraw anybody's."""
    if by_right in {INFORMATION_SECURITY, PSD} and not actor.may(INFORMATION_SECURITY, PSD):
        raise StepRefusedError(
            "role",
            "This access was withdrawn by information security or professional standards; only they"
            " may give it back.",
            WITHDRAWAL,
        )


# --- what -----------------------------------------------------------------------------------------


def opened(wanted: Wanted, known: Collection[str] | None, by_name_only: Collection[str]) -> None:
    """Everything or named categories; security threats only by name.

    Args:
        wanted: the request.
        known: all categories; None when no list can be read: then names are not checked.
        by_name_only: categories that "everything" does not open (`Policy.by_name_only`).
    """
    if not wanted.everything and not wanted.categories:
        raise StepRefusedError(
            "what",
            "Say what the exemption is for: everything, or categories by name.",
            POST_HOLDERS,
        )
    if wanted.everything and (more := wanted.categories - frozenset(by_name_only)):
        raise StepRefusedError(
            "what",
            f"An exemption for everything opens {_listed(more)} as well; name besides only what it"
            f" does not open: {_listed(by_name_only)}.",
            POST_HOLDERS,
        )
    if known is not None and (unknown := wanted.categories.difference(known)):
        raise StepRefusedError(
            "category",
            f"No list has a category {_listed(unknown)}; see `watchhouse categories list`.",
            POST_HOLDERS,
        )


def no_other(exemption: Exemption, ends: datetime, others: Iterable[Exemption]) -> None:
    """One approved exemption a person at a time, so that the log can name the one that applied."""
    for other in others:
        if (
            other.id != exemption.id
            and other.state == "approved"
            and other.begins < ends
            and exemption.begins < other.ends
        ):
            raise StepRefusedError(
                "one-at-a-time",
                f"{exemption.person} has the exemption {other.reference} for part of that time."
                " Revoke it first, so that one exemption at a time applies.",
                EXCEPTIONS,
            )


def _listed(names: Iterable[str]) -> str:
    shown = sorted(
        name if name.isprintable() and len(name) < 80 else "(not shown)" for name in names
    )
    return ", ".join(shown) or "nothing"


# --- when -----------------------------------------------------------------------------------------


def period(begins: datetime, ends: datetime, now: datetime, zone: tzinfo) -> None:
    """From today or later to an end in the future, at most 12 months."""
    if ends <= now:
        raise StepRefusedError("period", "The end is in the past.", EXCEPTIONS)
    if ends <= begins:
        raise StepRefusedError("period", "The end is not after the beginning.", EXCEPTIONS)
    if begins < begin_of(now.astimezone(zone).date(), zone):
        raise StepRefusedError(
            "period",
            "An exemption begins today at the earliest: none holds for the past.",
            EXCEPTIONS,
        )
    if begins > months_later(now, MONTHS, zone):
        raise StepRefusedError(
            "period",
            f"An exemption begins within {MONTHS} months; ask again nearer the time.",
            EXCEPTIONS,
        )
    if ends > months_later(begins, MONTHS, zone):
        raise StepRefusedError(
            "period",
            f"An exemption lasts at most {MONTHS} months; it can be extended before it ends.",
            EXCEPTIONS,
        )


def extended_period(exemption: Exemption, ends: datetime, now: datetime, zone: tzinfo) -> None:
    """To a later end, at most 12 months from now, of one that still holds."""
    if exemption.state_at(now) not in {State.LIVE, State.UPCOMING}:
        raise StepRefusedError(
            "extension",
            f"{exemption.reference} is {exemption.state_at(now)}; only one that holds can be"
            " extended. Ask for a new one.",
            EXCEPTIONS,
        )
    if ends <= exemption.ends:
        raise StepRefusedError("extension", "The new end is not after the present one.", EXCEPTIONS)
    if ends > months_later(now, MONTHS, zone):
        raise StepRefusedError(
            "extension",
            f"An extension lasts at most {MONTHS} months from its approval.",
            EXCEPTIONS,
        )


def review_date(
    wanted: datetime | None, begins: datetime, ends: datetime, zone: tzinfo
) -> datetime:
    """When it is to be reviewed: as wanted, else in the middle, after 6 months at the latest."""
    if wanted is None:
        middle = begins + (ends - begins) / 2
        middle -= timedelta(microseconds=middle.microsecond)
        return min(max(middle, begins), months_later(begins, REVIEW_MONTHS, zone))
    if not begins <= wanted < ends:
        raise StepRefusedError(
            "review", "The review has to be within the exemption's period.", EXCEPTIONS
        )
    return wanted


def next_review(
    wanted: datetime | None, now: datetime, exemption: Exemption, zone: tzinfo
) -> datetime | None:
    """The review after a review: as wanted, else in 6 months; None when it ends before that."""
    if wanted is not None and wanted <= now:
        raise StepRefusedError("review", "The next review is in the past.", EXCEPTIONS)
    if wanted is not None:
        return review_date(wanted, exemption.begins, exemption.ends, zone)
    due = months_later(now, REVIEW_MONTHS, zone)
    return due if due < exemption.ends else None


# --- states ---------------------------------------------------------------------------------------


def undecided(exemption: Exemption, now: datetime, doing: str) -> None:
    """There is a request, or a request to extend, to decide on."""
    if exemption.state == "requested" or exemption.extension_is_pending:
        return
    raise StepRefusedError(
        "state",
        f"{exemption.reference} is {exemption.state_at(now)}, and there is nothing to {doing}.",
        EXCEPTIONS,
    )


def approvable(exemption: Exemption, now: datetime) -> None:
    """What has ended is not approved any more."""
    if exemption.state_at(now) in {State.LAPSED, State.EXPIRED}:
        raise StepRefusedError(
            "state",
            f"The period of {exemption.reference} has ended; it takes a new request.",
            EXCEPTIONS,
        )


def escalated(exemption: Exemption, to: str | None) -> None:
    """Significant exceptions are escalated before they are approved."""
    if exemption.significant and not (to or exemption.escalated_to):
        raise StepRefusedError(
            "escalation",
            f"{exemption.reference} is marked significant: say whom it was escalated to (board,"
            " committee or risk owner) before it is approved.",
            EXCEPTIONS,
        )


def holding(exemption: Exemption, now: datetime, doing: str) -> None:
    """It is approved, and has neither ended nor been revoked."""
    state = exemption.state_at(now)
    if state not in {State.LIVE, State.UPCOMING}:
        raise StepRefusedError(
            "state",
            f"{exemption.reference} is {state}, and there is nothing to {doing}.",
            EXCEPTIONS,
        )


def none_pending(exemption: Exemption) -> None:
    """One request to extend at a time."""
    if exemption.extension_is_pending:
        raise StepRefusedError(
            "state",
            f"An extension of {exemption.reference} has been asked for already; it has to be"
            " approved or refused first.",
            EXCEPTIONS,
        )
