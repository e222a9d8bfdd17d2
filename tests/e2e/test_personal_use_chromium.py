"""Personal use, played in a real Chromium that knows its way by the PAC file alone.

One gateway of two workers, one browser, one person on a night shift; each test has hosts of its
own. The browser's own name server knows no name: what goes round the PAC file fails.

What the issue wants played, and what plays it (all by keyboard alone: support/officer.py has no
click; without scripts wherever it says `off`):

- refused, start break, the same page loads, break ends, refused again on the open tab:
  `test_a_break_opens_the_page_until_its_end` (ended by hand; in the clear and in TLS, `off` and on)
- the end by the clock, on the open tab and on an open HTTP/2 connection:
  `test_a_break_ends_by_the_clock_on_an_open_connection`
- coach: `test_coaching_goes_on_after_a_confirmation` (`off`)
- acknowledgement, at first use (the fixture `desk`) and of a new version:
  `test_browsing_waits_for_the_statement` (`off`)
- review: `test_a_review_allows_a_site_for_a_time`, `test_a_review_is_declined`,
  `test_a_review_gives_other_categories` (`off`)
- axe-core clean, 320 px wide, light and dark, what helps seen without scrolling; screenshots (in
  the folder that $WATCHHOUSE_SCREENSHOTS names): `look_over` on every page of ours on the way, and
  `test_every_page_is_clean_and_narrow`
"""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from support import keyboard
from support.faketime import FAKETIME
from support.officer import (
    DECIDER,
    PERSON,
    SOON,
    STATEMENT,
    Desk,
    desk_in,
    eventually,
    fresh,
    look_over,
    offered,
    press,
)
from support.scene import LONDON
from support.waiting import come_about

from proxy_addons.standing.statement import Statement

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page
    from support.browser import Tab
    from support.web import Web

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian: faketime)"),
    pytest.mark.asyncio(loop_scope="module"),
]

OFF = {"java_script_enabled": False}
WHY = "Leaflets for the open day are ordered here."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    """The desk, whose person has acknowledged the statement."""
    folder = tmp_path_factory.mktemp("desk")
    async with (
        async_api.async_playwright() as playwright,
        desk_in(folder, playwright, shared_web, index) as made,
    ):
        await acknowledged(made)
        yield made


async def acknowledged(desk: Desk) -> None:
    """Read and confirm the statement."""
    host = fresh("gov.uk")
    async with desk.tab(**OFF) as someone:
        assert (await someone.open(f"https://{host}/")).status == 403
        await press(someone.page, "acknowledge")
        await hello(someone, host, f"https://{host}/")


async def hello(someone: Tab, host: str, url: str) -> None:
    """The site's own page is there, at the address that was asked for.

    At once, as a click is answered when both workers know of it; but a busy machine's other worker
    may take the two seconds that are promised, and the page is asked of whichever has it.
    """
    async with asyncio.timeout(SOON):
        while await someone.heading() != f"Hello from {host}":
            assert someone.page.url == url
            await asyncio.sleep(0.5)
            await someone.page.reload()
    assert someone.page.url == url


# --- breaks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "scripts"), [("http", False), ("https", False), ("https", True)]
)
async def test_a_break_opens_the_page_until_its_end(
    scheme: str, scripts: bool, desk: Desk, web: Web
) -> None:
    host, elsewhere = fresh("amazon.co.uk"), fresh("hotmail.com")
    url = f"{scheme}://{host}/dp/1?ref=a%26b"
    await desk.no_break()
    async with desk.tab(java_script_enabled=scripts) as someone:
        assert (await someone.open(url)).status == 403
        assert (await someone.heading()).startswith("This page is not available")
        shown = await someone.page.get_by_role("main").inner_text()
        assert re.search(r"allowed\s(today|tomorrow) at 11:00, when your duty ends", shown), shown
        assert host not in web.hosts(), "a refused site is never contacted"
        await press(someone.page, "start-break")
        await hello(someone, host, url)
        (record,) = desk.records(url=url, status=200)
        assert record["rule"] == "personal-use-in-booked-breaks"
        assert (record["states"], record["counted"]) == (["on-break", "on-duty"], True)

        # In another tab: what stays refused in a break says until when it runs, and ends it.
        other = await someone.page.context.new_page()
        answer = await other.goto(f"{scheme}://{elsewhere}/inbox")
        assert answer is not None
        assert answer.status == 403
        await offered(other, "end-break")
        shown = await other.get_by_role("main").inner_text()
        assert re.search(r"Your break runs until \d\d:\d\d\. It does not open this site\.", shown)
        await press(other, "end-break")

        await eventually(someone.page, 403)
        assert someone.page.url == url
        assert (await someone.heading()).startswith("This page is not available")
        assert someone.errors == []
    clicks = [desk.records(rule="gateway-action", host=each)[0] for each in (host, elsewhere)]
    assert [each["reason"] for each in clicks] == ["start-break 15", "end-break"]
    assert not [each for each in clicks if "token" in each["url"] or each["action"] != "allow"]


async def test_a_break_ends_by_the_clock_on_an_open_connection(desk: Desk) -> None:
    host = fresh("amazon.co.uk")
    url = f"https://{host}/dp/1"
    await desk.no_break()
    async with desk.tab() as someone:
        page = someone.page
        assert (await someone.open(url)).status == 403
        await press(page, "start-break")
        await hello(someone, host, url)

        async def ask() -> int:
            status: int = await page.evaluate(
                "async () => (await fetch('/part?' + Math.random())).status"
            )
            return status

        assert await ask() == 200
        desk.clock.go_on(14 * 60)
        assert await ask() == 200, "a break lasts as long as it was taken for"
        desk.clock.go_on(61)
        await eventually(page, 403, of=ask)
        await eventually(page, 403)
        assert someone.page.url == url
        protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert await page.evaluate(protocol) == "h2"

    # Refused on what was open and let through before, on no other.
    # (A busy browser begins two at once and keeps one.)
    def ports() -> tuple[set[int], list[int]]:
        """Of requests that were let through, and of each that was refused after that."""
        records = sorted(desk.records(host=host, kind="https"), key=lambda each: each["start"])
        statuses = [each["status"] for each in records]
        since = statuses.index(200) if 200 in statuses else len(statuses)
        passed = {each["client_port"] for each in records if each["status"] == 200}
        return passed, [each["client_port"] for each in records[since:] if each["status"] == 403]

    come_about(lambda: len(ports()[1]) >= 2)  # part and page; the log is a moment behind
    let_through, refused = ports()
    assert let_through.issuperset(refused)


# --- coach, statement -----------------------------------------------------------------------------


async def test_coaching_goes_on_after_a_confirmation(desk: Desk, web: Web) -> None:
    host = fresh("beautiful.ai")
    url = f"https://{host}/chat?about=tea"
    async with desk.tab(**OFF) as someone:
        assert (await someone.open(url)).status == 403
        assert await someone.heading() == "Before you go on"
        assert "Inf/27 2.12.1" in await someone.page.get_by_role("main").inner_text()
        assert host not in web.hosts()
        await press(someone.page, "confirm")
        await hello(someone, host, url)
        (record,) = desk.records(url=url, status=200)
        assert (record["rule"], record["action"]) == ("ai-assistants", "allow")
    async with desk.tab(**OFF) as someone:
        await someone.page.goto(f"https://{host}/again")
        await eventually(someone.page, 200)  # asked once for a site
    (click,) = desk.records(rule="gateway-action", host=host)
    assert click["reason"].startswith("confirm ai-assistants ")


async def test_browsing_waits_for_the_statement(desk: Desk, web: Web) -> None:
    words = f"{STATEMENT}\nWords of version {fresh('test')}.\n"
    desk.states(words)
    desk.gateway.process.send_signal(signal.SIGHUP)
    await desk.everywhere("gov.uk", 403)
    host = fresh("gov.uk")
    url = f"https://{host}/page"
    async with desk.tab() as someone:
        assert (await someone.open(f"https://{fresh('gov.uk')}/")).status == 403
        await look_over(someone.page, "statement")
    refused = desk.gateway.curl(url, "-H", "Accept: application/json")
    assert refused.status == 403
    assert '"not-acknowledged"' in refused.text
    async with desk.tab(**OFF) as someone:
        assert (await someone.open(url)).status == 403
        assert await someone.heading() == "Using the web"
        assert "Words of version" in await someone.page.get_by_role("main").inner_text()
        assert host not in web.hosts()
        await press(someone.page, "acknowledge")
        await hello(someone, host, url)
    await desk.everywhere("gov.uk", 200)
    (click,) = desk.records(rule="gateway-action", host=host)
    assert (click["person"], click["client_ip"]) == (PERSON, "127.0.0.1")
    assert click["reason"] == f"acknowledge {Statement.of(words).version}"


# --- reviews --------------------------------------------------------------------------------------


async def asked(someone: Tab, url: str, button: int = 0) -> str:
    """Ask for a review on the block page. Gives its reference."""
    assert (await someone.open(url)).status == 403
    page = someone.page
    reviews = page.locator('[formaction*="/ask-review?"]')
    chosen = await reviews.nth(button).get_attribute("formaction")
    await keyboard.press(page, f'[formaction="{chosen}"]', look=False)
    said = await page.inner_text("body")
    assert await someone.heading() == "Your question has been sent", said
    lead = await page.locator(".lead").inner_text()
    found = re.search(r"You find their answer on My browsing\. .*(RV-\d{4}-\d{4})", lead)
    assert found is not None, lead
    # The way back is a link; the page is as refused as before.
    await keyboard.press(page, f'main a[href="{url}"]', look=False)
    assert page.url == url
    assert (await someone.heading()).startswith("This page is not available")
    return found[1]


async def decide(page: Page, reference: str, kind: str, **fields: str) -> None:
    """Information security decides, from the queue on."""
    await keyboard.press(page, '.menu a[href="/reviews"]', look=False)
    await keyboard.press(page, f'main a[href="/reviews/{reference}"]', look=False)
    await keyboard.press(page, f'main a[href$="/{reference}/{kind}"]', look=False)
    await look_over(page, f"review-{kind}")
    for field, value in fields.items():
        if value not in {"on", "off"}:
            await keyboard.day(page, f"#{field}", value)
            continue
        selector = f'[name="{field}"], [name=category][value="{field}"]'
        if await page.locator(selector).first.is_checked() != (value == "on"):
            await keyboard.reach(page, selector)
            await page.keyboard.press("Space")
    await keyboard.write(page, "#why", WHY)
    await keyboard.press(page, "form.sheet-form button.main", look=False)
    assert await page.locator("[role=status]").count() == 1, await page.inner_text("main")


async def told(page: Page, reference: str) -> str:
    """What the person's own page says of their review."""
    await keyboard.press(page, '.menu a[href="/browsing"]', look=False)
    return await page.locator(".reviews > li", has_text=reference).inner_text()


async def test_a_review_allows_a_site_for_a_time(desk: Desk) -> None:
    host = fresh("hotmail.com")
    url = f"https://{host}/inbox"
    async with desk.tab(**OFF) as someone:
        reference = await asked(someone, url)
        async with desk.portal(PERSON) as own, desk.portal(DECIDER) as ines:
            assert "Waiting for an answer" in await told(own, reference)
            await ines.goto(f"http://{desk.gateway.portal}/reviews")
            await look_over(ines, "reviews")
            evening = desk.clock.now().astimezone(LONDON)
            await decide(ines, reference, "allow", scope="on", until=f"{evening:%Y-%m-%d}")
            await eventually(someone.page, 200)
            await hello(someone, host, url)
            record = desk.records(url=url, status=200)[-1]
            assert (record["rule"], record["counted"]) == ("review-allowed", False)
            assert desk.others_get(url) == (403, "webmail"), "for who asked, alone"
            said = await told(own, reference)
            assert f"{host} is open to you until " in said
            assert WHY in said
            await look_over(own, "browsing-answer")
            await look_over(ines, "review-decided")

        # To the end of that day, which it includes.
        midnight = evening.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        desk.clock.go_on(round((midnight - desk.clock.now()).total_seconds()) + 1)
        await eventually(someone.page, 403)
        assert (await someone.heading()).startswith("This page is not available")
        async with desk.portal(PERSON) as own:
            assert "Ended" in await told(own, reference)


async def test_a_review_is_declined(desk: Desk) -> None:
    url = f"http://{fresh('hotmail.com')}/inbox"
    async with desk.tab(**OFF) as someone, desk.portal(DECIDER) as ines:
        reference = await asked(someone, url)
        await decide(ines, reference, "decline")
        assert (await someone.open(url)).status == 403
    async with desk.portal(PERSON, **OFF) as own:
        said = await told(own, reference)
    assert "Declined" in said
    assert WHY in said


async def test_a_review_gives_other_categories(desk: Desk) -> None:
    host = fresh("hotmail.com")
    url = f"https://{host}/prospectus"
    async with desk.tab(**OFF) as someone, desk.portal(DECIDER) as ines:
        reference = await asked(someone, url, button=1)
        await decide(ines, reference, "recategorise", webmail="off", education="on")
        await eventually(someone.page, 200)
        await hello(someone, host, url)
        assert desk.records(url=url, status=200)[-1]["categories"] == ["education"]
        # For everybody; by a worker that may not have looked yet.
        come_about(lambda: desk.others_get(url) == (200, "business"))
    async with desk.portal(PERSON, **OFF) as own:
        assert "other categories" in await told(own, reference)


# --- looked over ----------------------------------------------------------------------------------


async def alerts(page: Page) -> int:
    """How many things the page, loaded again, says at once to who cannot see it."""
    await page.reload()
    return await page.get_by_role("alert").count()


async def test_every_page_is_clean_and_narrow(desk: Desk) -> None:
    shop, mail = (f"https://{fresh(host)}/" for host in ("argos.co.uk", "hotmail.com"))
    await desk.no_break()
    async with desk.tab() as someone:
        page = someone.page
        await someone.open(shop)
        await look_over(page, "refused", at_once='[formaction*="/start-break?"]')
        # A site of its own: a confirmation of another test is for all of its site.
        await someone.open(f"https://{fresh('blackbox.ai')}/")
        await look_over(page, "coach", at_once='[action*="/confirm?"] button')
        await someone.open(mail)
        await look_over(page, "refused-always", at_once=".ref")
        await press(page, "ask-review")
        await look_over(page, "review-asked", at_once='main a[href^="https:"]')
        await someone.open(shop)
        await press(page, "start-break")
        await someone.open(mail)
        await offered(page, "end-break")
        await look_over(page, "refused-in-a-break", at_once='[formaction*="/end-break?"]')
        async with desk.portal(PERSON) as own:
            await own.goto(f"http://{desk.gateway.portal}/browsing")
            await look_over(own, "browsing-break")
            desk.clock.go_on(13 * 60)
            await eventually(own, 1, of=lambda: alerts(own))
            await look_over(own, "browsing-warning", at_once="[role=alert] button")
        await press(page, "end-break")
        assert someone.errors == []
