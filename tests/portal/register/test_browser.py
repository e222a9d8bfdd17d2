"""The portal's pages for people in a real Chromium: every one, narrow and wide, light and dark."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.ldap import Slapd, Someone
from support.oidc import CLIENT, SECRET, Provider
from support.portal import NOON, Clock, House, served, settings_for
from support.portalpages import somebody
from support.running import index  # noqa: F401 - a fixture
from support.sharedbrowser import CHROMIUM

from proxy_addons.settings import people
from proxy_addons.standing import Actor, Register, Wanted, Withdrawals, open_store

keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")
officer = pytest.importorskip("support.officer", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser

    from proxy_addons.settings.model import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

FORCE = (
    Someone("mona", display="Insp Mona Reed", unit="Major Crime", kind="officer"),
    Someone("jane", display="DC Jane Doe", unit="Major Crime", manager="mona", kind="officer"),
    Someone("tom", display="DC Tom Abernathy-Featherstonehaugh", manager="mona",
            unit="Serious and Organised Crime Partnership Unit (Northern Region)"),
    Someone("ann", display="Ann Okafor", unit="Contact Centre", manager="mona", kind="staff"),
    Someone("ines", display="Ines Park", unit="Information Security"),
)  # fmt: skip
NAMES = ("mona", "jane", "ann", "ines")
WHY = "Open-source research for operation Larch, which needs closed forums. " + "long" * 60


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("slapd")
    with Slapd(folder, everybody=FORCE, groups={"Staff": ("jane",)}) as made:
        yield made


def seeded(folder: Path, slapd: Slapd, index: Path) -> Settings:  # noqa: F811 - pytest's way to take a fixture
    """Settings of a portal whose register has a bit of everything."""
    settings = settings_for(folder, names=NAMES, directory=slapd.settings())
    shutil.copy2(index, settings.paths.index_file)
    store = open_store(settings.standing, settings.paths)
    now = NOON - timedelta(days=100)
    zone = settings.policy.time_zone
    register = Register(store, categories=None, by_name_only=(), zone=zone, clock=lambda: now)
    mona = Actor("mona", how="kerberos")
    ines = Actor("ines", frozenset({"information-security"}), how="accounts")
    live = register.request(
        mona, Wanted(person="jane", why=WHY, begins=now, ends=NOON + timedelta(days=20),
                     everything=True, significant=True, force_reference="OP-LARCH"),
    )  # fmt: skip
    register.approve(ines, live.reference, seen=1, escalated_to="the Board", note="Agreed.")
    later = NOON + timedelta(days=90)
    register.extend(mona, live.reference, seen=3, ends=later, why="Larch goes on until summer.")
    for person in ("tom", "ann"):
        named = frozenset({"forums", "chat", "social-networks"})
        register.request(
            mona, Wanted(person=person, why=WHY, begins=NOON, ends=later, categories=named,
                         significant=True),
        )  # fmt: skip
    register.refuse(ines, "EX-2026-0003", seen=1, why="The intelligence unit has this already.")
    psd = Actor("paul", frozenset({"psd"}), how="kerberos")
    Withdrawals(store, clock=lambda: now).withdraw(psd, "ann", "Gambling in core hours, twice.")
    store.close()
    return settings


@pytest.fixture
async def house(
    tmp_path: Path,
    slapd: Slapd,
    index: Path,  # noqa: F811 - pytest's way to take a fixture
) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(seeded, tmp_path, slapd, index)
    async with served(settings) as made:
        yield made


PAGES = {
    None: ("/sign-in", "/signed-out", "/"),
    "jane": ("/you", "/exemptions", "/exemptions/EX-2026-0001", "/report"),
    "ann": ("/you", "/exemptions"),
    "mona": ("/you", "/team", "/withdraw?person=jane", "/exemptions/new?person=tom",
             "/exemptions/EX-2026-0002", "/exemptions/EX-9999-0001"),
    "ines": ("/exemptions", "/exemptions?show=live", "/exemptions/EX-2026-0001",
             "/exemptions/EX-2026-0002", "/exemptions/EX-2026-0002/approve",
             "/exemptions/EX-2026-0002/refuse", "/exemptions/EX-2026-0001/approve",
             "/exemptions/EX-2026-0001/review", "/exemptions/EX-2026-0001/revoke",
             "/exemptions/EX-2026-0001/escalate", "/exemptions/EX-2026-0003",
             "/withdrawals", "/withdraw", "/give-back?person=ann", "/report"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
async def test_pages_are_accessible_narrow_and_wide(
    browser: Browser, house: House, name: str | None
):
    async with somebody(browser, house, name) as page:
        for path in PAGES[name]:
            await page.goto(house.base + path)
            assert urlsplit(page.url).path == path.partition("?")[0], "led elsewhere"
            await officer.look_over(page, "")


async def test_errors_are_found_by_keyboard_and_lead_to_their_field(browser: Browser, house: House):
    async with somebody(browser, house, "mona", width=360) as page:
        await page.goto(house.base + "/exemptions/new")
        await keyboard.press(page, "form.sheet-form button.main")
        assert await page.evaluate("document.activeElement.id") == "summary"
        assert (await page.title()).startswith("Error: ")
        await keyboard.reach(page, '#summary a[href="#ends"]')
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "ends"
        assert await page.get_attribute("#ends", "aria-invalid") == "true"
    async with somebody(browser, house, None, width=360) as page:
        await page.goto(house.base + "/sign-in")
        await keyboard.write(page, "#name", "jane")
        await keyboard.write(page, "#password", "wrong")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#summary")
        await keyboard.look_over(page)
    async with somebody(browser, house, "ines", width=360) as page:
        house.clock.go_on(minutes=6)
        await page.goto(house.base + "/withdraw")
        assert "/confirm" in page.url
        await keyboard.press(page, "form.sheet-form button.main")
        assert await page.title() == ("Error: Confirm that it is you: Sample Constabulary")


async def test_the_cookie_is_kept_at_loopback_and_from_other_sites(browser: Browser, house: House):
    """`__Host-`, Secure and Strict: over plain HTTP at loopback, and by another site's link."""
    async with somebody(browser, house, "jane") as page:
        (cookie,) = await page.context.cookies()
        assert cookie["name"] == "__Host-watchhouse"
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        # `localhost` and `127.0.0.1` are two sites to the browser.
        elsewhere = house.base.replace("127.0.0.1", "localhost") + "/"
        await page.route(
            elsewhere,
            lambda route: route.fulfill(
                content_type="text/html", body=f'<a href="{house.base}/exemptions">here</a>'
            ),
        )
        await page.goto(elsewhere)
        await page.click("a")
        await page.wait_for_selector("h1:has-text('Exemptions')")
        assert page.url == house.base + "/exemptions"


async def test_openid_connect_between_two_sites(browser: Browser, tmp_path: Path):
    """The provider leads back from another site; strict cookies come along all the same."""
    clock = Clock()
    async with Provider(clock=clock) as provider:
        issuer = provider.issuer.replace("127.0.0.1", "localhost")
        provider.person = "ines"
        provider.metadata = {
            "issuer": issuer,
            "authorization_endpoint": issuer + "/authorize",
        }
        provider.spoil = lambda claims: claims.update(iss=issuer)
        oidc = people.Oidc(issuer, CLIENT, SECRET)
        settings = await asyncio.to_thread(
            lambda: settings_for(tmp_path, ways=("oidc",), portal_oidc=oidc)
        )
        async with served(settings, clock) as house:
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(house.base + "/exemptions")
            await page.click('a[href^="/sign-in/oidc"]')
            await page.wait_for_selector("h1:has-text('Exemptions')")
            house.clock.go_on(minutes=6)
            await page.goto(house.base + "/confirm?next=/exemptions/new")
            await page.click('a[href^="/confirm/oidc"]')
            await page.wait_for_selector("h1:has-text('Request an exemption')")
            assert provider.asked[-1]["prompt"] == "login"
            await context.close()
