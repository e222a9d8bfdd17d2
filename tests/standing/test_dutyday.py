"""Duty days: every moment has one, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy_addons.standing.dutyday import bounds, day_of

LONDON = ZoneInfo("Europe/London")
FIVE = time(5)
HOUR = timedelta(hours=1)

ZONES = st.sampled_from(
    # Lord Howe changes by half an hour, Beirut at midnight; Apia left out a day.
    [
        *map(ZoneInfo, ("Europe/London", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia")),
        UTC,
    ]
)
HOURS = st.times() | st.sampled_from([time(0), time(1, 30), FIVE, time(23, 59, 59, 999999)])
MOMENTS = st.datetimes(
    datetime(2009, 1, 2),  # noqa: DTZ001 - hypothesis wants it so
    datetime(2040, 1, 1),  # noqa: DTZ001 - a date and time on the wall
    timezones=st.just(UTC),
)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-11-23 04:59:59.999999", "2026-11-22"),
        ("2026-11-23 05:00", "2026-11-23"),
        ("2026-11-23 23:59:59", "2026-11-23"),
        ("2026-11-24 00:00", "2026-11-23"),
        ("2028-02-29 04:59", "2028-02-28"),
        ("2028-02-29 05:00", "2028-02-29"),
        ("2028-03-01 04:59", "2028-02-29"),
        ("2027-03-01 04:59", "2027-02-28"),
        ("2027-01-01 04:59", "2026-12-31"),
        # The nights in which the clocks change: it turns by the clock on the wall.
        ("2026-03-29 04:59", "2026-03-28"),
        ("2026-03-29 05:00", "2026-03-29"),
        ("2026-10-25 01:30", "2026-10-24"),
        ("2026-10-25 04:59", "2026-10-24"),
        ("2026-10-25 05:00", "2026-10-25"),
    ],
)
def test_the_day_of_a_moment(moment: str, day: str) -> None:
    assert day_of(local(moment), LONDON, FIVE) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("day", "turns", "begins", "hours"),
    [
        ("2026-11-23", FIVE, "2026-11-23T05:00", 24),
        ("2026-07-01", FIVE, "2026-07-01T04:00", 24),
        ("2026-03-28", FIVE, "2026-03-28T05:00", 23),
        ("2026-10-24", FIVE, "2026-10-24T04:00", 25),
        ("2026-12-31", time(0), "2026-12-31T00:00", 24),
        # 01:30 is left out on 29 March, and comes twice on 25 October.
        ("2026-03-29", time(1, 30), "2026-03-29T01:30", 23),
        ("2026-03-28", time(1, 30), "2026-03-28T01:30", 24),
        ("2026-10-25", time(1, 30), "2026-10-25T00:30", 25),
        ("2026-10-24", time(1, 30), "2026-10-24T00:30", 24),
    ],
)
def test_its_bounds(day: str, turns: time, begins: str, hours: int) -> None:
    first, after = bounds(date.fromisoformat(day), LONDON, turns)
    assert first == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert after - first == hours * HOUR
    assert first.tzinfo is after.tzinfo is UTC


@given(MOMENTS, ZONES, HOURS)
@example(datetime(2011, 12, 30, 12, tzinfo=UTC), ZoneInfo("Pacific/Apia"), FIVE)
@example(datetime(2026, 3, 29, 1, 15, tzinfo=UTC), LONDON, time(1, 30))
@example(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), LONDON, time(1, 30))
def test_every_moment_is_within_its_day(moment: datetime, zone: ZoneInfo, turns: time) -> None:
    begins, ends = bounds(day_of(moment, zone, turns), zone, turns)
    assert begins <= moment < ends


@given(MOMENTS, ZONES, HOURS)
def test_days_join_without_a_gap(moment: datetime, zone: ZoneInfo, turns: time) -> None:
    day = day_of(moment, zone, turns)
    begins, ends = bounds(day, zone, turns)
    assert bounds(day + timedelta(days=1), zone, turns)[0] == ends
    assert bounds(day - timedelta(days=1), zone, turns)[1] == begins
    assert begins <= ends, "one that a zone leaves out has no length"


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(20, 23), st.integers(0, 4))
def test_a_night_shift_is_one_day(day: date, begins: int, ends: int) -> None:
    first = datetime.combine(day, time(begins), LONDON)
    last = datetime.combine(day + timedelta(days=1), time(ends, 59), LONDON)
    assert day_of(first, LONDON, FIVE) == day_of(last, LONDON, FIVE) == day
