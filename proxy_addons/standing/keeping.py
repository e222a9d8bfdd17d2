"""How long personal use is kept: what is over for long enough is folded or taken away.

In: the store, the periods of the settings, the present duty day.
Out: minutes as totals; old figures, duties and addresses gone.
Must never: take away what is evidence (acknowledgements, statements, looks at figures, the steps of
reviews: triggers hold them); hold other writers up for longer than one day's rows take.

Once a duty day, by whichever worker of all gateways comes first: the row `keeping` of `versions`
has the day for which it was done. All of it goes by age alone: a day that was missed is made up for
by the next. After a leap of the clock nothing is taken away before the next duty day: it may be the
clock that is wrong, and what is gone does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import and_, delete, func, or_, select, update

from proxy_addons.standing import tables
from proxy_addons.standing import tables_shifts as shifts
from proxy_addons.standing.confirmations import forget
from proxy_addons.standing.dates import begin_of
from proxy_addons.standing.minutes import KEEP, folding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Delete, Table, Update

    from proxy_addons.settings.shifts import Keep
    from proxy_addons.standing.store import Store

PORTIONS: Final = 4
"""Transactions of one run. Minutes are written in between: a large force's day, or a period that
was made shorter by a year, takes several runs."""
LEAP: Final = 7
"""Days between two runs from which on nothing is taken away in the second."""
_PORTIONS_KEPT: Final = timedelta(days=31)  # a worker that has refused nobody so long begins anew
_AT_ONCE: Final = 500  # reviews

_DAILY: Final = (shifts.minute_totals, shifts.breaks, shifts.refusals)
"""Figures: by their duty day."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run did.

    Attributes:
        rows: taken away, folded or shortened.
        finished: whether nothing is left to do.
    """

    rows: int
    finished: bool


def keep(store: Store, periods: Keep, today: date) -> Kept | None:
    """Do what is to be done on a duty day, unless somebody else does or has done it. Blocks.

    Args:
        store: the standing store.
        periods: `personal_use.keep`.
        today: the present duty day.

    Returns:
        None: it is done, or another worker is at it.

    Raises:
        StandingUnavailableError: the store does not answer; the rest is done next time.
    """
    before = _claimed(store, today)
    if before is None:
        return None
    finished = False
    try:
        portions = _portions(store, periods, today)
        if abs(today.toordinal() - before) > LEAP:
            portions = _folded(store, today)
        done = list(islice(portions, PORTIONS + 1))
        finished = len(done) <= PORTIONS
    finally:
        if not finished:
            _give_back(store, today, before)
    return Kept(sum(done), finished)


def _claimed(store: Store, today: date) -> int | None:
    """The day of the run before, if this one is now ours; None: it is somebody else's."""
    row, day = tables.versions, today.toordinal()
    mine = row.c.name == tables.KEEPING
    with store.looking() as connection:
        before: int = connection.execute(select(row.c.version).where(mine)).scalar_one()
    if before == day:
        return None
    with store.noting() as connection:
        # Another day, not a later one: a gateway whose clock was ahead must not end this for good.
        claim = update(row).where(mine, row.c.version == before).values(version=day)
        return before if connection.execute(claim).rowcount == 1 else None


def _give_back(store: Store, today: date, before: int) -> None:
    """Whoever comes next goes on with it; tomorrow, if this too fails."""
    row = tables.versions
    ours = (row.c.name == tables.KEEPING) & (row.c.version == today.toordinal())
    _change(store, update(row).where(ours).values(version=before))


def _portions(store: Store, periods: Keep, today: date) -> Iterator[int]:
    """One transaction each; how many rows it changed."""
    yield from _folded(store, today)
    oldest = today - timedelta(days=periods.figures)
    for table in _DAILY:
        yield from _days(store, table, oldest)
    yield from _duties(store, today - timedelta(days=periods.duties))
    yield from _reviews(store, begin_of(today - timedelta(days=periods.reviews), UTC))
    unused = shifts.refusal_portions
    yield _change(store, delete(unused).where(unused.c.day < today - _PORTIONS_KEPT))


def _folded(store: Store, today: date) -> Iterator[int]:
    """What loses no figure, whatever the clock."""
    closing = today - timedelta(days=KEEP)
    yield from folding(store, closing)
    yield forget(store, begin_of(closing, UTC))


def _days(store: Store, table: Table, before: date) -> Iterator[int]:
    """Take away all days before one, the oldest first, each by itself."""
    day = table.c.day
    while True:
        with store.looking() as connection:
            oldest = connection.execute(select(func.min(day))).scalar_one()
        if oldest is None or oldest >= before:
            return
        yield _change(store, delete(table).where(day == oldest))


def _duties(store: Store, before: date) -> Iterator[int]:
    """Take away duties that ended before a day, and have the rota begin with that day.

    No worker has to hear of it: they hold the present alone.
    """
    columns, cover = shifts.duties.c, shifts.rota_cover
    over = columns.ends <= begin_of(before, UTC)
    while True:
        with store.looking() as connection:
            first = connection.execute(select(func.min(columns.begins)).where(over)).scalar_one()
        if first is None:
            break
        yield _change(store, delete(shifts.duties).where(over, columns.begins < first + _DAY))
    with store.looking() as connection:
        old = select(cover.c.person).where(cover.c.first < before).limit(1)
        if connection.execute(old).first() is None:
            return
    yield _change(store, delete(cover).where(cover.c.last < before))
    yield _change(store, update(cover).where(cover.c.first < before).values(first=before))


def _reviews(store: Store, before: datetime) -> Iterator[int]:
    """Of reviews that ended before a moment, keep the site, not the page of it.

    What was asked, decided and answered stays with its steps: it says who opened what, and why.
    """
    columns = shifts.reviews.c
    over = or_(
        and_(columns.state == "declined", columns.decided_at < before), columns.until < before
    )
    more_than_a_site = columns.url.like("%://%/_%")
    question = select(columns.id, columns.url).where(over, more_than_a_site).limit(_AT_ONCE)
    while True:
        with store.looking() as connection:
            if connection.execute(question).first() is None:
                return
        yield _shorten(store, question)


def _shorten(store: Store, question: Any) -> int:
    with store.noting() as connection:
        rows = connection.execute(question).all()
        for row in rows:
            parts = urlsplit(row.url)
            site = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
            connection.execute(
                update(shifts.reviews).where(shifts.reviews.c.id == row.id).values(url=site)
            )
    return len(rows)


def _change(store: Store, statement: Delete | Update) -> int:
    """One transaction, which has ended before anybody goes on: none is held open between two."""
    with store.noting() as connection:
        return connection.execute(statement).rowcount
