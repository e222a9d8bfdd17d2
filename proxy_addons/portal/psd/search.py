"""Searching the access log: a form, what was found, as charts, sessions and rows.

In: a visit, an address (asked.py). Out: a page; a file of rows.
Must never: read a record itself: the desk does, under the authorisation that the address names.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from proxy_addons.audit.desk.calls import Export, Search
from proxy_addons.audit.sessions import sessions
from proxy_addons.audit.store import Dimension
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.asked import asked
from proxy_addons.portal.psd.exported import FORMS, exported
from proxy_addons.portal.psd.pictures import BY_THE_HOUR, heat, over_time, ranked
from proxy_addons.portal.psd.shown import shown_row, shown_session

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.desk.calls import Found
    from proxy_addons.portal.psd.asked import Asked
    from proxy_addons.portal.psd.asking import Asking, Usable
    from proxy_addons.portal.psd.pictures import Picture
    from proxy_addons.portal.signin.guard import Guard, Visit

ON_A_PAGE: Final = 100
_FOR_SESSIONS: Final = 2000
_CONTEXT: Final = timedelta(hours=1)
_BY: Final = (
    Dimension.DAY,
    Dimension.HOUR,
    Dimension.HOUR_OF_WEEK,
    Dimension.CATEGORY,
    Dimension.HOST,
    Dimension.RULE,
)
"""What charts are made of."""


class Mine(NamedTuple):
    """What somebody can search with: authorisations, and saved searches: name and address."""

    authorisations: list[Usable]
    saved: list[tuple[str, str]]


class Searching:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/psd/search", page(PAGES["search"], self._asking.caught(self.search))),
            web.get("/psd/export", page(PAGES["search"], self._asking.caught(self.export))),
        ]

    async def search(self, request: web.Request, visit: Visit) -> web.Response:
        """The page: the form, and what it found."""
        wanted = asked(request.query, self._zone)
        mine = Mine(await self._asking.usable(visit), await self._saved(visit))
        if not wanted.authorisation or wanted.problems:
            status = 400 if wanted.problems else 200
            return self._show(visit, wanted, mine, status=status)
        in_sessions = request.query.get("view") == "sessions"
        first = not wanted.after and not in_sessions
        found = await self._asking.ask(
            visit,
            Search(
                authorisation=wanted.authorisation,
                question=wanted.question,
                most=_FOR_SESSIONS if in_sessions else ON_A_PAGE,
                after="" if in_sessions else wanted.after,
                by=_BY if first else (),
            ),
        )
        pictures = self._pictures(wanted, found) if first else []
        return self._show(visit, wanted, mine, found, pictures, in_sessions=in_sessions)

    async def export(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        """All rows as a file."""
        wanted = asked(request.query, self._zone)
        form = FORMS.get(request.query.get("form", ""))
        if wanted.problems or not wanted.authorisation or form is None:
            raise web.HTTPNotFound
        call = Export(authorisation=wanted.authorisation, question=wanted.question, form=form.name)
        rows = self._asking.stream(visit, call)
        return await exported(request, form, rows, wanted.authorisation, visit.now)

    # --- inside -----------------------------------------------------------------------------

    async def _saved(self, visit: Visit) -> list[tuple[str, str]]:
        """One's own saved searches: name and address."""
        services = self._asking.services
        found = await services.threads.run(lambda: services.saved_searches().of(visit.actor))
        return [
            (
                f"{each.name} ({each.authorisation})",
                "&".join(filter(None, (f"/psd/search?au={each.authorisation}", each.query))),
            )
            for each in found
        ]

    def _pictures(self, wanted: Asked, found: Found) -> list[Picture]:
        since = max(filter(None, (wanted.question.since, found.since)))
        until = min(filter(None, (wanted.question.until, found.until)))
        if not found.total.records or until <= since:
            return []
        days, hours, week, categories, sites, rules = found.counts
        times = hours if until - since <= BY_THE_HOUR else days

        def span(begins: datetime, ends: datetime) -> str:
            return wanted.address(since=self._typed(begins), until=self._typed(ends))

        made = [
            over_time("chart-time", times, since, until, self._zone, span),
            heat("chart-week", week),
            ranked("chart-categories", "Categories", categories,
                   lambda key: wanted.address(category=key)),
            ranked("chart-sites", "Sites", sites, lambda key: wanted.address(host=key)),
            ranked("chart-rules", "Rules", rules, lambda key: wanted.address(rule=key)),
        ]  # fmt: skip
        return [each for each in made if each.bars or each.kind == "heat"]

    def _typed(self, moment: datetime) -> str:
        """As the form wants a moment: a day alone would mean its end where it stands for one."""
        return moment.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _show(
        self,
        visit: Visit,
        wanted: Asked,
        mine: Mine,
        found: Found | None = None,
        pictures: list[Picture] | None = None,
        *,
        in_sessions: bool = False,
        status: int = 200,
    ) -> web.Response:
        rows = found.page.rows if found else ()
        return self._asking.services.answers.show(
            "psd-search.html",
            status=status,
            scripts=True,
            visit=visit,
            here="search",
            statics=self._asking.statics,
            wanted=wanted,
            mine=mine.authorisations,
            saved=mine.saved,
            found=found,
            pictures=pictures or [],
            drawn=[each.drawn for each in pictures or []],
            in_sessions=in_sessions,
            sessions=[
                shown_session(each, self._zone, wanted, self._typed) for each in sessions(rows)
            ]
            if in_sessions
            else [],
            rows=[] if in_sessions else [self._row(row, wanted) for row in rows],
            compared=next(
                (
                    f"/psd/compared?{urlencode({'au': each.reference})}"
                    for each in mine.authorisations
                    if each.compares and each.reference == wanted.authorisation
                ),
                None,
            ),
            to_rows=wanted.address(),
            to_sessions=wanted.address(view="sessions"),
            next=wanted.address(after=found.page.after) if found and found.page.after else None,
            exports=[(form, wanted.address("/psd/export", form=form.name))
                     for form in FORMS.values()],
        )  # fmt: skip

    def _row(self, row: Any, wanted: Asked) -> Any:
        start = row.values.get("start")
        around = ""
        if start is not None:
            around = wanted.address(
                since=self._typed(start - _CONTEXT), until=self._typed(start + _CONTEXT),
                order="oldest", host="", category="", rule="", action="", file_type="", text="",
            )  # fmt: skip
        return shown_row(row, self._zone, around)
