"""Group commit, step by step on a disk that fails, and with the real thread."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from proxy_addons.accesslog import rescue
from proxy_addons.accesslog.alarm import Alarm
from proxy_addons.accesslog.folder import Folder
from proxy_addons.accesslog.reader import LogReader
from proxy_addons.accesslog.segment import broken_marker
from proxy_addons.accesslog.writer import Limits, SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Clock, Disk

LIMITS = Limits(memory_limit=1000, close_timeout=0.3, retry_interval=0.02, sync_interval=0.005)


def line(seq: int) -> bytes:
    return b'{"seq":%d,"start":"2026-11-21T20:15:00.250000Z","duration_ms":0.0}\n' % seq


class Bench:
    """A writer whose cycles the test runs itself."""

    def __init__(self, directory: Path, clock: Clock, disk: Disk) -> None:
        self.directory = directory
        self.clock = clock
        self.disk = disk
        self.health: list[str | None] = []
        self.folder = Folder(directory, 1, disk)
        self.seq = 0
        self.writer = self.make(LIMITS)

    def make(self, limits: Limits, monotonic: Callable[[], float] | None = None) -> SegmentWriter:
        return SegmentWriter(
            self.folder,
            clock=self.clock.now,
            monotonic=monotonic or self.clock.monotonic,
            limits=limits,
            alarm=Alarm(1, self.health.append),
        )

    def start(self) -> None:
        self.folder.acquire()
        self.writer.start(0, thread=False)

    def put(self, count: int = 1) -> None:
        for _ in range(count):
            self.seq += 1
            self.writer.append(line(self.seq))

    def written(self) -> list[int]:
        """Numbers as a reader finds them, in order of the files."""
        entries = LogReader(self.directory).entries()
        return [entry.record["seq"] for entry in entries]


@pytest.fixture
def bench(directory: Path, clock: Clock, disk: Disk) -> Iterator[Bench]:
    bench = Bench(directory, clock, disk)
    yield bench
    disk.mend()
    bench.folder.release()


def test_before_the_start_it_is_not_healthy(bench: Bench) -> None:
    assert not bench.writer.healthy
    assert bench.writer.trouble == "the writer of the access log does not run"


def test_all_queued_lines_go_out_in_one_write_and_one_sync(bench: Bench) -> None:
    bench.start()
    bench.put(10)
    bench.disk.calls.clear()
    assert bench.writer.cycle() == LIMITS.sync_interval
    assert bench.disk.calls == ["write", "fdatasync"]
    assert bench.written() == list(range(1, 11))
    assert (bench.writer.pending, bench.writer.pending_bytes, bench.writer.written) == (0, 0, 10)


def test_with_nothing_to_write_nothing_is_synced(bench: Bench) -> None:
    bench.start()
    bench.disk.calls.clear()
    bench.writer.cycle()
    assert bench.disk.calls == []


def test_lag_is_the_wait_of_the_oldest_line(bench: Bench) -> None:
    bench.start()
    assert bench.writer.lag == 0.0
    bench.put()
    bench.clock.advance(0.5)
    bench.put()
    bench.clock.advance(0.25)
    assert bench.writer.lag == pytest.approx(0.75)
    bench.writer.cycle()
    assert bench.writer.lag == 0.0


def test_setting_the_wall_clock_moves_no_lag(bench: Bench) -> None:
    bench.start()
    bench.put()
    bench.clock.set_wall("2030-01-01T00:00:00")
    assert bench.writer.lag == 0.0
    assert bench.writer.healthy


def test_lines_that_wait_too_long_stop_traffic_until_they_are_written(bench: Bench) -> None:
    bench.start()
    bench.put()
    bench.clock.advance(2.1)  # the thread hangs in a call to the disk
    assert not bench.writer.healthy
    bench.writer.announce()
    bench.writer.announce()
    assert bench.health == ["the oldest record has waited 2.1 s for the disk"]
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.health[1:] == [None]


def test_a_full_disk_stops_traffic_at_once_and_loses_nothing(bench: Bench) -> None:
    bench.start()
    bench.put(2)
    bench.writer.cycle()
    bench.disk.fill_up()
    bench.put(2)
    assert bench.writer.cycle() == LIMITS.retry_interval
    assert not bench.writer.healthy
    assert "No space left" in (bench.writer.trouble or "")
    bench.put(2)  # refusals are recorded too
    bench.writer.cycle()
    assert bench.writer.pending == 4
    assert bench.written() == [1, 2]

    bench.disk.mend()
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1, 2, 3, 4, 5, 6]
    assert len(bench.health) == 2  # one alarm, one all-clear
    assert bench.health[1] is None
    assert len(list(bench.directory.glob("*.jsonl"))) == 1


def test_a_disk_that_is_full_from_the_start_is_waited_for(bench: Bench) -> None:
    bench.folder.acquire()
    bench.disk.fill_up()
    bench.writer.start(0, thread=False)
    bench.put(3)
    assert not bench.writer.healthy
    bench.disk.mend()
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1, 2, 3]


def test_after_a_failed_sync_the_lines_go_to_a_new_segment_and_are_found_once(
    bench: Bench,
) -> None:
    bench.start()
    bench.put(2)
    bench.writer.cycle()
    bench.put(2)
    bench.disk.fail_datasync = [errno.EIO]
    bench.writer.cycle()
    assert not bench.writer.healthy
    bench.writer.cycle()
    assert bench.writer.healthy
    first, second = sorted(bench.directory.glob("*.jsonl"))
    assert broken_marker(first).exists()
    assert not broken_marker(second).exists()
    assert bench.written() == [1, 2, 3, 4]


def test_syncs_that_go_on_failing_leave_no_heap_of_files(bench: Bench) -> None:
    bench.start()
    bench.put()
    bench.writer.cycle()
    bench.put()
    bench.disk.always["fdatasync"] = errno.EIO
    for _ in range(20):
        bench.writer.cycle()
    assert len(list(bench.directory.glob("*.jsonl"))) <= 2
    bench.disk.mend()
    bench.writer.cycle()
    bench.writer.cycle()
    assert bench.written() == [1, 2]
    assert len(bench.health) == 2


def test_nothing_is_written_elsewhere_before_the_old_segment_is_cut_or_marked(
    bench: Bench,
) -> None:
    bench.start()
    bench.put()
    bench.writer.cycle()
    bench.put()
    bench.disk.fail_datasync = [errno.EIO]
    bench.disk.always["ftruncate"] = errno.EIO
    bench.disk.always["open"] = errno.ENOSPC
    for _ in range(3):
        bench.writer.cycle()
    bench.disk.always.pop("open")
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1, 2]


def test_a_fault_of_our_own_is_treated_like_one_of_the_disk(bench: Bench) -> None:
    bench.start()
    bench.put()
    bench.clock.wall = float("inf")  # no hour can be told
    bench.writer.cycle()
    assert not bench.writer.healthy
    bench.clock.set_wall("2026-11-21T20:30:00")
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1]


def test_each_hour_has_its_segment_and_numbers_go_on(bench: Bench) -> None:
    bench.start()
    for moment in ("20:59:59.999999", "21:00:00", "23:30:00"):
        bench.clock.set_wall(f"2026-11-21T{moment}")
        bench.put()
        bench.writer.cycle()
    paths = sorted(bench.directory.glob("*.jsonl"))
    assert [path.name for path in paths] == [
        f"access-w01-20261121T{hour}Z-0001.jsonl" for hour in (20, 21, 23)
    ]
    assert [orjson.loads(path.read_bytes())["seq"] for path in paths] == [1, 2, 3]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o440, 0o440, 0o640]


def test_an_hour_without_traffic_leaves_an_empty_segment(bench: Bench) -> None:
    bench.start()
    bench.clock.advance(3600)
    bench.writer.cycle()
    first, second = sorted(bench.directory.glob("*.jsonl"))
    assert (first.stat().st_size, first.stat().st_mode & 0o777) == (0, 0o440)
    assert second.stat().st_mode & 0o777 == 0o640


def test_a_clock_set_back_a_little_goes_on_in_the_same_segment(bench: Bench) -> None:
    bench.clock.set_wall("2026-11-21T21:00:01")
    bench.start()
    bench.clock.set_wall("2026-11-21T20:59:59")
    bench.put()
    bench.writer.cycle()
    (path,) = bench.directory.glob("*.jsonl")
    assert path.name == "access-w01-20261121T21Z-0001.jsonl"
    assert bench.written() == [1]


def test_a_clock_set_back_a_lot_starts_a_segment_of_the_hour_it_says(bench: Bench) -> None:
    bench.clock.set_wall("2036-01-01T00:00:00")
    bench.start()
    bench.put()
    bench.writer.cycle()
    bench.clock.set_wall("2026-11-21T20:15:00")
    bench.put()
    bench.writer.cycle()
    names = sorted(path.name for path in bench.directory.glob("*.jsonl"))
    assert names == ["access-w01-20261121T20Z-0001.jsonl", "access-w01-20360101T00Z-0001.jsonl"]
    assert sorted(bench.written()) == [1, 2]


def test_memory_is_bounded_and_what_is_lost_is_one_stretch(bench: Bench) -> None:
    bench.start()
    bench.disk.fill_up()
    taken = []
    for seq in range(1, 31):
        taken.append(bench.writer.append(line(seq)))
        bench.writer.cycle()
    fit = max(n for n in range(31) if sum(map(len, map(line, range(1, n + 1)))) <= 1000)
    assert 5 < fit < 25
    assert taken == [True] * fit + [False] * (30 - fit)
    assert bench.writer.lost == 30 - fit
    assert not bench.writer.room
    bench.disk.mend()
    bench.writer.cycle()
    assert bench.writer.room
    assert bench.writer.append(line(31))
    bench.writer.cycle()
    assert bench.written() == [*range(1, fit + 1), 31]


def test_a_large_backlog_goes_out_in_pieces_that_are_each_let_go(bench: Bench) -> None:
    bench.writer = bench.make(Limits(memory_limit=8 << 20))
    bench.start()
    big = b'{"seq":1,"url":"' + b"a" * 300_000 + b'"}\n'
    for _ in range(10):
        bench.writer.append(big)
    bench.disk.fail_write = [0, 0, errno.ENOSPC]
    bench.writer.cycle()
    assert bench.writer.written == 6  # two pieces of three lines: at most 1 MiB each
    assert bench.writer.pending == 4
    bench.writer.cycle()
    assert bench.writer.pending == 0


def test_a_removed_folder_is_made_again_and_the_open_segment_is_rescued(bench: Bench) -> None:
    bench.start()
    bench.put(3)
    bench.writer.cycle()
    shutil.rmtree(bench.directory)
    bench.put(2)
    bench.writer.cycle()
    assert not bench.writer.healthy
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1, 2, 3, 4, 5]
    assert "was removed" in (bench.health[0] or "")


def test_a_removal_is_noticed_without_any_traffic(bench: Bench) -> None:
    bench.start()
    bench.put()
    bench.writer.cycle()
    shutil.rmtree(bench.directory)
    bench.writer.cycle()
    bench.writer.cycle()
    assert bench.written() == [1]
    assert len(bench.health) == 2


def test_a_rescue_that_is_itself_cut_short_copies_each_line_once(bench: Bench) -> None:
    bench.start()
    bench.put(3)
    bench.writer.cycle()
    shutil.rmtree(bench.directory)
    bench.put()
    bench.writer.cycle()
    bench.disk.fail_write = [errno.ENOSPC]
    bench.writer.cycle()
    bench.disk.fail_datasync = [errno.EIO]
    bench.writer.cycle()
    bench.writer.cycle()
    shutil.rmtree(bench.directory)
    bench.writer.cycle()
    bench.writer.cycle()
    assert bench.written() == [1, 2, 3, 4]


def test_a_segment_removed_in_the_middle_of_a_rescue_keeps_the_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "_CHUNK", 2 * len(line(1)))
    bench.start()
    bench.put(6)
    bench.writer.cycle()
    shutil.rmtree(bench.directory)
    bench.writer.cycle()
    bench.disk.fail_write = [0, errno.ENOSPC]  # two lines are copied, the other four wait
    bench.writer.cycle()
    assert bench.written() == [1, 2]
    shutil.rmtree(bench.directory)
    bench.writer.cycle()
    bench.writer.cycle()
    assert bench.written() == [1, 2, 3, 4, 5, 6]


def test_somebody_elses_bytes_in_the_segment_stop_it_and_are_not_read_as_records(
    bench: Bench,
) -> None:
    bench.start()
    bench.put()
    bench.writer.cycle()
    (path,) = bench.directory.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(line(666))
    bench.put()
    bench.writer.cycle()
    assert "changed by somebody else" in (bench.writer.trouble or "")
    bench.writer.cycle()
    assert bench.writer.healthy
    assert bench.written() == [1, 2]
    assert line(666) in path.read_bytes()


def test_a_listener_that_raises_does_not_stop_the_writer(bench: Bench) -> None:
    def listener(_trouble: str | None) -> None:
        raise RuntimeError

    bench.writer = SegmentWriter(
        bench.folder,
        clock=bench.clock.now,
        monotonic=bench.clock.monotonic,
        limits=LIMITS,
        alarm=Alarm(1, listener),
    )
    bench.start()
    bench.disk.fill_up()
    bench.put()
    bench.writer.cycle()
    bench.disk.mend()
    bench.writer.cycle()
    assert bench.written() == [1]


def test_stopping_writes_what_is_queued_and_ends_the_segment(bench: Bench) -> None:
    bench.start()
    bench.put(5)
    report = bench.writer.stop()
    assert (report.unwritten, report.lost, report.fault) == ((), 0, None)
    (path,) = bench.directory.glob("*.jsonl")
    assert path.stat().st_mode & 0o777 == 0o440
    assert bench.written() == [1, 2, 3, 4, 5]
    assert not bench.writer.healthy
    bench.folder.release()
    assert bench.folder.acquire().last_seq == 5  # the last number, from the lock file


def test_stopping_on_a_full_disk_gives_the_lines_back(bench: Bench) -> None:
    bench.writer = bench.make(LIMITS, time.monotonic)
    bench.start()
    bench.put(2)
    bench.writer.cycle()
    bench.disk.fill_up()
    bench.put(2)
    report = bench.writer.stop()
    assert report.unwritten == (line(3), line(4))
    assert "No space left" in (report.fault or "")
    assert bench.written() == [1, 2]
    assert not bench.writer.append(line(5))
    assert bench.writer.lost == 1


def test_the_thread_writes_by_itself_and_recovers_by_itself(bench: Bench) -> None:
    bench.writer = bench.make(LIMITS, time.monotonic)
    bench.folder.acquire()
    bench.writer.start(0)
    bench.put(3)
    until(lambda: bench.writer.pending == 0)
    bench.disk.fill_up()
    bench.put(3)
    until(lambda: not bench.writer.healthy)
    bench.disk.mend()
    until(lambda: bench.writer.healthy)
    assert bench.writer.stop().unwritten == ()
    assert bench.written() == [1, 2, 3, 4, 5, 6]


# The interpreter reports what ends a thread; here that is the point.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_stops_traffic(bench: Bench) -> None:
    bench.writer = bench.make(LIMITS, time.monotonic)
    bench.folder.acquire()
    bench.writer.start(0)
    assert bench.writer.healthy

    class Killed(BaseException):
        """Nothing that a program would catch."""

    def die(_fd: int) -> None:
        raise Killed

    bench.disk.fdatasync = die  # type: ignore[method-assign]
    bench.put()
    until(lambda: not bench.writer.healthy)
    bench.writer.announce()
    assert bench.health == ["the writer of the access log does not run"]
    assert bench.writer.stop().unwritten == (line(1),)


def test_a_disk_that_hangs_does_not_hang_the_stop(bench: Bench) -> None:
    limits = Limits(close_timeout=0.0, sync_interval=0.005)
    bench.writer = bench.make(limits, time.monotonic)
    bench.folder.acquire()
    bench.writer.start(0)
    hang = threading.Event()
    stuck = threading.Event()

    def datasync(fd: int) -> None:
        stuck.set()
        hang.wait()
        os.fdatasync(fd)

    bench.disk.fdatasync = datasync  # type: ignore[method-assign]
    bench.put()
    stuck.wait()
    report = bench.writer.stop()
    assert bench.writer.stuck
    assert report.fault == "the disk does not answer"
    assert report.unwritten == (line(1),)
    hang.set()
    until(lambda: not bench.writer.stuck)


def until(condition: Callable[[], bool]) -> None:
    """Waits for the other thread; pytest's own time limit is for when it never comes."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
