"""The pages of the alerts in a real browser: readable, by keyboard, for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.alertpages import alerted
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

officer = pytest.importorskip("support.officer", reason="axe is not installed")

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


async def test_from_the_queue_to_a_closed_alert(browser: Browser, tmp_path: Path):
    async with (
        alerted(tmp_path) as house,
        somebody(browser, house, "paul") as page,
    ):
        pages = ("", "/AL-2026-0001", "/AL-2026-0001/request", "/AL-2026-0001/close")
        for path in pages:
            await page.goto(f"{house.base}/psd/alerts{path}")
            await officer.look_over(page, "")
        await page.click("text=Explained by")
        await page.fill("#why", "It was a training course.")
        await page.click("form.sheet-form button.main")
        await page.wait_for_url("**?done=close")
        await officer.look_over(page, "")
