"""Somebody's own page: how the gateway knows them, what holds for them, what they asked for.

In: a visit. Out: a page, without any steps but signing out.
Must never: show another person's entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.profile import profiles_of
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.shown import HOW, moment_words
from proxy_addons.portal.signin.roles import in_words
from proxy_addons.standing.exemption import State
from proxy_addons.standing.snapshot import read as read_snapshot

if TYPE_CHECKING:
    from datetime import date

    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.exemption import Exemption
    from proxy_addons.standing.snapshot import Snapshot
    from proxy_addons.standing.withdrawals import Withdrawal

_RECENT = 20


class You:
    """The handler."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        return [web.get("/you", self._guard.page(PAGES["you"], self.show))]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        del request
        name = visit.someone.name

        def read() -> tuple[list[Exemption], dict[str, date], Withdrawal | None, int, Snapshot]:
            with self._services.store.reading() as connection:
                snapshot = read_snapshot(connection)
            register = self._services.register()
            mine = [each for each in register.all() if name in {each.person, each.requested_by}]
            return (
                mine,
                register.last_used(),
                self._services.withdrawals.in_force(name),
                self._services.sessions.count(name),
                snapshot,
            )

        found, used, withdrawal, sessions, snapshot = await self._services.threads.run(read)
        rows = await self._reading.in_words(visit, reversed(found), used)
        live = next(
            (row for row in rows if row.it.person == name and row.state is State.LIVE), None
        )
        entry = visit.someone.entry
        manager = await self._services.people.display(entry.manager) if (
            entry and entry.manager
        ) else None  # fmt: skip
        return self._services.answers.show(
            "you.html",
            visit=visit,
            here="you",
            how=HOW.get(visit.session.how, visit.session.how),
            since=moment_words(visit.session.created_at, self._zone),
            roles=in_words(visit.someone.roles),
            manager=manager,
            profiles=profiles_of(self._services.settings, visit.someone, snapshot, visit.now),
            withdrawal=withdrawal,
            withdrawn_at=moment_words(withdrawal.withdrawn_at, self._zone) if withdrawal else None,
            live=live,
            rows=rows[:_RECENT],
            sessions=sessions,
        )
