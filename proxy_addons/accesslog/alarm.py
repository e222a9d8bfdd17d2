"""The alarm: says once that the log cannot be written, and once that it can again.

In: what is wrong, as often as anybody looks. Out: a line in the operational log and a call of the
listener at each change, from well to wrong and back.
Must never: block, raise, or be what keeps records from being written.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable


class Alarm:
    """For the event loop's thread and the writer's alike.

    Args:
        worker: number of the worker, for the line.
        listener: called with what is wrong, or None when all is well again, on whichever thread
            sees it first.
    """

    def __init__(self, worker: int, listener: Callable[[str | None], None] | None) -> None:
        self._report = structlog.get_logger(component="accesslog", worker=worker)
        self._listener = listener
        self._announced: str | None = None
        self._announcing = threading.Lock()

    def state(self, trouble: str | None, *, pending: int, lost: int) -> None:
        """Takes the state as it is now, and speaks when it has changed.

        Args:
            trouble: what is wrong, or None.
            pending: records that wait.
            lost: records lost so far.
        """
        if (trouble is None) == (self._announced is None):
            return
        if not self._announcing.acquire(blocking=False):
            return  # the other thread is at it; whoever comes next sees what is left to say
        try:
            self._announced = trouble
            with contextlib.suppress(Exception):
                # Nobody hears it (standard output is gone): requests are refused all the same,
                # and records go on being written.
                if trouble is None:
                    self._report.warning(
                        "access log: can be written again", pending=pending, lost=lost
                    )
                else:
                    self._report.critical(
                        "access log: CANNOT BE WRITTEN, traffic is refused",
                        fault=trouble,
                        pending=pending,
                        lost=lost,
                    )
            with contextlib.suppress(Exception):
                # A faulty listener must end neither the writer's thread nor the event loop's.
                if self._listener is not None:
                    self._listener(trouble)
        finally:
            self._announcing.release()
