"""Files by clicks on links, in a real Chromium on a real gateway: refused with words, or unchanged.

The same links for somebody with the profile `standard`, and for a packager, each with a gateway of
their own; one browser with a profile for each of them.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web as http
from support.browser import chromium, tab, trusting_home
from support.gateway import Gateway
from support.packing import PROGRAM, TEXT, zip_of
from support.scene import through

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Download
    from support.browser import Tab
    from support.web import Web

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ZIP = "application/zip"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXE = PROGRAM + bytes(range(256)) * 2000
DOCX = zip_of(
    {
        "[Content_Types].xml": b'<?xml version="1.0"?><Types xmlns="x"/>',
        "word/document.xml": b'<?xml version="1.0"?><w:document xmlns:w="x">' + TEXT * 20,
    }
)
FILES = {
    "/setup.exe": (EXE, "application/x-msdownload"),
    "/holiday.jpg": (EXE, "image/jpeg"),
    "/tools.zip": (zip_of({"read.me": TEXT, "bin/setup.exe": EXE}), ZIP),
    "/pictures.zip": (zip_of({"read.me": TEXT}), ZIP),
    "/minutes.docx": (DOCX, WORD),
    # What it is shows at its end only: all before that has gone out by then.
    "/backup.bin": (bytes(range(1, 200)) * 4000 + b"koly\0\0\0\4" + bytes(504), "x/y"),
}
SOFTWARE = "software"
IN_ARCHIVES = "software-in-archives"
HOST = "files.example"
STREAM_ERROR = 92  # curl(1), exit codes: of HTTP/2


@dataclass
class Desk:
    """Somebody's gateway, and how the browser reaches it."""

    gateway: Gateway
    browser: Browser

    def tab(self) -> Any:
        """A tab in a fresh profile that saves what is downloaded."""
        proxy = {"server": f"http://{self.gateway.proxy}"}
        return tab(self.browser, proxy=proxy, accept_downloads=True)

    def record_of(self, reference: str) -> dict[str, Any]:
        """The record that has the reference number of a page."""
        (record,) = self.gateway.records(1, id=reference)
        return record

    def record(self, path: str) -> dict[str, Any]:
        """The record of the latest request for a file."""
        return self.gateway.records(1, url=f"https://{HOST}{path}")[-1]


@pytest.fixture(scope="module")
def served(shared_web: Web) -> Iterator[Web]:
    """Links to all files: to open, to save, and as attachments."""

    async def attached(_: http.Request, rest: str) -> http.Response:
        body, kind = FILES[f"/{rest}"]
        disposition = {"Content-Disposition": f'attachment; filename="{rest}"'}
        return http.Response(body=body, content_type=kind, headers=disposition)

    links = [
        f'<a class="{how}" href="{before}{path}" {download}>{path}</a>'
        for path in FILES
        for how, before, download in (
            ("open", "", ""),
            ("save", "", "download"),
            ("attached", "/attached", ""),
        )
    ]
    shared_web.files |= FILES
    shared_web.pages["/links"] = "<!doctype html><title>Links</title>" + "<br>".join(links)
    shared_web.programs["attached"] = attached
    yield shared_web
    for path in FILES:
        del shared_web.files[path]
    del shared_web.pages["/links"], shared_web.programs["attached"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desks(
    served: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Desk]]:
    """One browser, two gateways."""
    folder = tmp_path_factory.mktemp("desks")
    gateways = {}
    async with AsyncExitStack() as stack:
        for profile in ("standard", "packagers"):
            person = {"network": "127.0.0.0/8", "person": "pc1234", "profile": profile}
            settings = through(served, identity={"addresses": [person]})
            settings["tls"]["http2"] = True  # the other clients come by the other lane
            gateways[profile] = Gateway(folder / profile, settings, index=index)
            stack.callback(gateways[profile].stop)
        await asyncio.gather(*(asyncio.to_thread(each.start) for each in gateways.values()))
        authorities = [each.authority for each in gateways.values()]
        browser = await stack.enter_async_context(
            chromium(
                await stack.enter_async_context(async_api.async_playwright()),
                trusting_home(folder / "home", *authorities, served.authority.file),
                f"http://{gateways['standard'].portal}/proxy.pac",
            )
        )
        yield {profile: Desk(gateway, browser) for profile, gateway in gateways.items()}


@pytest.fixture
def standard(desks: dict[str, Desk]) -> Desk:
    return desks["standard"]


@pytest.fixture
def packager(desks: dict[str, Desk]) -> Desk:
    return desks["packagers"]


async def click(officer: Tab, how: str, path: str, scheme: str = "https") -> None:
    await officer.open(f"{scheme}://{HOST}/links")
    await officer.page.locator(f"a.{how}", has_text=path).click()


async def downloaded(officer: Tab, how: str, path: str) -> Download:
    async with officer.page.expect_download() as began:
        await click(officer, how, path)
    return await began.value


REFUSED = {
    # How, which file, the rule, a word of what the page says was found.
    "a program": ("open", "/setup.exe", SOFTWARE, "a Windows program"),
    "as an attachment": ("attached", "/setup.exe", SOFTWARE, "a Windows program"),
    "as a picture": ("open", "/holiday.jpg", SOFTWARE, "a Windows program"),
    "in an archive": ("open", "/tools.zip", IN_ARCHIVES, "a Windows program in an archive"),
    "in an archive, as an attachment": (
        "attached", "/tools.zip", IN_ARCHIVES, "a Windows program in an archive"),
}  # fmt: skip


async def test_a_click_shows_why(standard: Desk) -> None:
    async with standard.tab() as officer:
        saved: list[Download] = []
        officer.page.on("download", lambda file: saved.append(file))  # noqa: PLW0108 - it is marked
        for how, path, rule, found in REFUSED.values():
            # Without TLS a browser does not say what it wants the answer for.
            await click(officer, how, path, "http" if path == "/holiday.jpg" else "https")
            await officer.page.wait_for_url(f"**{path}")
            assert await officer.heading() == "This page is not available"
            shown = await officer.page.get_by_role("main").inner_text()
            assert found in shown
            record = standard.record_of(await officer.reference())
            assert record["reason"] in shown
            assert (record["action"], record["rule"], record["status"]) == ("block", rule, 403)
            assert ("bin/setup.exe" in record["members"]) == (rule == IN_ARCHIVES)
            assert "file_type=windows-program" in record["findings"] or rule == IN_ARCHIVES
        assert saved == []


async def test_what_is_to_be_saved_is_forbidden(standard: Desk) -> None:
    """A link with `download` shows no page; the browser's list says "Failed - Forbidden"."""
    async with standard.tab() as officer:
        for path, rule in (("/setup.exe", SOFTWARE), ("/tools.zip", IN_ARCHIVES)):
            file = await downloaded(officer, "save", path)
            assert await file.failure()
            assert officer.page.url.endswith("/links")
            record = standard.record("/" + file.suggested_filename)
            assert (record["action"], record["rule"], record["status"]) == ("block", rule, 403)


async def test_what_shows_at_its_end_never_arrives_whole(standard: Desk) -> None:
    """It is cut off; the browser asks again of itself, for all or the rest, and gets neither."""
    path = "/backup.bin"
    async with standard.tab() as officer:
        file = await downloaded(officer, "open", path)
        assert await file.failure()
    first, *more = standard.gateway.records(2, url=f"https://{HOST}{path}")
    assert (first["status"], first["error"]) == (200, "cut off: refused for what was found in it")
    assert {(each["action"], each["rule"]) for each in (first, *more)} == {("block", SOFTWARE)}
    reply = standard.gateway.curl(f"https://{HOST}{path}")
    assert (reply.status, reply.exit) == (200, STREAM_ERROR)
    assert len(reply.body) < len(FILES[path][0]) - 512


async def arrives(desk: Desk, how: str, path: str, officer: Tab) -> dict[str, Any]:
    """A file is saved with the bytes that the server sent; gives the record."""
    file = await downloaded(officer, how, path)
    assert await file.failure() is None
    saved = await file.path()
    assert digest(saved.read_bytes()) == digest(FILES[path][0])
    record = desk.record(("/attached" if how == "attached" else "") + path)
    assert (record["action"], record["status"]) == ("allow", 200)
    return record


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_ordinary_files_arrive_as_they_are(standard: Desk) -> None:
    async with standard.tab() as officer:
        for how in ("open", "save", "attached"):
            for path in ("/minutes.docx", "/pictures.zip"):
                record = await arrives(standard, how, path, officer)
                assert record["rule"] == "everything-else"


async def test_a_packager_gets_software_as_it_is(packager: Desk) -> None:
    async with packager.tab() as officer:
        for how, path, rule in (
            ("open", "/setup.exe", "software-for-packagers"),
            ("save", "/holiday.jpg", "software-for-packagers"),
            ("attached", "/tools.zip", "software-in-archives-for-packagers"),
            ("open", "/backup.bin", "software-for-packagers"),
            ("open", "/minutes.docx", "everything-else"),
        ):
            record = await arrives(packager, how, path, officer)
            assert record["rule"] == rule
