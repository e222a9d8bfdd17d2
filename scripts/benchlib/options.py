"""The command lines of `scripts/bench`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchlib import index
from benchlib.scenarios import SCENARIOS
from benchlib.side import ROOT
from benchlib.sides import SIDES
from benchlib.studies import STUDIES

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, QUICK_ROUNDS = 5, 3
ROWS = 20_000_000
PROFILE = ROOT / "var" / "profile.txt"
LISTS = Path("/work/shared/data/ut1-2026-08-17.tar.gz")
CHART = ROOT / "docs" / "performance-growth.svg"


def comparison(arguments: Sequence[str]) -> argparse.Namespace:
    """`scripts/bench`."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="What Watchhouse costs, next to what else does the same work, in one run.",
        epilog="Also: scripts/bench profile, scripts/bench report FILE, scripts/bench chart FILE.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help=f"rounds of each measurement (default {ROUNDS})")
    names = [*SCENARIOS, *STUDIES]
    parser.add_argument("--only", action="append", choices=names, help="this only; may be repeated")
    parser.add_argument(
        "--names", type=int, help=f"names in the largest made-up list (default {index.NAMES:,})"
    )
    parser.add_argument(
        "--rows", type=int, default=ROWS, help=f"records for `audit-…` (default {ROWS:,})"
    )
    parser.add_argument(
        "--records",
        metavar="DIR",
        type=Path,
        help="a data folder of scripts/records --sealed for `audit-query` (default: one is made)",
    )
    parser.add_argument(
        "--lists",
        metavar="FILE",
        type=Path,
        help=f"category lists for `decisions`, a .tar.gz in squidGuard layout (default {LISTS},"
        " where it is there; otherwise made-up names)",
    )
    parser.add_argument("--side", action="append", choices=list(SIDES), help="this side")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured there")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables of the document there")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder (logs)")
    options = parser.parse_args(arguments)
    if options.lists is None and LISTS.exists():
        options.lists = LISTS
    if options.lists and not options.lists.is_file():
        parser.error(f"--lists {options.lists}: there is no such file")
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.names = options.names or (index.QUICK_NAMES if options.quick else index.NAMES)
    return options


def profiling(arguments: Sequence[str]) -> argparse.Namespace:
    """`scripts/bench profile`."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench profile", description="Where one side's time goes, by py-spy."
    )
    parser.add_argument("--side", choices=list(SIDES), default="watchhouse")
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="keep-alive")
    parser.add_argument("--seconds", type=int, default=20, help="how long (default 20)")
    parser.add_argument("--top", type=int, default=40, help="functions in a table (default 40)")
    parser.add_argument("--native", action="store_true", help="frames of C extensions too")
    parser.add_argument(
        "--output", metavar="FILE", default=str(PROFILE), help=f"collapsed stacks ({PROFILE})"
    )
    parser.add_argument("--keep", action="store_true", help="keep the run's folder (logs)")
    return parser.parse_args(arguments)


def reporting(arguments: Sequence[str]) -> argparse.Namespace:
    """`scripts/bench report`."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench report",
        description="The tables of docs/performance.md, in Markdown, from a run's --json FILE.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--into",
        metavar="DOCUMENT",
        type=Path,
        help="put them between the document's markers instead of printing them",
    )
    return parser.parse_args(arguments)


def charting(arguments: Sequence[str]) -> argparse.Namespace:
    """`scripts/bench chart`."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench chart",
        description="The chart of docs/performance.md from a run's --json FILE; needs matplotlib.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--output", metavar="FILE", type=Path, default=CHART)
    return parser.parse_args(arguments)
