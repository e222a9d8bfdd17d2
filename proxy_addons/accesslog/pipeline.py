"""The pipeline of the access log: structlog, from the fields of one event to the writer's queue.

In: a record in the order of the table. Out: its line, numbered, scrubbed and rendered, handed to
whatever takes it (the segment writer).
Must never: raise into the request; leave a number without a record; touch structlog's global
configuration, which belongs to the operational log.

The processors, in order: number, scrub, render. For one thread: numbers are given in the order in
which the lines are queued only because nothing comes between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import structlog

from proxy_addons.accesslog.render import render, render_fault
from proxy_addons.accesslog.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.scrub import Record


class Numberer:
    """Structlog processor: takes the record out of the event and stamps worker and number on it.

    Attributes:
        last: the number given last; 0 before the first.
    """

    __slots__ = ("_worker", "last")

    def __init__(self, worker: int, last: int) -> None:
        self._worker = worker
        self.last = last

    def __call__(self, _logger: object, _method: str, event: Record) -> Record:
        """Returns the record of the event, stamped."""
        record: Record = event["record"]
        self.last += 1
        record["worker"] = self._worker
        record["seq"] = self.last
        return record


class LineLogger:
    """What structlog calls the wrapped logger: takes finished lines and hands them on."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write


class RecordLogger(structlog.BoundLoggerBase):
    """The bound logger: one method, no levels."""

    def record(self, record: Record) -> None:
        """Runs the processors and queues the line."""
        # What structlog's `_proxy_to_logger` does, without the context that it copies each time:
        # there is none.
        event: Any = {"record": record}
        for process in self._processors:
            event = process(self._logger, "write", event)
        self._logger.write(event)


class Pipeline:
    """Records in, lines out.

    Args:
        worker: the worker's number.
        last_seq: the number of the last record before this process; 0 for a new log.
        write: takes each line; must neither block nor raise.
    """

    __slots__ = ("_logger", "_numberer", "_write")

    def __init__(self, worker: int, last_seq: int, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._numberer = Numberer(worker, last_seq)
        wrapped = structlog.wrap_logger(
            LineLogger(write),
            processors=[self._numberer, scrub, render],
            wrapper_class=RecordLogger,
            context_class=dict,
        )
        self._logger = cast("RecordLogger", wrapped.bind())

    @property
    def last_seq(self) -> int:
        """The number given last."""
        return self._numberer.last

    def record(self, record: Record) -> None:
        """Queues one record. Never raises.

        Args:
            record: every name of the table, in its order; worker and seq are stamped on it.
        """
        try:
            self._logger.record(record)
        except Exception as fault:  # noqa: BLE001 - the request goes on; its record says so
            # The request in hand goes on, and its record says that it could not be rendered.
            self._write(render_fault(record, fault))
