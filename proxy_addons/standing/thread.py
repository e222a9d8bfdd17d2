"""One thread of one's own for what may hang: a database that takes questions and never answers.

In: jobs, one after another. Out: their results, in the event loop.
Must never: hold up the end of the process (threads of an executor do: Python waits for them).
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

type _Job = tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class OwnThread:
    """A daemon thread that does jobs in order. It ends with `close`, or with the process."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._undone = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job is in hand, or waits."""
        return self._undone > 0

    async def run[T](self, job: Callable[[], T]) -> T:
        """Do a job. Cancelled, the job is done all the same, and its result is dropped."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            self._undone += 1
        self._jobs.put((job, future, loop))
        return await future

    def close(self) -> None:
        """Do what is waiting, then end. Waits for nothing."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (each := self._jobs.get()) is not None:
            job, future, loop = each
            result: Any = None
            failure: Exception | None = None
            try:
                result = job()
            except Exception as problem:  # noqa: BLE001 - whoever waits for it gets it
                failure = problem
            with self._lock:
                self._undone -= 1
            try:
                loop.call_soon_threadsafe(_tell, future, result, failure)
            except RuntimeError:
                # The event loop has ended, and with it whoever waited.
                continue
            finally:
                del each, job, future, result, failure


def _tell(future: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)
