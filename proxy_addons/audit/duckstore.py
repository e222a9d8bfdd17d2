"""The query engine: DuckDB on the Parquet files and the live rows (ADR 30).

In: the folders of Parquet and of segments; bounds and questions. Out: rows and counts.
Must never: read outside of its folder; take SQL from anybody; answer short of what is there where a
file is damaged or gone; count a segment twice.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import duckdb

from proxy_addons.accesslog.compact.index import Index, ParquetIndexError
from proxy_addons.accesslog.compact.making import fingerprint
from proxy_addons.audit import query
from proxy_addons.audit.cursors import Cursors
from proxy_addons.audit.live import Live
from proxy_addons.audit.shown import Shown, counts_of
from proxy_addons.audit.store import (
    Bounds,
    Count,
    Dimension,
    Page,
    Quartiles,
    Question,
    Reach,
    Row,
    StoreError,
    Usual,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from proxy_addons.accesslog.compact.index import File

_FETCHED: Final = 1000
_NARROW: Final = 1001
"""Up to so many rows it is asked first when the last of them began: then little is read whole."""
_TRIES: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Means:
    """What the engine may take.

    Attributes:
        memory: octets, live rows included.
        threads: for one question.
        fresh: seconds for which live rows are not read again.
    """

    memory: int = 2_000_000_000
    threads: int = 2
    fresh: float = 0.5


_MEANS: Final = Means()


class DuckStore:
    """A `RecordStore`. For several threads.

    Args:
        parquet: the folder of the Parquet files.
        access: the folder of the segments.
        zone: the force's clock.
        monotonic: seconds that never go back.
        entropy: gives secret octets.
        means: what it may take.

    Raises:
        StoreError: DuckDB does not start.
    """

    def __init__(
        self,
        parquet: Path,
        access: Path,
        *,
        zone: ZoneInfo,
        monotonic: Callable[[], float],
        entropy: Callable[[int], bytes],
        means: Means = _MEANS,
    ) -> None:
        self._parquet, self._zone, self._monotonic = parquet.absolute(), zone, monotonic
        self._fresh, self._cursors = means.fresh, Cursors(entropy(32))
        self._lock = threading.Lock()
        self._polled: float | None = None
        self._index = Index()
        self._index_seen: tuple[int, ...] | None = None
        self._sound: dict[str, tuple[int, ...]] = {}
        try:
            self._store = _confined(self._parquet, means)
            self._live = Live(access, self._store)
        except duckdb.Error as problem:
            raise StoreError("The query engine does not start.") from problem

    # --- questions --------------------------------------------------------------------------

    def rows(self, bounds: Bounds, question: Question, *, most: int, after: str = "") -> Page:
        """See `RecordStore`."""
        asking = (bounds, question)
        place, given = self._cursors.read(after, asking) if after else (None, 0)
        wanted = min(most, bounds.rows - given)
        if wanted <= 0:
            return Page((), capped=given >= bounds.rows and most > 0)
        rows = list(self._found(bounds, question, place, wanted + 1))
        more, rows = len(rows) > wanted, rows[:wanted]
        given += len(rows)
        if not more:
            return Page(tuple(rows))
        if given >= bounds.rows:
            return Page(tuple(rows), capped=True)
        return Page(tuple(rows), self._cursors.write(rows[-1], given, asking))

    def every(self, bounds: Bounds, question: Question) -> Iterator[Row]:
        """See `RecordStore`."""
        return self._found(bounds, question, None, bounds.rows)

    def counts(
        self, bounds: Bounds, question: Question, by: Dimension, *, most: int = 1000
    ) -> tuple[Count, ...]:
        """See `RecordStore`. Of times, the first ones; ties are in the order of their keys."""
        grouped = self._grouped(bounds, question, (by,))
        keyed = [((key,), *sums) for key, *sums in grouped]
        return tuple(
            Count(key[0], *sums)
            for key, *sums in counts_of(keyed, (by,), bounds, self._zone)[:most]
        )

    def grid(
        self, bounds: Bounds, question: Question, by: tuple[Dimension, Dimension]
    ) -> dict[tuple[str, str], Count]:
        """Records by two dimensions, such as category and hour; see `counts`."""
        keyed = [((one, two), *sums) for one, two, *sums in self._grouped(bounds, question, by)]
        return {key: Count("", *sums) for key, *sums in counts_of(keyed, by, bounds, self._zone)}

    def total(self, bounds: Bounds, question: Question) -> Count:
        """See `RecordStore`."""
        with self._asked(bounds, question) as (store, found):
            sums = _fetched(store, query.totalled(found))
            return Count("", *(int(each) for each in sums[0]))

    def usual(self, bounds: Bounds, categories: Collection[str]) -> tuple[Usual, ...]:
        """See `RecordStore`."""
        people = bounds.persons or frozenset()
        if len(people) < 2:
            msg = "quartiles are of several people, who are named"
            raise ValueError(msg)
        by = (Dimension.CATEGORY, Dimension.PERSON)
        given = {(key, name): sums for key, name, *sums in self._grouped(bounds, Question(), by)}
        none = (0, 0, 0)
        return tuple(
            Usual(
                key,
                _quartiles([int(given.get((key, name), none)[0]) for name in people]),
                _quartiles([int(given.get((key, name), none)[2]) for name in people]),
            )
            for key in sorted(set(categories))
        )

    def reach(self) -> Reach:
        """See `RecordStore`."""
        with self._snapshot() as (store, index):
            live = store.execute("SELECT epoch_us(max(start)) FROM live").fetchone()
            gaps = [*self._live.gaps(), *index.problems.values()]
        newest = [each.last for each in index.files if each.last is not None]
        newest += [live[0]] if live and live[0] is not None else []
        for file in index.files:
            if not (self._parquet / file.name).is_file():
                gaps.append(f"{file.name} is gone")
            for held in file.segments:
                if held.unreadable:
                    gaps.append(f"{held.name}: {held.unreadable} lines that are no records")
                if held.missing:
                    gaps.append(f"{held.name}: {held.missing} records are missing before or in it")
        latest = _EPOCH + timedelta(microseconds=max(newest)) if newest else None
        return Reach(latest, tuple(gaps))

    def close(self) -> None:
        """See `RecordStore`."""
        with self._lock:
            self._store.close()

    # --- how --------------------------------------------------------------------------------

    def _found(self, bounds: Bounds, question: Question, place: Any, most: int) -> Iterator[Row]:
        shown = Shown(bounds)
        with self._asked(bounds, question) as (store, found):
            asking: Any = {"newest_first": question.newest_first, "after": place, "most": most}
            last, narrow = None, query.last_of(found, bounds, **asking)
            if narrow is not None and most <= _NARROW and not question.text:
                ((last,),) = _fetched(store, narrow)
                if last is None:
                    return  # there is none
                self._without(found, last, newest_first=question.newest_first)
            text = query.ordered(found, bounds, last=last, **asking)
            store.execute(text.text, text.given)
            while several := store.fetchmany(_FETCHED):
                yield from map(shown.row, several)

    def _grouped(
        self, bounds: Bounds, question: Question, by: tuple[Dimension, ...]
    ) -> list[tuple[Any, ...]]:
        with self._asked(bounds, question) as (store, found):
            return _fetched(store, query.counted(found, by))

    @contextmanager
    def _asked(
        self, bounds: Bounds, question: Question
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, query.Sql]]:
        """A connection that sees one moment, and the rows that are asked for."""
        with self._snapshot() as (store, index):
            files = [each for each in index.files if _overlaps(each, bounds)]
            self._check(files)
            within = query.bounded(bounds, self._paths(files))
            persons: tuple[str, ...] | None = None
            if question.person and "person" not in bounds.fields:
                persons = ()
            elif question.person:
                shown, names = Shown(bounds), bounds.persons
                if bounds.pseudonyms is None:
                    names = frozenset({question.person})
                elif names is None:
                    names = frozenset(n for (n,) in _fetched(store, query.persons_in(within)))
                persons = tuple(n for n in names if shown.person(n) == question.person)
            still, closed = None, frozenset[str]()
            if not question.event:
                still, closed = self._opened(store, bounds, files)
            yield store, query.asked(within, question, persons, still, closed)

    def _opened(
        self, store: duckdb.DuckDBPyConnection, bounds: Bounds, files: list[File]
    ) -> tuple[query.Sql | None, frozenset[str]]:
        """Where opening records may count, and the numbers of those that do not.

        Within the bounds, as everything: that a closing record is outside of them is no matter.
        """
        waiting = [each for each in files if each.pending]
        still = query.bounded(bounds, self._paths(waiting), name="still")
        found = _fetched(store, query.unclosed(still))
        if not found:
            # There may be some that have no number.
            return still, frozenset()
        numbers = {number for number, _ in found}
        whole = [each for each in files if _may_close(each, found)]
        abroad = [each for each in files if each.abroad and each not in whole]
        closed: set[str] = set()
        for several, live in ((whole, False), (abroad, True)):
            if several or live:
                within = query.bounded(bounds, self._paths(several), live=live)
                text = query.closing(within, numbers, abroad=several is abroad)
                closed.update(number for (number,) in _fetched(store, text))
        return still, frozenset(closed)

    def _without(self, found: query.Sql, last: int, *, newest_first: bool) -> None:
        """Leave out files of which all rows come after the last one that is wanted."""
        beyond = {
            str(self._parquet / each.name)
            for each in self._index.files
            if each.first is not None
            and each.last is not None
            and (each.last < last if newest_first else each.first > last)
        }
        for several in ("files", "still"):
            if several in found.given:
                given = found.given[several]
                # One of them stays in any case: no list of files may be empty.
                found.given[several] = [each for each in given if each not in beyond] or given[:1]

    def _paths(self, files: list[File]) -> list[str]:
        return [str(self._parquet / each.name) for each in files]

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Index]]:
        """A connection and the index of the same moment: no row of a segment is in both.

        Raises:
            StoreError: for whatever reason; no text of DuckDB's, which might quote a value.
        """
        try:
            with self._lock:
                self._refresh()
                store, index = self._store.cursor(), self._index
                store.begin()
                store.execute("SELECT 1 FROM live LIMIT 1")  # it sees the table as of now
        except (duckdb.Error, OSError, ParquetIndexError) as problem:
            raise StoreError(f"The records cannot be read: {_why(problem)}.") from problem
        try:
            yield store, index
        except (duckdb.Error, OSError) as problem:
            raise StoreError(f"The question was not answered: {_why(problem)}.") from problem
        finally:
            with contextlib.suppress(duckdb.Error):
                store.close()  # with its transaction, which has changed nothing

    def _refresh(self) -> None:
        now = self._monotonic()
        if self._polled is not None and now - self._polled < self._fresh:
            return
        seen = _stat(self._parquet / "index.json")
        if seen != self._index_seen or seen is None:
            self._index, self._index_seen = Index.read(self._parquet), seen
        self._live.poll(self._index.segments)
        self._polled = now

    def _check(self, files: list[File]) -> None:
        """Files are what the index says: looked at once, and again when they were changed."""
        for each in files:
            path = self._parquet / each.name
            stat = _stat(path)
            if stat is None:
                raise StoreError(f"{each.name} is gone. {_REMEDY}")
            if self._sound.get(each.name) != (*stat, hash(each.sha256)):
                if fingerprint(path) != (each.octets, each.sha256):
                    raise StoreError(f"{each.name} is damaged. {_REMEDY}")
                self._sound[each.name] = (*stat, hash(each.sha256))


_REMEDY: Final = "`watchhouse log compact` makes it anew once it is removed; nothing was answered."


def _confined(folder: Path, means: Means) -> duckdb.DuckDBPyConnection:
    """A database in memory that reads one folder, and whose configuration stays as it is."""
    store = duckdb.connect(
        ":memory:",
        config={
            "threads": means.threads,
            "memory_limit": f"{means.memory // 1_000_000}MB",
            "temp_directory": "",
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": False,
        },
    )
    store.execute("SET enable_progress_bar = false")
    # What a file's groups of rows have in them is read once: half of a question about a person.
    store.execute("SET parquet_metadata_cache = true")
    store.execute("SET allowed_directories = $1", [[str(folder)]])
    store.execute("SET enable_external_access = false")
    store.execute("SET lock_configuration = true")
    return store


def _fetched(store: duckdb.DuckDBPyConnection, sql: query.Sql) -> list[tuple[Any, ...]]:
    return store.execute(sql.text, sql.given).fetchall()


def _quartiles(numbers: list[int]) -> Quartiles:
    return Quartiles(*statistics.quantiles(numbers, n=4, method="inclusive"))


def _overlaps(file: File, bounds: Bounds) -> bool:
    if file.first is None or file.last is None:
        return False
    since, until = (each.timestamp() * 1e6 for each in (bounds.since, bounds.until))
    return file.last >= since - 1 and file.first <= until + 1


def _may_close(file: File, opened: list[tuple[Any, ...]]) -> bool:
    """Whether a closing record of other files' opening ones may be in it without being `abroad`.

    Numbers begin with the time, and closing records that are not abroad began in their file's day:
    as good as never. But a clock may have been wrong.
    """
    if file.ids is None:
        return False
    first, last = file.ids
    within = [segment for number, segment in opened if first <= number <= last]
    return bool(within) and not {held.name for held in file.segments}.issuperset(within)


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None  # the caller says so
    return found.st_ino, found.st_size, found.st_mtime_ns


def _why(problem: Exception) -> str:
    if isinstance(problem, duckdb.OutOfMemoryException):
        return "it needs more memory than there is; ask for less time or fewer people"
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}"
    return str(problem) if isinstance(problem, ParquetIndexError) else type(problem).__name__
