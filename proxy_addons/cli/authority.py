"""`watchhouse authority …`: who may look at the access log, at the command line.

In: command line. Out: an exit code; authority_steps.py and authority_views.py do the work.
Must never: load the register for a page of help; count being at the machine as a right.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common
from proxy_addons.cli.times import when

if TYPE_CHECKING:
    import argparse

    from proxy_addons.cli.subcommands import Commands

_REFERENCE = "such as AU-2026-0001"


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "authority",
        help="who may look at the access log",
        description="Authorisations to look at the access log. One sees, and takes steps on, what"
        " one may by one's own name: root and operators have no right here. Exit code 1: refused,"
        " with the rule.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="authority_command", required=True, metavar="COMMAND")
    _add_views(commands)
    _add_steps(commands)
    _add_deputies(commands)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import authority_deputies, authority_steps, authority_views, standing

    name: str = args.authority_command
    if name in authority_steps.STEPS:
        return standing.explained(lambda: authority_steps.step(args, name))
    work = {
        "list": authority_views.list_all,
        "show": authority_views.show,
        "apply": authority_steps.apply,
        "deputies": authority_deputies.list_all,
        "deputise": authority_deputies.give,
        "revoke": authority_deputies.revoke,
    }[name]
    return standing.explained(lambda: work(args))


def _add(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_common(made)
    return made


def _add_text(made: argparse.ArgumentParser, option: str, text: str, *, need: bool = False) -> None:
    made.add_argument(option, metavar="TEXT", required=need, default="", help=text)


def _add_time(made: argparse.ArgumentParser, option: str, text: str, *, need: bool = True) -> None:
    name = option.removeprefix("--").replace("from", "begins")
    made.add_argument(option, metavar="WHEN", type=when, dest=name, required=need, help=text)


def _add_views(commands: Commands) -> None:
    made = _add(commands, "list", "list the authorisations that you may see")
    made.add_argument("--all", action="store_true", help="also those that have ended")
    made = _add(commands, "show", "show an authorisation with all its steps")
    made.add_argument("reference", metavar="REFERENCE", help=_REFERENCE)


def _add_steps(commands: Commands) -> None:
    def add(name: str, text: str) -> argparse.ArgumentParser:
        made = _add(commands, name, text)
        made.add_argument("reference", metavar="REFERENCE", help=_REFERENCE)
        made.add_argument(
            "--seen",
            metavar="N",
            type=int,
            help="refuse unless the authorisation has that many steps, as `show` says",
        )
        return made

    made = _add(commands, "apply", "apply for an authorisation (Professional Standards)")
    made.add_argument("file", metavar="FILE", type=Path, help="the application, in YAML")
    made = add("approve", "approve an application, or a renewal")
    _add_text(made, "--note", "a remark")
    made = add("orally", "write down that an urgent application was approved by word of mouth")
    made.add_argument("--by", metavar="NAME", required=True, help="login name of who approved")
    _add_time(made, "--at", "when they did")
    _add_text(made, "--note", "what was said, and why it could not wait", need=True)
    made = add("write-up", "confirm in writing what was approved by word of mouth")
    _add_text(made, "--note", "a remark")
    made = add("refuse", "refuse an application, or a renewal")
    _add_text(made, "--why", "why", need=True)
    made = add("withdraw", "end your own authorisation")
    _add_text(made, "--why", "why", need=True)
    made = add("cancel", "end an authorisation early")
    _add_text(made, "--why", "why", need=True)
    made = add("renew", "ask that an authorisation holds longer")
    _add_time(made, "--until", "the new last day (included), or time")
    _add_text(made, "--why", "why it is still needed", need=True)
    made = add("review", "record a review")
    _add_text(made, "--note", "what was found", need=True)
    _add_time(made, "--next", "the next review", need=False)
    made = add("conflict", "declare that you are not impartial")
    _add_text(made, "--why", "why", need=True)


def _add_deputies(commands: Commands) -> None:
    made = _add(commands, "deputies", "list who deputises for whom")
    made.add_argument("--all", action="store_true", help="also those that have ended")
    made = _add(commands, "deputise", "let somebody act for you in an office that you hold")
    made.add_argument("office", metavar="OFFICE", help="such as head-of-acu")
    made.add_argument("name", metavar="NAME", help="login name of the deputy")
    _add_time(made, "--from", "first day or time (default: now)", need=False)
    _add_time(made, "--until", "last day (included), or time")
    _add_text(made, "--why", "why", need=True)
    made = _add(commands, "revoke", "take a delegation back")
    made.add_argument("reference", metavar="REFERENCE", help="such as DG-2026-0001")
    _add_text(made, "--why", "why", need=True)
