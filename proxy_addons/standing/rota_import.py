"""Imports into the rota: duties of a file take the place of those that its people had.

In: a `RotaFile` (rota_csv.py, rota_ics.py), the store. Out: what changes, or has changed.
Must never: change anything of people who are not in the file, or outside its period; hold the
store's lock for long: people start breaks while 13,000 others get new duties.

An import is many short transactions, each of whole people: what is in the file was checked before
the first. One that is killed has imported some people and not others; the same file again does the
rest. A person of whom anything changes gets a new `change` in `rota_cover`: workers then read all
their duties again.
"""

from __future__ import annotations

import itertools
import time as clocks
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    ARRAY,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from proxy_addons.standing.actor import INFORMATION_SECURITY
from proxy_addons.standing.dates import begin_of, end_of
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.rota import Cover
from proxy_addons.standing.rota_plan import Changes, Count, Key, Plan, difference, joined_cover
from proxy_addons.standing.tables import NAME
from proxy_addons.standing.tables_shifts import duties, rota_cover, rota_imports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

    from sqlalchemy import Connection, Dialect, Select

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.rota_entries import Progress, RotaFile
    from proxy_addons.standing.store import Store

PERSONAL_USE: Final = "Inf/27 2.9.1"
PEOPLE: Final = 100
"""People in one transaction."""
PAUSE: Final = 0.02
"""Seconds between two transactions, in which others get the lock: SQLite has no queue for it."""
_ANALYSED: Final = 2_000
"""After so many new duties, and each time that they have doubled, PostgreSQL counts what there is:
of a table that it takes to be small it reads the whole period for each hundred people."""
_AT_ONCE: Final = 1000  # rows in one statement that names them

type _Row = tuple[str, datetime, datetime, str, str, int]


def may_import(actor: Actor) -> None:
    """Information security, and operators at the machine, import duty times.

    Raises:
        StepRefusedError: anybody else.
    """
    if not actor.may(INFORMATION_SECURITY):
        raise StepRefusedError(
            "role", "Only information security or an operator may import duty times.", PERSONAL_USE
        )


class RotaImport:
    """Imports files. Blocks: callers use threads."""

    def __init__(
        self,
        store: Store,
        zone: tzinfo,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], object] = clocks.sleep,
    ) -> None:
        """Use a store.

        Args:
            store: opened.
            zone: the force's: days are its days.
            clock: the present moment, aware.
            pause: waits so many seconds.
        """
        self._store = store
        self._zone = zone
        self._clock = clock
        self._pause = pause

    def preview(self, file: RotaFile, progress: Progress | None = None) -> Changes:
        """What an import would change. Nothing is written.

        Args:
            file: checked.
            progress: told what is being done.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        count = Count()
        for done, names in self._batches(file):
            with self._store.reading() as connection:
                plan = self._plan(connection, file, names)
            count.add(plan)
            if progress is not None:
                progress("comparing", done, len(file.people))
        return count.changes(len(file.people))

    def take_over(self, file: RotaFile, by: str, progress: Progress | None = None) -> Changes:
        """Replace the duties of the file's people within its period by those of the file.

        A file that changes nothing makes no new version, so that no worker reads anything.

        Args:
            file: checked.
            by: canonical login name of whoever imports it.
            progress: told what is being done.

        Raises:
            StandingUnavailableError: the store does not answer. Some people may have their new
                duties by then; the same file again does the rest.
        """
        count = Count()
        with self._store.noting() as connection:
            number = connection.execute(
                insert(rota_imports)
                .values(
                    at=self._clock(),
                    by=by,
                    source=file.name,
                    digest=file.digest,
                    rows=file.rows,
                    added=0,
                    removed=0,
                )
                .returning(rota_imports.c.id)
            ).scalar_one()
        analysed = _ANALYSED
        for done, names in self._batches(file):
            with self._store.reading() as connection:
                plan = self._plan(connection, file, names)
            if plan.is_change:
                plan = self._write(file, names, number)
                self._pause(PAUSE)
            count.add(plan)
            if self._store.is_postgres and count.added >= analysed:
                analysed = 2 * count.added
                with self._store.noting() as connection:
                    connection.execute(text("ANALYZE duties"))
            if progress is not None:
                progress("writing", done, len(file.people))
        return count.changes(len(file.people))

    def _write(self, file: RotaFile, names: Sequence[str], number: int) -> Plan:
        with self._store.shifting() as (connection, change):
            # Read again: between the two another import may have been here.
            plan = self._plan(connection, file, names)
            for some in itertools.batched(plan.removed, _AT_ONCE):
                connection.execute(delete(duties).where(duties.c.id.in_(some)))
            rows = [
                (person, begins, ends, kind, file.name[:NAME], change)
                for person, (begins, ends, kind) in plan.added
            ]
            self._add(connection, rows)
            self._cover(connection, plan, change)
            columns = rota_imports.c
            connection.execute(
                update(rota_imports)
                .where(columns.id == number)
                .values(
                    added=columns.added + len(plan.added),
                    removed=columns.removed + len(plan.removed),
                )
            )
        return plan

    def _add(self, connection: Connection, rows: Sequence[_Row]) -> None:
        columns = ("person", "begins", "ends", "kind", "source", "change")
        if not rows:
            return
        # By SQLAlchemy's own statements it took three times as long in PostgreSQL, and twice the
        # processor time with both (docs/adr/0019-rota-files.md).
        if not self._store.is_postgres:
            texts = _Texts(connection.dialect)
            places = ", ".join("?" * len(columns))
            connection.exec_driver_sql(
                f"INSERT INTO duties ({', '.join(columns)}) VALUES ({places})",  # noqa: S608 - names
                [
                    (person, texts[begins], texts[ends], *others)
                    for person, begins, ends, *others in rows
                ],
            )
            return
        driver = connection.connection.driver_connection
        assert driver is not None
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY duties ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    @staticmethod
    def _cover(connection: Connection, plan: Plan, change: int) -> None:
        made = [(name, plan.covers[name]) for name in plan.changed if name in plan.new]
        kept = [(name, plan.covers[name]) for name in plan.changed if name not in plan.new]
        if made:
            connection.execute(
                insert(rota_cover),
                [
                    {"person": name, "first": cover.first, "last": cover.last, "change": change}
                    for name, cover in made
                ],
            )
        if kept:
            connection.execute(
                update(rota_cover)
                .where(rota_cover.c.person == bindparam("who"))
                .values(
                    first=bindparam("since"), last=bindparam("until"), change=bindparam("version")
                ),
                [
                    {
                        "who": name,
                        "since": cover.first,
                        "until": cover.last,
                        "version": change,
                    }
                    for name, cover in kept
                ],
            )

    # --- what is to be done ---

    def _among(self, names: Sequence[str]) -> Sequence[str] | Select[tuple[str]]:
        """The right side of `IN`.

        PostgreSQL compares each row with each of a hundred parameters, where it takes the table to
        be small; an array it makes a table of, and joins.
        """
        if not self._store.is_postgres:
            return names
        return select(func.unnest(literal(list(names), ARRAY(String))))

    @staticmethod
    def _batches(file: RotaFile) -> Iterator[tuple[int, Sequence[str]]]:
        done = 0
        for names in itertools.batched(sorted(file.people), PEOPLE):
            done += len(names)
            yield done, names

    def _plan(self, connection: Connection, file: RotaFile, names: Sequence[str]) -> Plan:
        """What the file changes for some people, as the store is at present."""
        columns = duties.c
        there: dict[str, dict[Key, int]] = {name: {} for name in names}
        question = select(
            columns.id, columns.person, columns.begins, columns.ends, columns.kind
        ).where(
            columns.person.in_(self._among(names)),
            columns.begins >= begin_of(file.first, self._zone),
            columns.begins < end_of(file.last, self._zone),
        )
        for number, name, begins, ends, kind in connection.execute(question):
            there[name][begins, ends, kind] = number
        known = {
            name: Cover(first, last)
            for name, first, last in connection.execute(
                select(rota_cover.c.person, rota_cover.c.first, rota_cover.c.last).where(
                    rota_cover.c.person.in_(self._among(names))
                )
            )
        }
        plan = Plan()
        today = self._clock().astimezone(self._zone).date()
        wanted = Cover(file.first, file.last)
        for name in names:
            joined = joined_cover(known.get(name), wanted, today)
            if joined is None and wanted.last >= today:
                plan.gaps.append(name)
            cover = joined or known[name]
            added, removed = difference(file.people[name], there[name])
            if added or removed or cover != known.get(name):
                plan.changed.append(name)
                plan.covers[name] = cover
                plan.added.extend((name, each) for each in added)
                plan.removed.extend(removed)
            if name not in known:
                plan.new.add(name)
        return plan


class _Texts(dict[datetime, str]):
    """Moments as SQLite keeps them, each made once: a force begins its duties at a few hundred."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        made = duties.c.begins.type.dialect_impl(dialect).bind_processor(dialect)
        assert made is not None
        self._made = made

    def __missing__(self, moment: datetime) -> str:
        text = self[moment] = str(self._made(moment))
        return text
