"""The list of exemptions: filters, pages of it, and the same as a file.

In: a visit, a query. Out: a page, or CSV.
Must never: list what is not the reader's to see (reading.py).
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - evaluated by dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from proxy_addons.portal.access import PAGES, reads_all
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.register.reading import Reading
from proxy_addons.standing.report import Section, as_csv

if TYPE_CHECKING:
    from proxy_addons.portal.register.shown import Shown
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

_ON_A_PAGE = 50
_LONGEST_UNIT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to look at the list.

    Attributes:
        name: in addresses.
        words: of its link.
        fits: whether an exemption belongs to it.
    """

    name: str
    words: str
    fits: Callable[[Shown, Visit], bool]


def _in(*sections: Section) -> Callable[[Shown, Visit], bool]:
    return lambda row, _: not row.row.sections.isdisjoint(sections)


FILTERS: Final = {
    each.name: each
    for each in (
        Filter("all", "All", lambda *_: True),
        Filter("requested", "Waiting for approval", _in(Section.WAITING)),
        Filter("live", "Live", _in(Section.LIVE)),
        Filter("expiring", "Ending within 30 days", _in(Section.EXPIRING)),
        Filter("unused", "Not used", _in(Section.UNUSED)),
        Filter("overdue", "Review overdue", _in(Section.OVERDUE)),
        Filter("upcoming", "Not begun", _in(Section.UPCOMING)),
        Filter("expired", "Expired", _in(Section.EXPIRED)),
        Filter("ended", "Refused or revoked", _in(Section.ENDED)),
        Filter(
            "mine",
            "Mine",
            lambda row, visit: visit.someone.name in {row.it.person, row.it.requested_by},
        ),
    )
}


class Exemptions:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/exemptions", page(PAGES["exemptions"], self.listed)),
            web.get("/exemptions.csv", page(PAGES["exemptions"], self.csv)),
        ]

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        rows = await self._reading.mine(visit)
        chosen, unit, fitting = _chosen(request, visit, rows)
        pages = max(1, -(-len(fitting) // _ON_A_PAGE))
        number = _number(request.query.get("page"), pages)
        first = (number - 1) * _ON_A_PAGE
        units = sorted({row.unit for row in rows if row.unit}, key=str.casefold)

        def to(name: str, at: int = 1) -> str:
            parts = {"show": name, "unit": unit, "page": str(at) if at > 1 else ""}
            return "/exemptions?" + urlencode({k: v for k, v in parts.items() if v})

        return self._services.answers.show(
            "exemptions.html",
            visit=visit,
            here="exemptions",
            sees_all=reads_all(visit.someone.roles),
            rows=fitting[first : first + _ON_A_PAGE],
            count=len(fitting),
            filters=[
                (each, to(each.name), sum(each.fits(row, visit) for row in rows))
                for each in FILTERS.values()
            ],
            chosen=chosen,
            unit=unit,
            units=units,
            number=number,
            pages=pages,
            before=to(chosen.name, number - 1) if number > 1 else None,
            after=to(chosen.name, number + 1) if number < pages else None,
            csv="/exemptions.csv?" + urlencode({"show": chosen.name, "unit": unit}),
        )

    async def csv(self, request: web.Request, visit: Visit) -> web.Response:
        """The same as a file."""
        rows = await self._reading.mine(visit)
        _, _, fitting = _chosen(request, visit, rows)
        return csvfile.answer("exemptions", as_csv([row.row for row in fitting]))


def _chosen(
    request: web.Request, visit: Visit, rows: list[Shown]
) -> tuple[Filter, str, list[Shown]]:
    chosen = FILTERS.get(request.query.get("show", ""), FILTERS["all"])
    unit = request.query.get("unit", "")[:_LONGEST_UNIT]
    fitting = [
        row for row in rows if chosen.fits(row, visit) and (not unit or (row.unit or "") == unit)
    ]
    return chosen, unit, fitting


def _number(text: str | None, pages: int) -> int:
    if text is None or not text.isdecimal() or len(text) > 6:
        return 1
    return min(max(int(text), 1), pages)
