"""The API with everything behind it: a portal, a desk, records, an approved authorisation.

In: a folder. Out: a house whose API answers, tokens for it.
Must never: stand in for the desk, the register or the trail.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from proxy_addons.accesslog.record import empty_record
from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.desk.service import Service
from proxy_addons.audit.trailreader import TrailReader
from proxy_addons.portal.api.tokens import Tokens
from proxy_addons.standing import Actor, open_store
from support.authority import World, wanted
from support.portal import Clock, served, settings_for
from support.segments import record, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.portal.api.tokens import Token
    from proxy_addons.standing import Store
    from support.portal import House

PAUL = Actor("paul", frozenset({"psd", "staff"}), "accounts")
AUDREY = Actor("audrey", frozenset({"auditor", "staff"}), "accounts")
BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)
JANE, OTHERS = 30, 90
"""Records of jane's, and of others."""


def made_records() -> list[dict[str, Any]]:
    """A fourth of them are jane's; some of these on a site of a special category."""
    found = []
    for place in range(JANE + OTHERS):
        person = ("jane", "ab1234", "cd5678", None)[place % 4]
        more = {
            "person": person,
            "categories": ["health"] if place % 12 == 0 else ["news"],
            "action": "block" if place % 8 == 0 else "allow",
            "rule": "news",
            "bytes_up": 1,
            "bytes_down": 2,
            "host": f"{person or 'nobody'}.test".lower(),
            "url": f"https://{person or 'nobody'}.test/{place}".lower(),
        }
        at = BEGIN + timedelta(seconds=20 * place)
        found.append(dict(empty_record()) | record(place + 1, 1, at, **more))
    return found


@dataclass
class Answer:
    """One answer of the API."""

    status: int
    headers: Any
    body: bytes
    json: Any


@dataclass
class Api:
    """A served API.

    Attributes:
        house: the portal.
        world: the register of authorisations.
        authorisation: of jane's records, for paul.
        store: the standing store.
        tokens: of it.
        session: a client.
    """

    house: House
    world: World
    authorisation: Authorisation
    store: Store
    tokens: Tokens
    session: ClientSession

    @property
    def reference(self) -> str:
        return self.authorisation.reference

    async def token(self, actor: Actor = PAUL, **more: Any) -> tuple[str, Token]:
        """A token of somebody's: for their records, or an auditor's."""
        given = {"label": "case tool", "ends": self.house.clock.now + timedelta(days=7)} | more
        if "psd" in actor.roles:
            given.setdefault("authorisation", self.reference)
        role = "psd" if "psd" in actor.roles else "auditor"
        return await asyncio.to_thread(
            partial(self.tokens.make, actor, role, register=self.world.register, **given)
        )

    async def get(self, path: str, token: str | None = None, **more: Any) -> Answer:
        """One call."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        url = f"{self.house.base}/api/v1{path}"
        method = more.pop("method", "GET")
        async with self.session.request(method, url, headers=headers, **more) as answer:
            body = await answer.read()
            told = answer.content_type.endswith("json") and "nd" not in answer.content_type
            found = await answer.json(content_type=None) if told and body else None
            return Answer(answer.status, answer.headers, body, found)

    async def looks(self) -> list[dict[str, Any]]:
        """The trail, the newest first, without its steps."""
        log = trail_of(self.house.settings)
        page = await asyncio.to_thread(TrailReader(log.segments, log.sealed).page, most=10_000)
        return [each.record for each in page.records if each.record["event"] != "step"]


@asynccontextmanager
async def with_desk(house: House) -> AsyncIterator[None]:
    """A desk beside a portal."""
    settings, clock = house.settings, house.clock
    service = await asyncio.to_thread(Service, settings, lambda: clock.now)
    stop = asyncio.Event()
    task = asyncio.create_task(service.serve(settings, stop))
    while not settings.paths.desk_socket.exists():
        assert not task.done(), task
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def served_api(
    folder: Path, records: list[dict[str, Any]] | None = None
) -> AsyncIterator[Api]:
    """Everything, with an authorisation for jane's records by which paul looks."""
    settings = await asyncio.to_thread(settings_for, folder)
    settings.paths.run_dir.mkdir(parents=True, exist_ok=True)
    write(
        settings.paths.access_log_dir, "20261121T08", made_records() if records is None else records
    )
    clock = Clock()
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(served(settings, clock))
        await stack.enter_async_context(with_desk(house))
        store = open_store(settings.standing, settings.paths)
        stack.callback(store.close)
        world = World(store, replace(settings.audit, offices=()))
        # The test's world of authority has its own clock.
        world.now = clock.now - timedelta(hours=1)
        asked = wanted(
            subjects={"jane": SubjectClass.OFFICER},
            investigators=frozenset({"paul"}),
            valid_from=world.now,
            begins=world.now - timedelta(days=30),
            ends=world.now,
        )
        found = await asyncio.to_thread(world.approved, asked)
        tokens = Tokens(store, lambda: clock.now)
        session = await stack.enter_async_context(ClientSession())
        yield Api(house, world, found, store, tokens, session)
