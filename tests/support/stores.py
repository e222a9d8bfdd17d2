"""Both engines: each test that asks for a store runs on SQLite and on PostgreSQL.

In: nothing. Out: fixtures; a room's conftest.py imports those that it needs.
Must never: be imported by what is tested.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import (
    open_store,
    tables_alerts,
    tables_api,
    tables_audit,
    tables_erasure,
    tables_retention,
    tables_sampling,
    tables_searches,
    tables_shifts,
)
from proxy_addons.standing.store import file_of
from proxy_addons.standing.upgrade import migrate
from support.postgres import Postgres, binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.standing import Store


@dataclass(frozen=True)
class Place:
    """Where an empty store is to be made."""

    settings: Standing
    paths: Paths
    engine: str

    def open(self) -> Store:
        return open_store(self.settings, self.paths)

    def migrate(self) -> None:
        migrate(self.settings, self.paths)


ENGINES = ("sqlite", "postgresql")
# Each module adds its tables to the one `metadata`.
TABLES = (
    *(tables_shifts, tables_audit, tables_retention, tables_sampling, tables_alerts, tables_api),
    *(tables_erasure, tables_searches),
)


def made(engine: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    paths = Paths(folder, folder, folder / "data")
    if engine == "sqlite":
        return Place(Standing(), paths, engine)
    if binaries() is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    server: Postgres = request.getfixturevalue("postgres")
    return Place(server.database(), paths, engine)


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of either engine; with its tables for tests that ask for `store` besides."""
    if "store" not in request.fixturenames:
        return made(request.param, tmp_path, request)
    ready: Place = request.getfixturevalue(f"ready_{request.param}")
    if request.param == "postgresql":
        _empty(ready, request.getfixturevalue("postgres"))
        return ready
    paths = Paths(tmp_path, tmp_path, tmp_path / "data")
    paths.data_dir.mkdir()
    shutil.copy(file_of(ready.paths), file_of(paths))
    return Place(Standing(), paths, "sqlite")


@pytest.fixture(scope="session")
def ready_sqlite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A file with tables, to be copied: migrations are tested elsewhere, and take their time."""
    place = made("sqlite", tmp_path_factory.mktemp("ready"), request)
    place.migrate()
    return place


@pytest.fixture(scope="session")
def ready_postgresql(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """A database with tables, emptied for each test."""
    place = made("postgresql", tmp_path_factory.mktemp("ready"), request)
    place.migrate()
    return place


def _empty(place: Place, server: Postgres) -> None:
    """All tables as the migrations left them, past the triggers."""
    assert place.settings.url is not None
    names = ", ".join(each for each in TABLES[0].metadata.tables if each != "versions")
    server.run(
        "BEGIN; SET LOCAL session_replication_role = replica;"
        f" TRUNCATE {names} RESTART IDENTITY; UPDATE versions SET version = 1; COMMIT",
        place.settings.url.rpartition("/")[2],
    )


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """A store of either engine with its tables."""
    store = place.open()
    yield store
    store.close()


@pytest.fixture
def both_stores(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[Place, Store]]:
    """A store of each engine with its tables, for tests that take their time."""
    stores = {}
    for engine in ENGINES:
        place = made(engine, tmp_path / engine, request)
        place.migrate()
        stores[place] = place.open()
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture
def statements(store: Store) -> Iterator[list[str]]:
    """What is sent to the database of `store`, but for the beginning and end of a transaction."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    yield sent
    event.remove(store.engine, "before_cursor_execute", note)


@pytest.fixture(params=ENGINES, scope="module")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store that the tests of a module share, each with people of its own."""
    place = made(request.param, tmp_path_factory.mktemp("standing"), request)
    place.migrate()
    store = place.open()
    yield store
    store.close()
