from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.timespaces import (
    BANK_HOLIDAY,
    EVERY_DAY,
    Reading,
    TimeCondition,
    TimeRange,
    TimeSpace,
    kind_of_day,
    reading,
)

if TYPE_CHECKING:
    from collections.abc import Callable

WEEKDAYS = frozenset(range(5))
HOLIDAYS = frozenset({date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1)})
FORWARD, BACK = date(2027, 3, 28), date(2026, 10, 25)  # the change days in Europe/London


def space(*ranges: tuple[frozenset[int], int, int]) -> TimeSpace:
    return TimeSpace("space", tuple(TimeRange(*each) for each in ranges))


BREAKS = space((WEEKDAYS, 12 * 60, 14 * 60))
NIGHT = space((WEEKDAYS, 22 * 60, 30 * 60))  # 22:00 to 06:00
HOLIDAY_MORNING = space((frozenset({BANK_HOLIDAY}), 0, 12 * 60))


@pytest.mark.parametrize(
    ("times", "local", "held"),
    [
        (BREAKS, "2026-11-24T11:59:59.999999", False),
        (BREAKS, "2026-11-24T12:00:00", True),  # the start is included
        (BREAKS, "2026-11-24T13:59:59.999999", True),
        (BREAKS, "2026-11-24T14:00:00", False),  # the end is excluded
        (BREAKS, "2026-11-28T12:30:00", False),  # Saturday
        (BREAKS, "2026-12-25T12:30:00", False),  # Friday, but Christmas Day
        (BREAKS, "2026-12-24T12:30:00", True),
        (BREAKS, "2028-02-29T12:30:00", True),  # leap day, a Tuesday
        (NIGHT, "2026-11-27T21:59:00", False),
        (NIGHT, "2026-11-27T22:00:00", True),
        (NIGHT, "2026-11-28T00:00:00", True),  # Saturday, but Friday's night
        (NIGHT, "2026-11-28T05:59:00", True),
        (NIGHT, "2026-11-28T06:00:00", False),
        (NIGHT, "2026-11-28T22:00:00", False),  # Saturday's night is none
        (NIGHT, "2026-11-23T03:00:00", False),  # Monday early belongs to Sunday
        (NIGHT, "2026-12-25T03:00:00", True),  # Christmas Day early belongs to Christmas Eve
        (NIGHT, "2026-12-25T23:00:00", False),
        (NIGHT, "2026-12-29T03:00:00", False),  # after the substitute day
        (NIGHT, "2026-12-31T23:59:59", True),
        (NIGHT, "2027-01-01T00:00:00", True),  # new year: the night of Thursday goes on
        (NIGHT, "2027-01-02T00:00:00", False),
        (NIGHT, "2028-02-29T00:30:00", True),
        (NIGHT, "2028-03-01T00:30:00", True),  # the night of the leap day
        (HOLIDAY_MORNING, "2026-12-25T00:00:00", True),
        (HOLIDAY_MORNING, "2026-12-25T12:00:00", False),
        (HOLIDAY_MORNING, "2026-12-26T09:00:00", False),  # not in the dates handed in
    ],
)
def test_ranges_in_local_time(times: TimeSpace, local: str, held: bool):
    assert times.holds(reading(datetime.fromisoformat(local), HOLIDAYS)) is held


def test_a_bank_holiday_is_a_kind_of_day_of_its_own():
    assert kind_of_day(date(2026, 12, 25), HOLIDAYS) == BANK_HOLIDAY
    assert kind_of_day(date(2026, 12, 25), frozenset()) == 4


def test_an_hour_that_is_skipped_is_held_by_no_instant_and_a_repeated_one_by_twice_as_many(
    minutes_of: Callable[[date, date], list[datetime]],
):
    one_to_two = space((EVERY_DAY, 60, 120))

    def held_on(day: date) -> int:
        minutes = minutes_of(day, day + timedelta(days=1))
        return sum(one_to_two.holds(reading(local, frozenset())) for local in minutes)

    assert held_on(FORWARD) == 0
    assert held_on(BACK) == 120
    assert held_on(date(2026, 11, 24)) == 60


def test_a_night_over_a_change_of_the_clocks_begins_and_ends_by_the_wall_clock(
    minutes_of: Callable[[date, date], list[datetime]],
):
    night = space((EVERY_DAY, 22 * 60, 30 * 60))

    def length(day: date) -> int:
        """Minutes of the night that ends on a day."""
        minutes = minutes_of(day - timedelta(days=1), day + timedelta(days=1))
        noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 - a date and time on the wall
        before = noon - timedelta(days=1)
        return sum(
            night.holds(reading(local, frozenset()))
            for local in minutes
            if before <= local.replace(tzinfo=None) < noon
        )

    assert length(FORWARD) == 7 * 60
    assert length(BACK) == 9 * 60
    assert length(date(2026, 11, 24)) == 8 * 60


ranges = st.builds(
    lambda days, start, length: TimeRange(days, start, start + length),
    st.frozensets(st.integers(0, 7), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
spaces = st.builds(TimeSpace, st.just("space"), st.lists(ranges, max_size=3).map(tuple))


@settings(deadline=None)
@given(
    spaces,
    st.dates(date(2026, 12, 20), date(2027, 1, 5)),
    st.integers(0, 1439),
)
def test_a_reading_is_held_when_a_start_day_reaches_it(times: TimeSpace, day: date, minute: int):
    """By the definition: some range starts on some day and lasts until after the reading."""
    held = False
    for each in times.ranges:
        for back in range(3):
            start_day = day - timedelta(days=back)
            since = back * 1440 + minute  # minutes since the midnight that the range counts from
            if kind_of_day(start_day, HOLIDAYS) in each.days and each.start <= since < each.end:
                held = True
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60)  # noqa: DTZ001 - a date and time on the wall
    assert times.holds(reading(local, HOLIDAYS)) is held


@settings(deadline=None)
@given(spaces, st.integers(0, 7), st.integers(0, 7))
def test_the_answer_changes_only_at_boundaries(times: TimeSpace, today: int, yesterday: int):
    answers = [times.holds(Reading(today, yesterday, minute)) for minute in range(1440)]
    changes = {m for m in range(1, 1440) if answers[m] != answers[m - 1]}
    assert changes <= times.boundaries
    assert 0 in times.boundaries


@settings(deadline=None)
@given(st.lists(spaces, min_size=1, max_size=3).map(tuple), st.integers(0, 7), st.integers(0, 1439))
def test_outside_is_the_opposite_of_within(times: tuple[TimeSpace, ...], day: int, minute: int):
    now = Reading(day, day, minute)
    inside = any(each.holds(now) for each in times)
    assert TimeCondition(times).holds(now) is inside
    assert TimeCondition(times, outside=True).holds(now) is not inside


def test_a_condition_names_its_spaces():
    pair = (TimeSpace("breaks", ()), TimeSpace("nights", ()))
    assert str(TimeCondition(pair)) == "within breaks or nights"
    assert str(TimeCondition(pair, outside=True)) == "outside breaks and nights"


@pytest.mark.parametrize(("start", "end"), [(60, 60), (60, 30), (-1, 5), (60, 1501)])
def test_what_is_no_range_within_a_day_is_refused(start: int, end: int):
    with pytest.raises(ValueError, match="not a range"):
        TimeRange(EVERY_DAY, start, end)
