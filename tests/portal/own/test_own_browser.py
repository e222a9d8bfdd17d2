"""My browsing and the statement in a real Chromium: seen, by keyboard, narrow, without script."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.portal import Clock, House, served
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM
from support.shifts import MORNING, known, spend
from support.standing import grant

from proxy_addons.standing import Actor, open_store, views
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.refusals import Refusals
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.statement import Statement

keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")
officer = pytest.importorskip("support.officer", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from proxy_addons.settings.model import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

WHY = "Parts for the unit's bikes, which nobody else " + "stocks" * 20


def seeded(folder: Path) -> Settings:
    """Somebody with a full week."""
    settings = known(folder, "jane")
    store = open_store(settings.standing, settings.paths)
    for ago, personal, social in ((6, 12, 4), (4, 61, 20), (3, 140, 2), (1, 30, 10)):
        spend(store, settings, "jane", MORNING - timedelta(days=ago), personal, social)
    spend(store, settings, "jane", MORNING - timedelta(hours=2), 18, 5)
    now = MORNING - timedelta(days=2)
    zone = settings.policy.time_zone
    breaks = Breaks(
        store, settings.shifts.breaks, settings.shifts.day_turns, zone, clock=lambda: now
    )
    breaks.start("jane", 15, "jane")
    refused = Refusals()
    for rule, times in (("webmail", 12), ("personal-use-on-duty" + "-long" * 12, 1)):
        for _ in range(times):
            refused.count("jane", now.date(), rule)
    refused.flush(store)
    for how in ("page", "csv", "e-mail", "e-mail, sent"):
        views.record(
            store, viewer="mona-with-a-long-login-name" * 4, subjects=["jane", "tom"],
            what="weekly 2026-W47", how=how, now=now,
        )  # fmt: skip
    reviews = Reviews(store, threats=(), zone=zone, clock=lambda: now)
    jane = Actor("jane", how="accounts")
    url = "https://" + "very-long-name." * 12 + "example/"
    asked = reviews.ask(jane, url=url, why=WHY, rule="personal-use")
    ines = Actor("ines", frozenset({"information-security"}), "accounts")
    reviews.decline(ines, asked.reference, seen=1, why="The fleet office has an account there.")
    ends = MORNING + timedelta(days=9)
    grant(store, "jane", everything=False, categories={"chat"}, begins=now, ends=ends, now=now)
    old = Statement.of("# Last year's text\n\nBe good.\n")
    Acknowledgements(store, clock=lambda: now).acknowledge(
        old, "jane", seen=old.version, client_ip="2001:db8:1:2:3:4:5:6", how="kerberos"
    )
    store.close()
    return settings


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(seeded, tmp_path)
    async with served(settings, Clock(MORNING)) as made:
        yield made


async def test_all_that_it_can_show_is_accessible_narrow_and_wide(
    browser: Browser,
    house: House,
):
    async with somebody(browser, house, "jane") as page:
        await page.goto(house.base + "/browsing")
        await officer.look_over(page, "")
        for each in await page.locator("summary").all():
            await each.press("Enter")
        assert await page.locator("details[open]").count() == 2
        await officer.look_over(page, "")
        await keyboard.press(page, 'button[value="15"]', look=False)
        assert "on a break until 10:45" in await page.inner_text("main")
        await officer.look_over(page, "")
        house.clock.go_on(minutes=13)
        await page.goto(house.base + "/browsing")
        assert "ends in 2 minutes" in await page.inner_text("[role=alert]")
        await officer.look_over(page, "")
        house.clock.go_on(minutes=2)
        await page.goto(house.base + "/browsing")
        assert "Your break ended at 10:45" in await page.inner_text("main")
        await officer.look_over(page, "")
        await page.goto(house.base + "/statement")
        await officer.look_over(page, "")
        await keyboard.press(page, "form.sheet-form button.main")
        await keyboard.press(page, 'a[href^="/statement/"]', look=False)
        assert "Be good." in await page.inner_text("main")
        await officer.look_over(page, "")


async def test_a_whole_break_and_the_statement_by_keyboard(
    browser: Browser,
    house: House,
):
    async with somebody(browser, house, "jane", width=360) as page:
        await keyboard.press(page, '.menu a[href="/browsing"]', look=False)
        await keyboard.press(page, 'button[value="30"]', look=False)
        await keyboard.press(page, 'a[href="/browsing?still=1"]', look=False)
        await keyboard.press(page, 'form[action="/browsing/end"] button', look=False)
        assert "Your break has ended." in await page.inner_text("[role=status]")
        await keyboard.press(page, '.menu a[href="/statement"]', look=False)
        await keyboard.reach(page, 'main a[href="#acknowledge"]')
        await page.keyboard.press("Enter")
        # From there the button is one step away, however long the text is.
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.innerText") == "I have read this"
        await keyboard.press(page, "form.sheet-form button.main", look=False)
        assert "It is recorded" in await page.inner_text("[role=status]")


async def test_a_refusal_is_read_first_and_leads_to_the_section(
    browser: Browser,
    house: House,
):
    async with somebody(browser, house, "jane", width=360) as page:
        await page.goto(house.base + "/browsing")
        await keyboard.press(page, 'button[value="15"]', look=False)
        await page.goto(house.base + "/browsing")
        house.clock.go_on(minutes=20)
        await page.evaluate(
            """() => {
                const form = document.querySelector('form[action="/browsing/end"]');
                form.action = "/browsing/start";
                form.querySelector("button").name = "minutes";
                form.querySelector("button").value = "15";
            }"""
        )
        await keyboard.press(page, 'form[action="/browsing/start"] button')
        assert await page.evaluate("document.activeElement.id") == "summary"
        assert (await page.title()).startswith("Error: ")
        await keyboard.reach(page, '#summary a[href="#breaks"]')
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "breaks"


async def test_without_script_the_page_warns_and_ends_by_itself(
    browser: Browser,
    house: House,
):
    async with somebody(browser, house, "jane", java_script_enabled=False) as page:
        await page.goto(house.base + "/browsing")
        await page.click('button[value="15"]')
        house.clock.go_on(minutes=12, seconds=59)
        await page.goto(house.base + "/browsing")
        assert "on a break until 10:45" in await page.inner_text("main")
        house.clock.go_on(seconds=2)
        await page.wait_for_selector("[role=alert]")
        assert await page.title() == "Break ends at 10:45: My browsing: Sample Constabulary"
        house.clock.go_on(seconds=118)
        await page.goto(house.base + "/browsing")
        house.clock.go_on(seconds=1)
        await page.wait_for_selector("text=Your break ended at 10:45")
        await page.goto(house.base + "/statement")
        await page.click("form.sheet-form button.main")
        assert "It is recorded" in await page.inner_text("[role=status]")


async def test_what_is_left_of_a_break_shrinks_without_script(
    browser: Browser,
    house: House,
):
    async with somebody(browser, house, "jane") as page:
        await page.goto(house.base + "/browsing")
        await page.click('button[value="30"]')
        house.clock.go_on(minutes=15)
        await page.goto(house.base + "/browsing")
        parts = [
            await page.evaluate(
                """at => {
                    const svg = document.querySelector("svg.countdown");
                    svg.pauseAnimations();
                    svg.setCurrentTime(at);
                    const [whole, left] = svg.querySelectorAll("rect");
                    return left.getBoundingClientRect().width / whole.getBoundingClientRect().width;
                }""",
                at,
            )
            for at in (0, 450, 900, 2000)
        ]
        assert parts == pytest.approx([0.5, 0.25, 0, 0], abs=0.01)


@pytest.mark.parametrize("width", [320, 480, 1280])
async def test_the_picture_is_readable_at_every_width(
    browser: Browser,
    house: House,
    width: int,
):
    """Names before the bars, numbers behind them, all in the window and none too small."""
    async with somebody(browser, house, "jane", width=width) as page:
        await page.goto(house.base + "/browsing")
        rows = await page.evaluate(
            """() => [...document.querySelectorAll(".bars > g")]
                .filter(g => g.querySelector("rect"))
                .map(g => [...g.querySelectorAll("text, rect")].map(each => {
                    const box = each.getBoundingClientRect();
                    return [box.left, box.right, parseFloat(getComputedStyle(each).fontSize)];
                }))"""
        )
        assert len(rows) == 7
        for name, social, other, number in rows:
            assert name[0] >= 0
            assert name[1] <= social[0]
            assert social[1] == pytest.approx(other[0], abs=0.5)
            assert other[1] <= number[0]
            assert number[1] <= width
            assert min(name[2], number[2]) >= 14
