"""The command `scripts/records`.

In: command line. Out: segments of a made-up force, or what is sealed of them.
Must never: write into a folder that has an access log already.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from recordslib.lines import write_part
from recordslib.plan import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNER = Signer("records.test/access-log", bytes(range(32)))
_FIRST = datetime(2026, 10, 23, tzinfo=UTC)


def main(arguments: Sequence[str]) -> int:
    """Make them."""
    asked = _asked(arguments)
    access, sealed = asked.into / "log" / "access", asked.into / "log" / "sealed"
    if access.exists() or sealed.exists():
        print(f"scripts/records: {asked.into}/log has a log already", file=sys.stderr)
        return 2
    planned = parts(asked.rows, asked.days, asked.first, asked.workers)
    days = [list(each) for _, each in groupby(planned, lambda part: part.begins.date())]
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(asked.processes, mp_context=spawn) as pool,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as progress,
    ):
        task = progress.add_task("records", total=asked.rows)
        for day in days:
            made = [
                (part, pool.submit(write_part, access, asked.people, part, asked.seed))
                for part in day
            ]
            for part, future in made:
                future.result()
                progress.advance(task, part.records)
            if asked.sealed:
                _seal(access, Seals(sealed), day[-1].begins + timedelta(hours=1), pool, asked.seed)
                for _, future in made:
                    future.result().unlink()
    return 0


def _seal(access: Path, seals: Seals, now: datetime, pool: ProcessPoolExecutor, seed: int) -> None:
    chance = random.Random(f"{seed} {now}")  # noqa: S311 (no secret: made-up people)
    seal(
        access,
        seals,
        SIGNER,
        now=now.timestamp(),
        entropy=chance.randbytes,
        software="records",
        at_once=pool.map,
    )


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/records", description="An access log of a made-up force."
    )
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="a data folder")
    parser.add_argument("--rows", type=int, default=1_000_000, help="records (1,000,000)")
    parser.add_argument("--days", type=int, default=30, help="over so many days (30)")
    parser.add_argument("--people", type=int, default=6000, help="of so many people (6,000)")
    parser.add_argument("--workers", type=int, default=2, help="that wrote them (2)")
    parser.add_argument("--processes", type=int, default=2, help="that make them now (2)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed, the same lines (7)")
    parser.add_argument("--first", type=_day, default=_FIRST, metavar="YYYY-MM-DD", help="day")
    parser.add_argument(
        "--sealed", action="store_true", help="seal each day, and remove its plain segments"
    )
    return parser.parse_args(arguments)


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
