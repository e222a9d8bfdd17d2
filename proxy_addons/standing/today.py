"""A worker's view of personal use: breaks, minutes, rota, confirmations, reviews.

In: a store, looked at twice a second; the minutes and refusals that this worker counts. Out:
answers.
Must never: block the event loop; answer from the store while a request waits; forget what was read,
or counted, because the store has gone; say the same trouble twice.

Why it looks and is not told (LISTEN/NOTIFY): docs/adr/0012-standing-store.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.dayfacts import LiveBreak, Remaining
from proxy_addons.standing.dayreading import read_changed, read_whole
from proxy_addons.standing.dayview import DayView
from proxy_addons.standing.journal import Journal, leftovers
from proxy_addons.standing.keeping import keep
from proxy_addons.standing.minutes import FLUSH, Tally, take_over
from proxy_addons.standing.refusals import Refusals
from proxy_addons.standing.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, tzinfo
    from pathlib import Path

    from proxy_addons.settings.shifts import Shifts
    from proxy_addons.standing.dayreading import News
    from proxy_addons.standing.dutydays import Day
    from proxy_addons.standing.store import Store

__all__ = ["LiveBreak", "Remaining", "Today"]

logger = logging.getLogger("watchhouse.standing")

EVERY: Final = 0.5  # seconds between two looks: a change is seen well within 2 s
HOUR: Final = 3600.0
"""Seconds after which all of the present is read anew: the days move on, and a database that was
restored from a backup may have an old version number with other rows."""
PATIENCE: Final = 10.0  # seconds for one look; a store that takes longer counts as gone
PATIENCE_WHOLE: Final = 60.0  # seconds for a whole reading
_AT_ONCE: Final = 500  # people whose minutes are taken over before other tasks have their turn

_READING: Final = "breaks, duties and allowances are read"
_WRITING: Final = "minutes are written down"
_KEEPING: Final = "what is counted outlives a worker"
_FIRST: Final = "first"
_MEANWHILE: Final = {
    _READING: "the last reading of breaks, duties and allowances stays in force",
    _WRITING: "minutes of personal use, and refusals, wait to be written down",
    _KEEPING: "what is counted and not yet written down would end with a worker",
    _FIRST: "breaks, duties and allowances are not known yet",
}


class Today:
    """Watches one store for one worker. Made and used in one event loop.

    Args:
        store: opened in this process; stays the caller's to close, after `stop`.
        shifts: `Settings.shifts`.
        zone: of the force.
        journals: folder for what is counted and not yet written down, of all workers of this
            machine; None: what was counted in the last seconds ends with the process.
        every: seconds between two looks.
        flush: seconds between two writings of minutes.
        patience: seconds for one look.
        clock: monotonic seconds.
        wall: aware time now.

    Attributes:
        tally: minutes that are not yet written down.
        refusals: those that are not yet written down.
        on_change: called in the event loop when something has come that may change what stands for
            anybody.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of its own
        self,
        store: Store,
        shifts: Shifts,
        zone: tzinfo,
        *,
        journals: Path | None = None,
        every: float = EVERY,
        flush: float = FLUSH,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._shifts = shifts
        self._journals = journals
        self._journal: Journal | None = None
        self._patience = patience
        self._clock = clock
        self._wall = wall
        self._view = DayView(shifts, zone)
        self.tally = Tally(self._day_at)
        self.refusals = Refusals()
        self.on_change: Callable[[], None] | None = None
        self._version: int | None = None
        self._minutes_known = False
        self._looked: float | None = None
        self._whole_at = 0.0
        self._kept_at = clock() - HOUR
        self._troubles: set[str] = set()
        self._rounds = Rounds(
            "today",
            store.place,
            every=every,
            note_every=flush,
            look=self.look,
            note=self.write_down,
            clock=clock,
        )
        self._counted: list[tuple[str, datetime, bool]] = []  # in this turn of the event loop
        # What the view answers, without a step in between: some are asked for every request.
        view = self._view
        self.latest = view.latest
        self.states = view.states
        self.changes = view.changes
        self.ahead = view.ahead
        self.stamp = view.stamp
        self.break_of = view.break_of
        self.left = view.left
        self.breaks_left = view.breaks_left
        self.confirmed = view.confirmed
        self.acknowledged = view.acknowledged
        self.site_categories = view.site_categories
        self.allowed_site = view.allowed_site

    async def start(self) -> None:
        """Read for the first time, and go on looking. A failure is logged, not raised."""
        await self.look()
        await self.write_down()  # what workers that have ended left behind
        self._rounds.start()

    async def stop(self) -> None:
        """Look no more; what was counted is written down if the store answers in time."""
        await self._rounds.stop(self._end_journal)

    def use(self, shifts: Shifts, zone: tzinfo | None = None) -> None:
        """Go by other settings from now on.

        Args:
            shifts: `Settings.shifts`.
            zone: of the force; None: the one of before.
        """
        days = self._view.days
        self._shifts = shifts
        self._view.use(shifts, zone)
        if self._view.days is not days:
            self._minutes_known = False
            self._whole_at = -HOUR  # the next look is a whole reading

    def age(self) -> float:
        """Seconds since the store last answered; infinite until it did."""
        return float("inf") if self._looked is None else max(0.0, self._clock() - self._looked)

    def count(self, person: str, at: datetime, social: bool) -> None:
        """Count the minute that a moment is in as one of personal use. Cheap.

        It counts when what the event loop has in hand is done: that takes longer than a decision,
        and no request should wait for it. Nothing that stands now changes by it, as a minute in
        hand is its person's to the end.
        """
        if not self._counted:
            asyncio.get_running_loop().call_soon(self.settle)
        self._counted.append((person, at, social))

    def settle(self) -> None:
        """Let count what was counted in this turn of the event loop."""
        counted, self._counted = self._counted, []
        for person, at, social in counted:
            if self._view.count(person, at, social=social):
                self.tally.count(person, at, social)

    def refused(self, person: str, at: datetime, rule: str) -> None:
        """Count that a rule has refused what the person opened. Cheap."""
        self.refusals.count(person, self._day_at(at).date, rule)

    def _day_at(self, moment: datetime) -> Day:
        return self._view.days.at(moment)

    async def look(self) -> None:
        """Look once. `start` does so by itself; public for programs with a clock of their own."""
        began = self._clock()  # what is answered is at least as new as the question
        whole = self._version is None or began - self._whole_at >= HOUR
        days = self._view.days
        try:
            found = await self._rounds.read(
                lambda: self._read(whole=whole), PATIENCE_WHOLE if whole else self._patience
            )
        except Exception as problem:  # noqa: BLE001 - whatever it is, the view goes on
            # No request is in hand. What was read stays in force, and its age tells the gate how
            # far to trust it; what this worker counts itself goes on counting.
            self._say(_READING, str(problem) or type(problem).__name__)
            return
        if self._view.days is not days:
            return  # its minutes are another day's by now; the next look reads everything
        if found is not None:
            await self._take(found)
            if found.whole:
                self._whole_at = began
        self._looked = began
        self._say(_READING, None)

    def _read(self, *, whole: bool) -> News | None:
        """In its thread: what is new."""
        version, now = self._version, self._wall()
        if version is None or whole:
            since = version if self._minutes_known else None
            return read_whole(self._store, self._view, now, since=since)
        return read_changed(self._store, version, self._view, now)

    async def _take(self, news: News) -> None:
        """Take over what was read, in steps that hold up nobody."""
        seen = self._view.latest.number
        waiting = iter(news.used.items())
        while some := list(islice(waiting, _AT_ONCE)):
            for (day, person), used in some:
                self._view.add(day, person, used)
            await asyncio.sleep(0)
        changed = self._view.take(news) or self._view.latest.number != seen
        self._version = news.version
        self._minutes_known = self._minutes_known or news.whole
        if changed and self.on_change is not None:
            self.on_change()

    async def write_down(self) -> None:
        """Write down what was counted; once an hour, see that nothing is kept for too long."""
        self.settle()
        keeping = self._clock() - self._kept_at >= HOUR
        today = self._view.days.at(self._wall()).date
        if self._journals is None and not self.tally and not self.refusals and not keeping:
            return
        try:
            job = partial(self._write, today if keeping else None)
            kept = await self._rounds.write(job, PATIENCE)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is tried again
            # No request is in hand. Nothing is forgotten: the tally has it for the next time.
            self._say(_WRITING, str(problem) or type(problem).__name__)
            return
        self._say(_WRITING, None)
        if kept:
            self._kept_at = self._clock()

    def _write(self, today: date | None) -> bool:
        """In its thread. Gives whether nothing is kept for too long, for some time to come."""
        if self._journals is not None:
            self._keep_journal(self._journals)
        self.tally.flush(self._store)
        self.refusals.flush(self._store)
        if today is None:
            return False
        done = keep(self._store, self._shifts.keep, today)
        return done is None or done.finished

    def _keep_journal(self, folder: Path) -> None:
        """In its thread: begin a journal; write down what workers that have ended left in theirs.

        It comes back to this worker with its next look.
        """
        try:
            if self._journal is None:
                self._journal = Journal.new(folder)
                self.tally.journal_in(self._journal)
            for each in leftovers(folder):
                with each:
                    take_over(self._store, each.entries(), self._view.days_apart())
                    each.drop()
        except OSError as problem:
            # No request is in hand. Minutes are counted and written down all the same.
            self._say(_KEEPING, f"{folder}: {problem.strerror or problem}")
        else:
            self._say(_KEEPING, None)

    def _end_journal(self) -> None:
        """In its thread: what could not be written down is left for others."""
        journal, self._journal = self._journal, None
        if journal is not None:
            self.tally.journal_in(None)
            journal.close(remove=not self.tally)

    def _say(self, what: str, trouble: str | None) -> None:
        """Log the beginning and the end of a trouble with reading or with writing, once each."""
        if trouble is not None and what not in self._troubles:
            first = what == _READING and self._version is None
            logger.error("%s; %s", trouble, _MEANWHILE[_FIRST if first else what])
            self._troubles.add(what)
        elif trouble is None and what in self._troubles:
            logger.warning("personal use (%s): %s again", self._store.place, what)
            self._troubles.remove(what)
