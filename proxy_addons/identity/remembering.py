"""Answers that are kept for a time, and used a while longer when they cannot be had anew.

In: keys, and a coroutine that finds the answer to one. Out: answers, each fresh or not.
Must never: give an answer older than `ttl` + `stale`, grow without bound, or ask twice at a time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_AGAIN = 5.0  # seconds after a failed refresh before a stale answer causes another


@dataclass(slots=True)
class _Held[V]:
    value: V
    since: float
    again: float  # no refresh before this moment


class Remembered[V]:
    """For one event loop; nothing here is for other threads.

    Args:
        fetch: finds the answer to a key; what it raises reaches those who wait for it.
        ttl: seconds for which an answer is fresh.
        stale: seconds after that for which it is still given while a new one is asked for.
        size: answers kept; those not used for longest go first.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[V]],
        *,
        ttl: float,
        stale: float,
        size: int,
        clock: Callable[[], float],
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._usable = ttl + stale
        self._clock = clock
        self._held: LRUCache[str, _Held[V]] = LRUCache(size)
        self._asked: dict[str, asyncio.Task[V]] = {}

    def cached(self, key: str) -> tuple[V, bool] | None:
        """The answer that is kept and whether it is fresh; None if none can be used."""
        held = self._held.get(key)
        if held is None:
            return None
        age = self._clock() - held.since
        if age >= self._usable:
            del self._held[key]
            return None
        return held.value, age < self._ttl

    def put(self, key: str, value: V) -> None:
        """Keep an answer that was found in another way."""
        now = self._clock()
        self._held[key] = _Held(value, now, now)

    async def get(self, key: str) -> tuple[V, bool]:
        """The answer, and whether it is fresh.

        A stale one is given at once, and a new one asked for in the background.

        Raises:
            Exception: what `fetch` raised, and nothing usable is kept.
        """
        known = self.cached(key)
        if known is None:
            # The question goes on for others, and for the next time, should this one give up.
            return await asyncio.shield(self._ask(key)), True
        if not known[1] and self._clock() >= self._held[key].again:
            self._ask(key)
        return known

    def _ask(self, key: str) -> asyncio.Task[V]:
        """The question about a key that is on its way, or a new one."""
        task = self._asked.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._find(key))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        return task

    async def _find(self, key: str) -> V:
        value = await self._fetch(key)
        self.put(key, value)
        return value

    def _answered(self, key: str, task: asyncio.Task[V]) -> None:
        del self._asked[key]
        if task.cancelled() or task.exception() is None:
            return
        # Those who wait get the error; whoever was given the stale answer keeps it, and the next
        # refresh is put off so that an outage is not asked about with every request.
        held = self._held.get(key)
        if held is not None:
            held.again = self._clock() + _AGAIN
