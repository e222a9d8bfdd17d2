"""Looking at a store again and again, and writing to it now and then, neither held up by the other.

In: what to look with, and what to write with. Out: both, at their times, until it is stopped.
Must never: block the event loop; wait for longer than it is given; let what waits to be written
hold up what is to be seen (a withdrawal, the end of a break).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.problems import StandingUnavailableError
from proxy_addons.standing.thread import OwnThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

PARTING: Final = 2.0  # seconds for which `stop` waits for what is in hand


class Rounds:
    """Two threads and a task. Made and used in one event loop.

    Args:
        name: of the threads and tasks.
        place: of the store, for messages.
        every: seconds between two looks.
        note_every: seconds between two writings.
        look: looks once; raises nothing.
        note: writes what there is to be written; raises nothing.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        place: str,
        *,
        every: float,
        note_every: float,
        look: Callable[[], Awaitable[None]],
        note: Callable[[], Coroutine[None, None, None]],
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._place = place
        self._every = every
        self._note_every = note_every
        self._look = look
        self._note = note
        self._clock = clock
        self._noted_at = clock()
        self._task: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._reader = OwnThread(name)
        self._writer = OwnThread(f"{name}-notes")

    @property
    def running(self) -> bool:
        """Whether it was started and not yet stopped."""
        return self._task is not None

    @property
    def noting(self) -> bool:
        """Whether a writing is under way."""
        return self._noting is not None and not self._noting.done()

    def start(self) -> None:
        """Go on looking from now on, the first time after `every`."""
        self._task = asyncio.create_task(self._go_on(), name=self._name)

    async def stop(self, *last: Callable[[], object]) -> None:
        """Look no more; write once more, if the store answers in time.

        Args:
            last: done in the thread that writes, when all is written.
        """
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with suppress(TimeoutError):  # a store that hangs is not waited for
            async with asyncio.timeout(PARTING):
                await self._reader.run(bool)  # behind whatever it has in hand
                await self._writer.run(bool)
                if self._noting is not None:
                    await self._noting
                await self._note()
                for job in last:
                    await self._writer.run(job)
        self._reader.close()
        self._writer.close()

    async def read[T](self, job: Callable[[], T], patience: float) -> T:
        """Do a job in the thread that looks, within so many seconds.

        Raises:
            StandingUnavailableError: it took longer, or the thread still has another in hand.
        """
        return await self._within(self._reader, job, patience)

    async def write[T](self, job: Callable[[], T], patience: float) -> T:
        """Do a job in the thread that writes, as `read` does."""
        return await self._within(self._writer, job, patience)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._look()
            if self._clock() - self._noted_at >= self._note_every:
                self._noted_at = self._clock()
                if not self.noting:
                    self._noting = asyncio.create_task(self._note(), name=f"{self._name}-notes")

    async def _within[T](self, thread: OwnThread, job: Callable[[], T], patience: float) -> T:
        if not thread.busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await thread.run(job)
        msg = f"the standing store ({self._place}) does not answer in time"
        raise StandingUnavailableError(msg)
