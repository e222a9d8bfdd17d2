"""What a worker holds of one person's day: breaks, duties, minutes, confirmations, reviews.

In: rows, as dayrows.py reads them. Out: frozen values, and small answers about one of them.
Must never: do I/O, or look at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


@dataclass(slots=True)
class Latest:
    """Counts what has come about anybody: who has seen it need not ask about each person.

    Attributes:
        number: another one whenever anybody's stamp is.
    """

    number: int = 1


class LiveBreak(NamedTuple):
    """A booked break.

    Attributes:
        begins: aware, UTC; included.
        ends: aware, UTC; excluded: as planned, or when it was ended.
        day: the duty day whose allowance it is taken from.
        minutes: what it takes from that allowance.
    """

    begins: datetime
    ends: datetime
    day: date
    minutes: int


class Remaining(NamedTuple):
    """What is left of somebody's duty day, in minutes.

    Attributes:
        break_minutes: of booked breaks.
        personal_minutes: of personal use; None: not limited.
        social_minutes: of social networks, never more than of personal use; None: not limited.
    """

    break_minutes: int
    personal_minutes: int | None
    social_minutes: int | None


class Duty(NamedTuple):
    """A duty.

    Attributes:
        begins: aware, UTC; included.
        ends: aware, UTC; excluded.
    """

    begins: datetime
    ends: datetime


class Allowed(NamedTuple):
    """A site that a review allows.

    Attributes:
        host: canonical; its subdomains are allowed with it.
        until: aware, UTC; excluded. None: without end.
        reference: `RV-2026-0001`.
    """

    host: str
    until: datetime | None
    reference: str

    def at(self, moment: datetime) -> bool:
        """Whether it is allowed at that moment."""
        return self.until is None or moment < self.until


def _none[K, V]() -> Mapping[K, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store says of one person, but for the minutes.

    Attributes:
        stamp: another number whenever any of it has changed; not compared.
        breaks: of the present and the last duty day, by id.
        duties: of the days around the present.
        cover: first and last day for which the rota speaks of the person; None: it does not.
        confirmed: rule and site → until when a confirmation counts.
        acknowledged: version of the statement → until when that counts.
        allowed: sites that reviews allow the person, by id of the review.
    """

    stamp: int = field(default=0, compare=False)
    breaks: Mapping[int, LiveBreak] = field(default_factory=_none)
    duties: tuple[Duty, ...] = ()
    cover: tuple[date, date] | None = None
    confirmed: Mapping[tuple[str, str], datetime] = field(default_factory=_none)
    acknowledged: Mapping[str, datetime] = field(default_factory=_none)
    allowed: Mapping[int, Allowed] = field(default_factory=_none)

    def break_at(self, at: datetime) -> LiveBreak | None:
        """The break that runs at that moment; that which lasts longest, should there be two."""
        running = [each for each in self.breaks.values() if each.begins <= at < each.ends]
        return max(running, key=lambda each: each.ends, default=None)

    def on_duty(self, at: datetime) -> bool:
        """Whether a duty runs at that moment."""
        return any(each.begins <= at < each.ends for each in self.duties)

    def covers(self, day: date) -> bool:
        """Whether the rota speaks of the person on that duty day."""
        return self.cover is not None and self.cover[0] <= day <= self.cover[1]

    def next_change(self, at: datetime) -> datetime | None:
        """The next moment at which a break or a duty begins or ends, or None."""
        periods = [(each.begins, each.ends) for each in self.breaks.values()]
        periods += [(each.begins, each.ends) for each in self.duties]
        return min((each for period in periods for each in period if each > at), default=None)


NOBODY_KNOWN = Facts()
"""Of somebody of whom the store says nothing."""


class Used(NamedTuple):
    """Minutes of personal use in one duty day, as sets of bits: bit n is the day's minute n.

    Two numbers a person and day, 400 octets at most, however many minutes are in them.

    Attributes:
        personal: all of them.
        social: those of social networks among them.
    """

    personal: int = 0
    social: int = 0

    def __or__(self, other: Used) -> Used:
        """Both together."""
        return Used(self.personal | other.personal, self.social | other.social)

    def besides(self, minute: int) -> tuple[int, int]:
        """How many minutes of each, not counting one of them."""
        others = ~(1 << minute)
        return (self.personal & others).bit_count(), (self.social & others).bit_count()

    @staticmethod
    def of(minute: int, *, social: bool) -> Used:
        """One minute."""
        bit = 1 << minute
        return Used(bit, bit if social else 0)


UNUSED = Used()


@dataclass(frozen=True, slots=True)
class Sites:
    """What reviews say of sites, for everybody.

    Attributes:
        categories: host → what it was given.
        allowed: sites that are allowed for everybody, by id of the review.
    """

    categories: Mapping[str, frozenset[str]] = field(default_factory=_none)
    allowed: Mapping[int, Allowed] = field(default_factory=_none)
