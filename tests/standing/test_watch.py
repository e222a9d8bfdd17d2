from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select
from support.waiting import until

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import (
    StandingError,
    StandingUnavailableError,
    Store,
    Watch,
    open_store,
    tables,
)
from proxy_addons.standing import watch as module
from proxy_addons.standing.thread import OwnThread
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conftest import Place
    from support.postgres import Postgres

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def withdraw(store: Store, person: str) -> None:
    """By hand, so that this test is about the watch alone."""
    with store.changing() as connection:
        connection.execute(
            insert(tables.withdrawals).values(
                reference=f"WD-{person}",
                person=person,
                reason="test",
                withdrawn_by="boss",
                by_right="psd",
                withdrawn_at=NOW,
            )
        )


def exempt(store: Store, person: str, *, ends: datetime) -> None:
    with store.changing() as connection:
        connection.execute(
            insert(tables.exemptions).values(
                reference=f"EX-{person}",
                person=person,
                everything=True,
                categories=["malware"],
                why="test",
                significant=False,
                requested_by="boss",
                requested_at=NOW,
                begins=NOW - timedelta(days=9),
                ends=ends,
                state="approved",
                decided_by="second",
                revision=2,
            )
        )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def watching() -> AsyncIterator[Callable[..., Watch]]:
    made: list[Watch] = []

    def make(store: Store, **options: object) -> Watch:
        watch = Watch(store, every=0.01, **options)  # type: ignore[arg-type]
        made.append(watch)
        return watch

    yield make
    for watch in made:
        if watch._rounds.running:
            await watch.stop()


async def test_two_watches_see_a_change(
    place: Place, store: Store, watching: Callable[..., Watch]
) -> None:
    other = place.open()  # as another worker has it
    first, second = watching(store), watching(other)
    changes: list[int] = []
    for watch in (first, second):
        watch.on_change = lambda: changes.append(1)
        assert watch.snapshot is None
        assert watch.age() == float("inf")
        await watch.start()
        assert watch.snapshot is not None
        assert watch.snapshot.version == 1
    changes.clear()
    await asyncio.to_thread(withdraw, store, "jane")
    await until(lambda: len(changes) == 2)
    for watch in (first, second):
        assert watch.snapshot is not None
        assert dict(watch.snapshot.withdrawn) == {"jane": "WD-jane"}
        assert watch.snapshot.version == 2
    await asyncio.to_thread(exempt, other, "jane", ends=NOW + timedelta(days=1))
    await until(lambda: len(changes) == 4)
    assert first.snapshot == second.snapshot
    assert first.snapshot is not None
    live = first.snapshot.exemption("jane", NOW)
    assert live is not None
    assert (live.reference, live.everything, live.categories) == (
        "EX-jane",
        True,
        frozenset({"malware"}),
    )
    assert first.snapshot.exemption("jane", NOW + timedelta(days=1)) is None
    await second.stop()
    await asyncio.to_thread(other.close)


async def test_what_is_undone_is_never_seen(store: Store, watching: Callable[..., Watch]) -> None:
    watch = watching(store)
    await watch.start()

    def fail() -> None:
        with store.changing() as connection:
            connection.execute(
                insert(tables.lockouts).values(subject="a", failures=1, first_at=NOW)
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(fail)
    assert await asyncio.to_thread(store.version) == 1
    with store.reading() as connection:
        assert connection.execute(select(tables.lockouts)).all() == []


async def test_a_database_that_is_killed_and_comes_back(
    place: Place,
    store: Store,
    watching: Callable[..., Watch],
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    clock = Clock()
    watch = watching(store, clock=clock)
    await asyncio.to_thread(withdraw, store, "jane")
    await watch.start()
    before = watch.snapshot
    assert before is not None
    caplog.set_level(logging.WARNING, "watchhouse.standing")
    gone, back = _ways(place, request)
    await asyncio.to_thread(gone)
    await asyncio.to_thread(store.close)  # SQLite would go on with the open file
    await until(lambda: caplog.records)
    clock.now += 600
    failing = _count(watch)
    await until(lambda: len(failing) >= 5)
    assert watch.snapshot is before
    assert watch.age() >= 600
    assert len(caplog.records) == 1
    assert "does not answer" in caplog.text
    assert "last reading" in caplog.text
    await asyncio.to_thread(back)
    await until(lambda: watch.age() == 0)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "answers again" in caplog.text
    await asyncio.to_thread(withdraw, store, "john")
    await until(lambda: watch.snapshot is not None and "john" in watch.snapshot.withdrawn)


def _count(watch: Watch) -> list[int]:
    """Count the looks from now on."""
    looks: list[int] = []
    look = watch._rounds._look

    async def counted() -> None:
        await look()
        looks.append(1)

    watch._rounds._look = counted
    return looks


def _ways(
    place: Place, request: pytest.FixtureRequest
) -> tuple[Callable[[], object], Callable[[], object]]:
    if place.engine == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.kill, server.start
    folder, away = place.paths.data_dir, place.paths.data_dir.with_name("away")
    return lambda: folder.rename(away), lambda: away.rename(folder)


async def test_it_begins_without_a_database(
    place: Place, watching: Callable[..., Watch], caplog: pytest.LogCaptureFixture
) -> None:
    store = place.open()  # no tables yet
    watch = watching(store)
    await watch.start()
    assert (watch.snapshot, watch.age()) == (None, float("inf"))
    assert "there is none yet" in caplog.text
    await asyncio.to_thread(place.migrate)
    await until(lambda: watch.snapshot is not None)
    await watch.stop()
    await asyncio.to_thread(store.close)


async def test_all_is_read_anew_each_minute(store: Store, watching: Callable[..., Watch]) -> None:
    """A database that was restored may have the old version number and other rows."""
    clock = Clock()
    watch = watching(store, clock=clock)
    await watch.start()
    with store.noting() as connection:
        connection.execute(
            insert(tables.withdrawals).values(
                reference="WD-1",
                person="jane",
                reason="test",
                withdrawn_by="boss",
                by_right="psd",
                withdrawn_at=NOW,
            )
        )
    looks = _count(watch)
    await until(lambda: len(looks) >= 3)
    assert watch.snapshot is not None
    assert not watch.snapshot.withdrawn
    clock.now += module.MINUTE
    await until(lambda: watch.snapshot is not None and watch.snapshot.withdrawn)


async def test_uses_and_ends_are_written_down(
    place: Place, store: Store, watching: Callable[..., Watch]
) -> None:
    clock, other = Clock(), place.open()
    await asyncio.to_thread(exempt, store, "jane", ends=NOW)
    await asyncio.to_thread(exempt, store, "john", ends=NOW + timedelta(days=1))
    both = [watching(each, clock=clock, wall=lambda: NOW) for each in (store, other)]
    for watch in both:
        await watch.start()
        for reference in ("EX-john", "EX-john", "EX-nobody"):
            watch.note_use(reference)
    clock.now += module.MINUTE
    await until(lambda: not any(watch._used for watch in both))
    with store.reading() as connection:
        rows = connection.execute(select(tables.exemption_use)).all()
        kinds = connection.execute(
            select(tables.exemption_steps.c.exemption, tables.exemption_steps.c.kind)
        ).all()
    assert [tuple(row) for row in rows] == [(2, NOW.date())]
    assert [tuple(row) for row in kinds] == [(1, "expiry")]
    for watch in both:  # the same day again, and what is written when it stops
        watch.note_use("EX-john")
        await watch.stop()
        assert not watch._used
    await asyncio.to_thread(other.close)


async def test_it_goes_on_looking_while_what_it_writes_waits_for_another_writer(
    tmp_path: Path, watching: Callable[..., Watch], caplog: pytest.LogCaptureFixture
) -> None:
    """A withdrawal is in force within 2 s, whoever writes what meanwhile, for how long it takes."""
    paths = Paths(tmp_path, tmp_path, tmp_path)
    await asyncio.to_thread(migrate, Standing(), paths)
    store, other, clock = open_store(Standing(), paths), open_store(Standing(), paths), Clock()
    await asyncio.to_thread(exempt, store, "john", ends=NOW + timedelta(days=1))
    watch = watching(store, clock=clock, wall=lambda: NOW)
    await watch.start()
    watch.note_use("EX-john")
    held, release = threading.Event(), threading.Event()

    def write() -> None:
        with other.noting():
            held.set()
            release.wait(20)

    writing = asyncio.get_running_loop().run_in_executor(None, write)
    await until(held.is_set)
    clock.now += module.MINUTE
    looks = _count(watch)
    await until(lambda: watch._rounds.noting)
    seen = len(looks)
    await until(lambda: len(looks) >= seen + 5)
    assert watch.age() == 0
    assert watch._used, "that could not be written yet"
    assert not caplog.records, "nor has it been given up"
    release.set()
    await writing
    await until(lambda: not watch._used)
    await watch.stop()
    for each in (store, other):
        await asyncio.to_thread(each.close)


async def test_a_database_that_hangs(
    postgres: Postgres, watching: Callable[..., Watch], caplog: pytest.LogCaptureFixture
) -> None:
    """It takes what is sent and says nothing: no time limit of its own ends that."""
    settings, paths = await asyncio.to_thread(postgres.database), Paths(Path(), Path(), Path())
    await asyncio.to_thread(migrate, settings, paths)
    store, clock = open_store(settings, paths), Clock()
    watch = watching(store, clock=clock, patience=0.2)
    await watch.start()
    before = watch.snapshot
    assert before is not None
    await asyncio.to_thread(postgres.stall)
    try:
        await until(lambda: caplog.records)
        clock.now += 600
        looks = _count(watch)
        await until(lambda: len(looks) >= 3)
        assert watch.snapshot is before
        assert watch.age() >= 600
        assert len(caplog.records) == 1
        assert "does not answer in time" in caplog.text
    finally:
        await asyncio.to_thread(postgres.resume)
    await until(lambda: watch.age() == 0)
    await asyncio.to_thread(withdraw, store, "jane")
    await until(lambda: watch.snapshot is not None and "jane" in watch.snapshot.withdrawn)
    await watch.stop()
    await asyncio.to_thread(store.close)


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\0" + bytes(200)])
async def test_a_damaged_file(
    tmp_path: Path,
    watching: Callable[..., Watch],
    caplog: pytest.LogCaptureFixture,
    damage: bytes,
) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    (tmp_path / "standing.sqlite").write_bytes(damage * 9)
    with pytest.raises(StandingError, match="standing store"):
        await asyncio.to_thread(migrate, Standing(), paths)
    store = open_store(Standing(), paths)
    watch = watching(store)
    await watch.start()
    assert watch.snapshot is None
    assert "there is none yet" in caplog.text
    with pytest.raises(StandingUnavailableError):
        await asyncio.to_thread(store.version)
    await watch.stop()
    await asyncio.to_thread(store.close)


async def test_a_thread_that_is_left_behind() -> None:
    """Cancelled jobs are done all the same; others wait for them; errors go to who asked."""
    thread, began, end = OwnThread("test"), threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        end.wait(20)

    hanging = asyncio.create_task(thread.run(hang))
    await until(began.is_set)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert thread.busy
    after = asyncio.create_task(thread.run(lambda: 7))
    end.set()
    assert await after == 7
    await until(lambda: not thread.busy)
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)
    thread.close()
    await until(lambda: not thread._thread.is_alive())
