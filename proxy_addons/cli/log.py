"""`watchhouse log`: the access log for people; here its latest records.

In: command line, the segments on disk. Out: lines for a terminal, or JSON lines for a program.
Must never: read as a record what is not one; change the log.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

from proxy_addons.accesslog.reader import Filter, Follower, snapshot
from proxy_addons.accesslog.render import dump
from proxy_addons.cli import log_compact, log_seal, log_show, log_verifier
from proxy_addons.cli.log_read import (
    NOT_FOUND,
    OK,
    add_filter,
    add_folder,
    folder,
    reader_of,
    tell_problems,
)
from proxy_addons.cli.log_text import complain, console_of, line_for
from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from proxy_addons.accesslog.reader import Entry

_FOLLOW_INTERVAL = 0.5  # seconds


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log tail`, and what the modules log_*.py have."""
    parser = subparsers.add_parser("log", help="read the access log")
    commands = parser.add_subparsers(dest="log_command", required=True, metavar="COMMAND")

    tail = commands.add_parser("tail", help="the latest records, oldest of them first")
    add_folder(tail)
    tail.add_argument("-n", "--lines", type=_count, default=20, metavar="N", help="how many (20)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on as records come in")
    tail.add_argument("--json", action="store_true", help="whole records, one JSON line each")
    add_filter(tail)
    tail.set_defaults(run=run_tail)

    log_show.register(commands)
    log_seal.register(commands)
    log_compact.register(commands)
    log_verifier.register(commands)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def _print(console: Console, entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            # Written anew, so that bytes that somebody else put into a segment do no harm either.
            sys.stdout.write(dump(entry.record).decode())
            sys.stdout.flush()
        else:
            console.print(line_for(entry.record))


def run_tail(args: argparse.Namespace) -> int:
    """Runs `log tail`."""
    wanted = Filter(person=args.person, host=args.host, actions=REFUSALS if args.refused else None)
    directory = folder(args)
    console = console_of()
    try:
        ends = snapshot(directory)
        reader = reader_of(args, ends)
        latest = list(islice(reader.entries(wanted, newest_first=True), args.lines))
        _print(console, reversed(latest), as_json=args.json)
        tell_problems(reader)
        follower = Follower(directory, ends)
        while args.follow:
            _print(console, follower.poll(wanted), as_json=args.json)
            time.sleep(_FOLLOW_INTERVAL)
    except KeyboardInterrupt:
        # The way to end --follow.
        return OK
    except BrokenPipeError:
        raise  # whoever read this (head, less) has seen enough: main ends quietly
    except OSError as problem:
        complain(f"the access log cannot be read: {problem}")
        return NOT_FOUND
    return OK
