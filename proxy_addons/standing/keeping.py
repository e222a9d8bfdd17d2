"""How long personal use is kept: what is over for long enough is folded or taken away.

In: the store, the periods of the settings, the present duty day.
Out: minutes as totals; old figures, duties and addresses gone.
Must never: take away what is evidence (acknowledgements, statements, looks at figures, the steps of
reviews: triggers hold them); hold other writers up for longer than one day's rows take.

Once a duty day, by whichever worker of all gateways comes first: the row `keeping` of `versions`
has the day for which it was done. All of it goes by age alone: a day that was missed is made up for
by the next.
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
from proxy_addons.standing.minutes import KEEP, fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from proxy_addons.settings.shifts import Keep
    from proxy_addons.standing.store import Store

PORTIONS: Final = 60
"""Transactions of one run. A setting that was lowered by a year may need several runs, one each
hour: meanwhile others write, and what was counted is written down."""
_PORTIONS_KEPT: Final = 31  # days; a worker that has refused nobody for so long begins anew
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
    if not _claimed(store, today):
        return None
    finished = False
    try:
        done = list(islice(_portions(store, periods, today), PORTIONS + 1))
        finished = len(done) <= PORTIONS
    finally:
        if not finished:
            _give_back(store, today)
    return Kept(sum(done), finished)


def _claimed(store: Store, today: date) -> bool:
    row, day = tables.versions, today.toordinal()
    mine = row.c.name == tables.KEEPING
    with store.looking() as connection:
        if connection.execute(select(row.c.version).where(mine)).scalar_one() == day:
            return False
    with store.noting() as connection:
        # Another day, not a later one: a gateway whose clock was ahead must not end this for good.
        claim = update(row).where(mine, row.c.version != day).values(version=day)
        return connection.execute(claim).rowcount == 1


def _give_back(store: Store, today: date) -> None:
    """Somebody goes on with it within the hour, or tomorrow if this too fails."""
    row = tables.versions
    mine = (row.c.name == tables.KEEPING) & (row.c.version == today.toordinal())
    with store.noting() as connection:
        connection.execute(update(row).where(mine).values(version=today.toordinal() - 1))


def _portions(store: Store, periods: Keep, today: date) -> Iterator[int]:
    """One transaction each; how many rows it changed."""
    closing = today - timedelta(days=KEEP)
    yield fold(store, closing)
    yield forget(store, begin_of(closing, UTC))
    oldest = today - timedelta(days=periods.figures)
    for table in _DAILY:
        yield from _days(store, table, oldest)
    yield from _duties(store, today - timedelta(days=periods.duties))
    yield from _reviews(store, begin_of(today - timedelta(days=periods.reviews), UTC))
    unused = shifts.refusal_portions
    with store.noting() as connection:
        over = unused.c.day < today - timedelta(days=_PORTIONS_KEPT)
        yield connection.execute(delete(unused).where(over)).rowcount


def _days(store: Store, table: Table, before: date) -> Iterator[int]:
    """Take away all days before one, the oldest first, each by itself."""
    day = table.c.day
    while True:
        with store.looking() as connection:
            oldest = connection.execute(select(func.min(day))).scalar_one()
        if oldest is None or oldest >= before:
            return
        with store.noting() as connection:
            yield connection.execute(delete(table).where(day == oldest)).rowcount


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
        some = and_(over, columns.begins < first + _DAY)
        with store.noting() as connection:
            yield connection.execute(delete(shifts.duties).where(some)).rowcount
    with store.looking() as connection:
        old = select(cover.c.person).where(cover.c.first < before).limit(1)
        if connection.execute(old).first() is None:
            return
    with store.noting() as connection:
        gone = connection.execute(delete(cover).where(cover.c.last < before)).rowcount
        cut = update(cover).where(cover.c.first < before).values(first=before)
        yield gone + connection.execute(cut).rowcount


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
        with store.noting() as connection:
            yield _shorten(connection, question)


def _shorten(connection: Connection, question: Any) -> int:
    rows = connection.execute(question).all()
    for row in rows:
        parts = urlsplit(row.url)
        site = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
        connection.execute(
            update(shifts.reviews).where(shifts.reviews.c.id == row.id).values(url=site)
        )
    return len(rows)
