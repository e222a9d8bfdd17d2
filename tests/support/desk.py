"""A portal and the desk behind it: both real, with segments of an access log as workers leave them.

In: settings, a clock, records. Out: a served portal whose pages can look at records.
Must never: stand in for any part of the desk.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import empty_record
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.audit.desk.service import Service
from proxy_addons.standing import Actor, open_store
from support.authority import DCC, NOW, SETTINGS, sample
from support.portal import Clock, House, roles, served, settings_for
from support.segments import record, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.settings.model import Settings

ROLES = roles(psd="paul pia petra", auditor="audrey", operator="oscar")
NAMES = ("jane", "paul", "pia", "petra", "audrey", "oscar")
PAUL = Actor("paul", frozenset({"psd"}), "accounts")


def prepared(folder: Path) -> Settings:
    """Settings of a portal with people of professional standards and the standing authority.

    It is `AU-2026-0001`: paul applied for it, pia and petra look by it.
    """
    settings = settings_for(folder, names=NAMES, given=ROLES, audit=SETTINGS)
    store = open_store(settings.standing, settings.paths)
    try:
        register = Authorisations(store, settings.audit, clock=lambda: NOW)
        found = register.apply(PAUL, sample(investigators=frozenset({"pia", "petra"})))
        register.approve(DCC, found.reference, seen=found.revision)
    finally:
        store.close()
    return settings


def week_of_records(settings: Settings, *people: str, each: int = 6) -> None:
    """A segment of 18 November 2026, 10:00 UTC: so many records of each person, one of health."""
    made: list[dict[str, Any]] = []
    for place in range(each):
        for person in people:
            number = len(made) + 1
            start = datetime(2026, 11, 18, 10, place * 5, number % 60, tzinfo=UTC)
            made.append(
                dict(empty_record())
                | record(
                    number,
                    1,
                    start,
                    person=person,
                    host=f"site{place}.test",
                    url=f"https://site{place}.test/of/{number}",
                    categories=["health"] if place == 0 else ["news"],
                    action="block" if place == 1 else "allow",
                )
            )
    write(settings.paths.access_log_dir, "20261118T10", made)


@asynccontextmanager
async def consoled(
    settings: Settings, clock: Clock | None = None
) -> AsyncIterator[tuple[House, Service]]:
    """A portal, and the desk that its pages ask."""
    clock = clock or Clock()
    service = await asyncio.to_thread(Service, settings, lambda: clock.now)
    settings.paths.desk_socket.parent.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    serving = asyncio.create_task(service.serve(settings, stop))
    try:
        while not settings.paths.desk_socket.exists():
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        async with served(settings, clock) as house:
            yield house, service
    finally:
        stop.set()
        await serving


async def asked_of(service: Service, who: Who, call: Any) -> Any:
    """A call, as the desk does it, without a portal before it."""
    return await asyncio.to_thread(service.doing[type(call)], who, call)
