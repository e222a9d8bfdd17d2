"""What has changed in personal use since the last reading, or all of the present: the statements.

In: a store, what the worker holds. Out: `News`: values that the view takes over in one step.
Must never: change the view; read rows that nobody asks about any more.

Blocks: callers use a thread. Each change has a version, higher than all that were committed before
it (`Store.shifting`), so that "all rows above the version that was read" is all that is new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, func, select, true, type_coerce

from proxy_addons.standing import tables
from proxy_addons.standing import tables_shifts as shifts
from proxy_addons.standing.dayfacts import (
    NOBODY_KNOWN,
    Allowed,
    Duty,
    Facts,
    LiveBreak,
    Sites,
    Used,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from sqlalchemy import ColumnElement, Connection, Row

    from proxy_addons.standing.dayview import DayView
    from proxy_addons.standing.dutydays import Days
    from proxy_addons.standing.store import Store

BEFORE: Final = timedelta(hours=26)  # a duty that ended longer ago is no part of the present
AHEAD: Final = timedelta(hours=50)  # nor is one that begins later
_DAY: Final = timedelta(days=1)
_HELD: Final = 5000  # rows

_CHANGING: Final = {
    "breaks": shifts.breaks,
    "minutes": shifts.minutes,
    "rota": shifts.rota_cover,
    "confirmations": shifts.confirmations,
    "acknowledgements": shifts.acknowledgements,
    "reviews": shifts.reviews,
    "sites": shifts.site_categories,
}
_LOOK: Final = select(
    select(tables.versions.c.version)
    .where(tables.versions.c.name == tables.SHIFTS)
    .scalar_subquery()
    .label("version"),
    *(
        select(func.max(table.c.change)).scalar_subquery().label(name)
        for name, table in _CHANGING.items()
    ),
)
"""One statement; each part is one step into an index."""


@dataclass(frozen=True, slots=True)
class News:
    """What a reading found.

    Attributes:
        version: of the store: all changes up to it are in here, or were before.
        whole: whether `facts` are all there are, and people who are not in it have none.
        facts: of the people about whom something has changed.
        sites: for everybody; None: unchanged.
        used: minutes of people in duty days.
        horizon: until when the duties are known.
        first_day: the duty day before which minutes need not be held.
    """

    version: int
    whole: bool
    facts: Mapping[str, Facts]
    sites: Sites | None
    used: Mapping[tuple[date, str], Used]
    horizon: datetime | None = None
    first_day: date | None = None


@dataclass(slots=True)
class _Draft:
    """Facts of a person while they are put together."""

    breaks: dict[int, LiveBreak] = field(default_factory=dict)
    duties: list[Duty] = field(default_factory=list)
    cover: tuple[date, date] | None = None
    confirmed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    allowed: dict[int, Allowed] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Facts) -> _Draft:
        return cls(
            dict(facts.breaks),
            list(facts.duties),
            facts.cover,
            dict(facts.confirmed),
            dict(facts.acknowledged),
            dict(facts.allowed),
        )

    def facts(self, stamp: int) -> Facts:
        return Facts(
            stamp,
            _kept(self.breaks),
            tuple(self.duties),
            self.cover,
            _kept(self.confirmed),
            _kept(self.acknowledged),
            _kept(self.allowed),
        )


def _kept[K, V](values: dict[K, V]) -> Mapping[K, V]:
    # Most people have nothing of most kinds: one empty mapping is enough for all of them.
    return MappingProxyType(values) if values else _EMPTY


_EMPTY: Final[Mapping[Any, Any]] = NOBODY_KNOWN.breaks


class _Gathering:
    """What is put together in one reading.

    Args:
        view: what the worker holds.
        now: aware.
        whole: whether everything is read, so that nothing of what the worker holds is taken over.
    """

    def __init__(self, view: DayView, now: datetime, *, whole: bool) -> None:
        self._view = view
        self._now = now
        self._whole = whole
        self._drafts: dict[str, _Draft] = {}
        self._sites = Sites() if whole else view.sites
        self._categories = dict(self._sites.categories)
        self._allowed = dict(self._sites.allowed)
        self._days: Days = view.days_apart()
        self._today = self._days.at(now).date
        self._used: dict[tuple[date, str], Used] = {}

    def of(self, person: str) -> _Draft:
        draft = self._drafts.get(person)
        if draft is None:
            known = None if self._whole else self._view.facts.get(person)
            draft = _Draft() if known is None else _Draft.of(known)
            self._drafts[person] = draft
        return draft

    def gather(self, kind: str, connection: Connection, since: ColumnElement[bool]) -> None:
        """Read one of the kinds of `_CHANGING`, as far as it is since some version."""
        getattr(self, kind)(connection, since)

    def breaks(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns, first = shifts.breaks.c, self._today - _DAY  # a break may end after its day
        for row in _rows(
            connection,
            columns.id,
            columns.person,
            columns.day,
            columns.begins,
            columns.ends,
            columns.minutes,
            where=since & (columns.day >= first),
        ):
            breaks = self.of(row.person).breaks
            breaks[row.id] = LiveBreak(row.begins, row.ends, row.day, row.minutes)
            for old in [key for key, each in breaks.items() if each.day < first]:
                del breaks[old]

    def rota(self, connection: Connection, since: ColumnElement[bool]) -> None:
        """Duties of all whose rota has changed: whole, since some may have been taken away."""
        cover, duties = shifts.rota_cover.c, shifts.duties.c
        for row in _rows(connection, cover.person, cover.first, cover.last, where=since):
            draft = self.of(row.person)
            draft.cover = (row.first, row.last)
            draft.duties.clear()
        for duty in connection.execute(
            select(duties.person, duties.begins, duties.ends)
            .join_from(shifts.duties, shifts.rota_cover, duties.person == cover.person)
            .where(since, duties.ends > self._now - BEFORE, duties.begins < self._now + AHEAD)
            .order_by(duties.begins)
        ):
            self.of(duty.person).duties.append(Duty(duty.begins, duty.ends))

    def confirmations(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns = shifts.confirmations.c
        for row in _rows(
            connection,
            columns.person,
            columns.rule,
            columns.site,
            columns.until,
            where=since & (columns.until > self._now),
        ):
            _longest(self.of(row.person).confirmed, (row.rule, row.site), row.until)

    def acknowledgements(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns = shifts.acknowledgements.c
        for row in _rows(
            connection,
            columns.person,
            columns.version,
            columns.until,
            where=since & (columns.until > self._now),
        ):
            _longest(self.of(row.person).acknowledged, row.version, row.until)

    def reviews(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns = shifts.reviews.c
        where = since
        if self._whole:
            where &= (columns.state == "allowed") & (
                columns.until.is_(None) | (columns.until > self._now)
            )
        for row in _rows(
            connection,
            columns.id,
            columns.reference,
            columns.person,
            columns.url_host,
            columns.state,
            columns.until,
            columns.everybody,
            where=where,
        ):
            own = self.of(row.person).allowed
            own.pop(row.id, None)
            self._allowed.pop(row.id, None)
            if row.state == "allowed":
                allowed = self._allowed if row.everybody else own
                allowed[row.id] = Allowed(row.url_host, row.until, row.reference)

    def sites(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns = shifts.site_categories.c
        for row in _rows(connection, columns.host, columns.categories, where=since):
            if row.categories:
                self._categories[row.host] = frozenset(row.categories)
            else:
                self._categories.pop(row.host, None)  # taken back

    def minutes(self, connection: Connection, since: ColumnElement[bool]) -> None:
        columns = shifts.minutes.c
        # As the driver gives it: a day has 1,440 of them, and a force of 13,000 people comes to
        # many times as many rows, most of which say a minute that was made out already.
        minute = type_coerce(columns.minute, String)
        question = select(columns.person, minute, columns.social).where(
            since, columns.day >= self._today
        )
        # Of a whole day they are many: they are not all held at once.
        options = {"yield_per": _HELD} if self._whole else {}
        known: dict[Any, tuple[date, int]] = {}
        found: dict[tuple[date, str], list[int]] = {}
        for person, kept, social in connection.execute(question, execution_options=options):
            place = known.get(kept)
            if place is None:
                place = known[kept] = self._place(kept)
            day, bit = place
            used = found.get((day, person))
            if used is None:
                used = found[day, person] = [0, 0]
            used[0] |= bit
            if social:
                used[1] |= bit
        for key, (personal, of_social) in found.items():
            self._used[key] = Used(personal, of_social)

    def _place(self, kept: str | datetime) -> tuple[date, int]:
        """The duty day of a minute, and its bit there."""
        moment = datetime.fromisoformat(kept) if isinstance(kept, str) else kept
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        day = self._days.at(moment)
        return day.date, 1 << day.minute(moment)

    def news(self, version: int) -> News:
        facts: dict[str, Facts] = {}
        for person, draft in self._drafts.items():
            before = self._view.facts.get(person)
            found = draft.facts(0)
            if found == before:
                if self._whole:
                    facts[person] = before  # with its stamp
            else:
                facts[person] = draft.facts(self._view.new_stamp())
        sites = Sites(self._categories, self._allowed)
        return News(
            version,
            self._whole,
            facts,
            None if sites == self._view.sites else sites,
            self._used,
            self._now + AHEAD if self._whole else None,
            self._today - _DAY if self._whole else None,
        )


def read_changed(store: Store, version: int, view: DayView, now: datetime) -> News | None:
    """What has changed since a version: one cheap statement, and one for each kind of change.

    Args:
        store: the store.
        version: that all changes are known up to.
        view: what the worker holds.
        now: aware.

    Returns:
        None: nothing has. Everything, when the store is older than what is known: a backup.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    with store.looking() as connection:
        look = connection.execute(_LOOK).one()
        if look.version == version:
            return None
        if look.version > version:
            gathering = _Gathering(view, now, whole=False)
            for kind, table in _CHANGING.items():
                newest = getattr(look, kind)
                # What is committed between the look and this statement may be in it as well; it is
                # read again then, which changes nothing.
                if newest is not None and newest > version:
                    gathering.gather(kind, connection, table.c.change > version)
            return gathering.news(look.version)
    return read_whole(store, view, now)


def read_whole(store: Store, view: DayView, now: datetime, *, since: int | None = None) -> News:
    """All of the present.

    Args:
        store: the store.
        view: what the worker holds.
        now: aware.
        since: a version up to which the minutes are known: they are only ever added.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    versions = tables.versions.c
    with store.reading() as connection:
        version = connection.execute(
            select(versions.version).where(versions.name == tables.SHIFTS)
        ).scalar_one()
        gathering = _Gathering(view, now, whole=True)
        for kind, table in _CHANGING.items():
            known = since is not None and kind == "minutes"
            gathering.gather(kind, connection, table.c.change > since if known else true())
    return gathering.news(version)


def _rows(
    connection: Connection, *columns: ColumnElement[Any], where: ColumnElement[bool]
) -> Iterator[Row[Any]]:
    return iter(connection.execute(select(*columns).where(where)))


def _longest[K](values: dict[K, datetime], key: K, until: datetime) -> None:
    known = values.get(key)
    if known is None or known < until:
        values[key] = until
