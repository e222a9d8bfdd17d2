"""Duty days at hand: which one a moment is in, without working it out each time.

In: a moment. Out: the duty day, and which minute of it.
Must never: take a day for 24 hours: two a year are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.dutyday import bounds, day_of

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from proxy_addons.settings.shifts import Shifts

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A duty day.

    Attributes:
        date: its name: the date on which it begins.
        begins: aware, UTC; included.
        ends: aware, UTC; excluded.
    """

    date: date
    begins: datetime
    ends: datetime

    def minute(self, at: datetime) -> int:
        """Which minute of the day a moment is in, from 0."""
        return int((at - self.begins) // MINUTE)


class Days:
    """Duty days by moment; the last two asked for are remembered.

    Args:
        zone: of the force.
        turns: local time at which a duty day begins.
    """

    __slots__ = ("_before", "_last", "_turns", "_zone")

    def __init__(self, zone: tzinfo, shifts: Shifts) -> None:
        self._zone = zone
        self._turns = shifts.day_turns
        never = datetime.min.replace(tzinfo=UTC)
        self._last = self._before = Day(never.date(), never, never)

    def at(self, moment: datetime) -> Day:
        """The duty day that a moment (aware) is in."""
        last = self._last
        if last.begins <= moment < last.ends:
            return last
        if not self._before.begins <= moment < self._before.ends:
            day = day_of(moment, self._zone, self._turns)
            begins, ends = bounds(day, self._zone, self._turns)
            self._before = Day(day, begins.astimezone(UTC), ends.astimezone(UTC))
        self._last, self._before = self._before, last
        return self._last
