"""Deputies: who acts for the holder of an office (Inf/27 3.6: "in their absence").

In: a visit, a form. Out: pages; a delegation given or taken back.
Must never: give an office in anybody else's name; list delegations of offices that are not the
reader's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.authority.shown import end_words, office_words
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import day_words, moment_words
from proxy_addons.portal.signin import onward
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.authority.deputies import Delegation
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

FIELDS: Final = {
    "name": "deputy",
    "own": "deputy",
    "office": "office",
    "period": "ends",
    "reason": "why",
    "length": "why",
    "text": "why",
}
"""Rule of the register → the field that it speaks of."""
_PATH: Final = "/psd/deputies"
_DONE: Final = {"given": "The deputy is named.", "revoked": "The delegation has ended."}
_NONE: Final = "There is no such delegation, or it is not one that you can see."
_NO_OFFICE: Final = "Only who holds an office can name a deputy for it, and you hold none."


class Deputising:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which = self._guard.page, PAGES["authorisations"]
        one = f"{_PATH}/{{reference:[A-Za-z0-9-]{{1,32}}}}/revoke"
        return [
            web.get(_PATH, page(which, self.listed)),
            web.post(_PATH, page(which, self.give)),
            web.get(one, page(which, self.ask)),
            web.post(one, page(which, self.revoke)),
        ]

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """The list, and the form by which a holder names a deputy."""
        kept = self._services.drafts.take(visit.someone.name, _PATH)
        today = visit.now.astimezone(self._zone).date().isoformat()
        done = _DONE.get(request.query.get("done", ""))
        return await self._show(visit, Form(kept or {"begins": [today]}), done=done)

    async def give(self, request: web.Request, visit: Visit) -> web.Response:
        """A deputy was named."""
        form = await Form.posted(request)
        if not visit.actor.offices:
            return self._problem(visit, 403, "You cannot do this", _NO_OFFICE)
        begins = form.begin("begins", self._zone, "The first day")
        ends = form.end("ends", self._zone, "The last day")
        office = form.text("office")
        if office not in visit.actor.offices:
            form.wrong("office", "Choose the office")
        if not form.text("why").strip():
            form.wrong("why", "Enter why")
        await self._check_deputy(form)
        if form.problems or begins is None or ends is None:
            return await self._show(visit, form, status=400)
        if not visit.has_just_proven:
            return self._to_confirm(visit, _PATH, form)
        first = max(begins, visit.now) if self._is_today(begins, visit) else begins

        def write() -> Delegation:
            return self._services.deputies().give(
                visit.actor,
                office,
                form.text("deputy"),
                begins=first,
                ends=ends,
                why=form.text("why"),
            )

        try:
            await self._services.threads.run(write)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return await self._show(visit, form, status=400)
        return web.Response(status=303, headers={hdrs.LOCATION: f"{_PATH}?done=given"})

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form that ends a delegation."""
        found = await self._one(visit, request.match_info["reference"])
        if found is None:
            return self._problem(visit, 404, "There is no such page", _NONE)
        if not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", request.path))
        kept = self._services.drafts.take(visit.someone.name, request.path)
        return self._revoking(visit, found, Form(kept))

    async def revoke(self, request: web.Request, visit: Visit) -> web.Response:
        """It was sent."""
        form = await Form.posted(request)
        found = await self._one(visit, request.match_info["reference"])
        if found is None:
            return self._problem(visit, 404, "There is no such page", _NONE)
        if not visit.has_just_proven:
            return self._to_confirm(visit, request.path, form)

        def write(reference: str = found.reference) -> Delegation:
            return self._services.deputies().revoke(visit.actor, reference, why=form.text("why"))

        try:
            await self._services.threads.run(write)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return self._revoking(visit, found, form, status=400)
        return web.Response(status=303, headers={hdrs.LOCATION: f"{_PATH}?done=revoked"})

    # --- inside -----------------------------------------------------------------------------

    async def _mine(self, visit: Visit) -> list[Delegation]:
        """Those of offices that they hold, and those by which they act; newest first."""
        found = await self._services.threads.run(lambda: self._services.deputies().all())
        actor = visit.actor
        return [
            each
            for each in reversed(found)
            if each.office in actor.offices or each.deputy == actor.name
        ]

    async def _one(self, visit: Visit, reference: str) -> Delegation | None:
        wanted = reference.upper()
        mine = await self._mine(visit)
        return next((each for each in mine if each.reference == wanted), None)

    async def _check_deputy(self, form: Form) -> None:
        """A slip of the pen in a name would be an office for nobody, or for somebody else."""
        typed = form.text("deputy")
        if not typed.strip():
            form.wrong("deputy", "Enter who deputises")
            return
        try:
            name = canonical_name(typed)
        except ValueError as problem:
            # Said below the field.
            form.wrong("deputy", f"This is no login name: {problem}")
            return
        if not await self._services.people.exists(name):
            form.wrong("deputy", "The directory knows nobody of this login name")

    def _is_today(self, begins: datetime, visit: Visit) -> bool:
        zone = self._zone
        return begins.astimezone(zone).date() == visit.now.astimezone(zone).date()

    def _to_confirm(self, visit: Visit, path: str, form: Form) -> web.Response:
        self._services.drafts.keep(visit.someone.name, path, form.fields)
        where = onward.with_next("/confirm", path)
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    async def _show(
        self, visit: Visit, form: Form, *, done: str | None = None, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "psd-deputies.html",
            status=status,
            visit=visit,
            here="authorisations",
            form=form,
            problems=form.problems,
            offices=[(each, office_words(each)) for each in sorted(visit.actor.offices)],
            rows=[self._row(each, visit) for each in await self._mine(visit)],
            days=self._services.settings.audit.deputies,
            done=done,
        )

    def _revoking(
        self, visit: Visit, found: Delegation, form: Form, *, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "psd-revoke.html",
            status=status,
            visit=visit,
            here="authorisations",
            row=self._row(found, visit),
            form=form,
            problems=form.problems,
        )

    def _row(self, found: Delegation, visit: Visit) -> dict[str, Any]:
        if found.revoked_at is not None:
            words, look = "Taken back", "not"
        elif found.ends <= visit.now:
            words, look = "Ended", "gone"
        elif found.holds(visit.now):
            words, look = "In force", "good"
        else:
            words, look = "Not begun", "good"
        ended = found.revoked_at
        return {
            "it": found,
            "office": office_words(found.office),
            "begins": day_words(found.begins, self._zone),
            "ends": end_words(found.ends, self._zone),
            "words": words,
            "look": look,
            "revoked": moment_words(ended, self._zone) if ended is not None else None,
            "is_open": look == "good",
        }

    def _problem(self, visit: Visit, status: int, title: str, text: str) -> web.Response:
        return self._services.answers.show(
            "problem.html", status=status, visit=visit, title=title, text=text
        )
