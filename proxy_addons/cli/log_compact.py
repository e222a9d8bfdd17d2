"""`watchhouse log compact`: Parquet of what was sealed, by hand.

In: command line, settings; the seals. Out: a line for each thing made; an exit code.
Must never: change anything that is evidence.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy_addons.accesslog.compact.compacting import CompactError, compact
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.rights.parent import when_ended

if TYPE_CHECKING:
    import argparse

    from rich.progress import TaskID

_OK, _WRONG = 0, 1


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log compact`."""
    parser = commands.add_parser(
        "compact",
        help="make Parquet, to search in, of what was sealed",
        description="Make Parquet of what was sealed: a file for each segment, and one for each day"
        " (UTC) that is over. Exit code 0: done; 1: not, or a segment could not be read.",
    )
    add_common(parser)
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="segments at a time"
    )
    parser.set_defaults(run=run_compact)


def run_compact(args: argparse.Namespace) -> int:
    """Runs `log compact`."""
    paths = settings_of(args).paths
    spawn = multiprocessing.get_context("spawn")
    tasks: dict[str, TaskID] = {}
    with (
        ProcessPoolExecutor(
            max(1, args.processes), mp_context=spawn, initializer=_with, initargs=(os.getpid(),)
        ) as pool,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as progress,
    ):

        def told(what: str, done: int, whole: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=whole)
            progress.update(tasks[what], completed=done)

        try:
            done = compact(
                paths.access_log_dir,
                Seals(paths.sealed_dir),
                paths.parquet_dir,
                now=time.time(),
                at_once=pool.map,
                told=told,
            )
        except (CompactError, OSError) as problem:
            print(f"watchhouse log: not compacted: {problem}", file=sys.stderr)
            return _WRONG
    for each in done.problems:
        print(f"watchhouse log: left out, as it cannot be read: {each}", file=sys.stderr)
    rows = sum(each.rows for each in done.index.files)
    print(
        f"{done.hours} segments and {len(done.days)} days made;"
        f" {rows} records in {len(done.index.files)} files"
    )
    return _WRONG if done.problems else _OK


def _with(command: int) -> None:
    """In each process: it ends with the command, also where that is killed; nothing counts then."""
    when_ended(command, lambda: os._exit(1))
