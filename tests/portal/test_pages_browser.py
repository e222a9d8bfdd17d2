"""Every page of ours in a real browser: accessible, narrow enough, loading nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer
from markupsafe import Markup
from support.sharedbrowser import CHROMIUM

from proxy_addons.engine.authority import load_or_make
from proxy_addons.gate.blockpage import render
from proxy_addons.gate.refusal import Button, Help, Kind, Refusal
from proxy_addons.policy.model import Action, Decision
from proxy_addons.portal.app import make_app
from proxy_addons.settings.load import load
from proxy_addons.settings.model import Page
from proxy_addons.standing.statement import Statement

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Request, Route

ROOT = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

LONG = "https://www.shop.example/" + "aVeryLongPathWithoutAnyPlaceToBreak" * 30
SHOPPING = Refusal(
    url=LONG,
    host="www." + "shop" * 14 + ".example",
    method="GET",
    decision=Decision(
        Action.BLOCK,
        "personal-use",
        "Inf/27 2.9.1",
        "Shopping is personal use, which is for breaks and out of hours.",
        ("shopping",),
        "standard",
        retry_at=datetime(2026, 11, 24, 12, 0, tzinfo=LONDON),
    ),
    kind=Kind.POLICY,
    reference="01KAHV7Q3M9X2T5R0000ABCDEFGHJK",
    person=None,
    page=Page("Sample Police", "ICT service desk, extension 4000", "Use may be monitored."),
    moment=datetime(2026, 11, 24, 10, 30, tzinfo=LONDON),
    sec_fetch_dest="document",
)
FAULT = Refusal(
    url="http://a.example/",
    host="a.example",
    method="GET",
    decision=None,
    kind=Kind.LOG_UNAVAILABLE,
    reference=None,
    person=None,
    page=SHOPPING.page,
    moment=datetime(2026, 11, 24, 10, 30, tzinfo=UTC),
    detail="x" * 200,
    sec_fetch_dest="document",
)

TOKEN = "?token=" + "aB3-_" * 60
HERE = "/.well-known/watchhouse/"
REVIEWS = (
    Button("I need this site for my work", f"{HERE}ask-review{TOKEN}"),
    Button("Its category looks wrong", f"{HERE}ask-review{TOKEN}"),
)
IN_HOURS = replace(
    SHOPPING,
    help=Help(
        breaks=tuple(
            Button(f"Start my break: {long}", f"{HERE}start-break{TOKEN}", short)
            for long, short in (("15 minutes", "15 min"), ("45 minutes", "45 min"), ("1 hour", ""))
        ),
        words="This site is open to you in a break. You have 60 minutes left today.",
        reviews=REVIEWS,
    ),
)
IN_A_BREAK = replace(
    SHOPPING,
    help=Help(
        words="Your break runs until 10:45. It does not open this site.",
        end_break=Button("End my break now", f"{HERE}end-break{TOKEN}"),
        reviews=REVIEWS,
    ),
)
COACH = replace(
    SHOPPING,
    url="https://assistant.example/chat",
    host="assistant.example",
    kind=Kind.COACH,
    decision=Decision(
        Action.COACH, "ai-assistants", "Inf/27 2.12.1",
        "What is typed into a public AI assistant leaves the force, and may leave the country.",
        ("ai-assistants",), "standard",
    ),
    help=Help(confirm=Button("I understand: go on", f"{HERE}confirm{TOKEN}")),
)  # fmt: skip
STATEMENT = Statement.of((ROOT / "config" / "statement.md").read_text("utf-8"))
UNREAD = replace(
    SHOPPING,
    kind=Kind.STATEMENT,
    decision=Decision(
        Action.BLOCK, "not-acknowledged", "Inf/27 3.8",
        "Please read how the web may be used here, and confirm it. Then you can browse.",
        (), "standard",
    ),
    help=Help(
        confirm=Button("I have read this and will keep to it", f"{HERE}acknowledge{TOKEN}"),
        title=STATEMENT.title,
        statement=Markup(STATEMENT.html),
    ),
)  # fmt: skip
NO_BREAK = replace(
    SHOPPING, kind=Kind.BREAK_UNAVAILABLE, decision=None,
    detail="The next break can start at 14:10: there are 30 minutes between two.",
    help=Help(back="https://shop.example/"),
)  # fmt: skip
ASKED = replace(
    SHOPPING, kind=Kind.REVIEW_ASKED, decision=None, detail="RV-2026-0001",
    help=Help(back="https://shop.example/"),
)  # fmt: skip
SEND_AGAIN = replace(SHOPPING, kind=Kind.SEND_AGAIN, decision=None)
TO_CLICK = (IN_HOURS, IN_A_BREAK, COACH, UNREAD, NO_BREAK, ASKED, SEND_AGAIN)


async def examine(browser: Browser, url: str, answer: Any = None) -> None:
    """Opens a page in light and dark, narrow and wide; fails on whatever is wrong with it.

    Args:
        browser: a browser.
        url: what to open.
        answer: what to answer, with its own headers; None asks the server that is there.
    """

    async def fulfil(route: Route) -> None:
        await route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

    for scheme, width in (("light", 320), ("dark", 1280)):
        context = await browser.new_context(
            viewport={"width": width, "height": 700}, color_scheme=scheme
        )
        page = await context.new_page()
        asked: list[str] = []
        said: list[str] = []

        def note_request(request: Request, asked: list[str] = asked) -> None:
            asked.append(request.url)

        def note_message(message: ConsoleMessage, said: list[str] = said) -> None:
            if "Failed to load resource" not in message.text:  # that is our own 403 or 503
                said.append(message.text)

        page.on("request", note_request)
        page.on("console", note_message)
        if answer is not None:
            await page.route("**/*", fulfil)
        await page.goto(url)
        await keyboard.accessible(page)
        scrolled = await page.evaluate("document.documentElement.scrollWidth")
        assert scrolled <= width, f"{url} needs sideways scrolling at {width} px"
        assert [one for one in asked if not one.startswith("data:")] == [url]
        assert said == []
        await context.close()


async def test_pages_are_accessible_narrow_and_self_contained(browser: Browser, tmp_path: Path):
    await examine(browser, LONG, render(SHOPPING))
    await examine(browser, "http://a.example/", render(FAULT))

    settings = load(ROOT / "config", overrides={"data_dir": str(tmp_path)}, environ={})
    load_or_make(settings.paths.ca_dir, "Sample Police", datetime.now(UTC))
    async with TestServer(make_app(settings)) as server:
        for path in ("/", "/ca"):
            await examine(browser, str(server.make_url(path)))


async def test_pages_with_buttons_are_too(browser: Browser) -> None:
    for refusal in TO_CLICK:
        await examine(browser, "https://shop.example/", render(refusal))


async def test_buttons_work_by_keyboard_without_scripts(browser: Browser) -> None:
    """The address bar's page, Tab to the first button, Enter; what the browser then sends."""
    sent: list[tuple[str, str, dict[str, str]]] = []

    async def serve(route: Route) -> None:
        request = route.request
        sent.append((request.method, request.url, await request.all_headers()))
        answer = render(IN_HOURS)
        await route.fulfill(status=403, headers=dict(answer.headers), body=answer.body)

    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.route("**/*", serve)
    await page.goto("https://shop.example/")
    button = page.get_by_role("button", name="Start my break: 15 minutes")
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await button.evaluate("each => each === document.activeElement"):
            break
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    method, url, _ = sent[-1]
    assert (method, url) == ("POST", f"https://shop.example{HERE}start-break{TOKEN}")
    await context.close()
