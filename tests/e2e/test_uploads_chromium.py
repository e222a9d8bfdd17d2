"""What somebody sends with a form, in a real Chromium: refused with words, kept for them, or sent.

One gateway in the hours when personal browsing is allowed, one browser. The documents are made by
LibreOffice. What is written in a form must not be lost by a refusal: the Back button has it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web as http
from support import keyboard
from support.browser import chromium, tab, trusting_home
from support.documents import KINDS, Text, convert, program
from support.faketime import FAKETIME
from support.gateway import Gateway
from support.running import IDENTITY
from support.scene import through, working_time

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from playwright.async_api import Browser
    from support.browser import Tab
    from support.web import Web

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian: faketime)"),
    pytest.mark.skipif(program() is None, reason="LibreOffice is not here"),
    pytest.mark.asyncio(loop_scope="module"),
]

SITE, SHOP, PUBLIC = "files.example", "www.amazon.co.uk", "www.gov.uk"
WROTE = "See you at the gate at nine. Bring the blue folder."
ADDRESS = "a.smith@borsetshire.police.example"
FORM = """<!doctype html><title>Send us something</title><h1>Send us something</h1>
<form method="post" action="/taken/form" enctype="multipart/form-data">
<label>E-mail <input name="email" id="email"></label>
<label>Message <textarea name="message" id="message"></textarea></label>
<label>File <input type="file" name="file" id="file"></label>
<button id="send">Send</button></form>"""


@dataclass
class Desk:
    """A browser, the gateway that it is set up for, and what sites have taken.

    Attributes:
        files: documents by what they are marked with, as `OFFICIAL-SENSITIVE.docx`.
        taken: bodies.
    """

    gateway: Gateway
    browser: Browser
    files: dict[str, Path]
    taken: list[bytes] = field(default_factory=list)

    def tab(self) -> AbstractAsyncContextManager[Tab]:
        return tab(self.browser)

    def record_of(self, reference: str) -> dict[str, Any]:
        """The record that has the reference number of a page."""
        (record,) = self.gateway.records(1, id=reference)
        return record


def documents(folder: Path) -> dict[str, Path]:
    """Documents with words in the head of their pages."""
    write, suffix = KINDS["writer"]
    made = {}
    for words in ("OFFICIAL-SENSITIVE", "SECRET", "OFFICIAL"):
        source = folder / f"{words}{suffix}"
        source.write_text(write(Text(header=words)), encoding="utf-8")
        made[words] = source
    return {
        path.name: path
        for form in ("docx", "pdf")
        for path in convert(list(made.values()), form, folder / form)
    }


@pytest.fixture(scope="module")
def taking(shared_web: Web) -> Iterator[list[bytes]]:
    """Sites with a form, and what they have taken."""
    taken: list[bytes] = []

    async def take(asked: http.Request, _rest: str) -> http.Response:
        if asked.method == "POST":
            taken.append(await asked.read())
        return http.Response(text="<!doctype html><h1>Thank you</h1>", content_type="text/html")

    shared_web.pages["/form"] = FORM
    shared_web.programs["taken"] = take
    yield taken
    del shared_web.pages["/form"], shared_web.programs["taken"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    shared_web: Web, taking: list[bytes], index: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    settings = through(shared_web, identity=IDENTITY)
    settings["content"] = {"force_domains": ["borsetshire.police.example"]}
    settings["tls"]["http2"] = True
    gateway = Gateway(folder / "gateway", settings, index=index, at=working_time("12:30:00"))
    async with AsyncExitStack() as stack:
        stack.callback(gateway.stop)
        files, _ = await asyncio.gather(
            asyncio.to_thread(documents, folder), asyncio.to_thread(gateway.start)
        )
        home = trusting_home(folder / "home", gateway.authority, shared_web.authority.file)
        playwright = await stack.enter_async_context(async_api.async_playwright())
        browser = await stack.enter_async_context(
            chromium(playwright, home, f"http://{gateway.portal}/proxy.pac")
        )
        yield Desk(gateway, browser, files, taking)


async def send(someone: Tab, *, email: str = "", file: Path | None = None) -> None:
    """Fill the form in, by keyboard but for the file, and send it."""
    page = someone.page
    if email:
        await keyboard.write(page, "#email", email)
    await keyboard.write(page, "#message", WROTE)
    if file is not None:
        await page.set_input_files("#file", file)
    await keyboard.press(page, "#send", look=False)


async def seen(someone: Tab, name: str) -> str:
    """What the page says, looked over."""
    await keyboard.look_over(someone.page, name)
    return await someone.page.get_by_role("main").inner_text()


REFUSED = {
    # Marked with what, where to, the rule, what the page says was found.
    "marked": (
        "OFFICIAL-SENSITIVE.docx", f"https://{SITE}", "marked",
        "e marking OFFICIAL-SENSITIVE"),
    "in a PDF": (
        "OFFICIAL-SENSITIVE.pdf", f"https://{SITE}", "marked",
        "e marking OFFICIAL-SENSITIVE"),
    "secret, to public service": (
        "SECRET.docx", f"https://{PUBLIC}", "marked-above-restricted",
        "e marking SECRET"),
    "in the clear, to public service": (
        "OFFICIAL-SENSITIVE.docx", f"http://{SITE.replace('example', 'gov.uk')}",
        "marked-in-clear", "e marking OFFICIAL-SENSITIVE"),
}  # fmt: skip


async def test_a_marked_document_is_refused_and_nothing_written_is_lost(desk: Desk) -> None:
    desk.taken.clear()
    async with desk.tab() as someone:
        for file, site, rule, found in REFUSED.values():
            await someone.open(f"{site}/form")
            await send(someone, file=desk.files[file])
            assert await someone.heading() == "This was not sent"
            shown = await seen(someone, f"sent-{rule}")
            record = desk.record_of(await someone.reference())
            assert (record["action"], record["rule"], record["status"]) == ("block", rule, 403)
            assert (record["method"], record["person"]) == ("POST", "pc1234")
            assert record["reason"] in shown
            assert found in shown
            assert "Your request was not sent to the site." in shown
            assert "Back button" in shown
            assert desk.taken == []
            await someone.page.go_back()
            assert await someone.page.input_value("#message") == WROTE


async def test_an_ordinary_document_arrives(desk: Desk) -> None:
    desk.taken.clear()
    async with desk.tab() as someone:
        for file, site in (
            ("OFFICIAL.docx", f"https://{SITE}"),
            ("OFFICIAL.pdf", "http://in-the-clear.example"),
            ("OFFICIAL-SENSITIVE.docx", f"https://{PUBLIC}"),
        ):
            await someone.open(f"{site}/form")
            await send(someone, file=desk.files[file])
            assert await someone.heading() == "Thank you"
            assert desk.files[file].read_bytes() in desk.taken.pop()
            assert desk.taken == []


async def test_an_address_of_the_force_goes_to_a_shop_after_a_confirmation(desk: Desk) -> None:
    desk.taken.clear()
    async with desk.tab() as someone:
        await someone.open(f"https://{SHOP}/form")
        await send(someone, email=ADDRESS)
        assert await someone.heading() == "Before you go on"
        shown = await seen(someone, "sent-coach")
        assert "An e-mail address of the force would be given to this site." in shown
        assert "Nothing has been sent to the site yet." in shown
        record = desk.record_of(await someone.reference())
        assert (record["action"], record["rule"]) == ("coach", "force-address")
        await keyboard.press(someone.page, 'form[action*="/confirm?"] button', look=False)
        assert await someone.heading() == "You can send it now"
        assert "Back button twice" in await seen(someone, "sent-again")
        assert desk.taken == []
        # The page in between is one that a browser would have to ask for by sending the form again.
        async with someone.page.expect_navigation():
            await someone.page.evaluate("setTimeout(() => history.go(-2))")  # it ends this page
        assert await someone.page.input_value("#message") == WROTE
        await keyboard.press(someone.page, "#send", look=False)
        assert await someone.heading() == "Thank you"
    (body,) = desk.taken
    assert ADDRESS.encode() in body
    assert WROTE.encode() in body


async def test_a_script_can_read_why(desk: Desk) -> None:
    """As editors in pages do, which send what is written in the background."""
    desk.taken.clear()
    words = "OFFICIAL-SENSITIVE" + os.linesep * 2 + WROTE
    async with desk.tab() as someone:
        await someone.open(f"https://{SITE}/form")
        status, said = await someone.page.evaluate(
            """async text => {
                const body = new Blob([text], {type: "text/plain"})
                const answer = await fetch("/taken/draft", {method: "POST", body})
                return [answer.status, await answer.json()]
            }""",
            words,
        )
    assert (status, said["rule"], said["findings"]) == (
        403, "marked", ["marking=official-sensitive"],
    )  # fmt: skip
    assert desk.taken == []
