"""One exemption: what it says, its history, and the steps that its reader may take.

In: a visit, an exemption, a form. Out: pages; a form as the register's step.
Must never: judge a step itself (steps.py asks the register's rules, which ask again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.requesting import FIELDS
from proxy_addons.portal.register.shown import day_words, moment_words, shown_step, until_words
from proxy_addons.portal.register.stepped import SteppedPages
from proxy_addons.portal.register.steps import KINDS, Kind, needs_another, open_to, refusal
from proxy_addons.portal.register.taking import Taken, call
from proxy_addons.standing import rules
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.exemption import Exemption

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from aiohttp import web

    from proxy_addons.portal.register.forms import Form
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.problems import StepRefusedError
    from proxy_addons.standing.steps import Step

_NONE = "There is no such exemption, or it is not one that you can see."


class OneExemption(SteppedPages[Exemption]):
    """The handlers."""

    PAGE = "exemption"
    PATH = "/exemptions"
    REFERENCE = "{reference:[A-Za-z0-9-]{1,32}}"
    KINDS = KINDS
    REQUESTED = "The request is sent. Information security decides on it."

    def __init__(self, services: Services, guard: Guard) -> None:
        super().__init__(services, guard)
        self._reading = Reading(services)

    @override
    async def _found(self, visit: Visit, reference: str) -> Exemption:
        return await self._reading.one(visit, reference)

    @override
    def _refusal(self, name: str, visit: Visit, found: Exemption) -> StepRefusedError | None:
        return refusal(name, visit.actor, found, visit.now)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        wanted = call(name, taken)
        return None if wanted is None else lambda: wanted(self._services.register())

    @override
    def _field(
        self, name: str, visit: Visit, found: Exemption, problem: StepRefusedError
    ) -> str | None:
        if self._refusal(name, visit, found) is not None:
            return None
        return FIELDS.get(problem.rule, "")

    @override
    async def _show(
        self,
        visit: Visit,
        found: Exemption,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        def read() -> tuple[tuple[Step, ...], dict[str, date]]:
            register = self._services.register()
            return register.steps(found.reference), register.last_used()

        steps, used = await self._services.threads.run(read)
        row = (await self._reading.in_words(visit, [found], used))[0]
        last_use = used.get(found.reference)
        return self._services.answers.show(
            "exemption.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="exemptions",
            row=row,
            it=found,
            last_use=last_use.isoformat() if last_use else None,
            extension=until_words(found.extension_ends, self._zone)
            if found.extension_ends
            else None,
            review=day_words(found.review_at, self._zone) if found.review_at else None,
            requested=moment_words(found.requested_at, self._zone),
            history=[shown_step(step, self._zone) for step in steps],
            steps=open_to(visit.actor, found, visit.now),
            another=needs_another(visit.actor, found, visit.now),
            done=done,
            problem=problem,
        )

    @override
    async def _step(
        self, visit: Visit, found: Exemption, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        row = (await self._reading.in_words(visit, [found]))[0]
        latest = until_words(months_later(visit.now, rules.MONTHS, self._zone), self._zone)
        return self._services.answers.show(
            "step.html",
            status=status,
            visit=visit,
            here="exemptions",
            kind=kind,
            row=row,
            it=found,
            form=form,
            problems=form.problems,
            extension=until_words(found.extension_ends, self._zone)
            if found.extension_ends
            else None,
            latest=latest,
        )

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html", status=404, visit=visit, title="There is no such page", text=_NONE
        )
