"""A step's form as a call on the register.

In: what was typed into the form of a step. Out: the call, or None with what the form lacks noted.
Must never: judge who may take the step, or what it needs beyond being filled in: rules.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.exemption import Exemption
from proxy_addons.standing.register import Register

if TYPE_CHECKING:
    from datetime import tzinfo

    from proxy_addons.portal.register.forms import Form
    from proxy_addons.standing.actor import Actor

type Call = Callable[[Register], Exemption]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step is taken with.

    Attributes:
        actor: who takes it.
        reference: of the exemption, or the review.
        seen: its revision as looked at.
        form: what was typed.
        zone: the force's, for days.
    """

    actor: Actor
    reference: str
    seen: int
    form: Form
    zone: tzinfo

    @property
    def why(self) -> str:
        """The reason or remark."""
        return self.form.text("why")

    def needs_why(self, words: str = "Enter why") -> None:
        """Note it as wrong where there is none."""
        if not self.why.strip():
            self.form.wrong("why", words)


def _approve(step: Taken) -> Call:
    to = step.form.text("escalated_to")
    return lambda register: register.approve(
        step.actor, step.reference, seen=step.seen, note=step.why, escalated_to=to
    )


def _refuse(step: Taken) -> Call:
    step.needs_why()
    return lambda register: register.refuse(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _revoke(step: Taken) -> Call:
    step.needs_why()
    return lambda register: register.revoke(
        step.actor, step.reference, seen=step.seen, why=step.why
    )


def _escalate(step: Taken) -> Call:
    to = step.form.text("escalated_to")
    if not to.strip():
        step.form.wrong("escalated_to", "Enter whom it was escalated to")
    return lambda register: register.escalate(
        step.actor, step.reference, seen=step.seen, to=to, note=step.why
    )


def _extend(step: Taken) -> Call | None:
    ends = step.form.end("ends", step.zone, "The new last day")
    step.needs_why()
    if ends is None:
        return None
    return lambda register: register.extend(
        step.actor, step.reference, seen=step.seen, ends=ends, why=step.why
    )


def _review(step: Taken) -> Call:
    step.needs_why("Enter what the review found")
    next_at = None
    if step.form.text("review").strip():
        next_at = step.form.begin("review", step.zone, "The day of the next review")
    return lambda register: register.review(
        step.actor, step.reference, seen=step.seen, note=step.why, next_at=next_at
    )


_CALLS: Final[dict[str, Callable[[Taken], Call | None]]] = {
    "approve": _approve,
    "refuse": _refuse,
    "revoke": _revoke,
    "escalate": _escalate,
    "extend": _extend,
    "review": _review,
}


def call(name: str, step: Taken) -> Call | None:
    """The register's step of a name in `steps.KINDS`, or None where the form is not filled in."""
    made = _CALLS[name](step)
    return None if step.form.problems else made
