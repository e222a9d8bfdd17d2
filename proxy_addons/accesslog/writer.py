"""The writer: takes queued lines to the disk, many at a time, on a thread of its own.

In: lines, from the event loop's thread. Out: durable segments; `healthy`, or traffic must stop.
Must never: block the caller; drop a line that the memory limit has room for; report a line durable
before fdatasync said so; write twice to a segment that failed to sync.

The order of one group commit (`cycle`):

    1. take the lines out of the queue
    2. end the segment when its hour is over; give up one that failed; open a new one
    3. write up to 1 MiB, check that the file is still ours, fdatasync; repeat until none are left
    4. healthy

Whatever fails raises an alarm, leaves the lines in memory and is tried again after 0.25 s. Until
then `healthy` is False and the gate refuses traffic. Refusals are records too: they queue up, and
`memory_limit` bounds them. Lines beyond it are counted as lost, and a `gap` record says so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from proxy_addons.accesslog.rescue import Rescue
from proxy_addons.accesslog.segment import SegmentError, hour_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.alarm import Alarm
    from proxy_addons.accesslog.folder import Folder
    from proxy_addons.accesslog.segment import Segment

_HOUR = 3600.0
_CHUNK = 1 << 20  # bytes a write: a disk with little room left takes some, and memory stays bounded


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds and sizes in bytes.

    Attributes:
        sync_interval: longest wait between two group commits.
        retry_interval: wait after a failure.
        lag_limit: when the oldest record has waited longer than this for the disk, traffic is
            refused: the disk hangs, or the thread does.
        memory_limit: bytes of lines kept while they cannot be written.
        open_after: age at which a transaction gets a record though it goes on.
        close_timeout: longest wait at the end for lines to be written.
    """

    sync_interval: float = 0.05
    retry_interval: float = 0.25
    lag_limit: float = 2.0
    memory_limit: int = 64 << 20
    open_after: float = 5.0
    close_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class CloseReport:
    """How the writer ended.

    Attributes:
        unwritten: lines that could not be written, oldest first; empty when all is well. The caller
            should put them where somebody finds them.
        lost: lines that were dropped before because the memory limit was reached.
        fault: what kept them from being written, or None.
    """

    unwritten: tuple[bytes, ...] = ()
    lost: int = 0
    fault: str | None = None


class SegmentWriter:
    """Writes the lines of one worker.

    `append`, `healthy`, `lag` and `announce` are for the event loop's thread, `cycle` is for the
    writer's own, `start` and `stop` for the one that owns it.

    Args:
        folder: the worker's locked folder.
        clock: Unix time, seconds; names the segments.
        monotonic: seconds that never go back; measures waiting.
        limits: times and sizes.
        alarm: told of every change of health.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: Limits,
        alarm: Alarm,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._monotonic = monotonic
        self._limits = limits
        self._alarm = alarm

        # The queue: appended to by the loop's thread, emptied by the writer's. Both ends are single
        # operations of a deque, so no lock is needed and the loop never waits for one.
        self._queue: deque[tuple[float, bytes]] = deque()
        self._bytes_in = 0  # written by the loop's thread only
        self._lines_in = 0
        self._full = False
        self._lost = 0

        # The writer's own.
        self._batch: deque[tuple[float, bytes]] = deque()
        self._batch_since: float | None = None
        self._bytes_out = 0
        self._lines_out = 0
        self._segment: Segment | None = None
        self._leaving: tuple[Segment, str] | None = None
        self._rescues: deque[Rescue] = deque()
        self._last_seq = 0
        self._last_line = b""

        self._fault: str | None = None
        self._running = False
        self._stopped = False
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._thread: threading.Thread | None = None

    # For the event loop's thread

    def append(self, line: bytes) -> bool:
        """Queues a line. Never blocks, never raises.

        Returns:
            False when the memory limit is reached, or after `stop`: the line is lost, and counted.
        """
        waiting = self._bytes_in - self._bytes_out
        # Once full, half must be written before lines are taken again, so that what is lost is one
        # stretch of numbers and not every second one.
        if (
            self._stopped
            or waiting + len(line) > self._limits.memory_limit
            or (self._full and waiting > self._limits.memory_limit // 2)
        ):
            self._full = True
            self._lost += 1
            return False
        self._full = False
        self._bytes_in += len(line)
        self._lines_in += 1
        self._queue.append((self._monotonic(), line))
        return True

    @property
    def healthy(self) -> bool:
        """Whether traffic may go on: the thread runs, nothing failed, and the disk keeps up."""
        return self._running and self._fault is None and self.lag <= self._limits.lag_limit

    @property
    def lag(self) -> float:
        """Seconds that the oldest record which is not durable has waited; 0.0 when all are."""
        since = self._batch_since
        if since is None:
            try:
                since = self._queue[0][0]
            except IndexError:
                # Nothing waits.
                return 0.0
        return max(0.0, self._monotonic() - since)

    @property
    def pending(self) -> int:
        """Lines that are not durable yet."""
        return self._lines_in - self._lines_out

    @property
    def pending_bytes(self) -> int:
        """Bytes of them."""
        return self._bytes_in - self._bytes_out

    @property
    def written(self) -> int:
        """Lines that this writer made durable."""
        return self._lines_out

    @property
    def lost(self) -> int:
        """Lines dropped because the memory limit was reached."""
        return self._lost

    @property
    def room(self) -> bool:
        """Whether lines are taken (again)."""
        return not self._full or self.pending_bytes <= self._limits.memory_limit // 2

    @property
    def trouble(self) -> str | None:
        """What keeps the log from being healthy, in words; None when nothing does."""
        if self._fault is not None:
            return self._fault
        if not self._running:
            return "the writer of the access log does not run"
        lag = self.lag
        if lag > self._limits.lag_limit:
            return f"the oldest record has waited {lag:.1f} s for the disk"
        return None

    def announce(self) -> None:
        """Raises the alarm, or gives the all-clear, when health has changed since the last time."""
        self._announce(self.trouble)

    def _announce(self, trouble: str | None) -> None:
        self._alarm.state(trouble, pending=self.pending, lost=self._lost)

    # For the thread that owns the writer

    def start(self, last_seq: int, *, thread: bool = True) -> None:
        """Opens the first segment and starts the thread.

        A disk that cannot be written to is no error here: the writer starts unhealthy and tries on.

        Args:
            last_seq: number of the last record on disk.
            thread: False to call `cycle` oneself.
        """
        self._last_seq = last_seq
        self._running = True
        self.cycle()
        if thread:
            self._thread = threading.Thread(
                target=self._run, name=f"accesslog-w{self._folder.worker:02d}", daemon=True
            )
            self._thread.start()

    def stop(self) -> CloseReport:
        """Writes what is queued, for at most `close_timeout`, ends the segment and reports.

        Lines appended from here on are lost, and counted.
        """
        self._deadline = self._monotonic() + self._limits.close_timeout
        self._stopped = True
        was_running = self._running
        self._running = False
        self._stopping.set()
        fault = None
        if self._thread is not None:
            self._thread.join(self._limits.close_timeout + 1.0)
            if self._thread.is_alive():
                # Stuck in a call to the disk. Its batch counts as unwritten; it may still arrive.
                fault = "the disk does not answer"
        elif was_running:
            self._drain()
        unwritten = tuple(line for _, line in [*self._batch, *self._queue])
        return CloseReport(unwritten, self._lost, self._fault or fault)

    @property
    def stuck(self) -> bool:
        """Whether the thread goes on after `stop`, because the disk does not answer."""
        return self._thread is not None and self._thread.is_alive()

    # The writer's own thread

    def _run(self) -> None:
        wait = self._limits.sync_interval
        try:
            while not self._stopping.wait(wait):
                wait = self.cycle()
            self._drain()
        finally:
            # However the thread ends, traffic is refused from here on.
            self._running = False

    def _drain(self) -> None:
        """Writes what is left, trying again until the deadline, and ends the segment."""
        while True:
            wait = self.cycle()
            if not self.pending or self._monotonic() >= self._deadline:
                break
            time.sleep(wait)
        if self._segment is not None:
            self._segment.end()
            self._segment = None
        self._note_seq()

    def cycle(self) -> float:
        """Does one group commit. Never raises.

        Returns:
            Seconds to wait until the next one.
        """
        try:
            for _ in range(len(self._queue)):
                item = self._queue[0]
                if self._batch_since is None:
                    self._batch_since = item[0]
                self._batch.append(item)
                self._queue.popleft()
            self._commit(self._ready_segment())
        except Exception as problem:  # noqa: BLE001 - the lines stay, and the thread must not end
            # No request is lost by it: the lines stay, healthy turns False, and it is tried again.
            # Not only errors of the disk: a fault of our own must not end the thread either.
            self._fault = str(problem) or type(problem).__name__
            if isinstance(problem, SegmentError) and not problem.usable:
                self._give_up(self._fault)
            self._announce(self._fault)
            return self._limits.retry_interval
        self._fault = None
        self._announce(None)
        return self._limits.sync_interval

    def _give_up(self, reason: str) -> None:
        """Sets a segment aside that must not be written to any more."""
        segment = self._segment
        self._segment = None
        if segment is None:
            return
        if segment.removed:
            # Whoever removed it took durable records away: they are copied out of the open file.
            self._rescues.appendleft(Rescue(segment))
        else:
            self._leaving = (segment, reason)

    def _ready_segment(self) -> Segment:
        """Returns the segment of this hour, in its place and ours.

        Raises:
            OSError, SegmentError, AccessLogError: there is none; the lines must wait.
        """
        if self._leaving is not None:
            segment, reason = self._leaving
            segment.abandon(reason)
            self._leaving = None
        now = self._clock()
        if self._segment is not None:
            self._segment.verify()
            if _is_over(self._segment, now):
                self._segment.end()
                self._segment = None
        if self._segment is None:
            self._segment = self._folder.new_segment(hour_of(now))
            self._note_seq()
        return self._segment

    def _commit(self, segment: Segment) -> None:
        """Writes all that waits, and lets go of each chunk once it is durable.

        Raises:
            OSError, SegmentError: what is left still waits.
        """
        while self._rescues:
            rescue = self._rescues[0]
            rescue.into(segment)
            self._rescues.popleft()
        while self._batch:
            lines: list[bytes] = []
            size = 0
            for _, line in self._batch:
                if lines and size + len(line) > _CHUNK:
                    break
                lines.append(line)
                size += len(line)
            segment.append(b"".join(lines))
            for _ in lines:
                self._batch.popleft()
            self._batch_since = self._batch[0][0] if self._batch else None
            self._last_line = lines[-1]
            self._lines_out += len(lines)
            self._bytes_out += size

    def _note_seq(self) -> None:
        if self._last_line:
            self._last_seq = orjson.loads(self._last_line)["seq"]
        self._folder.note(self._last_seq)


def _is_over(segment: Segment, now: float) -> bool:
    """Whether a segment's hour has passed.

    A clock set back by a little goes on in the same segment; by more than an hour, and the segment
    would stay open that long, so that the next one is named after the clock as it is now.
    """
    begins = segment.name.begins.timestamp()
    return now >= begins + _HOUR or now < begins - _HOUR
