"""Weekly figures on both engines, weeks, and the record of who looked at whose."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from proxy_addons.settings.shifts import Allowances
from proxy_addons.standing import minutes, views, weekly
from proxy_addons.standing.tables_shifts import breaks, refusals
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.standing import Store

WEEK = Week.parse("2026-W47")  # 16 to 22 November
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALLOWANCES = Allowances(personal=60, social=20)


def use(store: Store, person: str, day: date, personal: int, social: int = 0) -> None:
    """Minutes of a day, as workers write them."""
    first = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    minutes.write(
        store,
        [
            minutes.Row(person, first + timedelta(minutes=each), day, each < social)
            for each in range(personal)
        ],
    )


def book(store: Store, person: str, day: date, length: int, at: int = 12) -> None:
    begins = datetime(day.year, day.month, day.day, at, tzinfo=UTC)
    with store.shifting() as (connection, change):
        connection.execute(
            insert(breaks).values(
                person=person, day=day, begins=begins, ends=begins + timedelta(minutes=length),
                minutes=length, ended_early=False, by=person, how="test", change=change,
            )
        )  # fmt: skip


def refuse(store: Store, person: str, day: date, rule: str, count: int) -> None:
    with store.noting() as connection:
        connection.execute(insert(refusals).values(person=person, day=day, rule=rule, count=count))


def report(store: Store, *names: str, allowances: Allowances = ALLOWANCES) -> weekly.TeamWeek:
    figures = weekly.read(store, names, WEEK)
    return weekly.team_week(figures, names, WEEK, allowances, today=date(2026, 11, 23))


def test_one_week_of_a_team(store: Store) -> None:
    use(store, "jane", WEEK.monday, 60, social=10)
    use(store, "jane", WEEK.sunday, 15)
    use(store, "jane", WEEK.later(1).monday, 50)  # the next week: not in this one
    use(store, "tom", WEEK.monday, 10)
    use(store, "zoe", WEEK.monday, 55)  # of another team
    book(store, "jane", WEEK.monday, 30)
    book(store, "jane", WEEK.monday, 15, at=16)
    book(store, "jane", WEEK.later(-1).sunday, 60)
    made = report(store, "jane", "tom", "ann")
    ann, jane, tom = made.people
    assert (jane.personal, jane.social, jane.days, jane.most) == (75, 10, 2, 60)
    assert (jane.allowed, jane.full) == (120, 1)
    assert (jane.breaks, jane.break_minutes) == (2, 45)
    assert (tom.personal, tom.allowed, tom.full, tom.breaks) == (10, 60, 0, 0)
    assert ann == weekly.Person("ann", 0, 0, 0, 0, 0, 0, 0, 0, (0,) * 8, {})
    assert made.median == 10.0, "who used nothing is in it"
    assert made.complete
    assert made.refusals == {}


def test_totals_and_minutes_of_one_day_are_added(store: Store) -> None:
    use(store, "jane", WEEK.monday, 20, social=5)
    before = report(store, "jane").people
    minutes.fold(store, WEEK.later(1).monday)
    assert report(store, "jane").people == before
    late = datetime(2026, 11, 16, 20, tzinfo=UTC)  # by a worker that could not write before
    minutes.write(store, [minutes.Row("jane", late, WEEK.monday, social=True)])
    (jane,) = report(store, "jane").people
    assert (jane.personal, jane.social) == (21, 6)


def test_the_trend_is_of_eight_weeks(store: Store) -> None:
    for back in range(9):
        use(store, "jane", WEEK.later(-back).monday, 10 + back)
    use(store, "tom", WEEK.later(-7).sunday, 3)
    made = report(store, "jane", "tom")
    jane, tom = made.people
    assert jane.trend == (17, 16, 15, 14, 13, 12, 11, 10)
    assert tom.trend == (3, 0, 0, 0, 0, 0, 0, 0)
    assert made.trend == (10.0, 8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0)
    assert [made.weeks[0].name, made.weeks[-1].name] == ["2026-W40", "2026-W47"]


def test_refusals_by_rule_are_the_teams_and_each_persons(store: Store) -> None:
    refuse(store, "jane", WEEK.monday, "gambling", 3)
    refuse(store, "jane", WEEK.sunday, "gambling", 2)
    refuse(store, "tom", WEEK.monday, "gambling", 1)
    refuse(store, "tom", WEEK.monday, "games", 4)
    refuse(store, "tom", WEEK.later(-1).monday, "games", 9)
    refuse(store, "zoe", WEEK.monday, "webmail", 7)
    made = report(store, "jane", "tom")
    assert made.refusals == {"gambling": (6, 2), "games": (4, 1)}
    jane, tom = made.people
    assert (jane.refused, jane.refusals) == ({"gambling": 5}, 5)
    assert (tom.refused, tom.refusals) == ({"gambling": 1, "games": 4}, 5)
    assert report(store, "ann").refusals == {}


def test_without_an_allowance(store: Store) -> None:
    use(store, "jane", WEEK.monday, 90)
    (jane,) = report(store, "jane", allowances=Allowances(personal=None, social=None)).people
    assert (jane.personal, jane.allowed, jane.full) == (90, None, None)


def test_more_people_than_one_question_takes(store: Store) -> None:
    names = [f"p{number}" for number in range(1201)]
    use(store, "p0", WEEK.monday, 2)
    use(store, "p1200", WEEK.monday, 4)
    refuse(store, "p0", WEEK.monday, "games", 1)
    refuse(store, "p1200", WEEK.monday, "games", 1)
    made = report(store, *names)
    assert len(made.people) == 1201
    assert sum(each.personal for each in made.people) == 6
    assert made.refusals == {"games": (2, 2)}
    assert report(store).people == ()


def test_who_has_used_anything(store: Store) -> None:
    use(store, "jane", WEEK.later(-7).monday, 1)
    minutes.fold(store, WEEK.monday)
    use(store, "tom", WEEK.sunday, 1)
    book(store, "ann", WEEK.monday, 15)
    use(store, "zoe", WEEK.later(-8).sunday, 1)
    refuse(store, "max", WEEK.monday, "games", 1)
    assert weekly.people_with_use(store, WEEK) == {"jane", "tom", "ann", "max"}


def test_each_look_is_recorded_and_stays(store: Store) -> None:
    what = "weekly 2026-W47"
    for how in ("page", "csv"):
        views.record(store, viewer="mona", subjects=["tom", "jane"], what=what, how=how, now=NOW)
    views.record(store, viewer="mona", subjects=[], what=what, how="page", now=NOW)
    found = views.of(store, subject="jane")
    assert [(each.viewer, each.what, each.how, each.at) for each in found] == [
        ("mona", what, "csv", NOW), ("mona", what, "page", NOW)
    ]  # fmt: skip
    assert len(views.of(store, viewer="mona")) == 4
    assert views.of(store, subject="ann") == ()
    for statement in ("DELETE FROM views", "UPDATE views SET viewer = 'x'"):
        with pytest.raises(DBAPIError), store.noting() as connection:
            connection.execute(text(statement))


# --- weeks ----------------------------------------------------------------------------------------

WEEKS: Mapping[str, date] = {
    "2026-W47": date(2026, 11, 16),
    "2026-w01": date(2025, 12, 29),
    " 2026-W53 ": date(2026, 12, 28),
    "2024-W09": date(2024, 2, 26),
}


@pytest.mark.parametrize("text_", WEEKS)
def test_weeks_as_people_write_them(text_: str) -> None:
    found = Week.parse(text_)
    assert found.monday == WEEKS[text_]
    assert found.name == text_.strip().upper()


@pytest.mark.parametrize(
    "text_", ["", "47", "2026-47", "2026-W00", "2025-W53", "2026-W54", "1999-W01", "٢٠٢٦-W01"]
)
def test_what_is_no_week(text_: str) -> None:
    with pytest.raises(ValueError, match="2026-W47"):
        Week.parse(text_)


@given(st.dates(date(2000, 1, 10), date(2900, 1, 1)))
def test_each_day_is_in_one_week(day: date) -> None:
    week = Week.of(day)
    assert week.has(day)
    assert not week.later(1).has(day)
    assert not week.later(-1).has(day)
    assert Week.parse(week.name) == week
    assert week.monday.weekday() == 0
