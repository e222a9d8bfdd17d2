"""Pages of dip samples, retention and holds in a real Chromium: narrow and wide, light and dark."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.authority import NOW
from support.desk import consoled, prepared, week_of_records
from support.portalpages import somebody
from support.sampling import WEEK
from support.sharedbrowser import CHROMIUM

from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.audit.sampling.commitment import Party, Secret, commitment
from proxy_addons.audit.sampling.hooks import NoViews
from proxy_addons.audit.sampling.plan import WantedPlan
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.audit.sampling.reviewing import Reviewing
from proxy_addons.audit.sampling.strata import Entry
from proxy_addons.standing import Actor, open_store

keyboard = pytest.importorskip("support.keyboard", reason="axe is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser
    from support.portal import House

    from proxy_addons.audit.sampling.hooks import Concern
    from proxy_addons.settings.model import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

PAUL = Actor("paul", frozenset({"psd"}), "accounts")
PIA = Actor("pia", frozenset({"psd"}), "accounts")
AUDREY = Actor("audrey", frozenset({"auditor"}), "accounts")
WHY = "Routine check of personal use in November. " + "long" * 40
PEOPLE = tuple(f"ab{number}" for number in range(12))


class _Requests:
    def draft(self, actor: Actor, concern: Concern) -> str:
        del actor, concern
        return "AU-2026-0009"


def seeded(folder: Path) -> Settings:
    """A plan under review, one that waits for commitments, one without a roster; two holds."""
    settings = prepared(folder)
    week_of_records(settings, *PEOPLE)
    store = open_store(settings.standing, settings.paths)
    sampling = Sampling(store, clock=lambda: NOW)
    roster = [Entry.of(name, "officer", f"Unit {place % 2}") for place, name in enumerate(PEOPLE)]
    wanted = WantedPlan(why=WHY, authority="AU-2026-0001", first_week=WEEK, size=6,
                        second_party="audrey")  # fmt: skip
    for reference in ("DS-2026-0001", "DS-2026-0002", "DS-2026-0003"):
        sampling.plan(PAUL, wanted)
        if reference != "DS-2026-0003":
            sampling.fix_roster(PAUL, reference, seen=1, roster=roster)
    reference, seen = "DS-2026-0001", 2
    both = {Party.PSD: (PAUL, Secret(b"s" * 32, b"t" * 32)),
            Party.SECOND: (AUDREY, Secret(b"u" * 32, b"v" * 32))}  # fmt: skip
    for party, (actor, secret) in both.items():
        shown = commitment(reference, 1, party, secret)
        seen = sampling.commit(actor, reference, seen=seen, commitment=shown).revision
    for actor, secret in both.values():
        seen = sampling.reveal(actor, reference, seen=seen, secret=secret).revision
    reviewing = Reviewing(store, requests=_Requests(), views=NoViews(),
                          zone=settings.policy.time_zone, clock=lambda: NOW)  # fmt: skip
    for code in ("concern", "no-concern", None):
        sample = reviewing.take_next(PIA, reference)
        assert sample is not None
        if code is not None:
            reviewing.decide(PIA, sample.pseudonym, code=code, remark="Hours of shopping on duty.")
    holds = Holds(store, zone=settings.policy.time_zone, clock=lambda: NOW)
    for persons in ({"jane"}, {"jane", "x" * 60}):
        hold = WantedHold(
            scope=Scope(frozenset(persons)),
            case_reference="CM/77/26",
            owner="paul",
            why=WHY,
            review_at=NOW + timedelta(days=90),
        )
        holds.place(PAUL, hold)
    holds.ask_to_lift(PAUL, "LH-2026-0001", seen=1, why="The claim is settled.")
    store.close()
    return settings


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(seeded, tmp_path)
    async with consoled(settings) as (made, _):
        yield made


ONE = "/psd/sampling/DS-2026-0001"
PAGES = {
    "paul": ("/psd/sampling", "/psd/sampling/new", "/psd/sampling/DS-2026-0002",
             "/psd/sampling/DS-2026-0002/commit", "/psd/sampling/DS-2026-0002/redraw",
             "/psd/sampling/DS-2026-0003/roster", f"{ONE}/close", "/psd/retention",
             "/psd/retention/new", "/psd/retention/LH-2026-0001"),
    "pia": (ONE, f"{ONE}/1-001", f"{ONE}/1-002", f"{ONE}/1-003", f"{ONE}/1-003?view=rows",
            f"{ONE}/1-004", "/psd/retention/LH-2026-0001/lift",
            "/psd/retention/LH-2026-0002/review"),
    "audrey": ("/psd/sampling/coverage", ONE, "/psd/retention/certificates",
               "/psd/retention/LH-2026-0002"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("pia", 320, "light"),
        pytest.param("paul", 320, "light", marks=pytest.mark.heavy),
        pytest.param("audrey", 320, "light", marks=pytest.mark.heavy),
        pytest.param("pia", 1280, "dark", marks=pytest.mark.heavy),
        pytest.param("audrey", 1280, "light", marks=pytest.mark.heavy),
    ],
)
async def test_pages_are_accessible_and_narrow(
    browser: Browser, house: House, name: str, width: int, scheme: str
) -> None:
    async with somebody(browser, house, name, width=width, scheme=scheme) as page:
        for path in PAGES[name]:
            await page.goto(house.base + path)
            assert urlsplit(page.url).path == path.partition("?")[0], "led elsewhere"
            await keyboard.look_over(page)


async def test_a_secret_is_made_and_errors_are_found_by_keyboard(
    browser: Browser, house: House
) -> None:
    async with somebody(browser, house, "paul", width=360) as page:
        await page.goto(f"{house.base}/psd/sampling/new")
        await page.fill("#second_party", "")
        await keyboard.press(page, "form.sheet-form button.main")
        assert await page.evaluate("document.activeElement.id") == "summary"
        await page.goto(f"{house.base}/psd/sampling/DS-2026-0002/commit")
        await keyboard.press(page, "form.sheet-form button.main")
        await page.wait_for_selector("code")
        await keyboard.look_over(page)
        secret = await page.text_content("code")
        assert secret is not None
        assert len(secret) == 128
