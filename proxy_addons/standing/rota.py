"""The rota in the standing store: who is on duty when, as the force's duty system says.

In: the store, names, days. Out: duties and cover of a person; how the rota stands.
Must never: change anything: rota_import.py does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from proxy_addons.standing.dates import begin_of, end_of
from proxy_addons.standing.tables_shifts import duties, rota_cover, rota_imports

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from proxy_addons.standing.store import Store

_SHOWN: Final = 20  # imports, in a status


@dataclass(frozen=True, slots=True)
class Duty:
    """One entry of the rota.

    Attributes:
        person: canonical login name.
        begins: in UTC.
        ends: in UTC, later, excluded.
        kind: in the duty system's words, lower case (`early`, `overtime`).
        source: name of the file that it came from.
    """

    person: str
    begins: datetime
    ends: datetime
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Cover:
    """The days for which the rota knows somebody: within them, no duty means off duty.

    Attributes:
        first: duty day (dutyday.py: it turns at a configured hour).
        last: duty day, included.
    """

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Import:
    """An import that was made.

    Attributes:
        at: when, in UTC.
        by: canonical login name of whoever made it.
        source: name of the file.
        digest: SHA-256 of its bytes, in hex.
        rows: entries in it.
        added: duties.
        removed: duties.
    """

    at: datetime
    by: str
    source: str
    digest: str
    rows: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Status:
    """How the rota stands.

    Attributes:
        people: whom it knows at all.
        covered: whom it knows today.
        on_duty: on duty now.
        ending: covered today, and not in a week.
        last: the last day for which it knows anybody, or None.
        imports: the last ones, newest first.
    """

    people: int
    covered: int
    on_duty: int
    ending: int
    last: date | None
    imports: tuple[Import, ...]


class Rota:
    """The rota. Blocks: callers use threads."""

    def __init__(
        self,
        store: Store,
        zone: tzinfo,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Use a store.

        Args:
            store: opened.
            zone: the force's: days are its days.
            clock: the present moment, aware.
        """
        self._store = store
        self._zone = zone
        self._clock = clock

    def duties(self, person: str, first: date, last: date) -> tuple[Duty, ...]:
        """Duties of a person that touch these local days, in order.

        Args:
            person: canonical login name.
            first: local day.
            last: local day, included.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        columns = duties.c
        question = (
            select(columns.person, columns.begins, columns.ends, columns.kind, columns.source)
            .where(
                columns.person == person,
                columns.begins < end_of(last, self._zone),
                columns.ends > begin_of(first, self._zone),
            )
            .order_by(columns.begins, columns.ends, columns.kind)
        )
        with self._store.reading() as connection:
            return tuple(Duty(*row) for row in connection.execute(question))

    def cover(self, person: str) -> Cover | None:
        """For which days the rota knows somebody; None: not at all.

        Args:
            person: canonical login name.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        question = select(rota_cover.c.first, rota_cover.c.last)
        with self._store.reading() as connection:
            row = connection.execute(question.where(rota_cover.c.person == person)).one_or_none()
        return None if row is None else Cover(*row)

    def status(self) -> Status:
        """How the rota stands.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        now = self._clock()
        today = now.astimezone(self._zone).date()
        covers = rota_cover.c
        there = select(func.count()).select_from(rota_cover)
        here = there.where(covers.first <= today, covers.last >= today)
        on_duty = select(func.count(duties.c.person.distinct())).where(
            duties.c.begins <= now, duties.c.ends > now
        )
        columns = rota_imports.c
        imports = select(
            *(columns.at, columns.by, columns.source, columns.digest),
            *(columns.rows, columns.added, columns.removed),
        ).order_by(columns.id.desc())
        with self._store.reading() as connection:
            ask = connection.execute
            return Status(
                people=ask(there).scalar_one(),
                covered=ask(here).scalar_one(),
                on_duty=ask(on_duty).scalar_one(),
                ending=ask(here.where(covers.last < today + timedelta(days=7))).scalar_one(),
                last=ask(select(func.max(covers.last))).scalar_one(),
                imports=tuple(Import(*row) for row in ask(imports.limit(_SHOWN))),
            )
