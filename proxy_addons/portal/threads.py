"""Threads of the portal's own for what blocks: the standing store.

In: functions that block. Out: what they return, without holding up the event loop.
Must never: let a hung database take the threads that health and metrics are read in.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 4


class Threads:
    """A small pool. What waits for a thread waits its turn; the clients are people."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="portal-store")

    async def run[**P, T](
        self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Call a function in a thread and wait for it.

        Raises:
            Exception: whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: function(*arguments, **named))

    def close(self) -> None:
        """Take nothing more; what runs may end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
