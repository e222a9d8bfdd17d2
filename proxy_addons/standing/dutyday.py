"""The duty day: from the hour at which the day turns to that hour of the next day.

In: moments, the force's time zone, the hour. Out: the day something counts for; its bounds in UTC.
Must never: split a night shift in two, or leave a moment without a day when the clocks change.

A day is 23 or 25 hours long when the clocks change in it. Where the hour itself is left out on that
day, it turns when the clocks have jumped; where it comes twice, at the first.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_DAY = timedelta(days=1)


def day_of(moment: datetime, zone: tzinfo, turns: time) -> date:
    """The duty day that a moment belongs to.

    Args:
        moment: aware.
        zone: the force's.
        turns: local time at which the day turns.

    Returns:
        The date on which that day began.
    """
    day = moment.astimezone(zone).date()
    while moment < _begin(day, zone, turns):
        # Once, but where a zone leaves out a whole day.
        day -= _DAY
    return day


def bounds(day: date, zone: tzinfo, turns: time) -> tuple[datetime, datetime]:
    """When a duty day begins and ends.

    Args:
        day: the date on which it begins.
        zone: the force's.
        turns: local time at which the day turns.

    Returns:
        The first moment of it and the first after it, in UTC.
    """
    return _begin(day, zone, turns), _begin(day + _DAY, zone, turns)


def _begin(day: date, zone: tzinfo, turns: time) -> datetime:
    # Of a time that is left out, `fold` 0 takes the offset before: the moment lies after the jump.
    return datetime.combine(day, turns.replace(fold=0), zone).astimezone(UTC)
