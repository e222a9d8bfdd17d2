"""The step that makes Parquet of what was sealed: what questions are asked of.

In: the seals, the folder of Parquet. Out: files of hours and days.
Must never: keep the seal waiting: it comes after it; be believed instead of the evidence.

It runs in a process of its own: DuckDB keeps what memory it once had, and the keeper lives on.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.logs import access_of
from proxy_addons.rights.parent import when_ended

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.keeper.step import Context


class Compaction:
    """Makes Parquet."""

    name = "compact"

    def run(self, context: Context) -> Outcome:
        """Make what is missing."""
        log, folder = access_of(context.settings), context.settings.paths.parquet_dir
        note = log.seals.note()
        day = datetime.fromtimestamp(context.clock(), UTC).date().isoformat()
        done = {"note": hashlib.sha256(note.encode()).hexdigest(), "day": day}
        if not note or all(context.known.get(name) == value for name, value in done.items()):
            return Outcome(known=done if note else {})
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as apart:
            hours, days, problems = apart.submit(
                _compact, log.segments, log.sealed, folder, context.clock(), os.getpid()
            ).result()
        said = f"Parquet made of {hours} segments and {days} days" if hours or days else ""
        if problems:
            done = {}  # tried again the next time
        return Outcome(said, {"hours": hours, "days": days, **done}, tuple(problems))


def _compact(
    segments: Path, sealed: Path, folder: Path, now: float, keeper: int
) -> tuple[int, int, tuple[str, ...]]:
    """In the process apart, which ends with the keeper: what it leaves counts for nothing."""
    when_ended(keeper, lambda: os._exit(1))
    # Imported there alone: the keeper itself needs none of it.
    from proxy_addons.accesslog.compact.compacting import compact  # noqa: PLC0415 - as above
    from proxy_addons.accesslog.seal.sealing import Seals  # noqa: PLC0415 - as above

    done = compact(segments, Seals(sealed), folder, now=now)
    return done.hours, len(done.days), tuple(done.problems)
