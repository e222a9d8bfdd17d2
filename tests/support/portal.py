"""A portal that people sign in to, over real HTTP, and browsers' worth of clients for it.

In: accounts, roles, a folder. Out: a served portal with a store of its own; signed-in clients.
Must never: stand in for any part of the portal.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer
from argon2 import PasswordHasher

from proxy_addons.portal.app import make_app
from proxy_addons.settings import people
from proxy_addons.settings.load import load
from support.standing import ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse: bättery staple"

TOKEN = re.compile(r'name="(?:token|csrf)" value="([^"]+)"')


@cache
def hashed(password: str = PASSWORD) -> str:
    """A hash as the file of accounts has it; cheap, as nobody attacks this one."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def own_address() -> str | None:
    """An address of this machine that is not loopback; nothing is sent anywhere to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@dataclass
class Clock:
    """The portal's clock."""

    now: datetime = NOON

    def __call__(self) -> float:
        return self.now.timestamp()

    def go_on(self, **by: float) -> None:
        self.now += timedelta(**by)


def roles(**names: str) -> tuple[people.RoleGroups, ...]:
    """`portal.roles` from `role="name name"`, with `_` for `-`."""
    return tuple(
        people.RoleGroups(role.replace("_", "-"), people=tuple(who.split()))
        for role, who in names.items()
    )


ROLES = roles(
    line_manager="mona",
    information_security="ines ivan",
    psd="paul",
    auditor="audrey",
    operator="oscar",
)
PEOPLE = ("jane", "mona", "ines", "ivan", "paul", "audrey", "oscar")


@cache
def _default_settings() -> Settings:
    return load(ROOT / "config", environ={})


def settings_for(
    folder: Path,
    *,
    ways: tuple[str, ...] = ("accounts",),
    names: Iterable[str] = PEOPLE,
    given: tuple[people.RoleGroups, ...] = ROLES,
    **changes: Any,
) -> Settings:
    """The default configuration with people who sign in, its store made.

    Args:
        folder: for data and accounts.
        ways: `portal.sign_in`.
        names: who has an account; all with the same password.
        given: `portal.roles`.
        changes: further fields of `Settings`; those of `portal` as `portal_…`.
    """
    accounts = folder / "accounts"
    accounts.write_text("".join(f"{name}:{hashed()}\n" for name in names))
    accounts.chmod(0o600)
    portal = {k.removeprefix("portal_"): v for k, v in changes.items() if k.startswith("portal_")}
    others = {k: v for k, v in changes.items() if not k.startswith("portal_")}
    settings = _default_settings()
    settings = replace(
        settings,
        paths=replace(settings.paths, data_dir=(folder / "data").absolute()),
        portal=people.Portal(sign_in=ways, accounts=accounts, roles=given, **portal),
        **others,
    )
    ready(settings.standing, settings.paths)
    return settings


@dataclass(frozen=True)
class Seen:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: list[str]
    path: str = ""

    @property
    def token(self) -> str:
        """The first form's token."""
        found = TOKEN.search(self.text)
        assert found is not None, "the page has no form with a token"
        return unescape(found[1])

    @property
    def words(self) -> str:
        """What a person reads, in one line."""
        body = re.sub(r"(?s)<style>.*?</style>", "", self.text)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers.get("Location", "")


class Visitor:
    """One browser: keeps cookies, follows nothing by itself."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = base
        self.jar = CookieJar(unsafe=True, treat_as_secure_origin=[base])
        self._session = ClientSession(cookie_jar=self.jar, headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, **more: Any) -> Seen:
        url = path if path.startswith("http") else self.base + path
        async with self._session.request(method, url, allow_redirects=False, **more) as answer:
            return Seen(
                answer.status,
                answer.headers,
                await answer.text(),
                answer.headers.getall("Set-Cookie", []),
                path,
            )

    async def get(self, path: str, **more: Any) -> Seen:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, fields: Any, **more: Any) -> Seen:
        """A form of this portal, as its own pages send it."""
        headers = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        headers |= more.pop("headers", {})
        return await self.ask("POST", path, data=fields, headers=headers, **more)

    async def fill(self, path: str, **fields: Any) -> Seen:
        """Open a page with a form, fill it in and send it to where it came from."""
        seen = await self.get(path)
        assert seen.status == 200, (seen.status, seen.words)
        return await self.post(path.partition("?")[0], {"csrf": seen.token, **fields})

    async def sign_in(self, name: str, password: str = PASSWORD, path: str = "") -> Seen:
        form = await self.get("/sign-in" + path)
        fields = {"token": form.token, "name": name, "password": password, "next": "/you"}
        return await self.post("/sign-in", fields)

    @property
    def session_id(self) -> str | None:
        return next((c.value for c in self.jar if c.key == "__Host-watchhouse" and c.value), None)


@dataclass
class House:
    """A served portal."""

    settings: Settings
    clock: Clock
    base: str
    stack: AsyncExitStack = field(repr=False)

    async def visitor(self, name: str | None = None, **more: Any) -> Visitor:
        """A browser; signed in if a name is given."""
        made = await self.stack.enter_async_context(Visitor(self.base, **more))
        if name is not None:
            seen = await made.sign_in(name)
            assert seen.status == 303, seen.words
        return made


@asynccontextmanager
async def served(settings: Settings, clock: Clock | None = None) -> AsyncIterator[House]:
    """A portal at a loopback port."""
    clock = clock or Clock()
    app = await asyncio.to_thread(make_app, settings, clock=clock)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(app))
        yield House(settings, clock, str(server.make_url("")).rstrip("/"), stack)
