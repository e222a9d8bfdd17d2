"""One feed: batch after batch, each acknowledged and kept before the next.

In: a source, a way, a position. Out: a position that moves; how it goes, for others to see.
Must never: pass a record that was not acknowledged; send what the position's file does not know of;
wait for ever.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds import shape
from proxy_addons.accesslog.feeds.mask import masked
from proxy_addons.accesslog.feeds.position import Position, PositionError, load, save
from proxy_addons.accesslog.feeds.ways import Failed, Parcel, Refused
from proxy_addons.accesslog.reader import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from proxy_addons.accesslog.feeds.position import Batch
    from proxy_addons.accesslog.feeds.source import Source
    from proxy_addons.accesslog.feeds.ways import Way
    from proxy_addons.settings.feeds import Feed

logger = logging.getLogger("watchhouse.feeds")

POLL: Final = 1.0
"""Seconds between looks at the segments while there is nothing new."""

_FIRST_PAUSE: Final = 0.5  # seconds before an attempt is repeated; doubled each time
_LONGEST_PAUSE: Final = 60.0
_STANDSTILL: Final = 3600.0  # between looks of a feed that was refused: it waits for somebody


@dataclass(slots=True)
class Progress:
    """How a feed goes. Written by one thread, read by another; each value by itself is whole.

    Attributes:
        delivered: records that were acknowledged since the start.
        repeated: of these, records that the receiver may have had already.
        unreadable: lines that are no records.
        oldest: when the oldest record was made that is not acknowledged (Unix time); 0: none is.
        acknowledged: when the receiver last had something (Unix time); 0: not since the start.
        stopped: why the feed stands still until somebody acts; empty: it does not.
        problem: what last went wrong; empty: nothing since the last acknowledgement.
    """

    delivered: int = 0
    repeated: int = 0
    unreadable: int = 0
    oldest: float = 0.0
    acknowledged: float = 0.0
    stopped: str = ""
    problem: str = ""


class Delivery:
    """Delivers one feed. For one thread.

    Args:
        feed: of the settings.
        source: of lines.
        way: to the receiver.
        path: of the position.
        clock: Unix time.
        entropy: numbers from 0 to 1, for pauses that differ between gateways.
    """

    def __init__(
        self,
        feed: Feed,
        source: Source,
        way: Way,
        path: Path,
        clock: Callable[[], float],
        entropy: Callable[[], float],
    ) -> None:
        self._feed = feed
        self._source = source
        self._way = way
        self._path = path
        self._clock = clock
        self._entropy = entropy
        self._position: Position | None = None
        self._unsaved = False
        self._failures = 0
        self._lines: list[bytes] | None = None  # of the batch that is being sent
        self._repeated = False  # whether that may have been sent before
        self._broke = False  # whether the break was seen, and gone back over, already
        self.progress = Progress()

    def step(self) -> float:
        """Do the next thing.

        Returns:
            Seconds to wait before the next step.
        """
        if self.progress.stopped:
            return _STANDSTILL
        try:
            pause = self._step()
        except Refused as problem:
            self.progress.stopped = str(problem)
            logger.error(
                "feed %s stands still, no record is skipped: %s. Mend it and reload",
                self._feed.name,
                problem,
            )
            return _STANDSTILL
        except PositionError as problem:
            # As above: whoever removes the file decides where it begins anew.
            self.progress.stopped = str(problem)
            logger.error("feed %s stands still: %s", self._feed.name, problem)
            return _STANDSTILL
        except Failed as problem:
            return self._failed(problem)
        except OSError as problem:
            # The log cannot be read, or the position not be kept: nothing was passed.
            return self._failed(Failed(f"{problem.filename or ''}: {problem.strerror or problem}"))
        self._failures = 0
        return pause

    def close(self) -> None:
        """Let go of everything; the position is kept already."""
        self._way.close()
        self._source.close()

    # --- inside -----------------------------------------------------------------------------

    def _step(self) -> float:
        position = self._position or self._begin()
        if self._unsaved:
            self._save(position)  # what was acknowledged, before anything else is sent
        if not self._way.sound():
            raise Failed("broke down while nothing was sent", cut_off=True)
        position.settle(self._clock(), self._feed.resend_window)
        if position.sending is None and not self._next(position):
            self.progress.oldest = 0.0
            if self.progress.problem:
                self._way.stand_by()  # is the receiver back?
                self.progress.problem, self._broke = "", False
            return POLL
        batch = position.sending
        if batch is None:
            return 0.0
        self._send(position, batch)
        return 0.0

    def _begin(self) -> Position:
        position = load(self._path)
        if position is None:
            position = Position() if self._feed.beginning == "beginning" else self._source.now()
            save(self._path, position)
        self._position = position
        self._repeated = position.sending is not None
        return position

    def _next(self, position: Position) -> bool:
        """Choose what is sent next, and keep that it will be; returns whether there is anything."""
        if position.again:
            batch, self._lines, self._repeated = position.again[0], None, True
        else:
            passed = set(position.passed)
            found = self._source.following(position, self._feed.records)
            if found is None:
                if position.passed != passed:
                    save(self._path, position)  # a keeper waits for it
                return False
            batch, self._lines = found
            self._repeated = False
        note = self._way.note()
        position.sending, position.note = batch, note
        try:
            save(self._path, position)
        except OSError:
            # Nothing is sent that the file does not know of.
            position.sending, position.note = None, {}
            raise
        return True

    def _send(self, position: Position, batch: Batch) -> None:
        if self._lines is None:
            self._lines = self._source.lines(batch)
        records = self._records(self._lines)
        if records:
            made = shape.ended(records[0]) or shape.started(records[0])
            self.progress.oldest = made.timestamp() if made else self._clock()
            marked = [self._repeated or _passed(record, position) for record in records]
            left = [masked(each, self._feed.mask, self._feed.mask_key) for each in records]
            parcel = Parcel(batch.number, left, marked, self._repeated)
            self._repeated = True  # from here on the receiver may have it
            self._way.deliver(parcel, position.note)
            self.progress.delivered += len(records)
            self.progress.repeated += sum(marked)
        now = self._clock()
        for record in records:
            worker, number = record.get("worker"), record.get("seq")
            if isinstance(worker, int) and isinstance(number, int):
                position.numbers[worker] = max(position.numbers.get(worker, 0), number)
        position.acknowledge(batch, now, self._feed.resend_window)
        self._lines, self._repeated, self._broke = None, False, False
        self.progress.acknowledged, self.progress.problem = now, ""
        self._unsaved = True
        self._save(position)
        self._way.stand_by()

    def _save(self, position: Position) -> None:
        save(self._path, position)
        self._unsaved = False

    def _records(self, lines: list[bytes]) -> list[dict[str, Any]]:
        found = []
        for each in lines:
            record = parse(each)
            if record is None:
                # It is evidence, and stays in the segment; it is no record that could be masked.
                self.progress.unreadable += 1
                logger.error("feed %s: a line of the log is no record", self._feed.name)
            else:
                found.append(record)
        return found

    def _failed(self, problem: Failed) -> float:
        self.progress.problem = str(problem)
        position = self._position
        if problem.cut_off and not self._broke and position is not None:
            self._broke = True
            count = position.cut_off()
            self._unsaved = self._unsaved or bool(count)
            if count:
                logger.warning(
                    "feed %s: %d batches of the last seconds are sent again", self._feed.name, count
                )
        self._failures += 1
        pause: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        pause = max(pause * (0.5 + self._entropy() / 2), problem.after)
        if self._failures in {1, 5} or self._failures % 50 == 0:
            logger.warning("feed %s: %s; tried again in %.1f s", self._feed.name, problem, pause)
        return pause


def _passed(record: Mapping[str, Any], position: Position) -> bool:
    """Whether a record of that number was acknowledged already.

    Then a segment was cut back after it was read, and its end was written again to another one.
    """
    worker, number = record.get("worker"), record.get("seq")
    return (
        isinstance(worker, int)
        and isinstance(number, int)
        and number <= position.numbers.get(worker, 0)
    )
