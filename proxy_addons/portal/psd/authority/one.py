"""One authorisation: what it says, its history, and the steps that its reader may take.

In: a visit, a reference, a form. Out: pages; a form as the register's step.
Must never: judge a step itself (steps.py asks the register's rules, which ask again); tell somebody
it is about that there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, override

from proxy_addons.audit.authority.model import State
from proxy_addons.portal.psd.authority.facts import approvals, facts, texts
from proxy_addons.portal.psd.authority.reading import Case, Cases
from proxy_addons.portal.psd.authority.shown import end_words, named, shown, shown_step
from proxy_addons.portal.psd.authority.steps import KINDS, needs_another, open_to, refusal
from proxy_addons.portal.psd.authority.taking import BY_FIELDS, FIELDS, HAS, call
from proxy_addons.portal.register.shown import day_words, moment_words
from proxy_addons.portal.register.stepped import SteppedPages

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from proxy_addons.portal.register.forms import Form
    from proxy_addons.portal.register.steps import Kind
    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.problems import StepRefusedError

AWAY: Final = {
    "conflict": f"{KINDS['conflict'].done} You no longer see the authorisation.",
    "approve-orally": KINDS["approve-orally"].done,
}
"""Steps after which their taker may see it no longer, and what the list then says."""
_NONE = "There is no such authorisation, or it is not one that you can see."


class OneAuthorisation(SteppedPages[Case]):
    """The handlers."""

    PAGE = "authorisations"
    PATH = "/psd/authorisations"
    REFERENCE = "{reference:[A-Za-z0-9-]{1,32}}"
    KINDS = KINDS
    REQUESTED = "The application is sent. Nobody may look before all who have to have approved."

    def __init__(self, services: Services, guard: Guard) -> None:
        super().__init__(services, guard)
        self._cases = Cases(services)

    @override
    async def _found(self, visit: Visit, reference: str) -> Case:
        return await self._cases.one(visit, reference)

    @override
    def _refusal(self, name: str, visit: Visit, found: Case) -> StepRefusedError | None:
        return refusal(name, visit.actor, found, visit.now, self._services.settings.audit)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        wanted = call(name, taken)
        return None if wanted is None else lambda: wanted(self._services.authorisations())

    @override
    def _field(self, name: str, visit: Visit, found: Case, problem: StepRefusedError) -> str | None:
        if self._refusal(name, visit, found) is not None:
            return None
        if name == "approve-orally" and problem.rule in BY_FIELDS:
            return "by"
        field = FIELDS.get(problem.rule, "")
        return field if field in HAS.get(name, {"why"}) else ""

    @override
    def _after(self, found: Case, kind: Kind) -> str:
        if kind.name in AWAY:
            # From now on they may not be told that there is one.
            return f"{self.PATH}?done={kind.name}"
        return super()._after(found, kind)

    @override
    async def _show(
        self,
        visit: Visit,
        found: Case,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        audit, it = self._services.settings.audit, found.it
        is_asked = it.state_at(visit.now) is State.REQUESTED
        rounds = [
            (
                f"Later end {number}" if number else "The application",
                approvals(it, number, self._zone),
                it.renewal is not None and number == it.rounds if number else is_asked,
            )
            for number in range(it.rounds + 1)
        ]
        return self._services.answers.show(
            "psd-authorisation.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="authorisations",
            rounds=rounds,
            history=[shown_step(step, self._zone) for step in found.steps],
            steps=open_to(visit.actor, found, visit.now, audit),
            another=needs_another(visit.actor, found, visit.now, audit),
            done=done,
            problem=problem,
            **await self._in_words(visit, found),
        )

    @override
    async def _step(
        self, visit: Visit, found: Case, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "psd-authority-step.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="authorisations",
            kind=kind,
            form=form,
            problems=form.problems,
            hours=self._services.settings.audit.urgent,
            **await self._in_words(visit, found),
        )

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html", status=404, visit=visit, title="There is no such page", text=_NONE
        )

    # --- inside -----------------------------------------------------------------------------

    async def _in_words(self, visit: Visit, found: Case) -> dict[str, Any]:
        it, zone = found.it, self._zone
        displays = await self._cases.displays({it.applicant, *it.investigators, *it.subjects})
        return {
            "it": it,
            "row": shown(it, visit.actor, visit.now, zone),
            "facts": facts(it, zone, displays),
            "texts": texts(it),
            "applicant": named(it.applicant, displays),
            "applied": moment_words(it.applied_at, zone),
            "renewal": end_words(it.renewal.until, zone) if it.renewal else None,
            "review": day_words(it.review_at, zone) if it.review_at else None,
            "reviewed": day_words(it.reviewed_at, zone) if it.reviewed_at else None,
        }
