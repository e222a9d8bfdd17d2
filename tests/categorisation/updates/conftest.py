"""A publisher of lists, and an updater of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.certificates import WebAuthority
from support.listserver import ListServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListServer]:
    """One server for a module: names are the tests' own."""
    authority = WebAuthority(tmp_path_factory.mktemp("authority"))
    with ListServer(authority) as server:
        yield server


@pytest.fixture
def lists(publisher: ListServer) -> ListServer:
    """The server, with nothing to offer."""
    publisher.answers.clear()
    publisher.asked.clear()
    publisher.answered.clear()
    return publisher
