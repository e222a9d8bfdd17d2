"""Real clients through the PAC file: curl, and Chromium with Negotiate, nobody typing a password.

The PAC file of one site names a proxy by TLS first, that of the other a clear one alone.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from support.browser import chromium, tab, trusting_home
from support.force import password_of, spilt
from support.pac import NODE, answer, proxies

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from playwright.async_api import Browser, Playwright
    from support.force import Force
    from support.identity import Site
    from support.web import Web

browsing = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
FORMS = {"relay": ["https", "http"], "generic": ["http"]}


def fresh(host: str) -> str:
    """A host that no other test asks for."""
    return f"{uuid4().hex[:12]}.{host}"


def pac_of(site: Site) -> str:
    return f"http://{site.gateway.portal}/proxy.pac"


# --- curl ---------------------------------------------------------------------------------------


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("lane", FORMS)
def test_curl_with_a_ticket_goes_by_what_the_pac_file_says(
    lane: str, sites: dict[str, Site], force: Force
) -> None:
    site = sites[lane]
    for number, form in enumerate(FORMS[lane]):
        for scheme in ("http", "https"):
            for name, host, status in (
                ("jane", "gov.uk", 200),
                ("jane", "hotmail.com", 403),
                ("liv", "hotmail.com", 200),
            ):
                url = f"{scheme}://{fresh(host)}/"
                named = proxies(answer(pac_of(site), url))
                assert [each.partition(":")[0] for each in named] == FORMS[lane]
                reply = force.curl(
                    site.gateway, url, "--proxy-negotiate", "--proxy-user", ":",
                    ticket=force.ticket(name), proxy=named[number],
                )  # fmt: skip
                assert reply.status == status, (form, url, reply)
                (record,) = site.gateway.records(1, event="transaction", url=url)
                assert (record["person"], record["person_how"]) == (name, "kerberos")


# --- Chromium -----------------------------------------------------------------------------------


@dataclass
class Desk:
    """A person's browser and the site that it is set up for."""

    site: Site
    browser: Browser

    def records(self, host: str, url: str | None = None) -> list[dict[str, Any]]:
        """Of a host: Chromium also asks for icons, and leaves some challenges without an answer."""
        wanted = {"host": host} if url is None else {"url": url}
        return self.site.gateway.records(1, event="transaction", **wanted)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_api.async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk_of(
    playwright: Playwright,
    sites: dict[str, Site],
    force: Force,
    shared_web: Web,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Callable[[str, str | None], Awaitable[Desk]]]:
    """Desks by lane and person; nobody's has no ticket."""
    made: dict[tuple[str, str | None], Desk] = {}
    async with AsyncExitStack() as stack:

        async def begin(lane: str, name: str | None) -> Desk:
            if (lane, name) not in made:
                site = sites[lane]
                kerberos = force.kdc.environ if name is None else force.ticket(name).environ
                home = trusting_home(
                    tmp_path_factory.mktemp("desk") / "home",
                    site.gateway.authority,
                    shared_web.authority.file,
                )
                browser = await stack.enter_async_context(
                    chromium(playwright, home, pac_of(site), environ=kerberos)
                )
                made[lane, name] = Desk(site, browser)
                if name is not None:
                    await _begun(browser)
            return made[lane, name]

        yield begin
    found = [spilt(site.gateway, force.secrets()) for site in sites.values()]
    assert found == [[] for _ in sites]


async def _begun(browser: Browser) -> None:
    """Load a first page, again if need be.

    On Linux, Chromium lets itself load the Kerberos library only once something has asked for a
    ticket (net.received_http_auth_negotiate_headers in the profile's Local State), and passes that
    first challenge by: ERR_INVALID_AUTH_CREDENTIALS. Mostly it is one of its own first requests; of
    which the gateway sees a challenge without an answer.
    """
    for _ in range(3):
        async with tab(browser) as opened:
            with suppress(async_api.Error):
                await opened.page.goto(f"https://{fresh('gov.uk')}/")
                return


type DeskOf = Callable[[str, str | None], Awaitable[Desk]]


class TestChromium:
    """Each with the site whose PAC file has the form."""

    pytestmark = browsing

    @pytest.mark.parametrize("lane", FORMS)
    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_somebody_with_a_ticket_is_known_without_a_word(
        self, scheme: str, lane: str, desk_of: DeskOf, web: Web
    ) -> None:
        desk = await desk_of(lane, "jane" if lane == "relay" else "liv")
        name = "jane" if lane == "relay" else "liv"
        allowed, blocked = fresh("gov.uk"), fresh("hotmail.com")
        async with tab(desk.browser) as opened:
            assert (await opened.open(f"{scheme}://{allowed}/")).status == 200
            assert await opened.heading() == f"Hello from {allowed}"
            second = await opened.open(f"{scheme}://{blocked}/")
            if name == "jane":
                assert second.status == 403
                assert await opened.heading() == "This page is not available"
            else:
                assert second.status == 200
                assert await opened.heading() == f"Hello from {blocked}"
        assert (blocked in web.hosts()) == (name == "liv")
        for host in (allowed, blocked):
            (record,) = desk.records(host, f"{scheme}://{host}/")
            assert (record["person"], record["person_how"]) == (name, "kerberos"), record
        assert record["exemption"] == desk.site.exemptions.get(name)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_somebody_without_a_ticket_reaches_nothing(
        self, scheme: str, desk_of: DeskOf, web: Web
    ) -> None:
        desk = await desk_of("generic", None)
        host = fresh("gov.uk")
        async with tab(desk.browser) as opened:
            try:
                reply = await opened.page.goto(f"{scheme}://{host}/")
            except async_api.Error:
                pass  # Chromium shows no page of a proxy's to https
            else:
                assert scheme == "http"
                assert reply is not None
                assert reply.status == 407
                assert await opened.heading() == "Sign in to use the web"
        assert host not in web.hosts()
        for record in desk.records(host):
            assert record["person"] is None

    async def test_somebody_without_a_ticket_may_type_a_password(
        self, desk_of: DeskOf, web: Web
    ) -> None:
        """In UTF-8, as the challenge says (RFC 7617 2.1)."""
        desk = await desk_of("generic", None)
        host = fresh("gov.uk")
        login = {"username": "zoë", "password": password_of("zoë")}
        async with tab(desk.browser) as opened:
            prompts = await opened.page.context.new_cdp_session(opened.page)
            asked = []

            async def type_it(event: Any) -> None:
                asked.append(event["authChallenge"])
                said = {"response": "ProvideCredentials", **login}
                reply = {"requestId": event["requestId"], "authChallengeResponse": said}
                with suppress(async_api.Error):  # as below
                    await prompts.send("Fetch.continueWithAuth", reply)

            async def go_on(event: Any) -> None:
                with suppress(async_api.Error):  # the page has been left meanwhile
                    await prompts.send("Fetch.continueRequest", {"requestId": event["requestId"]})

            prompts.on("Fetch.authRequired", type_it)
            prompts.on("Fetch.requestPaused", go_on)
            await prompts.send("Fetch.enable", {"handleAuthRequests": True})
            assert (await opened.open(f"https://{host}/")).status == 200
        assert asked
        assert {(each["scheme"], each["realm"]) for each in asked} == {("basic", "The Force")}
        assert host in web.hosts()
        (record,) = desk.records(host, f"https://{host}/")
        assert (record["person"], record["person_how"]) == ("zoë", "basic")
