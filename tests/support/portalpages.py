"""The portal in a real Chromium, as one person sees it.

In: a served portal, a name. Out: a page, signed in; an error where it asks for anything elsewhere.
Must never: stand in for any part of the portal.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from support.portal import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Page, Request


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
