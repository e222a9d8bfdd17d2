"""`watchhouse password`: set, change or remove a password in a file of accounts.

In: a name, a file, a password from the terminal or standard input. Out: the changed file.
Must never: take a password from the command line, where everybody on the machine reads it, or
print one.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "password",
        help="set, change or remove a password in a file of accounts",
        description="Set, change or remove a password in a file of accounts (identity.basic.file,"
        " portal.accounts). It is asked for twice; or give it in one line on standard input.",
    )
    parser.add_argument("name", metavar="NAME", help="login name")
    parser.add_argument(
        "--file", metavar="FILE", type=Path, required=True, help="the file; made if not there"
    )
    parser.add_argument("--remove", action="store_true", help="remove the account")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from proxy_addons.identity.accounts import (
        remove_account,
        set_password,
    )
    from proxy_addons.identity.passwords import PasswordsError

    try:
        if args.remove:
            remove_account(args.file, args.name)
            print(f"{args.file}: the account is removed")
            return 0
        new = set_password(args.file, args.name, _typed())
    except PasswordsError as problem:
        # Nothing has changed, and no request is in hand: say why and how to mend it.
        print(f"watchhouse: {problem}", file=sys.stderr)
        return 1
    print(f"{args.file}: {'the account is made' if new else 'the password is changed'}")
    return 0


def _typed() -> str:
    """The password that was typed, or came in.

    Raises:
        PasswordsError: none did, or the two are not the same.
    """
    from proxy_addons.identity.passwords import PasswordsError

    try:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\r\n")
        password = getpass.getpass("New password: ")
        again = getpass.getpass("Once more: ")
    except (EOFError, UnicodeDecodeError) as problem:
        # Nothing has changed.
        msg = "no password was given" if isinstance(problem, EOFError) else "it is not UTF-8"
        raise PasswordsError(msg) from None
    if password != again:
        msg = "the two are not the same; nothing has changed"
        raise PasswordsError(msg)
    return password
