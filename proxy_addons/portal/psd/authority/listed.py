"""The list of authorisations: what waits for its reader, theirs, those in force, those that ended.

In: a visit, a query. Out: a page.
Must never: list, or count, what is not the reader's to know of (reading.py).
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - evaluated by dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from proxy_addons.audit.authority.model import State
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.authority.one import AWAY
from proxy_addons.portal.psd.authority.reading import Cases
from proxy_addons.portal.psd.authority.shown import Shown, office_words, shown
from proxy_addons.portal.psd.authority.steps import waits_for
from proxy_addons.standing.actor import PSD

if TYPE_CHECKING:
    from proxy_addons.portal.psd.authority.reading import Case
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

ON_A_PAGE: Final = 50
_OPEN: Final = frozenset({State.REQUESTED, State.APPROVED, State.WRITTEN_UP})


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to look at the list.

    Attributes:
        name: in addresses.
        words: of its link.
        fits: whether an authorisation belongs to it.
    """

    name: str
    words: str
    fits: Callable[[Row, Visit], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        shown: in words.
        case: the authorisation.
        waits: whether the reader has to decide on it.
    """

    shown: Shown
    case: Case
    waits: bool


def _is_open(row: Row, visit: Visit) -> bool:
    return row.case.it.state_at(visit.now) in _OPEN


FILTERS: Final = {
    each.name: each
    for each in (
        Filter("all", "All", lambda *_: True),
        Filter("waiting", "Waiting for you", lambda row, _: row.waits),
        Filter(
            "mine",
            "Yours",
            lambda row, visit: (
                visit.someone.name in {row.case.it.applicant, *row.case.it.investigators}
            ),
        ),
        Filter(
            "requested",
            "Waiting for approval",
            lambda row, visit: row.case.it.state_at(visit.now) is State.REQUESTED,
        ),
        Filter("live", "In force", lambda row, visit: row.case.it.holds(visit.now)),
        Filter(
            "overdue",
            "Review overdue",
            lambda row, visit: row.case.it.review_is_overdue(visit.now),
        ),
        Filter("ended", "Ended", lambda row, visit: not _is_open(row, visit)),
    )
}
SECTIONS: Final[tuple[tuple[str, Callable[[Row, Visit], bool]], ...]] = (
    ("Waiting for you", lambda row, _: row.waits),
    ("Yours", lambda row, visit: FILTERS["mine"].fits(row, visit) and _is_open(row, visit)),
    ("Others", _is_open),
    ("Ended", lambda *_: True),
)
"""How all of them are told apart: each is in the first that fits."""


class ListOfAuthorisations:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._cases = Cases(services)

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [web.get("/psd/authorisations", page(PAGES["authorisations"], self.listed))]

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        rows = [self._row(case, visit) for case in await self._cases.all(visit)]
        chosen = FILTERS.get(request.query.get("show", ""), FILTERS["all"])
        fitting = [row for row in rows if chosen.fits(row, visit)]
        if chosen.name == "all":
            # In the order of the sections, so that pages of it go on where the last one ended.
            fitting.sort(key=lambda row: _section(row, visit))
        pages = max(1, -(-len(fitting) // ON_A_PAGE))
        number = _number(request.query.get("page"), pages)
        on_page = fitting[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]

        def to(name: str, at: int = 1) -> str:
            parts = {"show": name, "page": str(at) if at > 1 else ""}
            return "/psd/authorisations?" + urlencode({k: v for k, v in parts.items() if v})

        offices = sorted(visit.actor.offices)
        return self._services.answers.show(
            "psd-authorisations.html",
            visit=visit,
            here="authorisations",
            may_apply=PSD in visit.actor.roles,
            offices=", ".join(map(office_words, offices)),
            sections=_sections(on_page, visit) if chosen.name == "all" else [
                (chosen.words, on_page)
            ],
            count=len(fitting),
            filters=[
                (each, to(each.name), sum(each.fits(row, visit) for row in rows))
                for each in FILTERS.values()
            ],
            chosen=chosen,
            number=number,
            pages=pages,
            before=to(chosen.name, number - 1) if number > 1 else None,
            after=to(chosen.name, number + 1) if number < pages else None,
            done=AWAY.get(request.query.get("done", "")),
        )  # fmt: skip

    def _row(self, case: Case, visit: Visit) -> Row:
        settings = self._services.settings
        zone = settings.policy.time_zone
        waits = waits_for(visit.actor, case, visit.now, settings.audit)
        return Row(shown(case.it, visit.actor, visit.now, zone), case, waits)


def _section(row: Row, visit: Visit) -> int:
    return next(number for number, (_, fits) in enumerate(SECTIONS) if fits(row, visit))


def _sections(rows: list[Row], visit: Visit) -> list[tuple[str, list[Row]]]:
    made: list[tuple[str, list[Row]]] = [(words, []) for words, _ in SECTIONS]
    for row in rows:
        made[_section(row, visit)][1].append(row)
    return [(words, several) for words, several in made if several]


def _number(text: str | None, pages: int) -> int:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 6:
        return 1
    return min(max(int(text), 1), pages)
