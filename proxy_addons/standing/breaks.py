"""Booked breaks (Inf/27 2.9.1): personal use that people start themselves, within an allowance.

In: who, how long, the time. Out: the break that runs; what is left, and when the next may start.
Must never: let two breaks of somebody run at once, however many clicks and gateways; count less
than was taken; let anybody but the person, their line manager or an operator at the machine start
one.

All methods of `Breaks` block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import insert, or_, select, update

from proxy_addons.standing import rules
from proxy_addons.standing.dutyday import bounds, day_of
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.tables_shifts import breaks as table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, time, tzinfo

    from sqlalchemy import Connection, Row

    from proxy_addons.settings import shifts
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

CLAUSE: Final = "Inf/27 2.9.1"
_MINUTE: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=1)  # minutes BETWEEN 1 AND 1440


@dataclass(frozen=True, slots=True)
class Break:
    """A booked break.

    Attributes:
        id: of the row.
        person: canonical name.
        day: the duty day whose allowance it takes: that in which it began.
        begins: aware, UTC; included.
        ends: aware, UTC; excluded. As planned, or when it was ended.
        minutes: what it takes of the allowance: as planned, or those it lasted, rounded up.
        ended_early: whether somebody ended it.
        by: who started it.
        how: how their name was known, e.g. `kerberos`.
        change: in which it was last written.
    """

    id: int
    person: str
    day: date
    begins: datetime
    ends: datetime
    minutes: int
    ended_early: bool
    by: str
    how: str
    change: int


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a day's breaks.

    Attributes:
        minutes: of the allowance of this duty day; what a running break will take is gone.
        may_start_at: when a next break may be started: now, or at a whole minute (by less than one
            later than it may be). After the last one of a day it is in the next.
        offered: the lengths that can be started now, ascending, in minutes; none while
            `may_start_at` is later.
    """

    minutes: int
    may_start_at: datetime
    offered: tuple[int, ...]


class BreakRefusedError(StepRefusedError):
    """A break cannot be started; nothing was changed.

    Attributes:
        left: what is left, and when one may be started.
    """

    def __init__(self, rule: str, sentence: str, left: Left) -> None:
        super().__init__(rule, sentence, CLAUSE)
        self.left = left


class Breaks:
    """The booked breaks of everybody. Nothing is kept outside the store.

    Every method may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where they are kept.
        settings: choices, allowance, gap.
        day_turns: local time at which a duty day begins.
        zone: the force's.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        settings: shifts.Breaks,
        day_turns: time,
        zone: tzinfo,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._settings = settings
        self._turns = day_turns
        self._zone = zone
        self._clock = clock

    def start(self, person: str, minutes: int, by: Actor | str, how: str = "") -> Break:
        """Start a break now.

        Args:
            person: whose.
            minutes: how long; from the shortest to the longest of the choices.
            by: who starts it: the person's own name, or an actor who may do so for them.
            how: how the name is known; an actor says so itself.

        Returns:
            The new break; or the one that runs already: a second click changes nothing.

        Raises:
            BreakRefusedError: the allowance or the gap is against it.
        """
        person, name, how = _who(person, by, how)
        settings = self._settings
        if not settings.enabled:
            raise StepRefusedError("breaks", "Breaks cannot be booked here.", CLAUSE)
        if not settings.choices[0] <= minutes <= settings.choices[-1]:
            raise StepRefusedError(
                "length",
                f"A break lasts from {settings.choices[0]} to {settings.choices[-1]} minutes.",
                CLAUSE,
            )
        with self._store.shifting() as (connection, change):
            now = self._clock().astimezone(UTC)
            found = self._recent(connection, person, now)
            if (running := running_of(found, now)) is not None:
                return running
            left = self._left(found, now)
            self._permit(minutes, left, now)
            values = {
                "person": person,
                "day": day_of(now, self._zone, self._turns),
                "begins": now,
                "ends": now + minutes * _MINUTE,
                "minutes": minutes,
                "ended_early": False,
                "by": name,
                "how": how,
                "change": change,
            }
            row = connection.execute(insert(table).values(values).returning(table)).one()
        return _from_row(row)

    def end(self, person: str, by: Actor | str, how: str = "") -> Break | None:
        """End somebody's running break now. What is left of it can be taken later.

        Args:
            person: whose.
            by: as for `start`.
            how: as for `start`.

        Returns:
            The break as it is then; None when none was running.
        """
        person, _, _ = _who(person, by, how)
        with self._store.shifting() as (connection, change):
            now = self._clock().astimezone(UTC)
            running = running_of(self._recent(connection, person, now), now)
            if running is None:
                return None
            # It may have been begun by a gateway whose clock is ahead of this one.
            ends = max(running.begins, now)
            row = connection.execute(
                update(table)
                .where(table.c.id == running.id)
                .values(
                    ends=ends,
                    minutes=_lasted(running.begins, ends),
                    ended_early=True,
                    change=change,
                )
                .returning(table)
            ).one()
        return _from_row(row)

    def running(self, person: str) -> Break | None:
        """The break that somebody (canonical name) is in now."""
        now = self._clock()
        with self._store.reading() as connection:
            return running_of(self._recent(connection, person, now), now)

    def today(self, person: str) -> tuple[Break, ...]:
        """The breaks of somebody's (canonical name) present duty day, in order."""
        day = day_of(self._clock(), self._zone, self._turns)
        return self.of_days(person, day, day)

    def of_days(self, person: str, first: date, last: date) -> tuple[Break, ...]:
        """The breaks of somebody (canonical name) on duty days, both included, in order."""
        question = (
            select(table)
            .where(table.c.person == person, table.c.day.between(first, last))
            .order_by(table.c.begins, table.c.id)
        )
        with self._store.reading() as connection:
            return tuple(map(_from_row, connection.execute(question)))

    def left(self, person: str) -> Left:
        """What somebody (canonical name) has left now."""
        now = self._clock().astimezone(UTC)
        with self._store.reading() as connection:
            return self._left(self._recent(connection, person, now), now)

    # --- inside -----------------------------------------------------------------------------

    def _recent(self, connection: Connection, person: str, now: datetime) -> tuple[Break, ...]:
        """All that matter now: those of this duty day, and what lasted until just before it."""
        day = day_of(now, self._zone, self._turns)
        since = now - _LONGEST - self._settings.gap * _MINUTE
        return tuple(
            map(
                _from_row,
                connection.execute(
                    select(table)
                    .where(
                        table.c.person == person, or_(table.c.day >= day, table.c.begins >= since)
                    )
                    .order_by(table.c.begins, table.c.id)
                ),
            )
        )

    def _left(self, found: Iterable[Break], now: datetime) -> Left:
        return left_of(found, now, self._settings, self._turns, self._zone)

    def _permit(self, minutes: int, left: Left, now: datetime) -> None:
        """Whether the allowance and the gap let a break of that length begin now."""
        if left.may_start_at > now:
            said = f"The next break can start at {self._time(left.may_start_at, now)}"
            if left.minutes < self._settings.choices[0]:
                said = (
                    f"Of today's {self._settings.allowance} minutes of breaks"
                    f" {_minutes(left.minutes)} left. {said}"
                )
                raise BreakRefusedError("allowance", f"{said}.", left)
            said += f": there are {self._settings.gap} minutes between two"
            raise BreakRefusedError("gap", f"{said}.", left)
        if minutes > left.minutes:
            raise BreakRefusedError(
                "allowance",
                f"Of today's {self._settings.allowance} minutes of breaks"
                f" {_minutes(left.minutes)} left: a break now lasts at most that.",
                left,
            )

    def _time(self, at: datetime, now: datetime) -> str:
        """A moment as people say it."""
        local = at.astimezone(self._zone)
        same = local.date() == now.astimezone(self._zone).date()
        return f"{local:%H:%M}" if same else f"{local:%H:%M on %A %-d %B}"


def running_of(found: Iterable[Break], now: datetime) -> Break | None:
    """The break among these that has not ended.

    One that begins later than now was begun by a gateway whose clock is ahead; it runs.
    """
    return max(
        (each for each in found if each.ends > now), key=lambda each: each.ends, default=None
    )


class Taken(Protocol):
    """What of a break counts for others."""

    @property
    def day(self) -> date:
        """The duty day whose allowance it takes."""

    @property
    def ends(self) -> datetime:
        """Aware; excluded."""

    @property
    def minutes(self) -> int:
        """What it takes of the allowance."""


def left_of(
    found: Iterable[Taken], now: datetime, settings: shifts.Breaks, turns: time, zone: tzinfo
) -> Left:
    """What is left of a day's breaks.

    Args:
        found: somebody's breaks: all of this duty day, and the last one before it.
        now: aware.
        settings: choices, allowance, gap.
        turns: local time at which a duty day begins.
        zone: the force's.
    """
    found = tuple(found)
    day = day_of(now, zone, turns)
    _, next_day = bounds(day, zone, turns)
    left = max(0, settings.allowance - sum(each.minutes for each in found if each.day >= day))
    may_start = max((now, *(each.ends + settings.gap * _MINUTE for each in found)))
    if left < settings.choices[0]:
        may_start = max(may_start, next_day)
    if may_start > now:
        # People read hours and minutes: at the time that they read, it is to be true.
        may_start = _whole_minute(may_start)
    offered = tuple(each for each in settings.choices if each <= left) if may_start <= now else ()
    return Left(left, may_start, offered)


def _lasted(begins: datetime, ends: datetime) -> int:
    """Minutes, rounded up; at least one, so that a thousand short ones are not free."""
    return max(1, -((begins - ends) // _MINUTE))


def _whole_minute(at: datetime) -> datetime:
    """That minute, or the next one if it has begun."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + _MINUTE


def _minutes(number: int) -> str:
    if number == 0:
        return "none are"
    return "1 minute is" if number == 1 else f"{number} minutes are"


def _who(person: str, by: Actor | str, how: str) -> tuple[str, str, str]:
    """Whose break, started by whom, known how; refused where the one has no say in the other's."""
    person = rules.name_of(person)
    if isinstance(by, str):
        name, allowed = rules.name_of(by), False
    else:
        name, how = by.name, by.how
        allowed = by.at_the_machine or person in by.manages
    if name != person and not allowed:
        raise StepRefusedError(
            "role", "Breaks are one's own: nobody starts or ends another's.", CLAUSE
        )
    return person, name, how


def _from_row(row: Row[Any]) -> Break:
    return Break(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
