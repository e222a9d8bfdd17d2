"""An officer's day in a real Chromium: the statement, a break begun and ended, a page that coaches.

Two workers; scripts on and off; over HTTP/1.1 and HTTP/2; by keyboard alone.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from support.browser import chromium, tab, trusting_home
from support.gateway import ROOT, Gateway
from support.scene import through, working_time

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page
    from support.web import Web

pytestmark = [pytest.mark.browser]


async def press(page: Page, label: str) -> None:
    """Go to a button by keyboard and press it; wait for what comes of it."""
    button = page.get_by_role("button", name=label)
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await button.evaluate("each => each === document.activeElement"):
            break
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


@pytest.mark.parametrize(("http2", "scripts"), [(False, False), (True, True)])
async def test_a_day(tmp_path: Path, index: Path, web: Web, *, http2: bool, scripts: bool) -> None:
    address = {"network": "127.0.0.1/32", "person": "pc1234", "profile": "standard"}
    settings = through(web, identity={"addresses": [address]})
    settings["tls"]["http2"] = http2
    settings["personal_use"] = {
        "acknowledgement": {"required": True, "statement": str(ROOT / "config" / "statement.md")}
    }
    shop, webmail, news = (
        f"https://{host}" for host in ("www.amazon.co.uk", "www.hotmail.com", "www.bbc.co.uk")
    )
    assistant = "https://chatgpt.com"
    async with AsyncExitStack() as stack:
        gateway = stack.enter_context(
            Gateway(
                tmp_path / "gateway", settings, index=index, workers=2, at=working_time("10:30:00")
            )
        )
        playwright = await stack.enter_async_context(async_api.async_playwright())
        home = trusting_home(tmp_path / "home", gateway.authority, web.authority.file)
        pac = f"http://{gateway.portal}/proxy.pac"
        browser = await stack.enter_async_context(chromium(playwright, home, pac))
        officer = await stack.enter_async_context(tab(browser, java_script_enabled=scripts))
        page = officer.page

        # The statement, before anything that would be let through.
        assert (await officer.open(f"{news}/")).status == 403
        await press(page, "I have read this")
        assert await officer.heading() == "Hello from www.bbc.co.uk"
        # Refused, and opened by a break.
        assert (await officer.open(f"{shop}/dp/1?q=tea")).status == 403
        assert await officer.heading() == "This page is not available at the moment"
        assert "www.amazon.co.uk" not in web.hosts()
        await press(page, "Start my break: 15 minutes")
        assert page.url == f"{shop}/dp/1?q=tea"
        assert await officer.heading() == "Hello from www.amazon.co.uk"
        # The break does not open everything; it is ended, and the open tab is refused again.
        assert (await officer.open(f"{webmail}/inbox")).status == 403
        await press(page, "End my break now")
        assert (await officer.open(f"{shop}/dp/1?q=tea")).status == 403
        # Coached, confirmed, let through; asked for a review.
        assert (await officer.open(f"{assistant}/c")).status == 403
        assert await officer.heading() == "Before you go on"
        await press(page, "I understand: go on")
        assert page.url == f"{assistant}/c"
        assert await officer.heading() == "Hello from chatgpt.com"
        assert (await officer.open(f"{webmail}/inbox")).status == 403
        await press(page, "I need this site for my work")
        assert await officer.heading() == "Your question has been sent"
        assert (await officer.open(f"{news}/")).status == 200
        assert officer.errors == []
        gateway.stop()
        records = sorted(
            gateway.records(1, rule="gateway-action"), key=lambda record: record["start"]
        )
    assert [(each["action"], each["reason"].split()[0]) for each in records] == [
        ("allow", "acknowledge"), ("allow", "start-break"), ("allow", "end-break"),
        ("allow", "confirm"), ("allow", "ask-review"),
    ]  # fmt: skip
    assert not any("token" in each["url"] for each in records)
    counted = [each["url"] for each in gateway.records(1) if each["counted"]]
    assert counted == [f"{shop}/dp/1?q=tea"]
