"""Health as worked out from the workers' shared metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.gate import metricfiles, metrics
from proxy_addons.portal import health

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000.0
BUILT = NOW - 100


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield metricfiles.prepare(tmp_path)
    metrics.stop()


def beat(
    directory: Path,
    number: int,
    *,
    ago: float = 1,
    built: float | None = BUILT,
    healthy: bool = True,
) -> None:
    """A worker's last heartbeat."""
    metrics.start(number, directory).heartbeat(
        now=NOW - ago, index_built=built, log_healthy=healthy, log_lag=0.0
    )


def test_all_well(directory: Path):
    beat(directory, 0)
    beat(directory, 1, built=BUILT - 50)
    found = health.read(directory, 2, NOW)
    assert (found.status, found.problems, found.http_status) == ("ok", (), 200)
    assert found.log_healthy
    assert found.index_age_seconds == 150  # the oldest counts
    assert [worker.worker for worker in found.workers] == [0, 1]


def test_no_folder_is_no_worker(tmp_path: Path):
    found = health.read(tmp_path / "nothing", 2, NOW)
    assert (found.status, found.http_status) == ("down", 503)
    assert found.problems == ("0 of 2 workers are up",)
    assert not found.log_healthy
    assert found.index_age_seconds is None


@pytest.mark.parametrize(
    ("ago", "up"),
    [
        (0, True),
        (health.SILENT_AFTER, True),
        (health.SILENT_AFTER + 0.01, False),
        (-3600, True),  # the clock went back
    ],
)
def test_a_worker_that_falls_silent_is_not_up(directory: Path, ago: float, up: bool):
    beat(directory, 0, ago=ago)
    found = health.read(directory, 1, NOW)
    assert found.workers[0].up is up
    assert found.http_status == (200 if up else 503)


def test_one_silent_worker_degrades(directory: Path):
    beat(directory, 0)
    beat(directory, 1, ago=60)
    found = health.read(directory, 2, NOW)
    assert (found.status, found.http_status) == ("degraded", 200)
    assert found.problems == ("1 of 2 workers are up",)


def test_a_worker_that_cannot_log_is_down_because_it_refuses(directory: Path):
    beat(directory, 0)
    beat(directory, 1, healthy=False)
    found = health.read(directory, 2, NOW)
    assert (found.status, found.http_status) == ("down", 503)
    assert not found.log_healthy
    assert "worker 1 cannot write its access log" in found.problems[0]
    assert found.index_age_seconds == 100


def test_a_silent_workers_log_is_not_held_against_the_others(directory: Path):
    beat(directory, 0)
    beat(directory, 1, ago=60, healthy=False, built=None)
    found = health.read(directory, 2, NOW)
    assert (found.status, found.log_healthy, found.index_age_seconds) == ("degraded", True, 100)


def test_without_an_index_everything_is_refused(directory: Path):
    beat(directory, 0)
    beat(directory, 1, built=None)
    found = health.read(directory, 2, NOW)
    assert (found.status, found.http_status) == ("down", 503)
    assert found.index_age_seconds is None
    assert "no category index" in found.problems[0]


def test_a_worker_before_its_first_heartbeat_is_not_counted(directory: Path):
    metrics.start(0, directory)
    found = health.read(directory, 1, NOW)
    assert found.workers == ()
    assert found.status == "down"


def test_a_dead_worker_that_was_marked_is_gone(directory: Path):
    beat(directory, 0)
    beat(directory, 1)
    metrics.stop()
    metricfiles.mark_dead(directory, 1)
    assert [worker.worker for worker in health.read(directory, 2, NOW).workers] == [0]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 4096, b"\x00\x10\x00\x00garbage"])
def test_a_damaged_file_does_not_hide_the_others(directory: Path, damage: bytes):
    beat(directory, 0)
    (directory / "gauge_livemax_1.db").write_bytes(damage)
    (directory / "counter_1.db").write_bytes(damage)
    assert health.read(directory, 1, NOW).status == "ok"
    body, _ = health.exposition(directory, 1, NOW, "")
    assert b"watchhouse_healthy 1.0" in body


def test_the_exposition_adds_what_is_worked_out(directory: Path):
    beat(directory, 1)
    beat(directory, 3, ago=60)
    body, _ = health.exposition(directory, 2, NOW, "")
    lines = body.decode().splitlines()
    for line in (
        "watchhouse_index_age_seconds 100.0",
        'watchhouse_worker_up{worker="1"} 1.0',
        'watchhouse_worker_up{worker="2"} 0.0',
        'watchhouse_worker_up{worker="3"} 0.0',
        "watchhouse_healthy 1.0",
        'watchhouse_log_lag_seconds{worker="1"} 0.0',
        "watchhouse_request_duration_seconds_count 0.0",
    ):
        assert line in lines, line
    assert 'worker="0"' not in body.decode()  # workers are numbered from 1
