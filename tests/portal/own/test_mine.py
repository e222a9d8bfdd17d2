"""One person's shifts as the pages read them, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from support.shifts import MORNING, both_engines, close_day, on_rota, spend

from proxy_addons.policy import states
from proxy_addons.portal.own import mine
from proxy_addons.portal.own.picture import DayUse
from proxy_addons.standing.breaks import Breaks

if TYPE_CHECKING:
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

pytestmark = both_engines

MONDAY = date(2026, 11, 23)


def read(store: Store, settings: Settings, at: object = MORNING, name: str = "jane") -> mine.Mine:
    return mine.read(store, name, at, settings.shifts, settings.policy.time_zone)  # type: ignore[arg-type]


def test_of_somebody_new_there_is_nothing(store: Store, settings: Settings):
    own = read(store, settings)
    assert own.today == MONDAY
    assert [each.day for each in own.days] == [MONDAY - timedelta(days=n) for n in range(6, -1, -1)]
    assert {(each.personal, each.social) for each in own.days} == {(0, 0)}
    assert own.breaks == ()
    assert own.running is None
    assert own.left.minutes == 60
    assert own.states_at(MORNING) == {states.NO_ROTA}


def test_minutes_are_by_duty_day_and_ones_own(store: Store, settings: Settings):
    spend(store, settings, "jane", MORNING, 18, 5)
    spend(
        store, settings, "jane", MORNING.replace(hour=4, minute=59), 10
    )  # yesterday's night shift
    spend(store, settings, "mona", MORNING, 40)
    close_day(store, "jane", MORNING - timedelta(days=6), 33, 7)
    close_day(store, "jane", MORNING - timedelta(days=7), 60, 0)  # too long ago
    own = read(store, settings)
    assert own.used_today == DayUse(MONDAY, 18, 5)
    assert own.days[-2] == DayUse(MONDAY - timedelta(days=1), 10, 0)
    assert own.days[0] == DayUse(MONDAY - timedelta(days=6), 33, 7)
    assert own.week == 18, "Monday is the first day of the week"
    assert sum(each.personal for each in read(store, settings, name="mona").days) == 40


def test_the_last_minutes_of_an_allowance_are_a_state_until_the_day_turns(
    store: Store, settings: Settings
):
    spend(store, settings, "jane", MORNING, 60, 20)
    own = read(store, settings)
    used = {states.NO_ROTA, states.ALLOWANCE_USED, states.SOCIAL_USED}
    assert own.states_at(MORNING) == used
    assert own.moments()[0] == own.turns
    assert own.states_at(own.turns - timedelta(seconds=1)) == used
    assert own.states_at(own.turns) == {states.NO_ROTA}


def test_a_break_is_a_state_until_its_end(store: Store, settings: Settings):
    zone, turns = settings.policy.time_zone, settings.shifts.day_turns
    breaks = Breaks(store, settings.shifts.breaks, turns, zone, clock=lambda: MORNING)
    breaks.start("jane", 30, "jane")
    breaks.start("mona", 15, "mona")
    own = read(store, settings, MORNING + timedelta(minutes=10))
    assert own.running is not None
    assert own.running.ends == MORNING + timedelta(minutes=30)
    assert states.ON_BREAK in own.states_at(own.now)
    assert own.moments()[0] == own.running.ends
    assert states.ON_BREAK not in own.states_at(own.running.ends)
    after = read(store, settings, MORNING + timedelta(minutes=30))
    assert after.running is None
    assert after.left.minutes == 30
    assert after.left.may_start_at == MORNING + timedelta(minutes=60)


def test_the_rota_says_on_and_off_duty(store: Store, settings: Settings):
    ends = MORNING + timedelta(hours=6)
    on_rota(store, settings, "jane", [(MORNING - timedelta(hours=2), ends)])
    own = read(store, settings)
    assert own.states_at(MORNING) == {states.ON_DUTY}
    assert own.moments()[0] == ends
    assert own.states_at(ends) == {states.OFF_DUTY}
    assert own.duty() == (states.ON_DUTY, ends)
    # Off duty for as long as the rota speaks of the person.
    turns = datetime(2026, 11, 27, 5, tzinfo=UTC)
    assert read(store, settings, ends).duty() == (states.OFF_DUTY, turns)
    assert read(store, settings, name="mona").duty() == (states.NO_ROTA, None)
