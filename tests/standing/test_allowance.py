"""No allowance is exceeded by more than one minute, whichever of eight workers somebody reaches.

Each worker is a view with a tally and a journal of its own, on one real store; what `Today` does by
its clocks (a look twice a second, a writing every 5 s) is done here in the order of simulated time,
so that hypothesis may choose the worst moments for requests and kills.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.policy.states import ALLOWANCE_USED, SOCIAL_USED
from proxy_addons.settings.shifts import Allowances, Shifts
from proxy_addons.standing.dayreading import read_changed, read_whole
from proxy_addons.standing.dayview import DayView
from proxy_addons.standing.dutydays import Days
from proxy_addons.standing.journal import Journal, leftovers
from proxy_addons.standing.minutes import FLUSH, Tally, Total, take_over, used
from proxy_addons.standing.today import EVERY

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from proxy_addons.standing import Store
    from proxy_addons.standing.dayreading import News

WORKERS = 8
PERSONAL, SOCIAL = 4, 2
SHIFTS = Shifts(allowances=Allowances(PERSONAL, SOCIAL, low=1))
LONDON = ZoneInfo("Europe/London")
RESTART = 3.0  # seconds after which there is a worker again in place of one that was killed
WRITES = FLUSH + EVERY  # seconds between two writings, at most: it is looked at after each look
NAMES = itertools.count()
BASES = [
    datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)
    for text in (
        "2026-11-23 12:00",
        "2026-11-23 23:57",  # midnight
        "2026-11-23 04:57",  # the day turns
        "2026-03-29 00:57",  # an hour is left out
        "2026-10-25 01:57",  # an hour comes twice
        "2028-02-29 04:57",
        "2028-02-29 23:57",
    )
]


class Worker:
    """What a worker has in memory; killed, it is gone but for its journal."""

    def __init__(self, store: Store, folder: Path, news: News) -> None:
        self.store, self.folder = store, folder
        self.view = DayView(SHIFTS, LONDON)
        self.take(news)
        self.tally = Tally(self.view.days.at)
        self.journal = Journal(folder / f"{next(NAMES)}.journal", half=4096)
        self.tally.journal_in(self.journal)

    def take(self, news: News | None) -> None:
        if news is not None:
            for (day, person), minutes in news.used.items():
                self.view.add(day, person, minutes)
            self.view.take(news)
            self.version = news.version

    def look(self, now: datetime) -> None:
        self.take(read_changed(self.store, self.version, self.view, now))

    def write(self) -> None:
        for each in leftovers(self.folder):
            with each:
                take_over(self.store, each.entries(), self.view.days_apart())
                each.drop()
        self.tally.flush(self.store)

    def request(self, person: str, now: datetime, *, social: bool) -> bool:
        """Whether it passes; if so, it counts."""
        refusing = {ALLOWANCE_USED, SOCIAL_USED} if social else {ALLOWANCE_USED}
        if self.view.states(person, now) & refusing:
            return False
        if self.view.count(person, now, social=social):
            self.tally.count(person, now, social)
        return True

    def kill(self) -> None:
        self.tally.journal_in(None)  # its memory is gone; the kernel closes what it had open
        self.journal.close(remove=False)


class Request(NamedTuple):
    seconds: float
    worker: int
    social: bool


class Plan(NamedTuple):
    """What happens.

    Attributes:
        base: when it begins.
        phases: of each worker, seconds before its first look and its first writing.
        requests: of the person.
        kills: seconds, worker.
    """

    base: datetime
    phases: list[tuple[float, float]]
    requests: list[Request]
    kills: list[tuple[float, int]]


class Simulation:
    """Eight workers and one person, in the order of time."""

    def __init__(self, store: Store, folder: Path, plan: Plan, *, writes: float = WRITES) -> None:
        self.store, self.folder, self.plan, self.writes = store, folder, plan, writes
        self.person = f"person-{next(NAMES)}"
        self.minutes: defaultdict[date, set[datetime]] = defaultdict(set)
        self.social: defaultdict[date, set[datetime]] = defaultdict(set)
        self._days = Days(LONDON, SHIFTS)
        self._events: list[tuple[float, int, str, int, bool]] = []
        self._order = itertools.count()
        news = self._whole(plan.base)
        self._workers: list[Worker | None] = [Worker(store, folder, news) for _ in plan.phases]

    def run(self) -> None:
        for worker, (_, first) in enumerate(self.plan.phases):
            self._put(first, "write", worker)
        for seconds, worker in self.plan.kills:
            self._put(seconds, "kill", worker)
            self._put(seconds + RESTART, "begin", worker)
        for each in self.plan.requests:
            first, _ = self.plan.phases[each.worker]
            if each.seconds >= first:  # of its looks the last one before counts
                last = first + math.floor((each.seconds - first) / EVERY) * EVERY
                self._put(last, "look", each.worker)
            self._put(each.seconds, "request", each.worker, social=each.social)
        end = max((event[0] for event in self._events), default=0.0)
        while self._events:
            seconds, _, what, worker, social = heapq.heappop(self._events)
            self._do(seconds, what, worker, social=social)
            if what == "write" and seconds < end:
                self._put(seconds + self.writes, "write", worker)

    def end(self) -> None:
        """As an operator ends all of it; who was killed last has nobody to take over from it."""
        for worker in self._workers:
            if worker is not None:
                worker.kill()
        worker = Worker(self.store, self.folder, self._whole(self.plan.base))
        worker.write()
        worker.kill()
        worker.journal.path.unlink()

    def _do(self, seconds: float, what: str, number: int, *, social: bool) -> None:
        now = self.plan.base + timedelta(seconds=seconds)
        worker = self._workers[number]
        if what == "begin" and worker is None:
            worker = self._workers[number] = Worker(self.store, self.folder, self._whole(now))
            worker.write()
        elif worker is None:
            return
        elif what == "look":
            worker.look(now)
        elif what == "write":
            worker.write()
        elif what == "kill":
            worker.kill()
            self._workers[number] = None
        elif what == "request" and worker.request(self.person, now, social=social):
            day = self._days.at(now)
            minute = day.begins + day.minute(now) * timedelta(minutes=1)
            self.minutes[day.date].add(minute)
            if social:
                self.social[day.date].add(minute)

    def _put(self, seconds: float, what: str, worker: int, *, social: bool = False) -> None:
        heapq.heappush(self._events, (seconds, next(self._order), what, worker, social))

    def _whole(self, now: datetime) -> News:
        return read_whole(self.store, DayView(SHIFTS, LONDON), now)


NUMBERS = st.integers(0, WORKERS - 1)
# Just before a minute is over: what others know of it comes too late for the next one.
SECONDS = st.sampled_from([59.9, 59.0, 57.0, 54.0, 30.0, 6.1, 5.9, 3.0, 0.1, 0.0])
IN_A_MINUTE = st.lists(st.tuples(SECONDS, NUMBERS, st.booleans()), min_size=1, max_size=3)


def in_order(minutes: list[list[tuple[float, int, bool]]]) -> list[Request]:
    return [
        Request(60.0 * number + seconds, worker, social)
        for number, each in enumerate(minutes)
        for seconds, worker, social in each
    ]


PLANS = st.builds(
    Plan,
    st.sampled_from(BASES),
    st.lists(
        st.tuples(st.floats(0, EVERY), st.floats(0, WRITES)), min_size=WORKERS, max_size=WORKERS
    ),
    st.lists(IN_A_MINUTE, min_size=PERSONAL + 2, max_size=2 * PERSONAL).map(in_order),
    st.lists(st.tuples(st.floats(0, 120.0 * PERSONAL), NUMBERS), max_size=8),
)


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(plan=PLANS)
def test_an_allowance_is_exceeded_by_one_minute_at_most(
    store: Store, tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    simulation = Simulation(store, tmp_path_factory.mktemp("journals"), plan)
    simulation.run()
    for minutes in simulation.minutes.values():
        assert len(minutes) <= PERSONAL + 1
    for minutes in simulation.social.values():
        assert len(minutes) <= SOCIAL + 1
    # Nothing of it is lost, whoever was killed when.
    simulation.end()
    for day, minutes in simulation.minutes.items():
        found = used(store, simulation.person, day)
        assert found == Total(len(minutes), len(simulation.social[day]))


def hop(*, then: float, kills: bool = False, writes: float = WRITES) -> Plan:
    """From worker to worker: the allowance at the last moment of each minute, then early in each.

    Each worker has written just before it is reached, so that what it counts waits longest.
    """
    moments = [60.0 * number + (59.9 if number < PERSONAL else then) for number in range(WORKERS)]
    return Plan(
        BASES[0],
        [(0.0, (each - 0.05) % writes) for each in moments],
        [Request(each, worker, social=False) for worker, each in enumerate(moments)],
        [(each + 0.01, worker) for worker, each in enumerate(moments)] if kills else [],
    )


def passed(store: Store, folder: Path, plan: Plan, *, writes: float = WRITES) -> int:
    simulation = Simulation(store, folder, plan, writes=writes)
    simulation.run()
    simulation.end()
    (minutes,) = simulation.minutes.values()
    return len(minutes)


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (0.0, PERSONAL + 1),
        (5.0, PERSONAL + 1),  # not yet written, or written and not yet seen
        (WRITES + EVERY, PERSONAL),
    ],
)
def test_the_worst_moments(
    store: Store, tmp_path: Path, then: float, expected: int, *, kills: bool
) -> None:
    if kills:
        expected = PERSONAL  # another takes over what the killed one had, and sooner
    assert passed(store, tmp_path, hop(then=then, kills=kills)) == expected


def test_were_it_written_more_seldom_they_would_show_it(store: Store, tmp_path: Path) -> None:
    plan = hop(then=5.0, writes=70.0)
    assert passed(store, tmp_path, plan, writes=70.0) > PERSONAL + 1
