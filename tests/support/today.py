"""People's duty days as a test says them, in place of the store's (tests/standing has those).

In: what the test sets. Out: the answers of the gate's `Today`.
Must never: decide more than it is told; no allowance is worked out here.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.retry import Ahead
from proxy_addons.policy.states import NO_ROTA, ON_BREAK
from proxy_addons.standing.breaks import Left

if TYPE_CHECKING:
    from proxy_addons.gate.actions import Who


class Break(NamedTuple):
    """A break; seconds of the epoch."""

    begins: datetime
    ends: datetime


@dataclass
class Day:
    """What is known of everybody.

    Attributes:
        standing: name → states, besides a break.
        breaks: name → begin and end.
        confirmations: (name, rule, site) → until.
        acknowledgements: (name, version).
        recategorised: host → categories.
        reviewed: (name, host) → reference of a review.
        coming: what will stand for people.
        minutes: of breaks that are left to everybody.
        next_at: when a break may be started; None: now.
        counted: each minute of personal use: name, moment, whether social.
        refusals: each refusal of what somebody opened: name, moment, rule.
    """

    standing: dict[str, frozenset[str]] = field(default_factory=dict)
    breaks: dict[str, Break] = field(default_factory=dict)
    confirmations: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    acknowledgements: set[tuple[str, str]] = field(default_factory=set)
    recategorised: dict[str, frozenset[str]] = field(default_factory=dict)
    reviewed: dict[tuple[str, str], str] = field(default_factory=dict)
    counted: list[tuple[str, datetime, bool]] = field(default_factory=list)
    refusals: list[tuple[str, datetime, str]] = field(default_factory=list)
    coming: dict[str, list[Ahead]] = field(default_factory=dict)
    minutes: int = 60
    next_at: datetime | None = None
    version: int = 0

    @property
    def latest(self) -> Day:
        return self

    @property
    def number(self) -> int:
        return self.version + 1

    def changed(self) -> None:
        """Something has come."""
        self.version += 1

    def start(self, person: str, now: float, minutes: int) -> None:
        """A break begins."""
        at = datetime.fromtimestamp(now, UTC)
        self.breaks[person] = Break(at, datetime.fromtimestamp(now + 60 * minutes, UTC))
        self.changed()

    def end(self, person: str, now: float) -> None:
        """It ends before its time."""
        self.breaks[person] = self.breaks[person]._replace(ends=datetime.fromtimestamp(now, UTC))
        self.changed()

    def states(self, person: str | None, at: datetime) -> frozenset[str]:
        held = self.standing.get(person or "", frozenset({NO_ROTA}))
        return held | {ON_BREAK} if person and self.break_of(person, at) else held

    def changes(self, person: str, at: datetime) -> datetime | None:
        booked = self.breaks.get(person)
        return min((each for each in booked or () if each > at), default=None)

    def ahead(self, person: str, at: datetime) -> list[Ahead]:
        if person in self.coming:
            return self.coming[person]
        found = []
        while (until := self.changes(person, at)) is not None:
            found.append(Ahead(until, self.states(person, at)))
            at = until
        return [*found, Ahead(at + timedelta(days=30), self.states(person, at))]

    def stamp(self, _person: str) -> int:
        return self.version

    def break_of(self, person: str, at: datetime) -> Break | None:
        booked = self.breaks.get(person)
        return booked if booked and booked.begins <= at < booked.ends else None

    def breaks_left(self, _person: str, at: datetime) -> Left:
        offered = tuple(each for each in (15, 30, 60) if each <= self.minutes)
        return Left(self.minutes, self.next_at or at, () if self.next_at else offered)

    def confirmed(self, person: str, rule: str, site: str, at: datetime) -> bool:
        until = self.confirmations.get((person, rule, site))
        return until is not None and at < until

    def acknowledged(self, person: str, version: str, _at: datetime) -> bool:
        return (person, version) in self.acknowledgements

    def site_categories(self, host: str) -> frozenset[str] | None:
        return self.recategorised.get(host)

    def allowed_site(self, person: str, host: str, _at: datetime) -> str | None:
        return self.reviewed.get((person, host))

    def count(self, person: str, at: datetime, social: bool) -> None:
        self.counted.append((person, at, social))

    def refused(self, person: str, at: datetime, rule: str) -> None:
        self.refusals.append((person, at, rule))


class DayDeeds:
    """What clicks do, written into a `Day` (tests/engine/test_deeds.py has the real ones).

    Args:
        day: changed by clicks.

    Attributes:
        done: what was asked for.
        refuses: raised instead, once set.
        waits: every deed waits for it.
    """

    def __init__(self, day: Day) -> None:
        self.day = day
        self.done: list[tuple[str, ...]] = []
        self.refuses: Exception | None = None
        self.waits = asyncio.Event()
        self.waits.set()

    async def _do(self, *what: str) -> None:
        await self.waits.wait()
        if self.refuses is not None:
            raise self.refuses
        self.done.append(what)

    async def start_break(self, who: Who, minutes: int) -> None:
        await self._do("start-break", who.name, str(minutes))
        self.day.start(who.name, time.time(), minutes)

    async def end_break(self, who: Who) -> None:
        await self._do("end-break", who.name)
        self.day.end(who.name, time.time())

    async def confirm(self, who: Who, rule: str, site: str) -> None:
        await self._do("confirm", who.name, rule, site)
        self.day.confirmations[who.name, rule, site] = datetime.max.replace(tzinfo=UTC)

    async def acknowledge(self, who: Who, version: str) -> None:
        await self._do("acknowledge", who.name, version, who.address)
        self.day.acknowledgements.add((who.name, version))

    async def ask_review(
        self, who: Who, url: str, rule: str, categories: tuple[str, ...], why: str
    ) -> str:
        await self._do("ask-review", who.name, url, rule, *categories, why)
        return "RV-2026-0001"
