"""Which steps somebody may take on an authorisation now: the register's own rules, asked first.

In: who, which authorisation, which offices they act for, when. Out: the steps to offer, or why not.
Must never: be the check itself: the register asks its rules again when the step is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority import rules
from proxy_addons.audit.authority.model import State
from proxy_addons.portal.register.steps import Kind
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from proxy_addons.portal.psd.authority.reading import Case
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("approve", "Approve", "Approve", "It is approved.", proven=True),
        Kind("write-up", "Confirm in writing", "Confirm in writing", "It is confirmed in writing.",
             proven=True),
        Kind("approve-orally", "Write down an approval by word of mouth",
             "Write down an approval by word of mouth",
             "It is written down. The approver has to confirm it in writing.", proven=True),
        Kind("refuse", "Refuse", "Refuse", "It is refused.", proven=True, look="danger"),
        Kind("renew", "Ask for a later end", "Ask for a later end", "The later end is asked for.",
             look="second"),
        Kind("review", "Record a review", "Record a review", "The review is recorded.",
             look="second"),
        Kind("conflict", "Declare a conflict", "Declare a conflict of interest",
             "The conflict is declared.", look="second"),
        Kind("withdraw", "Withdraw", "Withdraw", "It is withdrawn.", look="danger"),
        Kind("cancel", "Cancel", "Cancel", "It is cancelled.", proven=True, look="danger"),
    )
}  # fmt: skip


def _approve(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.undecided(case.it, now, "approve")
    rules.by_a_second_person(actor.name, case.it, "approve an application")
    rules.office_for(case.held, case.it.missing, "approve an application")
    rules.once(actor.name, case.it)


def _write_up(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.to_be_written_up(case.it, now)
    rules.by_a_second_person(actor.name, case.it, "confirm an application")
    rules.once(actor.name, case.it, written=True)
    rules.office_for(case.held, case.it.unwritten, "confirm this application")


def _approve_orally(actor: Actor, case: Case, now: datetime, settings: Audit) -> None:
    rules.by_professional_standards(actor, "write down an approval by word of mouth")
    rules.by_a_second_person(actor.name, case.it, "write down the approval of what")
    rules.open_still(case.it, now, "approve")
    rules.orally(case.it, now, now, settings)


def _refuse(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.undecided(case.it, now, "refuse")
    rules.by_a_second_person(actor.name, case.it, "refuse an application")
    rules.office_for(case.held, case.it.needs, "refuse an application")


def _renew(actor: Actor, case: Case, now: datetime, settings: Audit) -> None:
    rules.by_those_who_look(actor, case.it, "ask for its renewal")
    rules.renewable(case.it, now, settings)


def _review(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.may_cancel(case.it, case.held)
    rules.by_a_second_person(actor.name, case.it, "review what")
    rules.open_still(case.it, now, "review")


def _conflict(actor: Actor, case: Case, _: datetime, __: Audit) -> None:
    rules.seen(actor, case.it, case.held)


def _withdraw(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.by_the_applicant(actor, case.it, "withdraw it")
    rules.open_still(case.it, now, "withdraw")


def _cancel(actor: Actor, case: Case, now: datetime, _: Audit) -> None:
    rules.may_cancel(case.it, case.held)
    rules.by_a_second_person(actor.name, case.it, "cancel what")
    rules.open_still(case.it, now, "cancel")


_RULES: Final[dict[str, Callable[[Actor, Case, datetime, Audit], None]]] = {
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


def refusal(
    name: str, actor: Actor, case: Case, now: datetime, settings: Audit
) -> StepRefusedError | None:
    """Why this person may not take a step now; None if they may."""
    try:
        _RULES[name](actor, case, now, settings)
    except StepRefusedError as problem:
        # The page offers no such step, or says this.
        return problem
    return None


def open_to(actor: Actor, case: Case, now: datetime, settings: Audit) -> list[Kind]:
    """The steps to offer: those that may be taken and say something in its state.

    What is not decided yet is refused rather than cancelled, and has nothing to review; what has
    ended is nobody's conflict any more.
    """
    may = {name for name in KINDS if refusal(name, actor, case, now, settings) is None}
    state = case.it.state_at(now)
    if state is State.REQUESTED:
        may -= {"review"} | ({"cancel"} if "refuse" in may else set())
    elif state not in {State.APPROVED, State.WRITTEN_UP}:
        may -= {"conflict"}
    return [kind for name, kind in KINDS.items() if name in may]


def waits_for(actor: Actor, case: Case, now: datetime, settings: Audit) -> bool:
    """Whether it is for this person to decide on it."""
    return any(
        refusal(name, actor, case, now, settings) is None for name in ("approve", "write-up")
    )


def needs_another(actor: Actor, case: Case, now: datetime, settings: Audit) -> str | None:
    """Said to who has the office, were it not their own: that somebody else has to approve."""
    has_office = any(office in case.held for need in case.it.missing for office in need)
    problem = refusal("approve", actor, case, now, settings)
    if problem is None or not has_office or problem.rule not in {"four-eyes", "several"}:
        return None
    return str(problem)
