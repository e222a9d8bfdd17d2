"""Minutes: counted in memory, written once each, whoever else writes them; days that are closed."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select

from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing import StandingUnavailableError, Store
from proxy_addons.standing import minutes as module
from proxy_addons.standing.dutydays import Days
from proxy_addons.standing.journal import Entry, Journal, leftovers
from proxy_addons.standing.minutes import Row, Tally, Total, fold, take_over, totals, used, write
from proxy_addons.standing.tables_shifts import minute_totals
from proxy_addons.standing.tables_shifts import minutes as table

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place
    from support.postgres import Postgres

LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def days(**settings: time) -> Days:
    return Days(LONDON, Shifts(**settings))


def tally() -> Tally:
    return Tally(days().at)


def rows(store: Store) -> list[tuple[str, datetime, date, bool]]:
    with store.reading() as connection:
        columns = (table.c.person, table.c.minute, table.c.day, table.c.social)
        found = connection.execute(select(*columns).order_by(*columns[:2])).all()
    return [(each.person, each.minute, each.day, each.social) for each in found]


def changes(store: Store) -> dict[datetime, int]:
    with store.reading() as connection:
        found = connection.execute(select(table.c.minute, table.c.change)).all()
    return {each.minute: each.change for each in found}


def test_each_minute_is_one_row(store: Store) -> None:
    counting = tally()
    for seconds in (0, 1, 59.999999, 60, 61, 3600):
        counting.count("jane", NOON + timedelta(seconds=seconds), False)
    counting.count("john", NOON.astimezone(LONDON), True)
    assert len(counting) == 2
    assert counting.flush(store) == 4
    assert len(counting) == 0
    assert rows(store) == [
        ("jane", NOON, TODAY, False),
        ("jane", NOON + MINUTE, TODAY, False),
        ("jane", NOON + 60 * MINUTE, TODAY, False),
        ("john", NOON, TODAY, True),
    ]
    assert used(store, "jane", TODAY) == Total(3, 0)
    assert used(store, "john", TODAY) == Total(1, 1)
    assert used(store, "john", TODAY - timedelta(days=1)) == Total()
    assert counting.flush(store) == 0


def test_who_counts_a_minute_again_changes_nothing_but_that_it_was_social(store: Store) -> None:
    first, second = tally(), tally()
    first.count("jane", NOON, False)
    first.count("jane", NOON + MINUTE, True)
    first.flush(store)
    before = changes(store)
    second.count("jane", NOON, True)
    second.count("jane", NOON + MINUTE, False)
    second.flush(store)
    assert rows(store) == [
        ("jane", NOON, TODAY, True),
        ("jane", NOON + MINUTE, TODAY, True),
    ]
    after = changes(store)
    assert after[NOON] > before[NOON]  # others have to learn of it
    assert after[NOON + MINUTE] == before[NOON + MINUTE]


def test_a_minute_belongs_to_the_duty_day_that_it_is_in(store: Store) -> None:
    counting = tally()
    for text in ("2026-11-24 04:59:59", "2026-11-24 05:00", "2028-02-29 12:00", "2028-03-01 04:00",
                 "2026-10-25 01:30", "2026-03-29 05:00"):  # fmt: skip
        local = datetime.fromisoformat(text).replace(tzinfo=LONDON)
        counting.count("jane", local, False)
        counting.count("jane", local.replace(fold=1), False)  # another one where it comes twice
    counting.flush(store)
    assert [(minute.astimezone(LONDON).strftime("%m-%d %H:%M"), day.isoformat())
            for _, minute, day, _ in rows(store)] == [
        ("03-29 05:00", "2026-03-29"),
        ("10-25 01:30", "2026-10-24"),
        ("10-25 01:30", "2026-10-24"),
        ("11-24 04:59", "2026-11-23"),
        ("11-24 05:00", "2026-11-24"),
        ("02-29 12:00", "2028-02-29"),
        ("03-01 04:00", "2028-02-29"),
    ]  # fmt: skip


def test_a_flush_is_one_statement_for_all(store: Store, statements: list[str]) -> None:
    counting = tally()
    for number in range(4000):
        counting.count(f"person-{number}", NOON, number % 2 == 0)
    assert counting.flush(store) == 4000
    assert len(statements) == 2, statements  # the version, and all the rows
    assert statements[0].startswith("UPDATE versions")
    assert statements[1].startswith("INSERT INTO minutes")


def test_very_many_go_in_parts(
    store: Store, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 10)
    counting = tally()
    for number in range(4):
        for minute in range(7):
            counting.count(f"person-{number}", NOON + minute * MINUTE, False)
    for minute in range(25):
        counting.count("somebody", NOON + minute * MINUTE, False)
    assert counting.flush(store) == 4 * 7 + 25
    assert len(statements) == 2 * 5
    assert len(rows(store)) == 4 * 7 + 25


def test_nothing_is_written_where_nothing_was_counted(store: Store, statements: list[str]) -> None:
    assert tally().flush(store) == 0
    write(store, [])
    take_over(store, [], days())
    assert statements == []


def test_names_are_values_and_no_part_of_a_statement(store: Store) -> None:
    names = ["o'brien", 'quote"', "comma,{}", "back\\slash", "null", "éà\N{GRINNING FACE}", "%s"]
    counting = tally()
    for name in names:
        counting.count(name, NOON, False)
    counting.flush(store)
    assert sorted(each[0] for each in rows(store)) == sorted(names)


def test_nothing_is_forgotten_while_the_store_is_away(place: Place, store: Store) -> None:
    counting = tally()
    counting.count("jane", NOON, False)
    broken = place.open()
    trouble = StandingUnavailableError("away")

    def refuse(*_: object) -> None:
        # What is counted while it is tried is not forgotten either.
        counting.count("jane", NOON + MINUTE, True)
        raise trouble

    event.listen(broken.engine, "before_cursor_execute", refuse)
    for _ in range(3):
        with pytest.raises(StandingUnavailableError):
            counting.flush(broken)
    broken.close()
    assert counting.flush(store) == 2
    assert rows(store) == [("jane", NOON, TODAY, False), ("jane", NOON + MINUTE, TODAY, True)]


def test_what_was_written_before_the_trouble_is_not_written_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 1)
    counting = tally()
    for number in range(4):
        counting.count(f"person-{number}", NOON, False)
    real, calls = module.write, []

    def fail_at_the_third(to: Store, some: list[Row]) -> None:
        calls.append(some)
        if len(calls) == 3:
            raise StandingUnavailableError("away")
        real(to, some)

    monkeypatch.setattr(module, "write", fail_at_the_third)
    with pytest.raises(StandingUnavailableError):
        counting.flush(store)
    assert len(counting) == 2
    assert counting.flush(store) == 2
    assert len(rows(store)) == 4


def test_memory_is_bounded_however_long_the_store_is_away() -> None:
    counting = tally()
    nowhere = _Nowhere()
    for day in range(60):
        for minute in range(0, 24 * 60, 7):
            counting.count("jane", NOON + timedelta(days=day) + minute * MINUTE, False)
        with pytest.raises(StandingUnavailableError):
            counting.flush(nowhere)
    assert len(counting) <= module.MOST_DAYS
    # A whole day of minutes is two numbers.
    biggest = max(each.personal.bit_length() for each in counting._pending.values())
    assert biggest <= 25 * 60


class _Nowhere(Store):
    """A store that does not answer."""

    is_postgres = True

    def __init__(self) -> None:
        pass

    def shifting(self) -> None:  # type: ignore[override]
        raise StandingUnavailableError("nowhere")


def test_two_threads_count_and_write(store: Store) -> None:
    """What is counted while it is written is in this writing, or in the next."""
    counting = tally()
    people, minutes = 20, 60

    def count() -> None:
        for minute in range(minutes):
            for number in range(people):
                counting.count(f"person-{number}", NOON + minute * MINUTE, False)

    thread = threading.Thread(target=count)
    thread.start()
    while thread.is_alive():
        counting.flush(store)
    thread.join()
    counting.flush(store)
    assert len(rows(store)) == people * minutes


def test_several_workers_write_at_once(place: Place, store: Store) -> None:
    """The same minutes from all of them: no deadlock, each row once."""
    stores = [place.open() for _ in range(4)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        counting = tally()
        try:
            for minute in range(10):
                for person in range(50):
                    name = f"person-{(person * (number + 1)) % 50}"  # each in an order of its own
                    counting.count(name, NOON + minute * MINUTE, number == 0)
                counting.flush(stores[number])
        except BaseException as problem:  # noqa: BLE001 - the test shows it
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for each in stores:
        each.close()
    assert failures == []
    assert len(rows(store)) == 10 * len({(p * n) % 50 for p in range(50) for n in range(1, 5)})


# Journals.


def left(folder: Path) -> list[Entry]:
    found = []
    for each in leftovers(folder):
        with each:
            found += each.entries()
    return found


def test_the_journal_has_what_the_store_has_not(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    counting = tally()
    counting.count("before", NOON, False)
    journal = Journal.new(folder)
    counting.journal_in(journal)
    counting.count("jane", NOON, False)
    counting.count("jane", NOON, False)
    counting.count("jane", NOON, True)
    with pytest.raises(StandingUnavailableError):
        counting.flush(_Nowhere())
    counting.count("john", NOON, False)
    counting.journal_in(None)
    journal.close(remove=False)
    assert left(folder) == [
        Entry("before", NOON, social=False),
        Entry("jane", NOON, social=False),
        Entry("jane", NOON, social=True),
        Entry("john", NOON, social=False),
    ]
    take_over(store, left(folder), days())
    assert rows(store) == [
        ("before", NOON, TODAY, False),
        ("jane", NOON, TODAY, True),
        ("john", NOON, TODAY, False),
    ]


def test_what_is_written_down_leaves_the_journal(store: Store, tmp_path: Path) -> None:
    counting = tally()
    journal = Journal.new(tmp_path / "journals")
    counting.journal_in(journal)
    counting.count("jane", NOON, False)
    counting.flush(store)
    counting.count("john", NOON, False)
    journal.close(remove=False)
    assert left(tmp_path / "journals") == [Entry("john", NOON, social=False)]


# Days that are over.


def test_days_are_folded_and_count_as_before(store: Store) -> None:
    counting = tally()
    for day in range(3):
        for minute in range(5):
            at = NOON + timedelta(days=day) + minute * MINUTE
            counting.count("jane", at, minute < 2)
            counting.count("john", at, False)
    counting.flush(store)
    last = TODAY + timedelta(days=2)
    before = totals(store, ["jane", "john"], TODAY, last)
    assert before == {
        (name, TODAY + timedelta(days=day)): Total(5, social)
        for day in range(3)
        for name, social in (("jane", 2), ("john", 0))
    }
    assert fold(store, last) == 20
    assert fold(store, last) == 0
    assert {each[2] for each in rows(store)} == {last}
    assert totals(store, ["jane", "john"], TODAY, last) == before
    assert used(store, "jane", TODAY) == Total(5, 2)
    assert totals(store, [], TODAY, last) == {}
    # A worker that could not write before comes late.
    counting.count("jane", NOON + 30 * MINUTE, True)
    counting.flush(store)
    assert used(store, "jane", TODAY) == Total(6, 3)
    assert fold(store, last) == 1
    assert used(store, "jane", TODAY) == Total(6, 3)
    with store.reading() as connection:
        assert len(connection.execute(select(minute_totals)).all()) == 4


def test_some_people_of_a_day_are_folded_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others can write between two of them."""
    monkeypatch.setattr(module, "PEOPLE", 2)
    counting = tally()
    people = [f"person-{number}" for number in range(5)]
    for day in range(2):
        for number, person in enumerate(people):
            for minute in range(number + 1):
                at = NOON + timedelta(days=day) + minute * MINUTE
                counting.count(person, at, minute == 0)
    counting.flush(store)
    last = TODAY + timedelta(days=2)
    before = totals(store, people, TODAY, last)
    portions = []
    for written in module.folding(store, last):
        portions.append(written)
        assert totals(store, people, TODAY, last) == before
    assert len(portions) == 2 * 3
    assert sum(portions) == 2 * (1 + 2 + 3 + 4 + 5)
    assert rows(store) == []


def test_folding_that_fails_halfway_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = tally()
    counting.count("jane", NOON, False)
    counting.flush(store)
    monkeypatch.setattr(module, "delete", lambda _table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fold(store, TODAY + timedelta(days=1))
    assert used(store, "jane", TODAY) == Total(1, 0)


def test_a_database_that_is_killed_loses_no_minute(
    place: Place, store: Store, request: pytest.FixtureRequest
) -> None:
    if place.engine != "postgresql":
        pytest.skip("a file cannot be killed")
    server: Postgres = request.getfixturevalue("postgres")
    counting = tally()
    counting.count("jane", NOON, False)
    server.kill()
    with pytest.raises(StandingUnavailableError):
        counting.flush(store)
    server.start()
    assert counting.flush(store) == 1
    assert used(store, "jane", TODAY) == Total(1, 0)
