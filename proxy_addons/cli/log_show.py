"""`watchhouse log show`: records explained, or in the format of another program.

In: reference numbers, or a span of time; the segments on disk. Out: all fields of a record, each
with its meaning; or one line a record in the format that was asked for.
Must never: leave a record out in silence because a format has no room for it; change the log.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.feeds.ecs import ecs
from proxy_addons.accesslog.feeds.mask import masked
from proxy_addons.accesslog.feeds.ocsf import ocsf
from proxy_addons.accesslog.feeds.where import this_gateway
from proxy_addons.accesslog.formats import elff
from proxy_addons.accesslog.formats.cef import cef
from proxy_addons.accesslog.formats.squid import squid
from proxy_addons.accesslog.reader import Filter
from proxy_addons.accesslog.reference import ReferenceNumberError, normalise
from proxy_addons.accesslog.render import dump
from proxy_addons.cli.log_read import (
    NOT_FOUND,
    OK,
    WRONG,
    add_filter,
    add_folder,
    folder,
    reader_of,
    tell_problems,
)
from proxy_addons.cli.log_text import LOCAL, complain, console_of, explain
from proxy_addons.cli.times import when
from proxy_addons.policy.model import REFUSALS
from proxy_addons.settings.feeds import DEFAULT_MASK

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.accesslog.reader import Entry, LogReader

    type Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How records are written for another program.

    Attributes:
        about: what it is, for the help.
        line: a record's line without its end; None where the format has no room for it.
        header: lines at the beginning.
    """

    about: str
    line: Callable[[Gateway, Record], str | None]
    header: Callable[[Gateway, datetime], Iterable[str]] = lambda _gateway, _moment: ()


def _own(_gateway: Gateway, record: Record) -> str:
    # Written anew, so that bytes that somebody else put into a segment do no harm either.
    return dump(dict(record)).decode().rstrip("\n")


def _nested(made: Callable[[Record, Gateway], Any], gateway: Gateway, record: Record) -> str:
    return dump(made(record, gateway)).decode().rstrip("\n")


FORMATS: Final[Mapping[str, Format]] = {
    "json": Format("the record itself, one JSON line each (docs/access-log.md)", _own),
    "ecs": Format("Elastic Common Schema, one JSON line each", partial(_nested, ecs)),
    "ocsf": Format("OCSF HTTP Activity, one JSON line each", partial(_nested, ocsf)),
    "squid": Format("Squid's access.log", lambda _gateway, record: squid(record)),
    "elff": Format(
        "W3C Extended Log File Format, fields of ProxySG",
        lambda _gateway, record: elff.elff(record),
        elff.header,
    ),
    "cef": Format("ArcSight Common Event Format", lambda gateway, record: cef(record, gateway)),
}
"""Name on the command line → format."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log show`."""
    show = commands.add_parser(
        "show",
        help="records explained, or in the format of another program",
        description="All that is recorded under reference numbers, explained. Or, with --format,"
        " all records of a time in the format of another program. Exit code 0: done; 1: no such"
        " record, or the log cannot be read; 2: no reference number.",
        epilog="Formats: " + "; ".join(f"{name}: {each.about}" for name, each in FORMATS.items()),
    )
    add_folder(show)
    show.add_argument("reference", nargs="*", help="as on the block page, in any spelling")
    show.add_argument("--format", choices=tuple(FORMATS), help="instead of an explanation")
    show.add_argument(
        "--json", action="store_const", const="json", dest="format", help="--format json"
    )
    show.add_argument(
        "--from", type=when, dest="since", metavar="T", help="a day, or a time (--format)"
    )
    show.add_argument(
        "--to", type=when, dest="until", metavar="T", help="a day, which is included, or a time"
    )
    add_filter(show)
    show.add_argument(
        "--mask",
        action="store_true",
        help="with what feeds cut off by default left out: query strings, and where requests in"
        " special categories went",
    )
    show.set_defaults(run=run_show)


def run_show(args: argparse.Namespace) -> int:
    """Runs `log show`."""
    if not args.reference:
        return _show_many(args)
    try:
        reference = normalise(" ".join(args.reference))
    except ReferenceNumberError as problem:
        complain(problem)
        return WRONG
    directory, reader = folder(args), reader_of(args)
    try:
        entries = reader.find(reference)
    except OSError as problem:
        complain(f"the access log cannot be read: {problem}")
        return NOT_FOUND
    if args.format:
        _write(args, entries)
    else:
        console = console_of()
        for entry in entries:
            explain(console, entry)
    tell_problems(reader)
    if not entries:
        complain(
            f"no record of {reference} in {directory}. The number is well formed: the transaction "
            "may be younger than five seconds and still open, be kept elsewhere, or have been "
            "lost in a crash."
        )
        return NOT_FOUND
    return OK


def _show_many(args: argparse.Namespace) -> int:
    """All records of a time, in the order in which they were written."""
    if not args.format:
        complain("name a reference number; or --format, and a time with --from and --to")
        return WRONG
    wanted = Filter(
        person=args.person,
        host=args.host,
        actions=REFUSALS if args.refused else None,
        since=args.since and args.since.begin(LOCAL),
        until=args.until and args.until.end(LOCAL),
    )
    reader: LogReader = reader_of(args)
    try:
        _write(args, reader.entries(wanted))
    except BrokenPipeError:
        raise  # whoever read this (head, less) has seen enough: main ends quietly
    except OSError as problem:
        complain(f"the access log cannot be read: {problem}")
        return NOT_FOUND
    tell_problems(reader)
    for path in reader.torn:
        complain(f"{path}: its last line is not whole yet; left out")
    return OK


def _write(args: argparse.Namespace, entries: Iterable[Entry]) -> None:
    chosen, gateway = FORMATS[args.format], this_gateway()
    for directive in chosen.header(gateway, datetime.fromtimestamp(time.time(), UTC)):
        sys.stdout.write(f"{directive}\n")
    left_out: Counter[str] = Counter()
    for entry in entries:
        record: Record = masked(entry.record, DEFAULT_MASK) if args.mask else entry.record
        line = chosen.line(gateway, record)
        if line is None:
            left_out[str(record.get("event"))] += 1
        else:
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    for event, count in sorted(left_out.items()):
        complain(f"{count} records of the kind {event} left out: the format has no room for them")
