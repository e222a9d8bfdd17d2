"""What a worker holds of everybody's day, and its answers.

In: facts and minutes, as they were read; the minutes that this worker counts. Out: states, what is
left, who has confirmed what: from memory.
Must never: do I/O, or look at a clock; count a minute twice; forget a minute of the present day.

A minute in hand is its person's to the end: what decides is how many others have been used. So the
last minute of an allowance is a whole one, and the state changes when it is over. Minutes that lie
ahead (counted by a machine whose clock is fast, or before the clock was put back) count as used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.policy import states
from proxy_addons.policy.retry import Ahead
from proxy_addons.standing.breaks import Left, left_of
from proxy_addons.standing.dayfacts import (
    NOBODY_KNOWN,
    UNUSED,
    Facts,
    Latest,
    LiveBreak,
    Remaining,
    Sites,
    Used,
)
from proxy_addons.standing.dutydays import MINUTE, Days

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, tzinfo

    from proxy_addons.settings.shifts import Shifts
    from proxy_addons.standing.dayreading import News
    from proxy_addons.standing.dutydays import Day

UNKNOWN: Final = frozenset({states.NO_ROTA})
"""Of somebody of whom nothing is known."""
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class _Standing(NamedTuple):
    """What stands for a person from one moment to another, while the stamp is the same."""

    stamp: int
    since: datetime
    until: datetime
    states: frozenset[str]


class DayView:
    """Everybody's day. Asked and changed in one thread; what it holds of the store is replaced.

    Args:
        shifts: settings.
        zone: of the force.

    Attributes:
        known: whether the store was ever read.
        facts: canonical name → what the store says.
        sites: what reviews say for everybody.
        latest: counts what has come about anybody that gives a new stamp.
    """

    def __init__(self, shifts: Shifts, zone: tzinfo) -> None:
        self.known = False
        self.facts: dict[str, Facts] = {}
        self.sites = Sites()
        self._given: Mapping[str, frozenset[str]] | None = None  # its categories, if there are any
        self._shifts = shifts
        self._zone = zone
        self.days = Days(zone, shifts)
        self._horizon: datetime | None = None  # from when on no duties are known
        # Day → person → minutes.
        self._used: dict[date, dict[str, Used]] = {}
        self._counted: dict[str, int] = {}  # stamps of people for whom minutes made a difference
        self.latest = Latest()
        self._at: datetime | None = None  # asked about last, with its day and the bit of its minute
        self._place = (self.days.at(_LONG_AGO), 0)
        self._stamps = count(1)
        self._held: dict[str, _Standing] = {}  # worked out already
        self._all = 0  # the stamp of a change that may concern everybody

    # Changes.

    def use(self, shifts: Shifts, zone: tzinfo | None = None) -> None:
        """Go by other settings from now on.

        Args:
            shifts: settings.
            zone: of the force; None: the one of before.
        """
        zone = zone or self._zone
        if (shifts, zone) == (self._shifts, self._zone):
            return
        if (shifts.day_turns, zone) != (self._shifts.day_turns, self._zone):
            self.days = Days(zone, shifts)
            self._at = None
            self._used.clear()  # the bits were another day's; the next whole reading has them
        self._shifts, self._zone = shifts, zone
        self.everybody_changed()

    def take(self, news: News) -> bool:
        """Take over what was read, but for its minutes (`add`). Gives whether anything is new."""
        before = self._all
        if news.whole:
            gone = self.facts.keys() - news.facts.keys()
            changed = any(self.facts.get(name) is not each for name, each in news.facts.items())
            self.facts = dict(news.facts)
            self._horizon = news.horizon
            if gone or not self.known:
                self.everybody_changed()
        else:
            changed = bool(news.facts)
            self.facts.update(news.facts)
        self.known = True
        if news.sites is not None:
            self.sites = news.sites
            self._given = news.sites.categories or None
            self.everybody_changed()
        if news.first_day is not None:
            self._forget_before(news.first_day)
        if changed:
            self.latest.number += 1
        return changed or self._all != before

    def new_stamp(self) -> int:
        """A number for `Facts.stamp`, higher than all before. For any thread."""
        return next(self._stamps)

    def days_apart(self) -> Days:
        """Duty days for another thread."""
        return Days(self._zone, self._shifts)

    def everybody_changed(self) -> None:
        """Give everybody a new stamp."""
        self.latest.number += 1
        self._all = next(self._stamps)

    def add(self, day: date, person: str, used: Used) -> bool:
        """Add minutes of a person. Gives whether any of them is new.

        Nearly all of them change nothing that stands for the person: no new stamp then, or
        everybody would have to be known again in each minute.
        """
        people = self._used.get(day)
        if people is None:
            people = self._used[day] = {}
        before = people.get(person, UNUSED)
        after = before | used
        if after == before:
            return False
        people[person] = after
        if self._turns(before, after):
            self._counted[person] = next(self._stamps)
            self.latest.number += 1
        return True

    def _turns(self, before: Used, after: Used) -> bool:
        """Whether further minutes can make a difference to what stands, now or a minute later."""
        settings = self._shifts.allowances
        return _crosses(settings.personal, settings.low, before.personal, after.personal) or (
            _crosses(settings.social, settings.low, before.social, after.social)
        )

    def count(self, person: str, at: datetime, *, social: bool) -> bool:
        """Count the minute that a moment is in. Gives whether it is new."""
        if at is not self._at:
            # Gates ask about one moment for a second.
            day = self.days.at(at)
            self._place, self._at = (day, 1 << day.minute(at)), at
        day, bit = self._place
        known = self._used.get(day.date)
        if known is not None:
            before = known.get(person, UNUSED)
            if (before.social if social else before.personal) & bit:
                return False  # as with nearly all requests: a minute has many
        return self.add(day.date, person, Used(bit, bit if social else 0))

    def _forget_before(self, day: date) -> None:
        """Forget the minutes of the duty days before one."""
        for each in [each for each in self._used if each < day]:
            del self._used[each]
        self._held.clear()
        today = self._used.values()
        gone = [name for name in self._counted if not any(name in people for people in today)]
        for name in gone:
            del self._counted[name]
        if gone:
            self.everybody_changed()  # their stamps fall back to everybody's: a new one

    # Questions.

    def stamp(self, person: str | None) -> int:
        """A number that is another one whenever something about the person has changed.

        Minutes change it where they make a difference to `states` or `changes`.
        """
        stamp = self._all
        if person is None:
            return stamp
        facts = self.facts.get(person)
        if facts is not None and facts.stamp > stamp:
            stamp = facts.stamp
        counted = self._counted.get(person)
        return counted if counted is not None and counted > stamp else stamp

    def states(self, person: str | None, at: datetime) -> frozenset[str]:
        """What stands for a person: names of policy/states.py."""
        if person is None or not self.known:
            return UNKNOWN
        return self._standing(person, at).states

    def changes(self, person: str | None, at: datetime) -> datetime | None:
        """The next moment at which the clock alone may change `states`; None: never."""
        if person is None or not self.known:
            return None
        return self._standing(person, at).until

    def _standing(self, person: str, at: datetime) -> _Standing:
        """The states, and until when: worked out once for all connections of a person."""
        stamp, held = self.stamp(person), self._held.get(person)
        if held is None or held.stamp != stamp or not held.since <= at < held.until:
            held = self._held[person] = self._work_out(person, at, stamp)
        return held

    def _work_out(self, person: str, at: datetime, stamp: int) -> _Standing:
        facts, day = self._facts_of(person), self.days.at(at)
        moment, until = facts.next_change(at), day.ends
        if moment is not None and moment < until:
            until = moment
        if self._horizon is not None and at < self._horizon:
            until = min(until, self._horizon)
        if facts.on_duty(at):
            found = {states.ON_DUTY}
        else:
            # After a store has been away for two days nobody knows who is off duty.
            known = facts.covers(day.date) and (self._horizon is None or at < self._horizon)
            found = {states.OFF_DUTY if known else states.NO_ROTA}
        if facts.break_at(at) is not None:
            found.add(states.ON_BREAK)
        used = self._used_on(day, person)
        if used.personal:
            minute = day.minute(at)
            now = self._allowance_states(*used.besides(minute))
            if used.personal >> minute & 1:
                then = self._allowance_states(used.personal.bit_count(), used.social.bit_count())
                if now != then:
                    until = min(until, day.begins + (minute + 1) * MINUTE)
            ahead = used.personal >> minute + 1
            while ahead:
                # Counted by a gateway whose clock is ahead: such a minute comes to be in hand.
                coming = minute + (ahead & -ahead).bit_length()
                if self._allowance_states(*used.besides(coming)) != now:
                    until = min(until, day.begins + coming * MINUTE)
                    break
                ahead &= ahead - 1
        else:
            now = self._allowance_states(0, 0)
        found |= now
        return _Standing(stamp, at, until, _one(frozenset(found)))

    def ahead(self, person: str, at: datetime) -> Iterator[Ahead]:
        """What will stand for a person, as far as is known now, from a moment on.

        For who is on the rota that is as far as their duties are known; for others it has no end.
        """
        facts = self._facts_of(person)
        on_rota = facts.cover is not None or facts.duties
        stamp, end = self.stamp(person), self._horizon if on_rota else None
        while self.known and (end is None or at < end):
            # Not remembered: what is asked for all the time is the present.
            then = self._work_out(person, at, stamp)
            yield Ahead(then.until, then.states)
            at = then.until

    def break_of(self, person: str, at: datetime) -> LiveBreak | None:
        """The break that runs, or None."""
        return self._facts_of(person).break_at(at)

    def left(self, person: str, at: datetime) -> Remaining:
        """What is left of the person's duty day; a minute in hand counts as used."""
        day, settings = self.days.at(at), self._shifts
        facts = self._facts_of(person)
        taken = sum(each.minutes for each in facts.breaks.values() if each.day == day.date)
        used = self._used_on(day, person)
        personal = _left(settings.allowances.personal, used.personal.bit_count())
        social = _left(settings.allowances.social, used.social.bit_count())
        if personal is not None and social is not None:
            social = min(personal, social)
        offered = settings.breaks.allowance if settings.breaks.enabled and self.known else 0
        return Remaining(max(0, offered - taken), personal, social)

    def breaks_left(self, person: str, at: datetime) -> Left:
        """What is left of the day's breaks, and when one may be started."""
        settings = self._shifts.breaks
        if not (self.known and settings.enabled):
            return Left(0, at, ())
        taken = self._facts_of(person).breaks.values()
        return left_of(taken, at, settings, self._shifts.day_turns, self._zone)

    def confirmed(self, person: str, rule: str, site: str, at: datetime) -> bool:
        """Whether the person has confirmed a coaching page of this rule for this site."""
        until = self._facts_of(person).confirmed.get((rule, site))
        return until is not None and at < until

    def acknowledged(self, person: str, version: str, at: datetime) -> bool:
        """Whether the person has acknowledged this version of the statement."""
        until = self._facts_of(person).acknowledged.get(version)
        return until is not None and at < until

    def site_categories(self, host: str) -> frozenset[str] | None:
        """The categories that a review gave a host, or the nearest of its parents; or None."""
        given = self._given
        if given is None:  # asked for every request
            return None
        return next((given[each] for each in _and_parents(host) if each in given), None)

    def allowed_site(self, person: str | None, host: str, at: datetime) -> str | None:
        """The reference of a review that allows the person a host, or a parent of it; or None."""
        own = (NOBODY_KNOWN if person is None else self._facts_of(person)).allowed
        allowed = self.sites.allowed
        if not own and not allowed:
            return None
        hosts = set(_and_parents(host))
        for each in (*own.values(), *allowed.values()):
            if each.host in hosts and each.at(at):
                return each.reference
        return None

    def _facts_of(self, person: str) -> Facts:
        return self.facts.get(person, NOBODY_KNOWN)

    def _used_on(self, day: Day, person: str) -> Used:
        return self._used.get(day.date, {}).get(person, UNUSED)

    def _allowance_states(self, personal: int, social: int) -> frozenset[str]:
        settings = self._shifts.allowances
        return frozenset(
            {
                state
                for state in (
                    _state(settings.personal, personal, settings.low,
                           states.ALLOWANCE_LOW, states.ALLOWANCE_USED),
                    _state(settings.social, social, settings.low,
                           states.SOCIAL_LOW, states.SOCIAL_USED),
                )
                if state is not None
            }
        )  # fmt: skip


@cache
def _one(found: frozenset[str]) -> frozenset[str]:
    """The same for all: sets that are one are compared, and found in memories, at once."""
    return found


def _left(allowance: int | None, used: int) -> int | None:
    return None if allowance is None else max(0, allowance - used)


def _crosses(allowance: int | None, low: int, before: int, after: int) -> bool:
    """Whether a state begins between two sets of minutes, that of before being without any one.

    Without any one: the minute in hand does not count for what stands (`_work_out`), and becomes
    another with time.
    """
    if allowance is None or before == after:
        return False
    least, most = before.bit_count() - 1, after.bit_count()
    return least < allowance - low <= most or least < allowance <= most


def _state(allowance: int | None, used: int, low: int, is_low: str, is_used: str) -> str | None:
    if allowance is None:
        return None
    left = allowance - used
    if left <= 0:
        return is_used
    return is_low if left <= low else None


def _and_parents(host: str) -> Iterator[str]:
    """The host and the names that it is below, nearest first."""
    yield host
    while (dot := host.find(".")) >= 0:
        host = host[dot + 1 :]
        yield host
