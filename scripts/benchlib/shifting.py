"""A shift change in simulated time: a force's people, four workers' views, one store.

In: how many people, for how many minutes; a folder. Out (JSON on standard output): what was sent to
the store, for how many minutes of personal use; CPU of it all; and, where the store is SQLite, what
decisions cost meanwhile with a worker's view and without (shiftdeciding.py).
Must never: count what prepares the store; let simulated time wait for the real one.

Half of the people end their duty in the middle of it, the other half begin theirs. In each minute
four of ten use the web for themselves, with several requests by way of two workers; three of ten
book a break; some are recalled; one in ten of those minutes has a refusal.

Run as a process of its own: `python -m benchlib.shifting FOLDER PEOPLE MINUTES sqlite|postgresql`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, event, insert, update

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing import Store, open_store, tables_shifts
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.minutes import FLUSH
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.today import EVERY, Today
from proxy_addons.standing.upgrade import migrate

WORKERS = 4
ZONE = ZoneInfo("Europe/London")
DAY = date(2026, 11, 23)
BEGINS = datetime(2026, 11, 23, 14, 45, tzinfo=UTC)
EARLY, LATE = (7, 15), (15, 23)  # hours of the duties
USING = 0.4  # of the people, in each minute
REQUESTS = 6  # personal ones, of one person in one minute
REFUSED = 0.1  # of those minutes have a refusal in them as well
BREAKS = 0.3  # of the people, in half an hour
RECALLED = 0.005
MINUTE = 60.0
SLICE = 6  # half seconds from one slice of decisions to the next
_BEGINS = BEGINS.timestamp()
NEVER = 1e6  # seconds: the views look when the simulation says so


def person_of(number: int) -> str:
    """A canonical name."""
    return f"person {number}"


class ShiftChange:
    """The simulation.

    Args:
        folder: for the store.
        people: how many.
        minutes: for how many breaks and recalls are spread.
        standing: names the store.

    Attributes:
        now: simulated seconds since it began.
        views: one of each worker.
        sent: statements, by what they were sent for.
        used: minutes of personal use: pairs of person and minute.
    """

    def __init__(
        self, folder: Path, people: int, minutes: int, standing: Standing | None = None
    ) -> None:
        self.now = 0.0
        self.people = people
        self.sent: Counter[str] = Counter()
        self.used: set[tuple[int, int]] = set()
        self.views: list[Today] = []
        self._standing = standing or Standing()
        self._doing = ""
        self._chance = random.Random(7)  # noqa: S311 (not for secrets: it must repeat itself)
        self._paths = Paths(folder, folder, folder)
        self._stores: list[Store] = []
        self._written = [0.0] * WORKERS
        self._steps = self._plan(minutes * MINUTE)

    def clock(self) -> float:
        """Simulated seconds."""
        return self.now

    def wall(self) -> datetime:
        """Simulated time."""
        return BEGINS + timedelta(seconds=self.now)

    def seconds(self) -> float:
        """Simulated time, as `time.time` would give it, and about as cheap."""
        return _BEGINS + self.now

    async def begin(self) -> None:
        """Make the store, with everybody's duties, and the views."""
        migrate(self._standing, self._paths)
        self._stores = [open_store(self._standing, self._paths) for _ in range(WORKERS)]
        self._write_duties(self._stores[0])
        settings = Shifts()
        self._breaks = Breaks(
            self._stores[0], settings.breaks, settings.day_turns, ZONE, clock=self.wall
        )
        for store in self._stores:
            event.listen(store.engine, "before_cursor_execute", self._note)
            view = Today(
                store, settings, ZONE, every=NEVER, clock=self.clock, wall=self.wall,
                journals=self._paths.data_dir / "journals",
            )  # fmt: skip
            self.views.append(view)
            await view.start()
        self.sent.clear()

    async def end(self) -> None:
        """End the views and the store."""
        for view in self.views:
            await view.stop()
        for store in self._stores:
            store.close()

    async def half_a_second(self) -> None:
        """What happens until the workers look again, and that look."""
        self._browse()
        while self._steps and self._steps[-1][0] < self.now:
            _, what, number = self._steps.pop()
            self._doing = what
            if what == "breaks":
                await asyncio.to_thread(self._book, number)
            else:
                await asyncio.to_thread(self._recall, number)
        self.now += EVERY
        for number, view in enumerate(self.views):
            self._doing = "looks"
            await view.look()
            if self.now - self._written[number] >= FLUSH:
                self._written[number] = self.now
                self._doing = "minutes"
                await view.write_down()

    def _browse(self) -> None:
        """Requests of half a second, spread evenly over people, workers and time."""
        chance, minute = self._chance, int(self.now // MINUTE)
        at = self.wall()
        for _ in range(self._drawn(self.people * USING * EVERY / MINUTE)):
            number = chance.randrange(self.people)
            self.used.add((number, minute))
            first, other = chance.sample(self.views, 2)
            for request in range(REQUESTS):
                view = first if request % 2 else other
                view.count(person_of(number), at, social=request == 0)
            if chance.random() < REFUSED:
                first.refused(person_of(number), at, "games")

    def _drawn(self, expected: float) -> int:
        whole = int(expected)
        return whole + (self._chance.random() < expected - whole)

    def _plan(self, seconds: float) -> list[tuple[float, str, int]]:
        """Breaks and recalls: when, what, who; the latest first."""
        made: list[tuple[float, str, int]] = []
        for what, share in (("breaks", BREAKS), ("duties", RECALLED)):
            chosen = self._chance.sample(range(self.people), int(self.people * share))
            made += [(self._chance.uniform(0, seconds), what, number) for number in chosen]
        return sorted(made, reverse=True)

    def _book(self, number: int) -> None:
        name = person_of(number)
        try:
            self._breaks.start(name, 15, name, "address")
        except StepRefusedError as refused:
            # Nobody has two breaks here: the simulation is at fault.
            raise AssertionError(refused) from refused

    def _recall(self, number: int) -> None:
        duties, cover, name = tables_shifts.duties, tables_shifts.rota_cover, person_of(number)
        with self._stores[0].shifting() as (connection, change):
            connection.execute(delete(duties).where(duties.c.person == name))
            connection.execute(insert(duties).values(_duty(name, 14, 18, change)))
            connection.execute(update(cover).where(cover.c.person == name).values(change=change))

    def _write_duties(self, store: Store) -> None:
        with store.shifting() as (connection, change):
            connection.execute(
                insert(tables_shifts.duties),
                [
                    _duty(person_of(number), *(LATE if number % 2 else EARLY), change)
                    for number in range(self.people)
                ],
            )
            connection.execute(
                insert(tables_shifts.rota_cover),
                [
                    {"person": person_of(number), "first": DAY, "last": DAY, "change": change}
                    for number in range(self.people)
                ],
            )

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        # SQLite's BEGIN is sent nowhere; a COMMIT does not come by here on either engine.
        if not statement.startswith("BEGIN"):
            self.sent[self._doing] += 1


def _duty(person: str, begins: int, ends: int, change: int) -> dict[str, Any]:
    midnight = datetime.combine(DAY, datetime.min.time(), ZONE)
    return {
        "person": person,
        "begins": midnight + timedelta(hours=begins),
        "ends": midnight + timedelta(hours=ends),
        "kind": "duty",
        "source": "bench",
        "change": change,
    }


async def simulate(
    folder: Path, people: int, minutes: int, standing: Standing | None
) -> dict[str, Any]:
    """Run it, and decide in the midst of it.

    Args:
        folder: for all that is made.
        people: how many.
        minutes: for how long.
        standing: names a database, and nothing is decided; None: a file in the folder.
    """
    from benchlib.shiftdeciding import Deciding

    (folder / "store").mkdir()
    change = ShiftChange(folder / "store", people, minutes, standing)
    await change.begin()
    deciding = await Deciding.begin(change, folder) if standing is None else None
    spent, began, seconds = 0.0, time.perf_counter(), minutes * MINUTE
    for number in range(int(seconds / EVERY)):
        cpu = time.process_time()
        await change.half_a_second()
        spent += time.process_time() - cpu
        if deciding is not None:
            deciding.reconsider()
            if number % SLICE == 0:
                await deciding.once()
    found = {
        "people": people,
        "minutes": minutes,
        "workers": WORKERS,
        "statements": dict(change.sent),
        "statements_a_second": change.sent.total() / seconds,
        "personal_minutes": len(change.used),
        "a_person_minute": change.sent.total() / len(change.used),
        "a_person_and_minute": change.sent.total() / (people * minutes),
        "cpu_percent_a_worker": 100 * spent / seconds / WORKERS,
        "took_seconds": time.perf_counter() - began,
    }
    if deciding is not None:
        found |= deciding.end()
    await change.end()
    return found


def main(arguments: list[str]) -> dict[str, Any]:
    """The figures."""
    folder, people, minutes, kind = arguments
    size = Path(folder), int(people), int(minutes)
    if kind == "sqlite":
        return asyncio.run(simulate(*size, None))
    from support.postgres import Postgres

    with Postgres() as server:
        try:
            return asyncio.run(simulate(*size, server.database()))
        finally:
            # In the bench's own namespace nobody takes up the processes that a kill leaves behind.
            server.stop()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
