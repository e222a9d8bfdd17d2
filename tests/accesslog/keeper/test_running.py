"""The rounds of the keeper: every step each time, whatever becomes of another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.keeping import NOON, Room

from proxy_addons.accesslog.keeper import state
from proxy_addons.accesslog.keeper.running import Keeper, loaded, next_time
from proxy_addons.accesslog.keeper.step import Context, Outcome
from proxy_addons.accesslog.keeper.steps import STEPS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Told:
    """A step that does as it is told."""

    name: str
    fails: bool = False
    seen: list[Context] = field(default_factory=list)

    def run(self, context: Context) -> Outcome:
        self.seen.append(context)
        if self.fails:
            raise ZeroDivisionError("as it was told")
        return Outcome("done", {"runs": len(self.seen)}, ("look at this",))


def keeper(room: Room, *steps: Told) -> Keeper:
    return Keeper(room.settings, steps, clock=lambda: room.now)


def test_a_step_that_fails_keeps_no_other_from_running(room: Room) -> None:
    steps = Told("a"), Told("b", fails=True), Told("c")
    made = keeper(room, *steps)
    made.round()
    room.now += 10
    made.round()
    assert [len(each.seen) for each in steps] == [2, 2, 2]
    found = state.read(room.settings.paths.run_dir)
    assert found is not None
    assert found == made.state
    assert (found.steps["b"].good, found.steps["b"].failed) == (0, 2)
    assert found.steps["b"].problems == ["ZeroDivisionError: as it was told"]
    assert (found.steps["c"].good, found.steps["c"].problems) == (NOON + 10, ["look at this"])


def test_what_a_step_knew_outlives_the_process(room: Room) -> None:
    keeper(room, Told("a"), Told("gone")).round()
    again = Told("a")
    made = keeper(room, again)
    made.round()
    assert dict(again.seen[0].known) == {"runs": 1}
    assert set(made.state.steps) == {"a"}, "one that is no more is not late for good"
    assert made.state.since == NOON


def test_a_failure_forgets_nothing(room: Room) -> None:
    step = Told("a")
    made = keeper(room, step)
    made.round()
    step.fails = True
    made.round()
    step.fails = False
    made.round()
    assert dict(step.seen[2].known) == {"runs": 1}
    assert made.state.steps["a"].failed == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version":2}', '{"version":1,"steps":7}'])
def test_a_state_that_cannot_be_read_begins_anew(room: Room, damage: str) -> None:
    keeper(room, Told("a")).round()
    path: Path = room.settings.paths.run_dir / state.NAME
    path.write_text(damage)
    assert state.read(room.settings.paths.run_dir) is None
    keeper(room, Told("a")).round()
    assert json.loads(path.read_text())["steps"]["a"]["failed"] == 0


def test_a_state_that_cannot_be_written_ends_nothing(room: Room) -> None:
    (room.settings.paths.run_dir / f"{state.NAME}.new").mkdir()
    step = Told("a")
    keeper(room, step).round()
    assert len(step.seen) == 1


def test_steps_that_cannot_be_had_are_named(room: Room) -> None:
    here = STEPS[0]
    steps = loaded(["no.such:Thing", here.replace("SealAccess", "Nothing"), here])
    made = Keeper(room.settings, steps, clock=lambda: room.now)
    made.round()
    assert [each.failed for each in made.state.steps.values()] == [1, 1, 0]
    assert "no.such:Thing" in made.state.steps


def test_all_steps_that_are_named_are_there(room: Room) -> None:
    made = Keeper(room.settings, loaded(STEPS), clock=lambda: room.now, entropy=room.entropy)
    room.fill(2)
    made.round()
    assert [each.failed for each in made.state.steps.values()] == [0] * len(STEPS)
    assert room.access.seals.note()


@given(st.floats(0, 4e9), st.floats(1, 86400), st.floats(0, 86400))
@example(69754.27072046949, 86.00897423311108, 69754.27072046949)  # rounded, it lies before now
def test_the_next_round_is_the_first_that_is_due(now: float, every: float, after: float) -> None:
    due = next_time(now, every, after)
    assert now <= due
    assert due - every <= now + 1e-5
    offset = (due - after % every) / every
    assert abs(offset - round(offset)) < 1e-3


class Enough(Exception):  # noqa: N818 - ends a loop that has no end
    pass


def test_rounds_come_when_they_are_due(room: Room) -> None:
    step = Told("a")
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        room.now += seconds
        if room.now > NOON + 7300:
            raise Enough

    made = Keeper(room.settings, [step], clock=lambda: room.now, sleep=sleep)
    with pytest.raises(Enough):
        made.forever()
    # NOON is 12:05, when it is due itself: at once, then each hour.
    assert [each for each in (1, 2, 3) if len(step.seen) == each] == [3]
    assert max(sleeps) <= 30


def test_a_clock_that_is_set_back_does_not_stop_it(room: Room) -> None:
    step = Told("a")
    count = 0

    def sleep(seconds: float) -> None:
        nonlocal count
        count += 1
        room.now = room.now - 30 * 86400 if count == 1 else room.now + seconds
        if count > 500:
            raise Enough

    with pytest.raises(Enough):
        Keeper(room.settings, [step], clock=lambda: room.now, sleep=sleep).forever()
    assert len(step.seen) > 2
