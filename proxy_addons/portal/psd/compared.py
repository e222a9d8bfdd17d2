"""Somebody's figures beside the median of their unit: a page of its own, for it takes no filter.

In: a visit, an authorisation that comes with a comparison. Out: a page.
Must never: ask for less than the whole of the authorisation; show what the desk did not give.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from proxy_addons.audit.desk.comparing import Compare
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.standing.dates import last_day

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from proxy_addons.audit.desk.comparing import Beside, Comparison
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.signin.guard import Guard, Visit

_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]{1,32}", re.ASCII)
LEAST: Final = "under 0.1"
"""What a figure says that is 0 once it is rounded: whether there was nothing is not told."""
_DRAWN: Final = 20  # lines of a chart; the table has all


class ComparedPage:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page(PAGES["search"], self._asking.caught(self.show))
        return [web.get("/psd/compared", page)]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The comparison that an authorisation comes with."""
        reference = request.query.get("au", "").strip().upper()
        if not _REFERENCE.fullmatch(reference):
            raise web.HTTPNotFound
        found = await self._asking.ask(visit, Compare(authorisation=reference))
        pictures = _pictures(found)
        return self._asking.services.answers.show(
            "psd-compared.html",
            scripts=True,
            visit=visit,
            here="search",
            statics=self._asking.statics,
            reference=reference,
            it=found,
            own=found.subject or "the subject",
            unit=found.unit or "the subject’s unit",  # noqa: RUF001 - an apostrophe
            begins=self._first(found.since),
            ends=self._last(found.until),
            asked=moment_words(found.asked_at, self._zone),
            least=self._asking.services.settings.audit.comparison.people,
            rows=[
                (each.category, _words(each.requests), _words(each.megabytes))
                for each in found.rows
            ],
            volume=any(each.megabytes is not None for each in found.rows),
            pictures=pictures,
        )

    def _first(self, moment: datetime) -> str:
        local = moment.astimezone(self._zone)
        return (
            _day(local)
            if (local.hour, local.minute) == (0, 0)
            else moment_words(moment, self._zone)
        )

    def _last(self, moment: datetime) -> str:
        local = moment.astimezone(self._zone)
        if (local.hour, local.minute) == (0, 0):
            return f"the end of {_day(last_day(moment, self._zone))}"
        return moment_words(moment, self._zone)


def _day(day: Any) -> str:
    return f"{day.day} {day:%B %Y}"


def _words(of: Beside | None) -> Sequence[str]:
    if of is None:
        return ()
    return [_number(each) for each in (of.own, of.lower, of.median, of.upper)]


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 else f"{figure:.1f}" if figure else LEAST


def _pictures(found: Comparison) -> list[dict[str, Any]]:
    """What console.js draws."""
    chosen = (
        ("chart-requests", "Requests a day", [(e.category, e.requests) for e in found.rows]),
        ("chart-volume", "Megabytes a day",
         [(e.category, e.megabytes) for e in found.rows if e.megabytes is not None]),
    )  # fmt: skip
    return [
        {
            "id": name,
            "kind": "beside",
            "unit": title,
            "label": f"{title}: {found.subject or 'the subject'} beside the unit,"
            f" {len(lines)} categories. The table below says the same",
            "keys": [key for key, _ in lines],
            "least": LEAST,
            "names": {
                "own": found.subject or "The subject",
                "median": "Median of the unit",
                "band": "Middle half of the unit",
            },
        }
        | {
            part: [getattr(figures, part) for _, figures in lines]
            for part in ("own", "lower", "median", "upper")
        }
        for name, title, every in chosen
        if (lines := every[:_DRAWN])
    ]
