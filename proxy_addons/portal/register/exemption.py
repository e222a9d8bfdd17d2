"""One exemption: what it says, its history, and the steps that its reader may take.

In: a visit, a reference, what was typed. Out: pages; steps in the register.
Must never: take a step itself (register.py does, with its rules); take one that another person's
access hangs on without a fresh proof of who takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.requesting import FIELDS
from proxy_addons.portal.register.shown import day_words, moment_words, shown_step, until_words
from proxy_addons.portal.register.steps import KINDS, Kind, needs_another, open_to, refusal
from proxy_addons.portal.register.taking import Taken, call
from proxy_addons.portal.signin import onward
from proxy_addons.standing import rules
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StaleViewError, StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from datetime import date

    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.exemption import Exemption
    from proxy_addons.standing.steps import Step

_REFERENCE = "{reference:[A-Za-z0-9-]{1,32}}"
_DONE = {"request": "The request is sent. Information security decides on it.", **{
    kind.name: kind.done for kind in KINDS.values()
}}  # fmt: skip
_NONE = "There is no such exemption, or it is not one that you can see."


class OneExemption:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        step = f"/exemptions/{_REFERENCE}/{{step:{'|'.join(KINDS)}}}"
        return [
            web.get(f"/exemptions/{_REFERENCE}", page(PAGES["exemption"], self.show)),
            web.get(step, page(PAGES["exemption"], self.ask)),
            web.post(step, page(PAGES["exemption"], self.take)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page of an exemption."""
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        return await self._show(visit, found, done=_DONE.get(request.query.get("done", "")))

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form of a step."""
        kind = KINDS[request.match_info["step"]]
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        problem = refusal(kind.name, visit.actor, found, visit.now)
        if problem is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        if kind.proven and not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", request.path))
        form = Form(self._services.drafts.take(visit.someone.name, request.path))
        return await self._step(visit, found, kind, form)

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """A step was sent."""
        kind = KINDS[request.match_info["step"]]
        form = await Form.posted(request)
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        if kind.proven and not visit.has_just_proven:
            self._services.drafts.keep(visit.someone.name, request.path, form.fields)
            where = onward.with_next("/confirm", request.path)
            return web.Response(status=303, headers={hdrs.LOCATION: where})
        seen = form.text("seen")
        # A view that cannot be told is none that was looked at.
        revision = int(seen) if seen.isdecimal() and len(seen) < 10 else -1
        taken = Taken(visit.actor, found.reference, revision, form, self._zone)
        wanted = call(kind.name, taken)
        if wanted is None:
            return await self._step(visit, found, kind, form, status=400)
        try:
            await self._services.threads.run(lambda: wanted(self._services.register()))
        except StaleViewError as problem:
            # Nothing was changed: what is shown now is what to decide on.
            now = await self._found(request, visit)
            return await self._show(visit, now, problem=str(problem), status=409)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed, unless the step itself
            # is no longer theirs to take.
            if refusal(kind.name, visit.actor, found, visit.now) is not None:
                return await self._show(visit, found, problem=str(problem), status=403)
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return await self._step(visit, found, kind, form, status=400)
        where = f"/exemptions/{found.reference}?done={kind.name}"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    async def _found(self, request: web.Request, visit: Visit) -> Exemption:
        return await self._reading.one(visit, request.match_info["reference"])

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

    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html", status=404, visit=visit, title="There is no such page", text=_NONE
        )
