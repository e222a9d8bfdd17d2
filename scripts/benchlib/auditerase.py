"""Erasing one person's year, next to cutting the same lines out of files that nobody has signed.

In: a log of a year, sealed and in Parquet. Out: seconds of both, memory; what is left verifies.
Must never: call lines erased that somebody still finds; measure an erasure that leaves a fault.

The peer does what a log without seals would need: unpack each file, leave out the person's lines,
pack it again. It proves nothing about what is left, and has no Parquet to clean. One core each.
"""

from __future__ import annotations

import gzip
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, override
from zoneinfo import ZoneInfo

import duckdb
from support.standing import opened

from benchlib import auditlog
from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study
from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.retention.erasing import Eraser, Places, Result
from proxy_addons.audit.retention.orders import Order, Orders
from proxy_addons.audit.retention.schedule import Schedule
from proxy_addons.settings.retention import Retention
from proxy_addons.standing import Actor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.standing import Store

_SIGNER = Signer("records.test/access-log", bytes(range(32)))
_SHARE = 10
"""A year's log here has a tenth of the records of `audit-query`'s 30 days, and so many people that
one of them has as many as in a force of 6,000."""
_DAYS, _QUICK_DAYS = 365, 14
_FIRST = datetime.fromisoformat(auditlog.FIRST).replace(tzinfo=UTC)
_ASKING, _CONFIRMING = (Actor(who, frozenset({"psd"}), "kerberos") for who in ("pat", "robin"))


class AuditErase(Study):
    """As the keeper does it, when two people have ordered it."""

    name = "audit-erase"
    title = "erasing one person's year"

    @override
    def measure(self, bench: Bench) -> Figures:
        days = _QUICK_DAYS if bench.quick else _DAYS
        rows = bench.rows // _SHARE // (_DAYS // days)
        people = max(2, auditlog.PEOPLE * rows * 30 // (bench.rows * days))
        log = auditlog.made(bench, rows, days, sealed=True, people=people) / "log"
        places = Places(log / "access", Seals(log / "sealed"), log / "parquet")
        places.access.mkdir(exist_ok=True)
        now = _FIRST + timedelta(days=days + 40)
        bench.doing(f"{self.name}: Parquet of {days} days")
        spawn = multiprocessing.get_context("spawn")
        with (
            bench.place.on(bench.place.all_cores),
            ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
        ):
            at = now.timestamp()
            compact(places.access, places.seals, places.parquet, now=at, at_once=pool.map)
        person, lines = _usual(places.parquet)
        bench.doing(f"{self.name}: {lines:,} lines of {rows:,}")
        with opened(bench.place.subfolder("orders")) as store:
            begun = time.perf_counter()
            kept = _cut_out(places.seals.folder, person.encode())
            between = time.perf_counter()
            with auditlog.Peak().watching() as peak:
                done = _erased(places, store, person, now, days)
            ended = time.perf_counter()
        if not (done.records == lines == rows - kept) or done.waiting or _found(places, person):
            raise BadAnswerError(f"{self.name}: {done.records} erased of {lines}, {done.waiting}")
        bench.doing(f"{self.name}: what is left is verified")
        with bench.place.on(bench.place.all_cores):
            checked = check(places.seals, [_SIGNER.verifier])
        if checked.faults:
            raise BadAnswerError(f"{self.name}: {checked.faults[:3]}")
        return {
            "rows": rows,
            "days": days,
            "people": people,
            "erased": done.records,
            "certificates": len(done.certificates),
            "seconds": ended - between,
            "peer_seconds": between - begun,
            "ratio": (ended - between) / (between - begun),
            "peak_mb": peak.megabytes,
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"One person's {figures['days']} days (audit-erase): {figures['erased']:,} lines of"
            f" {figures['rows']:,}, of {figures['people']} people, erased in"
            f" {figures['seconds']:.0f} s with {figures['certificates']} certificates; peak"
            f" {figures['peak_mb']:.0f} MB; what is left verifies"
        )
        yield (
            f"  cutting the same lines out of packed files that nobody has signed:"
            f" {figures['peer_seconds']:.0f} s; ratio {figures['ratio']:.1f}"
        )


def _usual(parquet: Path) -> tuple[str, int]:
    """The person in the middle, by lines, and how many that are."""
    found = duckdb.sql(
        "SELECT person, count(*) FROM read_parquet("  # noqa: S608 (our own paths)
        f"{_files(parquet)}) WHERE person IS NOT NULL GROUP BY person ORDER BY 2, 1"
    ).fetchall()
    person, lines = found[len(found) // 2]
    return str(person), int(lines)


def _found(places: Places, person: str) -> int:
    """Rows of a person that are there still."""
    found = duckdb.execute(
        f"SELECT count(*) FROM read_parquet({_files(places.parquet)}) WHERE person = ?",  # noqa: S608
        [person],
    ).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


def _files(parquet: Path) -> list[str]:
    return [str(parquet / each.name) for each in Index.read(parquet).files]


def _erased(places: Places, store: Store, person: str, now: datetime, days: int) -> Result:
    schedule = Schedule.of(Retention(), ZoneInfo("Europe/London"))
    order = _ordered(store, person, now, days)
    eraser = Eraser(places, _SIGNER, store, schedule, clock=lambda: now)
    return eraser.erase_ordered(order)


def _ordered(store: Store, person: str, now: datetime, days: int) -> Order:
    orders = Orders(store, clock=lambda: now)
    until = _FIRST + timedelta(days=days + 1)
    order = orders.ask(_ASKING, person, _FIRST, until, why="To be measured.")
    return orders.confirm(_CONFIRMING, order.reference)


def _cut_out(sealed: Path, person: bytes) -> int:
    """The peer; gives how many lines stay. What it packs is thrown away."""
    mark, stayed = b'"person":"%b"' % person, 0
    for path in sorted((sealed / "segments").rglob("*.gz")):
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        left = [line for line in lines if mark not in line]
        stayed += len(left)
        if len(left) < len(lines):
            gzip.compress(b"".join(left), 6)
    return stayed
