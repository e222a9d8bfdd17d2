"""Both engines: each test that asks for a store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.postgres import Postgres, binaries, postgres  # noqa: F401 - the fixture

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import migrate, open_store

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
    """An empty store of either engine."""
    return made(request.param, tmp_path, request)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """A store of either engine with its tables."""
    place.migrate()
    store = place.open()
    yield store
    store.close()


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
