"""An officer's browser, a real Chromium on our PAC file that trusts our authority, meets the rules.

Three desks: at work (half past ten), in a break (half past twelve), and an unrestricted post. The
browser's own clock is the real one.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from support.browser import chromium, tab, trusting_home
from support.gateway import Gateway
from support.scene import through, working_time

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from typing import Any

    from playwright.async_api import Browser, Playwright
    from support.browser import Tab
    from support.web import Web

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OURS = "Watchhouse inspection authority"


@dataclass
class Desk:
    """A browser, and the gateway that it is set up for."""

    gateway: Gateway
    browser: Browser

    def tab(self, **options: Any) -> AbstractAsyncContextManager[Tab]:
        """A tab in a fresh profile."""
        return tab(self.browser, **options)

    def record_of(self, reference: str) -> dict[str, Any]:
        """The one record that has the reference number of a page."""
        (record,) = self.gateway.records(1, id=reference)
        return record


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_api.async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def set_up(
    playwright: Playwright, shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[str, str], Awaitable[Desk]]]:
    """Sets up desks: the time at the gateway, and the profile of this machine."""
    async with AsyncExitStack() as stack:

        async def begin(clock: str, profile: str, *, http2: bool = False) -> Desk:
            folder = tmp_path_factory.mktemp("desk")
            address = {"network": "127.0.0.1/32", "person": "pc1234", "profile": profile}
            settings = through(shared_web, identity={"addresses": [address]})
            settings["network"]["intranet"] = ["intranet.example"]
            settings["tls"]["http2"] = http2
            gateway = stack.enter_context(
                Gateway(
                    folder / "gateway",
                    settings,
                    index=index,
                    at=working_time(clock),
                    exempt=["pc1234"] if profile == "unrestricted" else [],
                )
            )
            here = f"127.0.0.1:{shared_web.http}"
            browser = await stack.enter_async_context(
                chromium(
                    playwright,
                    trusting_home(folder / "home", gateway.authority, shared_web.authority.file),
                    f"http://{gateway.portal}/proxy.pac",
                    {"duties": here, "*.intranet.example": here},
                )
            )
            return Desk(gateway, browser)

        yield begin


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(set_up: Callable[[str, str], Awaitable[Desk]]) -> Desk:
    return await set_up("10:30:00", "standard")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def with_http2(set_up: Callable[..., Awaitable[Desk]]) -> Desk:
    return await set_up("10:30:00", "standard", http2=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def in_a_break(set_up: Callable[[str, str], Awaitable[Desk]]) -> Desk:
    return await set_up("12:30:00", "standard")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unrestricted(set_up: Callable[[str, str], Awaitable[Desk]]) -> Desk:
    return await set_up("10:30:00", "unrestricted")


# --- refused, passed, spliced -----------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_webmail_is_refused_with_a_page(scheme: str, at_work: Desk, web: Web) -> None:
    url = f"{scheme}://www.hotmail.com/inbox"
    async with at_work.tab() as officer:
        answer = await officer.open(url)
        assert answer.status == 403
        assert await officer.heading() == "This page is not available"
        assert await officer.page.title() == "This page is not available: www.hotmail.com"
        record = at_work.record_of(await officer.reference())
        assert (record["url"], record["kind"], record["status"]) == (url, scheme, 403)
        assert (record["action"], record["rule"]) == ("block", "webmail")
        shown = await officer.page.get_by_role("main").inner_text()
        assert record["reason"] in shown
        assert record["clause"] in shown
        details = await answer.security_details()
        assert (details or {}).get("issuer") == (OURS if scheme == "https" else None)
        assert officer.errors == []
    assert "www.hotmail.com" not in web.hosts(), "a blocked site is never contacted"


@pytest.mark.parametrize("url", ["http://www.parliament.uk/", "https://www.gov.uk/browse"])
async def test_a_government_site_passes(url: str, at_work: Desk, web: Web) -> None:
    async with at_work.tab() as officer:
        answer = await officer.open(url)
        host = url.split("/")[2]
        assert answer.status == 200
        assert await officer.heading() == f"Hello from {host}"
        assert host in web.hosts()
        record = at_work.gateway.records(1, url=url)[-1]
        assert (record["action"], record["rule"], record["status"]) == ("allow", "business", 200)


async def test_shopping_waits_for_the_break(at_work: Desk, in_a_break: Desk, web: Web) -> None:
    url = "https://www.amazon.co.uk/dp/1"
    async with at_work.tab() as officer:
        assert (await officer.open(url)).status == 403
        assert await officer.heading() == "This page is not available at the moment"
        assert await officer.page.get_by_text("today at 12:00").is_visible()
        assert at_work.record_of(await officer.reference())["rule"] == "personal-use"
        assert "www.amazon.co.uk" not in web.hosts()
    async with in_a_break.tab() as officer:
        assert (await officer.open(url)).status == 200
        assert await officer.heading() == "Hello from www.amazon.co.uk"
        record = in_a_break.gateway.records(1, url=url)[-1]
        assert (record["action"], record["rule"]) == ("allow", "personal-use-in-breaks")


async def test_a_bank_shows_its_own_certificate(at_work: Desk, web: Web) -> None:
    issuers = {}
    async with at_work.tab() as officer:
        for host in ("www.barclays.co.uk", "www.gov.uk"):
            answer = await officer.open(f"https://{host}/statement")
            assert answer.status == 200
            details = await answer.security_details()
            assert details is not None
            assert details["subjectName"] == host
            issuers[host] = details["issuer"]
    assert issuers == {"www.barclays.co.uk": web.authority.name, "www.gov.uk": OURS}
    record = at_work.gateway.records(1, host="www.barclays.co.uk")[-1]
    assert (record["kind"], record["handling"]) == ("tunnel", "spliced")
    assert "statement" not in record["url"]


@pytest.mark.parametrize(
    "url",
    [
        "http://www.hotmail.com/inbox",
        "https://www.hotmail.com/inbox",
        "https://www.amazon.co.uk/dp/1",
        "https://store.steampowered.com/",
        "https://www.gov.uk/browse",
    ],
)
async def test_an_unrestricted_post_passes_everywhere(url: str, unrestricted: Desk) -> None:
    async with unrestricted.tab() as officer:
        assert (await officer.open(url)).status == 200
        assert await officer.heading() == f"Hello from {url.split('/')[2]}"
        record = unrestricted.gateway.records(1, url=url)[-1]
        assert (record["rule"], record["profile"]) == ("unrestricted", "unrestricted")


# --- what a page is made of -------------------------------------------------------------------

# The list stands first: a part can be refused before the browser has read what comes after it.
PARTS = """<!doctype html><html lang="en"><title>Parts</title>
<script>const refused = []</script>
<link rel="stylesheet" href="{there}/style.css" onerror="refused.push('style')">
<h1>A page with refused parts</h1>
<img src="{there}/advert.png" alt="">
<script src="{there}/tracker.js" onerror="refused.push('script')"></script>
<button onclick="this.textContent = 'Pressed'">Press</button>
<script>
  addEventListener('load', () => fetch('{there}/api').catch(() => refused.push('fetch'))
    .then(() => {{ document.title = 'Done' }}))
</script>"""

TYPES = {
    "style.css": "text/css; charset=utf-8",
    "tracker.js": "text/javascript; charset=utf-8",
    "advert.png": "image/gif",
    "api": "application/json",
}
# Over http Chromium does not say what a part is for, and asks for a script or data as for anything.
TYPES_OVER_HTTP = TYPES | dict.fromkeys(("tracker.js", "api"), "text/html; charset=utf-8")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refused_parts_leave_a_page_usable(scheme: str, at_work: Desk, web: Web) -> None:
    there = f"{scheme}://www.hotmail.com"
    web.pages["/parts"] = PARTS.format(there=there)
    async with at_work.tab() as officer:
        page = officer.page
        assert (await officer.open(f"{scheme}://www.parliament.uk/parts")).status == 200
        await page.wait_for_function("document.title === 'Done'")
        await page.get_by_role("button").click()
        assert await page.get_by_role("button").inner_text() == "Pressed"
        assert sorted(await page.evaluate("refused")) == ["fetch", "script", "style"]
        assert officer.errors == []
        unusual = [
            line for line in officer.said if not ("Failed to load" in line or "CORS policy" in line)
        ]
        assert unusual == [], "no scripts that are HTML"
        assert await page.evaluate("document.images[0].naturalWidth") == 1
    for name, media_type in (TYPES if scheme == "https" else TYPES_OVER_HTTP).items():
        (record,) = at_work.gateway.records(1, url=f"{there}/{name}")
        assert (record["action"], record["status"]) == ("block", 403)
        assert record["content_type"] == media_type
        assert record["bytes_down"] < 500 or "html" in media_type
    assert "www.hotmail.com" not in web.hosts()


async def test_a_script_can_read_why_it_was_refused(at_work: Desk, web: Web) -> None:
    """On an allowed site one part can be refused: there the page's own script gets JSON."""
    web.pages["/news/parts"] = "<!doctype html><title>News</title><h1>News</h1>"
    async with at_work.tab() as officer:
        await officer.open("https://www.nytimes.com/news/parts")
        said = await officer.page.evaluate("fetch('/games/list').then(a => a.json())")
        record = at_work.record_of(said["reference"])
        assert (said["rule"], record["rule"]) == ("games", "games")
        assert record["url"] == "https://www.nytimes.com/games/list"


async def test_a_refused_frame_says_why(at_work: Desk, web: Web) -> None:
    web.pages["/frame"] = (
        '<!doctype html><title>Frame</title><iframe src="https://www.hotmail.com/"></iframe>'
    )
    async with at_work.tab() as officer:
        await officer.open("https://www.gov.uk/frame")
        frame = officer.page.frame_locator("iframe")
        assert await frame.get_by_role("heading", level=1).inner_text() == (
            "This page is not available"
        )


async def test_forty_parts(at_work: Desk, web: Web) -> None:
    connections = await forty_parts(at_work, web, "http/1.1")
    assert 1 < len(connections) <= 6, "as many as browsers open for one site"


async def test_forty_parts_over_http2(with_http2: Desk, web: Web) -> None:
    assert len(await forty_parts(with_http2, web, "h2")) == 1, "all of them on one connection"


async def forty_parts(chosen: Desk, web: Web, protocol: str) -> set[int]:
    """Load a page with forty pictures. Gives the client's ports that it came by."""
    pictures = range(1, 41)
    web.pages["/forty"] = "<!doctype html><title>Forty</title>" + "".join(
        f'<img alt="" src="/picture/{width}">' for width in pictures
    )
    async with chosen.tab() as officer:
        await officer.open("https://www.gov.uk/forty")
        widths = await officer.page.evaluate("[...document.images].map(i => i.naturalWidth)")
        assert widths == list(pictures)
        protocols = await officer.page.evaluate(
            """performance.getEntriesByType('resource')
                .filter(part => part.initiatorType === 'img').map(part => part.nextHopProtocol)"""
        )
        assert protocols == [protocol] * 40
    connections = set()
    for width in pictures:
        (record,) = chosen.gateway.records(1, url=f"https://www.gov.uk/picture/{width}")
        assert (record["status"], record["handling"]) == (200, "inspected")
        connections.add(record["client_port"])
    return connections


async def test_a_websocket_of_a_page(at_work: Desk, web: Web) -> None:
    del web
    async with at_work.tab() as officer:
        await officer.open("https://www.gov.uk/chat")
        said = await officer.page.evaluate(
            """url => new Promise((resolve, reject) => {
                const socket = new WebSocket(url)
                socket.onopen = () => socket.send("hello")
                socket.onmessage = message => { socket.close(); resolve(message.data) }
                socket.onerror = () => reject(new Error("refused"))
            })""",
            "wss://www.gov.uk/ws/page",
        )
        assert said == "echo hello"
        record = at_work.gateway.records(1, url="https://www.gov.uk/ws/page")[0]
        assert (record["kind"], record["status"]) == ("websocket", 101)


# --- the set-up itself ------------------------------------------------------------------------


async def test_local_and_intranet_names_go_direct(at_work: Desk, web: Web) -> None:
    urls = [
        f"http://localhost:{web.http}/own",
        f"http://127.0.0.1:{web.http}/address",
        "http://duties/rota",
        "http://forms.intranet.example/form",
    ]
    async with at_work.tab() as officer:
        for url in urls:
            assert (await officer.open(url)).status == 200
        # A last one through the gateway: its record comes after any of those above.
        await officer.open("https://www.gov.uk/afterwards")
    assert {"/own", "/address", "/rota", "/form"} <= {seen.path for seen in web.seen}
    assert at_work.gateway.records(1, url="https://www.gov.uk/afterwards")
    for url in urls:
        assert not at_work.gateway.records(0, url=url)
    assert not [a for a in web.asked if any(url.split("/")[2] in a.line for url in urls)]


async def test_a_browser_that_does_not_trust_us_shows_nothing(
    at_work: Desk, playwright: Playwright, tmp_path: Path, web: Web
) -> None:
    """So that the tests above pass because of the trust store, and not without it."""
    home = trusting_home(tmp_path / "home", web.authority.file)
    pac = f"http://{at_work.gateway.portal}/proxy.pac"
    async with chromium(playwright, home, pac) as browser:
        for url in ("https://www.mod.uk/untrusted", "https://www.hotmail.com/untrusted"):
            async with tab(browser) as officer:
                with pytest.raises(async_api.Error, match="ERR_CERT_AUTHORITY_INVALID"):
                    await officer.page.goto(url)
        async with tab(browser) as officer:
            assert (await officer.open("https://www.barclays.co.uk/")).status == 200
    assert not [seen for seen in web.seen if seen.path == "/untrusted"]
    records = at_work.gateway.records(1, host="www.mod.uk", rule="tunnel-without-request")
    assert "does not trust" in records[0]["error"], "the operator can see what is amiss"


# --- the refused page, for everybody ----------------------------------------------------------


@pytest.mark.parametrize("url", ["https://www.hotmail.com/", "https://www.amazon.co.uk/dp/1"])
async def test_the_refused_page_is_accessible(url: str, at_work: Desk) -> None:
    async with at_work.tab() as officer:
        await officer.open(url)
        await keyboard.accessible(officer.page)
        # What a screen reader lists: where it is, and what it is about.
        for role in ("banner", "main", "contentinfo"):
            assert await officer.page.get_by_role(role).count() == 1
        headings = await officer.page.get_by_role("heading").all_inner_texts()
        assert headings[1:] == [
            "If you need it for your work", "What happens next", "Details", "Monitoring"
        ]  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800)], ids=["phone", "desktop"])
async def test_the_essence_is_seen_without_scrolling(
    width: int, height: int, at_work: Desk, tmp_path: Path
) -> None:
    async with at_work.tab(viewport={"width": width, "height": height}) as officer:
        await officer.open("https://www.amazon.co.uk/dp/1")
        page = officer.page
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for part in (
            page.get_by_role("heading", level=1),
            page.get_by_text("Sites for personal use"),
            page.get_by_text("today at 12:00"),
            page.locator(".ref"),
        ):
            box = await part.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= height
        await page.screenshot(path=tmp_path / "page.png", full_page=True)
