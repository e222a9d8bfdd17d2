"""Ending with the process that started this one, however that ended.

In: a process id. Out: something happens when it is gone.
Must never: mistake another process of the same number for it (pidfd_open(2)).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def ending_with(parent: int | None, stop: asyncio.Event) -> Iterator[None]:
    """Sets `stop` when the parent process has ended; with None, nothing happens.

    For a process that has something to finish. In its event loop.
    """
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        stop.set()
        yield
        return
    loop.add_reader(descriptor, stop.set)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def end_with(parent: int) -> None:
    """Ends this process when the parent has ended, in the middle of whatever it does."""

    def wait() -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            descriptor = os.pidfd_open(parent)
            select.select([descriptor], [], [])
        os._exit(0)

    threading.Thread(target=wait, name="parent", daemon=True).start()
