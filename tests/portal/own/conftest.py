"""One's own pages: a portal whose gateway knows jane and mona by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from support.portal import Clock, House, served
from support.postgres import Postgres, binaries
from support.shifts import MORNING, known

from proxy_addons.settings.people import Standing
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Standing:
    """Where the store is: in SQLite, unless a test asks for both by `both_engines`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return Standing()
    if binaries() is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def settings(tmp_path: Path, engine: Standing) -> Settings:
    return known(tmp_path, "jane", "mona", standing=engine)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = open_store(settings.standing, settings.paths)
    yield made
    made.close()


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """It is Monday, 10:30."""
    async with served(settings, Clock(MORNING)) as made:
        yield made
