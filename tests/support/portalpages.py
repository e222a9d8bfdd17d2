"""The portal in a real Chromium, as one person sees it.

In: a served portal, a name. Out: a page, signed in; an error where it asks for anything elsewhere.
Must never: stand in for any part of the portal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.portal import PASSWORD, House
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser, ConsoleMessage, Page, Request

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Chromium for all tests that need none of their own: each has profiles of its own in it.

    Starting one for each test took a third of the processor's time of all of them.
    """
    assert CHROMIUM is not None
    profile = tmp_path_factory.mktemp("chromium")
    options = [
        "--headless",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--disable-gpu",
        "--in-process-gpu",
        "--no-first-run",
        # Without a page of its own: who connects waits for every page that is there, for ever if
        # one does not answer.
        "--no-startup-window",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium's sandbox does not work for root
    process = subprocess.Popen([CHROMIUM, *options], stderr=subprocess.DEVNULL)
    try:
        told = profile / "DevToolsActivePort"
        come_about(lambda: told.exists() and "\n" in told.read_text())
        yield f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def browser(chromium_address: str) -> AsyncIterator[Browser]:
    async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with async_api.async_playwright() as playwright:
        yield await playwright.chromium.connect_over_cdp(chromium_address, timeout=90_000)


@asynccontextmanager
async def somebody(
    browser: Browser,
    house: House,
    name: str | None,
    *,
    width: int = 1280,
    scheme: str = "light",
    **options: Any,
) -> AsyncIterator[Page]:
    """A page in a fresh profile, signed in; what it asks for elsewhere, or says, is an error."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, locale="en-GB", **options
    )
    page = await context.new_page()
    odd: list[str] = []

    def note_request(request: Request) -> None:
        ours = (house.base, "data:", house.base.replace("127.0.0.1", "localhost"))
        if not request.url.startswith(ours):
            odd.append(request.url)

    def note_message(message: ConsoleMessage) -> None:
        if "Failed to load resource" not in message.text:  # that is our own 400 or 403
            odd.append(message.text)

    page.on("request", note_request)
    page.on("console", note_message)
    if name is not None:
        await page.goto(house.base + "/sign-in")
        await page.fill("#name", name)
        await page.fill("#password", PASSWORD)
        await page.click("button.main")
        await page.wait_for_url("**/you")
    yield page
    await context.close()
    assert odd == []
