"""Which decisions somebody may take on a review now, and a decision's form as a call.

In: who, which review, when; what was typed. Out: the steps to offer; the call, or what the form
lacks noted.
Must never: be the check itself: the register asks its rules again when the step is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from proxy_addons.portal.register.steps import Kind
from proxy_addons.standing import review_rules
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.review import Review
from proxy_addons.standing.reviews import Reviews

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.standing.actor import Actor

type Call = Callable[[Reviews], Review]

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("allow", "Allow for a time", "Allow for a time", "The site is allowed.", proven=True),
        Kind("recategorise", "Give other categories", "Give other categories",
             "The site has other categories.", proven=True, look="second"),
        Kind("decline", "Decline", "Decline", "It is declined, and the person is told why.",
             look="danger"),
        Kind("end", "End it now", "End it now", "It has ended: the policy holds as before.",
             proven=True, look="danger"),
    )
}  # fmt: skip

FIELDS: Final = {
    "reason": "why",
    "length": "why",
    "text": "why",
    "until": "until",
    "site": "site",
    "category": "category",
}
"""Which field a rule of the register speaks of."""


def refusal(
    name: str, actor: Actor, found: Review, now: datetime, threats: frozenset[str]
) -> StepRefusedError | None:
    """Why this person may not take a step now; None if they may."""
    try:
        review_rules.may_decide(actor, found, "decide on a review")
        if name == "end":
            review_rules.holding(found, now)
        else:
            review_rules.undecided(found)
        if name in {"allow", "recategorise"}:
            review_rules.no_threat(found.categories, threats)
    except StepRefusedError as problem:
        # The page offers no such step, or says this.
        return problem
    return None


def open_to(actor: Actor, found: Review, now: datetime, threats: frozenset[str]) -> list[Kind]:
    """The steps that this person may take now."""
    return [
        kind for name, kind in KINDS.items() if refusal(name, actor, found, now, threats) is None
    ]


def _site(step: Taken) -> str | None:
    """What the decision is about; None for the host that was asked about."""
    return step.form.text("site") or None


def _allow(step: Taken) -> Call | None:
    everybody = step.form.text("scope")
    if everybody not in {"person", "everybody"}:
        step.form.wrong("scope", "Say for whom: the person who asked, or everybody")
    until = step.form.end("until", step.zone, "The last day")
    if until is None:
        return None
    return lambda queue: queue.allow(
        step.actor,
        step.reference,
        seen=step.seen,
        why=step.why,
        until=until,
        everybody=everybody == "everybody",
        site=_site(step),
    )


def _recategorise(step: Taken) -> Call:
    # Ticked one by one; typed, where the list of categories cannot be read.
    named = {name for each in step.form.all("category") for name in each.replace(",", " ").split()}
    if not named:
        step.form.wrong("category", "Choose at least one category")
    return lambda queue: queue.recategorise(
        step.actor,
        step.reference,
        seen=step.seen,
        why=step.why,
        categories=named,
        site=_site(step),
    )


def _decline(step: Taken) -> Call:
    return lambda queue: queue.decline(step.actor, step.reference, seen=step.seen, why=step.why)


def _end(step: Taken) -> Call:
    return lambda queue: queue.end(step.actor, step.reference, seen=step.seen, why=step.why)


_CALLS: Final[dict[str, Callable[[Taken], Call | None]]] = {
    "allow": _allow,
    "recategorise": _recategorise,
    "decline": _decline,
    "end": _end,
}


def call(name: str, step: Taken) -> Call | None:
    """The register's step of a name in `KINDS`, or None where the form is not filled in."""
    made = _CALLS[name](step)
    step.needs_why("Enter what the person is told")
    return None if step.form.problems else made
