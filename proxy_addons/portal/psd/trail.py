"""Who looked: the trail, for auditors.

In: a visit, a filter in the address. Out: a page of records, the newest first.
Must never: show records of the access log; change anything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from proxy_addons.audit.desk.calls import ReadTrail
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.asked import asked
from proxy_addons.portal.psd.shown import moment_of

if TYPE_CHECKING:
    from proxy_addons.audit.desk.calls import Noted
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.signin.guard import Guard, Visit

EVENTS: Final = {
    "": "Everything",
    "look": "Looks",
    "export": "Files taken away",
    "step": "Steps of authorisations",
    "draw": "Dip samples",
    "hold": "Legal holds",
    "disposal": "Disposals",
    "collateral": "Collateral material",
    "erasure": "Orders to erase",
    "alert": "Steps of alerts",
}


class TrailPages:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [web.get("/psd/trail", page(PAGES["trail"], self._asking.caught(self.show)))]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        wanted = asked(request.query, self._zone)
        event = request.query.get("event", "")
        found = None
        if not wanted.problems:
            found = await self._asking.ask(
                visit,
                ReadTrail(
                    person=wanted.text("person"),
                    authorisation=wanted.authorisation,
                    event=event if event in EVENTS else "",
                    since=wanted.question.since,
                    until=wanted.question.until,
                    after=wanted.after,
                ),
            )
        return self._asking.services.answers.show(
            "psd-trail.html",
            status=400 if wanted.problems else 200,
            visit=visit,
            here="trail",
            wanted=wanted,
            event=event,
            events=EVENTS,
            found=found,
            rows=[self._row(each) for each in found.records] if found else [],
            next=wanted.address("/psd/trail", event=event, after=found.after)
            if found and found.after
            else None,
        )

    def _row(self, noted: Noted) -> dict[str, Any]:
        return {
            "when": moment_of(noted.at, self._zone),
            "event": EVENTS.get(noted.event, noted.event),
            "person": noted.person,
            "authorisation": noted.authorisation,
            "question": _told(noted.question),
            "outcome": _told(noted.outcome),
            "place": f"{noted.segment}, line {noted.line + 1}",
        }


def _told(values: dict[str, Any]) -> list[tuple[str, str]]:
    """A table in words: what it says of each name."""
    return [
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
        for name, value in values.items()
        if value not in (None, "", {}, [])
    ]
