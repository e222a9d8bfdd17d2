"""The picture of minutes used: bars that stay in it, whatever the numbers."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.portal.answers import _TEMPLATES
from proxy_addons.portal.own.picture import ROW, DayUse, picture

MONDAY = date(2026, 11, 23)
MINUTES = st.integers(0, 1440)


def week(*numbers: tuple[int, int]) -> list[DayUse]:
    return [DayUse(MONDAY + timedelta(days=day), *each) for day, each in enumerate(numbers)]


@given(
    st.lists(st.tuples(MINUTES, MINUTES).map(lambda two: (max(two), min(two))), max_size=9),
    st.none() | st.integers(1, 1440),
)
def test_bars_stay_in_the_picture_and_are_to_scale(
    numbers: list[tuple[int, int]], allowance: int | None
):
    made = picture(week(*numbers), allowance)
    assert len(made.bars) == len(numbers)
    assert all(min(bar.social, bar.other) >= 0 and bar.end <= 60 for bar in made.bars)
    assert all(bar.social + bar.other == pytest.approx(bar.end, abs=0.02) for bar in made.bars)
    for bar in made.bars:
        if allowance is not None:
            # Beyond the line if and only if beyond the allowance.
            assert (bar.end > made.line) is (bar.use.personal > allowance) or bar.end == made.line
        assert bar.top + ROW <= made.height


def test_a_day_without_use_has_no_bar_and_full_use_ends_at_the_line():
    made = picture(week((0, 0), (60, 20), (61, 0)), 60)
    assert [bar.end for bar in made.bars[:1]] == [0]
    assert made.bars[1].end == made.line
    assert made.bars[2].end > made.line
    assert [bar.label for bar in made.bars] == ["Mon 23", "Tue 24", "Wed 25"]


def test_one_minute_is_no_long_bar_where_nothing_is_limited():
    made = picture(week((1, 0)), None)
    assert made.bars[0].end < 5


def test_the_drawing_has_no_style_of_its_own_and_no_script():
    """The portal's policy for content permits neither."""
    macro = _TEMPLATES.get_template("picture.html").module.bars  # type: ignore[attr-defined]
    text = str(macro(picture(week((30, 10), (61, 0)), 60)))
    assert "<svg" in text
    assert not re.search(r"style=|<style|<script|\son\w+=|href", text)
    assert ">30 min<" in text
    assert ">60 a day<" in text
    assert ">Today<" in text
    assert "a day<" not in str(macro(picture(week((30, 10)), None)))
