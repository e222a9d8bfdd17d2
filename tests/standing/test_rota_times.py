"""Dates and times: each way to write them, and the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy_addons.standing.rota_problems import CellError
from proxy_addons.standing.rota_times import LONGEST, Columns, Span, Texts, Times, day_of

LONDON = ZoneInfo("Europe/London")
COLUMNS = Columns()


def span(*texts: str) -> tuple[str, str]:
    found = Times(LONDON).span(Texts(*texts), COLUMNS)
    assert found.begins.tzinfo is UTC
    return f"{found.begins:%m-%d %H:%M}", f"{found.ends:%m-%d %H:%M}"


@pytest.mark.parametrize(
    "text",
    [
        *("2026-12-01", "2026/12/01", "20261201", "01/12/2026", "1/12/2026", "01-12-2026"),
        *("01.12.2026", "1 Dec 2026", "01-Dec-2026", "1 December 2026", "Tue 01/12/2026"),
        *(" 2026-12-01 ", "Tuesday, 1 DEC 2026"),
    ],
)
def test_dates(text: str):
    assert day_of(text, "") == date(2026, 12, 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("01/12/26", "is no date"),  # which century, and which is the year
        ("2026-13-01", "is no day of the calendar"),
        ("12/25/2026", "is no day of the calendar"),  # American
        ("29/02/2027", "is no day of the calendar"),
        ("2026-12/01", "is no date"),
        ("1 Foo 2026", "is no date"),
        ("1026-12-01", "is not between 2000 and 2100"),
        ("tomorrow", "is no date"),
        ("", "is no date"),
        ("٢٠٢٦-12-01", "is no date"),
        ("2026-12-01\x1b[2J", r"'2026-12-01\\x1b\[2J' is no date"),
    ],
)
def test_no_dates(text: str, what: str):
    with pytest.raises(CellError, match=what) as caught:
        day_of(text, "column 'day'")
    assert caught.value.column == "column 'day'"
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        # One date and two times.
        (("2026-12-01", "07:00", "", "17:00"), ("12-01 07:00", "12-01 17:00")),
        (("2026-12-01", "0700", "", "1700"), ("12-01 07:00", "12-01 17:00")),
        (("2026-12-01", "700", "", "7.30"), ("12-01 07:00", "12-01 07:30")),
        (("2026-12-01", "7:00 am", "", "5:00 PM"), ("12-01 07:00", "12-01 17:00")),
        (("2026-12-01", "12am", "", "12 pm"), ("12-01 00:00", "12-01 12:00")),
        (("2026-12-01", "07:00:00", "", "17:00:30"), ("12-01 07:00", "12-01 17:00")),
        (("2026-12-01", "22:00", "", "07:00"), ("12-01 22:00", "12-02 07:00")),
        (("2026-12-01", "14:00", "", "00:00"), ("12-01 14:00", "12-02 00:00")),
        (("2026-12-01", "14:00", "", "24:00"), ("12-01 14:00", "12-02 00:00")),
        (("2026-12-01", "24:00", "", "06:00"), ("12-02 00:00", "12-02 06:00")),
        (("2026-12-31", "22:00", "", "06:00"), ("12-31 22:00", "01-01 06:00")),
        (("2028-02-28", "22:00", "", "06:00"), ("02-28 22:00", "02-29 06:00")),
        (("2028-02-29", "22:00", "", "06:00"), ("02-29 22:00", "03-01 06:00")),
        (("2027-02-28", "22:00", "", "06:00"), ("02-28 22:00", "03-01 06:00")),
        # Two dates and two times.
        (("2026-12-01", "22:00", "2026-12-02", "07:00"), ("12-01 22:00", "12-02 07:00")),
        # Both together.
        (("", "2026-12-01 07:00", "", "2026-12-01T17:00"), ("12-01 07:00", "12-01 17:00")),
        (("", "01/12/2026 07:00", "", "1 Dec 2026, 17:00"), ("12-01 07:00", "12-01 17:00")),
        (("", "2026-12-01 22:00", "", "07:00"), ("12-01 22:00", "12-02 07:00")),
        (("2026-12-01", "2026-12-01 07:00", "", "17:00"), ("12-01 07:00", "12-01 17:00")),
        # Summer time, and offsets.
        (("2026-07-01", "07:00", "", "17:00"), ("07-01 06:00", "07-01 16:00")),
        (("", "2026-07-01T07:00Z", "", "2026-07-01T17:00+01:00"), ("07-01 07:00", "07-01 16:00")),
        (("2026-07-01", "07:00 BST", "", "17:00 BST"), ("07-01 06:00", "07-01 16:00")),
        (("2026-07-01", "22:00Z", "", "06:00Z"), ("07-01 22:00", "07-02 06:00")),
        (("", "2026-07-01T07:00:00-0130", "", "2026-07-01T12:00Z"), ("07-01 08:30", "07-01 12:00")),
    ],
)
def test_spans(texts: tuple[str, ...], expected: tuple[str, str]):
    assert span(*texts) == expected


@pytest.mark.parametrize(
    ("texts", "column", "what"),
    [
        (("", "07:00", "", "17:00"), "date", "there is no date"),
        (("2026-12-01", "", "", "17:00"), "begins", "there is no time"),
        (("2026-12-01", "07:00", "", ""), "ends", "there is no time"),
        (("2026-12-01", "2026-12-01", "", "17:00"), "begins", "there is no time"),
        (("2026-12-01", "25:00", "", "17:00"), "begins", "'25:00' is no time"),
        (("2026-12-01", "07:60", "", "17:00"), "begins", "'07:60' is no time"),
        (("2026-12-01", "13:00 pm", "", "17:00"), "begins", "is no time"),
        (("2026-12-01", "7", "", "17:00"), "begins", "is no time"),
        (("2026-12-01", "07:00+99:00", "", "17:00"), "begins", "is no time"),
        (("2026-12-01", "early", "", "17:00"), "begins", "'early' is no time, nor a date"),
        (("2026-12-01", "07:00", "", "07:00"), "", "ends at the time at which it begins"),
        (("2026-12-01", "2026-12-02 07:00", "", "17:00"), "begins", "not that of the row"),
        (("2026-12-02", "07:00", "2026-12-01", "17:00"), "end date", "not after the beginning"),
        (("", "2026-12-01 07:00", "", "2026-12-01 07:00"), "ends", "not after the beginning"),
        (("", "2026-12-01 07:00", "", "2027-12-01 17:00"), "ends", "lasts 8,770 hours"),
    ],
)
def test_no_spans(texts: tuple[str, ...], column: str, what: str):
    with pytest.raises(CellError) as caught:
        Times(LONDON).span(Texts(*texts), COLUMNS)
    assert caught.value.column == column
    assert what in caught.value.what
    assert caught.value.fix


def noted(*texts: str) -> tuple[str, str, tuple[str, ...]]:
    found = Times(LONDON).span(Texts(*texts), COLUMNS)
    return f"{found.begins:%d %H:%M}", f"{found.ends:%d %H:%M}", found.notes


def test_a_time_that_the_clocks_leave_out():
    # 28 March 2027, 01:00 GMT is 02:00 BST.
    assert noted("2027-03-27", "17:30", "", "01:30") == (
        "27 17:30",
        "28 01:30",
        ("01:30 on 28 March 2027 does not exist (the clocks go forward): read as 02:30",),
    )
    assert noted("2027-03-27", "22:00", "", "07:00") == ("27 22:00", "28 06:00", ())
    with pytest.raises(
        CellError, match=r"not after the beginning .01:30 on 28 March 2027 does not"
    ):
        noted("2027-03-28", "01:30", "", "02:10")


def test_a_time_that_is_twice():
    # 31 October 2027, 02:00 BST is 01:00 GMT.
    first = "01:30 on 31 October 2027 is twice (the clocks go back): read as the first"
    assert noted("2027-10-30", "17:30", "", "01:30") == ("30 16:30", "31 00:30", (first,))
    assert noted("2027-10-31", "01:30", "", "07:00") == ("31 00:30", "31 07:00", (first,))
    # The first of the end would be before the beginning; an explicit date says that it is meant.
    begins, ends, notes = noted("2027-10-31", "01:45", "2027-10-31", "01:15")
    assert (begins, ends) == ("31 00:45", "31 01:15")
    assert notes[1] == "01:15 on 31 October 2027 is twice (the clocks go back): read as the second"
    assert noted("2027-10-31", "01:30Z", "", "07:00Z") == ("31 01:30", "31 07:00", ())
    assert noted("2027-10-30", "22:00", "", "07:00") == ("30 21:00", "31 07:00", ())


@pytest.mark.parametrize(
    ("texts", "first", "last"),
    [
        (("2026-12-01", "", "", ""), 1, 1),
        (("2026-12-01", "00:00", "", "00:00"), 1, 1),
        (("2026-12-01", "", "2026-12-05", ""), 1, 5),
        (("", "2026-12-01", "", "2026-12-05"), 1, 5),
        (("", "2026-12-01 00:00", "", "2026-12-05 00:00"), 1, 4),
        (("", "2026-12-01 09:00", "", "2026-12-05 17:00"), 1, 5),
        (("", "2026-12-01 22:00", "", "2026-12-02 07:00"), 1, 1),  # a night off
        (("2026-12-01", "22:00", "2026-12-02", "07:00"), 1, 1),
        (("", "2026-12-01 09:00", "", "2026-12-02 17:00"), 1, 2),
    ],
)
def test_days_off(texts: tuple[str, ...], first: int, last: int):
    found = Times(LONDON).days(Texts(*texts), COLUMNS)
    assert found == (date(2026, 12, first), date(2026, 12, last))


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (("", "", "", ""), "there is no date"),
        (("", "09:00", "", "17:00"), "there is no date"),
        (("2026-12-05", "", "2026-12-01", ""), "2026-12-01 is before 2026-12-05"),
        (("2026-12-05", "", "2028-12-01", ""), "is too long"),
    ],
)
def test_no_days_off(texts: tuple[str, ...], what: str):
    with pytest.raises(CellError, match=what):
        Times(LONDON).days(Texts(*texts), COLUMNS)


NIGHTS = [date(2027, 3, 27), date(2027, 3, 28), date(2027, 10, 30), date(2027, 10, 31)]
DATES = st.dates(date(2026, 1, 1), date(2029, 1, 1)) | st.sampled_from(
    [*NIGHTS, date(2028, 2, 28), date(2028, 2, 29), date(2026, 12, 31)]
)
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))


def read(texts: Texts) -> Span | CellError:
    try:
        return Times(LONDON).span(texts, COLUMNS)
    except CellError as problem:
        return problem


@example(date(2027, 10, 31), time(1, 30), time(1, 15))
@given(DATES, CLOCKS, CLOCKS)
def test_a_span_is_what_the_clock_on_the_wall_shows(day: date, begins: time, ends: time):
    """Read and shown again it is the same, but for times that do not exist; and it ends later."""
    found = read(Texts(day.isoformat(), f"{begins:%H:%M}", "", f"{ends:%H:%M}"))
    if isinstance(found, CellError):
        gone = "does not exist" in found.what
        assert gone or (begins == ends and "at which it begins" in found.what)
        return
    assert found.day == day
    assert timedelta() < found.ends - found.begins <= timedelta(hours=25)
    end_day = day if ends > begins else day + timedelta(days=1)
    missing = any("does not exist" in note for note in found.notes)
    for at, wall in ((found.begins, (day, begins)), (found.ends, (end_day, ends))):
        local = at.astimezone(LONDON)
        assert missing or (local.date(), local.time()) == wall
    # As each hour of a time zone's rule says, by another way: seconds since the beginning.
    assert (
        missing
        or found.notes
        or abs(
            (found.ends - found.begins)
            - (datetime.combine(end_day, ends) - datetime.combine(day, begins))
        )
        in {timedelta(), timedelta(hours=1)}
    )


@given(DATES, CLOCKS, DATES, CLOCKS)
def test_two_dates(first: date, begins: time, last: date, ends: time):
    found = read(Texts("", f"{first} {begins:%H:%M}", "", f"{last} {ends:%H:%M}"))
    if isinstance(found, CellError):
        wall = datetime.combine(last, ends) - datetime.combine(first, begins)
        assert wall <= timedelta(hours=1) or wall > LONGEST - timedelta(hours=1)
        assert ("not after" in found.what) == (wall <= timedelta(hours=1))
        return
    assert timedelta() < found.ends - found.begins <= LONGEST
