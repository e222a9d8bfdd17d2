"""The rules of dip sampling, in one place: what a step needs, and why it is refused.

In: who acts, what the plan is, what is asked. Out: nothing, or a value made canonical; or
`StepRefusedError` with a sentence that says the rule and the clause.
Must never: change anything; let an operator plan, draw or review: at the machine or not, whoever
runs the gateway does not look at people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.plan import DrawState, Outcome, PlanState
from proxy_addons.standing.actor import PSD
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from proxy_addons.audit.sampling.plan import Draw, Plan, Sample, WantedPlan
    from proxy_addons.standing.actor import Actor

STANDING: Final = "Inf/27 4.2.4"
"""Routine random monitoring stands, by the Deputy Chief Constable's authority."""
DISREGARD: Final = "Lawful Business Monitoring"
AUDITOR: Final = "auditor"
LONGEST_PERIOD: Final = 53  # weeks
LARGEST: Final = 100_000  # person-weeks: nobody reviews more
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}", re.ASCII)
_COMMITMENT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


# --- who ------------------------------------------------------------------------------------------


def by_psd(actor: Actor, doing: str) -> None:
    """Professional standards sample; the role, not a seat at the machine."""
    if PSD not in actor.roles:
        raise StepRefusedError(
            "role",
            f"Only professional standards may {doing}, and you do not have that role.",
            STANDING,
        )


def second_party(planner: Actor, second: str) -> None:
    """The second party is somebody else."""
    if second == planner.name:
        raise StepRefusedError(
            "two-people", "Whoever plans a sample cannot be its second party.", STANDING
        )


def by_second_party(actor: Actor, plan: Plan) -> None:
    """The second commitment is made by whom the plan names, and not by professional standards."""
    if actor.name != plan.second_party:
        raise StepRefusedError(
            "second-party", f"The plan names {plan.second_party} as its second party.", STANDING
        )
    if PSD in actor.roles:
        raise StepRefusedError(
            "second-party",
            "The second party must not be of professional standards: both secrets would be known to"
            " one office before the draw.",
            STANDING,
        )


def may_see_record(actor: Actor, plan: Plan) -> None:
    """Whoever has a draw's record and the roster knows all names: reviewers must not, yet."""
    if AUDITOR in actor.roles or actor.name == plan.second_party:
        return
    by_psd(actor, "see the record of a draw")
    if plan.state is not PlanState.CLOSED:
        raise StepRefusedError(
            "pseudonyms",
            "Professional standards see the record of a draw when the plan is closed: with it, the"
            " people behind the pseudonyms can be told.",
            STANDING,
        )


# --- what -----------------------------------------------------------------------------------------


def plannable(wanted: WantedPlan) -> None:
    """Period, size and codes are such as can be carried out."""
    if not 1 <= wanted.weeks <= LONGEST_PERIOD:
        raise StepRefusedError("period", f"A period has 1 to {LONGEST_PERIOD} weeks.")
    if not 1 <= wanted.size <= LARGEST:
        raise StepRefusedError("size", f"A sample has 1 to {LARGEST} person-weeks.")
    wrong = [code for code in wanted.codes if _CODE.fullmatch(code) is None]
    if wrong or len(wanted.codes) > 100:
        raise StepRefusedError(
            "codes", "Outcome codes have 1 to 32 letters, digits, spaces and ._-; at most 100."
        )
    missing = {Outcome.NO_CONCERN, Outcome.CONCERN, Outcome.UNABLE} - set(wanted.codes.values())
    if missing:
        raise StepRefusedError(
            "codes", f"No outcome code means {', '.join(sorted(missing))}: a review needs one."
        )


def is_commitment(text: str) -> str:
    """A commitment as `commitment` gives it."""
    text = text.strip().lower()
    if _COMMITMENT.fullmatch(text) is None:
        raise StepRefusedError("commitment", "A commitment is 64 digits 0-9 and a-f.")
    return text


def in_state(plan: Plan, doing: str, *states: PlanState) -> None:
    """The plan has come so far, and no further."""
    if plan.state not in states:
        raise StepRefusedError(
            "state", f"{plan.reference} is {plan.state}: nobody can {doing} now."
        )


def open_draw(draw: Draw | None, plan: Plan) -> Draw:
    """There is a draw that has not been drawn."""
    if draw is None or draw.state is not DrawState.OPEN:
        raise StepRefusedError(
            "state", f"{plan.reference} has no draw that waits: its roster has to be fixed first."
        )
    return draw


def not_committed(by: str | None) -> None:
    """A commitment is made once: another one would be chosen by what is known by then."""
    if by is not None:
        raise StepRefusedError("commitment", f"This commitment was made already, by {by}.")


def same_as_committed(actor: Actor, by: str | None) -> None:
    """Whoever committed reveals."""
    if actor.name != by:
        raise StepRefusedError("reveal", f"This secret is {by}'s to reveal.")


def redrawable(plan: Plan, draw: Draw | None) -> None:
    """There is a draw to replace, and reviews have not ended."""
    in_state(
        plan,
        "draw again",
        PlanState.PLANNED,
        PlanState.COMMITTED,
        PlanState.DRAWN,
        PlanState.REVIEW,
    )
    if draw is None:
        raise StepRefusedError("state", f"{plan.reference} has not been drawn a first time.")


def period_is_over(plan: Plan, today: date) -> None:
    """A week is looked at when it is over: routine sampling is no live monitoring (4.2.6)."""
    if today <= plan.period[-1].sunday:
        raise StepRefusedError(
            "period",
            f"The period of {plan.reference} ends with {plan.period[-1].sunday:%d %B %Y}: weeks are"
            " reviewed when they are over.",
            STANDING,
        )


def reviewed_by(actor: Actor, sample: Sample, person: str | None) -> None:
    """A sample is decided once, by whoever took it, and that is not the sampled person."""
    by_psd(actor, "review a sample")
    if sample.reviewer != actor.name:
        raise StepRefusedError("reviewer", f"{sample.pseudonym} is not yours to review.", STANDING)
    if person == actor.name:  # never taken by them, but for a fault of the program
        raise StepRefusedError("own", f"{sample.pseudonym} is not yours to review.", STANDING)
    if sample.outcome is not None:
        raise StepRefusedError("state", f"{sample.pseudonym} has been reviewed already.")


def followed_up_by(actor: Actor, sample: Sample) -> None:
    """A concern is followed up by its reviewer: anybody else may be the sampled person."""
    if sample.outcome is Outcome.CONCERN and actor.name != sample.reviewer:
        raise StepRefusedError(
            "reviewer", f"{sample.pseudonym} is its reviewer's to follow up.", STANDING
        )


def known_code(plan: Plan, code: str) -> Outcome:
    """What a code means."""
    found = plan.codes.get(code)
    if found is None:
        raise StepRefusedError(
            "code", f"The codes of {plan.reference} are {', '.join(sorted(plan.codes))}."
        )
    return found


def closable(plan: Plan, draw: Draw | None, samples: Iterable[Sample]) -> None:
    """Every sample has an outcome, every concern a request, every deletion its certificate.

    Samples of a draw that was replaced count if somebody took them.
    """
    in_state(plan, "close it", PlanState.DRAWN, PlanState.REVIEW)
    number = draw.number if draw else 0
    every = tuple(samples)
    waiting = sum(
        each.outcome is None and (each.draw == number or each.reviewer is not None)
        for each in every
    )
    undone = sum(map(left_undone, every))
    if waiting or undone:
        raise StepRefusedError(
            "state",
            f"{plan.reference} cannot be closed: {waiting} samples have no outcome, and of {undone}"
            " the request or the deletion that follows is still to be made.",
        )


def left_undone(sample: Sample) -> bool:
    """Whether what follows from an outcome has not been done yet."""
    if sample.outcome is Outcome.CONCERN:
        return sample.request is None
    return sample.outcome is not None and sample.disposal is None
