"""What the standing store holds of one person's shifts: breaks, minutes, duties.

In: the store, a name, the time. Out: a frozen `Mine`, which pages show and the outlook asks.
Must never: read another person's rows; work a state out by other means than the workers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from proxy_addons.policy import states
from proxy_addons.portal.own.picture import DayUse
from proxy_addons.standing import breaks, minutes
from proxy_addons.standing import tables_shifts as tables
from proxy_addons.standing.dayfacts import Duty, Facts, LiveBreak, Used
from proxy_addons.standing.dayview import DayView
from proxy_addons.standing.dutyday import bounds, day_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime, tzinfo

    from sqlalchemy import Connection

    from proxy_addons.settings.shifts import Shifts
    from proxy_addons.standing.breaks import Break, Left
    from proxy_addons.standing.store import Store

DAYS: Final = 7
"""Duty days that are shown, the present one among them."""
_AHEAD: Final = timedelta(days=8)  # duties that are looked at
_MOST_MOMENTS: Final = 64
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Mine:
    """One person's shifts.

    Attributes:
        person: canonical name.
        now: the moment of reading, aware.
        today: the duty day.
        turns: when the next one begins, aware, UTC.
        days: minutes of personal use, oldest day first; the last is today.
        breaks: of those days, oldest first.
        left: what is left of today's breaks.
        duties: those that have not ended, in order.
        view: the states of the person, as a worker works them out.
    """

    person: str
    now: datetime
    today: date
    turns: datetime
    days: tuple[DayUse, ...]
    breaks: tuple[Break, ...]
    left: Left
    duties: tuple[Duty, ...]
    view: DayView

    @property
    def running(self) -> Break | None:
        """The break that runs."""
        return breaks.running_of(self.breaks, self.now)

    @property
    def used_today(self) -> DayUse:
        """Today's minutes."""
        return self.days[-1]

    @property
    def week(self) -> int:
        """Minutes since Monday."""
        monday = self.today - timedelta(days=self.today.weekday())
        return sum(each.personal for each in self.days if each.day >= monday)

    def states_at(self, moment: datetime) -> frozenset[str]:
        """What stands for the person at a moment, as far as is known now."""
        return self.view.states(self.person, moment)

    def moments(self) -> tuple[datetime, ...]:
        """When that changes by the clock, in order."""
        return tuple(self._moments())

    def duty(self) -> tuple[str, datetime | None]:
        """What the rota says of now: a state of policy/states.py, and until when; None: not known.

        Where it says nothing that is `no-rota`, and no end is given.
        """
        now = _duty(self.states_at(self.now))
        if now == states.NO_ROTA:
            return now, None
        changes = (each for each in self._moments() if _duty(self.states_at(each)) != now)
        return now, next(changes, None)

    def _moments(self) -> Iterator[datetime]:
        moment = self.now
        for _ in range(_MOST_MOMENTS):
            following = self.view.changes(self.person, moment)
            if following is None or following > self.now + _AHEAD:
                return
            yield following
            moment = following


def _duty(found: frozenset[str]) -> str:
    return next(
        (each for each in (states.ON_DUTY, states.OFF_DUTY) if each in found), states.NO_ROTA
    )


def read(store: Store, person: str, now: datetime, shifts: Shifts, zone: tzinfo) -> Mine:
    """Read one person's shifts. Blocks.

    Args:
        store: the standing store.
        person: canonical name.
        now: the moment, aware.
        shifts: settings.
        zone: of the force.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    today = day_of(now, zone, shifts.day_turns)
    begins, turns = bounds(today, zone, shifts.day_turns)
    first = today - timedelta(days=DAYS - 1)
    booked = breaks.Breaks(store, shifts.breaks, shifts.day_turns, zone)
    found = booked.of_days(person, first, today)
    used = minutes.totals(store, (person,), first, today)
    with store.reading() as connection:
        duties = tuple(_duties(connection, person, now))
        cover = _cover(connection, person)
        counted = tuple(_minutes(connection, person, begins, turns))
    view = DayView(shifts, zone)
    view.known = True
    view.facts[person] = Facts(
        breaks={
            each.id: LiveBreak(each.begins, each.ends, each.day, each.minutes) for each in found
        },
        duties=duties,
        cover=cover,
    )
    for minute, social in counted:
        view.add(today, person, Used.of(int((minute - begins) // _MINUTE), social=social))
    days = []
    for number in range(DAYS):
        day = first + timedelta(days=number)
        total = used.get((person, day), minutes.Total())
        days.append(DayUse(day, total.personal, total.social))
    left = breaks.left_of(found, now, shifts.breaks, shifts.day_turns, zone)
    return Mine(person, now, today, turns, tuple(days), found, left, duties, view)


def _duties(connection: Connection, person: str, now: datetime) -> Iterator[Duty]:
    rows = tables.duties.c
    question = (
        select(rows.begins, rows.ends)
        .where(rows.person == person, rows.ends > now, rows.begins < now + _AHEAD)
        .order_by(rows.begins)
    )
    for row in connection.execute(question):
        yield Duty(row.begins, row.ends)


def _cover(connection: Connection, person: str) -> tuple[date, date] | None:
    rows = tables.rota_cover.c
    found = connection.execute(
        select(rows.first, rows.last).where(rows.person == person)
    ).one_or_none()
    return None if found is None else (found.first, found.last)


def _minutes(
    connection: Connection, person: str, begins: datetime, turns: datetime
) -> Iterator[tuple[datetime, bool]]:
    rows = tables.minutes.c
    question = select(rows.minute, rows.social).where(
        rows.person == person, rows.minute >= begins, rows.minute < turns
    )
    for row in connection.execute(question):
        yield row.minute, bool(row.social)
