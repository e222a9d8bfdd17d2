"""Lock-outs after failed passwords, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from proxy_addons.standing.lockouts import FAILURES, LOCKED, WINDOW, Lockouts, of_address, of_name
from proxy_addons.standing.tables import lockouts as table

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.standing import Store

BEGIN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
JANE, ANN = of_name("jane"), of_name("ann")
DESK = of_address("10.0.0.7")


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def fail(store: Store, *subjects: str, times: int, moment: datetime = BEGIN) -> None:
    for _ in range(times):
        assert Lockouts(store, now=at(moment)).attempt(*subjects) is None


def test_the_sixth_attempt_is_not_made(store: Store):
    fail(store, JANE, times=FAILURES)
    until = BEGIN + LOCKED
    # Each time a new object: nothing is kept outside the store, so a restart changes nothing.
    assert Lockouts(store, now=at(BEGIN)).attempt(JANE) == until
    assert Lockouts(store, now=at(until - timedelta(seconds=1))).attempt(JANE) == until
    assert Lockouts(store, now=at(until)).attempt(JANE) is None, "the end is excluded"
    assert Lockouts(store, now=at(BEGIN)).attempt(ANN) is None


def test_attempts_while_locked_do_not_prolong_it(store: Store):
    fail(store, JANE, times=FAILURES)
    for minutes in range(1, 15):
        later = BEGIN + timedelta(minutes=minutes)
        assert Lockouts(store, now=at(later)).attempt(JANE) == BEGIN + LOCKED


def test_failures_long_ago_do_not_count(store: Store):
    fail(store, JANE, times=FAILURES - 1)
    fail(store, JANE, times=FAILURES - 1, moment=BEGIN + WINDOW)
    assert Lockouts(store, now=at(BEGIN + WINDOW)).lock_ends(JANE) is None


def test_an_address_is_locked_for_all_names(store: Store):
    for number in range(FAILURES):
        fail(store, of_name(f"guess{number}"), DESK, times=1)
    assert Lockouts(store, now=at(BEGIN)).attempt(JANE, DESK) is not None
    assert Lockouts(store, now=at(BEGIN)).attempt(JANE, of_address("10.0.0.8")) is None


def test_success_forgets_the_name_and_one_attempt_of_the_address(store: Store):
    fail(store, JANE, DESK, times=FAILURES - 1)
    lockouts = Lockouts(store, now=at(BEGIN))
    assert lockouts.attempt(JANE, DESK) is None
    lockouts.succeeded(JANE, [DESK])
    assert lockouts.lock_ends(JANE, DESK) is None
    # Somebody with one good password cannot guess on at others' without end.
    fail(store, ANN, DESK, times=1)
    assert lockouts.attempt(ANN, DESK) == BEGIN + LOCKED


def test_a_hundred_at_once_are_not_one(store: Store):
    lockouts = Lockouts(store, now=at(BEGIN))
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: lockouts.attempt(JANE), range(24)))
    assert outcomes.count(None) == FAILURES


def test_names_are_hashed(store: Store):
    fail(store, of_name("my password, in the wrong field"), times=1)
    with store.reading() as connection:
        assert "password" not in str(connection.execute(select(table)).all())
