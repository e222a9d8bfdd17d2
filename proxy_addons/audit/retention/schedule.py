"""How long what is kept, by class, and from when that is counted.

In: the settings `audit.retention`, a moment, the force's time zone. Out: when it may be erased.
Must never: let anything go before its whole period is over by the calendar.

A period ends with the day that has the same number so many months later, or with the last day of
that month where it has no such day: what was recorded on 29 February 2028 and is kept for 12 months
goes on 1 March 2029, not before. Days are those of the force's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.dates import end_of, months_later

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from proxy_addons.settings.retention import Retention


class Class(StrEnum):
    """What is kept, in classes of one period each."""

    ACCESS_LOG = "access-log"
    """Lines, their salts, and the rows of the index."""
    TRAIL = "trail"
    PACKS = "packs"
    """Evidence packs that were made."""
    EXPORTS = "exports"
    SAMPLES = "samples"
    """Names of rosters and samples, and views of samples."""
    AUTHORISATIONS = "authorisations"
    DETAILS = "authorisation-details"
    """Saved searches under an authorisation, and names of colleagues of its comparison."""
    COLLATERAL = "collateral"
    """Copies of rows under an authorisation that somebody decided to delete."""


COUNTED_FROM: Final[Mapping[Class, str]] = {
    Class.ACCESS_LOG: "the last record of a segment",
    Class.TRAIL: "the last record of a segment",
    Class.PACKS: "the day it was made",
    Class.EXPORTS: "the day it was made",
    Class.SAMPLES: "the day the plan was closed",
    Class.AUTHORISATIONS: "the day it ended",
    Class.DETAILS: "the day the authorisation ended",
    Class.COLLATERAL: "the decision to delete",
}
"""What an `Item.counted_from` is, by class."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Periods by class.

    Attributes:
        months: by class. 0: as soon as it is counted from.
        zone: the force's.
    """

    months: Mapping[Class, int]
    zone: tzinfo

    @classmethod
    def of(cls, settings: Retention, zone: tzinfo) -> Schedule:
        """As the settings say. Collateral material goes at once: keeping it is what is wrong."""
        months = {
            Class.ACCESS_LOG: settings.access_log,
            Class.TRAIL: settings.trail,
            Class.PACKS: settings.packs,
            Class.EXPORTS: settings.exports,
            Class.SAMPLES: settings.samples,
            Class.AUTHORISATIONS: settings.authorisations,
            Class.DETAILS: settings.authorisations,
            Class.COLLATERAL: 0,
        }
        return cls(months, zone)

    def ends(self, what: Class, counted_from: datetime) -> datetime:
        """The first moment at which something may be erased, in UTC.

        Args:
            what: its class.
            counted_from: aware; see `COUNTED_FROM`.

        Raises:
            OverflowError: the calendar ends before.
        """
        months = self.months[what]
        if not months:
            return counted_from
        try:
            same_day = months_later(counted_from, months, self.zone).astimezone(self.zone).date()
        except ValueError as problem:
            # Nothing is due by it.
            raise OverflowError("a period that ends after the calendar does") from problem
        return end_of(same_day, self.zone)

    def rule(self, what: Class) -> str:
        """In words, for a certificate."""
        months = self.months[what]
        after = f"{months} months after" if months else "at once after"
        return f"{what}: {after} {COUNTED_FROM[what]}"
