"""Questions to the access log as it grows: of 30 days, and of all there is.

In: a log of 30 days, sealed. Out: seconds of each question to that log, to twice and five times it.
Must never: compare questions that differ; measure a file that is not made as the keeper makes it.

The days after the 30th are the same rows, so many days later, in files of their own: making and
sealing 100 million lines takes hours, and the engine sees nothing of lines. Each size is asked in
the same run, so that the ratios say what growth costs.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, override
from zoneinfo import ZoneInfo

from benchlib import auditlog
from benchlib.auditquery import BEGIN, DAYS, person_of
from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study, shown, spread
from proxy_addons.accesslog.compact.columns import ORDER, quoted
from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.compact.making import Means as Making
from proxy_addons.accesslog.compact.making import entered, put_rows
from proxy_addons.accesslog.record import NAMES
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.duckstore import DuckStore
from proxy_addons.audit.store import Bounds, Dimension, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.accesslog.compact.index import File

_SIZES = (1, 2, 5)
_MEMORY, _THREADS = 1_000_000_000, 2


class AuditGrowth(Study):
    """Five questions at three sizes."""

    name = "audit-growth"
    title = "questions to the access log as it grows"

    @override
    def measure(self, bench: Bench) -> Figures:
        rows = bench.rows // 20 if bench.quick else bench.rows
        data = bench.records or auditlog.made(bench, rows, DAYS, sealed=True)
        folder, access = bench.place.subfolder("growing"), data / "log" / "access"
        access.mkdir(exist_ok=True)
        bench.doing(f"{self.name}: Parquet of the days")
        spawn = multiprocessing.get_context("spawn")
        with (
            bench.place.on(bench.place.all_cores),
            ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
        ):
            seals, now = Seals(data / "log" / "sealed"), auditlog.LATER
            compact(access, seals, folder, now=now, at_once=pool.map)
        first = Index.read(folder).files
        figures: Figures = {"sizes": {}}
        person = person_of(folder / "days")
        with bench.place.on(bench.place.all_cores):
            for size in _SIZES:
                self._grow(bench, folder, first, size)
                figures["sizes"][str(size)] = self._asked(bench, folder, access, person, size)
        return figures

    def _grow(self, bench: Bench, folder: Path, first: tuple[File, ...], size: int) -> None:
        """Until the log is so many times as long as the first days."""
        means = Making(folder, _MEMORY, _THREADS)
        index = Index.read(folder)
        for times in range(len(index.files) // len(first), size):
            bench.doing(f"{self.name}: days {times * DAYS + 1} to {(times + 1) * DAYS}")
            index = index.with_files(tuple(_later(means, each, times) for each in first))
        index.write(folder)

    def _asked(
        self, bench: Bench, folder: Path, access: Path, person: str, size: int
    ) -> dict[str, object]:
        store = DuckStore(
            folder,
            access,
            zone=ZoneInfo("Europe/London"),
            monotonic=time.monotonic,
            entropy=os.urandom,
        )
        questions = dict(_questions(store, person, size))
        took: dict[str, list[float]] = {name: [] for name in questions}
        answers = {name: ask() for name, ask in questions.items()}  # warm from now on
        for _ in range(bench.rounds):
            for name, ask in questions.items():
                bench.doing(f"{self.name}, {size} times: {name}")
                begun = time.perf_counter()
                again = ask()
                took[name].append(time.perf_counter() - begun)
                if again != answers[name]:
                    raise BadAnswerError(f"{self.name}, {name}: {answers[name]}, then {again}")
        store.close()
        return {
            "rows": sum(each.rows for each in Index.read(folder).files),
            "octets": sum(each.octets for each in Index.read(folder).files),
            "answers": answers,
            "seconds": {name: spread(each) for name, each in took.items()},
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        sizes = figures["sizes"]
        told = ", ".join(
            f"{e['rows'] / 1e6:.1f} ({e['octets'] / 1e9:.1f} GB)" for e in sizes.values()
        )
        yield f"Questions to a log that grows (audit-growth): {told} million rows; seconds, warm"
        for name in sizes["1"]["seconds"]:
            took = [each["seconds"][name] for each in sizes.values()]
            yield f"  {name}: {', '.join(shown(each, 3) for each in took)}"


def _questions(store: DuckStore, person: str, size: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """By what they are called; each gives a number that says whether it was the same answer."""
    some, every = (_within(times, None) for times in (1, size))
    one, always = (_within(times, frozenset({person})) for times in (1, size))

    def grid(bounds: Bounds) -> int:
        found = store.grid(bounds, Question(), (Dimension.CATEGORY, Dimension.HOUR))
        return sum(each.records for each in found.values())

    yield "one person, 30 days, 200 newest rows", lambda: len(_newest(store, one))
    yield "one person, all days, 200 newest rows", lambda: len(_newest(store, always))
    yield "one person, all days, total", lambda: store.total(always, Question()).records
    yield "category by hour, 30 days", lambda: grid(some)
    yield "category by hour, all days", lambda: grid(every)
    yield "text in URL, all days", lambda: store.total(every, Question(text="/1A2b")).records


def _newest(store: DuckStore, bounds: Bounds) -> list[str]:
    return [row.at.segment for row in store.rows(bounds, Question(), most=200).rows]


def _within(times: int, persons: frozenset[str] | None) -> Bounds:
    return Bounds(BEGIN, BEGIN + timedelta(days=DAYS * times), frozenset(NAMES), persons)


def _later(means: Making, file: File, times: int) -> File:
    """A file's rows again, so many times 30 days later."""
    days = timedelta(days=DAYS * times)
    segments = tuple(replace(each, name=_moved(each.name, days)) for each in file.segments)
    first = datetime.strptime(file.day, "%Y%m%d") + days  # noqa: DTZ007 - a name of a file
    name = f"days/{first:%Y-%m-%d}.parquet"
    with means.connect() as store:
        store.execute("CREATE TEMP TABLE moved (before VARCHAR, after VARCHAR)")
        store.executemany(
            "INSERT INTO moved VALUES (?, ?)",
            [[a.name, b.name] for a, b in zip(file.segments, segments, strict=True)],
        )
        source = quoted(means.folder / file.name)
        moved = (
            f"SELECT rows.* REPLACE (start + INTERVAL {days.days} DAY AS start,"  # noqa: S608 (ours)
            f" moved.after AS segment, id || '-{times}' AS id) FROM read_parquet({source}) rows"
            " JOIN moved ON moved.before = rows.segment"
        )
        put_rows(store, f"SELECT * FROM ({moved}) ORDER BY {ORDER}", means.folder / name)  # noqa: S608 (ours)
        return entered(store, means.folder, name, segments)


def _moved(segment: str, days: timedelta) -> str:
    name = SegmentName.parse(segment)
    assert name is not None, "it is in the index"
    return str(replace(name, hour=f"{name.begins + days:%Y%m%dT%H}"))
