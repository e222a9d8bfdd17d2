"""Months of the calendar, and days as people write them.

In: moments, dates, the force's time zone. Out: moments in UTC.
Must never: keep a local time; what is kept is the moment that was meant.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


def months_later(moment: datetime, months: int, zone: tzinfo) -> datetime:
    """The same day and hour some months later, by the calendar and the clock of a time zone.

    A day that the month does not have becomes its last one: 29 February and 12 months are
    28 February.

    Args:
        moment: aware.
        months: at least 0.
        zone: the force's.

    Returns:
        In UTC.
    """
    local = moment.astimezone(zone)
    index = local.year * 12 + local.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)


def begin_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def end_of(day: date, zone: tzinfo) -> datetime:
    """The first moment after a day, in UTC: the end of what lasts until that day, the day included.

    Raises:
        OverflowError: the calendar ends there.
    """
    return begin_of(day + timedelta(days=1), zone)


def last_day(ends: datetime, zone: tzinfo) -> date:
    """The last day that an end, itself excluded, leaves: what people call "until"."""
    return (ends - timedelta(microseconds=1)).astimezone(zone).date()
