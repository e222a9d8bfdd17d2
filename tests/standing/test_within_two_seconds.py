"""What somebody changes stands on every worker and node within 2 seconds, with the times in use.

Workers here are views with connections of their own; that they are the same in processes of their
own, behind a browser, tests/e2e shows.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
from support.waiting import until

from proxy_addons.policy import states
from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.confirmations import confirm
from proxy_addons.standing.rota_csv import read_csv
from proxy_addons.standing.rota_import import RotaImport
from proxy_addons.standing.today import Today

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Place

    from proxy_addons.standing import Store

pytestmark = pytest.mark.alone

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SOON = datetime(2026, 12, 1, 12, 1, tzinfo=UTC)
SECONDS: Final = 2
NODES: Final = 3


async def test_everywhere_within_two_seconds(place: Place, store: Store, tmp_path: Path) -> None:
    """A break starts and ends; somebody off duty is recalled, and sent home; a confirmation."""
    nodes = [place.open() for _ in range(NODES)]
    views = [Today(each, Shifts(), LONDON, wall=lambda: NOW) for each in nodes]
    breaks = Breaks(store, Shifts().breaks, Shifts().day_turns, LONDON, clock=lambda: NOW)
    ending = Breaks(store, Shifts().breaks, Shifts().day_turns, LONDON, clock=lambda: SOON)

    def rota(text: str) -> Callable[[], object]:
        path = tmp_path / "duties.csv"

        def take_over() -> object:
            path.write_text(f"person,date,from,to,kind\n{text}\n")
            return RotaImport(store, LONDON).take_over(read_csv(path, LONDON), "lee")

        return take_over

    def standing(state: str, at: datetime = NOW) -> Callable[[Today], bool]:
        return lambda view: state in view.states("jane", at)

    steps: list[tuple[str, Callable[[], object], Callable[[Today], bool]]] = [
        ("rest day", rota("jane,2026-12-01,,,rest day"), standing(states.OFF_DUTY)),
        (
            "recalled",
            rota("jane,2026-12-01,11:00,23:00,overtime"),
            standing(states.ON_DUTY),
        ),
        ("sent home", rota("jane,2026-12-01,,,rest day"), standing(states.OFF_DUTY)),
        (
            "break",
            lambda: breaks.start("jane", 60, "jane", "test"),
            standing(states.ON_BREAK),
        ),
        (
            "break over",
            lambda: ending.end("jane", "jane"),
            lambda view: view.break_of("jane", SOON) is None,
        ),
        (
            "confirmed",
            lambda: confirm(store, "jane", "auctions", "shop.test", SOON, NOW),
            lambda view: view.confirmed("jane", "auctions", "shop.test", NOW),
        ),
    ]
    try:
        await asyncio.gather(*(view.start() for view in views))
        for what, do, seen in steps:
            await asyncio.to_thread(do)
            done = time.monotonic()
            for view in views:
                await until(lambda view=view, seen=seen: seen(view))
            assert time.monotonic() - done < SECONDS, what
    finally:
        for view in views:
            await view.stop()
        for each in nodes:
            each.close()
