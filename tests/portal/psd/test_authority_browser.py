"""The pages of authority in a real Chromium: narrow and wide, light and dark, by keyboard."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.authority import live, wanted
from support.authoritypages import AUDIT, NECESSITY, PATH, application, settings_with_offices
from support.portal import NOON, House, served
from support.portalpages import somebody
from support.sharedbrowser import CHROMIUM

from proxy_addons.audit.authority.deputies import Deputies
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.standing import Actor, open_store

keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from proxy_addons.settings.model import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

PAUL = Actor("paul", frozenset({"psd"}), "kerberos")
ACU = Actor("acu", how="oidc", offices=frozenset({"head-of-acu"}))
DCC = Actor("dcc", how="oidc", offices=frozenset({"deputy-chief-constable"}))
LONG = f"{NECESSITY} {'long' * 60}"


def seeded(folder: Path) -> Settings:
    """Settings of a portal whose register has a bit of everything."""
    settings = settings_with_offices(folder)
    store = open_store(settings.standing, settings.paths)
    then = NOON - timedelta(days=20)
    early = Authorisations(store, AUDIT, clock=lambda: then)
    at_noon = {"begins": then - timedelta(days=30), "ends": then, "valid_from": then}
    holds = early.apply(PAUL, wanted(**at_noon, valid_until=NOON + timedelta(days=9),
                                     review_at=NOON - timedelta(days=2)))  # fmt: skip
    early.approve(ACU, holds.reference, seen=1, note="Proportionate; two weeks are enough.")
    later = NOON + timedelta(days=40)
    early.renew(PAUL, holds.reference, seen=2, until=later, why="The interviews take longer.")
    several = {f"officer-{n}": SubjectClass.OFFICER for n in range(5)} | {
        "ann-of-the-contact-centre": SubjectClass.STAFF
    }
    now = Authorisations(store, AUDIT, clock=lambda: NOON)
    here = {"valid_from": NOON, "valid_until": NOON + timedelta(days=12)}
    now.apply(PAUL, wanted(subjects=several, urgent=True, necessity=LONG, **here))
    watched = now.apply(PAUL, live(**here | {"begins": NOON}))
    now.refuse(DCC, watched.reference, seen=1, why="Past records tell as much.")
    Deputies(store, AUDIT, clock=lambda: NOON).give(
        ACU, "head-of-acu", "eve", begins=NOON, ends=later, why="Annual leave."
    )
    store.close()
    return settings


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(seeded, tmp_path)
    async with served(settings) as made:
        yield made


# Steps share a template; of those with fields of their own one each.
PAGES = {
    "paul": (PATH, f"{PATH}/AU-2026-0001", f"{PATH}/new"),
    "acu": (f"{PATH}/AU-2026-0002/approve", f"{PATH}/AU-2026-0001/review", "/psd/deputies",
            "/psd/deputies/DG-2026-0001/revoke"),
    "kim": (f"{PATH}/AU-2026-0002/approve-orally",),
}  # fmt: skip


async def test_pages_are_accessible_and_narrow(browser: Browser, house: House):
    for name, paths in PAGES.items():
        async with somebody(browser, house, name, width=320) as page:
            for path in paths:
                await page.goto(house.base + path)
                assert urlsplit(page.url).path == path, "led elsewhere"
                await keyboard.look_over(page)


async def test_pages_are_accessible_wide_and_dark(browser: Browser, house: House):
    async with somebody(browser, house, "acu", width=1280, scheme="dark") as page:
        for path in (PATH, f"{PATH}/AU-2026-0001", f"{PATH}/AU-2026-0002/refuse", "/psd/deputies"):
            await page.goto(house.base + path)
            await keyboard.look_over(page)


async def test_applied_for_and_approved_by_keyboard(browser: Browser, house: House):
    async with somebody(browser, house, "paul", width=360) as page:
        await page.goto(f"{house.base}{PATH}/new")
        await keyboard.press(page, "form.sheet-form button.main")
        assert await page.evaluate("document.activeElement.id") == "summary"
        assert (await page.title()).startswith("Error: ")
        await keyboard.reach(page, '#summary a[href="#necessity"]')
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "necessity"
        assert await page.get_attribute("#necessity", "aria-invalid") == "true"
        await page.goto(f"{house.base}{PATH}/new")
        form = application()
        await keyboard.tick(page, "#kind")
        for name in ("subjects", "investigators"):
            await keyboard.write(page, f"#{name}", str(form[name]))
        await keyboard.reach(page, "#purpose")
        await page.keyboard.type("Investigate")
        for name in ("allegation", "necessity", "proportionality", "alternatives", "collateral"):
            await keyboard.write(page, f"#{name}", str(form[name]))
        for name in ("begins", "ends", "valid_until"):
            await keyboard.day(page, f"#{name}", str(form[name]))
        await keyboard.press(page, "form.sheet-form button.main", look=False)
        assert await page.inner_text("h1") == "AU-2026-0004"
    async with somebody(browser, house, "acu", width=360) as page:
        await page.goto(house.base + PATH)
        await keyboard.press(page, 'a[href$="/AU-2026-0004"]', look=False)
        await keyboard.press(page, 'a[href$="/approve"]', look=False)
        await keyboard.press(page, "form.sheet-form button.main")
        assert "It is approved." in await page.inner_text("[role=status]")
