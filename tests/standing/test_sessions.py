"""Sessions of the portal, on both engines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from proxy_addons.standing.sessions import Sessions
from proxy_addons.standing.tables import sessions as table

if TYPE_CHECKING:
    from proxy_addons.standing import Store

BEGIN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIFE, IDLE = 28800.0, 1800.0


@dataclass
class Clock:
    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(store: Store, clock: Clock) -> Sessions:
    return Sessions(store, LIFE, IDLE, now=clock)


def rows(store: Store) -> list[dict[str, object]]:
    with store.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_the_store_keeps_a_hash_and_the_browser_the_id(sessions: Sessions, store: Store):
    session_id, made = sessions.begin("jane", "accounts")
    assert len(session_id) == 43, "256 bits in base64url"
    assert sessions.find(session_id) == made
    assert session_id not in str(rows(store))
    assert sessions.find(str(rows(store)[0]["id_hash"])) is None, "the hash is no id"
    other, _ = sessions.begin("jane", "accounts")
    assert other != session_id
    assert len({row["csrf"] for row in rows(store)}) == 2


@pytest.mark.parametrize("wrong", ["", "x", "x" * 43, "é", "\udc80", "' OR 1=1"])
def test_what_is_no_id_is_nobody(sessions: Sessions, wrong: str):
    sessions.begin("jane", "accounts")
    assert sessions.find(wrong) is None


def test_it_ends_when_it_is_not_used(sessions: Sessions, clock: Clock):
    session_id, _ = sessions.begin("jane", "accounts")
    clock.go_on(seconds=IDLE - 1)
    assert sessions.find(session_id) is not None
    clock.go_on(seconds=IDLE - 1)
    assert sessions.find(session_id) is not None, "the last use counts"
    clock.go_on(seconds=IDLE)
    assert sessions.find(session_id) is None


def test_it_ends_however_much_it_is_used(sessions: Sessions, clock: Clock):
    session_id, _ = sessions.begin("jane", "accounts")
    while clock.now - BEGIN < timedelta(seconds=LIFE):
        assert sessions.find(session_id) is not None
        clock.go_on(minutes=10)
    assert sessions.find(session_id) is None


def test_a_proof_changes_the_id_and_not_the_end(sessions: Sessions, clock: Clock):
    old, before = sessions.begin("jane", "accounts")
    clock.go_on(minutes=20)
    renewed = sessions.prove_again(old, "accounts")
    assert renewed is not None
    new, after = renewed
    assert sessions.find(old) is None
    assert after.created_at == before.created_at
    assert after.proven_at == clock.now
    assert after.csrf != before.csrf
    assert sessions.find(new) == after
    assert sessions.prove_again(old, "accounts") is None


def test_signing_in_ends_the_session_before(sessions: Sessions):
    old, _ = sessions.begin("jane", "accounts")
    new, _ = sessions.begin("ann", "accounts", instead_of=old)
    assert sessions.find(old) is None
    assert sessions.find(new) is not None


def test_ends(sessions: Sessions):
    first, _ = sessions.begin("jane", "accounts")
    second, _ = sessions.begin("jane", "kerberos")
    third, _ = sessions.begin("ann", "kerberos")
    assert sessions.count("jane") == 2
    sessions.end(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
    assert sessions.end_all("jane") == 1
    assert sessions.find(second) is None
    assert sessions.find(third) is not None


def test_what_is_over_is_swept(sessions: Sessions, store: Store, clock: Clock):
    sessions.begin("jane", "accounts")
    clock.go_on(seconds=IDLE)
    sessions.begin("ann", "accounts")
    assert [row["person"] for row in rows(store)] == ["ann"]
