"""An officer's desk for tests of personal use: a gateway of two workers, its clock, a Chromium.

In: the small web, a category index. Out: one desk, at which pc1234 is on a night shift by the rota;
pages used by keyboard.
Must never: click, or reach into the gateway: people's own buttons do what is done.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from proxy_addons.settings.load import load
from support import keyboard
from support.browser import Tab, chromium, tab, trusting_home
from support.gateway import Gateway
from support.moving import MovingClock
from support.portal import PASSWORD, hashed
from support.scene import LONDON, through
from support.shifts import on_rota
from support.standing import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from playwright.async_api import Browser, Page, Playwright

    from support.web import Web

PERSON, OTHER, DECIDER = "pc1234", "pc5678", "ines"
OTHERS_ADDRESS = "127.0.0.2"
STATEMENT = "# Using the web\n\nUse is recorded. *Inf/27 3.8*\n"
# What stands holds within two seconds (DESIGN.md, decision 7; measured by tests/standing). Here a
# machine that does other things as well is waited for.
SOON = 15.0
_NARROW, _WIDE = {"width": 320, "height": 640}, {"width": 1280, "height": 800}


@dataclass
class Desk:
    """A browser, and the gateway that it is set up for.

    Attributes:
        folder: with the statement.
        gateway: pc1234 is on duty there, pc5678 has another address.
        clock: its clock. It begins at nine in the evening and only goes on.
        browser: knows the way by the PAC file alone.
    """

    folder: Path
    gateway: Gateway
    clock: MovingClock
    browser: Browser

    def tab(self, **options: Any) -> AbstractAsyncContextManager[Tab]:
        """A tab in a fresh profile."""
        return tab(self.browser, **options)

    def records(self, at_least: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """Of the access log, transactions only."""
        return self.gateway.records(at_least, event="transaction", **wanted)

    def states(self, text: str) -> None:
        """Give the statement other words."""
        (self.folder / "statement.md").write_text(text)

    def others_get(self, url: str) -> tuple[int, str]:
        """What somebody else gets: status, and the rule by which."""
        status = self.gateway.curl(url, "--interface", OTHERS_ADDRESS).status
        return status, self.records(url=url, person=OTHER)[-1]["rule"]

    async def no_break(self) -> None:
        """Wait until every worker knows that the break of the test before is over.

        The one that was asked to end it knows at once, the other within two seconds.
        """
        await self.everywhere("amazon.co.uk", 403)

    async def everywhere(self, host: str, status: int) -> None:
        """Wait until every worker answers with a status for what is below a host."""
        url, found = f"https://{fresh(host)}/", 0
        async with asyncio.timeout(SOON):
            while found < 10:  # in a row: workers take connections by chance
                reply = await asyncio.to_thread(self.gateway.curl, url)
                found = found + 1 if reply.status == status else 0

    @asynccontextmanager
    async def portal(self, name: str, **options: Any) -> AsyncIterator[Page]:
        """Somebody's tab, signed in to the portal."""
        async with self.tab(**options) as opened:
            page = opened.page
            await page.goto(f"http://{self.gateway.portal}/sign-in")
            await keyboard.write(page, "#name", name)
            await keyboard.write(page, "#password", PASSWORD)
            await keyboard.press(page, "main button.main", look=False)
            assert page.url.endswith("/you")
            yield page


@asynccontextmanager
async def desk_in(
    folder: Path, playwright: Playwright, web: Web, index: Path
) -> AsyncIterator[Desk]:
    """A desk, with HTTP/2 for secure pages."""
    (folder / "statement.md").write_text(STATEMENT)
    accounts = folder / "accounts"
    accounts.write_text("".join(f"{name}:{hashed()}\n" for name in (PERSON, DECIDER)))
    accounts.chmod(0o600)
    addresses = ((PERSON, "127.0.0.1"), (OTHER, OTHERS_ADDRESS))
    settings = through(
        web,
        identity={
            "addresses": [
                {"network": f"{address}/32", "person": name, "profile": "standard"}
                for name, address in addresses
            ]
        },
        personal_use={
            "breaks": {"gap": 0, "allowance": 240},
            "acknowledgement": {
                "required": True,
                "statement": str(folder / "statement.md"),
                # pc5678 acknowledges nothing.
                "open_categories": ["education"],
            },
        },
        portal={
            "sign_in": ["accounts"],
            "accounts": str(accounts),
            "roles": [{"role": "information-security", "people": [DECIDER]}],
        },
    )
    settings["tls"]["http2"] = True
    evening = datetime.now(LONDON).replace(hour=21, minute=0, second=0, microsecond=0)
    evening -= timedelta(days=1)
    clock = MovingClock(folder / "time", evening, lag=1)
    gateway = Gateway(folder / "gateway", settings, index=index, environ=clock.environ, workers=2)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(gateway.start)
        stack.callback(gateway.stop)
        await asyncio.to_thread(_on_duty, gateway, evening)
        home = trusting_home(folder / "home", gateway.authority, web.authority.file)
        pac = f"http://{gateway.portal}/proxy.pac"
        browser = await stack.enter_async_context(chromium(playwright, home, pac))
        yield Desk(folder, gateway, clock, browser)


def _on_duty(gateway: Gateway, evening: datetime) -> None:
    """Both are on duty until eleven in the morning: longer than the tests can last."""
    settings = load(gateway.config, overrides={"data_dir": str(gateway.data)}, environ={})
    duty = evening.replace(hour=9), evening.replace(hour=11) + timedelta(days=1)
    with opened(gateway.data) as store:
        for name in (PERSON, OTHER):
            on_rota(store, settings, name, [duty])


def fresh(host: str) -> str:
    """A name below a host that no other test uses."""
    return f"{uuid4().hex[:10]}.{host}"


async def press(page: Page, action: str) -> None:
    """Press the page's first button that does something, by keyboard; wait for what comes."""
    await keyboard.press(page, _button(action), look=False)


def _button(action: str) -> str:
    return f'[formaction*="/{action}?"], [action*="/{action}?"] button'


async def eventually(
    page: Page, wanted: int, *, of: Callable[[], Awaitable[int]] | None = None
) -> None:
    """The open page, loaded again and again, or something else, comes to a status."""

    async def again() -> int:
        answer = await page.reload()
        return answer.status if answer is not None else 0

    async with asyncio.timeout(SOON):
        while await (of or again)() != wanted:  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.1)


async def offered(page: Page, action: str) -> None:
    """The open page, loaded again where it must be, has a button that does something.

    A worker that has not heard yet of what another one did has none.
    """
    async with asyncio.timeout(SOON):
        while not await page.locator(_button(action)).count():
            await asyncio.sleep(0.1)
            await page.reload()


async def look_over(page: Page, name: str, *, at_once: str = "") -> None:
    """Look over a page: narrow and light, wide and dark.

    No violation by axe, nothing to scroll to sideways, the notice of monitoring.

    Args:
        page: with scripts, which axe is one of.
        name: of the picture.
        at_once: selector of what is to be seen at 320 pixels without scrolling.
    """
    before = page.viewport_size
    for size, scheme in ((_NARROW, "light"), (_WIDE, "dark")):
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme)
        await keyboard.look_over(page, name)
        if at_once:
            box = await page.locator(at_once).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= size["height"], f"{name}: {at_once} is out of sight"
    if before is not None:
        await page.set_viewport_size(before)
