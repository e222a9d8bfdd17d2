"""What a start could not do and the gateway goes on trying, while its parts serve or refuse.

In: an attempt. Out: nothing; it ends when the attempt has succeeded.
Must never: block the event loop; try without a pause.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 5.0  # seconds between two attempts


async def until_done(attempt: Callable[[], bool], *, pause: float = PAUSE) -> None:
    """Try until it is done.

    Args:
        attempt: run in a thread; says whether there is nothing left to do. Does not raise.
        pause: seconds between two attempts.
    """
    while not await asyncio.to_thread(attempt):  # noqa: ASYNC110 - nobody tells when to try again
        await asyncio.sleep(pause)
