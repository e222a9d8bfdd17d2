"""Opening a file on a thread, for somebody who may go away meanwhile.

In: what opens, what closes. Out: what was opened, or nothing that is open.
Must never: leave a file open that nobody has. `asyncio.to_thread(os.open, …)` does: a task that is
cancelled while it waits loses the descriptor, and with enough of those a worker has none left.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def opened[T](opening: Callable[[], T], closing: Callable[[T], object]) -> T:
    """Open on a thread.

    Args:
        opening: opens; run on a thread.
        closing: closes what `opening` gave; run only where the task was cancelled meanwhile.

    Returns:
        What `opening` gave; to be closed by whoever has it now.

    Raises:
        OSError: and whatever else `opening` raises.
    """
    held: list[T] = []
    gone = False
    lock = threading.Lock()

    def work() -> None:
        made = opening()
        with lock:
            if not gone:
                held.append(made)
                return
        closing(made)

    try:
        await asyncio.to_thread(work)
    except BaseException:
        # Cancelled, before or after the thread was done; what `opening` raised has opened nothing.
        with lock:
            gone = True
        for each in held:
            closing(each)
        raise
    return held.pop()
