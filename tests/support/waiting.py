"""Waiting for what comes about by itself, with a limit.

In: a condition. Out: nothing, or a failed test. Must never: wait for ever, or for a fixed time.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0  # seconds; a test that waits longer fails. Only a busy machine comes near


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is nothing to be told by
            # Any condition of any objects: there is no event to wait for.
            await asyncio.sleep(0.001)


def come_about(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something has come about in another process."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.02)
