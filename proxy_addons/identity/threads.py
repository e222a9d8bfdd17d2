"""Work that would hold up the event loop, in a few threads, with a limit on what waits for them.

In: jobs. Out: their results. Must never: let waiting jobs pile up, or wait for ever.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class BusyError(Exception):
    """Too many jobs wait already, or no more are taken."""


class Threads:
    """Threads of their own for one kind of work.

    Args:
        name: for whoever looks at the process.
        threads: jobs done at a time.
        waiting: jobs at most, those being done included.
        patience: seconds after which a job is not waited for any more; None: as long as it takes.
    """

    def __init__(
        self, name: str, *, threads: int, waiting: int, patience: float | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = waiting
        self._patience = patience
        self._waiting = 0
        self._closed = False

    async def run[T](self, job: Callable[[], T]) -> T:
        """The result of a job.

        Raises:
            BusyError: too many wait, or it is the end; this one was not begun.
            TimeoutError: it takes longer than `patience`; its thread ends by itself.
            Exception: what the job raised.
        """
        if self._closed or self._waiting >= self._most:
            raise BusyError
        future = asyncio.get_running_loop().run_in_executor(self._pool, job)
        self._waiting += 1
        future.add_done_callback(self._done)
        done, _ = await asyncio.wait((future,), timeout=self._patience)
        if not done:
            future.cancel()
            raise TimeoutError
        if (
            future.cancelled()
        ):  # by `close`; the asker is not to take it for a cancellation of its own
            raise BusyError
        return future.result()

    def close(self) -> None:
        """Take no more; jobs that wait end in `BusyError`, those being done go on to their end."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # whoever waits has it; if nobody does, it is of no use
