"""Deeds: what people's clicks on pages of ours do, in the standing store.

In: who, what (gate/actions.py has made sure of both). Out: a change that every worker goes by when
it is said to be done.
Must never: block the event loop; do for anybody what they did not click.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from proxy_addons.standing import Actor, StepRefusedError
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.confirmations import confirm
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.today import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.gate.actions import Who
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store
    from proxy_addons.standing.statement import Statement

_AT_ONCE = 4
SETTLED = EVERY + 0.2
"""Seconds after which every worker has looked: the page that people are sent back to may be asked
of another one."""


class StoreDeeds:
    """Does it in a store.

    Args:
        store: opened in this process; stays the caller's to close, after `close`.
        settings: gives those in force.
        statement: gives the acceptable-use statement in force.
        settled: seconds to wait before a change is said to be done.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        statement: Callable[[], Statement | None],
        *,
        settled: float = SETTLED,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._settings = settings
        self._statement = statement
        self._settled = settled
        self._clock = clock
        self._threads = ThreadPoolExecutor(_AT_ONCE, "deeds")

    def close(self) -> None:
        """Do nothing more; what is in hand is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def start_break(self, who: Who, minutes: int) -> None:
        """Start a break; see Breaks.start."""
        await self._do(lambda: self._breaks().start(who.name, minutes, who.name, who.how))

    async def end_break(self, who: Who) -> None:
        """End the one that is running; see Breaks.end."""
        await self._do(lambda: self._breaks().end(who.name, who.name, who.how))

    async def confirm(self, who: Who, rule: str, site: str) -> None:
        """Note that somebody has read what a rule expects of them at a site."""
        now = self._clock()
        until = now + timedelta(minutes=self._settings().shifts.coach.lasts)
        await self._do(lambda: confirm(self._store, who.name, rule, site, until, now))

    async def acknowledge(self, who: Who, version: str) -> None:
        """Note that somebody has acknowledged the statement."""
        statement = self._statement()
        if statement is None:
            msg = "The statement cannot be read at present. Try again later."
            raise StepRefusedError("statement", msg)
        renewed = self._settings().shifts.acknowledgement.renewed
        register = Acknowledgements(self._store, renewed, clock=self._clock)
        await self._do(
            lambda: register.acknowledge(
                statement, who.name, seen=version, client_ip=who.address, how=who.how
            )
        )

    async def ask_review(
        self, who: Who, url: str, rule: str, categories: tuple[str, ...], why: str
    ) -> str:
        """Ask for a review. Gives its reference."""
        policy = self._settings().policy
        register = Reviews(
            self._store, threats=policy.stays, zone=policy.time_zone, clock=self._clock
        )
        actor = Actor(who.name, how=who.how)
        review = await self._in_thread(
            lambda: register.ask(actor, url=url, why=why, rule=rule, categories=categories)
        )
        return review.reference

    def _breaks(self) -> Breaks:
        settings = self._settings()
        shifts, zone = settings.shifts, settings.policy.time_zone
        return Breaks(self._store, shifts.breaks, shifts.day_turns, zone, clock=self._clock)

    async def _do(self, job: Callable[[], object]) -> None:
        """Do it, and wait until every worker knows."""
        await self._in_thread(job)
        await asyncio.sleep(self._settled)

    async def _in_thread[T](self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)
