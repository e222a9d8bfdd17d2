"""The line manager's page: the personal use of their own people, week by week.

In: a visit, a week. Out: a page, or a file; a record of the look.
Must never: show figures of somebody else's people, or without the look being recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.team.figures import as_csv, look, oldest, today, week_of
from proxy_addons.portal.team.shown import names_of, sheet, week_words
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.weekly import TeamWeek


class TeamUse:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._settings = services.settings
        self._rules = {each.id: each for each in services.settings.policy.rules}

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/team/use", page(PAGES["use"], self.show)),
            web.get("/team/use.csv", page(PAGES["use"], self.csv)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        try:
            week = week_of(request.query.get("week", ""), self._settings, visit.now)
        except ValueError as problem:
            return self._no_week(visit, problem)
        team = await self._look(visit, week, "page")
        present = Week.of(today(self._settings, visit.now))
        return self._services.answers.show(
            "team-use.html",
            visit=visit,
            here="team",
            sheet=sheet(team, visit.someone.team, self._rules),
            before=week.later(-1) if week > oldest(self._settings, visit.now) else None,
            after=week.later(1) if week < present else None,
            week_words=week_words,
        )

    async def csv(self, request: web.Request, visit: Visit) -> web.Response:
        """The same as a file."""
        try:
            week = week_of(request.query.get("week", ""), self._settings, visit.now)
        except ValueError as problem:
            return self._no_week(visit, problem)
        team = await self._look(visit, week, "csv")
        return csvfile.answer(
            f"personal-use-{week.name}", as_csv(team, names_of(visit.someone.team))
        )

    async def _look(self, visit: Visit, week: Week, how: str) -> TeamWeek:
        def read() -> TeamWeek:
            return look(
                self._services.store,
                self._settings,
                viewer=visit.someone.name,
                team=visit.someone.manages,
                week=week,
                how=how,
                now=visit.now,
            )

        return await self._services.threads.run(read)

    def _no_week(self, visit: Visit, problem: ValueError) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="team",
            title="There are no figures of that week",
            text=f"No such week: {problem}.",
        )
