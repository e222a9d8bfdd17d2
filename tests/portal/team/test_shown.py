"""Weekly figures in words and as a picture, whatever the numbers are."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.portal.team.picture import HEIGHT, drawn
from proxy_addons.portal.team.shown import minutes_words, week_words
from proxy_addons.settings.shifts import Allowances
from proxy_addons.standing.minutes import Total
from proxy_addons.standing.weekly import Figures, team_week
from proxy_addons.standing.weeks import Week

WORDS = {
    0: "0 min", 0.5: "1 min", 59: "59 min", 59.5: "1 h", 60: "1 h", 61: "1 h 1 min",
    74.5: "1 h 15 min", 120: "2 h", 601: "10 h 1 min",
}  # fmt: skip


@pytest.mark.parametrize("minutes", WORDS)
def test_minutes_in_words(minutes: float) -> None:
    assert minutes_words(minutes) == WORDS[minutes]


@pytest.mark.parametrize(
    ("week", "words"),
    [
        ("2026-W47", "16 November to 22 November 2026"),
        ("2026-W53", "28 December 2026 to 3 January 2027"),
    ],
)
def test_weeks_in_words(week: str, words: str) -> None:
    assert week_words(Week.parse(week)) == words


DAYS = st.dictionaries(
    st.dates(date(2026, 9, 28), date(2026, 11, 22)),
    st.integers(0, 1440).flatmap(lambda n: st.builds(Total, st.just(n), st.integers(0, n))),
    max_size=12,
)


@given(
    days=st.dictionaries(st.sampled_from("abcdef"), DAYS, max_size=6),
    names=st.sets(st.sampled_from("abcdef")),
    allowance=st.none() | st.integers(1, 1440),
    refused=st.dictionaries(
        st.sampled_from("abcdef"),
        st.dictionaries(st.sampled_from(("games", "webmail")), st.integers(1, 10**9), min_size=1),
    ),
)
def test_nothing_is_drawn_beside_the_picture(
    days: dict[str, dict[date, Total]],
    names: set[str],
    allowance: int | None,
    refused: dict[str, dict[str, int]],
) -> None:
    week = Week.parse("2026-W47")
    figures = Figures(days, {}, refused)
    allowances = Allowances(personal=allowance, social=None)
    team = team_week(figures, names, week, allowances, today=date(2026, 11, 23))
    picture = drawn(team)
    assert set(picture.bars) == set(picture.trends) == names
    for bar in picture.bars.values():
        assert min(bar.social, bar.other, bar.allowed) >= 0
        assert max(bar.social + bar.other, bar.allowed) <= 100.1
    assert 0 <= picture.median <= 100
    for columns in (picture.trend, *picture.trends.values()):
        assert len(columns) == 8
        assert all(0 <= each.height <= HEIGHT for each in columns)
    assert set(picture.refused) == names
    assert set(picture.rules) == set(team.refusals)
    assert all(0 <= each <= 100 for each in (*picture.refused.values(), *picture.rules.values()))
    assert sum(each.refusals for each in team.people) == sum(n for n, _ in team.refusals.values())
    for each in team.people:
        assert each.personal == each.trend[-1]
        assert 0 <= each.social <= each.personal
        assert each.most <= each.personal
