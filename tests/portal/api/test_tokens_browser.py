"""The pages of tokens in a real Chromium: by keyboard, narrow and wide, accessible."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.api import served_api
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")
officer = pytest.importorskip("support.officer", reason="axe is not installed")

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


async def test_a_token_is_made_shown_and_revoked(browser: Browser, tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        await api.token(label="long" * 20, ends=api.house.clock.now + timedelta(days=1))
        async with somebody(browser, api.house, "paul") as page:
            await page.goto(api.house.base + "/psd/tokens/new")
            await officer.look_over(page, "psd-token")
            await keyboard.write(page, "#networks", "nothing")
            await keyboard.press(page, "button.main", look=False)
            await officer.look_over(page, "psd-token-wrong")
            await page.fill("#label", "case tool")
            await page.fill("#networks", "")
            await keyboard.press(page, "button.main", look=False)
            await page.wait_for_selector("code", timeout=5000)
            await officer.look_over(page, "psd-tokens-made")
            text = await page.inner_text("code")
            found = await api.get("/authorisations", text)
            assert found.status == 200
            await page.click(f"tr:has-text('{found.json['token']}') button")
            await page.wait_for_url("**/psd/tokens?done=revoked")
            await officer.look_over(page, "psd-tokens")
            assert (await api.get("/authorisations", text)).status == 401
