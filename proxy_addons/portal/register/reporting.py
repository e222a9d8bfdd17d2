"""The report of exemptions: how many, of which kind, by unit (Inf/27 2.13.1).

In: the register, units from the directory. Out: a page of tables, and a file.
Must never: leave an exemption out because its unit is not known.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Final

from aiohttp import web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.standing.report import NO_UNIT, Report, Section, harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

COLUMNS: Final = {
    Section.LIVE: ("Live", "live"),
    Section.EXPIRING: ("End within 30 days", "expiring"),
    Section.UNUSED: ("Not used for 30 days", "unused"),
    Section.OVERDUE: ("Review overdue", "overdue"),
    Section.WAITING: ("Wait for approval", "requested"),
    Section.UPCOMING: ("Not begun", "upcoming"),
    Section.EXPIRED: ("Expired", "expired"),
    Section.ENDED: ("Refused or revoked", "ended"),
}
"""Part of the report → heading, and the filter of the list that shows it."""


class Reporting:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/report", page(PAGES["report"], self.show)),
            web.get("/report.csv", page(PAGES["report"], self.csv)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        del request
        units = await self._by_unit(visit)
        whole: Counter[Section] = Counter()
        for counts in units.values():
            whole.update(counts)
        return self._services.answers.show(
            "report.html",
            visit=visit,
            here="report",
            columns=COLUMNS,
            whole=whole,
            units=units,
            unknown=NO_UNIT,
            when=moment_words(visit.now, self._services.settings.policy.time_zone),
        )

    async def csv(self, request: web.Request, visit: Visit) -> web.Response:
        """The same as a file."""
        del request
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(("unit", *COLUMNS))
        for unit, counts in (await self._by_unit(visit)).items():
            writer.writerow((harmless(unit), *(counts.get(each, 0) for each in COLUMNS)))
        return csvfile.answer("exemptions-by-unit", text.getvalue())

    async def _by_unit(self, visit: Visit) -> Mapping[str, Mapping[Section, int]]:
        rows = await self._reading.mine(visit)
        return Report(visit.now, tuple(row.row for row in rows)).by_unit()
