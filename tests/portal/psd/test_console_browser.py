"""The console in a real Chromium: charts under the strict policy, accessible pages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.alone import verified_alone
from support.authoritypages import PATH, application
from support.console import asked, console, records, seal_all, unit_records
from support.officer import look_over
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

from proxy_addons.audit.authority.colleagues import Unit

pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

DRAWN = """() => [...document.querySelectorAll(".chart")].map(each => {
    const canvas = each.querySelector("canvas");
    if (!canvas) return each.id;
    const of = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return of.some((value, at) => at % 4 === 3 && value) ? "" : each.id;
}).filter(Boolean)"""


async def test_searching(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path) as at:
        reference = at.authorised().reference
        async with somebody(browser, at.house, "paul") as page:
            await page.goto(f"{at.house.base}/psd/search")
            await look_over(page, "psd-search-empty")
            await page.fill("#since", "2026-11-23")
            await page.click("form.search button")
            await page.wait_for_selector("#chart-time canvas")
            assert await page.evaluate(DRAWN) == []
            assert reference in page.url
            await look_over(page, "psd-search")
            await page.click("text=Sessions")
            await page.wait_for_url("**view=sessions**")
            await look_over(page, "psd-sessions")
        async with somebody(browser, at.house, "audrey") as page:
            await page.goto(f"{at.house.base}/psd/trail")
            assert await page.locator("tbody tr").count() >= 3
            await look_over(page, "psd-trail")


async def test_saving_a_search_without_scripts(
    tmp_path: Path,
    browser: Browser,
) -> None:
    async with console(tmp_path) as at:
        reference = at.authorised().reference
        async with somebody(browser, at.house, "paul", java_script_enabled=False) as page:
            await page.goto(f"{at.house.base}/psd/search?au={reference}&host=news.test")
            await page.click("text=Save this search")
            await page.fill("#name", "News")
            await page.click("details.saving button")
            assert await page.inner_text("[role=status]") == "The search is saved."
            await page.click("text=Rename or delete")
            await page.fill("#name", "")
            await page.click("text=Rename")
            assert "Give the search a name" in await page.inner_text("[role=alert]")
        async with somebody(browser, at.house, "paul") as page:
            await page.goto(f"{at.house.base}/psd/searches")
            await look_over(page, "psd-saved")
            await page.click("text=Rename or delete")
            await look_over(page, "psd-saved-one")


async def test_the_comparison_with_the_unit(
    tmp_path: Path,
    browser: Browser,
) -> None:
    others = tuple(f"pc{number:02d}" for number in range(12))
    wanted = asked(comparison="unit", comparison_why="What is usual has to be known.")
    async with console(tmp_path, unit_records(others, days=3)) as at:
        reference = at.authorised(wanted, unit=Unit("Response B", frozenset(others))).reference
        async with somebody(browser, at.house, "paul") as page:
            await page.goto(f"{at.house.base}/psd/search?au={reference}")
            await page.click("text=Compare with the unit")
            await page.wait_for_selector("#chart-requests canvas")
            assert await page.evaluate(DRAWN) == []
            await look_over(page, "psd-compared")


async def test_from_the_application_to_a_pack_that_anybody_can_check(
    tmp_path: Path,
    browser: Browser,
) -> None:
    """paul applies, acu approves, paul searches and makes a pack; another Python checks it."""
    then = datetime(2026, 11, 10, 8, tzinfo=UTC)
    async with console(tmp_path, records(then)) as at:
        key = await asyncio.to_thread(seal_all, at.settings)
        async with somebody(browser, at.house, "paul") as page:
            await page.goto(f"{at.house.base}{PATH}/new")
            form = application(investigators="")
            await page.check(f'input[name=kind][value="{form["kind"]}"]')
            for name in ("purpose", "regime"):
                await page.select_option(f"#{name}", str(form[name]))
            for name in ("subjects", "allegation", "necessity", "proportionality", "alternatives",
                         "collateral", "begins", "ends", "valid_from", "valid_until"):  # fmt: skip
                await page.fill(f"#{name}", str(form[name]))
            await page.click("form.sheet-form button.main")
            reference = await page.inner_text("h1")
            await page.goto(f"{at.house.base}/psd/search?au={reference}")
            assert "not approved yet" in await page.inner_text("main")
        async with somebody(browser, at.house, "acu") as page:
            await page.goto(f"{at.house.base}{PATH}/{reference}")
            await page.click('a[href$="/approve"]')
            await page.click("form.sheet-form button.main")
            assert "It is approved." in await page.inner_text("[role=status]")
        async with somebody(browser, at.house, "paul", accept_downloads=True) as page:
            await page.goto(f"{at.house.base}{PATH}/{reference}")
            await page.click('main a[href^="/psd/search"]')
            await page.fill("#since", "2026-11-10")
            await page.fill("#until", "2026-11-10")
            await page.click("form.search button")
            assert await page.inner_text("#found") == "60 records"
            await page.click('a[href^="/psd/pack"]')
            await look_over(page, "psd-pack")
            await page.fill("#note", "For the hearing of case 12.")
            await page.click("form.sheet-form button.main")
            assert "no other record of jane" in await page.inner_text("main")
            await look_over(page, "psd-pack-made")
            async with page.expect_download() as begun:
                await page.click('a[href^="/psd/packs"]')
            pack = tmp_path / "pack.zip"
            await (await begun.value).save_as(pack)
    status, said = await asyncio.to_thread(verified_alone, pack, key)
    assert status == 0, said
