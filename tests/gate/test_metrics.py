"""Counting over several workers, through deaths, damage and full disks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from proxy_addons.gate import metricfiles, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

# A worker in miniature: counts so many requests, then does what it is told.
WORKER = """
import os, signal, sys, time
from pathlib import Path
from proxy_addons.gate import metrics
number, directory, requests, ending = sys.argv[1:]
worker = metrics.start(int(number), Path(directory))
for _ in range(int(requests)):
    metrics.count("block", "webmail")
metrics.connection_opened()
metrics.heartbeat(now=1000.0, index_built=900.0, log_healthy=True, log_lag=0.1)
print("attached" if worker.attached else "detached", flush=True)
if ending == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif ending == "waits":
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    yield metricfiles.prepare(tmp_path)
    metrics.stop()
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # `start` sets it; the next test must not see


def worker_process(
    number: int, directory: Path, requests: int, ending: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(number), str(directory), str(requests), ending],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_worker(number: int, directory: Path, requests: int, ending: str = "ends") -> str:
    with worker_process(number, directory, requests, ending) as process:
        said, _ = process.communicate(timeout=30)
    assert process.returncode == (-signal.SIGKILL if ending == "killed" else 0)
    return said.strip()


def samples(directory: Path) -> dict[str, float]:
    """All samples, as Prometheus would name them."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    found = {}
    for family in registry.collect():
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


WEBMAIL = "watchhouse_requests_total{action=block,rule=webmail}"


def test_before_the_start_nothing_is_counted_and_nothing_breaks():
    metrics.stop()
    metrics.count("block", "webmail")
    metrics.observe(1.0)
    metrics.observe_decision(1.0)
    metrics.count_refusal("policy")
    metrics.count_bytes(1, 2)
    metrics.connection_opened()
    metrics.connection_closed()
    metrics.heartbeat(now=1.0, index_built=None, log_healthy=True, log_lag=0.0)


def test_one_process_counts_for_itself_without_a_folder():
    worker = metrics.start(0, None)
    metrics.count("allow", "everything-else")
    metrics.count("allow", "everything-else")
    worker.flush()
    assert worker.registry is not None
    labels = {"action": "allow", "rule": "everything-else"}
    assert worker.registry.get_sample_value("watchhouse_requests_total", labels) == 2
    metrics.stop()


def test_everything_is_counted(directory: Path):
    metrics.start(3, directory)
    metrics.count("block", "webmail")
    metrics.count_refusal("policy")
    metrics.count_bytes(10, 200)
    metrics.count_bytes(-1, 5)  # a byte count that went wrong must not raise into the request
    metrics.observe(0.03)
    metrics.observe_decision(0.00007)
    for _ in range(3):
        metrics.connection_opened()
    metrics.connection_closed()
    metrics.heartbeat(now=1000.0, index_built=900.0, log_healthy=False, log_lag=0.25)
    found = samples(directory)
    expected = {
        WEBMAIL: 1,
        "watchhouse_refusals_total{kind=policy}": 1,
        "watchhouse_bytes_total{direction=up}": 10,
        "watchhouse_bytes_total{direction=down}": 205,
        "watchhouse_request_duration_seconds_count{}": 1,
        "watchhouse_request_duration_seconds_bucket{le=0.025}": 0,
        "watchhouse_request_duration_seconds_bucket{le=0.05}": 1,
        "watchhouse_decision_duration_seconds_bucket{le=5e-05}": 0,
        "watchhouse_decision_duration_seconds_bucket{le=0.0001}": 1,
        "watchhouse_open_connections{worker=3}": 2,
        "watchhouse_worker_heartbeat_timestamp_seconds{worker=3}": 1000,
        "watchhouse_worker_start_timestamp_seconds{worker=3}": 1000,
        "watchhouse_worker_process_id{worker=3}": os.getpid(),
        "watchhouse_index_built_timestamp_seconds{worker=3}": 900,
        "watchhouse_log_healthy{worker=3}": 0,
        "watchhouse_log_lag_seconds{worker=3}": 0.25,
    }
    assert {name: found[name] for name in expected} == expected


def test_workers_add_up_and_a_killed_one_loses_nothing(directory: Path):
    assert run_worker(0, directory, 5, "killed") == "attached"
    assert run_worker(1, directory, 7) == "attached"
    assert samples(directory)[WEBMAIL] == 12
    files = sorted(path.name for path in directory.iterdir())

    metricfiles.mark_dead(directory, 0)
    found = samples(directory)
    assert found[WEBMAIL] == 12
    assert "watchhouse_open_connections{worker=0}" not in found
    assert found["watchhouse_open_connections{worker=1}"] == 1

    # Its successor goes on where it stopped, and leaves no more files than it did.
    assert run_worker(0, directory, 100, "killed") == "attached"
    assert samples(directory)[WEBMAIL] == 112
    assert sorted(path.name for path in directory.iterdir()) == files


def test_one_number_belongs_to_one_process_at_a_time(directory: Path):
    with worker_process(0, directory, 5, "waits") as first:
        assert first.stdout
        assert first.stdout.readline() == "attached\n"
        second = metrics.start(0, directory)
        assert not second.attached
        metrics.count("block", "webmail")
        metrics.heartbeat(now=1001.0, index_built=None, log_healthy=True, log_lag=0.0)
        assert not second.attached
        assert samples(directory)[WEBMAIL] == 5
        first.communicate(timeout=30)
    metrics.heartbeat(now=1002.0, index_built=None, log_healthy=True, log_lag=0.0)
    assert second.attached
    metrics.count("block", "webmail")
    second.flush()
    assert samples(directory)[WEBMAIL] == 7, "what was counted meanwhile is there too"


@pytest.mark.parametrize("name", ["counter_0.db", "histogram_0.db", "gauge_livemax_0.db"])
@pytest.mark.parametrize("damage", [b"\xff" * 4096, (4000).to_bytes(4, "little") + b"\xff" * 4092])
def test_a_damaged_file_is_begun_again(directory: Path, name: str, damage: bytes):
    metrics.start(0, directory)
    metrics.count("block", "webmail")
    metrics.stop()
    path = directory / name
    path.write_bytes(damage + path.read_bytes()[len(damage) :])
    worker = metrics.start(0, directory)
    metrics.count("block", "webmail")
    assert worker.attached
    worker.flush()
    assert samples(directory)[WEBMAIL] == (1 if name == "counter_0.db" else 2)


def test_labels_are_bounded(directory: Path):
    worker = metrics.start(0, directory)
    size = (directory / "counter_0.db").stat().st_size
    for number in range(metrics.MAX_SERIES + 50):
        metrics.count("block", f"rule-{number:0>5}-{'x' * 200}")
        metrics.count_refusal(f"kind-{number}")
        if number == metrics.MAX_SERIES // 2:
            worker.flush()
    worker.flush()
    found = samples(directory)
    series = [name for name in found if name.startswith("watchhouse_requests_total")]
    assert len(series) == metrics.MAX_SERIES + 1
    assert found["watchhouse_requests_total{action=block,rule=other}"] == 50
    # It never grew, so it never wrote into a block that was not its own already.
    assert (directory / "counter_0.db").stat().st_size == size


def test_preparing_clears_what_an_earlier_run_left(tmp_path: Path):
    directory = metricfiles.prepare(tmp_path / "run")
    for name in ("counter_0.db", "gauge_livemax_7.db", "counter_1.new", "worker_0.lock"):
        (directory / name).write_bytes(b"left")
    (directory / "notes.txt").write_text("somebody's own")
    assert directory == metricfiles.directory_of(tmp_path / "run")
    assert metricfiles.prepare(tmp_path / "run") == directory
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]


def test_files_are_allocated_in_full(directory: Path):
    metrics.start(0, directory)
    for path in directory.glob("*.db"):
        status = path.stat()
        assert status.st_blocks * 512 >= status.st_size


# The same worker on a disk of its own that fills up: first while it runs, then before it starts.
FULL_DISK = """
mount -t tmpfs -o size=4m none "$1" || exit 77
exec "$2" - "$1" <<'PYTHON'
import sys
from pathlib import Path
from proxy_addons.gate import metricfiles, metrics

disk = Path(sys.argv[1])
directory = metricfiles.prepare(disk)

def fill():
    with (disk / "filler").open("ab", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            return

worker = metrics.start(0, directory)
fill()
for number in range(1500):
    metrics.count("block", f"rule-{number}")
    metrics.observe(number / 100)
    metrics.count_refusal(f"kind-{number}")
metrics.heartbeat(now=1.0, index_built=None, log_healthy=False, log_lag=9.0)
assert worker.attached
print("survived")

metrics.stop()
late = metrics.start(1, directory)
assert not late.attached
metrics.count("block", "webmail")
metrics.heartbeat(now=2.0, index_built=None, log_healthy=False, log_lag=9.0)
assert not late.attached
(disk / "filler").unlink()
metrics.heartbeat(now=3.0, index_built=None, log_healthy=True, log_lag=0.0)
assert late.attached
metrics.count("block", "webmail")
metrics.stop()
print("recovered")
PYTHON
"""


@pytest.mark.root
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="mounts a small disk: needs root and unshare",
)
def test_a_full_disk_neither_kills_a_worker_nor_stops_one_from_starting(tmp_path: Path):
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(tmp_path), sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode == 77:
        pytest.skip(f"no mount allowed here: {done.stderr.strip()}")
    assert done.stdout.split() == ["survived", "recovered"], done.stderr
    assert done.returncode == 0
