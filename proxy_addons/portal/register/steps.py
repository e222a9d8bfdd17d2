"""Which steps somebody may take on an exemption now: the register's own rules, asked beforehand.

In: who, which exemption, when. Out: the steps to offer, and why not where that helps.
Must never: be the check itself: the register asks its rules again when the step is taken.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - evaluated by dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.standing import rules
from proxy_addons.standing.actor import INFORMATION_SECURITY
from proxy_addons.standing.exemption import State
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.exemption import Exemption


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of step, as a page.

    Attributes:
        name: in addresses and code.
        button: what leads there.
        title: of its page.
        done: what is said once it was taken.
        proven: whether the person must have just proven who they are.
        look: class of its button.
    """

    name: str
    button: str
    title: str
    done: str
    proven: bool = False
    look: str = ""


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("approve", "Approve", "Approve", "It is approved.", proven=True),
        Kind("refuse", "Refuse", "Refuse", "It is refused.", proven=True, look="danger"),
        Kind("extend", "Ask for a later end", "Ask for a later end", "The later end is asked for.",
             look="second"),
        Kind("review", "Record a review", "Record a review", "The review is recorded.",
             look="second"),
        Kind("escalate", "Record an escalation", "Record an escalation",
             "The escalation is recorded.", look="second"),
        Kind("revoke", "Revoke", "Revoke", "It is revoked.", proven=True, look="danger"),
    )
}  # fmt: skip


def _approve(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.by_information_security(actor, "approve an exemption")
    rules.undecided(found, now, "approve")
    rules.approvable(found, now)
    asked_by = found.extension_by or found.requested_by
    rules.by_a_second_person(actor, found.person, asked_by, "approve an exemption")


def _refuse(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.by_information_security(actor, "refuse an exemption")
    rules.undecided(found, now, "refuse")


def _extend(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.may_ask_to_extend(actor, found)
    rules.holding(found, now, "extend")
    rules.none_pending(found)


def _review(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.by_information_security(actor, "review an exemption")
    rules.not_for_oneself(actor, found.person, "review an exemption")
    rules.holding(found, now, "review")


def _escalate(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.by_information_security(actor, "record an escalation")
    if found.state_at(now) not in {State.REQUESTED, State.LIVE, State.UPCOMING}:
        raise StepRefusedError("state", "There is nothing to escalate.")


def _revoke(actor: Actor, found: Exemption, now: datetime) -> None:
    rules.may_revoke(actor, found)
    rules.holding(found, now, "revoke")


_RULES: Final[dict[str, Callable[[Actor, Exemption, datetime], None]]] = {
    "approve": _approve,
    "refuse": _refuse,
    "extend": _extend,
    "review": _review,
    "escalate": _escalate,
    "revoke": _revoke,
}


def open_to(actor: Actor, found: Exemption, now: datetime) -> list[Kind]:
    """The steps that this person may take now."""
    return [kind for name, kind in KINDS.items() if refusal(name, actor, found, now) is None]


def refusal(name: str, actor: Actor, found: Exemption, now: datetime) -> StepRefusedError | None:
    """Why this person may not take a step now; None if they may."""
    try:
        _RULES[name](actor, found, now)
    except StepRefusedError as problem:
        # The page offers no such step, or says this.
        return problem
    return None


def needs_another(actor: Actor, found: Exemption, now: datetime) -> str | None:
    """Said to who could approve, were it not their own: that somebody else has to."""
    problem = refusal("approve", actor, found, now)
    if problem is None or problem.rule not in {"own", "four-eyes"}:
        return None
    return str(problem) if INFORMATION_SECURITY in actor.roles else None
