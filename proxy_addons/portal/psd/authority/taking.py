"""A step's form as a call on the register of authorisations.

In: what was typed into the form of a step. Out: the call, or None with what the form lacks noted.
Must never: judge who may take the step, or what it needs beyond being filled in: rules.py does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, time
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.model import Authorisation
from proxy_addons.audit.authority.register import Authorisations

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.portal.register.taking import Taken

type Call = Callable[[Authorisations], Authorisation]

FIELDS: Final = {
    "reason": "why",
    "length": "why",
    "text": "why",
    "name": "by",
    "renewal": "until",
    "review": "next",
    "urgent": "at_day",
}
"""Rule of the register → the field that it speaks of."""
HAS: Final = {
    "renew": {"why", "until"},
    "review": {"why", "next"},
    "approve-orally": {"why", "by", "at_day", "at_time"},
}
"""Step → the fields of its form, where there are others than `why`."""
BY_FIELDS: Final = frozenset({"name", "office", "four-eyes", "conflict", "several"})
"""Rules that, in an approval by word of mouth, speak of who gave it."""
_CLOCK: Final = re.compile(r"(\d\d?)[:.](\d\d)", re.ASCII)


def _approve(step: Taken) -> Call:
    return lambda register: register.approve(
        step.actor, step.reference, seen=step.seen, note=step.why
    )


def _write_up(step: Taken) -> Call:
    return lambda register: register.write_up(
        step.actor, step.reference, seen=step.seen, note=step.why
    )


def _approve_orally(step: Taken) -> Call | None:
    by = step.form.text("by")
    if not by.strip():
        step.form.wrong("by", "Enter the login name of who approved")
    at = _moment(step)
    step.needs_why("Enter what was said, and why it could not wait")
    if at is None:
        return None
    return lambda register: register.approve_orally(
        step.actor, step.reference, seen=step.seen, by=by, at=at, note=step.why
    )


def _refuse(step: Taken) -> Call:
    step.needs_why()
    return lambda register: register.refuse(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _withdraw(step: Taken) -> Call:
    step.needs_why()
    return lambda register: register.withdraw(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _cancel(step: Taken) -> Call:
    step.needs_why()
    return lambda register: register.cancel(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _conflict(step: Taken) -> Call:
    step.needs_why("Enter why you are not impartial")
    return lambda register: register.declare_conflict(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _renew(step: Taken) -> Call | None:
    until = step.form.end("until", step.zone, "The new last day")
    step.needs_why()
    if until is None:
        return None
    return lambda register: register.renew(
        step.actor, step.reference, seen=step.seen, until=until, why=step.why
    )


def _review(step: Taken) -> Call:
    step.needs_why("Enter what the review found")
    next_at = None
    if step.form.text("next").strip():
        next_at = step.form.begin("next", step.zone, "The day of the next review")
    return lambda register: register.review(
        step.actor, step.reference, seen=step.seen, note=step.why, next_at=next_at
    )


def _moment(step: Taken) -> datetime | None:
    """A day and a time by the force's clock."""
    day = step.form.begin("at_day", step.zone, "The day of the approval")
    found = _CLOCK.fullmatch(step.form.text("at_time").strip())
    try:
        clock = time(int(found[1]), int(found[2])) if found else None
    except ValueError:
        # 25:70: said below the field.
        clock = None
    if clock is None:
        step.form.wrong("at_time", "Enter the time of the approval, such as 09:30")
    if day is None or clock is None:
        return None
    here = day.astimezone(step.zone).replace(hour=clock.hour, minute=clock.minute)
    return here.astimezone(UTC)


_CALLS: Final[dict[str, Callable[[Taken], Call | None]]] = {
    "approve": _approve,
    "write-up": _write_up,
    "approve-orally": _approve_orally,
    "refuse": _refuse,
    "renew": _renew,
    "review": _review,
    "conflict": _conflict,
    "withdraw": _withdraw,
    "cancel": _cancel,
}


def call(name: str, step: Taken) -> Call | None:
    """The register's step of a name in `steps.KINDS`, or None where the form is not filled in."""
    made = _CALLS[name](step)
    return None if step.form.problems else made
