"""The step that makes Parquet of what was sealed: what questions are asked of.

In: the seals, the folder of Parquet. Out: files of hours and days.
Must never: keep the seal waiting: it comes after it; be believed instead of the evidence.

It runs in a process of its own: DuckDB keeps what memory it once had, and the keeper lives on.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.logs import access_of

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.keeper.step import Context


class Compaction:
    """Makes Parquet."""

    name = "compact"

    def run(self, context: Context) -> Outcome:
        """Make what is missing."""
        log, folder = access_of(context.settings), context.settings.paths.parquet_dir
        if not log.seals.note():
            return Outcome()
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as apart:
            hours, days, problems = apart.submit(
                _compact, log.segments, log.sealed, folder, context.clock()
            ).result()
        said = f"Parquet made of {hours} segments and {days} days" if hours or days else ""
        return Outcome(said, {"hours": hours, "days": days}, tuple(problems))


def _compact(
    segments: Path, sealed: Path, folder: Path, now: float
) -> tuple[int, int, tuple[str, ...]]:
    """In the process apart."""
    # Imported there alone: the keeper itself needs none of it.
    from proxy_addons.accesslog.compact.compacting import compact  # noqa: PLC0415 - as above
    from proxy_addons.accesslog.seal.sealing import Seals  # noqa: PLC0415 - as above

    done = compact(segments, Seals(sealed), folder, now=now)
    return done.hours, len(done.days), tuple(done.problems)
