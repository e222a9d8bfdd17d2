"""A worker's view of real stores: what comes, what stays when one goes, what is written."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, select, update
from support.waiting import until

from proxy_addons.policy import states
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.settings.shifts import Allowances, Shifts
from proxy_addons.standing import Store, open_store, tables, tables_shifts
from proxy_addons.standing import today as module
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.confirmations import confirm, of_person
from proxy_addons.standing.journal import Journal, leftovers
from proxy_addons.standing.minutes import Row, Total, used, write
from proxy_addons.standing.refusals import by_person
from proxy_addons.standing.today import Today
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conftest import Place
    from sqlalchemy import Connection
    from support.postgres import Postgres

    from proxy_addons.gate.today import Today as GatesToday

LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 23)


class Clock:
    """Seconds for intervals, and the time of day with them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return NOW + timedelta(seconds=self.now - 1000)


type Make = Callable[..., Today]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    made: list[Today] = []

    def make(store: Store, shifts: Shifts | None = None, **options: Any) -> Today:
        settings = {"every": 0.01, "clock": clock, "wall": clock.wall, **options}
        today = Today(store, shifts or Shifts(), LONDON, **settings)
        made.append(today)
        return today

    yield make
    for today in made:
        if today._rounds.running:
            await today.stop()


def looks_of(today: Today) -> list[int]:
    """Count the looks from now on."""
    looks: list[int] = []
    look = today._rounds._look

    async def counted() -> None:
        await look()
        looks.append(1)

    today._rounds._look = counted
    return looks


async def look(today: Today) -> None:
    """Wait for a look that begins from now on."""
    looks = looks_of(today)
    await until(lambda: len(looks) >= 2)


def breaks_of(store: Store, clock: Clock) -> Breaks:
    return Breaks(store, Shifts().breaks, time(5), LONDON, clock=clock.wall)


async def test_a_break_is_the_same_everywhere(
    place: Place, store: Store, make: Make, clock: Clock
) -> None:
    other = place.open()  # as another worker has it
    both = [make(store), make(other)]
    changes: list[int] = []
    for today in both:
        today.on_change = lambda: changes.append(1)
        assert today.age() == float("inf")
        await today.start()
        assert today.age() == 0
        assert today.states("jane", NOW) == {states.NO_ROTA}
    stamps = [today.stamp("jane") for today in both]
    johns = [today.stamp("john") for today in both]
    changes.clear()
    breaks = breaks_of(store, clock)
    await asyncio.to_thread(breaks.start, "jane", 30, "jane", "test")
    await until(lambda: len(changes) == 2)
    for today in both:
        assert today.states("jane", NOW) == {states.NO_ROTA, states.ON_BREAK}
        assert today.changes("jane", NOW) == NOW + 30 * MINUTE
        assert today.states("jane", NOW + 30 * MINUTE) == {states.NO_ROTA}
        left = await asyncio.to_thread(breaks.left, "jane")
        assert today.left("jane", NOW).break_minutes == left.minutes == 30
    assert all(b.stamp("jane") != a for b, a in zip(both, stamps, strict=True))
    assert [today.stamp("john") for today in both] == johns
    clock.now += 600
    await asyncio.to_thread(breaks.end, "jane", "jane", "test")
    await until(lambda: len(changes) == 4)
    for today in both:
        assert today.break_of("jane", clock.wall()) is None
        assert today.left("jane", clock.wall()).break_minutes == 50
        await today.stop()
    await asyncio.to_thread(other.close)


# Each kind of row: what is written, and what is answered before and after.


def duty(connection: Connection, change: int, begins: datetime, ends: datetime) -> None:
    connection.execute(
        insert(tables_shifts.duties).values(
            person="jane", begins=begins, ends=ends, kind="duty", source="test", change=change
        )
    )


def cover(connection: Connection, change: int, first: date, last: date) -> None:
    table = tables_shifts.rota_cover
    connection.execute(delete(table).where(table.c.person == "jane"))
    connection.execute(insert(table).values(person="jane", first=first, last=last, change=change))


def recalled(connection: Connection, change: int) -> None:
    connection.execute(delete(tables_shifts.duties))
    cover(connection, change, TODAY, TODAY)
    duty(connection, change, NOW - HOUR, NOW + HOUR)


def sent_home(connection: Connection, change: int) -> None:
    recalled(connection, change - 1)
    connection.execute(delete(tables_shifts.duties))
    cover(connection, change, TODAY, TODAY)


def acknowledged(connection: Connection, change: int) -> None:
    connection.execute(
        insert(tables_shifts.statements).values(
            version="0123456789ab", digest="0" * 64, text="Behave.", first_seen=NOW
        )
    )
    connection.execute(
        insert(tables_shifts.acknowledgements).values(
            person="jane", version="0123456789ab", at=NOW, client_ip="10.0.0.1", how="test",
            until=NOW + 365 * 24 * HOUR, change=change,
        )
    )  # fmt: skip


def reviewed(*, everybody: bool) -> Callable[[Connection, int], None]:
    def do(connection: Connection, change: int) -> None:
        connection.execute(
            insert(tables_shifts.reviews).values(
                reference="RV-2026-0001", person="jane", url_host="shop.example",
                url="https://shop.example/", rule="block", categories=["shopping"], why="test",
                asked_at=NOW, state="allowed", decided_by="ines", decided_at=NOW, answer="yes",
                until=NOW + HOUR, everybody=everybody, change=change,
            )
        )  # fmt: skip

    return do


def ended(connection: Connection, change: int) -> None:
    reviewed(everybody=True)(connection, change - 1)
    connection.execute(update(tables_shifts.reviews).values(until=NOW, change=change))


def categorised(connection: Connection, change: int, categories: list[str] | None) -> None:
    table = tables_shifts.site_categories
    connection.execute(delete(table))
    connection.execute(
        insert(table).values(
            host="shop.example", categories=categories, review="RV-2026-0001", set_by="ines",
            set_at=NOW, change=change,
        )
    )  # fmt: skip


def taken_back(connection: Connection, change: int) -> None:
    categorised(connection, change, None)


def counted(connection: Connection, change: int) -> None:
    connection.execute(
        insert(tables_shifts.minutes),
        [
            {"person": "jane", "minute": NOW - number * MINUTE, "day": TODAY, "social": number < 15,
             "change": change}
            for number in range(1, 31)
        ],
    )  # fmt: skip


KINDS: dict[str, tuple[Callable[[Connection, int], None], Callable[[Today], object], Any, Any]] = {
    "recalled": (recalled, lambda t: t.states("jane", NOW), {"no-rota"}, {"on-duty"}),
    "sent home": (sent_home, lambda t: t.states("jane", NOW), {"no-rota"}, {"off-duty"}),
    "counted": (counted, lambda t: t.left("jane", NOW), (60, 60, 20), (60, 30, 6)),
    "acknowledged": (
        acknowledged, lambda t: t.acknowledged("jane", "0123456789ab", NOW), False, True,
    ),
    "allowed": (
        reviewed(everybody=False),
        lambda t: [t.allowed_site(name, "www.shop.example", NOW) for name in ("jane", "john")],
        [None, None], ["RV-2026-0001", None],
    ),
    "allowed for everybody": (
        reviewed(everybody=True),
        lambda t: [t.allowed_site(name, "www.shop.example", NOW) for name in ("jane", "john")],
        [None, None], ["RV-2026-0001", "RV-2026-0001"],
    ),
    "ended": (ended, lambda t: t.allowed_site("jane", "shop.example", NOW), None, None),
    "categorised": (
        lambda connection, change: categorised(connection, change, ["news"]),
        lambda t: t.site_categories("www.shop.example"), None, {"news"},
    ),
}  # fmt: skip


def change(store: Store, *does: Callable[[Connection, int], None]) -> None:
    for do in does:
        with store.shifting() as (connection, number):
            do(connection, number)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_comes(kind: str, store: Store, make: Make) -> None:
    """To a worker that runs, and to one that begins afterwards."""
    do, ask, before, after = KINDS[kind]
    running, later = make(store), make(store)
    await running.start()
    assert ask(running) == before
    stamp = running.stamp("jane")
    await asyncio.to_thread(change, store, do)
    await until(lambda: ask(running) == after and running.stamp("jane") != stamp)
    await later.start()
    assert ask(later) == after


@pytest.mark.parametrize(
    ("first", "then", "asked", "expected"),
    [
        (recalled, sent_home, lambda t: t.states("jane", NOW), {"off-duty"}),
        (
            lambda connection, number: categorised(connection, number, ["news"]),
            taken_back,
            lambda t: t.site_categories("shop.example"),
            None,
        ),
    ],
)
async def test_it_goes_again(
    first: Callable[[Connection, int], None],
    then: Callable[[Connection, int], None],
    asked: Callable[[Today], object],
    expected: object,
    store: Store,
    make: Make,
) -> None:
    def anew(connection: Connection, number: int) -> None:
        connection.execute(delete(tables_shifts.duties))
        then(connection, number)

    today = make(store)
    await today.start()
    await asyncio.to_thread(change, store, first)
    await until(lambda: asked(today) not in (expected, {"no-rota"}))
    await asyncio.to_thread(change, store, anew)
    await until(lambda: asked(today) == expected)


async def test_a_confirmation_comes(store: Store, make: Make) -> None:
    today = make(store)
    await today.start()
    assert not today.confirmed("jane", "ai", "chat.example", NOW)
    await asyncio.to_thread(confirm, store, "jane", "ai", "chat.example", NOW + HOUR, NOW)
    await until(lambda: today.confirmed("jane", "ai", "chat.example", NOW))
    assert not today.confirmed("jane", "ai", "chat.example", NOW + HOUR)


async def test_what_is_undone_is_never_seen(store: Store, make: Make) -> None:
    def fail() -> None:
        with store.shifting() as (connection, number):
            recalled(connection, number)
            raise ZeroDivisionError

    today = make(store)
    await today.start()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(fail)
    await look(today)
    assert today.states("jane", NOW) == {states.NO_ROTA}


# Minutes.


async def test_minutes_of_one_worker_count_for_all(
    place: Place, store: Store, make: Make, clock: Clock
) -> None:
    other = place.open()
    first, second = make(store), make(other)
    for today in (first, second):
        await today.start()
    at_the_gate: GatesToday = first  # what the gate asks for is what this has
    for number in range(1, 61):
        at_the_gate.count("jane", NOW - number * MINUTE, number <= 20)
    # Its own worker goes by them when what it has in hand is done.
    await asyncio.sleep(0)
    assert first.states("jane", NOW) == {
        states.NO_ROTA,
        states.ALLOWANCE_USED,
        states.SOCIAL_USED,
    }
    assert second.states("jane", NOW) == {states.NO_ROTA}
    clock.now += module.FLUSH
    await until(lambda: second.states("jane", NOW) == first.states("jane", NOW))
    assert first.left("jane", NOW) == second.left("jane", NOW) == (60, 0, 0)
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total(60, 20)
    # What is counted last is written when it stops.
    second.count("john", NOW, False)
    await second.stop()
    assert await asyncio.to_thread(used, store, "john", TODAY) == Total(1, 0)
    await asyncio.to_thread(other.close)


async def test_it_is_written_every_few_seconds_and_not_more_often(
    store: Store, make: Make, clock: Clock
) -> None:
    today = make(store)
    await today.start()
    for number in range(3):
        today.count("jane", NOW + number * MINUTE, False)
        clock.now += module.FLUSH - 1
        for _ in range(3):
            await look(today)
        assert today.tally
        clock.now += 1
        await until(lambda: not today.tally)


async def test_refusals_are_written_with_the_minutes(
    place: Place, store: Store, make: Make, clock: Clock, tmp_path: Path
) -> None:
    other = await asyncio.to_thread(place.open)
    first, second = make(store, journals=tmp_path), make(other)
    await first.start()
    await second.start()
    for today, times in ((first, 3), (second, 2)):
        for _ in range(times):
            today.refused("jane", NOW, "games")
    first.refused("jane", NOW - 8 * HOUR, "games")  # of the duty day before
    clock.now += module.FLUSH
    await until(lambda: not first.refusals and not second.refusals)
    second.refused("tom", NOW, "webmail")
    await second.stop()  # without a minute to write
    await asyncio.to_thread(other.close)
    found = await asyncio.to_thread(by_person, store, ["jane", "tom"], TODAY, TODAY)
    assert found == {"jane": {"games": 5}, "tom": {"webmail": 1}}
    before = TODAY - timedelta(days=1)
    assert await asyncio.to_thread(by_person, store, ["jane"], before, before) == {
        "jane": {"games": 1}
    }


async def test_a_look_is_one_statement_and_a_change_one_more(
    store: Store, make: Make, statements: list[str]
) -> None:
    today = make(store, every=60)
    await today.start()
    statements.clear()
    for _ in range(5):
        await today.look()
    assert len(statements) == 5
    await asyncio.to_thread(write, store, [Row("jane", NOW, TODAY, social=False)])
    statements.clear()
    await today.look()
    assert today.left("jane", NOW).personal_minutes == 59
    assert len(statements) == 2
    assert "minutes.change >" in statements[1]
    await today.look()
    assert len(statements) == 3


async def test_days_that_are_over_are_closed(store: Store, make: Make) -> None:
    old = NOW - timedelta(days=9)
    rows = [Row("jane", old, old.date(), social=False), Row("jane", NOW, TODAY, social=False)]
    await asyncio.to_thread(write, store, rows)
    await make(store).start()

    def left() -> list[date]:
        with store.reading() as connection:
            return list(connection.scalars(select(tables_shifts.minutes.c.day)))

    assert await asyncio.to_thread(left) == [TODAY]
    assert await asyncio.to_thread(used, store, "jane", old.date()) == Total(1, 0)


async def test_what_is_too_much_for_once_is_taken_away_between_two_writings(
    store: Store, make: Make, clock: Clock
) -> None:
    table = tables_shifts.minute_totals

    def days() -> int:
        with store.reading() as connection:
            return len(connection.execute(select(table)).all())

    def plant() -> None:
        row = tables.versions
        with store.noting() as connection:
            run = update(row).where(row.c.name == tables.KEEPING)
            connection.execute(run.values(version=TODAY.toordinal() - 1))
            for ago in range(200, 210):
                day = TODAY - timedelta(days=ago)
                values = {"person": "jane", "day": day, "personal": 1, "social": 0}
                connection.execute(insert(table).values(values))

    await asyncio.to_thread(plant)
    today = make(store)
    await today.start()
    left = await asyncio.to_thread(days)
    assert 0 < left < 10
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    clock.now += module.FLUSH
    await until(lambda: days() < left)
    await until(lambda: not today.tally)
    for _ in range(5):
        clock.now += module.FLUSH
        await asyncio.sleep(0.05)
    await until(lambda: days() == 0)


# The present moves on, and stores go back.


async def test_the_present_moves_on(store: Store, make: Make, clock: Clock) -> None:
    begins = NOW + timedelta(days=4)

    def far(connection: Connection, number: int) -> None:
        cover(connection, number, TODAY, TODAY + timedelta(days=9))
        duty(connection, number, begins, begins + 8 * HOUR)

    await asyncio.to_thread(change, store, far)
    today = make(store)
    await today.start()
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    assert today._view.facts["jane"].duties == ()
    assert today.states("jane", NOW) == {states.OFF_DUTY}
    clock.now += 3 * 24 * 3600
    await until(lambda: today._view.facts["jane"].duties)
    assert today.states("jane", begins) == {states.ON_DUTY}
    clock.now += 3 * 24 * 3600
    await until(lambda: not today._view.facts["jane"].duties)
    assert not today._view._used


async def test_all_is_read_anew_each_hour(store: Store, make: Make, clock: Clock) -> None:
    """A database that was restored may have the old version number and other rows."""
    today = make(store)
    await today.start()

    def write_past_the_version() -> None:
        with store.noting() as connection:
            recalled(connection, 1)

    await asyncio.to_thread(write_past_the_version)
    await look(today)
    assert today.states("jane", NOW) == {states.NO_ROTA}
    clock.now += module.HOUR
    await until(lambda: today.states("jane", NOW) == {states.ON_DUTY})


async def test_a_store_that_went_back_is_read_as_a_whole(store: Store, make: Make) -> None:
    today = make(store)
    await asyncio.to_thread(change, store, recalled, sent_home, lambda *_: None)
    await today.start()
    assert today.states("jane", NOW) == {states.OFF_DUTY}

    def restore() -> None:
        with store.noting() as connection:
            versions = tables.versions
            connection.execute(
                update(versions).where(versions.c.name == tables.SHIFTS).values(version=2)
            )
            connection.execute(delete(tables_shifts.rota_cover))
            counted(connection, 2)

    await asyncio.to_thread(restore)
    await until(lambda: today.states("jane", NOW) == {states.NO_ROTA, states.SOCIAL_LOW})
    assert today.left("jane", NOW) == (60, 30, 6)


# Settings.


async def test_other_settings_count_at_once(store: Store, make: Make) -> None:
    # Before 12:30 it is another duty day where the day turns then.
    await asyncio.to_thread(change, store, counted)
    today = make(store)
    await today.start()
    assert today.left("jane", NOW).personal_minutes == 30
    today.use(Shifts(allowances=Allowances(30, 15)))
    assert today.states("jane", NOW) >= {states.ALLOWANCE_USED}
    later = Shifts(day_turns=time(11, 45))
    today.use(later)
    today.use(later)
    await until(lambda: today.left("jane", NOW).personal_minutes == 45)


async def test_another_time_zone_counts_at_once(store: Store, make: Make) -> None:
    """At noon in London it is 21:00 in Tokyo, where this day has just turned."""
    await asyncio.to_thread(change, store, counted)
    late = Shifts(day_turns=time(20, 45))
    today = make(store, late)
    await today.start()
    assert today.left("jane", NOW).personal_minutes == 30
    today.use(late, ZoneInfo("Asia/Tokyo"))
    await until(lambda: today.left("jane", NOW).personal_minutes == 45)
    today.use(late)  # other settings leave it as it is
    assert today.left("jane", NOW).personal_minutes == 45
    today.refused("jane", NOW, "games")
    await today.stop()
    found = await asyncio.to_thread(by_person, store, ["jane"], TODAY, TODAY)
    assert found == {"jane": {"games": 1}}, "in London it would be of the day before"


# Troubles.


def ways(
    place: Place, request: pytest.FixtureRequest
) -> tuple[Callable[[], object], Callable[[], object]]:
    if place.engine == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.kill, server.start
    folder, away = place.paths.data_dir, place.paths.data_dir.with_name("away")
    return lambda: folder.rename(away), lambda: away.rename(folder)


async def test_a_database_that_is_killed_and_comes_back(
    place: Place,
    store: Store,
    make: Make,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    await asyncio.to_thread(change, store, recalled, counted)
    today = make(store, Shifts(allowances=Allowances(31, None, low=0)))
    await today.start()
    caplog.set_level(logging.WARNING, "watchhouse.standing")
    gone, back = ways(place, request)
    await asyncio.to_thread(gone)
    await asyncio.to_thread(store.close)  # SQLite would go on with the open file
    await until(lambda: caplog.records)
    looks = looks_of(today)
    await until(lambda: len(looks) >= 2)
    # What was read stays, and what is counted here counts.
    assert today.states("jane", NOW) == {states.ON_DUTY}
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    assert today.states("jane", NOW + MINUTE) == {states.ON_DUTY, states.ALLOWANCE_USED}
    clock.now += 600
    await until(lambda: len(caplog.records) == 2)
    seen = len(looks)
    await until(lambda: len(looks) >= seen + 5)
    clock.now += 600
    await until(lambda: len(looks) >= seen + 10)
    assert today.age() >= 600
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "last reading" in caplog.text
    assert "wait to be written down" in caplog.text
    await asyncio.to_thread(back)
    await until(lambda: today.age() == 0)
    clock.now += module.FLUSH
    await until(lambda: not today.tally)
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total(31, 14)
    await until(lambda: len(caplog.records) == 4)
    assert all("again" in record.message for record in caplog.records[2:])
    await asyncio.to_thread(change, store, sent_home)
    await until(lambda: states.OFF_DUTY in today.states("jane", NOW))


async def test_it_begins_without_a_database(
    place: Place, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    store = place.open()  # no tables yet
    today = make(store)
    await today.start()
    assert today.age() == float("inf")
    assert today.states("jane", NOW) == {states.NO_ROTA}
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    assert "not known yet" in caplog.text
    stamp = today.stamp("jane")
    await asyncio.to_thread(place.migrate)
    await until(lambda: today.age() == 0)
    assert today.stamp("jane") != stamp
    assert today.left("jane", NOW).personal_minutes == 59
    await today.stop()
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total(1, 0)
    await asyncio.to_thread(store.close)


async def test_it_goes_on_looking_while_what_it_writes_waits_for_another_writer(
    tmp_path: Path, make: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    await asyncio.to_thread(migrate, Standing(), paths)
    store, other = open_store(Standing(), paths), open_store(Standing(), paths)
    today = make(store)
    await today.start()
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with other.noting():
            held.set()
            release.wait(20)

    holding = asyncio.get_running_loop().run_in_executor(None, hold)
    await until(held.is_set)
    clock.now += module.FLUSH
    looks = looks_of(today)
    await until(lambda: today._rounds.noting)
    seen = len(looks)
    await until(lambda: len(looks) >= seen + 5)
    assert today.age() == 0
    assert not caplog.records
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total()
    release.set()
    await holding
    await until(lambda: not today._rounds.noting)
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total(1, 0)
    await today.stop()
    for each in (store, other):
        await asyncio.to_thread(each.close)


async def test_a_database_that_hangs(
    postgres: Postgres, make: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes what is sent and says nothing: no time limit of its own ends that."""
    settings, paths = await asyncio.to_thread(postgres.database), Paths(Path(), Path(), Path())
    await asyncio.to_thread(migrate, settings, paths)
    store = open_store(settings, paths)
    await asyncio.to_thread(change, store, recalled)
    today = make(store, patience=0.2)
    await today.start()
    await asyncio.to_thread(postgres.stall)
    try:
        await until(lambda: caplog.records)
        clock.now += 600
        looks = looks_of(today)
        await until(lambda: len(looks) >= 3)
        assert today.states("jane", NOW) == {states.ON_DUTY}
        assert today.age() >= 600
        assert "does not answer in time" in caplog.records[0].message
    finally:
        await asyncio.to_thread(postgres.resume)
    await until(lambda: today.age() == 0)
    await today.stop()
    await asyncio.to_thread(store.close)


# Journals.


async def test_what_a_worker_left_behind_is_written_down(
    store: Store, make: Make, clock: Clock, tmp_path: Path
) -> None:
    folder = tmp_path / "journals"

    def end_a_worker(*people: str) -> None:
        journal = Journal.new(folder)
        for each in people:
            journal.add(each, NOW, social=True)
        journal.close(remove=False)

    await asyncio.to_thread(end_a_worker, "jane")
    today, other = make(store, journals=folder), make(store, journals=folder)
    await today.start()
    await other.start()
    await until(lambda: today.left("jane", NOW) == other.left("jane", NOW) == (60, 59, 19))
    # One that ends while others run is not waited for.
    await asyncio.to_thread(end_a_worker, "john", "june")
    clock.now += module.FLUSH
    await until(lambda: other.left("june", NOW) == (60, 59, 19))
    assert await asyncio.to_thread(used, store, "john", TODAY) == Total(1, 1)
    today.count("jean", NOW, False)
    for each in (today, other):
        await each.stop()
    assert list(folder.iterdir()) == []
    assert await asyncio.to_thread(used, store, "jean", TODAY) == Total(1, 0)


async def test_what_cannot_be_written_when_it_stops_is_left_for_others(
    place: Place, store: Store, make: Make, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "journals"
    today, later = make(store, journals=folder), make(store, journals=folder)
    await today.start()
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    gone, back = ways(place, request)
    await asyncio.to_thread(gone)
    await asyncio.to_thread(store.close)
    await today.stop()
    await asyncio.to_thread(back)
    await later.start()
    await until(lambda: later.left("jane", NOW).personal_minutes == 59)


async def test_minutes_count_without_a_journal(
    store: Store, make: Make, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "journals").write_text("a file where a folder should be")
    today = make(store, journals=tmp_path / "journals")
    await today.start()
    today.count("jane", NOW, False)
    await asyncio.sleep(0)
    clock.now += module.FLUSH
    await until(lambda: not today.tally)
    await today.stop()
    assert await asyncio.to_thread(used, store, "jane", TODAY) == Total(1, 0)
    assert len(caplog.records) == 1
    assert "would end with a worker" in caplog.text
    assert list(leftovers(tmp_path)) == []


async def test_what_was_confirmed_is_not_kept_for_ever(
    store: Store, make: Make, clock: Clock
) -> None:
    """The access log has each click; here only those are of use that count, or did of late."""
    for at in (NOW - timedelta(days=10), NOW - timedelta(days=1)):
        confirm(store, "jane", "auctions", "bids.example", at + HOUR, at)
    today = make(store)
    await today.start()
    clock.now += module.FLUSH
    await until(lambda: len(of_person(store, "jane")) == 1)
