"""Time spaces: named sets of wall-clock readings, such as `breaks` or `working-hours`.

In: a reading of the wall clock (what kind of day, which minute) in the policy's time zone.
Out: whether a time space holds it.
Must never: read a clock, or do arithmetic across a change of the clocks: a range is a set of
readings. A reading that does not occur (clocks forward) is never held; one that occurs twice
(clocks back) is held both times.

A range includes its start and excludes its end. One that ends at or before its start runs over
midnight, is one range, and belongs to the day it starts on. A bank holiday is a kind of day of its
own: it is not the Monday (or other weekday) that it falls on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

MINUTES_A_DAY = 1440
BANK_HOLIDAY = 7
"""Kind of day beside 0 (Monday) to 6 (Sunday)."""
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "bank-holidays")
EVERY_DAY = frozenset(range(len(DAY_NAMES)))

_ONE_DAY = timedelta(days=1)


class Reading(NamedTuple):
    """What the wall clock and the calendar say.

    Attributes:
        today: kind of day, 0 (Monday) to 6 (Sunday) or `BANK_HOLIDAY`.
        yesterday: kind of the day before, for ranges over midnight.
        minute: minute of the day, 0 to 1439.
    """

    today: int
    yesterday: int
    minute: int


def kind_of_day(day: date, bank_holidays: Collection[date]) -> int:
    """The kind of a date: its weekday, 0 for Monday, or `BANK_HOLIDAY`."""
    return BANK_HOLIDAY if day in bank_holidays else day.weekday()


def reading(local: datetime, bank_holidays: Collection[date]) -> Reading:
    """The reading at a moment that is already expressed in the policy's time zone."""
    day = local.date()
    return Reading(
        kind_of_day(day, bank_holidays),
        kind_of_day(day - _ONE_DAY, bank_holidays),
        local.hour * 60 + local.minute,
    )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """One range of a time space.

    Attributes:
        days: kinds of day on which it starts.
        start: minute of that day, 0 to 1439, included.
        end: minute counted from the same midnight, excluded; more than `start`, at most `start`
            plus a day. Beyond 1440 it runs into the next day, whatever kind of day that is.
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= self.start + MINUTES_A_DAY:
            msg = f"not a range of minutes within a day: {self.start} to {self.end}"
            raise ValueError(msg)

    def holds(self, now: Reading) -> bool:
        """Whether the reading lies in this range."""
        if now.today in self.days and self.start <= now.minute < self.end:
            return True
        return now.yesterday in self.days and now.minute < self.end - MINUTES_A_DAY


@dataclass(frozen=True, slots=True)
class TimeSpace:
    """A named set of wall-clock readings: the union of its ranges."""

    name: str
    ranges: tuple[TimeRange, ...]

    def holds(self, now: Reading) -> bool:
        """Whether the reading lies in any range."""
        return any(time_range.holds(now) for time_range in self.ranges)

    @property
    def boundaries(self) -> frozenset[int]:
        """Minutes of the day at which the answer of `holds` can change; midnight among them."""
        ends = (time_range.end % MINUTES_A_DAY for time_range in self.ranges)
        return frozenset({0, *(time_range.start for time_range in self.ranges), *ends})


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """The `time` of a rule: within any of some time spaces, or outside all of them."""

    spaces: tuple[TimeSpace, ...]
    outside: bool = False

    def holds(self, now: Reading) -> bool:
        """Whether the condition is met at this reading."""
        return any(space.holds(now) for space in self.spaces) is not self.outside

    def __str__(self) -> str:
        names = [space.name for space in self.spaces]
        if self.outside:
            return f"outside {' and '.join(names)}"
        return f"within {' or '.join(names)}"
