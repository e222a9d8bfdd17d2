"""A million records of one person in the console, in a real Chromium: the page does not freeze."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.console import asked, console, seal_all
from support.officer import look_over
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

from proxy_addons.audit.authority.model import SubjectClass

pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

ROOT = Path(__file__).parents[3]
RECORDS = 1_000_000
LONGEST = 500.0
"""Milliseconds that a page may not answer for; beyond some 100 somebody notices, beyond a second
they click again."""
WATCH = """
window.held = [];
new PerformanceObserver(list => list.getEntries().forEach(each => window.held.push(each.duration)))
    .observe({type: "longtask", buffered: true});
"""


async def _made(data: Path) -> None:
    command = [str(ROOT / "scripts/records"), "--into", str(data), "--rows", str(RECORDS)]
    command += ["--days", "30", "--people", "1", "--first", "2026-10-24"]
    made = await asyncio.create_subprocess_exec(
        *command, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
    )
    assert await made.wait() == 0


async def test_a_million_records_do_not_freeze_the_browser(
    tmp_path: Path,
    browser: Browser,
) -> None:
    async with console(tmp_path, []) as at:
        await _made(at.settings.paths.data_dir)
        await asyncio.to_thread(seal_all, at.settings)
        subject = await asyncio.to_thread(_whose, at.settings.paths.access_log_dir)
        made = at.authorised(asked(subjects={subject: SubjectClass.OFFICER}))
        async with somebody(browser, at.house, "paul") as page:
            await page.add_init_script(WATCH)
            period = f"au={made.reference}&since=2026-10-25&until=2026-11-22"
            for view, shown in (("records", "#chart-week canvas"), ("sessions", "tbody tr")):
                begun = time.perf_counter()
                await page.goto(f"{at.house.base}/psd/search?{period}&view={view}")
                await page.wait_for_selector(shown)
                took = time.perf_counter() - begun
                held = await page.evaluate("Math.max(0, ...window.held)")
                size = len(await page.content())
                print(  # noqa: T201 - figures are what it is for
                    f"{view}: {await page.inner_text('#found')}; there after {took:.1f} s,"
                    f" the browser held for {held:.0f} ms at most, {size:,} characters"
                )
                assert held < LONGEST
                assert size < 2_000_000
                await look_over(page, f"psd-search-million-{view}")


def _whose(folder: Path) -> str:
    with next(folder.rglob("*.jsonl")).open() as lines:
        return next(str(name) for line in lines if (name := json.loads(line)["person"]))
