"""One review: what was asked, its history, and the decisions that its reader may take.

In: a visit, a review, a form. Out: pages; a form as the register's step.
Must never: judge a decision itself (steps.py asks the register's rules, which ask again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from proxy_addons.portal.register.shown import shown_step, until_words
from proxy_addons.portal.register.stepped import SteppedPages
from proxy_addons.portal.reviews.reading import ReviewReading, sees_all
from proxy_addons.portal.reviews.steps import FIELDS, KINDS, call, open_to, refusal
from proxy_addons.standing import review_rules
from proxy_addons.standing.actor import INFORMATION_SECURITY
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.review import Review

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from proxy_addons.portal.register.forms import Form
    from proxy_addons.portal.register.steps import Kind
    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.problems import StepRefusedError
    from proxy_addons.standing.steps import Step

_NONE = "There is no such review, or it is not one that you can see."


class OneReview(SteppedPages[Review]):
    """The handlers."""

    PAGE = "review"
    PATH = "/reviews"
    REFERENCE = "{reference:[A-Za-z0-9]{1,8}-[0-9-]{1,24}}"
    KINDS = KINDS
    REQUESTED = "Your request is sent. Information security answers it; the answer is shown here."

    def __init__(self, services: Services, guard: Guard) -> None:
        super().__init__(services, guard)
        self._reading = ReviewReading(services)
        self._threats = services.settings.policy.stays

    @override
    async def _found(self, visit: Visit, reference: str) -> Review:
        return await self._reading.one(visit, reference)

    @override
    def _refusal(self, name: str, visit: Visit, found: Review) -> StepRefusedError | None:
        return refusal(name, visit.actor, found, visit.now, self._threats)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        wanted = call(name, taken)
        return None if wanted is None else lambda: wanted(self._services.reviews())

    @override
    def _field(
        self, name: str, visit: Visit, found: Review, problem: StepRefusedError
    ) -> str | None:
        return FIELDS.get(problem.rule)

    @override
    def _filled_in(self, found: Review) -> dict[str, list[str]]:
        return {"category": sorted(found.categories), "site": [found.site]}

    @override
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
            path=self.PATH,
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

    @override
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

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="reviews" if sees_all(visit) else "browsing",
            title="There is no such review",
            text=_NONE,
        )
