"""A feed of a test's own: segments in a folder, a delivery that is stepped by hand.

In: a folder, a `Feed`. Out: a delivery without its pauses; records as workers write them.
Must never: wait by the clock where a step would do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from proxy_addons.accesslog.feeds.delivery import Delivery
from proxy_addons.accesslog.feeds.position import file_of
from proxy_addons.accesslog.feeds.running import way_of
from proxy_addons.accesslog.feeds.source import Source
from proxy_addons.accesslog.feeds.where import Gateway
from proxy_addons.accesslog.record import empty_record
from proxy_addons.accesslog.segment import ENDED_MODE, OPEN_MODE, SegmentName
from support.segments import record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.feeds import Feed

GATEWAY = Gateway("gw1", "0.1.0")
HOUR = "20261121T20"
_BEGIN = datetime(2026, 11, 21, 20, tzinfo=UTC)


def whole(seq: int, worker: int = 1, **more: Any) -> dict[str, Any]:
    """A record with all fields of the table."""
    made = record(seq, worker, _BEGIN + timedelta(milliseconds=seq), duration_ms=1.5)
    return {**empty_record(), **made, **more}


@dataclass
class Log:
    """The folders of a log, written by hand.

    Attributes:
        folder: of everything.
        written: worker → the last number.
    """

    folder: Path
    written: dict[int, int] = field(default_factory=dict)

    @property
    def plain(self) -> Path:
        """Of the segments."""
        return self.folder / "log" / "access"

    @property
    def sealed(self) -> Path:
        """Of the sealed ones."""
        return self.folder / "log" / "sealed"

    def write(self, count: int, worker: int = 1, hour: str = HOUR, number: int = 1) -> Path:
        """Append records to a segment."""
        self.plain.mkdir(parents=True, exist_ok=True)
        path = self.plain / str(SegmentName(hour, worker, number))
        first = self.written.get(worker, 0) + 1
        self.written[worker] = first + count - 1
        with path.open("ab") as file:
            for seq in range(first, first + count):
                file.write(orjson.dumps(whole(seq, worker)) + b"\n")
        path.chmod(OPEN_MODE)
        return path

    def identities(self) -> list[tuple[str, str]]:
        """Worker and number of all that was written, as texts."""
        return sorted(
            (str(worker), str(seq))
            for worker, last in self.written.items()
            for seq in range(1, last + 1)
        )


def end(path: Path) -> None:
    """As a worker ends a segment."""
    path.chmod(ENDED_MODE)


def delivery(feed: Feed, log: Log, clock: Callable[[], float] = time.time) -> Delivery:
    """As the process has it, begun anew."""
    return Delivery(
        feed,
        Source(log.plain, log.sealed),
        way_of(feed, GATEWAY),
        file_of(log.folder / "feeds", feed.name),
        clock,
        lambda: 0.5,
    )


def until_idle(made: Delivery, steps: int = 400) -> None:
    """Step until there is nothing to be sent; pauses after failures are shortened."""
    for _ in range(steps):
        pause = made.step()
        assert not made.progress.stopped, made.progress.stopped
        if pause and not made.progress.problem:
            return
        if pause:
            time.sleep(0.02)
    raise AssertionError(made.progress)
