"""The `watchhouse` command: thin; each command is a module of this room.

In: command-line arguments. Out: an exit code.
Must never: import a command that was not asked for (a short command stays fast), or hold logic that
a room should hold.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING

from proxy_addons import __version__
from proxy_addons.settings.problems import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "serve",
    "check",
    "explain",
    "test",
    "impact",
    "decide",
    "import-squidguard",
    "categories",
    "log",
    "witness",
    "exemption",
    "withdraw",
    "authority",
    "break",
    "acknowledgements",
    "rota",
    "report",
    "sampling",
    "retention",
    "whois",
    "selftest",
    "password",
)
"""Every command, in the order of the help; each is the module of that name in this room."""

_MODULES = {"break": "breaks", "import-squidguard": "import_squidguard"}
"""But for those whose name cannot be a module's."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None for those of the process.

    Returns:
        Exit code: 0 for success, 1 for a failure that was explained, 2 for wrong usage, 130 after
        Ctrl-C; a command may have further ones.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = _parser(arguments[0] if arguments else "")
    args = parser.parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()  # here, where a reader that has left is no surprise
    except SettingsError as problem:
        # Nothing was done: the configuration is not usable. Every problem is listed.
        print(problem, file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader of our output left (`| head`). What was asked for is done; stay quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        # The person at the terminal stopped it; no request is in hand here.
        return INTERRUPTED
    finally:
        if argv is None:
            # The process ends: whoever waits for it need not wait until all that it has made has
            # been looked through for garbage, which takes as long as many commands.
            gc.freeze()
    return code


def _parser(first: str) -> argparse.ArgumentParser:
    """The parser; with the one command that is asked for, or with all of them for the help."""
    parser = argparse.ArgumentParser(
        prog="watchhouse",
        description="A forward web proxy that applies the force's acceptable-use policy.",
    )
    parser.add_argument("--version", action="version", version=f"watchhouse {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for name in (first,) if first in COMMANDS else COMMANDS:
        importlib.import_module(f"proxy_addons.cli.{_MODULES.get(name, name)}").register(subparsers)
    return parser
