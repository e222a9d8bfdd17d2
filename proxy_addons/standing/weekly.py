"""The weekly figures of personal use: minutes, breaks and refusals, for the people of one team.

In: the store, names, a week, the allowances. Out: figures by person, the team's median, trends.
Must never: hold an address or a site: times and rules only; be read without the look being recorded
first (`views.py`); count what it cannot know as nothing.

Inf/27 2.10.1: line managers judge whether personal use is excessive. These figures are what for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from proxy_addons.standing.minutes import Total, totals
from proxy_addons.standing.refusals import by_person
from proxy_addons.standing.tables_shifts import breaks, minute_totals, minutes, refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from proxy_addons.settings.shifts import Allowances
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.weeks import Week

WEEKS: Final = 8
"""Weeks of a trend, the reported one included."""
_AT_ONCE = 500  # names in one question; SQLite and libpq take more, and no team is as large


@dataclass(frozen=True, slots=True)
class Figures:
    """What the store has of some people.

    Attributes:
        days: person → duty day → minutes; days without any are left out.
        breaks: person → number of booked breaks in the week, and minutes that they took.
        refusals: person → rule → how often it refused, in the week.
    """

    days: Mapping[str, Mapping[date, Total]]
    breaks: Mapping[str, tuple[int, int]]
    refusals: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Person:
    """One person's week.

    Attributes:
        name: canonical login name.
        personal: minutes in the week.
        social: those of social networks.
        days: duty days with personal use.
        allowed: minutes that the allowance gave on those days; None where it is not limited.
        most: minutes of the day with most of them.
        full: duty days on which the allowance was used up; None where it is not limited.
        breaks: booked breaks in the week.
        break_minutes: that they took.
        trend: minutes of each week, the oldest first, the reported one last.
        refused: rule → how often it refused them in the week.
    """

    name: str
    personal: int
    social: int
    days: int
    allowed: int | None
    most: int
    full: int | None
    breaks: int
    break_minutes: int
    trend: tuple[int, ...]
    refused: Mapping[str, int]

    @property
    def refusals(self) -> int:
        """How often they were refused something."""
        return sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class TeamWeek:
    """One team's week.

    Attributes:
        week: which.
        complete: whether it was over when this was made.
        people: by name; each of the team, who used nothing too.
        median: of their minutes in the week; 0 for nobody.
        trend: the median of each week, the oldest first.
        weeks: the weeks of the trend.
        allowance: minutes a duty day; None: not limited.
        social_allowance: of those, for social networks.
        refusals: rule → (times, people whom it refused).
    """

    week: Week
    complete: bool
    people: tuple[Person, ...]
    median: float
    trend: tuple[float, ...]
    weeks: tuple[Week, ...]
    allowance: int | None
    social_allowance: int | None
    refusals: Mapping[str, tuple[int, int]]


def read(store: Store, names: Iterable[str], week: Week, *, weeks: int = WEEKS) -> Figures:
    """The figures of some people. Blocks.

    Args:
        store: the standing store.
        names: canonical.
        week: that is reported.
        weeks: how many of them the trend needs.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    wanted = sorted(set(names))
    first = week.later(1 - weeks).monday
    days: dict[str, dict[date, Total]] = defaultdict(dict)
    booked: dict[str, tuple[int, int]] = {}
    for some in _portions(wanted):
        for (person, day), total in totals(store, some, first, week.sunday).items():
            days[person][day] = total
    with store.reading() as connection:
        for some in _portions(wanted):
            booked |= _breaks(connection, some, week)
    return Figures(dict(days), booked, by_person(store, wanted, week.monday, week.sunday))


def people_with_use(store: Store, week: Week, *, weeks: int = WEEKS) -> frozenset[str]:
    """Whoever used any minute, booked a break or was refused, in the weeks of the trend. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    first, last = week.later(1 - weeks).monday, week.sunday
    with store.reading() as connection:
        return frozenset(
            name
            for table in (minute_totals, minutes, breaks, refusals)
            for name in connection.scalars(
                select(table.c.person).where(table.c.day.between(first, last)).distinct()
            )
        )


def team_week(
    figures: Figures,
    names: Iterable[str],
    week: Week,
    allowances: Allowances,
    *,
    today: date,
    weeks: int = WEEKS,
) -> TeamWeek:
    """The figures as a report.

    Args:
        figures: of these people.
        names: the team: who used nothing is in it, and in the median.
        week: that is reported.
        allowances: minutes a duty day.
        today: the present duty day.
        weeks: of the trend.
    """
    all_weeks = tuple(week.later(each) for each in range(1 - weeks, 1))
    people = tuple(
        _person(figures, name, all_weeks, allowances.personal) for name in sorted(set(names))
    )
    return TeamWeek(
        week=week,
        complete=today > week.sunday,
        people=people,
        median=_median([each.personal for each in people]),
        trend=tuple(_median([each.trend[at] for each in people]) for at in range(weeks)),
        weeks=all_weeks,
        allowance=allowances.personal,
        social_allowance=allowances.social,
        refusals=_by_rule(people),
    )


def _person(figures: Figures, name: str, weeks: Sequence[Week], allowance: int | None) -> Person:
    days = figures.days.get(name, {})
    here = [day for date_, day in days.items() if weeks[-1].has(date_) and day.personal]
    number, taken = figures.breaks.get(name, (0, 0))
    return Person(
        name=name,
        personal=sum(day.personal for day in here),
        social=sum(day.social for day in here),
        days=len(here),
        allowed=None if allowance is None else allowance * len(here),
        most=max((day.personal for day in here), default=0),
        full=None if allowance is None else sum(day.personal >= allowance for day in here),
        breaks=number,
        break_minutes=taken,
        trend=tuple(
            sum(day.personal for date_, day in days.items() if each.has(date_)) for each in weeks
        ),
        refused=figures.refusals.get(name, {}),
    )


def _by_rule(people: Iterable[Person]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for each in people:
        for rule, times in each.refused.items():
            before = found.get(rule, (0, 0))
            found[rule] = before[0] + times, before[1] + 1
    return found


def _median(numbers: Sequence[int]) -> float:
    return float(median(numbers)) if numbers else 0.0


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(names), _AT_ONCE):
        yield names[at : at + _AT_ONCE]


def _breaks(connection: Connection, names: Sequence[str], week: Week) -> dict[str, tuple[int, int]]:
    rows = connection.execute(
        select(breaks.c.person, func.count(), func.sum(breaks.c.minutes))
        .where(breaks.c.person.in_(names), breaks.c.day.between(week.monday, week.sunday))
        .group_by(breaks.c.person)
    )
    return {person: (number, int(taken)) for person, number, taken in rows}
