"""The console in a real Chromium: charts under the strict policy, accessible pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.console import console
from support.officer import look_over
from support.portalpages import CHROMIUM, browser, chromium_address, somebody  # noqa: F401 - fixtures

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


async def test_searching(tmp_path: Path, browser: Browser) -> None:  # noqa: F811 - a fixture
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
