"""Questions to the access log, against the same ones without our layout and bounds.

In: a log of 30 days, sealed. Out: seconds of both, warm, in turn.
Must never: compare answers that differ.

The peer is plain DuckDB, with as many threads, over one Parquet file for each segment: the same
rows, types and compression, not put together by day, and so with each person in every file.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, override
from zoneinfo import ZoneInfo

import duckdb

from benchlib import auditlog
from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study, shown, spread, spread_of_ratios
from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.record import NAMES
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.duckstore import DuckStore, Means
from proxy_addons.audit.store import Bounds, Dimension, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAYS, QUICK_DAYS = 30, 2
_MANY = 2_000_000
"""Records from which on they are of 30 days; fewer are of two, as each hour costs files."""
BEGIN = datetime(2026, 10, 23, tzinfo=UTC)
_BOUNDS = Bounds(BEGIN, BEGIN + timedelta(days=DAYS), frozenset(NAMES), None)
_OPEN = "(event = 'transaction' OR (event = 'open' AND id NOT IN (SELECT id FROM {0} WHERE"
_CLOSED = " event = 'transaction' AND id IN (SELECT id FROM {0} WHERE event = 'open'))))"
_THREADS = 2

type Pair = tuple[Callable[[], Any], Callable[[], Any]]


class AuditQuery(Study):
    """Three questions."""

    name = "audit-query"
    title = "questions to the access log"

    @override
    def measure(self, bench: Bench) -> Figures:
        rows = bench.rows // 20 if bench.quick else bench.rows
        spanned = DAYS if rows >= _MANY else QUICK_DAYS
        data = bench.records or auditlog.made(bench, rows, spanned, sealed=True)
        hours, days = _both(bench, data, bench.place.subfolder("parquet"))
        peer = duckdb.connect(config={"threads": _THREADS})
        peer.execute("SET enable_progress_bar = false")
        store = DuckStore(
            days,
            data / "log" / "access",
            zone=ZoneInfo("Europe/London"),
            monotonic=time.monotonic,
            entropy=os.urandom,
            means=Means(threads=_THREADS),
        )
        figures: Figures = {"rows": store.total(_BOUNDS, Question()).records, "questions": {}}
        figures["lines"] = sum(
            store.total(_BOUNDS, Question(event=event)).records for event in ("transaction", "open")
        )
        with bench.place.on(bench.place.all_cores):
            for name, (ours, theirs) in _pairs(store, peer, str(hours / "hours" / "*")).items():
                bench.doing(f"{self.name}: {name}")
                if (found := ours()) != (other := theirs()):
                    raise BadAnswerError(f"{self.name}, {name}: {found} and {other}")
                took: tuple[list[float], list[float]] = ([], [])
                for _ in range(bench.rounds):
                    for times, ask in zip(took, (ours, theirs), strict=True):
                        begun = time.perf_counter()
                        ask()
                        times.append(time.perf_counter() - begun)
                figures["questions"][name] = {
                    "seconds": spread(took[0]),
                    "peer_seconds": spread(took[1]),
                    "ratio": spread_of_ratios(*took),
                }
        store.close()
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Questions to {figures['lines']:,} records (audit-query), seconds,"
            " warm; and as a multiple of plain DuckDB over unsorted files of segments"
        )
        for name, row in figures["questions"].items():
            yield (
                f"  {name}: {shown(row['seconds'], 3)}, peer {shown(row['peer_seconds'], 3)};"
                f" ratio {shown(row['ratio'])}"
            )


def _both(bench: Bench, data: Path, folder: Path) -> tuple[Path, Path]:
    """Files of segments, and the same rows by days."""
    log, hours, days = data / "log", folder / "hours", folder / "days"
    (log / "access").mkdir(exist_ok=True)
    bench.doing("audit-query: Parquet of the segments")
    spawn = multiprocessing.get_context("spawn")
    with (
        bench.place.on(bench.place.all_cores),
        ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
    ):
        now = BEGIN.timestamp()
        compact(log / "access", Seals(log / "sealed"), hours, now=now, at_once=pool.map)
    bench.doing("audit-query: Parquet of the days")  # out of the same files of segments
    shutil.copytree(hours, days, copy_function=os.link)  # files are replaced, never changed
    compact(log / "access", Seals(log / "sealed"), days, now=auditlog.LATER)
    return hours, days


def _pairs(store: DuckStore, peer: duckdb.DuckDBPyConnection, files: str) -> dict[str, Pair]:
    """Questions, asked of us and of the peer; both give the same."""
    source, person = f"read_parquet('{files}')", person_of(Path(files).parent)
    one = Bounds(_BOUNDS.since, _BOUNDS.until, _BOUNDS.fields, frozenset({person}))
    counted = (_OPEN + _CLOSED).format(source)
    mine = f"(SELECT * FROM {source} WHERE person = '{person}')"  # noqa: S608 (our own name)

    def row_of() -> list[tuple[str, int]]:
        page = store.rows(one, Question(), most=200)
        return [(row.at.segment, row.at.line) for row in page.rows]

    def peer_row_of() -> list[Any]:
        text = f"SELECT segment, line, * FROM {mine} WHERE {(_OPEN + _CLOSED).format(mine)}"  # noqa: S608
        found = peer.execute(
            text.replace("*", ", ".join(n for n in NAMES if n != "start"), 1)
            + " ORDER BY start DESC, segment DESC, line DESC LIMIT 200"
        ).fetchall()
        return [tuple(each[:2]) for each in found]

    def total_of() -> int:
        return store.total(one, Question()).records

    def peer_total_of() -> int:
        text = f"SELECT count(*) FROM {mine} WHERE {(_OPEN + _CLOSED).format(mine)}"  # noqa: S608
        return _number(peer.execute(text).fetchone())

    def by_hour() -> int:
        grid = store.grid(_BOUNDS, Question(), (Dimension.CATEGORY, Dimension.HOUR))
        return sum(each.records for each in grid.values())

    def peer_by_hour() -> int:
        found = peer.execute(
            "SELECT category, hour, count(*) FROM (SELECT unnest(categories) AS category,"  # noqa: S608
            f" epoch_us(start) // 3600000000 AS hour FROM {source} WHERE {counted}) GROUP BY ALL"
        ).fetchall()
        return sum(each[2] for each in found)

    def text() -> int:
        return store.total(_BOUNDS, Question(text="/1A2b")).records

    def peer_text() -> int:
        return _number(
            peer.execute(
                f"SELECT count(*) FROM {source} WHERE contains(lower(url), '/1a2b') AND {counted}"  # noqa: S608
            ).fetchone()
        )

    return {
        "one person, 30 days, 200 newest rows": (row_of, peer_row_of),
        "one person, 30 days, total": (total_of, peer_total_of),
        "category by hour": (by_hour, peer_by_hour),
        "text in URL": (text, peer_text),
    }


def person_of(folder: Path) -> str:
    """Somebody who uses the web much: 300 use it more."""
    busiest = duckdb.sql(
        f"SELECT person FROM read_parquet('{folder}/*') WHERE person IS NOT NULL"  # noqa: S608 (our own path)
        " GROUP BY person ORDER BY count(*) DESC, person LIMIT 1 OFFSET 300"
    ).fetchone()
    assert busiest is not None, "there are people"
    return str(busiest[0])


def _number(row: tuple[Any, ...] | None) -> int:
    assert row is not None, "an aggregate has a row"
    return int(row[0])
