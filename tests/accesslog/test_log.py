"""The access log as the gate uses it."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from structlog.testing import capture_logs

from proxy_addons.accesslog import AccessLog, AccessLogError, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Clock, Disk

    type MakeLog = Callable[..., AccessLog]
    type Read = Callable[[Path], list[dict[str, Any]]]


def until(condition: Callable[[], bool]) -> None:
    """Waits for the writer's thread."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def test_one_transaction_one_record(
    make_log: MakeLog, clock: Clock, directory: Path, records_in: Read
) -> None:
    log = make_log(3)
    log.start()
    transaction = log.begin(client_ip="192.0.2.7", kind="http")
    transaction.person = "AB1234"
    clock.advance(0.125)
    transaction.finish(status=200, action="allow")
    transaction.finish(status=500)
    log.close()
    (record,) = records_in(directory)
    assert record["id"] == transaction.id
    assert record["start"] == "2026-11-21T20:15:00.250000Z"
    assert record["duration_ms"] == 125.0
    assert (record["event"], record["worker"], record["seq"]) == ("transaction", 3, 1)
    assert (record["person"], record["client_ip"], record["status"]) == ("AB1234", "192.0.2.7", 200)


def test_duration_follows_no_clock_that_is_set(
    make_log: MakeLog, clock: Clock, directory: Path, records_in: Read
) -> None:
    log = make_log()
    log.start()
    transaction = log.begin()
    clock.steady += 1.5
    clock.set_wall("2020-01-01T00:00:00")
    transaction.finish()
    clock.set_wall("2030-01-01T00:00:00")
    log.begin().finish()
    log.close()
    records = sorted(records_in(directory), key=lambda record: record["seq"])
    assert [record["duration_ms"] for record in records] == [1500.0, 0.0]
    assert records[0]["id"] < records[1]["id"]


def test_a_long_transaction_leaves_an_opening_and_a_closing_record(
    make_log: MakeLog, clock: Clock, directory: Path, records_in: Read
) -> None:
    log = make_log()
    log.start()
    quick, slow = log.begin(method="GET"), log.begin(method="CONNECT", host="example.com")
    clock.advance(4.9)
    log.tick()
    quick.finish()
    clock.advance(0.2)
    log.tick()
    clock.advance(60)
    log.tick()
    assert log.open_transactions == 1
    slow.finish(bytes_down=7)
    assert log.open_transactions == 0
    log.close()
    records = records_in(directory)
    assert [(r["event"], r["id"], r["method"]) for r in records] == [
        ("transaction", quick.id, "GET"),
        ("open", slow.id, "CONNECT"),
        ("transaction", slow.id, "CONNECT"),
    ]
    assert [r["duration_ms"] for r in records] == [4900.0, 5100.0, 65100.0]
    assert [r["bytes_down"] for r in records] == [None, None, 7]
    assert {r["start"] for r in records} == {"2026-11-21T20:15:00.250000Z"}


def test_what_is_still_open_at_the_end_is_closed_and_it_says_so(
    make_log: MakeLog, clock: Clock, directory: Path, records_in: Read
) -> None:
    log = make_log()
    log.start()
    old, young = log.begin(), log.begin()
    clock.advance(6)
    old.error = "reset"
    log.tick()
    log.close()
    old.finish(error="too late")
    records = records_in(directory)
    assert [r["event"] for r in records].count("transaction") == 2
    closing = {r["id"]: r["error"] for r in records if r["event"] == "transaction"}
    assert closing == {
        old.id: "reset; still open when the gateway stopped",
        young.id: "still open when the gateway stopped",
    }


def test_numbers_go_on_over_restarts(make_log: MakeLog, directory: Path, records_in: Read) -> None:
    for _ in range(3):
        log = make_log()
        log.start()
        log.begin().finish()
        log.begin().finish()
        log.close()
    records = records_in(directory)
    assert [record["seq"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert len({record["id"] for record in records}) == 6
    assert len(list(directory.glob("*.jsonl"))) == 3


def test_numbers_go_on_when_all_segments_were_taken_away(
    make_log: MakeLog, directory: Path, records_in: Read
) -> None:
    log = make_log()
    log.start()
    log.begin().finish()
    log.close()
    for path in directory.glob("*.jsonl"):
        path.unlink()
    log = make_log()
    assert log.start().last_seq == 1
    log.begin().finish()
    log.close()
    assert [record["seq"] for record in records_in(directory)] == [2]


@pytest.mark.parametrize("taken_away", ["access-w01.lock", "*.jsonl"])
def test_a_clock_set_back_over_a_restart_gives_no_number_twice(
    make_log: MakeLog, clock: Clock, directory: Path, taken_away: str
) -> None:
    """Segments and lock file each know by themselves from when on numbers are free."""
    clock.wall = time.time()  # as the times of the files
    log = make_log()
    log.start()
    before = {log.begin().id for _ in range(500)}
    clock.wall += 60
    before |= {log.begin().id for _ in range(500)}
    log.close()
    for path in directory.glob("*.jsonl"):
        os.utime(path, (clock.wall, clock.wall))  # as the test's clock has it
    for path in directory.glob(taken_away):
        path.unlink()
    clock.wall -= 3600
    log = make_log()
    log.start()
    after = [log.begin().id for _ in range(500)]
    assert not before & set(after)
    assert max(before) < min(after)


def test_a_torn_tail_is_reported_and_told(
    make_log: MakeLog, directory: Path, records_in: Read
) -> None:
    directory.mkdir(parents=True)
    path = directory / "access-w01-20261121T19Z-0001.jsonl"
    path.write_bytes(b'{"seq":41}\n{"seq":42,"per')
    log = make_log()
    with capture_logs() as told:
        report = log.start()
    (tail,) = report.torn
    assert (tail.segment, tail.discarded_bytes) == (path, len(b'{"seq":42,"per'))
    assert {
        "event": "access log: torn tail cut off",
        "segment": str(path),
        "discarded_bytes": tail.discarded_bytes,
        "sha256": tail.sha256,
        "saved_as": f"{path}.torn",
        "log_level": "warning",
        "component": "accesslog",
        "worker": 1,
    } in told
    log.begin().finish()
    log.close()
    assert [record["seq"] for record in records_in(directory)] == [41, 42]


def test_two_logs_cannot_be_the_same_worker(make_log: MakeLog) -> None:
    first, second = make_log(1), make_log(1)
    first.start()
    with pytest.raises(AccessLogError, match="another worker number"):
        second.start()
    assert not second.healthy
    first.close()
    second.start()
    assert second.healthy


def test_segments_that_cannot_be_read_refuse_the_start(make_log: MakeLog, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "access-w01-20261121T19Z-0001.jsonl").mkdir()
    log = make_log()
    with pytest.raises(AccessLogError, match="cannot be read"):
        log.start()
    (directory / "access-w01-20261121T19Z-0001.jsonl").rmdir()
    log.start()  # the lock was given back
    assert log.healthy


def test_alarm_and_all_clear_are_told_once_each(make_log: MakeLog, disk: Disk) -> None:
    heard: list[str | None] = []
    log = make_log(on_health=heard.append)
    with capture_logs() as told:
        log.start()
        disk.fill_up()
        log.begin().finish()
        until(lambda: not log.healthy)
        for _ in range(5):
            log.tick()
        disk.mend()
        until(lambda: log.healthy)
        log.tick()
    levels = [entry["log_level"] for entry in told]
    assert levels == ["critical", "warning"]
    assert "No space left" in told[0]["fault"]
    assert (len(heard), heard[1]) == (2, None)
    assert log.close().unwritten == ()


def test_what_is_lost_for_want_of_memory_leaves_a_gap_record(
    make_log: MakeLog, disk: Disk, directory: Path, records_in: Read
) -> None:
    log = make_log(limits=Limits(memory_limit=10_000, retry_interval=0.01))
    log.start()
    log.begin().finish()
    until(lambda: log.pending == 0)
    disk.fill_up()
    for _ in range(100):
        log.begin().finish()
    log.tick()  # no room yet: nothing to tell it with
    lost = log.lost
    assert 0 < lost < 100
    disk.mend()
    until(lambda: log.pending == 0)
    before = log.last_seq
    log.tick()
    assert log.last_seq == before + 1
    log.begin().finish()
    log.close()

    records = records_in(directory)
    gap = next(record for record in records if record["event"] == "gap")
    kept = [record["seq"] for record in records]
    missing = sorted(set(range(1, max(kept) + 1)) - set(kept))
    assert len(missing) == lost
    assert gap["error"].startswith(
        f"{lost} records lost, out of the numbers {missing[0]} to {missing[-1]}"
    )
    assert len([record for record in records if record["event"] == "gap"]) == 1


def test_closing_on_a_full_disk_gives_back_what_is_not_written(
    make_log: MakeLog, disk: Disk
) -> None:
    log = make_log(limits=Limits(close_timeout=0.05, retry_interval=0.01))
    log.start()
    transaction = log.begin()
    disk.always |= {"write": errno.EIO, "open": errno.EIO}
    # The deadline is the monotonic clock's, which only the test moves.
    log._monotonic = log._writer._monotonic = time.monotonic
    transaction.finish()
    with capture_logs() as told:
        report = log.close()
    assert len(report.unwritten) == 1
    assert transaction.id.encode() in report.unwritten[0]
    assert "access log: RECORDS NOT WRITTEN" in {entry["event"] for entry in told}
    assert log.close().unwritten == ()


def test_nothing_raises_after_the_end(make_log: MakeLog) -> None:
    log = make_log()
    log.start()
    log.close()
    log.begin(method="GET").finish()
    log.tick()
    assert not log.healthy
    assert log.lost == 1


async def test_nothing_on_the_loops_side_blocks(directory: Path, disk: Disk) -> None:
    """Whatever the disk does, the event loop never waits: blockbuster raises where it would."""
    log = AccessLog(directory, 1, sync_interval=0.005, limits=Limits(retry_interval=0.01))
    log.start()
    with blockbuster_ctx() as guard:
        guard.activate()
        with pytest.raises(BlockingError):
            time.sleep(0.001)  # noqa: ASYNC251 (shows that the guard is on)
        for full in (False, True):
            if full:
                log._folder.syscalls = disk
            for number in range(200):
                transaction = log.begin(method="GET", url=f"http://example.com/{number}")
                transaction.finish(status=200)
                assert isinstance(log.healthy, bool)
                assert log.lag >= 0.0
                log.tick()
            await asyncio.sleep(0.02)
        guard.deactivate()
    report = log.close()
    assert report.unwritten == ()


async def test_a_hanging_disk_does_not_hang_the_loop(directory: Path) -> None:
    log = AccessLog(directory, 1, sync_interval=0.001)
    log.start()
    read_end, write_end = os.pipe()
    # A write to a pipe that nobody reads waits for ever once the pipe is full.
    segment = log._writer._segment
    assert segment is not None
    segment.verify = lambda _added=0: None  # type: ignore[method-assign,misc]
    own = os.dup(segment._fd)
    os.dup2(write_end, segment._fd)
    for number in range(500):
        log.begin(url=f"http://example.com/{number}").finish()
        await asyncio.sleep(0)
    assert log.pending == 500
    os.dup2(own, segment._fd)
    for descriptor in (read_end, write_end, own):
        os.close(descriptor)
    log.close()
