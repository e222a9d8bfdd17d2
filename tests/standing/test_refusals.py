"""Refusals: counted in memory, added once each, whatever becomes of an answer of the store."""

from __future__ import annotations

import contextlib
import logging
import threading
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from proxy_addons.standing import StandingUnavailableError, Store
from proxy_addons.standing import refusals as module
from proxy_addons.standing.refusals import Refusals, by_person
from proxy_addons.standing.tables_shifts import refusal_portions
from proxy_addons.standing.tables_shifts import refusals as table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place
    from sqlalchemy import Connection

TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)


def rows(store: Store) -> dict[tuple[str, date, str], int]:
    with store.reading() as connection:
        columns = (table.c.person, table.c.day, table.c.rule, table.c.count)
        found = connection.execute(select(*columns)).all()
    return {(each.person, each.day, each.rule): each[3] for each in found}


class Fickle(Store):
    """A real store whose answers get lost: before the commit, or after it."""

    def __init__(self, real: Store) -> None:
        super().__init__(real.engine, real.place)
        self.lost: list[str] = []

    @contextlib.contextmanager
    def noting(self) -> Iterator[Connection]:
        how = self.lost.pop(0) if self.lost else ""
        with super().noting() as connection:
            yield connection
            if how == "before":
                raise StandingUnavailableError("gone before the commit")
        if how == "after":
            raise StandingUnavailableError("gone when the commit was done")


def test_numbers_grow_by_what_each_worker_counts(store: Store) -> None:
    first, second = Refusals(), Refusals()
    for _ in range(3):
        first.count("jane", TODAY, "games")
    first.count("jane", TODAY, "webmail")
    first.count("jane", TODAY + DAY, "games")
    second.count("jane", TODAY, "games")
    second.count("tom", TODAY, "games")
    assert (first.flush(store), second.flush(store)) == (3, 2)
    first.count("jane", TODAY, "games")
    assert (first.flush(store), first.flush(store)) == (1, 0)
    assert rows(store) == {
        ("jane", TODAY, "games"): 5,
        ("jane", TODAY, "webmail"): 1,
        ("jane", TODAY + DAY, "games"): 1,
        ("tom", TODAY, "games"): 1,
    }
    assert by_person(store, ["jane", "zoe"], TODAY, TODAY) == {"jane": {"games": 5, "webmail": 1}}
    assert by_person(store, ["jane"], TODAY + DAY, TODAY + DAY) == {"jane": {"games": 1}}


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_answer_that_is_lost_loses_and_doubles_nothing(store: Store, lost: str) -> None:
    counting, fickle = Refusals(), Fickle(store)
    counting.count("jane", TODAY, "games")
    fickle.lost = [lost, lost]
    for _ in range(2):
        with pytest.raises(StandingUnavailableError):
            counting.flush(fickle)
        counting.count("jane", TODAY, "games")  # meanwhile
    assert len(counting) == 2
    assert counting.flush(fickle) == 2
    assert rows(store) == {("jane", TODAY, "games"): 3}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(("jane", "tom")), st.sampled_from(("games", "webmail"))),
            st.sampled_from(("", "before", "after")),
        ),
        max_size=30,
    ),
    st.integers(1, 3),
)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_lost_when_all_that_was_counted_is_there(
    store: Store, steps: list[tuple[str, str] | str], portion: int
) -> None:
    with store.noting() as connection:
        connection.execute(delete(table))
        connection.execute(delete(refusal_portions))
    counting, fickle = Refusals(), Fickle(store)
    expected: dict[tuple[str, date, str], int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", portion)
        for step in steps:
            if isinstance(step, tuple):
                person, rule = step
                counting.count(person, TODAY, rule)
                expected[person, TODAY, rule] = expected.get((person, TODAY, rule), 0) + 1
            else:
                fickle.lost = [step]
                with contextlib.suppress(StandingUnavailableError):
                    counting.flush(fickle)
        fickle.lost = []
        counting.flush(fickle)
    assert len(counting) == 0
    assert rows(store) == expected


def test_a_flush_is_one_statement_for_all(store: Store, statements: list[str]) -> None:
    counting = Refusals()
    for number in range(4000):
        counting.count(f"person-{number}", TODAY, "games")
    assert counting.flush(store) == 4000
    assert len(statements) == 2, statements  # that it is new, and all the rows
    assert statements[1].startswith("INSERT INTO refusals")
    statements.clear()
    assert counting.flush(store) == 0
    assert statements == [], "nothing to write"


def test_no_worker_reads_because_of_it(store: Store) -> None:
    before = store.shift_version()
    counting = Refusals()
    counting.count("jane", TODAY, "games")
    counting.flush(store)
    assert store.shift_version() == before


def test_names_are_values_and_no_part_of_a_statement(store: Store) -> None:
    names = [
        "o'brien",
        'quote"',
        "comma,{}",
        "back\\slash",
        "null",
        "\N{GRINNING FACE}",
        "%s",
        "a:b",
    ]
    counting = Refusals()
    for name in names:
        counting.count(name, TODAY, "games")
    counting.flush(store)
    assert sorted(person for person, _, _ in rows(store)) == sorted(names)


def test_memory_is_bounded_and_what_found_no_room_is_said(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "ROWS", 5)
    counting = Refusals()
    for number in range(30):
        counting.count(f"person-{number}", TODAY, "games")
    counting.count("person-3", TODAY, "games")  # there already: it goes on
    assert len(counting) == 10
    with caplog.at_level(logging.WARNING):
        assert counting.flush(store) == 10
    assert rows(store)["person-3", TODAY, "games"] == 2
    (said,) = [each.getMessage() for each in caplog.records]
    assert said.startswith("20 refusals are in no figures")


def test_several_workers_write_at_once(place: Place, store: Store) -> None:
    """The same people from all of them: no deadlock, nothing lost."""
    stores = [place.open() for _ in range(4)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        counting = Refusals()
        try:
            for _ in range(10):
                for person in range(50):
                    name = f"person-{(person * (2 * number + 1)) % 50}"
                    counting.count(name, TODAY, "games")
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
    assert sum(rows(store).values()) == 4 * 10 * 50


def test_what_is_counted_while_it_is_written_is_there(store: Store) -> None:
    counting = Refusals()
    times, people = 60, 20

    def count() -> None:
        for _ in range(times):
            for number in range(people):
                counting.count(f"person-{number}", TODAY, "games")

    thread = threading.Thread(target=count)
    thread.start()
    while thread.is_alive():
        counting.flush(store)
    thread.join()
    counting.flush(store)
    assert set(rows(store).values()) == {times}
    assert len(rows(store)) == people
