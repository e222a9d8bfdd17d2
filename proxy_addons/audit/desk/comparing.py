"""Somebody's figures beside the median of their unit: what is asked of the desk, and the answer.

In: who asks, an authorisation that comes with a comparison. Out: figures a day by category.
Must never: take a filter, of time or anything else (two answers that differ by one would tell what
is between them); give a number of fewer people than the settings say, or of one of them; say who
they are; give figures that are not rounded.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from proxy_addons.audit.authority.compiled import NotCoveredError, compile_comparison
from proxy_addons.audit.desk.wire import Call, Refused
from proxy_addons.audit.store import Dimension, Question, StoreError
from proxy_addons.audit.trail import LOOK
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from datetime import tzinfo

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.store import Bounds, Quartiles, RecordStore
    from proxy_addons.settings.audit import Audit

_CATEGORIES: Final = 1000
_MEGABYTE: Final = 1e6
_ASKED: Final = {"comparison": "unit"}
_NOT_NOW: Final = "Nothing can be compared just now. Try again in a minute."


class Beside(msgspec.Struct, frozen=True):
    """One figure of the subject, and the same of their unit; rounded to two digits.

    Attributes:
        own: the subject's.
        lower: a quarter of the unit has at most this.
        median: half of it.
        upper: three quarters.
    """

    own: float
    lower: float
    median: float
    upper: float


class Compared(msgspec.Struct, frozen=True):
    """One category.

    Attributes:
        category: its id.
        requests: a day.
        megabytes: a day, up and down together; None: the authorisation does not show bytes.
    """

    category: str
    requests: Beside
    megabytes: Beside | None


class Comparison(msgspec.Struct, frozen=True):
    """A whole comparison.

    Attributes:
        subject: whose figures are compared; "" where names are not shown.
        unit: its name; "" where names are not shown.
        people: how many colleagues, by the directory: not how many have records.
        asked_at: when the directory was asked who is in the unit.
        since: first moment of the records.
        until: first moment after them.
        days: of the force's clock that these are: figures are divided by them.
        rows: by category, those in which the subject has requests most first.
        masked: whether special categories are left out.
    """

    subject: str
    unit: str
    people: int
    asked_at: datetime
    since: datetime
    until: datetime
    days: int
    rows: tuple[Compared, ...]
    masked: bool


class Compare(Call[Comparison], frozen=True):
    """The comparison that an authorisation comes with: nothing about it can be chosen."""

    answer = Comparison
    authorisation: str


class Comparing:
    """Answers it.

    Args:
        desk: bounds and records each look.
        store: answers questions within bounds.
        authorisations: the register.
        settings: `audit`.
        zone: the force's clock.
    """

    def __init__(
        self,
        desk: Desk,
        store: RecordStore,
        authorisations: Authorisations,
        settings: Audit,
        zone: tzinfo,
    ) -> None:
        self._desk, self._store, self._authorisations = desk, store, authorisations
        self._settings, self._zone = settings, zone

    def compare(self, who: Who, call: Compare) -> Comparison:
        """Compare.

        Raises:
            Refused: nothing is shown; that they asked is recorded.
        """
        bounds = self._desk.bounds(who, call.authorisation, _ASKED)
        found, own, others = self._compiled(who, call.authorisation, bounds)
        try:
            counts = self._store.counts(own, Question(), Dimension.CATEGORY, most=_CATEGORIES)
            # A record that is in a category of the authorisation can be in others besides, of which
            # this is not all.
            counts = tuple(
                each for each in counts if found.categories is None or each.key in found.categories
            )
            usual = {each.key: each for each in self._store.usual(others, [c.key for c in counts])}
        except StoreError as problem:
            raise Refused("unavailable", f"{_NOT_NOW} ({problem})") from problem
        days = days_of(own.since, own.until, self._zone)
        octets = {"bytes_up", "bytes_down"} <= own.fields
        rows = tuple(
            Compared(
                each.key,
                _beside(each.records, usual[each.key].records, days),
                _beside(each.octets, usual[each.key].octets, days * _MEGABYTE) if octets else None,
            )
            for each in counts
        )
        comparison = found.comparison
        assert comparison is not None  # compile_comparison has looked
        outcome = {"people": comparison.people, "categories": len(rows), "days": days}
        self._desk.note(LOOK, who, call.authorisation, _ASKED, outcome)
        named = found.names_shown
        return Comparison(
            next(iter(found.subjects)) if named else "",
            comparison.unit if named else "",
            comparison.people,
            comparison.at,
            own.since,
            own.until,
            days,
            rows,
            bool(own.special),
        )

    def _compiled(
        self, who: Who, reference: str, bounds: Bounds
    ) -> tuple[Authorisation, Bounds, Bounds]:
        try:
            found = self._authorisations.find(reference)
            assert found is not None  # it was bounded, and none is ever taken away
            names = self._authorisations.colleagues(found)
            return found, *compile_comparison(found, bounds, names, self._settings)
        except StandingUnavailableError as problem:
            raise Refused("unavailable", _NOT_NOW) from problem
        except NotCoveredError as problem:
            # Nothing is compared, and that it was asked is recorded.
            self._desk.note(LOOK, who, reference, _ASKED, {"refused": str(problem)})
            raise Refused("refused", str(problem)) from problem


def days_of(since: datetime, until: datetime, zone: tzinfo) -> int:
    """Days of a clock that a time touches, at least 1."""
    last = (until - timedelta(microseconds=1)).astimezone(zone).date()
    return (last - since.astimezone(zone).date()).days + 1


def rounded(number: float) -> float:
    """To two digits, and never finer than a tenth."""
    if number <= 0:
        return 0.0
    return round(number, min(1, 1 - math.floor(math.log10(number)))) + 0.0


def _beside(own: float, usual: Quartiles, by: float) -> Beside:
    parts = (own, usual.lower, usual.median, usual.upper)
    return Beside(*(rounded(each / by) for each in parts))
