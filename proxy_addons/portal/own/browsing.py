"""My browsing: what somebody may open now, the break that runs, the minutes used, what they asked.

In: a visit. Out: the page; a break started or ended.
Must never: show or change what is another person's; start a break by anything but a form of ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.gate.wording import date_words, when_words
from proxy_addons.policy.model import REFUSALS
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.own import mine, told
from proxy_addons.portal.own.outlook import Prospect, outlook
from proxy_addons.portal.own.picture import picture
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.profile import people_of
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.reviews.reading import ReviewReading
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.exemption import State
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.snapshot import read as read_snapshot

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.portal.own.mine import Mine
    from proxy_addons.portal.own.outlook import Kind
    from proxy_addons.portal.own.told import Told
    from proxy_addons.portal.register.shown import Shown
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.breaks import Break
    from proxy_addons.standing.exemption import Exemption
    from proxy_addons.standing.snapshot import Snapshot

_DONE: Final = {
    "started": "Your break has started. It holds within two seconds, also on pages that were "
    "refused: load them again.",
    "ended": "Your break has ended. What is left of it can be taken later.",
    "none": "No break was running any more.",
}
_LOOK_AGAIN: Final = 600
"""Seconds after which the page of a running break is loaded anew at the latest: the session must
not end under it, and the break may have been ended elsewhere."""
_JUST_NOW: Final = timedelta(minutes=5)
"""How long after its end the page says of a break that it has ended."""


@dataclass(frozen=True, slots=True)
class ShownBreak:
    """A break, for the page.

    Attributes:
        day: `Monday 23 November`.
        begins: `12:00`.
        ends: `12:30`.
        minutes: what it took of the allowance.
        words: how it stands.
    """

    day: str
    begins: str
    ends: str
    minutes: int
    words: str


@dataclass(frozen=True, slots=True)
class Running:
    """The break that runs, for the page.

    Attributes:
        until: `12:30`.
        left: seconds to its end.
        whole: seconds of the whole of it.
        minutes: to its end, rounded up.
        warned: whether it ends within the time of the warning.
    """

    until: str
    left: int
    whole: int
    minutes: int
    warned: bool


class Browsing:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)
        self._reviews = ReviewReading(services)
        self._settings = services.settings
        self._shifts = services.settings.shifts
        self._zone = services.settings.policy.time_zone
        self._rules = {each.id: each for each in services.settings.policy.rules}
        self._breaks = Breaks(
            services.store,
            self._shifts.breaks,
            self._shifts.day_turns,
            self._zone,
            clock=services.now,
        )

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/browsing", page(PAGES["browsing"], self.show)),
            web.post("/browsing/start", page(PAGES["browsing"], self.start)),
            web.post("/browsing/end", page(PAGES["browsing"], self.end)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        done = _DONE.get(request.query.get("done", ""))
        return await self._page(visit, done=done, still=bool(request.query.get("still")))

    async def start(self, request: web.Request, visit: Visit) -> web.Response:
        """Start a break."""
        form = await Form.posted(request)
        text = form.text("minutes")
        minutes = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
        if not minutes:
            form.wrong("breaks", "Choose how long the break is to be")
            return await self._page(visit, problems=form.problems)
        person = visit.someone.name
        try:
            await self._services.threads.run(self._breaks.start, person, minutes, visit.actor)
        except StepRefusedError as problem:
            # No break was started: the page says why, and when one can be.
            form.wrong("breaks", str(problem))
            return await self._page(visit, problems=form.problems)
        return _to("/browsing?done=started")

    async def end(self, request: web.Request, visit: Visit) -> web.Response:
        """End the break that runs."""
        del request
        person = visit.someone.name
        ended = await self._services.threads.run(self._breaks.end, person, visit.actor)
        return _to(f"/browsing?done={'ended' if ended else 'none'}")

    # --- inside -----------------------------------------------------------------------------

    async def _page(
        self,
        visit: Visit,
        *,
        done: str | None = None,
        still: bool = False,
        problems: list[tuple[str, str]] | None = None,
    ) -> web.Response:
        name, now = visit.someone.name, visit.now
        shifts, zone = self._shifts, self._zone

        def read() -> tuple[Mine, list[tuple[str, tuple[Kind, ...]]], list[Exemption], Told]:
            store = self._services.store
            own = mine.read(store, name, now, shifts, zone)
            with store.reading() as connection:
                snapshot = read_snapshot(connection)
            exemptions = [each for each in self._services.register().all() if each.person == name]
            known = told.read(store, name, own.days[0].day, own.today)
            return own, self._outlooks(visit, own, snapshot), exemptions, known

        own, outlooks, exemptions, known = await self._services.threads.run(read)
        rows = await self._reading.in_words(visit, reversed(exemptions))
        running = self._running(own)
        answer = self._services.answers.show(
            "browsing.html",
            status=400 if problems else 200,
            visit=visit,
            here="browsing",
            done=done,
            problems=problems or [],
            own=own,
            running=running,
            closes=_closes(own, outlooks),
            just_ended=self._just_ended(own) if running is None and done is None else None,
            still=still,
            settings=shifts,
            next_break=self._when(own.left.may_start_at, now),
            turns=self._when(own.turns, now),
            duty=own.duty(),
            outlooks=outlooks,
            when=lambda moment: self._when(moment, now),
            picture=picture(own.days, shifts.allowances.personal),
            day_words=lambda day: date_words(day).rpartition(" ")[0],
            breaks=[self._shown(each, now) for each in reversed(own.breaks)],
            live=_in_force(rows),
            reviews=await self._reviews.mine(visit),
            refused=told.shown_refusals(known.refused, self._rules),
            looks=told.shown_looks(
                known.looks,
                await self._reading.entries({each.viewer for each in known.looks}),
                zone,
            ),
        )
        if running is not None and not still:
            answer.headers["Refresh"] = f"{self._next_look(running)}; url=/browsing"
        return answer

    def _outlooks(
        self, visit: Visit, own: Mine, snapshot: Snapshot
    ) -> list[tuple[str, tuple[Kind, ...]]]:
        """Where the gateway knows the person, and what they may open there."""
        policy = self._settings.policy
        startable = self._shifts.breaks.enabled and own.running is None
        prospect = Prospect(
            own.states_at, own.moments(), break_possible=startable and bool(own.left.offered)
        )
        found: list[tuple[str, tuple[Kind, ...]]] = []
        for where, person in people_of(self._settings, visit.someone, snapshot, visit.now):
            kinds = outlook(policy, person, visit.now, prospect, policy.personal)
            # Most people are known in one way, or by several with the same answers.
            if kinds not in [each for _, each in found]:
                found.append((where, kinds))
        return found

    def _running(self, own: Mine) -> Running | None:
        found = own.running
        if found is None:
            return None
        left = math.ceil((found.ends - own.now).total_seconds())
        return Running(
            f"{found.ends.astimezone(self._zone):%H:%M}",
            left,
            max(left, round((found.ends - found.begins).total_seconds())),
            math.ceil(left / 60),
            left <= self._shifts.breaks.warning * 60,
        )

    def _next_look(self, running: Running) -> int:
        """Seconds until the page is loaded anew: for the warning, the end, or the session."""
        warning = running.left - self._shifts.breaks.warning * 60
        following = running.left if warning <= 0 else warning
        # One more, so that it is not the last moment before.
        return min(following + 1, _LOOK_AGAIN, max(1, round(self._settings.portal.idle / 2)))

    def _just_ended(self, own: Mine) -> str | None:
        last = own.breaks[-1] if own.breaks else None
        if last is None or last.ended_early or own.now - last.ends > _JUST_NOW:
            return None
        return f"{last.ends.astimezone(self._zone):%H:%M}"

    def _shown(self, it: Break, now: datetime) -> ShownBreak:
        begins, ends = it.begins.astimezone(self._zone), it.ends.astimezone(self._zone)
        words = "Running" if it.ends > now else "Ended early" if it.ended_early else "Ended"
        if it.by != it.person:
            words += f", started by {it.by}"
        return ShownBreak(
            date_words(begins).rpartition(" ")[0],
            f"{begins:%H:%M}",
            f"{ends:%H:%M}",
            it.minutes,
            words,
        )

    def _when(self, moment: datetime, now: datetime) -> str:
        return when_words(moment.astimezone(self._zone), now)


def _closes(own: Mine, outlooks: list[tuple[str, tuple[Kind, ...]]]) -> bool:
    """Whether personal use ends with the break: lunch, or going off duty, may go on from there."""
    running = own.running
    return running is not None and any(
        kind.personal and kind.then in REFUSALS and kind.changes == running.ends
        for _, kinds in outlooks
        for kind in kinds
    )


def _in_force(rows: list[Shown]) -> list[Shown]:
    return [row for row in rows if row.state in {State.LIVE, State.UPCOMING, State.REQUESTED}]


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: path})
