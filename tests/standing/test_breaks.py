"""Booked breaks on both engines: allowance, gap, one at a time, days on which the clocks change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.settings import shifts
from proxy_addons.standing import Actor, StepRefusedError
from proxy_addons.standing.breaks import Break, BreakRefusedError, Breaks, Left
from proxy_addons.standing.dutyday import bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.standing import Store

LONDON = ZoneInfo("Europe/London")
FIVE = time(5)
MINUTE = timedelta(minutes=1)
MORNING = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_numbers = count(1)


class World:
    """One person, and a clock that stands still until it is moved."""

    def __init__(
        self, store: Store, of: shifts.Breaks | None = None, now: datetime = MORNING
    ) -> None:
        self.store = store
        self.settings = of or shifts.Breaks()
        self.person = f"pc{next(_numbers)}"
        self.now = now
        self.breaks = Breaks(store, self.settings, FIVE, LONDON, clock=lambda: self.now)

    def start(self, minutes: int = 15) -> Break:
        return self.breaks.start(self.person, minutes, self.person, "kerberos")

    def end(self) -> Break | None:
        return self.breaks.end(self.person, self.person)

    def wait(self, minutes: float) -> None:
        self.now += minutes * MINUTE

    def at(self, text: str) -> World:
        self.now = datetime.fromisoformat(text).replace(tzinfo=LONDON)
        return self


@pytest.fixture
def world(shared: Store) -> World:
    return World(shared)


def test_a_break_from_its_beginning_to_its_end(world: World) -> None:
    version = world.store.shift_version()
    made = world.start(30)
    assert made == Break(
        id=made.id,
        person=world.person,
        day=date(2026, 11, 23),
        begins=MORNING,
        ends=MORNING + 30 * MINUTE,
        minutes=30,
        ended_early=False,
        by=world.person,
        how="kerberos",
        change=version + 1,
    )
    assert world.store.shift_version() == version + 1
    assert world.breaks.running(world.person) == made
    assert world.breaks.today(world.person) == (made,)
    left = world.breaks.left(world.person)
    assert (left.minutes, left.may_start_at, left.offered) == (30, made.ends + 30 * MINUTE, ())
    world.wait(30)
    assert world.breaks.running(world.person) is None, "the end is excluded"
    assert world.end() is None
    assert world.breaks.today(world.person) == (made,)


def test_a_restart_forgets_nothing(world: World) -> None:
    made = world.start()
    again = Breaks(world.store, world.settings, FIVE, LONDON, clock=lambda: world.now)
    assert again.running(world.person) == made
    assert again.start(world.person, 60, world.person, "basic") == made


def test_a_second_click_changes_nothing(world: World) -> None:
    made = world.start(15)
    world.wait(5)
    assert world.start(60) == made
    assert world.breaks.today(world.person) == (made,)


def test_what_is_left_can_be_taken_later(world: World) -> None:
    world.start(60)
    world.wait(14.1)
    ended = world.end()
    assert ended is not None
    assert (ended.minutes, ended.ended_early, ended.ends) == (15, True, world.now)
    assert world.end() is None
    assert world.breaks.left(world.person).minutes == 45
    world.at("2026-11-23 10:14:05.999999")
    with pytest.raises(BreakRefusedError, match=r"can start at 10:15: there are 30 min") as caught:
        world.start()
    assert caught.value.rule == "gap"
    read = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
    assert caught.value.left.may_start_at == read, "what people read is true"
    world.at("2026-11-23 10:14:06")
    left = world.breaks.left(world.person)
    assert (left.minutes, left.may_start_at, left.offered) == (45, world.now, (15, 30))
    with pytest.raises(BreakRefusedError, match="45 minutes are left: a break now lasts at most"):
        world.start(60)
    assert world.start(45).minutes == 45


def test_a_break_of_a_moment_counts_a_minute(world: World) -> None:
    world.start()
    ended = world.end()
    assert ended is not None
    assert (ended.begins, ended.ends, ended.minutes) == (MORNING, MORNING, 1)


@pytest.mark.parametrize(
    ("lasts", "minutes"), [(1, 1), (60, 1), (60.000001, 2), (899.999999, 15), (900, None)]
)
def test_minutes_are_rounded_up(world: World, lasts: float, minutes: int | None) -> None:
    world.start(15)
    world.now += timedelta(seconds=lasts)
    ended = world.end()
    assert (None if ended is None else ended.minutes) == minutes


def test_when_the_allowance_is_used_the_next_day_brings_more(world: World) -> None:
    world.start(60)
    world.wait(100)
    with pytest.raises(
        BreakRefusedError,
        match=r"Of today's 60 minutes of breaks none are left. The next break can start at 05:00"
        r" on Tuesday 24 November\. \(Inf/27 2\.9\.1\)",
    ) as caught:
        world.start()
    assert caught.value.rule == "allowance"
    left = caught.value.left
    assert (left.minutes, left.may_start_at) == (0, datetime(2026, 11, 24, 5, tzinfo=UTC))
    world.now = left.may_start_at - timedelta(microseconds=1)
    with pytest.raises(BreakRefusedError):
        world.start()
    world.now = left.may_start_at
    assert world.start(60).day == date(2026, 11, 24)


def test_too_little_left_for_the_shortest(world: World) -> None:
    world.start(50)
    world.wait(120)
    left = world.breaks.left(world.person)
    assert (left.minutes, left.offered) == (10, ())
    assert left.may_start_at == datetime(2026, 11, 24, 5, tzinfo=UTC)
    with pytest.raises(BreakRefusedError, match="10 minutes are left"):
        world.start()


@pytest.mark.parametrize(
    ("night", "turn"),
    [
        ("2026-11-23", "2026-11-24"),
        ("2026-03-28", "2026-03-29"),  # 01:00 to 02:00 is left out
        ("2026-10-24", "2026-10-25"),  # 01:00 to 02:00 comes twice
        ("2028-02-28", "2028-02-29"),
        ("2026-12-31", "2027-01-01"),
    ],
)
def test_a_night_shift_has_one_allowance(shared: Store, night: str, turn: str) -> None:
    world = World(shared, replace(shifts.Breaks(), gap=0))
    first = world.at(f"{night} 23:40").start(30)
    assert first.ends - first.begins == 30 * MINUTE
    world.at(f"{turn} 00:30")
    second = world.start(30)
    assert second.ends - second.begins == 30 * MINUTE
    assert first.day == second.day == date.fromisoformat(night)
    world.at(f"{turn} 04:59")
    with pytest.raises(BreakRefusedError, match=r"can start at 05:00\."):
        world.start()
    assert world.at(f"{turn} 05:00").start().day == date.fromisoformat(turn)


def test_minutes_are_minutes_when_the_clocks_change(shared: Store) -> None:
    for night in ("2026-03-29", "2026-10-25"):
        world = World(shared).at(f"{night} 00:45")
        made = world.start(60)
        assert made.ends.astimezone(UTC) - made.begins.astimezone(UTC) == 60 * MINUTE


def test_a_break_over_the_turn_of_the_day_counts_for_the_day_it_began(world: World) -> None:
    world.at("2026-11-24 04:50")
    made = world.start(60)
    assert made.day == date(2026, 11, 23)
    left = world.breaks.left(world.person)
    assert (left.minutes, left.may_start_at) == (0, made.ends + 30 * MINUTE)
    world.at("2026-11-24 05:10")
    assert world.start() == made, "it still runs"
    assert world.breaks.left(world.person).minutes == 60
    assert world.breaks.today(world.person) == ()
    world.at("2026-11-24 06:19")
    with pytest.raises(BreakRefusedError, match="can start at 06:20"):
        world.start()
    assert world.at("2026-11-24 06:20").start(60).day == date(2026, 11, 24)


def test_a_gateway_whose_clock_is_behind_starts_no_second(world: World) -> None:
    made = world.start()
    world.wait(-0.05)
    assert world.start() == made
    ended = world.end()
    assert ended is not None
    assert (ended.ends, ended.minutes) == (made.begins, 1)


def test_a_lowered_allowance_is_not_owed(shared: Store) -> None:
    world = World(shared)
    world.start(60)
    world.settings = replace(world.settings, allowance=30)
    world.breaks = Breaks(shared, world.settings, FIVE, LONDON, clock=lambda: world.now)
    assert world.breaks.left(world.person).minutes == 0


BOSS = Actor("boss", frozenset({"line-manager"}), "oidc", frozenset({"somebody"}))
ROOT = Actor("root", frozenset({"operator"}), "command-line")
PORTAL_OPERATOR = Actor("ops", frozenset({"operator"}), "kerberos")

REFUSED: dict[str, tuple[Callable[[World], object], str]] = {
    "another's": (lambda w: w.breaks.start(w.person, 15, "other"), "role"),
    "another's, ended": (lambda w: w.breaks.end(w.person, "other"), "role"),
    "not of the team": (lambda w: w.breaks.start(w.person, 15, BOSS), "role"),
    "by the portal's operator": (lambda w: w.breaks.start(w.person, 15, PORTAL_OPERATOR), "role"),
    "nobody's": (lambda w: w.breaks.start("\n", 15, "\n"), "name"),
    "too short": (lambda w: w.start(14), "length"),
    "too long": (lambda w: w.start(61), "length"),
    "backwards": (lambda w: w.start(-15), "length"),
    "switched off": (
        lambda w: World(w.store, replace(shifts.Breaks(), enabled=False)).start(),
        "breaks",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    act, rule = REFUSED[case]
    with pytest.raises(StepRefusedError) as caught:
        act(world)
    assert caught.value.rule == rule
    assert str(caught.value).isprintable()
    assert world.breaks.today(world.person) == ()


@pytest.mark.parametrize("actor", [BOSS, ROOT], ids=lambda actor: actor.name)
def test_who_may_start_and_end_anothers(world: World, actor: Actor) -> None:
    actor = replace(actor, manages=frozenset({world.person}) if actor is BOSS else frozenset())
    made = world.breaks.start(world.person.upper(), 15, actor)
    assert (made.person, made.by, made.how) == (world.person, actor.name, actor.how)
    assert world.breaks.end(world.person, actor) is not None


def test_names_are_one_whatever_their_case(world: World) -> None:
    made = world.breaks.start(f" {world.person.upper()} ", 15, world.person.title())
    assert world.start() == made


def test_two_clicks_at_once(world: World) -> None:
    with ThreadPoolExecutor(6) as threads:
        made = set(threads.map(world.start, [15, 30, 60] * 4))
    assert len(made) == 1
    assert world.breaks.today(world.person) == tuple(made)


def test_people_do_not_stand_in_each_others_way(world: World) -> None:
    worlds = [World(world.store) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(World.start, worlds))
    assert [each.person for each in made] == [each.person for each in worlds]
    assert len({each.change for each in made}) == 6


# --- whatever somebody does -----------------------------------------------------------------------

BEGINS = st.sampled_from(
    ["2026-03-28", "2026-10-24", "2026-10-25", "2028-02-28", "2028-02-29", "2026-12-31"]
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0.01, 1, 7, 29, 30, 31, 59, 60, 180, 500]),
        st.sampled_from(["start", "start", "end"]),
        st.sampled_from([5, 10, 15, 20, 45]),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(
    BEGINS,
    st.integers(0, 1439),
    ACTIONS,
    st.sampled_from([20, 45, 60]),
    st.sampled_from([0, 10, 45]),
)
def test_the_rules_hold_whatever_somebody_does(
    shared: Store,
    day: str,
    minute: int,
    actions: list[tuple[float, str, int]],
    allowance: int,
    gap: int,
) -> None:
    of = shifts.Breaks(choices=(5, 15, 45), allowance=allowance, gap=gap)
    begin = datetime.fromisoformat(day).replace(tzinfo=LONDON).astimezone(UTC) + minute * MINUTE
    world = World(shared, of, begin)
    for pause, action, minutes in actions:
        world.wait(pause)
        if action == "end":
            world.end()
            continue
        left = world.breaks.left(world.person)
        running = world.breaks.running(world.person)
        if running is not None:
            assert world.start(minutes) == running
        elif left.may_start_at > world.now or minutes > left.minutes:
            with pytest.raises(BreakRefusedError) as caught:
                world.start(minutes)
            assert caught.value.left == left
            _what_was_promised_holds(world, left)
        else:
            made = world.start(minutes)
            assert (made.begins, made.minutes) == (world.now, minutes)
    _is_within_the_rules(world.breaks.of_days(world.person, date.min, date.max), of)


def _what_was_promised_holds(world: World, left: Left) -> None:
    """A break can be started when the refusal said so, and not before."""

    def offered(moment: datetime) -> tuple[int, ...]:
        then = Breaks(world.store, world.settings, FIVE, LONDON, clock=lambda: moment)
        return then.left(world.person).offered

    assert offered(left.may_start_at) != ()
    if left.may_start_at > world.now:
        assert offered(left.may_start_at - MINUTE) == ()


def _is_within_the_rules(made: tuple[Break, ...], of: shifts.Breaks) -> None:
    for earlier, later in pairwise(made):
        assert earlier.ends + of.gap * MINUTE <= later.begins
    taken: dict[date, timedelta] = {}
    for each in made:
        begins, ends = bounds(each.day, LONDON, FIVE)
        assert begins <= each.begins < ends
        lasted = each.ends - each.begins
        assert lasted <= each.minutes * MINUTE < lasted + MINUTE or each.minutes == 1
        taken[each.day] = taken.get(each.day, timedelta()) + lasted
    assert all(lasted <= of.allowance * MINUTE for lasted in taken.values())
