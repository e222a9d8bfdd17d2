"""A team's week as a picture: where bars begin and end, in parts of the picture's width.

In: the figures. Out: numbers that the templates draw as SVG.
Must never: hold a name or anything that somebody typed: it draws numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy_addons.standing.weekly import Person, TeamWeek

_LEAST: Final = 30  # minutes that a scale always has, so that one minute is no long bar
_FEW: Final = 10  # refusals that a scale always has
HEIGHT: Final = 100.0
"""Units from the foot of the trend's columns to the top of the highest."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One person's week. All in percent of the width.

    Attributes:
        social: of the part of social networks.
        other: of the rest.
        allowed: what the allowance gave on the days with use.
    """

    social: float
    other: float
    allowed: float


@dataclass(frozen=True, slots=True)
class Column:
    """One week of a trend.

    Attributes:
        label: of the week: `W47`.
        value: minutes.
        height: of `HEIGHT`.
    """

    label: str
    value: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """The picture.

    Attributes:
        bars: by name.
        median: percent of the width, where the team's median is.
        trend: of the team's median.
        trends: of each person, by name, all on one scale.
        refused: refusals of each person, by name: percent of the width.
        rules: refusals by each rule: percent of the width.
    """

    bars: dict[str, Bar]
    median: float
    trend: tuple[Column, ...]
    trends: dict[str, tuple[Column, ...]]
    refused: dict[str, float]
    rules: dict[str, float]


def drawn(team: TeamWeek) -> Drawn:
    """A team's week as a picture."""
    most = max(
        _LEAST, team.median, *(max(each.personal, each.allowed or 0) for each in team.people)
    ) if team.people else _LEAST  # fmt: skip
    scale = 100.0 / most
    labels = [f"W{each.monday.isocalendar().week:02}" for each in team.weeks]
    highest = max([_LEAST, *(value for each in team.people for value in each.trend)])
    return Drawn(
        {each.name: _bar(each, scale) for each in team.people},
        round(team.median * scale, 2),
        _columns(team.trend, labels, max([_LEAST, *team.trend])),
        {each.name: _columns(each.trend, labels, highest) for each in team.people},
        _lengths({each.name: each.refusals for each in team.people}),
        _lengths({rule: times for rule, (times, _) in team.refusals.items()}),
    )


def _lengths(numbers: Mapping[str, int]) -> dict[str, float]:
    scale = 100.0 / max([_FEW, *numbers.values()])
    return {name: round(number * scale, 2) for name, number in numbers.items()}


def _bar(person: Person, scale: float) -> Bar:
    social = min(person.social, person.personal)
    return Bar(
        round(social * scale, 2),
        round((person.personal - social) * scale, 2),
        round((person.allowed or 0) * scale, 2),
    )


def _columns(values: Sequence[float], labels: Sequence[str], highest: float) -> tuple[Column, ...]:
    return tuple(
        Column(label, value, round(value / highest * HEIGHT, 2))
        for label, value in zip(labels, values, strict=True)
    )
