"""One dip sample: taking it, its week under a pseudonym, and what its review comes to.

In: a visit, a pseudonym, an outcome. Out: pages; steps in the register.
Must never: show a sample to anybody but who has taken it; tell whose it is before a concern is
recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from proxy_addons.audit.desk.sampling import ViewSample
from proxy_addons.audit.sampling.plan import Outcome
from proxy_addons.audit.sampling.rules import left_undone
from proxy_addons.audit.sessions import sessions
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.pictures import heat, ranked
from proxy_addons.portal.psd.shown import moment, shown_row
from proxy_addons.portal.register.forms import Form
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from proxy_addons.audit.desk.calls import Found
    from proxy_addons.audit.sampling.plan import Plan, Sample
    from proxy_addons.audit.sampling.reviewing import Reviewed
    from proxy_addons.audit.sessions import Session
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.psd.pictures import Picture
    from proxy_addons.portal.signin.guard import Guard, Visit

_PLAN: Final = "/psd/sampling/{reference:[A-Za-z]{2}-[0-9]{4}-[0-9]{1,8}}"
_SAMPLE: Final = _PLAN + "/{number:[0-9]{1,4}-[0-9]{3,6}}"
ON_A_PAGE: Final = 100
_FOR_SESSIONS: Final = 2000
_NONE: Final = "There is no such sample that you have taken."
_FIELDS: Final = {"code": "code", "reason": "why", "length": "why", "text": "why"}


class Samples:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._services = asking.services
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which, caught = self._guard.page, PAGES["sample"], self._asking.caught
        return [
            web.post(_PLAN + "/next", page(which, self.take_next)),
            web.get(_SAMPLE, page(which, caught(self.show))),
            web.post(_SAMPLE, page(which, caught(self.decide))),
            web.post(_SAMPLE + "/follow-up", page(which, self.follow_up)),
        ]

    async def take_next(self, request: web.Request, visit: Visit) -> web.Response:
        """Take the next sample."""
        reference = request.match_info["reference"]
        found = await self._services.threads.run(
            lambda: self._services.reviewing().take_next(visit.actor, reference)
        )
        if found is None:
            return _led(f"/psd/sampling/{reference}?done=none-left")
        return _led(f"/psd/sampling/{found.pseudonym}")

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page: the sample's records, or what became of it."""
        found = await self._mine(request, visit)
        if found is None:
            return self._none(visit)
        return await self._show(request, visit, *found, Form({}))

    async def decide(self, request: web.Request, visit: Visit) -> web.Response:
        """An outcome was sent."""
        found = await self._mine(request, visit)
        if found is None:
            return self._none(visit)
        plan, sample = found
        form = await Form.posted(request)
        if not form.text("code"):
            form.wrong("code", "Choose an outcome")
            return await self._show(request, visit, plan, sample, form, status=400)
        try:
            made = await self._services.threads.run(
                lambda: self._services.reviewing().decide(
                    visit.actor,
                    sample.pseudonym,
                    code=form.text("code"),
                    remark=form.text("why"),
                )
            )
        except StepRefusedError as problem:
            # Nothing was recorded, or what follows from it was not done; the page shows which.
            again = await self._mine(request, visit)
            assert again is not None
            form.wrong(_FIELDS.get(problem.rule, ""), str(problem))
            return await self._show(request, visit, *again, form, status=400)
        if made.sample.outcome is Outcome.CONCERN:
            return _led(f"/psd/sampling/{sample.pseudonym}")
        return _led(f"/psd/sampling/{plan.reference}?done=reviewed")

    async def follow_up(self, request: web.Request, visit: Visit) -> web.Response:
        """Do what follows from an outcome, and could not be done at once."""
        found = await self._mine(request, visit)
        if found is None:
            return self._none(visit)
        plan, sample = found
        try:
            await self._services.threads.run(self._follow_up, visit, sample)
        except StepRefusedError as problem:
            # The outcome stays recorded, and what follows undone: the page says so.
            form = Form({})
            form.wrong("", str(problem))
            return await self._show(request, visit, plan, sample, form, status=400)
        return _led(f"/psd/sampling/{sample.pseudonym}")

    # --- inside -----------------------------------------------------------------------------

    async def _mine(self, request: web.Request, visit: Visit) -> tuple[Plan, Sample] | None:
        """The sample of an address, if the visitor has taken it."""
        reference = request.match_info["reference"].upper()
        pseudonym = f"{reference}/{request.match_info['number']}"

        def read() -> tuple[Plan, Sample] | None:
            sampling = self._services.sampling()
            for each in sampling.samples(reference):
                if each.pseudonym == pseudonym and each.reviewer == visit.someone.name:
                    return sampling.get(reference), each
            return None

        try:
            return await self._services.threads.run(read)
        except UnknownReferenceError:
            # As for a sample that is somebody else's.
            return None

    def _follow_up(self, visit: Visit, sample: Sample) -> Reviewed:
        return self._services.reviewing().follow_up(visit.actor, sample.pseudonym)

    async def _show(
        self,
        request: web.Request,
        visit: Visit,
        plan: Plan,
        sample: Sample,
        form: Form,
        *,
        status: int = 200,
    ) -> web.Response:
        in_rows = request.query.get("view") == "rows"
        found = reviewed = None
        if sample.outcome is None:
            found = await self._asking.ask(
                visit,
                ViewSample(
                    sample=sample.pseudonym,
                    most=ON_A_PAGE if in_rows else _FOR_SESSIONS,
                    after=request.query.get("after", "") if in_rows else "",
                    counts=not in_rows,
                ),
            )
        elif not left_undone(sample):
            reviewed = await self._services.threads.run(self._follow_up, visit, sample)
        pictures = _pictures(found) if found is not None else []
        rows = found.page.rows if found is not None else ()
        here = f"/psd/sampling/{sample.pseudonym}"
        return self._services.answers.show(
            "psd-sample.html",
            status=status,
            scripts=True,
            visit=visit,
            here="sampling",
            statics=self._asking.statics,
            plan=plan,
            it=sample,
            undone=sample.outcome is not None and left_undone(sample),
            person=reviewed.person if reviewed is not None else None,
            form=form,
            problems=form.problems,
            found=found,
            pictures=pictures,
            drawn=[each.drawn for each in pictures],
            in_rows=in_rows,
            sessions=[] if in_rows else [self._session(each) for each in sessions(rows)],
            rows=[shown_row(row, self._zone, "") for row in rows] if in_rows else [],
            next=f"{here}?{urlencode({'view': 'rows', 'after': found.page.after})}"
            if found is not None and in_rows and found.page.after
            else None,
            path=here,
        )

    def _session(self, session: Session) -> dict[str, Any]:
        sites = [f"{host} ({count})" for host, count in session.sites]
        if session.masked:
            sites.append(f"masked ({session.masked})")
        return {
            "when": moment(session.begins, self._zone),
            "minutes": session.minutes,
            "requests": session.requests,
            "opened": session.opened,
            "refused": session.refused,
            "sites": ", ".join(sites),
        }

    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="sampling",
            title="There is no such sample",
            text=_NONE,
        )


def _pictures(found: Found) -> list[Picture]:
    if not found.counts or not found.total.records:
        return []
    week, categories, sites, rules = found.counts

    def nowhere(key: str) -> str:
        """A sample is looked at as a whole."""
        del key
        return ""

    made = [
        heat("chart-week", week),
        ranked("chart-categories", "Categories", categories, nowhere),
        ranked("chart-sites", "Sites", sites, nowhere),
        ranked("chart-rules", "Rules", rules, nowhere),
    ]
    return [each for each in made if each.bars or each.kind == "heat"]


def _led(where: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: where})
