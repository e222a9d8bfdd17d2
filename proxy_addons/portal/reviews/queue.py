"""The queue of reviews, and the form that asks for one.

In: a visit; what was typed. Out: pages; a review in the register.
Must never: decide (one.py leads there, standing/reviews.py does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.reviews.reading import ReviewReading
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.review import Review

_ON_A_PAGE: Final = 50
_LONGEST: Final = 2000
_FIELDS: Final = {"reason": "why", "length": "why", "text": "why", "url": "url", "rule": "url"}


class Queue:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = ReviewReading(services)

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/reviews", page(PAGES["reviews"], self.listed)),
            web.get("/reviews/new", page(PAGES["review-request"], self.ask)),
            web.post("/reviews/new", page(PAGES["review-request"], self.take)),
        ]

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """The queue: what waits, or what was decided."""
        decided = request.query.get("show") == "decided"
        rows = await (self._reading.decided if decided else self._reading.waiting)(visit)
        waiting = await self._services.threads.run(lambda: self._services.reviews().count_waiting())
        return self._services.answers.show(
            "reviews.html",
            visit=visit,
            here="reviews",
            decided=decided,
            rows=rows[:_ON_A_PAGE],
            more=max(0, len(rows) - _ON_A_PAGE),
            waiting=waiting,
        )

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form; the block page leads here with the address."""
        form = Form(
            {
                name: [request.query.get(name, "")[:_LONGEST]]
                for name in ("url", "rule")
                if request.query.get(name)
            }
        )
        return self._show(visit, form)

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        form = await Form.posted(request)
        if not form.text("url").strip():
            form.wrong("url", "Enter the address of the page")
        if not form.text("why").strip():
            form.wrong("why", "Enter what you need it for")
        if form.problems:
            return self._show(visit, form, status=400)

        def write() -> Review:
            return self._services.reviews().ask(
                visit.actor,
                url=form.text("url"),
                why=form.text("why"),
                rule=form.text("rule").strip(),
            )

        try:
            made = await self._services.threads.run(write)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            form.wrong(_FIELDS.get(problem.rule, ""), str(problem))
            return self._show(visit, form, status=400)
        where = f"/reviews/{made.reference}?done=request"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    def _show(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        return self._services.answers.show(
            "review-request.html",
            status=status,
            visit=visit,
            here="reviews" if visit.may_open("reviews") else "browsing",
            form=form,
            problems=form.problems,
        )
