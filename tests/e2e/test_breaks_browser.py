"""Breaks, coaching, the statement and reviews in a real Chromium on the PAC file.

The clock is the real one; the person is on duty by the rota, whatever time it is.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from support.browser import chromium, tab, trusting_home
from support.gateway import ROOT, Gateway
from support.keyboard import axe, reach
from support.scene import LONDON, through

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from playwright.async_api import Browser, Page, Playwright
    from support.web import Web

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PERSON = "pc1234"
ADDRESSES = {"addresses": [{"network": "127.0.0.1/32", "person": PERSON, "profile": "standard"}]}
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STATEMENT = "# Using the web\n\nUse is recorded. *Inf/27 3.8*\n"


class Desk:
    """A browser, and the gateway that it is set up for."""

    def __init__(self, gateway: Gateway, browser: Browser) -> None:
        self.gateway = gateway
        self.browser = browser

    def records(self, at_least: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        return self.gateway.records(at_least, event="transaction", **wanted)

    def does(self, *words: str) -> str:
        """What an operator's command says."""
        done = self.gateway.command(*words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


def policy() -> str:
    """The default policy, whose fixed break is at a time when nobody tests."""
    text = (ROOT / "config/policy.yaml").read_text()
    window = '{days: mon-fri, from: "12:00", to: "14:00"}'
    assert window in text
    return text.replace(window, '{days: sun, from: "03:00", to: "03:01"}')


def rota(folder: Path) -> Path:
    """A rota with the person on duty from yesterday to tomorrow."""
    now = datetime.now(LONDON)
    begins, ends = now - timedelta(hours=12), now + timedelta(hours=12)
    file = folder / "rota.csv"
    file.write_text(
        "person,begins,ends\n"
        f"{PERSON},{begins:%Y-%m-%dT%H:%M}{begins:%z},{ends:%Y-%m-%dT%H:%M}{ends:%z}\n"
    )
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def set_up(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[..., Awaitable[Desk]]]:
    """Sets up desks: with HTTP/2 or without, and what personal use is to be."""
    async with AsyncExitStack() as stack:
        playwright: Playwright = await stack.enter_async_context(async_api.async_playwright())

        async def begin(**more: Any) -> Desk:
            folder = tmp_path_factory.mktemp("desk")
            settings = through(shared_web, identity=ADDRESSES)
            settings["tls"]["http2"] = more.pop("http2", False)
            if statement := more.pop("statement", None):
                (folder / "statement.md").write_text(statement)
                more.setdefault("acknowledgement", {})["statement"] = str(folder / "statement.md")
            settings["personal_use"] = more
            gateway = stack.enter_context(
                Gateway(folder / "gateway", settings, policy=policy(), index=index, workers=2)
            )
            home = trusting_home(folder / "home", gateway.authority, shared_web.authority.file)
            browser = await stack.enter_async_context(
                chromium(playwright, home, f"http://{gateway.portal}/proxy.pac")
            )
            desk = Desk(gateway, browser)
            desk.does("rota", "import", str(rota(folder)))
            return desk

        yield begin


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(set_up: Callable[..., Awaitable[Desk]]) -> Desk:
    return await set_up(breaks={"gap": 0})


async def faults(page: Page) -> list[Any]:
    """What axe-core objects to."""
    found = await axe.Axe().run(page, options={"runOnly": STANDARD})
    return [(each["id"], each["nodes"]) for each in found["violations"]]


async def press(page: Page, label: str) -> None:
    """Press a button by keyboard alone."""
    button = page.get_by_role("button", name=label)
    handle = await button.element_handle()
    assert handle is not None, label
    await handle.evaluate("each => each.setAttribute('data-wanted', '')")
    await reach(page, "[data-wanted]")
    await page.keyboard.press("Enter")


async def refused_soon(page: Page) -> None:
    """The open tab's page is refused within two seconds, and some for a busy machine."""
    async with asyncio.timeout(10):
        while (reply := await page.reload()) is None or reply.status != 403:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def fresh(host: str) -> str:
    return f"{uuid4().hex[:10]}.{host}"


# --- breaks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_break_with_javascript_switched_off(scheme: str, desk: Desk, web: Web) -> None:
    """Refused, break, the same page, the end, refused again on the open tab."""
    host = fresh("amazon.co.uk")
    url = f"{scheme}://{host}/dp/1?ref=a%26b"
    async with tab(desk.browser, java_script_enabled=False) as officer:
        assert (await officer.open(url)).status == 403
        assert host not in web.hosts()
        await officer.page.get_by_role("button", name="Start my break: 15 minutes").click()
        await officer.page.get_by_role("heading", name=f"Hello from {host}").wait_for()
        assert officer.page.url == url
        (record,) = desk.records(url=url, status=200)
        assert record["rule"] == "personal-use-in-booked-breaks"
        assert (record["states"], record["counted"]) == (["on-break", "on-duty"], True)
        desk.does("break", "end", PERSON)

        await refused_soon(officer.page)
        assert (await officer.heading()).startswith("This page is not available")
    assert desk.records(rule="gateway-action", host=host)


async def test_the_refused_page_by_keyboard_and_with_axe(desk: Desk) -> None:
    async with tab(desk.browser, viewport={"width": 320, "height": 640}) as officer:
        await officer.open(f"https://{fresh('argos.co.uk')}/")
        assert await faults(officer.page) == []
        wide = await officer.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320
        await press(officer.page, "Start my break: 15 minutes")
        await officer.page.get_by_role("heading", name="Hello from").wait_for()
    desk.does("break", "end", PERSON)


async def test_an_open_http2_connection_does_not_outlive_the_break(
    set_up: Callable[..., Awaitable[Desk]],
) -> None:
    desk = await set_up(http2=True, breaks={"gap": 0})
    host = fresh("amazon.co.uk")
    async with tab(desk.browser) as officer:
        await officer.open(f"https://{host}/")
        await officer.page.get_by_role("button", name="Start my break: 15 minutes").click()
        await officer.page.get_by_role("heading", name=f"Hello from {host}").wait_for()
        desk.does("break", "end", PERSON)
        ask = "async () => (await fetch('/again?' + Math.random())).status"
        async with asyncio.timeout(10):
            while await officer.page.evaluate(ask) != 403:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    # On the connection that was open: no other TLS connection has begun since.
    connections = {each["client_port"] for each in desk.records(host=host, kind="https")}
    assert len(connections) == 1


# --- coach ----------------------------------------------------------------------------------------


async def test_coaching_goes_on_after_a_click_that_is_recorded(desk: Desk, web: Web) -> None:
    host = fresh("beautiful.ai")
    url = f"https://{host}/chat"
    async with tab(desk.browser, java_script_enabled=False) as officer:
        assert (await officer.open(url)).status == 403
        assert await officer.heading() == "Before you go on"
        shown = await officer.page.get_by_role("main").inner_text()
        assert "Inf/27 2.12.1" in shown
        assert host not in web.hosts()
        await officer.page.get_by_role("button", name="I understand: go on").click()
        await officer.page.get_by_role("heading", name=f"Hello from {host}").wait_for()
        assert officer.page.url == url
        (record,) = desk.records(url=url, status=200)
        assert (record["rule"], record["action"]) == ("ai-assistants", "allow")
    async with tab(desk.browser) as officer:
        await officer.open(f"https://{fresh('aistudio.google.com')}/")
        assert await faults(officer.page) == []


# --- the statement --------------------------------------------------------------------------------


async def test_browsing_waits_for_the_statement(
    set_up: Callable[..., Awaitable[Desk]], web: Web
) -> None:
    desk = await set_up(statement=STATEMENT, acknowledgement={"required": True})
    host = fresh("gov.uk")
    refused = desk.gateway.curl(f"https://{host}/api", "-H", "Accept: application/json")
    assert refused.status == 403
    assert '"not-acknowledged"' in refused.text
    async with tab(desk.browser, java_script_enabled=False) as officer:
        assert (await officer.open(f"https://{host}/page")).status == 403
        assert host not in web.hosts()
        assert "Use is recorded." in await officer.page.get_by_role("main").inner_text()
        await officer.page.get_by_role("button").first.click()
        await officer.page.get_by_role("heading", name=f"Hello from {host}").wait_for()
        assert (await officer.open(f"https://{fresh('gov.uk')}/")).status == 200
    listed = desk.does("acknowledgements", "list")
    assert PERSON in listed
