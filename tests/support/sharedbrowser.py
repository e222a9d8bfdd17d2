"""One Chromium for the tests of pages; each has profiles of its own in it.

In: nothing. Out: fixtures, which tests/conftest.py hands to all rooms: one that a room imported for
itself would be a browser more. Must never: be used where the browser itself is tried (its roll-out,
its store of certificates, its PAC file): support/browser.py starts one as people have it.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.browser import ORDINARY
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser

# The same engine without windows, where Debian has it: it takes two thirds of the time. Not the
# script of that name in /usr/bin, which does not hand signals on.
WITHOUT_WINDOWS = "/usr/lib/chromium/chromium-headless-shell"
CHROMIUM = shutil.which(WITHOUT_WINDOWS) or shutil.which("chromium")


@pytest.fixture(scope="session")
def chromium_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the browser is driven from.

    Starting one for each test took a third of the processor's time of all of them.
    """
    assert CHROMIUM is not None
    profile = tmp_path_factory.mktemp("chromium")
    options = [
        "--headless",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        # Without a page of its own: who connects waits for every page that is there, for ever if
        # one does not answer.
        "--no-startup-window",
        *ORDINARY,
    ]
    process = subprocess.Popen([CHROMIUM, *options], stderr=subprocess.DEVNULL)
    try:
        told = profile / "DevToolsActivePort"
        come_about(lambda: told.exists() and "\n" in told.read_text())
        yield f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def browser(chromium_address: str) -> AsyncIterator[Browser]:
    """The browser, driven by this test."""
    async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with async_api.async_playwright() as playwright:
        yield await playwright.chromium.connect_over_cdp(chromium_address, timeout=90_000)
