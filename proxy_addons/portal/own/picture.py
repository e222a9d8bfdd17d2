"""Minutes of personal use as bars: where each begins and ends, in parts of the picture's width.

In: minutes by day, the allowance. Out: numbers that templates/picture.html draws as SVG.
Must never: hold a name or anything that somebody typed: it draws numbers and days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

ROW: Final = 32
"""Pixels from one bar to the next."""
_TOP: Final = 26  # pixels for what the allowance's line says
_LONGEST: Final = 56.0
"""Percent of the width that the longest bar has: beside it are the day's name and its number, which
need the same room on every screen (portal.css moves the bars by that of the name)."""
_LEAST: Final = 15  # minutes that the scale always has, so that one minute is no long bar

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class DayUse:
    """Minutes of personal use in one duty day.

    Attributes:
        day: the duty day.
        personal: all of them.
        social: those of social networks among them.
    """

    day: date
    personal: int
    social: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day.

    Attributes:
        use: its minutes.
        label: `Mon 23`.
        top: pixels from the picture's top to the bar's.
        social: percent of the width: of the part of social networks.
        other: percent of the width: of the rest.
        end: percent of the width: both.
    """

    use: DayUse
    label: str
    top: int
    social: float
    other: float
    end: float


@dataclass(frozen=True, slots=True)
class Picture:
    """The bars, oldest day first.

    Attributes:
        bars: one a day.
        height: pixels.
        allowance: minutes; None: not limited.
        line: percent of the width: the allowance.
    """

    bars: tuple[Bar, ...]
    height: int
    allowance: int | None
    line: float


def picture(days: Sequence[DayUse], allowance: int | None) -> Picture:
    """Bars for some days.

    Args:
        days: oldest first.
        allowance: minutes of personal use in a duty day; None: not limited.
    """
    most = max(_LEAST, allowance or 0, *(each.personal for each in days)) if days else _LEAST
    scale = _LONGEST / most
    bars = []
    for number, use in enumerate(days):
        social = min(use.social, use.personal)
        bars.append(
            Bar(
                use,
                f"{_WEEKDAYS[use.day.weekday()]} {use.day.day}",
                _TOP + number * ROW,
                round(social * scale, 2),
                round((use.personal - social) * scale, 2),
                round(use.personal * scale, 2),
            )
        )
    line = round((allowance or 0) * scale, 2)
    return Picture(tuple(bars), _TOP + len(days) * ROW, allowance, line)
