"""Minutes of personal use: counted in memory by each worker, written down every few seconds.

In: a person, a moment, whether it was a social network. Out: one row a person and minute in the
store; totals of days that are over.
Must never: ask the store while a request waits; forget a minute because the store has gone; count
one twice, whichever workers saw it.
"""

from __future__ import annotations

import json
import threading
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Date, Integer, bindparam, cast, delete, func, select, text

from proxy_addons.standing.dayfacts import UNUSED, Used
from proxy_addons.standing.dutydays import MINUTE
from proxy_addons.standing.journal import Entry
from proxy_addons.standing.tables_shifts import minute_totals, minutes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import date, datetime

    from proxy_addons.standing.dutydays import Day, Days
    from proxy_addons.standing.journal import Journal
    from proxy_addons.standing.store import Store

FLUSH: Final = 5.0  # seconds between two writings
ROWS: Final = 5000  # of one statement: all of a force's people in one minute are three of them
PEOPLE: Final = 500  # whose minutes of a day are folded at once
KEEP: Final = 8  # duty days whose minutes are kept one by one
MOST_DAYS: Final = 31
"""Duty days for which a worker keeps minutes while no store takes them."""

type Pending = dict[tuple[Day, str], Used]

# One statement for all rows, with as many parameters as columns: SQLAlchemy would put a parameter
# for each value of each row into it, and make it anew each time. A minute that is there already
# stays as it is, unless it has become one of social networks.
_POSTGRES: Final = text(
    """INSERT INTO minutes (person, minute, day, social, change)
    SELECT person, minute, day, social, CAST(:change AS bigint)
    FROM unnest(CAST(:people AS varchar[]), CAST(:moments AS timestamptz[]),
                CAST(:days AS date[]), CAST(:socials AS boolean[]))
         AS counted (person, minute, day, social)
    ON CONFLICT (person, minute) DO UPDATE SET social = excluded.social, change = excluded.change
    WHERE excluded.social AND NOT minutes.social"""
)
_SQLITE: Final = text(
    """INSERT INTO minutes (person, minute, day, social, change)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), :change
    FROM json_each(:rows) WHERE true
    ON CONFLICT (person, minute) DO UPDATE SET social = excluded.social, change = excluded.change
    WHERE excluded.social AND NOT minutes.social"""
)

_ADD_UP: Final = text(
    """INSERT INTO minute_totals (person, day, personal, social)
    SELECT person, day, count(*), sum(CASE WHEN social THEN 1 ELSE 0 END)
    FROM minutes WHERE day = :day AND person IN :people GROUP BY person, day
    ON CONFLICT (person, day) DO UPDATE SET
        personal = minute_totals.personal + excluded.personal,
        social = minute_totals.social + excluded.social"""
).bindparams(bindparam("day", type_=Date), bindparam("people", expanding=True))


class Row(NamedTuple):
    """A minute of personal use.

    Attributes:
        person: canonical name.
        minute: its beginning; aware, UTC.
        day: the duty day that it is in.
        social: whether it was one of social networks.
    """

    person: str
    minute: datetime
    day: date
    social: bool


class Total(NamedTuple):
    """Minutes of a duty day.

    Attributes:
        personal: all of them.
        social: those of social networks among them.
    """

    personal: int = 0
    social: int = 0


class Tally:
    """Minutes that are not yet written down. Counted in one thread, written in another.

    It holds two numbers a person and duty day, so that its memory is bounded however long the store
    is away; of the duty days before the last 31 it keeps nothing.

    Args:
        day_at: the duty day that a moment is in.
    """

    def __init__(self, day_at: Callable[[datetime], Day]) -> None:
        self._day_at = day_at
        self._lock = threading.Lock()
        self._pending: Pending = {}
        self._taken: Pending = {}  # what is being written
        self._journal: Journal | None = None

    def __len__(self) -> int:
        """How many people's days have minutes that are not yet written down."""
        return len(self._pending.keys() | self._taken.keys())

    def count(self, person: str, at: datetime, social: bool) -> None:
        """Count the minute that a moment is in. Cheap; once or often, it is one minute.

        Args:
            person: canonical name.
            at: aware.
            social: whether it was a social network.
        """
        day = self._day_at(at)
        self.put(day, person, Used.of(day.minute(at), social=social))

    def put(self, day: Day, person: str, used: Used) -> None:
        """Count several minutes of a day."""
        key = (day, person)
        with self._lock:
            before = self._pending.get(key, UNUSED)
            after = self._pending[key] = before | used
            if after != before and self._journal is not None:
                for row in rows_of({key: used}):
                    self._journal.add(row.person, row.minute, social=row.social)

    def journal_in(self, journal: Journal | None) -> None:
        """Keep what is not yet written down in a journal from now on, or in none."""
        with self._lock:
            self._journal = journal
            self._keep()

    def flush(self, store: Store) -> int:
        """Write down what was counted. Blocks. What could not be written stays for the next time.

        Returns:
            How many minutes were written, those included that others had written before.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        with self._lock:
            taken = self._taken = self._pending
            self._pending = {}
        written = 0
        try:
            while part := _part(taken):
                rows = list(rows_of(part))
                write(store, rows)
                written += len(rows)
                for key in part:
                    del taken[key]
        finally:
            self._take_back()
        return written

    def _take_back(self) -> None:
        with self._lock:
            taken, self._taken = self._taken, {}
            if not taken:
                self._keep()  # all that it had before is in the store
                return
            for key, used in taken.items():
                self._pending[key] = self._pending.get(key, UNUSED) | used
            days = sorted({day.date for day, _ in self._pending})
            if len(days) > MOST_DAYS:
                oldest = days[-MOST_DAYS]
                for key in [key for key in self._pending if key[0].date < oldest]:
                    del self._pending[key]

    def _keep(self) -> None:
        if self._journal is not None:
            rows = rows_of(self._pending)
            self._journal.keep_only(Entry(row.person, row.minute, row.social) for row in rows)


def _part(pending: Pending) -> Pending:
    """So many of them as one statement takes; one at least, where there is one."""
    part: Pending = {}
    rows = 0
    for key, used in pending.items():
        rows += used.personal.bit_count()
        if part and rows > ROWS:
            break
        part[key] = used
    return part


def rows_of(pending: Mapping[tuple[Day, str], Used]) -> Iterator[Row]:
    """One row for each minute."""
    for (day, person), used in pending.items():
        left = used.personal
        while left:
            bit = left & -left
            left ^= bit
            minute = day.begins + (bit.bit_length() - 1) * MINUTE
            yield Row(person, minute, day.date, bool(used.social & bit))


def write(store: Store, rows: Collection[Row]) -> None:
    """Write minutes down, each once: one change, one statement. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer; perhaps nothing is written, or all.
    """
    if not rows:
        return
    values: dict[str, Any]
    if store.is_postgres:
        people, moments, days, socials = zip(*rows, strict=True)
        values = {
            "people": list(people),
            "moments": list(moments),
            "days": list(days),
            "socials": list(socials),
        }
    else:
        dialect = store.engine.dialect
        as_kept = minutes.c.minute.type.dialect_impl(dialect).bind_processor(dialect)
        assert as_kept is not None
        values = {
            "rows": json.dumps(
                [
                    (row.person, as_kept(row.minute), row.day.isoformat(), int(row.social))
                    for row in rows
                ]
            )
        }
    with store.shifting() as (connection, change):
        connection.execute(_POSTGRES if store.is_postgres else _SQLITE, values | {"change": change})


def take_over(store: Store, entries: Iterable[Entry], days: Days) -> None:
    """Write down what another worker had counted. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    social: dict[tuple[str, datetime], bool] = {}
    for each in entries:
        key = (each.person, each.minute)
        social[key] = social.get(key, False) or each.social
    for some in batched(social.items(), ROWS):
        rows = [Row(name, minute, days.at(minute).date, each) for (name, minute), each in some]
        write(store, rows)


def used(store: Store, person: str, day: date) -> Total:
    """The minutes of a person in a duty day. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    return totals(store, (person,), day, day).get((person, day), Total())


def totals(
    store: Store, people: Collection[str], first: date, last: date
) -> dict[tuple[str, date], Total]:
    """The minutes of several people in several duty days. Blocks.

    Args:
        store: the store.
        people: canonical names.
        first: duty day.
        last: duty day, included.

    Returns:
        Person and duty day → minutes; nothing for days without any.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    closed, live = minute_totals.c, minutes.c
    wanted = sorted(set(people))
    found: dict[tuple[str, date], Total] = {}
    with store.reading() as connection:
        for row in connection.execute(
            select(closed.person, closed.day, closed.personal, closed.social).where(
                closed.person.in_(wanted), closed.day.between(first, last)
            )
        ):
            found[row.person, row.day] = Total(row.personal, row.social)
        for row in connection.execute(
            select(live.person, live.day, func.count().label("personal"), _social().label("social"))
            .where(live.person.in_(wanted), live.day.between(first, last))
            .group_by(live.person, live.day)
        ):
            # A day that was closed may get minutes of a worker that could not write before.
            before = found.get((row.person, row.day), Total())
            found[row.person, row.day] = Total(
                before.personal + row.personal, before.social + row.social
            )
    return found


def fold(store: Store, before_day: date) -> int:
    """Close the duty days before one: their minutes become one total a person. Blocks.

    Returns:
        How many minutes were folded.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    return sum(folding(store, before_day))


def folding(store: Store, before_day: date) -> Iterator[int]:
    """As `fold`, some people of a day at a time: everybody's minutes and breaks wait for each.

    Yields:
        How many minutes were folded, when they are.
    """
    day = minutes.c.day
    while True:
        with store.looking() as connection:
            oldest = connection.execute(select(func.min(day))).scalar_one()
            if oldest is None or oldest >= before_day:
                return
            some = select(minutes.c.person).where(day == oldest).distinct().limit(PEOPLE)
            people = list(connection.scalars(some))
        yield _close(store, oldest, people)


def _close(store: Store, day: date, people: list[str]) -> int:
    these = (minutes.c.day == day) & minutes.c.person.in_(people)
    # Nobody writes minutes meanwhile: what is added up is what is deleted.
    with store.shifting() as (connection, _):
        connection.execute(_ADD_UP, {"day": day, "people": people})
        return connection.execute(delete(minutes).where(these)).rowcount


def _social() -> Any:
    return func.sum(cast(minutes.c.social, Integer))
