"""The trail: who looked at the access log, and what was done about authority, line by line.

In: one event at a time. Out: a line that is on the disk before the caller goes on.
Must never: let a caller go on whose line is not on the disk; number two lines alike; retry an
fdatasync that failed.

Segments, their names, modes and recovery are those of the access log (accesslog/segment.py), so
that `seal` and `check` take the trail as they take that. It has one writer, worker 1: the desk.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from proxy_addons.accesslog.folder import AccessLogError, Folder
from proxy_addons.accesslog.recovery import RecoveryReport, recover
from proxy_addons.accesslog.segment import Segment, SegmentError, hour_of, segments_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from proxy_addons.accesslog.segment import Syscalls

SCHEMA: Final = 1
WORKER: Final = 1
LOOK: Final = "look"
STEP: Final = "step"
EXPORT: Final = "export"
DRAW: Final = "draw"
HOLD: Final = "hold"
DISPOSAL: Final = "disposal"
COLLATERAL: Final = "collateral"
ERASURE: Final = "erasure"
ALERT: Final = "alert"
RECOVERY: Final = "recovery"
"""Kinds of event; others may come. The last one is the trail's own, after a crash."""

_NUMBER: Final = 8  # octets of entropy in the number of a record
_OURSELVES: Final = "watchhouse"


class TrailError(Exception):
    """The event is not recorded: whatever it was to be about must not happen."""


class Trail:
    """The writer. For several threads.

    Args:
        folder: of the segments (`data_dir/log/trail`); made where it is missing.
        clock: Unix time in seconds.
        entropy: gives random octets.
        syscalls: the calls that reach the disk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
        syscalls: Syscalls = os,
    ) -> None:
        self._folder = Folder(folder, WORKER, syscalls)
        self._clock = clock
        self._entropy = entropy
        self._report = structlog.get_logger(__name__)
        self._lock = threading.Lock()
        self._segment: Segment | None = None
        self._hour = ""
        self._doubtful = ""
        self._seq = 0
        self._started = False

    def start(self) -> RecoveryReport:
        """Take the lock, and put right what a crash left behind: a torn tail is cut off and told.

        Raises:
            TrailError: another process writes, or the folder cannot be used.
        """
        try:
            note = self._folder.acquire()
            report = recover(self._folder.directory, WORKER, self._folder.syscalls)
            names = [name.hour for name, _ in segments_in(self._folder.directory, WORKER)]
        except (AccessLogError, OSError) as problem:
            self._folder.release()
            raise TrailError(
                f"the trail in {self._folder.directory} cannot be written: {problem}. Nothing can"
                " be looked at without it."
            ) from problem
        self._seq = max(report.last_seq, note.last_seq)
        self._hour = max(names, default="")
        self._started = True
        for tail in report.torn:
            self._report.warning(
                "trail: torn tail cut off",
                segment=str(tail.segment),
                discarded_bytes=tail.discarded_bytes,
                sha256=tail.sha256,
                saved_as=str(tail.saved_as),
            )
        for path, fault in report.unrepaired:
            self._report.error("trail: not repaired", segment=str(path), fault=fault)
        if report.torn:
            outcome = {
                "torn": [
                    {"segment": tail.segment.name, "octets": tail.discarded_bytes}
                    | {"sha256": tail.sha256, "kept_as": tail.saved_as.name}
                    for tail in report.torn
                ]
            }
            try:
                self.write(RECOVERY, person=_OURSELVES, how="clock", outcome=outcome)
            except TrailError:
                # Not started: what was cut off is kept beside its segment, and was told above.
                self.close()
                raise
        return report

    def write(
        self,
        event: str,
        *,
        person: str,
        how: str,
        roles: Iterable[str] = (),
        authorisation: str | None = None,
        question: Mapping[str, Any] | None = None,
        outcome: Mapping[str, Any] | None = None,
    ) -> str:
        """Record an event, and wait until it is on the disk.

        Args:
            event: its kind.
            person: canonical name of who does it.
            how: how the name is known.
            roles: that they have.
            authorisation: reference, or None.
            question: what is asked, as JSON takes it.
            outcome: what came of it.

        Returns:
            The number of the record.

        Raises:
            TrailError: it is not recorded.
        """
        with self._lock:
            now = self._clock()
            reference = self._entropy(_NUMBER).hex()
            record = {
                "schema": SCHEMA,
                "event": event,
                "id": reference,
                "worker": WORKER,
                "seq": self._seq + 1,
                "start": _stamp(now),
                "person": person,
                "how": how,
                "roles": sorted(roles),
                "authorisation": authorisation,
                "question": dict(question or {}),
                "outcome": dict(outcome or {}),
            }
            try:
                line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
            except TypeError as problem:
                # Not ours to guess: the caller gave something that has no form in JSON.
                raise TrailError(f"the event cannot be recorded: {problem}") from problem
            self._append(line, now)
            self._seq += 1
            return reference

    def tick(self) -> None:
        """End the segment of an hour that is over, to be sealed; called once a minute or so."""
        with self._lock:
            if self._segment is not None and hour_of(self._clock()) > self._segment.name.hour:
                self._end()

    def close(self) -> None:
        """End the segment and give the lock back."""
        with self._lock:
            self._end()
            if self._started:
                self._folder.note(self._seq)
            self._started = False
            self._folder.release()

    def _append(self, line: bytes, now: float) -> None:
        if not self._started:
            raise TrailError("the trail is not open: nothing can be looked at")
        try:
            if self._doubtful:
                # Given up before, but what stands in it could not be marked then.
                self._give_up(self._doubtful)
            segment = self._segment_for(now)
            segment.append(line)
        except SegmentError as problem:
            # Cut back, the segment goes on when there is room; otherwise the next line begins
            # another one. The line itself does not count, and its number is given again.
            if not problem.usable:
                self._doubtful = str(problem)
                self._try_to_give_up()
            raise TrailError(_not_recorded(problem)) from problem
        except (OSError, AccessLogError) as problem:
            # No segment could be made, or marked: as above.
            raise TrailError(_not_recorded(problem)) from problem

    def _segment_for(self, now: float) -> Segment:
        # A clock that is set back makes no segment before one that others follow.
        hour = max(hour_of(now), self._hour)
        if self._segment is not None and self._segment.name.hour != hour:
            self._end()
        if self._segment is None:
            self._segment = self._folder.new_segment(hour)
            self._hour = hour
            self._folder.note(self._seq)
        return self._segment

    def _end(self) -> None:
        if self._segment is None:
            return
        if self._segment.good:
            self._segment.end()
        else:
            self._segment.discard()
        self._segment = None

    def _try_to_give_up(self) -> None:
        try:
            self._give_up(self._doubtful)
        except OSError as problem:
            # Nothing is written until it can be: the same number would be found twice.
            self._report.error("trail: segment cannot be marked", fault=str(problem))

    def _give_up(self, reason: str) -> None:
        if self._segment is not None:
            self._report.error("trail: segment given up", fault=reason)
            self._segment.abandon(reason)
        self._segment = None
        self._doubtful = ""


def _not_recorded(problem: Exception) -> str:
    return f"this could not be recorded, and so is not shown: {problem}"


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
