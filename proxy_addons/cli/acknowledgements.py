"""`watchhouse acknowledgements …`: who has acknowledged the statement, who has not (Inf/27 3.8).

In: command line. Out: an exit code; acknowledgement_views.py does the work.
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
        "acknowledgements",
        help="who has acknowledged the acceptable-use statement",
        description="Who has acknowledged the acceptable-use statement, which version, when, from"
        " where; and who has not. Exit code 1: refused, with the reason.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(
        dest="acknowledgements_command", required=True, metavar="COMMAND"
    )
    made = _add(commands, "list", "how everybody stands to the present version")
    _add_people(made)
    made = _add(commands, "missing", "who has to acknowledge the present version")
    _add_people(made)
    made = _add(commands, "export", "every acknowledgement that was ever given")
    made.add_argument("--version", metavar="VERSION", help="only of this version of the statement")
    _add_csv(made)
    made = _add(commands, "show", "the acknowledgements of a person, or a version's text")
    subject = made.add_mutually_exclusive_group(required=True)
    subject.add_argument("name", metavar="NAME", nargs="?", help="login name")
    subject.add_argument(
        "--statement",
        metavar="VERSION",
        nargs="?",
        const="",
        help="print the statement that was acknowledged as this version (without one: the present"
        " one)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import acknowledgement_views, standing

    work = {
        "list": acknowledgement_views.list_all,
        "missing": acknowledgement_views.missing,
        "export": acknowledgement_views.export,
        "show": acknowledgement_views.show,
    }[args.acknowledgements_command]
    return standing.explained(lambda: work(args))


def _add(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_common(made)
    return made


def _add_people(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--people",
        metavar="FILE",
        type=Path,
        help="everybody who should have acknowledged it: login names, one a line, or a CSV file"
        " with a column `person` or `name`; - reads standard input (default: everybody whom the"
        " directory has; without a directory, whom the store has heard of: by rota, personal use or"
        " an earlier acknowledgement)",
    )
    made.add_argument(
        "--units", action="store_true", help="with --people: their units, from the directory"
    )
    _add_csv(made)


def _add_csv(made: argparse.ArgumentParser) -> None:
    made.add_argument("--csv", metavar="FILE", type=Path, help="write a CSV file; - prints")
