"""`watchhouse sampling …`: dip samples at the command line, from the plan to the coverage report.

In: command line. Out: an exit code; sampling_steps.py and sampling_views.py do the work.
Must never: count being at the machine as a right; show a record of any sample (the console does).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common

if TYPE_CHECKING:
    import argparse

    from proxy_addons.cli.subcommands import Commands

_REFERENCE = "such as DS-2026-0001"


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "sampling",
        help="dip samples: plan, roster, commitments, draws, replay, coverage",
        description="Dip samples of web access. Professional standards plan, the second party that"
        " the plan names takes part in the draw. Root and operators have no right here. Exit code"
        " 1: refused, with the rule; or a draw was not as its record says.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="sampling_command", required=True, metavar="COMMAND")
    _add_views(commands)
    _add_steps(commands)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import sampling_steps, sampling_views
    from proxy_addons.cli.standing import explained

    work = {
        "list": sampling_views.list_all,
        "show": sampling_views.show,
        "record": sampling_views.record,
        "replay": sampling_views.replayed,
        "how-to-replay": sampling_views.how_to_replay,
        "coverage": sampling_views.coverage,
        "secret": sampling_steps.secret,
        "plan": sampling_steps.plan,
        "roster": sampling_steps.roster,
        "redraw": sampling_steps.redraw,
        "commit": sampling_steps.commit,
        "reveal": sampling_steps.reveal,
        "close": sampling_steps.close,
    }[args.sampling_command]
    return explained(lambda: work(args))


def _add(
    commands: Commands, name: str, text: str, *, common: bool = True
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if common:
        add_common(made)
    return made


def _add_views(commands: Commands) -> None:
    _add(commands, "list", "list the plans")
    made = _add(commands, "show", "show a plan: its draws, commitments, reviews and steps")
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made = _add(commands, "record", "write down what a draw follows from (auditor, second party)")
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made.add_argument("--draw", metavar="N", type=int, help="which draw (default: the last)")
    made.add_argument("--to", metavar="FILE", type=Path, required=True, help="for the record, JSON")
    made.add_argument(
        "--roster-to", metavar="FILE", type=Path, required=True, help="for the roster, CSV"
    )
    made = _add(commands, "replay", "draw again from a record and a roster", common=False)
    made.add_argument("record", metavar="RECORD", type=Path, help="what `record` wrote")
    made.add_argument("roster", metavar="ROSTER", type=Path, help="CSV: name,class,unit")
    made.add_argument("--names", action="store_true", help="print who was drawn, for which week")
    _add(commands, "how-to-replay", "say how to replay a draw without this program", common=False)
    made = _add(commands, "coverage", "print the coverage report")
    made.add_argument("--csv", action="store_true", help="as CSV")


def _add_steps(commands: Commands) -> None:
    made = _add(commands, "secret", "make a secret and its commitment", common=False)
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made.add_argument("--draw", metavar="N", type=int, default=1, help="which draw (default: 1)")
    made.add_argument(
        "--party", choices=("psd", "second"), required=True, help="whose secret it is"
    )
    made = _add(commands, "plan", "plan a sample (professional standards)")
    made.add_argument("--why", metavar="TEXT", required=True, help="its purpose")
    made.add_argument(
        "--authority", metavar="REFERENCE", required=True, help="the standing authorisation"
    )
    made.add_argument("--week", metavar="WEEK", required=True, help="the first one: 2026-W47")
    made.add_argument("--weeks", metavar="N", type=int, default=1, help="how many (default: 1)")
    made.add_argument("--size", metavar="N", type=int, default=59, help="person-weeks to draw")
    made.add_argument(
        "--second", metavar="NAME", required=True, help="who makes the second commitment"
    )
    for name, text in (
        ("roster", "fix who can be drawn; without --fix, only look at it"),
        ("redraw", "begin another draw; without --fix, only look at its roster"),
    ):
        made = _add(commands, name, text)
        made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
        source = made.add_mutually_exclusive_group(required=True)
        source.add_argument("--file", metavar="FILE", type=Path, help="CSV: name,class,unit")
        source.add_argument("--directory", action="store_true", help="everybody in the directory")
        made.add_argument("--fix", action="store_true", help="fix it")
        if name == "redraw":
            made.add_argument("--why", metavar="TEXT", required=True, help="why")
    made = _add(commands, "commit", "make your commitment")
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made.add_argument("commitment", metavar="COMMITMENT", help="64 digits, as `secret` says")
    made = _add(commands, "reveal", "reveal your secret, which is read from standard input")
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made = _add(commands, "close", "close a plan")
    made.add_argument("reference", metavar="PLAN", help=_REFERENCE)
    made.add_argument("--remark", metavar="TEXT", default="", help="a remark")
