"""A real Chromium, set up as a roll-out would: a PAC address, and authorities in its own store.

In: a gateway's PAC address, certificate files. Out: a running browser; tabs that note what came.
Must never: ignore a certificate error; use the store, profile or name server of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from typing import Any

    from playwright.async_api import Browser, ConsoleMessage, Error, Page, Playwright, Response


ORDINARY = (
    "--disable-gpu",
    "--in-process-gpu",  # a process less to start for each browser
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # Chromium's does not work for root
)
"""Options of every browser here: it does what a test has it do, and nothing of itself."""


def trusting_home(home: Path, *authorities: Path) -> Path:
    """A home directory whose certificate store trusts these authorities for web sites.

    Args:
        home: made here.
        authorities: PEM files.
    """
    store = home / ".pki/nssdb"
    store.mkdir(parents=True)
    database = ["certutil", "-d", f"sql:{store}"]
    subprocess.run([*database, "-N", "--empty-password"], check=True)
    for number, file in enumerate(authorities):
        subprocess.run(
            [*database, "-A", "-t", "C,,", "-n", f"authority {number}", "-i", str(file)], check=True
        )
    return home


@asynccontextmanager
async def chromium(
    playwright: Playwright,
    home: Path,
    pac: str,
    names: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Browser]:
    """A running Chromium.

    Args:
        playwright: drives it.
        home: as `trusting_home` makes it.
        pac: address of the PAC file.
        names: what the browser's own name server knows, `name` to `address:port`. It knows no other
            name, so that what goes round the gateway fails.
        environ: added to its environment: where its tickets are.
    """
    rules = [f"MAP {name} {address}" for name, address in (names or {}).items()]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]
    options = [
        f"--proxy-pac-url={pac}",
        f"--host-resolver-rules={', '.join(rules)}",
        "--disable-quic",
        *ORDINARY,
    ]
    # Nothing of this machine's environment: proxies and certificate files are often named there.
    environment: dict[str, str | float | bool] = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "en_GB.UTF-8",
        **(environ or {}),
    }
    browser = await playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=options, env=environment
    )
    try:
        yield browser
    finally:
        await browser.close()


@dataclass
class Tab:
    """One page in a fresh profile, and what came of it.

    Attributes:
        page: Playwright's page.
        answers: the last answer for each URL.
        said: the console's lines.
        errors: exceptions in the page's scripts that nothing caught.
    """

    page: Page
    answers: dict[str, Response] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def open(self, url: str) -> Response:
        """Go to an address, and wait until everything on it has come."""
        answer = await self.page.goto(url)
        assert answer is not None
        assert answer.url == url, "Chromium has a list of sites that are never asked over http"
        assert self.page.url == url, "and shows error pages of its own in place of ours"
        return answer

    async def heading(self) -> str:
        """The page's main heading as a person sees it."""
        return await self.page.get_by_role("heading", level=1).inner_text()

    async def reference(self) -> str:
        """The reference number on a block page, as copying it gives it."""
        number = await self.page.locator(".ref").text_content()
        assert number is not None
        return number


@asynccontextmanager
async def tab(browser: Browser, **options: Any) -> AsyncIterator[Tab]:
    """A tab in a fresh profile: no cache, cookies or connections of another.

    Args:
        browser: the browser.
        options: of Playwright's `new_context`.
    """
    context = await browser.new_context(**options)
    opened = Tab(await context.new_page())

    def note_answer(answer: Response) -> None:
        opened.answers[answer.url] = answer

    def note_message(message: ConsoleMessage) -> None:
        opened.said.append(message.text)

    def note_error(error: Error) -> None:
        opened.errors.append(str(error))

    opened.page.on("response", note_answer)
    opened.page.on("console", note_message)
    opened.page.on("pageerror", note_error)
    try:
        yield opened
    finally:
        await context.close()
