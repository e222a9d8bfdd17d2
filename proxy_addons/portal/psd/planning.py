"""Dip samples as a whole: the plans, a new one, the coverage report.

In: a visit, a form. Out: pages, a file; a plan in the register.
Must never: show a name, or of small units what would be one person's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.sampling.chances import in_words, percent
from proxy_addons.audit.sampling.coverage import Coverage, as_csv, coverage, read
from proxy_addons.audit.sampling.plan import CODES, Outcome, WantedPlan
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.pictures import Bar, Picture
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.register.forms import Form
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

FIELDS: Final = {
    "reason": "why",
    "second-party": "second_party",
    "two-people": "second_party",
    "name": "second_party",
    "period": "weeks",
    "size": "size",
    "codes": "codes",
}
"""Rule → field that its refusal speaks of."""
_NUMBER: Final = 6  # digits


class Planning:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard, statics: Mapping[str, str]) -> None:
        self._services = services
        self._guard = guard
        self._statics = statics
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/psd/sampling", page(PAGES["sampling"], self.plans)),
            web.get("/psd/sampling/coverage", page(PAGES["sampling"], self.coverage)),
            web.get("/psd/sampling/coverage.csv", page(PAGES["sampling"], self.csv)),
            web.get("/psd/sampling/new", page(PAGES["sample"], self.ask)),
            web.post("/psd/sampling/new", page(PAGES["sample"], self.take)),
        ]

    async def plans(self, request: web.Request, visit: Visit) -> web.Response:
        """All plans."""
        del request
        found = await self._services.threads.run(self._services.sampling().all)
        return self._services.answers.show(
            "psd-sampling.html",
            visit=visit,
            here="sampling",
            plans=found[::-1],
        )

    async def coverage(self, request: web.Request, visit: Visit) -> web.Response:
        """The coverage report."""
        del request
        found = await self._report(visit)
        picture = Picture(
            "chart-coverage",
            "Reviewed person-weeks by stratum",
            "lying",
            tuple(Bar(str(row.stratum), row.reviewed, row.findings) for row in found.rows),
            names=("no concern", "concern"),
        )
        total = found.total
        return self._services.answers.show(
            "psd-coverage.html",
            scripts=True,
            visit=visit,
            here="sampling",
            statics=self._statics,
            report=found,
            percent=percent,
            picture=picture if found.rows else None,
            words=in_words(total.reviewed, total.findings, total.person_weeks),
        )

    async def csv(self, request: web.Request, visit: Visit) -> web.Response:
        """The same as a file."""
        del request
        return csvfile.answer("dip-sample-coverage", as_csv(await self._report(visit)))

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The empty form."""
        del request
        last = Week.of(visit.now.astimezone(self._zone).date()).later(-1)
        typed = {"first_week": [last.name], "weeks": ["1"], "size": ["59"]}
        return await self._show(visit, Form(typed))

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        form = await Form.posted(request)
        wanted = _wanted(form)
        if wanted is None:
            return await self._show(visit, form, status=400)
        try:
            made = await self._services.threads.run(
                lambda: self._services.sampling().plan(visit.actor, wanted)
            )
        except StepRefusedError as problem:
            # Nothing was planned: the form comes back with what was typed.
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return await self._show(visit, form, status=400)
        where = f"/psd/sampling/{made.reference}?done=request"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    async def _report(self, visit: Visit) -> Coverage:
        counted = await self._services.threads.run(read, self._services.store)
        return coverage(counted, visit.now)

    async def _show(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        services = self._services

        def standing() -> list[str]:
            return [
                each.reference
                for each in services.authorisations().all(visit.actor)
                if each.kind is Kind.DIP_SAMPLE and each.holds(visit.now)
            ]

        return services.answers.show(
            "psd-plan-new.html",
            status=status,
            visit=visit,
            here="sampling",
            form=form,
            problems=form.problems,
            standing=await services.threads.run(standing),
            codes="\n".join(f"{code} = {means}" for code, means in CODES.items()),
        )


def _wanted(form: Form) -> WantedPlan | None:
    """What was typed; None, with what is wrong noted."""
    if not form.text("why").strip():
        form.wrong("why", "Enter why")
    if not form.text("authority").strip():
        form.wrong("authority", "Choose the standing authorisation")
    try:
        first = Week.parse(form.text("first_week"))
    except ValueError as problem:
        # Nothing is planned: the form says so.
        form.wrong("first_week", f"The first week: {problem}")
        first = None
    weeks = _whole(form, "weeks", "The number of weeks")
    size = _whole(form, "size", "The number of person-weeks")
    if not form.text("second_party").strip():
        form.wrong("second_party", "Enter who makes the second commitment")
    codes = _codes(form)
    if form.problems or first is None:
        return None
    return WantedPlan(
        why=form.text("why"),
        authority=form.text("authority"),
        first_week=first,
        weeks=weeks,
        size=size,
        second_party=form.text("second_party"),
        codes=codes,
    )


def _whole(form: Form, name: str, words: str) -> int:
    text = form.text(name).strip()
    if text.isascii() and text.isdecimal() and len(text) <= _NUMBER:
        return int(text)
    form.wrong(name, f"{words} is a number")
    return 0


def _codes(form: Form) -> dict[str, Outcome]:
    """Lines `code = outcome`; none are the usual ones."""
    found: dict[str, Outcome] = {}
    for line in form.text("codes").splitlines():
        if not line.strip():
            continue
        code, _, means = line.rpartition("=")
        try:
            found[code.strip()] = Outcome(means.strip())
        except ValueError:
            # As above.
            form.wrong("codes", f"After the = stands one of {', '.join(Outcome)}")
            return {}
    return found or dict(CODES)
