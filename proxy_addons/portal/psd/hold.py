"""One legal hold: its page, and its steps; who asks for it to be lifted does not lift it.

In: a visit, a hold, a form. Out: pages; steps in the register.
Must never: let one person end a hold; show somebody a hold on records of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, override

from proxy_addons.audit.retention import rules
from proxy_addons.audit.retention.holds import Hold
from proxy_addons.portal.psd.retention import may_see
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import moment_words, shown_step, until_words
from proxy_addons.portal.register.stepped import SteppedPages
from proxy_addons.portal.register.steps import Kind
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from proxy_addons.portal.register.forms import Form
    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.standing.actor import Actor

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("review", "Record a review", "Record a review", "The review is recorded."),
        Kind("ask", "Ask to lift it", "Ask to lift it",
             "It is asked for. The hold stays until somebody else lifts it.", look="second"),
        Kind("lift", "Lift it", "Lift it", "The hold is lifted.", proven=True, look="danger"),
        Kind("keep", "Keep it", "Keep it", "The hold stays.", look="second"),
    )
}  # fmt: skip
_WORDS: Final = {
    "hold": "Placed",
    "review": "Reviewed",
    "lift-request": "Asked to be lifted",
    "lift-refusal": "Kept",
    "lifting": "Lifted",
}
_FIELDS: Final = {"reason": "why", "length": "why", "text": "why", "review": "review"}


def refusal(name: str, actor: Actor, hold: Hold) -> StepRefusedError | None:
    """Why somebody may not take a step now; None if they may."""
    doing = KINDS[name].button.lower()
    try:
        rules.by_psd(actor, doing)
        rules.not_held(actor, hold, doing)
        rules.in_force(hold, doing)
        if name == "ask":
            rules.no_lift_asked(hold)
        if name in {"lift", "keep"}:
            rules.lift_asked(hold)
        if name == "lift":
            rules.second_person(actor, hold)
    except StepRefusedError as problem:
        # Nothing was to be changed yet: the page says why, or does not offer it.
        return problem
    return None


class OneHold(SteppedPages[Hold]):
    """The handlers."""

    PAGE = "retention"
    PATH = "/psd/retention"
    REFERENCE = "{reference:[A-Za-z]{2}-[0-9]{4}-[0-9]{1,8}}"
    KINDS = KINDS
    REQUESTED = "The hold is in force."

    @override
    async def _found(self, visit: Visit, reference: str) -> Hold:
        found = await self._services.threads.run(self._services.holds().get, reference)
        if not may_see(visit.someone.name, found):
            raise UnknownReferenceError(reference)
        return found

    @override
    def _refusal(self, name: str, visit: Visit, found: Hold) -> StepRefusedError | None:
        return refusal(name, visit.actor, found)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        holds, actor, reference, seen = (
            self._services.holds(),
            taken.actor,
            taken.reference,
            taken.seen,
        )
        if name == "lift":
            return lambda: holds.lift(actor, reference, seen=seen, remark=taken.why)
        taken.needs_why("Enter what the review found" if name == "review" else "Enter why")
        next_at = None
        if name == "review":
            next_at = taken.form.begin("review", taken.zone, "The day of the next review")
        if taken.form.problems:
            return None
        if next_at is not None:
            at = next_at
            return lambda: holds.review(actor, reference, seen=seen, remark=taken.why, next_at=at)
        step = holds.ask_to_lift if name == "ask" else holds.keep
        return lambda: step(actor, reference, seen=seen, why=taken.why)

    @override
    def _field(self, name: str, visit: Visit, found: Hold, problem: StepRefusedError) -> str | None:
        return _FIELDS.get(problem.rule)

    @override
    async def _show(
        self,
        visit: Visit,
        found: Hold,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        steps = await self._services.threads.run(self._services.holds().steps, found.reference)
        waits = refusal("lift", visit.actor, found)
        return self._services.answers.show(
            "psd-hold.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="retention",
            it=found,
            steps=[
                kind for kind in KINDS.values() if refusal(kind.name, visit.actor, found) is None
            ],
            another=waits is not None and waits.rule == "four-eyes",
            review=until_words(found.review_at, self._zone),
            overdue=found.review_is_overdue(visit.now),
            placed=moment_words(found.placed_at, self._zone),
            history=[
                replace(shown_step(step, self._zone), what=_WORDS.get(step.kind, step.kind))
                for step in steps
            ],
            done=done,
            problem=problem,
        )

    @override
    async def _step(
        self, visit: Visit, found: Hold, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "psd-hold-step.html",
            status=status,
            visit=visit,
            here="retention",
            kind=kind,
            it=found,
            form=form,
            problems=form.problems,
            latest=until_words(months_later(visit.now, 12, self._zone), self._zone),
        )

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="retention",
            title="There is no such hold",
            text="There is no hold of this reference, or it is not one that you can see.",
        )
