"""One review: what was asked, its history, and the decisions that its reader may take.

In: a visit, a reference, what was typed. Out: pages; steps in the register.
Must never: take a step itself (standing/reviews.py does, with its rules); open a site without
a fresh proof of who does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import shown_step, until_words
from proxy_addons.portal.reviews.reading import ReviewReading, sees_all
from proxy_addons.portal.reviews.steps import FIELDS, KINDS, Taken, call, open_to, refusal
from proxy_addons.portal.signin import onward
from proxy_addons.standing import review_rules
from proxy_addons.standing.actor import INFORMATION_SECURITY
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StaleViewError, StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.portal.register.steps import Kind
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.review import Review
    from proxy_addons.standing.steps import Step

_REFERENCE: Final = "{reference:[A-Za-z0-9]{1,8}-[0-9-]{1,24}}"
_DONE: Final = {
    "request": "Your request is sent. Information security answers it; the answer is shown here.",
    **{kind.name: kind.done for kind in KINDS.values()},
}
_NONE: Final = "There is no such review, or it is not one that you can see."


class OneReview:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = ReviewReading(services)
        self._zone = services.settings.policy.time_zone
        self._threats = services.settings.policy.by_name_only

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        step = f"/reviews/{_REFERENCE}/{{step:{'|'.join(KINDS)}}}"
        return [
            web.get(f"/reviews/{_REFERENCE}", page(PAGES["review"], self.show)),
            web.get(step, page(PAGES["review"], self.ask)),
            web.post(step, page(PAGES["review"], self.take)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page of a review."""
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        return await self._show(visit, found, done=_DONE.get(request.query.get("done", "")))

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form of a decision."""
        kind = KINDS[request.match_info["step"]]
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        problem = refusal(kind.name, visit.actor, found, visit.now, self._threats)
        if problem is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        if kind.proven and not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", request.path))
        form = Form(
            self._services.drafts.take(visit.someone.name, request.path)
            or {"category": sorted(found.categories), "site": [found.site]}
        )
        return await self._step(visit, found, kind, form)

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """A decision was sent."""
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
            await self._services.threads.run(lambda: wanted(self._services.reviews()))
        except StaleViewError as problem:
            # Nothing was changed: what is shown now is what to decide on.
            now = await self._found(request, visit)
            return await self._show(visit, now, problem=str(problem), status=409)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed, unless the step itself
            # is not theirs to take.
            if problem.rule not in FIELDS:
                return await self._show(visit, found, problem=str(problem), status=403)
            form.wrong(FIELDS[problem.rule], str(problem))
            return await self._step(visit, found, kind, form, status=400)
        where = f"/reviews/{found.reference}?done={kind.name}"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    async def _found(self, request: web.Request, visit: Visit) -> Review:
        return await self._reading.one(visit, request.match_info["reference"])

    async def _show(
        self,
        visit: Visit,
        found: Review,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        def read() -> tuple[tuple[Step, ...], frozenset[str]]:
            key, _ = review_rules.address(found.url)
            steps = self._services.reviews().steps(found.reference)
            return steps, self._services.catalogue.categories_of(key)

        steps, listed = await self._services.threads.run(read)
        row = (await self._reading.in_words(visit, [found]))[0]
        threats = sorted((found.categories | listed) & self._threats)
        return self._services.answers.show(
            "review.html",
            status=status,
            visit=visit,
            here="reviews" if sees_all(visit) else "browsing",
            row=row,
            it=found,
            sees_all=sees_all(visit),
            steps=open_to(visit.actor, found, visit.now, self._threats),
            another=self._another(visit, found),
            threats=threats,
            listed=sorted(listed),
            history=[shown_step(step, self._zone) for step in steps],
            done=done,
            problem=problem,
        )

    @staticmethod
    def _another(visit: Visit, found: Review) -> bool:
        """Whether it is the reader's own, who could decide on any other."""
        own = visit.someone.name == found.person
        return own and INFORMATION_SECURITY in visit.someone.roles and found.decision == "open"

    async def _step(
        self, visit: Visit, found: Review, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        def read() -> tuple[Mapping[str, str] | None, tuple[str, ...]]:
            return self._services.catalogue.read(), review_rules.sites(found.site)

        catalogue, sites = await self._services.threads.run(read)
        row = (await self._reading.in_words(visit, [found]))[0]
        return self._services.answers.show(
            "review-step.html",
            status=status,
            visit=visit,
            here="reviews",
            kind=kind,
            row=row,
            it=found,
            form=form,
            problems=form.problems,
            sites=sites,
            categories=list((catalogue or {}).items()),
            has_catalogue=catalogue is not None,
            latest=until_words(
                months_later(visit.now, review_rules.MONTHS, self._zone), self._zone
            ),
        )

    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="reviews" if sees_all(visit) else "browsing",
            title="There is no such review",
            text=_NONE,
        )
