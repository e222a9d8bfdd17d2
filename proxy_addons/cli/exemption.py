"""`watchhouse exemption …`: the register of exemptions at the command line (Inf/27 2.13.1, 5.1).

In: command line. Out: an exit code; exemption_steps.py and exemption_views.py do the work.
Must never: load the register for a page of help.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common
from proxy_addons.cli.times import when

if TYPE_CHECKING:
    import argparse

    from proxy_addons.cli.subcommands import Commands

_REFERENCE = "such as EX-2026-0001"


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "exemption",
        help="the register of exemptions",
        description="The register of exemptions. Days are those of the policy's time zone. Exit"
        " code 1: refused, with the rule.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="exemption_command", required=True, metavar="COMMAND")
    _add_request(commands)
    _add_steps(commands)
    _add_views(commands)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import exemption_steps, exemption_views, standing

    name: str = args.exemption_command
    if name in exemption_steps.STEPS:
        return standing.explained(lambda: exemption_steps.step(args, name))
    work = {
        "request": exemption_steps.request,
        "list": exemption_views.list_all,
        "show": exemption_views.show,
        "report": exemption_views.report,
    }[name]
    return standing.explained(lambda: work(args))


def _add(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_common(made)
    return made


def _add_text(made: argparse.ArgumentParser, option: str, text: str, *, need: bool = False) -> None:
    made.add_argument(option, metavar="TEXT", required=need, default="", help=text)


def _add_request(commands: Commands) -> None:
    made = _add(commands, "request", "ask for an exemption; a second person has to approve it")
    made.add_argument("name", metavar="NAME", help="login name of the person it is for")
    made.add_argument("--everything", action="store_true", help="everything but security threats")
    made.add_argument(
        "--category",
        metavar="CATEGORY",
        action="append",
        default=[],
        help="a category by name; may be repeated, and with --everything names threats",
    )
    _add_text(made, "--why", "what it is needed for", need=True)
    made.add_argument(
        "--from", metavar="WHEN", type=when, dest="begins", help="first day or time (default: now)"
    )
    made.add_argument(
        "--until",
        metavar="WHEN",
        type=when,
        dest="ends",
        required=True,
        help="last day (included), or the time at which it ends; at most 12 months later",
    )
    _add_text(made, "--reference", "the force's own reference")
    made.add_argument(
        "--significant", action="store_true", help="it has to be escalated before it is approved"
    )
    made.add_argument(
        "--review", metavar="WHEN", type=when, help="when it is reviewed (default: half-way)"
    )


def _add_steps(commands: Commands) -> None:
    def add(name: str, text: str) -> argparse.ArgumentParser:
        made = _add(commands, name, text)
        made.add_argument("reference", metavar="REFERENCE", help=_REFERENCE)
        made.add_argument(
            "--seen",
            metavar="N",
            type=int,
            help="refuse unless the exemption has that many steps, as `show` says: that is, unless"
            " nothing has changed since",
        )
        return made

    made = add("approve", "approve a request, or a pending extension")
    _add_text(made, "--note", "a remark")
    _add_text(made, "--escalated-to", "whom a significant one was escalated to")
    made = add("refuse", "refuse a request, or a pending extension")
    _add_text(made, "--why", "why", need=True)
    made = add("extend", "ask for a later end; a second person has to approve it")
    made.add_argument(
        "--until",
        metavar="WHEN",
        type=when,
        dest="ends",
        required=True,
        help="the new last day (included), or time",
    )
    _add_text(made, "--why", "what it is needed for", need=True)
    made = add("escalate", "record whom a significant one was escalated to")
    _add_text(made, "--to", "board, committee or risk owner", need=True)
    _add_text(made, "--note", "a remark")
    made = add("review", "record a review")
    _add_text(made, "--note", "what was found", need=True)
    made.add_argument("--next", metavar="WHEN", type=when, dest="next_at", help="the next review")
    made = add("revoke", "end an exemption at once")
    _add_text(made, "--why", "why", need=True)


def _add_views(commands: Commands) -> None:
    made = _add(commands, "list", "list exemptions")
    made.add_argument("--person", metavar="NAME", help="only of this person")
    made.add_argument("--all", action="store_true", help="also refused, revoked and expired ones")
    made = _add(commands, "show", "show an exemption with all its steps")
    made.add_argument("reference", metavar="REFERENCE", help=_REFERENCE)
    made = _add(commands, "report", "report: live, expiring, unused, overdue; by unit")
    made.add_argument(
        "--csv", metavar="FILE", type=Path, help="write all of them to a CSV file instead; - prints"
    )
