"""Live observation: a page, and a stream of server-sent events (HTML standard, 9.2).

In: a visit, an authorisation. Out: rows as they happen, until the authority ends.
Must never: outlive the authority, the session or the visitor's role; let a row be taken for markup.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.desk.calls import Newer
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.shown import moment, shown_row
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.store import Row
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.signin.guard import Guard, Visit

_LOG = logging.getLogger(__name__)

EVERY: Final = 1.0
"""Seconds between two looks: a row is seen within two."""
_LOOK_AGAIN: Final = 10  # looks between two at the session
_REFERENCE: Final = "{au:[A-Za-z0-9-]{1,32}}"
_OVER: Final = "You are not signed in any more, or may not observe."


class Observation:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, caught = self._guard.page, self._asking.caught
        return [
            web.get("/psd/live", page(PAGES["live"], caught(self.choose))),
            web.get(f"/psd/live/{_REFERENCE}", page(PAGES["live"], caught(self.show))),
            web.get(f"/psd/live/{_REFERENCE}/stream", page(PAGES["live"], caught(self.stream))),
        ]

    async def choose(self, request: web.Request, visit: Visit) -> web.Response:
        """The authorisations by which one may observe."""
        del request
        return self._show(visit, await self._asking.usable(visit, Kind.LIVE))

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page of one; looking begins with its stream."""
        reference = request.match_info["au"].upper()
        mine = await self._asking.usable(visit, Kind.LIVE)
        chosen = next((each for each in mine if each.reference == reference), None)
        if chosen is None:
            raise Refused("unknown", "You have no authorisation of this reference to observe by.")
        return self._show(visit, mine, chosen)

    async def stream(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        """Rows as they happen."""
        reference = request.match_info["au"].upper()
        begun = await self._asking.ask(visit, Newer(authorisation=reference))
        answer = web.StreamResponse()
        answer.headers[hdrs.CONTENT_TYPE] = "text/event-stream; charset=utf-8"
        answer.headers[hdrs.CACHE_CONTROL] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        await answer.prepare(request)
        token, count = begun.since, 0
        try:
            await answer.write(_event("left", self._left(begun.ends)))
            while True:
                await asyncio.sleep(EVERY)
                count += 1
                if count % _LOOK_AGAIN == 0 and not await self._may_still(request):
                    raise Refused("refused", _OVER)  # noqa: TRY301 - ends the stream, below
                found = await self._asking.ask(visit, Newer(authorisation=reference, since=token))
                for row in found.rows:
                    await answer.write(_event("row", self._cells(row)))
                await answer.write(_event("left", self._left(found.ends)))
        except (Refused, StandingUnavailableError) as problem:
            # What was shown was covered; no more is shown, and the page says why.
            await answer.write(_event("end", str(problem)))
        except ConnectionResetError:
            # The page was closed: the desk notes the end when nobody asks any more.
            _LOG.info("a live observation was left")
        return answer

    # --- inside -----------------------------------------------------------------------------

    async def _may_still(self, request: web.Request) -> bool:
        visit = await self._guard.visit(request)
        return visit is not None and visit.may_open("live")

    def _left(self, ends: datetime) -> str:
        left = ends - self._asking.services.now()
        minutes = max(0, int(left.total_seconds() // 60))
        days, rest = divmod(minutes, 24 * 60)
        hours, minutes = divmod(rest, 60)
        words = [f"{days} d"] if days else []
        return " ".join([*words, f"{hours} h", f"{minutes} min"])

    def _cells(self, row: Row) -> list[str]:
        shown = shown_row(row, self._zone, "")
        return [
            shown.when, shown.who, shown.what, shown.opened,
            " ".join(filter(None, (shown.action, shown.rule))), shown.categories, shown.reference,
        ]  # fmt: skip

    def _show(self, visit: Visit, mine: Any, chosen: Any = None) -> web.Response:
        return self._asking.services.answers.show(
            "psd-live.html",
            scripts=chosen is not None,
            visit=visit,
            here="live",
            statics=self._asking.statics,
            mine=mine,
            chosen=chosen,
            ends=moment(chosen.ends, self._zone) if chosen else "",
        )


def _event(name: str, data: str | list[str]) -> bytes:
    """One event. JSON has no line breaks of its own, and a text of ours none either."""
    told = data if isinstance(data, str) else json.dumps(data)
    lines = "".join(f"data: {line}\n" for line in told.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
