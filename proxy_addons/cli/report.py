"""`watchhouse report weekly`: weekly figures of personal use, for line managers (Inf/27 2.10.1).

In: command line. Out: an exit code; report_weekly.py does the work.
Must never: load the store for a page of help.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common

if TYPE_CHECKING:
    import argparse

    from proxy_addons.cli.subcommands import Commands


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "report",
        help="the weekly report of personal use, for line managers",
        description="Reports on personal use.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="report_command", required=True, metavar="COMMAND")
    made = commands.add_parser(
        "weekly",
        help="one report for each line manager, as files or by e-mail",
        description="One report for each line manager on the personal use of their own people:"
        " minutes against the allowance and the team's median, eight weeks, breaks, refusals by"
        " rule; no sites. As HTML and CSV files, or by e-mail to the line managers (--send). Each"
        " look is recorded: a file as the operator's, an e-mail as the line manager's. Exit code"
        " 1: refused, or not all could be sent; what was sent is not sent again.",
    )
    made.add_argument(
        "--week", metavar="WEEK", default="", help="such as 2026-W47 (default: the last complete)"
    )
    made.add_argument(
        "--manager",
        metavar="NAME",
        action="append",
        default=[],
        help="login name of a line manager; may be repeated (default: the line managers of all who"
        " used anything in the last eight weeks)",
    )
    made.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where files go (default: reports/weekly in the data folder; with --send: none)",
    )
    made.add_argument(
        "--send", action="store_true", help="send by e-mail (personal_use.reports) to each"
    )
    made.add_argument("--again", action="store_true", help="send also what was sent before")
    add_common(made)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import report_weekly, standing

    return standing.explained(lambda: report_weekly.run(args))
