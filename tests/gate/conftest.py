"""A gate with the default policy, a small index, a real log and a clock of the test's own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.signin import signing_in
from support.stage import Stood, make_index, make_settings

from proxy_addons.accesslog import AccessLog
from proxy_addons.categorisation import CategoryIndex
from proxy_addons.gate.facts import RequestFacts
from proxy_addons.gate.gate import Gate, basis_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.gate.facts import Visitor
    from proxy_addons.settings.shifts import Shifts

__all__ = ["signing_in"]

LONDON = ZoneInfo("Europe/London")


class Clock:
    """Wall-clock time that the test sets."""

    def __init__(self, text: str = "2026-11-24 10:30") -> None:
        self.set(text)

    def set(self, text: str) -> None:
        """London time."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp()

    def __call__(self) -> float:
        return self.now


class Doors:
    """A gate, with what is needed to ask it."""

    def __init__(
        self,
        folder: Path,
        index: Path | None,
        changes: dict[str, Any],
        policy: str | None = None,
        shifts: Shifts | None = None,
    ) -> None:
        self.folder = folder
        self.clock = Clock()
        self.settings = make_settings(folder, changes, policy)
        if shifts is not None:
            self.settings = replace(self.settings, shifts=shifts)
        self.index = CategoryIndex.open(index) if index else None
        self.log = AccessLog(folder / "log", 1, clock=self.clock)
        self.log.start()
        self.standing = Stood()
        self.gate = Gate(
            basis_of(self.settings, self.index),
            self.log,
            clock=self.clock,
            standing=self.standing,
        )

    def visitor(self, address: str = "127.0.0.1", tunnel: str = "", sni: str = "") -> Visitor:
        """Somebody who has connected; perhaps inside an inspected tunnel."""
        visitor = self.gate.connected(address, 50000)
        if tunnel:
            assert self.gate.connect(visitor, tunnel).answer is None
            if sni != "none":
                self.gate.client_hello(visitor, sni or None)
                visitor.tls = True
        return visitor

    def records(self) -> list[dict[str, Any]]:
        """All closing records, once all is over."""
        self.log.close()
        return [
            record
            for file in sorted((self.folder / "log").glob("*.jsonl"))
            for line in file.read_bytes().split(b"\n")[:-1]
            if (record := json.loads(line))["event"] == "transaction"
        ]


def facts(url: str = "", **more: Any) -> RequestFacts:
    """The head of a request: `http://host/path` in the clear, or `/path` inside a tunnel."""
    scheme, _, rest = ("", "", url) if url.startswith("/") else url.partition("://")
    authority, slash, path = rest.partition("/")
    given: dict[str, Any] = {
        "method": "GET",
        "target_authority": authority,
        "authority": authority,
        "authorities": 1,
        "path": slash + path,
        "scheme": scheme or "https",
    }
    return RequestFacts(**(given | more))


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def doors_with(tmp_path: Path, small_index: Path) -> Iterator[Callable[..., Doors]]:
    made: list[Doors] = []

    def make(
        changes: dict[str, Any] | None = None,
        *,
        index: bool = True,
        policy: str | None = None,
        shifts: Shifts | None = None,
    ) -> Doors:
        folder = tmp_path / f"gate-{len(made)}"
        made.append(Doors(folder, small_index if index else None, changes or {}, policy, shifts))
        return made[-1]

    yield make
    for each in made:
        each.log.close()


@pytest.fixture
def doors(doors_with: Callable[..., Doors]) -> Doors:
    return doors_with()


@pytest.fixture
def head() -> Callable[..., RequestFacts]:
    return facts
