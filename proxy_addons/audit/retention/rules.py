"""The rules of holds and of decisions on collateral material, in one place.

In: who acts, what is asked. Out: nothing, or a value made canonical; or `StepRefusedError`.
Must never: change anything; let one person alone end a hold; let an operator place or lift one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy_addons.standing import rules as texts
from proxy_addons.standing.actor import PSD
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo

    from proxy_addons.audit.retention.collateral import Decision
    from proxy_addons.audit.retention.holds import Hold
    from proxy_addons.audit.retention.scope import Scope
    from proxy_addons.standing.actor import Actor

RECORDS: Final = "Inf/27 4.3.1"
"""Monitoring records of criminal investigations are maintained by professional standards."""
COLLATERAL: Final = "Lawful Business Monitoring"
"""Disregard and where feasible delete; retain securely in a criminal investigation (CPIA 1996)."""
REVIEW_MONTHS: Final = 12
MOST_ROWS: Final = 100_000
_REFERENCE: Final = re.compile(r"[A-Z0-9][A-Z0-9/.-]{0,31}", re.ASCII)


def by_psd(actor: Actor, doing: str, clause: str = RECORDS) -> None:
    """Professional standards, by their role; no seat at the machine is enough."""
    if PSD not in actor.roles:
        raise StepRefusedError(
            "role",
            f"Only professional standards may {doing}, and you do not have that role.",
            clause,
        )


def authorisation(text: str) -> str:
    """A reference in its canonical form."""
    found = text.strip().upper()
    if _REFERENCE.fullmatch(found) is None:
        raise StepRefusedError(
            "authorisation", "A reference has 1 to 32 letters, digits, dashes, dots and slashes."
        )
    return found


def names(persons: Iterable[str]) -> frozenset[str]:
    """Names in their canonical form; at least one."""
    found = frozenset(map(texts.name_of, persons))
    if not found:
        raise StepRefusedError("scope", "Name at least one person, or leave persons out.")
    return found


def scope(wanted: Scope) -> None:
    """A hold covers something, and not everything for ever by oversight."""
    bounded = (wanted.persons, wanted.since, wanted.until, wanted.authorisation)
    if all(each is None for each in bounded):
        raise StepRefusedError(
            "scope", "Say what is held: persons, a range of time, or an authorisation.", RECORDS
        )
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise StepRefusedError("scope", "A hold's range of time ends after it begins.", RECORDS)


def review(at: datetime, now: datetime, zone: tzinfo) -> None:
    """A hold is looked at again within a year; nothing happens by itself when it is not."""
    if not now < at <= months_later(now, REVIEW_MONTHS, zone):
        raise StepRefusedError(
            "review",
            f"The review of a hold is later than now, and within {REVIEW_MONTHS} months.",
            RECORDS,
        )


def in_force(hold: Hold, doing: str) -> None:
    """It has not been lifted."""
    if hold.lifted_at is not None:
        raise StepRefusedError(
            "state", f"{hold.reference} was lifted: there is nothing to {doing}.", RECORDS
        )


def not_held(actor: Actor, hold: Hold, doing: str) -> None:
    """Nobody decides on a hold of their own records."""
    if hold.scope.persons is not None and actor.name in hold.scope.persons:
        raise StepRefusedError("own", f"Nobody may {doing} that is on their own records.", RECORDS)


def no_lift_asked(hold: Hold) -> None:
    """One request to lift at a time."""
    if hold.lift_asked_by is not None:
        raise StepRefusedError(
            "state",
            f"{hold.lift_asked_by} has asked for {hold.reference} to be lifted; a second person has"
            " to lift it, or to keep it.",
            RECORDS,
        )


def lift_asked(hold: Hold) -> None:
    """Somebody has asked for it."""
    if hold.lift_asked_by is None:
        raise StepRefusedError(
            "state", f"Nobody has asked for {hold.reference} to be lifted.", RECORDS
        )


def second_person(actor: Actor, hold: Hold) -> None:
    """Whoever lifts is not who asked for it."""
    if actor.name == hold.lift_asked_by:
        raise StepRefusedError(
            "four-eyes",
            "Nobody may lift a hold that they asked to be lifted; a second person has to.",
            RECORDS,
        )


def collateral(actor: Actor, decision: Decision, rows: int, criminal: bool) -> None:
    """What may be decided on rows that were not what was looked for."""
    by_psd(actor, "decide on collateral material", COLLATERAL)
    if not 1 <= rows <= MOST_ROWS:
        raise StepRefusedError("rows", f"A decision is on 1 to {MOST_ROWS} records.", COLLATERAL)
    if criminal and decision == "delete":
        raise StepRefusedError(
            "criminal",
            "This authorisation is for a criminal investigation: what was gathered is retained"
            " securely. Disregard it instead.",
            COLLATERAL,
        )
