"""Ending with the process that started this one, however that ended.

In: a process id. Out: something is done when it is gone.
Must never: mistake another process of the same number for it (pidfd_open(2)).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def when_ended(parent: int, then: Callable[[], object]) -> None:
    """Do something, in a thread of its own, when the parent process has ended.

    Args:
        parent: its process id, so that nothing is missed where it has ended before this one could
            look; 0: whoever is the parent now.
        then: called once.
    """

    def wait() -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            descriptor = os.pidfd_open(parent or os.getppid())
            try:
                if parent in {0, os.getppid()}:  # else another process has its number by now
                    select.select([descriptor], [], [])
            finally:
                os.close(descriptor)
        then()

    threading.Thread(target=wait, name="parent", daemon=True).start()
