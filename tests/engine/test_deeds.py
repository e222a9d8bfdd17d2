"""What clicks do, in a real store of either engine, and that workers go by it when it is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.personal import POLICY, STATEMENT
from support.stage import make_settings
from support.stores import place, ready_postgresql, ready_sqlite, store

from proxy_addons.engine.deeds import StoreDeeds
from proxy_addons.gate.actions import Who
from proxy_addons.settings.shifts import Breaks, Shifts
from proxy_addons.standing import StepRefusedError
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.today import Today

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

__all__ = ["place", "ready_postgresql", "ready_sqlite", "store"]

JANE = Who("jane", "kerberos", "192.0.2.7")


class At:
    """A worker's deeds and its view of the store; another worker's view besides."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.deeds = StoreDeeds(store, lambda: settings, lambda: STATEMENT)
        zone = settings.policy.time_zone
        self.views = [Today(store, settings.shifts, zone) for _ in range(2)]


@pytest.fixture
async def at(store: Store, tmp_path: Path) -> AsyncIterator[At]:
    settings = await asyncio.to_thread(make_settings, tmp_path / "gateway", policy=POLICY)
    made = At(store, replace(settings, shifts=Shifts(breaks=Breaks(gap=0))))
    for view in made.views:
        await view.start()
    yield made
    for view in made.views:
        await view.stop()
    made.deeds.close()


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_break_holds_on_every_worker_when_it_is_said_to_be_begun(at: At) -> None:
    await at.deeds.start_break(JANE, 30)
    await at.deeds.start_break(JANE, 30)  # a second click
    for view in at.views:
        assert "on-break" in view.states("jane", now())
        assert view.breaks_left("jane", now()).minutes == 30
    await at.deeds.end_break(JANE)
    for view in at.views:
        assert "on-break" not in view.states("jane", now())


async def test_a_break_of_another_length_is_refused(at: At) -> None:
    with pytest.raises(StepRefusedError):
        await at.deeds.start_break(JANE, 61)
    assert "on-break" not in at.views[0].states("jane", now())


async def test_a_confirmation_counts_for_its_rule_and_site(at: At) -> None:
    await at.deeds.confirm(JANE, "assistants", "assistant.test")
    for view in at.views:
        assert view.confirmed("jane", "assistants", "assistant.test", now())
        assert not view.confirmed("jane", "assistants", "other.test", now())


async def test_the_statement_is_acknowledged_in_the_version_that_was_shown(at: At) -> None:
    with pytest.raises(StepRefusedError):
        await at.deeds.acknowledge(JANE, "another")
    await at.deeds.acknowledge(JANE, STATEMENT.version)
    for view in at.views:
        assert view.acknowledged("jane", STATEMENT.version, now())


async def test_a_review_is_in_the_queue(at: At) -> None:
    reference = await at.deeds.ask_review(
        JANE, "https://shop.test/x?secret=1", "personal-use", ("shopping",), "I need it for work."
    )
    register = Reviews(at.store, threats=(), zone=at.settings.policy.time_zone)
    (review,) = await asyncio.to_thread(register.waiting)
    assert (review.reference, review.person, review.rule) == (reference, "jane", "personal-use")
    assert "secret" not in review.url
