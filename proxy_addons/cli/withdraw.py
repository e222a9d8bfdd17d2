"""`watchhouse withdraw NAME`: withdraw somebody's web access, or give it back (Inf/27 2.3.2).

In: a name, a reason; who sits at the terminal. Out: the same record as the portal's page leaves.
Must never: do what the register's rules refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "withdraw",
        help="withdraw somebody's web access, or give it back",
        description="Withdraw somebody's web access, or give it back (--lift). Every gateway"
        " goes by it within 2 seconds. Exit code 1: refused, with the rule.",
    )
    parser.add_argument("name", metavar="NAME", help="login name")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why; it is recorded")
    parser.add_argument("--lift", action="store_true", help="give the access back")
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import standing

    return standing.explained(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import OK, opened
    from proxy_addons.standing import Withdrawals

    settings = settings_of(args)
    actor = actor_of(settings)
    with opened(settings) as store:
        register = Withdrawals(store)
        if args.lift:
            found = register.lift(actor, args.name, args.reason)
            print(f"{found.reference}: {found.person} has web access again")
        else:
            found = register.withdraw(actor, args.name, args.reason)
            print(f"{found.reference}: the web access of {found.person} is withdrawn")
    return OK
