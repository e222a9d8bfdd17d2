"""Real faults: processes that are killed, disks that are full, folders that go read-only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog import AccessLog, AccessLogError
from proxy_addons.accesslog.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
}


def run(program: str, *arguments: object, under: tuple[str, ...] = ()) -> dict[str, Any]:
    """Runs one of the programs to its end and returns what it printed last."""
    command = [*under, sys.executable, PROGRAMS / program, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | {"PYTHONFAULTHANDLER": "1"},
    ) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it then says where each of its threads is
            out, err = process.communicate()
    assert process.returncode == 0, err
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def spoken(process: subprocess.Popen[bytes]) -> list[Any]:
    """Returns what a program says next, in JSON; its operational log goes by."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.startswith(b"["):
            said: list[Any] = json.loads(line)
            return said
    raise AssertionError("the program ended by itself")


@pytest.mark.parametrize("records", [40, 400])
def test_a_killed_worker_leaves_whole_lines_and_all_that_was_durable(
    directory: Path, records: int
) -> None:
    command = [sys.executable, PROGRAMS / "write_until_killed.py", directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        said = []
        while len(said) < records:
            said.append(spoken(process))
        process.send_signal(signal.SIGKILL)
        # What it had said before it died, and the start of a line that it was saying.
        rest = process.stdout.read().splitlines(keepends=True)
        said += [json.loads(line) for line in rest if line.endswith(b"\n")]
    appended = {seq: moment for kind, seq, moment in said if kind == "appended"}
    durable = [(count, lag) for kind, count, lag in said if kind == "durable"]

    reader = LogReader(directory)
    found = [entry.record["seq"] for entry in reader.entries()]
    assert reader.unreadable == []
    assert found == list(range(1, len(found) + 1))

    # All that was said to be durable is there; what is missing was appended in the last 200 ms, or
    # in as long as the disk was behind on this machine, by the process's own account.
    assert len(found) >= durable[-1][0]
    behind = max(0.2, 2 * max(lag for _, lag in durable))
    missing = [moment for seq, moment in appended.items() if seq > len(found)]
    assert all(max(appended.values()) - moment <= behind for moment in missing)

    log = AccessLog(directory, 1)
    report = log.start()
    assert len(report.unended) == 1
    assert report.last_seq == len(found)
    log.begin().finish()
    log.close()
    after = [entry.record["seq"] for entry in LogReader(directory).entries()]
    assert after == list(range(1, len(found) + 2))


def test_a_second_process_cannot_be_the_same_worker(directory: Path) -> None:
    command = [sys.executable, PROGRAMS / "write_until_killed.py", directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        spoken(process)
        with pytest.raises(AccessLogError, match=f"already written by process {process.pid}"):
            AccessLog(directory, 1).start()
        process.kill()
        process.stdout.read()
    log = AccessLog(directory, 1)
    log.start()  # the lock ended with the process
    assert log.healthy
    log.close()


def test_a_limit_on_the_size_of_files_loses_nothing(
    directory: Path, records_in: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """Needs no root: the kernel cuts the write short at the limit, then refuses (EFBIG)."""
    result = run("outgrow_file_size.py", directory, 100_000, 300)
    assert (result["unwritten"], result["lost"]) == (0, 0)
    assert "File too large" in result["heard"][0]
    assert result["heard"][-1] is None
    assert [record["seq"] for record in records_in(directory)] == list(range(1, 301))
    assert all(path.stat().st_size <= 100_000 for path in directory.glob("*.jsonl"))


@pytest.mark.root
def test_a_full_disk_stops_traffic_and_is_waited_for(tmp_path: Path) -> None:
    result = run(
        "fill_small_disk.py", tmp_path, under=("unshare", "--mount", "--propagation", "private")
    )
    assert result["free_blocks_when_full"] == 0
    assert result["pending_when_full"] >= 50
    assert not result["healthy_when_full"]
    assert result["ends_in_whole_line"]
    assert "No space left" in result["heard"][0]
    assert result["heard"][-1] is None
    assert len(result["heard"]) == 2
    assert result["complete"]
    assert (result["unwritten"], result["lost"]) == (0, 0)
    assert result["segments"] == 1


@pytest.mark.root
def test_a_folder_that_goes_read_only_is_waited_for(tmp_path: Path) -> None:
    """In a process of its own with mounts of its own; the test ends with that process."""
    program = """
import subprocess, sys, time
from pathlib import Path
from proxy_addons.accesslog import AccessLog, Limits
mount = Path(sys.argv[1])
def do(*command): subprocess.run(["mount", *command], check=True)
def wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
do("-t", "tmpfs", "-o", "size=1m", "tmpfs", mount)
log = AccessLog(mount / "log", 1, sync_interval=0.002, limits=Limits(retry_interval=0.01))
log.start()
log.begin().finish()
wait(lambda: not log.pending)
# The open file keeps a plain remount from working, so the folder is covered by a read-only one.
do("-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", mount)
wait(lambda: not log.healthy)
log.begin().finish()
assert "log" in log.trouble, log.trouble
subprocess.run(["umount", mount], check=True)
wait(lambda: log.healthy and not log.pending)
assert log.close().unwritten == ()
lines = [line for path in sorted(mount.glob("log/*.jsonl")) for line in path.open("rb")]
assert [b'"seq":%d,' % n in line for n, line in enumerate(lines, 1)] == [True, True], lines
"""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_refuses_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AccessLogError, match="Permission denied"):
        AccessLog(tmp_path / "log", 1).start()


def test_lines_on_disk_are_as_the_reader_hands_them_out(directory: Path) -> None:
    log = AccessLog(directory, 1)
    log.start()
    log.begin(url="http://example.com/\u202e\x1b[31m").finish()
    log.close()
    (entry,) = LogReader(directory).entries()
    content = entry.segment.read_bytes()
    assert content[entry.offset :] == entry.raw + b"\n"
    assert orjson.loads(entry.raw) == entry.record
    assert entry.record["url"] == "http://example.com/\u202e\x1b[31m"
