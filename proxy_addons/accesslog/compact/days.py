"""The Parquet file of a day, out of those of its segments, sorted by person.

In: files. Out: one file that is whole and durable, and what the index says of it.
Must never: take more memory because the day has more rows; change the order of what is sorted.

DuckDB sorts a big day by way of the disk: every row is written there and read again several
times. So a big day is first parted by person, each part sorted in memory, and the parts written one
after the other.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.compact.columns import COLUMNS, KEY, ORDER, PLACED, quoted
from proxy_addons.accesslog.compact.index import DAYS, File
from proxy_addons.accesslog.compact.making import SPILL, Means, entered, put_rows
from proxy_addons.accesslog.seal.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

BIG: Final = 5_000_000
"""Days of more rows are sorted in parts. (Of 4 million, parts took 1.6 times the CPU of one sort,
which kept its rows on the disk: docs/performance.md.)"""
AT_ONCE: Final = 500_000
"""Rows that are sorted at once, as far as persons can be parted: half of what a day may take."""
_BUFFERED: Final = 150_000
"""Rows of a part that wait to be written, for each thread."""
_FAST: Final = "FORMAT parquet, COMPRESSION lz4"


def day_file(
    day: str,
    files: list[File],
    means: Means,
    *,
    taken: frozenset[str],
    big: int = BIG,
    at_once: int = AT_ONCE,
) -> File:
    """Make one file of a day out of several.

    Args:
        day: `20261121`.
        files: of its segments.
        means: what it may take.
        taken: names that are in use.
        big: a day of more rows is sorted in parts.
        at_once: rows of a part.

    Raises:
        OSError: it could not be written.
        duckdb.Error: the same; or a file that it is made of is damaged.
    """
    begins = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    text = begins.strftime("%Y-%m-%d")
    names = (f"{DAYS}/{text}{'' if n == 1 else f'-{n}'}.parquet" for n in range(1, 1_000_000))
    name = next(each for each in names if each not in taken)
    source = f"read_parquet([{', '.join(quoted(means.folder / each.name) for each in files)}])"
    with means.connect() as store:
        chosen = _derived(store, source, begins)
        if sum(each.rows for each in files) <= big:
            put_rows(store, f"{chosen} ORDER BY {ORDER}", means.folder / name)
        else:
            _in_parts(store, source, chosen, means.folder / name, means, at_once)
        segments = tuple(held for each in files for held in each.segments)
        return entered(store, means.folder, name, tuple(sorted(segments, key=lambda h: h.name)))


def _derived(store: duckdb.DuckDBPyConnection, source: str, begins: datetime) -> str:
    """The rows of a day, with what is derived of the day as a whole."""
    store.execute(
        "CREATE TEMP TABLE opened AS SELECT id, start, person, categories, segment, line"  # noqa: S608 - text of ours; what is given is bound
        f" FROM {source} WHERE pending"
    )
    store.execute(
        "CREATE TEMP TABLE closed AS SELECT segment, line FROM opened WHERE EXISTS (SELECT 1 FROM"  # noqa: S608 - text of ours; what is given is bound
        f" {source} other WHERE other.event = 'transaction' AND other.id = opened.id"
        " AND other.start = opened.start AND other.person IS NOT DISTINCT FROM opened.person"
        " AND other.categories = opened.categories)"
    )
    store.execute(
        "CREATE TEMP TABLE waiting AS SELECT DISTINCT id FROM opened WHERE id IS NOT NULL"
        " AND (segment, line) NOT IN (SELECT (segment, line) FROM closed)"
    )
    first, end = (
        f"make_timestamptz({int(each.timestamp()) * 1_000_000})"
        for each in (begins, begins + timedelta(days=1))
    )
    return (
        f"SELECT {', '.join(PLACED)},"  # noqa: S608 - text of ours; what is given is bound
        " pending AND (segment, line) NOT IN (SELECT (segment, line) FROM closed) AS pending,"
        f" event = 'transaction' AND (start < {first} OR start >= {end}"
        " OR coalesce(id IN (SELECT id FROM waiting), false)) AS abroad"
        f" FROM {source}"
    )


def _in_parts(
    store: duckdb.DuckDBPyConnection,
    source: str,
    chosen: str,
    target: Path,
    means: Means,
    at_once: int,
) -> None:
    """Part the rows by person, sort each part, and write them one after the other."""
    folder = means.folder / SPILL / "parts"
    make_folder(folder)
    found = store.execute(
        f"SELECT {KEY} AS key, count(*) FROM {source} GROUP BY key ORDER BY key"  # noqa: S608 - text of ours; what is given is bound
    ).fetchall()
    begins = list(_cuts(found, at_once))
    store.execute("CREATE TEMP TABLE cut AS SELECT unnest($1::VARCHAR[]) AS key", [begins])
    store.execute(
        "CREATE TEMP TABLE part_of AS SELECT key, (SELECT count(*) FROM cut WHERE cut.key <="  # noqa: S608 - text of ours; what is given is bound
        f" every.key) AS part FROM (SELECT DISTINCT {KEY} AS key FROM {source}) every"
    )
    store.execute(f"SET partitioned_write_flush_threshold = {_BUFFERED}")
    store.execute("SET preserve_insertion_order = false")
    store.execute(
        f"COPY (SELECT {COLUMNS}, part FROM ({chosen}) rows JOIN part_of ON part_of.key = {KEY})"  # noqa: S608 - text of ours; what is given is bound
        f" TO {quoted(folder)} ({_FAST}, PARTITION_BY (part), OVERWRITE_OR_IGNORE)"
    )
    store.execute("SET preserve_insertion_order = true")
    done: list[str] = []
    for part in range(1, len(begins) + 1):
        parted, sorted_part = folder / f"part={part}", folder / f"{part:06d}.parquet"
        store.execute(
            f"COPY (SELECT {COLUMNS} FROM read_parquet({quoted(parted / '*.parquet')},"  # noqa: S608 - text of ours; what is given is bound
            f" hive_partitioning = false) ORDER BY {ORDER}) TO {quoted(sorted_part)} ({_FAST})"
        )
        shutil.rmtree(parted)
        done.append(quoted(sorted_part))
    put_rows(store, f"SELECT * FROM read_parquet([{', '.join(done)}])", target)  # noqa: S608 - text of ours; what is given is bound
    shutil.rmtree(folder)


def _cuts(found: list[tuple[Any, ...]], at_once: int) -> Iterator[str]:
    """Keys that a part begins with: parts of about as many rows, more only where a key has more."""
    rows = at_once
    for key, count in found:
        if rows + count > at_once:
            yield key
            rows = 0
        rows += count
