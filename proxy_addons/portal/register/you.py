"""Somebody's own page: how the gateway knows them, what holds for them, what they asked for.

In: a visit. Out: a page, without any steps but signing out.
Must never: show another person's entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.signin.roles import in_words

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services


class You:
    """The handler."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        return [web.get("/you", self._guard.page(PAGES["you"], self.show))]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        del request
        return self._services.answers.show(
            "you.html", visit=visit, here="you", title="You", roles=in_words(visit.someone.roles)
        )
