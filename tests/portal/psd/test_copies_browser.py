"""The subject's copy in a real Chromium: accessible pages, and the file that a button gives."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.console import asked, console, records
from support.officer import look_over
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

from proxy_addons.audit.authority.model import Kind, Regime

pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


async def test_a_copy_is_looked_at_and_taken(
    tmp_path: Path,
    browser: Browser,
) -> None:
    given = records()
    given[2] |= {"url": "https://news.test/of/audrey?to=kim%40home.example&from=ab1234"}
    wanted = asked(kind=Kind.SUBJECT_ACCESS, regime=Regime.DATA_PROTECTION)
    async with console(tmp_path, given) as at:
        made = at.authorised(wanted, by="dpo", office="data-protection-officer")
        async with somebody(browser, at.house, "paul") as page:
            await page.goto(f"{at.house.base}/psd/authorisations/{made.reference}")
            await page.click("a[href^='/psd/copy']")
            await look_over(page, "psd-copy")
            await page.fill("#others", "audrey\nKim Smith")
            await page.click("button.main")
            await page.wait_for_selector("#reads")
            await look_over(page, "psd-copy-preview")
            await page.check("#reads")
            async with page.expect_download() as waiting:
                await page.click("button.main")
            taken = await (await waiting.value).path()
            with zipfile.ZipFile(Path(taken)) as inside:
                assert b"audrey" not in inside.read("records.html")
