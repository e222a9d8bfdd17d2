"""Which steps somebody may take on a plan of dip sampling now: the register's rules, asked before.

In: who, a plan with its draws, the day. Out: the steps to offer; why not.
Must never: be the check itself: the register asks its rules again when the step is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling import rules
from proxy_addons.audit.sampling.plan import PlanState
from proxy_addons.portal.register.steps import Kind
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from proxy_addons.audit.sampling.plan import Draw, Plan
    from proxy_addons.standing.actor import Actor


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its draws, the first one first."""

    plan: Plan
    draws: tuple[Draw, ...]

    @property
    def reference(self) -> str:
        """Its name in addresses."""
        return self.plan.reference

    @property
    def revision(self) -> int:
        """What a view of it is known by."""
        return self.plan.revision

    @property
    def why(self) -> str:
        """Its purpose."""
        return self.plan.why

    @property
    def draw(self) -> Draw | None:
        """The draw that counts."""
        return self.draws[-1] if self.draws else None


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("roster", "Fix the roster", "Fix the roster", "The roster is fixed."),
        Kind("reveal", "Reveal your secret", "Reveal your secret", "Your secret is revealed."),
        Kind("redraw", "Draw again", "Draw again", "Another draw is begun.", look="second"),
        Kind("close", "Close the plan", "Close the plan", "The plan is closed.", look="second"),
    )
}
COMMIT: Final = Kind(
    "commit", "Make your commitment", "Make your commitment", "You have committed."
)
"""Not among `KINDS`: its page shows a secret, once."""


def _roster(actor: Actor, it: Planned) -> None:
    rules.by_psd(actor, "fix the roster of a sample")
    rules.in_state(it.plan, "fix its roster", PlanState.PLANNED)
    if it.draws:
        raise StepRefusedError("roster", f"The roster of {it.reference} is fixed.")


def _commit(actor: Actor, it: Planned) -> None:
    rules.in_state(it.plan, "commit", PlanState.PLANNED)
    second = _is_second(actor, it)
    draw = rules.open_draw(it.draw, it.plan)
    rules.not_committed(draw.second_by if second else draw.psd_by)


def _reveal(actor: Actor, it: Planned) -> None:
    rules.in_state(it.plan, "reveal a secret", PlanState.COMMITTED)
    second = _is_second(actor, it)
    draw = rules.open_draw(it.draw, it.plan)
    rules.same_as_committed(actor, draw.second_by if second else draw.psd_by)
    if draw.second_revealed if second else draw.psd_revealed:
        raise StepRefusedError("reveal", "This secret was revealed already.")


def _redraw(actor: Actor, it: Planned) -> None:
    rules.by_psd(actor, "draw again")
    rules.redrawable(it.plan, it.draw)


def _close(actor: Actor, it: Planned) -> None:
    rules.by_psd(actor, "close a plan")
    rules.in_state(it.plan, "close it", PlanState.DRAWN, PlanState.REVIEW)


def _is_second(actor: Actor, it: Planned) -> bool:
    if actor.name == it.plan.second_party:
        rules.by_second_party(actor, it.plan)
        return True
    rules.by_psd(actor, "take part in a draw")
    return False


_RULES: Final[dict[str, Callable[[Actor, Planned], None]]] = {
    "roster": _roster,
    "commit": _commit,
    "reveal": _reveal,
    "redraw": _redraw,
    "close": _close,
}


def refusal(name: str, actor: Actor, it: Planned) -> StepRefusedError | None:
    """Why somebody may not take a step now; None if they may."""
    try:
        _RULES[name](actor, it)
    except StepRefusedError as problem:
        # Nothing was to be changed yet: the page says why, or does not offer it.
        return problem
    return None


def open_to(actor: Actor, it: Planned) -> list[Kind]:
    """The steps that somebody may take now."""
    kinds = (KINDS["roster"], COMMIT, KINDS["reveal"], KINDS["redraw"], KINDS["close"])
    return [kind for kind in kinds if refusal(kind.name, actor, it) is None]


def may_review(actor: Actor, it: Planned, today: date) -> StepRefusedError | None:
    """Why somebody may not take a sample now; None if they may."""
    try:
        rules.by_psd(actor, "review a sample")
        rules.in_state(it.plan, "take a sample", PlanState.DRAWN, PlanState.REVIEW)
        rules.period_is_over(it.plan, today)
    except StepRefusedError as problem:
        # As above.
        return problem
    return None
