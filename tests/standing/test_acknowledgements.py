"""Acknowledgements on both engines: by version, for a year, kept for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from proxy_addons.standing import StandingError, StepRefusedError
from proxy_addons.standing.acknowledgements import Acknowledgement, Acknowledgements
from proxy_addons.standing.statement import Statement
from proxy_addons.standing.tables_shifts import rota_cover, statements

if TYPE_CHECKING:
    from proxy_addons.standing import Store

BEGIN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = count(1)


class World:
    """One person, and statements that nobody else acknowledges."""

    def __init__(self, store: Store, renewed: int = 365) -> None:
        self.store = store
        number = next(_numbers)
        self.person = f"ann{number}"
        self.first, self.second = (Statement.of(f"# Use\n\n{number}{each}\n") for each in "ab")
        self.now = BEGIN
        self.kept = Acknowledgements(store, renewed, clock=lambda: self.now)

    def ok(self, statement: Statement | None = None, person: str | None = None) -> Acknowledgement:
        statement = statement or self.first
        return self.kept.acknowledge(
            statement,
            person or self.person,
            seen=statement.version,
            client_ip="10.0.0.7",
            how="kerberos",
        )


@pytest.fixture
def world(shared: Store) -> World:
    return World(shared)


def test_who_when_which_and_from_where(world: World) -> None:
    version = world.store.shift_version()
    made = world.ok(person=f" {world.person.upper()}")
    assert made == Acknowledgement(
        id=made.id,
        person=world.person,
        version=world.first.version,
        at=BEGIN,
        client_ip="10.0.0.7",
        how="kerberos",
        until=BEGIN + 365 * DAY,
        change=version + 1,
    )
    assert world.kept.of_person(world.person) == (made,)
    assert world.kept.all(world.first.version) == (made,)
    assert made in world.kept.all()
    assert world.kept.who_has(world.first.version) == {world.person: made}
    assert world.kept.text_of(world.first.version) == world.first.text
    assert (world.first.version, BEGIN) in world.kept.versions()


def test_a_second_click_changes_nothing(world: World) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(lambda _: world.ok(), range(8)))
    assert world.kept.of_person(world.person) == tuple(made)
    assert len(made) == 1


def test_it_is_renewed(world: World) -> None:
    first = world.ok()
    world.now = BEGIN + 182 * DAY
    assert world.ok() == first
    world.now = BEGIN + 183 * DAY
    second = world.ok()
    assert second.until == world.now + 365 * DAY
    assert world.kept.who_has(world.first.version) == {world.person: second}
    assert world.kept.of_person(world.person) == (first, second)
    world.now = second.until - timedelta(microseconds=1)
    assert world.person in world.kept.who_has(world.first.version)
    world.now = second.until
    assert world.kept.who_has(world.first.version) == {}, "the end is excluded"
    assert world.ok().at == world.now


def test_a_new_version_is_another(world: World) -> None:
    first = world.ok()
    assert world.kept.who_has(world.second.version) == {}
    second = world.ok(world.second)
    assert world.kept.who_has(world.first.version) == {world.person: first}
    assert world.kept.who_has(world.second.version) == {world.person: second}
    assert world.kept.text_of(world.first.version) != world.kept.text_of(world.second.version)


def test_what_was_not_seen_is_not_acknowledged(world: World) -> None:
    with pytest.raises(StepRefusedError, match=r"has changed.*Inf/27 3\.8") as caught:
        world.kept.acknowledge(
            world.second, world.person, seen=world.first.version, client_ip="", how="basic"
        )
    assert caught.value.rule == "statement"
    assert world.kept.of_person(world.person) == ()
    assert world.kept.text_of(world.second.version) is None


def test_nobody_acknowledges_nothing(world: World) -> None:
    with pytest.raises(StepRefusedError, match="no login name"):
        world.ok(person="\n")


def test_no_text_passes_for_another(world: World) -> None:
    version = world.first.version
    values = {"version": version, "digest": "0" * 64, "text": "Other", "first_seen": BEGIN}
    with world.store.noting() as connection:
        connection.execute(insert(statements).values(values))
    with pytest.raises(StandingError, match=f"another text with the version {version}"):
        world.ok()
    assert world.kept.of_person(world.person) == ()


def test_everybody_whom_the_store_has_heard_of(world: World) -> None:
    world.ok()
    day = BEGIN.date()
    on_rota = f"rota-{world.person}"
    with world.store.shifting() as (connection, change):
        values = {"person": on_rota, "first": day, "last": day, "change": change}
        connection.execute(insert(rota_cover).values(values))
    assert {world.person, on_rota} <= world.kept.known_people()
    assert f"never-{world.person}" not in world.kept.known_people()
