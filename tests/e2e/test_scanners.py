"""A real gateway with a real scanner, clamd or c-icap: what is found, and what goes wrong with it.

Whatever becomes of the scanner, nothing that it has not looked at is let through. The person may
reach everything: nothing but the scanner is against any of it.

Those that wait until the time is up are run by `scripts/test -m heavy tests/e2e/test_scanners.py`.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from support import clamd as real_clamd
from support import icap as real_icap
from support.clamd import MARKER, VIRUS, RunningClamd
from support.eicar import EICAR, SHAPES
from support.gateway import Gateway, Reply
from support.icap import RunningIcap
from support.procfs import connections
from support.scene import through
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Web

pytestmark = [
    pytest.mark.skipif(not real_clamd.is_installed(), reason="needs clamd (Debian: clamav-daemon)"),
    pytest.mark.skipif(
        not real_icap.is_installed(),
        reason="needs c-icap (Debian: c-icap, libc-icap-mod-virus-scan)",
    ),
]
TIMEOUT = 4
CLEAN = os.urandom(400_000)
INFECTED = os.urandom(400_000) + MARKER
HOST = "scanned.example"


class Scene:
    """A gateway and its scanner.

    Attributes:
        gateway: which has no other.
        scanner: that it asks.
        engine: the clamd behind that, or the scanner itself.
    """

    def __init__(
        self, gateway: Gateway, scanner: RunningClamd | RunningIcap, engine: RunningClamd
    ) -> None:
        self.gateway = gateway
        self.scanner = scanner
        self.engine = engine

    def get(self, path: str) -> Reply:
        """Fetch something."""
        return self.gateway.curl(f"https://{HOST}{path}", "-H", "Accept: application/json")

    def is_refused_as(self, rule: str, path: str, reply: Reply) -> dict[str, object]:
        """Check an answer and its record; gives the record."""
        assert reply.status == 403, reply.text
        assert MARKER not in reply.body
        assert EICAR not in reply.body
        (record,) = self.gateway.records(1, id=json.loads(reply.body)["reference"])
        assert record["url"] == f"https://{HOST}{path}"
        assert (record["action"], record["status"]) == ("block", 403)
        assert record["rule"] == rule
        return record

    def is_well(self) -> None:
        """It looks at what comes, and only that comes through which is clean."""
        assert self.get("/clean.bin").body == CLEAN
        record = self.is_refused_as("virus", "/infected.bin", self.get("/infected.bin"))
        assert record["findings"] == ["file_type=unknown", "virus=found"]


@pytest.fixture(scope="module", params=["clamd", "c-icap"])
def scene(
    request: pytest.FixtureRequest,
    shared_web: Web,
    index: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """A gateway with one scanner, reached over TCP."""
    shared_web.files |= {
        "/clean.bin": (CLEAN, "application/octet-stream"),
        "/infected.bin": (INFECTED, "application/octet-stream"),
    }
    person = {"network": "127.0.0.0/8", "person": "Sample Person", "profile": "unrestricted"}
    with (
        TemporaryDirectory(prefix="wh") as folder,
        RunningClamd(Path(folder), MaxConnectionQueueLength="1") as engine,
        TemporaryDirectory(prefix="wh") as other,
    ):
        icap = RunningIcap(Path(other), engine)
        content: dict[str, dict[str, object]]
        if request.param == "clamd":
            scanner: RunningClamd | RunningIcap = engine
            content = {"clamd": {"servers": engine.tcp, "timeout": TIMEOUT}}
        else:
            scanner = icap
            icap.start()
            content = {"icap": {"url": icap.url, "timeout": TIMEOUT}}
        settings = through(shared_web, identity={"addresses": [person]}, content=content)
        try:
            with Gateway(
                tmp_path_factory.mktemp("g"), settings, index=index, exempt=["Sample Person"]
            ) as gateway:
                yield Scene(gateway, scanner, engine)
        finally:
            icap.kill()
    del shared_web.files["/clean.bin"], shared_web.files["/infected.bin"]


@pytest.mark.parametrize("shape", ["plain", "zip in tar in zip", "tar.xz"])
def test_what_is_found(shape: str, scene: Scene, shared_web: Web) -> None:
    path = f"/found/{shape.replace(' ', '-')}"
    shared_web.files[path] = (SHAPES[shape], "application/octet-stream")
    record = scene.is_refused_as("virus", path, scene.get(path))
    assert record["virus"] == VIRUS
    (alert,) = [
        line for line in scene.gateway.output.read_text().splitlines() if str(record["id"]) in line
    ]
    assert "VIRUS FOUND" in alert
    del shared_web.files[path]


def test_what_is_clean(scene: Scene) -> None:
    scene.is_well()
    if isinstance(scene.scanner, RunningIcap):
        before = scene.scanner.scanned()
        assert scene.get("/clean.bin").body == CLEAN
        come_about(lambda: scene.scanner.scanned() == before + 1)  # type: ignore[union-attr]


def test_it_is_killed_in_the_middle_of_a_scan(scene: Scene) -> None:
    scene.is_well()
    scene.engine.stall()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(scene.get, path) for path in ("/clean.bin", "/infected.bin")]
        come_about(lambda: connections(scene.scanner.port) == len(waiting))
        scene.scanner.kill()
        for path, each in zip(("/clean.bin", "/infected.bin"), waiting, strict=True):
            record = scene.is_refused_as("not-scanned", path, each.result())
            assert record["findings"] == ["file_type=unknown", "virus=unscanned"]
            (why,) = record["members"]  # type: ignore[misc]
            assert "in the middle" in why or "broke" in why or "did not answer" in why, why
            assert "within" not in why, "it was not the time that was up"
    gone = scene.is_refused_as("not-scanned", "/clean.bin", scene.get("/clean.bin"))
    (why,) = gone["members"]  # type: ignore[misc]
    assert "cannot be reached" in why
    if scene.scanner is not scene.engine:
        scene.engine.resume()
    scene.scanner.start()
    scene.is_well()


@pytest.mark.heavy  # it waits until the time is up
def test_it_is_slow(scene: Scene) -> None:
    scene.is_well()
    scene.engine.stall()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(scene.get, path) for path in ("/clean.bin", "/infected.bin")]
        for path, each in zip(("/clean.bin", "/infected.bin"), waiting, strict=True):
            record = scene.is_refused_as("not-scanned", path, each.result())
            (why,) = record["members"]  # type: ignore[misc]
            assert f"within {TIMEOUT} s" in why
    scene.engine.resume()
    scene.is_well()


@pytest.mark.heavy  # it waits until the time is up
def test_it_is_full(scene: Scene) -> None:
    scene.is_well()
    with scene.scanner.full():
        record = scene.is_refused_as("not-scanned", "/infected.bin", scene.get("/infected.bin"))
        (why,) = record["members"]  # type: ignore[misc]
        assert f"within {TIMEOUT} s" in why
    scene.is_well()


def test_there_is_room_again_in_time(scene: Scene) -> None:
    scene.is_well()
    with ThreadPoolExecutor() as pool:
        with scene.scanner.full():
            waiting = pool.submit(scene.get, "/infected.bin")
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
        scene.is_refused_as("virus", "/infected.bin", waiting.result())
