"""The access log of one worker: begins transactions, writes their records, says whether it can.

In: fields of transactions. Out: durable lines in the worker's segments; `healthy`.
Must never: block or raise into a request; let the gate pass traffic that cannot be logged.

All methods are for the one thread that runs the event loop, except where they say otherwise.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from proxy_addons.accesslog.alarm import Alarm
from proxy_addons.accesslog.folder import AccessLogError, Folder
from proxy_addons.accesslog.pipeline import Pipeline
from proxy_addons.accesslog.record import SCHEMA, FieldValue, empty_record
from proxy_addons.accesslog.recovery import RecoveryReport, recover
from proxy_addons.accesslog.reference import References
from proxy_addons.accesslog.transaction import Transaction
from proxy_addons.accesslog.writer import CloseReport, Limits, SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.accesslog.segment import Syscalls

# No process before this one can have issued a number for a second later than this after its last
# write: whatever is open longer than five seconds leaves a record within a second more.
_NUMBERS_AFTER_LAST_WRITE = 8


@dataclass(frozen=True, slots=True)
class World:
    """What lies outside, apart from the clock: a test hands in its own.

    Attributes:
        monotonic: seconds that never go back; for durations and waiting.
        entropy: random bytes, as os.urandom.
        syscalls: the calls that reach the disk.
    """

    monotonic: Callable[[], float] = time.monotonic
    entropy: Callable[[int], bytes] = os.urandom
    syscalls: Syscalls = os


_LIMITS = Limits()
_WORLD = World()


class AccessLog:
    """The access log of one worker.

    Args:
        directory: folder of the segments; created where it is missing.
        worker: 0 to 1023; no two workers whose logs are read together may share a number.
        clock: Unix time, seconds.
        sync_interval: longest wait in seconds between two group commits.
        limits: the other times and sizes.
        world: monotonic clock, entropy and disk.
        on_health: called at each change of health with what is wrong, or None; on the writer's
            thread or this one. Must not block.
    """

    def __init__(
        self,
        directory: Path,
        worker: int,
        *,
        clock: Callable[[], float] = time.time,
        sync_interval: float = 0.05,
        limits: Limits = _LIMITS,
        world: World = _WORLD,
        on_health: Callable[[str | None], None] | None = None,
    ) -> None:
        self.directory = directory
        self.worker = worker
        self._clock = clock
        self._monotonic = world.monotonic
        self._entropy = world.entropy
        self._limits = replace(limits, sync_interval=sync_interval)
        self._report = structlog.get_logger(component="accesslog", worker=worker)
        self._folder = Folder(directory, worker, world.syscalls)
        self._writer = SegmentWriter(
            self._folder,
            clock=clock,
            monotonic=world.monotonic,
            limits=self._limits,
            alarm=Alarm(worker, on_health),
        )
        self._pipeline = Pipeline(worker, 0, self._queue)
        self._references = References(worker, entropy=world.entropy)
        self._young: dict[str, Transaction] = {}  # in the order of their start
        self._old: dict[str, Transaction] = {}  # those that have an opening record
        self._lost: list[
            int
        ] = []  # numbers, first and last, of the records lost since the last gap
        self._lost_before = 0
        self._stamp_second = -1
        self._stamp_text = ""
        self._started = False
        self._closed = False

    def start(self) -> RecoveryReport:
        """Puts right what a crash left behind, opens a segment and starts the writer's thread.

        A full or read-only disk is no error here: the log starts unhealthy and recovers by itself.

        Raises:
            AccessLogError: the folder cannot be had, another process writes as this worker, or
                what is there cannot be read.
        """
        note = self._folder.acquire()
        try:
            report = recover(self.directory, self.worker, self._folder.syscalls)
        except OSError as problem:
            self._folder.release()
            raise AccessLogError(
                f"access log: the segments in {self.directory} cannot be read: {problem}. "
                "Without them the next record number is not known. Give this user read and write "
                "access to them, or move them away together."
            ) from problem
        report = replace(report, last_seq=max(report.last_seq, note.last_seq))
        self._tell(report)
        self._pipeline = Pipeline(self.worker, report.last_seq, self._queue)
        numbers_from = max(
            int(self._clock()) + 1,
            int(report.last_write) + _NUMBERS_AFTER_LAST_WRITE,
            note.numbered_until + 1,
        )
        self._references = References(self.worker, entropy=self._entropy, not_before=numbers_from)
        self._folder.numbered_until = numbers_from
        self._writer.start(report.last_seq)
        self._started = True
        return report

    def _tell(self, report: RecoveryReport) -> None:
        for tail in report.torn:
            self._report.warning(
                "access log: torn tail cut off",
                segment=str(tail.segment),
                discarded_bytes=tail.discarded_bytes,
                sha256=tail.sha256,
                saved_as=str(tail.saved_as),
            )
        for path in report.unended:
            self._report.warning("access log: segment was not ended", segment=str(path))
        for path, problem in report.unrepaired:
            self._report.error("access log: not repaired", segment=str(path), fault=problem)

    @property
    def healthy(self) -> bool:
        """Whether traffic may go on. False: every request must be refused (and logged)."""
        return self._writer.healthy

    @property
    def lag(self) -> float:
        """Seconds that the oldest record which is not on the disk has waited."""
        return self._writer.lag

    @property
    def trouble(self) -> str | None:
        """Why the log is not healthy, in words; None when it is."""
        return self._writer.trouble

    @property
    def pending(self) -> int:
        """Records that are not on the disk yet."""
        return self._writer.pending

    @property
    def pending_bytes(self) -> int:
        """Bytes of memory that they take as lines."""
        return self._writer.pending_bytes

    @property
    def written(self) -> int:
        """Records of this process that are on the disk."""
        return self._writer.written

    @property
    def lost(self) -> int:
        """Records of this process that are lost for good; each stretch leaves a gap record."""
        return self._writer.lost

    @property
    def last_seq(self) -> int:
        """Number of the record queued last."""
        return self._pipeline.last_seq

    @property
    def open_transactions(self) -> int:
        """Transactions that have begun and are not finished."""
        return len(self._young) + len(self._old)

    def begin(self, *, at: float | None = None, **fields: FieldValue) -> Transaction:
        """Begins a transaction: gives it a reference number and starts its clock.

        Args:
            at: when it really began, Unix time in seconds, where that was before now.
            fields: any fields of the record that are known already, except its number and times.
        """
        now = self._clock()
        began = now if at is None else min(at, now)
        transaction = Transaction(
            self._references.next(now),
            self._stamp(began),
            self._monotonic() - (now - began),
            self._finish,
        )
        if fields:
            transaction.update(fields)
        self._young[transaction.id] = transaction
        return transaction

    def _stamp(self, now: float) -> str:
        """Returns RFC 3339 in UTC with microseconds."""
        second = int(now)
        if second != self._stamp_second:
            self._stamp_second = second
            self._stamp_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp_text}.{int((now - second) * 1_000_000):06d}Z"

    def _finish(self, transaction: Transaction) -> None:
        if self._young.pop(transaction.id, None) is None:
            self._old.pop(transaction.id, None)
        self._write(transaction, "transaction")

    def _write(self, transaction: Transaction, event: str) -> None:
        age = self._monotonic() - transaction.began
        transaction.duration_ms = round(max(0.0, age) * 1000.0, 3)
        self._pipeline.record(transaction.record(event))

    def _queue(self, line: bytes) -> None:
        if not self._writer.append(line):
            seq = self._pipeline.last_seq
            self._lost = [self._lost[0], seq] if self._lost else [seq, seq]

    def tick(self) -> None:
        """Does what time brings: to be called about once a second.

        Writes an opening record for each transaction open longer than `open_after`, raises the
        alarm for a writer that hangs or died, and records what was lost once there is room again.
        """
        if not self._started or self._closed:
            return
        latest = self._monotonic() - self._limits.open_after
        for reference, transaction in list(self._young.items()):
            if transaction.began > latest:
                break
            del self._young[reference]
            self._old[reference] = transaction
            self._write(transaction, "open")
        self._record_gap()
        self._writer.announce()

    def _record_gap(self) -> None:
        if not self._lost or not self._writer.room:
            return
        first, last = self._lost
        count = self._writer.lost - self._lost_before
        now = self._clock()
        record = empty_record() | {
            "schema": SCHEMA,
            "event": "gap",
            "id": self._references.next(now),
            "start": self._stamp(now),
            "error": f"{count} records lost, out of the numbers {first} to {last}: the log could "
            "not be written and the memory limit for waiting records was reached",
        }
        self._lost = []
        self._lost_before = self._writer.lost
        self._pipeline.record(record)

    def close(self) -> CloseReport:
        """Finishes what is open, writes what is queued (within `close_timeout`) and ends the log.

        Blocks. To be called once traffic has stopped; transactions that are still open get their
        closing record, whose `error` says so.

        Returns:
            What could not be written. The lines in it are in no segment.
        """
        if self._closed:
            return CloseReport()
        for transaction in [*self._old.values(), *self._young.values()]:
            note = "still open when the gateway stopped"
            transaction.error = f"{transaction.error}; {note}" if transaction.error else note
            transaction.finish()
        self._record_gap()
        self._closed = True
        self._folder.numbered_until = self._references.latest
        report = self._writer.stop()
        if not self._writer.stuck:
            # A thread that still hangs in a write keeps the lock until the process ends.
            self._folder.release()
        if report.unwritten or report.lost:
            self._report.critical(
                "access log: RECORDS NOT WRITTEN",
                unwritten=len(report.unwritten),
                lost=report.lost,
                fault=report.fault,
            )
        return report
