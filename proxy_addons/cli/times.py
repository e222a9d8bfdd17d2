"""Days and times as people give them on the command line.

In: text. Out: moments in UTC, by the force's time zone.
Must never: guess what a text means.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class When:
    """A day, or a moment, as somebody gave it on the command line.

    Attributes:
        day: when only a day was given.
        moment: otherwise; without a zone it is in the force's.
    """

    day: date | None
    moment: datetime | None

    def begin(self, zone: ZoneInfo) -> datetime:
        """When that begins, in UTC."""
        from proxy_addons.standing.dates import begin_of

        return begin_of(self.day, zone) if self.day else self._moment(zone)

    def end(self, zone: ZoneInfo) -> datetime:
        """When that is over, in UTC: of a day, its last moment is included."""
        from proxy_addons.standing.dates import end_of

        return end_of(self.day, zone) if self.day else self._moment(zone)

    def _moment(self, zone: ZoneInfo) -> datetime:
        assert self.moment is not None
        aware = self.moment if self.moment.tzinfo else self.moment.replace(tzinfo=zone)
        return aware.astimezone(UTC)


def when(text: str) -> When:
    """Read a day or a time of the command line.

    Raises:
        ArgumentTypeError: it is neither.
    """
    for read in (_day, _time):
        try:
            found, year = read(text)
        except ValueError:
            # Not that; perhaps the other.
            continue
        if 2000 <= year < 3000:  # beyond, somebody mistyped, and the calendar ends somewhere
            return found
    msg = f"{text!r} is no day such as 2026-11-24 and no time such as 2026-11-24T10:30"
    raise ArgumentTypeError(msg)


def _day(text: str) -> tuple[When, int]:
    day = date.fromisoformat(text)
    return When(day, None), day.year


def _time(text: str) -> tuple[When, int]:
    moment = datetime.fromisoformat(text)
    return When(None, moment), moment.year
