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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of either engine."""
    paths = Paths(tmp_path, tmp_path, tmp_path / "data")
    if request.param == "sqlite":
        return Place(Standing(), paths, "sqlite")
    if binaries() is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    server: Postgres = request.getfixturevalue("postgres")
    return Place(server.database(), paths, "postgresql")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """A store of either engine with its tables."""
    place.migrate()
    store = place.open()
    yield store
    store.close()
