"""What a concern becomes: one application for one week of one person, which opens nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.authority import DAY, NOW, PAT, SAM, SETTINGS, World

from proxy_addons.audit.authority.compiled import NotCoveredError, compile_bounds
from proxy_addons.audit.authority.model import Kind, State, SubjectClass
from proxy_addons.audit.sampling.drafting import Drafting
from proxy_addons.audit.sampling.hooks import Concern
from proxy_addons.standing import StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.standing import Store

CONCERN = Concern(
    sample="DS-2026-0001/1-017",
    person="jane",
    service="officer",
    since=NOW - 8 * DAY,
    until=NOW - DAY,
    why="Hours of shopping on duty.",
    authority="AU-2026-0001",
)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def drafting(world: World) -> Drafting:
    return Drafting(world.register, SETTINGS.validity, clock=lambda: world.now)


def test_it_asks_for_the_week_alone_and_opens_nothing(world: World) -> None:
    found = world.register.find(drafting(world).draft(PAT, CONCERN))
    assert found is not None
    assert (found.kind, found.applicant, found.allegation) == (
        Kind.REACTIVE, "pat", "DS-2026-0001/1-017",
    )  # fmt: skip
    assert dict(found.subjects) == {"jane": SubjectClass.OFFICER}
    assert (found.begins, found.ends) == (CONCERN.since, CONCERN.until)
    assert "Hours of shopping on duty." in found.necessity
    assert found.needs == (("head-of-acu",),)
    assert found.state_at(world.now) is State.REQUESTED
    with pytest.raises(NotCoveredError, match="not approved yet"):
        compile_bounds(found, PAT, world.now, SETTINGS)


def test_one_sample_makes_one_application(world: World) -> None:
    first = drafting(world).draft(PAT, CONCERN)
    world.now += timedelta(days=3)
    again = replace(CONCERN, why="Written another way this time.")
    assert drafting(world).draft(PAT, again) == first
    others = {
        drafting(world).draft(PAT, replace(CONCERN, sample="DS-2026-0001/1-018")),
        # Somebody applied by hand under that sample's name for somebody else.
        drafting(world).draft(PAT, replace(CONCERN, person="john")),
    }
    assert len(others | {first}) == 3
    assert drafting(world).draft(SAM, CONCERN) == first


def test_nobody_applies_for_themselves(world: World) -> None:
    with pytest.raises(StepRefusedError) as caught:
        drafting(world).draft(PAT, replace(CONCERN, person="pat"))
    assert caught.value.rule == "own"
    assert world.register.find("AU-2026-0001") is None
