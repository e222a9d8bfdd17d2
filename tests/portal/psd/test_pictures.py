"""Charts say what was counted: nothing left out, nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.store import Count
from proxy_addons.portal.psd.pictures import heat, over_time, ranked

LONDON = ZoneInfo("Europe/London")


def link(since: datetime, until: datetime) -> str:
    return f"{since:%dT%H}-{until:%dT%H}"


def test_days_without_anything_are_there() -> None:
    since, until = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)
    found = over_time("t", [Count("2026-11-22", 5, 2, 0)], since, until, LONDON, link)
    assert [(bar.words, bar.records, bar.refused) for bar in found.bars] == [
        ("Fri 20 Nov", 0, 0),
        ("Sat 21 Nov", 0, 0),
        ("Sun 22 Nov", 5, 2),
        ("Mon 23 Nov", 0, 0),
        ("Tue 24 Nov", 0, 0),
    ]
    assert found.bars[2].link == "22T00-23T00"
    assert found.drawn["allowed"] == [0, 0, 3, 0, 0]
    assert "most: Sun 22 Nov, 5" in found.label


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 24), ("2026-11-23", 24)]
)
def test_hours_of_days_on_which_the_clocks_change(day: str, hours: int) -> None:
    begins = datetime.fromisoformat(day).replace(tzinfo=LONDON)
    ends = (begins + timedelta(days=1)).astimezone(UTC)
    counts = [Count(f"{day}T{hour:02d}", 1, 0, 0) for hour in range(24)]
    if hours == 23:
        del counts[1]  # there is no such hour
    found = over_time("t", counts, begins.astimezone(UTC), ends, LONDON, link)
    assert len(found.bars) == hours
    assert sum(bar.records for bar in found.bars) == len(counts)


@given(
    st.integers(0, 365 * 24 * 60),
    st.integers(1, 24 * 40),
    st.data(),
)
def test_every_count_within_is_drawn_once(minute: int, hours: int, data: st.DataObject) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    until = since + timedelta(hours=hours)
    form = "%Y-%m-%dT%H" if hours <= 72 else "%Y-%m-%d"
    moments = data.draw(st.lists(st.integers(0, hours * 60 - 1), max_size=20))
    keys = {(since + timedelta(minutes=each)).astimezone(LONDON).strftime(form) for each in moments}
    counts = [Count(key, 3, 1, 0) for key in sorted(keys)]
    found = over_time("t", counts, since, until, LONDON, link)
    assert sum(bar.records for bar in found.bars) == 3 * len(keys)


def test_the_rest_is_together() -> None:
    counts = [Count(f"site{number}.test", 20 - number, 1, 0) for number in range(15)]
    found = ranked("sites", "Sites", counts, lambda key: f"/x?host={key}", most=12)
    assert len(found.bars) == 13
    assert found.bars[0].link == "/x?host=site0.test"
    assert (found.bars[-1].words, found.bars[-1].records) == ("3 others", 8 + 7 + 6)
    assert found.bars[-1].link == ""


def test_the_week() -> None:
    found = heat("week", [Count("0", 1, 0, 0), Count("47", 2, 0, 0), Count("167", 3, 0, 0)])
    assert (found.cells[0][0], found.cells[1][23], found.cells[6][23]) == (1, 2, 3)
    assert sum(map(sum, found.cells)) == 6
    assert found.drawn["most"] == 3
    assert [23, 6, 3] in found.drawn["cells"]
