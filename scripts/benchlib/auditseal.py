"""Sealing and compacting one day.

In: a day's segments. Out: seconds and memory of both, and the sizes of what comes of it.
Must never: count the making of the records.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, override

from benchlib import auditlog
from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study
from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNER = Signer("records.test/access-log", bytes(range(32)))


class AuditSeal(Study):
    """As the keeper does it, with a process for each core."""

    name = "audit-seal"
    title = "sealing and compacting a day"

    @override
    def measure(self, bench: Bench) -> Figures:
        rows = bench.rows // 20 if bench.quick else bench.rows
        log = auditlog.made(bench, rows, 1, sealed=False) / "log"
        seals, entropy = Seals(log / "sealed"), random.Random(1).randbytes  # noqa: S311 (no secret)
        spawn = multiprocessing.get_context("spawn")
        bench.doing(f"{self.name}: {rows:,} records")
        with (
            bench.place.on(bench.place.all_cores),
            ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
            auditlog.Peak().watching() as peak,
        ):
            begun = time.perf_counter()
            sealed = seal(
                log / "access",
                seals,
                _SIGNER,
                now=auditlog.LATER,
                entropy=entropy,
                software="bench",
                at_once=pool.map,
            )
            between, sealing = time.perf_counter(), peak.megabytes
            done = compact(
                log / "access", seals, log / "parquet", now=auditlog.LATER, at_once=pool.map
            )
            ended = time.perf_counter()
        found = sum(each.rows for each in done.index.files)
        if found != rows or done.problems:
            raise BadAnswerError(f"{self.name}: {found} rows of {rows} records; {done.problems}")
        return {
            "rows": rows,
            "seconds": ended - begun,
            "seal_seconds": between - begun,
            "compact_seconds": ended - between,
            "peak_mb": peak.megabytes,
            "seal_peak_mb": sealing,
            "octets_plain": sum(each.octets for each in sealed.manifests) / rows,
            "octets_packed": sum(p.stat().st_size for p in log.glob("sealed/segments/**/*.gz"))
            / rows,
            "octets_parquet": sum(each.octets for each in done.index.files) / rows,
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"A day of {figures['rows']:,} records (audit-seal): sealed in"
            f" {figures['seal_seconds']:.0f} s, compacted in {figures['compact_seconds']:.0f} s;"
            f" peak {figures['peak_mb']:.0f} MB (sealing {figures['seal_peak_mb']:.0f} MB)"
        )
        yield (
            f"  octets a record: {figures['octets_plain']:.0f} as lines,"
            f" {figures['octets_packed']:.0f} sealed, {figures['octets_parquet']:.0f} in Parquet"
        )
