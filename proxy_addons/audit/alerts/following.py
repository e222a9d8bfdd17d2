"""Following the log: batch after batch is noted, counted, written into the queue, and then passed.

In: the segments (accesslog/feeds), a checkpoint, the queue. Out: alerts, within seconds of the
record; how it goes, for others to see.
Must never: pass a record whose alerts are not in the queue; count a record twice; skip one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds.position import PositionError
from proxy_addons.accesslog.feeds.shape import ended, started
from proxy_addons.accesslog.reader import parse
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.feeds.position import Batch, Position
    from proxy_addons.accesslog.feeds.source import Source
    from proxy_addons.audit.alerts.checkpoint import Checkpoint
    from proxy_addons.audit.alerts.counting import Counting
    from proxy_addons.audit.alerts.raising import Raising
    from proxy_addons.audit.alerts.windows import Episode

logger = logging.getLogger("watchhouse.alerts")

POLL: Final = 1.0  # seconds between looks at the segments while there is nothing new
_RECORDS: Final = 5000  # in a batch
_KEEP_EACH: Final = 30.0  # seconds between two states that are kept
_KEEP_AFTER: Final = 200  # batches
_PAUSE: Final = 2.0  # seconds after something went wrong
_STANDSTILL: Final = 3600.0


@dataclass(slots=True)
class Progress:
    """How it goes.

    Attributes:
        records: counted since the start.
        raised: alerts since the start.
        unreadable: lines that are no records.
        oldest: when the oldest record was made that is read and not passed (Unix time); 0: none is.
        stopped: why it stands still until somebody acts; empty: it does not.
        problem: what last went wrong; empty: nothing since.
    """

    records: int = 0
    raised: int = 0
    unreadable: int = 0
    oldest: float = 0.0
    stopped: str = ""
    problem: str = ""


class Following:
    """Follows the log. For one thread.

    Args:
        source: of lines.
        checkpoint: how far it was counted.
        counting: counts.
        raising: writes into the queue.
        back: minutes that are read back at the very first start: the longest window.
        clock: Unix time.
    """

    def __init__(
        self,
        source: Source,
        checkpoint: Checkpoint,
        counting: Counting,
        raising: Raising,
        back: int,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._checkpoint = checkpoint
        self._counting = counting
        self._raising = raising
        self._back = timedelta(minutes=back)
        self._clock = clock
        self._position: Position | None = None
        self._again: list[Batch] = []  # of before a kill, still to be counted
        self._unwritten: dict[tuple[str, str, str, int], Episode] = {}
        self._kept_at = 0.0
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
        except PositionError as problem:
            # Nothing is counted until somebody has decided what holds.
            self.progress.stopped = str(problem)
            logger.error("alerts stand still: %s", problem)
            return _STANDSTILL
        except StandingUnavailableError as problem:
            # What was counted waits here, the log waits on the disk.
            return self._failed(str(problem))
        except OSError as problem:
            # The log cannot be read, or the checkpoint not be kept: nothing was passed.
            return self._failed(f"{problem.filename or ''}: {problem.strerror or problem}")
        self.progress.problem = ""
        return pause

    def close(self) -> None:
        """Keep the state, if all that was counted is in the queue; let go of everything."""
        try:
            self._keep()
        except OSError as problem:
            # The batches are noted: they are counted once more.
            logger.warning("alerts: what was counted cannot be kept: %s", problem)
        self._source.close()

    # --- inside -----------------------------------------------------------------------------

    def _step(self) -> float:
        position = self._position or self._begin()
        self._write()  # of before, if the store did not answer
        if self._again:
            lines = self._source.lines(self._again[0])
            self._begins_with(lines)
            self._count(position, self._again[0], lines)
            del self._again[0]
            self._write()
            return 0.0
        found = self._source.following(position, _RECORDS)
        if found is None:
            self.progress.oldest = 0.0
        else:
            self._begins_with(found[1])
            self._checkpoint.take(found[0])
            self._count(position, *found)
            self._write()
        if (self._clock() - self._kept_at >= _KEEP_EACH and len(self._checkpoint)) or len(
            self._checkpoint
        ) >= _KEEP_AFTER:
            self._keep()
        return POLL if found is None else 0.0

    def _begins_with(self, lines: list[bytes]) -> None:
        """Note how old what is read now is. It stands until there is nothing new."""
        record = parse(lines[0]) if lines else None
        made = (ended(record) or started(record)) if record is not None else None
        self.progress.oldest = made.timestamp() if made else self._clock()

    def _begin(self) -> Position:
        self._checkpoint.begin()
        found = self._checkpoint.load(self._counting)
        self._kept_at = self._clock()
        if found is None:
            now = datetime.fromtimestamp(self._clock(), UTC)
            position = self._source.after(now - self._back)
            # Kept at once: from here on batches are noted that belong to it.
            self._checkpoint.keep(position, self._counting)
        else:
            position, self._again, begun = found
            for name in begun:
                logger.info("alerts: %s is new, or counts something else: it begins anew", name)
        self._position = position
        return position

    def _count(self, position: Position, batch: Batch, lines: list[bytes]) -> None:
        for line in lines:
            record = parse(line)
            if record is None:
                # It is evidence, and stays in the segment.
                self.progress.unreadable += 1
                logger.error("alerts: a line of the log is no record")
            elif self._is_new(position, record):
                for episode in self._counting.take(record):
                    self._unwritten[episode.key] = episode
                self.progress.records += 1
        position.acknowledge(batch, self._clock(), 0)

    @staticmethod
    def _is_new(position: Position, record: dict[str, Any]) -> bool:
        """Whether a record was not counted yet.

        A segment that was cut back after it was read is written again to another one.
        """
        worker, number = record.get("worker"), record.get("seq")
        if not isinstance(worker, int) or not isinstance(number, int):
            return True
        if number <= position.numbers.get(worker, 0):
            return False
        position.numbers[worker] = number
        return True

    def _write(self) -> None:
        if self._unwritten:
            self.progress.raised += self._raising.write(self._unwritten.values())
            self._unwritten.clear()

    def _keep(self) -> None:
        if self._position is None or self._again or self._unwritten or not len(self._checkpoint):
            return
        self._checkpoint.keep(self._position, self._counting)
        self._kept_at = self._clock()

    def _failed(self, problem: str) -> float:
        if problem != self.progress.problem:
            logger.warning("alerts: %s; tried again", problem)
        self.progress.problem = problem
        return _PAUSE
