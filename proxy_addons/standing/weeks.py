"""Weeks as people name them: `2026-W47`, Monday to Sunday (ISO 8601).

In: dates, text. Out: a `Week`. Must never: hold a time; which date a moment counts for is the duty
day's (dutyday.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_TEXT = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One week.

    Attributes:
        monday: its first day.
    """

    monday: date

    @classmethod
    def of(cls, day: date) -> Week:
        """The week of a day."""
        return cls(day - timedelta(days=day.weekday()))

    @classmethod
    def parse(cls, text: str) -> Week:
        """From `2026-W47`.

        Raises:
            ValueError: it is no week; the message says what one looks like.
        """
        found = _TEXT.fullmatch(text.strip().upper())
        try:
            if found is not None and 2000 <= int(found[1]) < 3000:
                return cls(date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            # Week 54, or 53 of a year that has none: said below.
            pass
        msg = f"{text[:20]!r} is no week such as 2026-W47"
        raise ValueError(msg)

    @property
    def sunday(self) -> date:
        """Its last day."""
        return self.monday + timedelta(days=6)

    @property
    def name(self) -> str:
        """`2026-W47`."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    def later(self, weeks: int) -> Week:
        """The week so many after this one; before it, if negative."""
        return Week(self.monday + timedelta(weeks=weeks))

    def has(self, day: date) -> bool:
        """Whether a day is in it."""
        return self.monday <= day <= self.sunday
