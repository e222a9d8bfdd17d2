"""The acceptable-use statement: read it, say that one has, see what one acknowledged and when.

In: a visit. Out: the statement as it is now, or as it was when it was acknowledged; an
acknowledgement in the register.
Must never: record an acknowledgement of a text that was not on the page.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web
from markupsafe import Markup

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import HOW, day_words, moment_words
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.statement import Statement, StatementError, path_of

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.acknowledgements import Acknowledgement

_LOG = logging.getLogger(__name__)
_NONE: Final = "There is no acceptable-use statement here yet that could be shown."
_AT_THE_GATEWAY: Final = {"address": "at a computer of yours", "basic": "with a password"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One acknowledgement, for the page.

    Attributes:
        version: of the text.
        when: `23 November 2026, 10:30`.
        where: address that it came from; may be empty.
        how: how the person was known.
        until: the day from which it is asked for again.
        holds: whether it counts for the present text now.
    """

    version: str
    when: str
    where: str
    how: str
    until: str
    holds: bool


class TheStatement:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone
        self._settings = services.settings.shifts.acknowledgement
        self._file = path_of(self._settings, services.settings.paths)
        self._register = Acknowledgements(
            services.store, self._settings.renewed, clock=services.now
        )

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/statement", page(PAGES["statement"], self.show)),
            web.post("/statement", page(PAGES["statement"], self.acknowledge)),
            web.get("/statement/{version}", page(PAGES["statement"], self.earlier)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The present statement."""
        return await self._page(visit, done=bool(request.query.get("done")))

    async def acknowledge(self, request: web.Request, visit: Visit) -> web.Response:
        """Somebody says that they have read it."""
        form = await Form.posted(request)

        def write() -> Acknowledgement:
            return self._register.acknowledge(
                Statement.load(self._file),
                visit.someone.name,
                seen=form.text("version"),
                client_ip=request.remote or "",
                how=visit.session.how,
            )

        try:
            await self._services.threads.run(write)
        except StatementError as problem:
            # Nothing was written: there is nothing to acknowledge.
            return self._unreadable(visit, problem)
        except StepRefusedError as problem:
            # Nothing was written: the text on the page was another. They get the present one.
            return await self._page(visit, problems=[("acknowledge", str(problem))])
        return web.Response(status=303, headers={hdrs.LOCATION: "/statement?done=1"})

    async def earlier(self, request: web.Request, visit: Visit) -> web.Response:
        """A text that this person acknowledged, as it was."""
        version = request.match_info["version"]

        def read() -> tuple[str | None, tuple[Acknowledgement, ...]]:
            own = tuple(
                each
                for each in self._register.of_person(visit.someone.name)
                if each.version == version
            )
            return (self._register.text_of(version) if own else None), own

        text, own = await self._services.threads.run(read)
        if text is None:
            # Nobody's, or another person's alone: which of the two is nobody's business.
            raise web.HTTPNotFound
        return self._show(visit, Statement.of(text), own, earlier=True)

    # --- inside -----------------------------------------------------------------------------

    async def _page(
        self,
        visit: Visit,
        *,
        done: bool = False,
        problems: list[tuple[str, str]] | None = None,
    ) -> web.Response:
        def read() -> tuple[Statement, tuple[Acknowledgement, ...]]:
            return Statement.load(self._file), self._register.of_person(visit.someone.name)

        try:
            statement, own = await self._services.threads.run(read)
        except StatementError as problem:
            # The page says that there is none; what was acknowledged before stays.
            return self._unreadable(visit, problem)
        return self._show(visit, statement, own, done=done, problems=problems or [])

    def _show(
        self,
        visit: Visit,
        statement: Statement,
        own: tuple[Acknowledgement, ...],
        *,
        earlier: bool = False,
        done: bool = False,
        problems: list[tuple[str, str]] | None = None,
    ) -> web.Response:
        rows = [
            _shown(each, statement, visit.now, self._zone)
            for each in sorted(own, key=lambda each: each.at, reverse=True)
        ]
        return self._services.answers.show(
            "statement.html",
            status=400 if problems else 200,
            visit=visit,
            here="statement",
            statement=statement,
            # Made by standing/statement.py, which lets no markup of the text through.
            body=Markup(statement.html),  # noqa: S704 - made of Markdown without markup of its own
            rows=rows,
            holds=next((row for row in rows if row.holds), None),
            earlier=earlier,
            done=done,
            required=self._settings.required,
            renewed=self._settings.renewed,
            problems=problems or [],
        )

    def _unreadable(self, visit: Visit, problem: StatementError) -> web.Response:
        _LOG.error("%s", problem)
        return self._services.answers.show(
            "problem.html",
            status=503,
            visit=visit,
            title="The statement cannot be shown",
            text=_NONE,
        )


def _shown(it: Acknowledgement, statement: Statement, now: datetime, zone: tzinfo) -> Shown:
    return Shown(
        it.version,
        moment_words(it.at, zone),
        it.client_ip,
        HOW.get(it.how) or _AT_THE_GATEWAY.get(it.how, it.how),
        day_words(it.until, zone),
        it.version == statement.version and it.at <= now < it.until,
    )
