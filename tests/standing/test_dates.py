from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.standing import rules
from proxy_addons.standing.dates import begin_of, end_of, last_day, months_later
from proxy_addons.standing.problems import StepRefusedError

LONDON = ZoneInfo("Europe/London")
INSTANT = timedelta(microseconds=1)

days = st.dates(date(2020, 1, 1), date(2060, 1, 1))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is beside it


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-11-23", 12, "2027-11-23"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2027-02-28", 12, "2028-02-28"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-11-23", 0, "2026-11-23"),
        # Summer time ends, or begins, on another day in the later year.
        ("2027-10-30", 12, "2028-10-30"),
        ("2026-03-28", 12, "2027-03-28"),
    ],
)
def test_months_by_the_calendar(day: str, months: int, expected: str) -> None:
    begins = begin_of(date.fromisoformat(day), LONDON)
    assert months_later(begins, months, LONDON) == begin_of(date.fromisoformat(expected), LONDON)


@given(moments, st.integers(0, 24))
def test_the_same_day_and_hour_or_the_months_last(moment: datetime, months: int) -> None:
    before = moment.astimezone(LONDON)
    after = months_later(moment, months, LONDON).astimezone(LONDON)
    assert (after.year * 12 + after.month) - (before.year * 12 + before.month) == months
    assert after.day <= before.day
    if after.day < before.day:
        assert (after + timedelta(days=1)).month != after.month
    # The clock reads the same, unless it was put on just then.
    assert abs(after.replace(tzinfo=None) - after.replace(tzinfo=None, hour=before.hour)) <= (
        timedelta(hours=1)
    )


@given(days)
def test_days_begin_and_end(day: date) -> None:
    begins, ends = begin_of(day, LONDON), end_of(day, LONDON)
    assert timedelta(hours=23) <= ends - begins <= timedelta(hours=25)
    assert ends == begin_of(day + timedelta(days=1), LONDON)
    assert last_day(ends, LONDON) == day
    assert last_day(begins + INSTANT, LONDON) == day
    assert last_day(begins, LONDON) == day - timedelta(days=1)


@given(moments, st.integers(0, 300), st.timedeltas(timedelta(0), timedelta(days=500)))
def test_a_period_is_at_most_12_months(now: datetime, ahead: int, length: timedelta) -> None:
    begins = now + timedelta(days=ahead)
    ends = begins + length
    allowed = timedelta(0) < length and ends <= months_later(begins, 12, LONDON)
    if allowed:
        rules.period(begins, ends, now, LONDON)
    else:
        with pytest.raises(StepRefusedError, match=r"Inf/27 2\.13\.1"):
            rules.period(begins, ends, now, LONDON)


@given(days, st.booleans())
def test_12_whole_months_fit_exactly(day: date, one_more: bool) -> None:
    """From midnight to that of the same day a year later, whatever summer time does."""
    begins = begin_of(day, LONDON)
    ends = months_later(begins, 12, LONDON) + INSTANT * one_more
    if one_more:
        with pytest.raises(StepRefusedError):
            rules.period(begins, ends, begins, LONDON)
    else:
        rules.period(begins, ends, begins, LONDON)
        same_day = last_day(ends, LONDON)
        assert timedelta(days=363) <= same_day - day <= timedelta(days=366)


@given(moments, st.timedeltas(INSTANT, timedelta(days=366)))
def test_the_review_is_within_the_period(begins: datetime, length: timedelta) -> None:
    ends = begins + length
    due = rules.review_date(None, begins, ends, LONDON)
    assert begins <= due < ends
    assert due <= months_later(begins, 6, LONDON)
    assert rules.review_date(begins, begins, ends, LONDON) == begins
    assert rules.review_date(ends - INSTANT, begins, ends, LONDON) == ends - INSTANT
    for wrong in (begins - INSTANT, ends):
        with pytest.raises(StepRefusedError):
            rules.review_date(wrong, begins, ends, LONDON)
