"""Reviews and weekly figures in a real Chromium: narrow, dark, by keyboard, without JavaScript."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert
from support.ldap import Slapd, Someone
from support.portal import NOON, PASSWORD, House, served, settings_for
from support.running import index  # noqa: F401 - a fixture
from support.sharedbrowser import CHROMIUM

from proxy_addons.standing import Actor, minutes, open_store
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.tables_shifts import refusals

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")
officer = pytest.importorskip("support.officer", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from proxy_addons.settings.model import Settings


pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

FORCE = (
    Someone("mona", display="Insp Mona Reed", unit="Major Crime"),
    Someone("jane", display="DC Jane Doe", unit="Major Crime", manager="mona"),
    Someone("tom", display="DC Tom Abernathy-Featherstonehaugh", manager="mona",
            unit="Serious and Organised Crime Partnership Unit (Northern Region)"),
    Someone("ann", display="Ann Okafor", unit="Contact Centre", manager="mona"),
    Someone("ines", display="Ines Park", unit="Information Security"),
)  # fmt: skip
LONG = "https://a.very.long.name.of.a-site-that-somebody-needs.example.org/with/a/path/" + "x" * 90
ANSWER = "Looked at: a printer of leaflets."


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), everybody=FORCE, groups={}) as made:
        yield made


def seeded(folder: Path, slapd: Slapd, index: Path) -> Settings:  # noqa: F811 - pytest's way to take a fixture
    settings = settings_for(folder, names=("mona", "jane", "ines"), directory=slapd.settings())
    shutil.copy2(index, settings.paths.index_file)
    store = open_store(settings.standing, settings.paths)
    for person, every, length in (("jane", 2, 60), ("tom", 5, 25)):
        for back in range(0, 56, every):
            day = date(2026, 11, 22) - timedelta(days=back)
            first = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            rows = [
                minutes.Row(person, first + timedelta(minutes=each), day, each < 9)
                for each in range(length)
            ]
            minutes.write(store, rows)
    with store.noting() as connection:
        for rule in ("webmail", "default-block"):
            connection.execute(
                insert(refusals).values(person="tom", day=date(2026, 11, 17), rule=rule, count=7)
            )
    queue = Reviews(
        store,
        threats=settings.policy.by_name_only,
        zone=settings.policy.time_zone,
        clock=lambda: NOON - timedelta(days=2),
    )
    for person, url, categories in (
        ("jane", "https://shop.www.ebay.co.uk/leaflets", ["auctions"]),
        ("tom", LONG, []),
        ("ann", "https://secure.eicar.org/", ["malware"]),
        ("jane", "https://done.example/", ["forums"]),
    ):
        queue.ask(
            Actor(person, how="address"), url=url, rule="webmail", categories=categories,
            why="It is what the leaflets for the open day refer to. " * 3,
        )  # fmt: skip
    ines = Actor("ines", frozenset({"information-security"}), "kerberos")
    queue.decline(ines, "RV-2026-0004", seen=1, why="A forum that nobody watches over.")
    store.close()
    return settings


@pytest.fixture
async def house(
    tmp_path: Path,
    slapd: Slapd,
    index: Path,  # noqa: F811 - pytest's way to take a fixture
) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(seeded, tmp_path, slapd, index)
    async with served(settings) as made:
        yield made


@asynccontextmanager
async def somebody(
    browser: Browser, house: House, name: str, **more: object
) -> AsyncIterator[Page]:
    """A page in a fresh profile, signed in; what the browser has to say is an error."""
    width = more.pop("width", 1280)
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, locale="en-GB", **more
    )
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(house.base + "/sign-in")
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    await page.click("button.main")
    await page.wait_for_url("**/you")
    yield page
    await context.close()
    assert [each for each in said if "Failed to load resource" not in each] == []


PAGES = {
    "mona": ("/team/use", "/team/use?week=2026-W48", "/team/use?week=x", "/team"),
    "jane": ("/reviews/new", "/reviews/RV-2026-0001", "/reviews/RV-2026-0004"),
    "ines": ("/reviews", "/reviews?show=decided", "/reviews/RV-2026-0001", "/reviews/RV-2026-0002",
             "/reviews/RV-2026-0003", "/reviews/RV-2026-0004", "/reviews/RV-2026-0001/allow",
             "/reviews/RV-2026-0002/recategorise", "/reviews/RV-2026-0001/decline",
             "/acknowledgements", "/acknowledgements?show=all"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
async def test_pages_are_accessible_narrow_and_wide(browser: Browser, house: House, name: str):
    async with somebody(browser, house, name) as page:
        for path in PAGES[name]:
            await page.goto(house.base + path)
            await officer.look_over(page, "")


async def test_the_picture_says_what_the_numbers_say(browser: Browser, house: House):
    """Bars as wide as their minutes, and the median in one place through all rows."""
    async with somebody(browser, house, "mona") as page:
        await page.goto(house.base + "/team/use")
        bars = await page.evaluate(
            """() => [...document.querySelectorAll('.use tbody tr')].map(row => ({
                name: row.querySelector('th').innerText,
                minutes: Number(row.cells[2].innerText),
                width: row.querySelector('.use-social').getBoundingClientRect().width
                    + row.querySelector('.use-other').getBoundingClientRect().width,
                median: row.querySelector('.use-median').getBoundingClientRect().x,
            }))"""
        )
        assert [each["name"] for each in bars] == [
            "DC Jane Doe", "DC Tom Abernathy-Featherstonehaugh", "Ann Okafor"
        ]  # fmt: skip
        jane, tom, ann = bars
        assert jane["minutes"] == 240
        assert tom["minutes"] in {25, 50}
        assert jane["width"] / tom["width"] == pytest.approx(240 / tom["minutes"], rel=0.05)
        assert ann["width"] == 0
        assert len({round(each["median"]) for each in bars}) == 1


async def test_a_review_by_keyboard_without_javascript(browser: Browser, house: House):
    """Asked, opened for a time, read: with keys alone, at the width of a phone, no script."""
    async with somebody(browser, house, "jane", width=320, java_script_enabled=False) as page:
        await page.goto(house.base + "/reviews/new?url=https://www.ebay.co.uk/open-day")
        await page.focus("#why")
        await page.keyboard.type("The chairs for the open day are sold here.")
        await page.keyboard.press("Tab")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert page.url.endswith("/reviews/RV-2026-0005?done=request")
        assert "Your request is sent." in await page.inner_text("main")
    async with somebody(browser, house, "ines", width=360) as page:
        await page.goto(house.base + "/reviews")
        await keyboard.press(page, 'a[href="/reviews/RV-2026-0005"]')
        await keyboard.press(page, 'a[href$="/allow"]')
        await keyboard.press(page, "form.sheet-form button.main")
        assert await page.evaluate("document.activeElement.id") == "summary"
        await keyboard.reach(page, '#summary a[href="#until"]')
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "until"
        await page.evaluate("document.activeElement.blur()")
        await page.goto(house.base + "/reviews/RV-2026-0005/allow")
        await keyboard.tick(page, "#scope")
        await keyboard.day(page, "#until", "2026-12-24")
        await keyboard.write(page, "#why", ANSWER)
        await keyboard.press(page, "form.sheet-form button.main")
        assert "www.ebay.co.uk is open to DC Jane Doe" in await page.inner_text("main")
    async with somebody(browser, house, "jane", width=320, java_script_enabled=False) as page:
        await page.goto(house.base + "/reviews/RV-2026-0005")
        text = await page.inner_text("main")
        assert "www.ebay.co.uk is open to you until 24 December 2026, that day included." in text
        assert ANSWER in text
