"""`watchhouse log`: the access log for people.

In: command line, the segments on disk. Out: lines for a terminal, or JSON lines for a program.
Must never: send a character out of a record to the terminal that the terminal would act on; read
as a record what is not one; change the log.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from proxy_addons.accesslog.reader import Filter, Follower, LogReader, snapshot, started
from proxy_addons.accesslog.record import FIELDS
from proxy_addons.accesslog.reference import ReferenceNumberError, normalise
from proxy_addons.accesslog.render import dump
from proxy_addons.cli import log_compact, log_seal, log_verifier
from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.accesslog.reader import Entry

LOCAL = ZoneInfo("Europe/London")
_FOLLOW_INTERVAL = 0.5  # seconds
_OK, _NOT_FOUND, _WRONG = 0, 1, 2
_STYLES = {
    "block": "bold red",
    "redirect": "red",
    "allow": "green",
    "open": "yellow",
    "gap": "bold magenta",
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log tail` and `log show`, and what the modules log_*.py have."""
    parser = subparsers.add_parser("log", help="read the access log")
    commands = parser.add_subparsers(dest="log_command", required=True, metavar="COMMAND")

    tail = commands.add_parser("tail", help="the latest records, oldest of them first")
    _add_folder(tail)
    tail.add_argument("-n", "--lines", type=_count, default=20, metavar="N", help="how many (20)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on as records come in")
    tail.add_argument("--json", action="store_true", help="whole records, one JSON line each")
    tail.add_argument("--refused", action="store_true", help="only what was refused")
    tail.add_argument("--person", metavar="P", help="only of this person (exact name)")
    tail.add_argument("--host", metavar="H", help="only this host and its subdomains")
    tail.set_defaults(run=run_tail)

    show = commands.add_parser("show", help="all that is recorded under a reference number")
    _add_folder(show)
    show.add_argument("reference", nargs="+", help="as on the block page, in any spelling")
    show.add_argument("--json", action="store_true", help="whole records, one JSON line each")
    show.set_defaults(run=run_show)
    log_seal.register(commands)
    log_compact.register(commands)
    log_verifier.register(commands)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="read the segments in this folder, such as a copy; needs no configuration",
    )


def _folder(args: argparse.Namespace) -> Path:
    return args.directory or settings_of(args).paths.access_log_dir


def _sealed(args: argparse.Namespace) -> Path | None:
    """Where sealed segments are; a folder that was named is read by itself."""
    return None if args.directory else settings_of(args).paths.sealed_dir


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def visible(value: object) -> str:
    r"""Returns text with nothing in it that a terminal acts on or that cannot be seen.

    Control characters, direction marks, zero-width and unassigned characters become escapes such as
    `\x1b` or `\u202e`; a backslash is doubled, so that an escape can be told from text that merely
    looks like one.
    """
    text = str(value)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() and char != "\\" else ascii(char)[1:-1] for char in text
    )


def local_time(moment: datetime | None) -> str:
    """Returns a time as people in the force read clocks, to the second, with its zone."""
    return moment.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "(no time)"


def _size(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def line_for(record: dict[str, Any]) -> Text:
    """Returns one record as a line for people."""
    event = record.get("event")
    word = str(record.get("action") or "-") if event == "transaction" else str(event)
    person = record.get("person") or f"({record.get('client_ip') or 'unknown'})"
    what = record.get("url") or f"{record.get('host') or '-'}:{record.get('port') or '-'}"
    duration = record.get("duration_ms")
    line = Text(no_wrap=True)
    line.append(local_time(started(record)), style="dim")
    line.append(f"  {visible(word):<5}", style=_STYLES.get(word, ""))
    line.append(f"  {visible(person)}", style="bold")
    line.append(f"  {visible(record.get('method') or record.get('kind') or '-')}")
    line.append(f" {visible(what)}")
    line.append(f"  {visible(record.get('rule') or '-')}", style="cyan")
    line.append(f"  {visible(record.get('status') or '-')}")
    line.append(f"  {_size(record.get('bytes_up'))} up {_size(record.get('bytes_down'))} down")
    line.append(f"  {duration:.0f} ms" if isinstance(duration, int | float) else "  ? ms")
    line.append(f"  {visible(record.get('id'))}", style="dim")
    if record.get("error"):
        line.append(f"  {visible(record['error'])}", style="red")
    return line


def _console() -> Console:
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal of another encoding gets escapes for what it cannot show, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    # No markup, emoji or highlighting: what stands in a record is text and nothing else.
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def _print(console: Console, entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            # Written anew, so that bytes that somebody else put into a segment do no harm either.
            sys.stdout.write(dump(entry.record).decode())
            sys.stdout.flush()
        else:
            console.print(line_for(entry.record))


def _complain(problem: object) -> None:
    print(f"watchhouse log: {visible(problem)}", file=sys.stderr)


def _tell_problems(reader: LogReader) -> None:
    for path, offset in reader.unreadable:
        _complain(f"{path}, byte {offset}: not a record; left out")
    for problem in reader.problems:
        _complain(f"{problem}; its records are missing here")


def run_tail(args: argparse.Namespace) -> int:
    """Runs `log tail`."""
    wanted = Filter(person=args.person, host=args.host, actions=REFUSALS if args.refused else None)
    directory = _folder(args)
    console = _console()
    try:
        ends = snapshot(directory)
        reader = LogReader(directory, ends, _sealed(args))
        latest = list(islice(reader.entries(wanted, newest_first=True), args.lines))
        _print(console, reversed(latest), as_json=args.json)
        _tell_problems(reader)
        follower = Follower(directory, ends)
        while args.follow:
            _print(console, follower.poll(wanted), as_json=args.json)
            time.sleep(_FOLLOW_INTERVAL)
    except KeyboardInterrupt:
        # The way to end --follow.
        return _OK
    except BrokenPipeError:
        raise  # whoever read this (head, less) has seen enough: main ends quietly
    except OSError as problem:
        _complain(f"the access log cannot be read: {problem}")
        return _NOT_FOUND
    return _OK


def run_show(args: argparse.Namespace) -> int:
    """Runs `log show`."""
    try:
        reference = normalise(" ".join(args.reference))
    except ReferenceNumberError as problem:
        _complain(problem)
        return _WRONG
    directory = _folder(args)
    reader = LogReader(directory, sealed=_sealed(args))
    try:
        entries = reader.find(reference)
    except OSError as problem:
        _complain(f"the access log cannot be read: {problem}")
        return _NOT_FOUND
    console = _console()
    if args.json:
        _print(console, entries, as_json=True)
    else:
        for entry in entries:
            _explain(console, entry)
    _tell_problems(reader)
    if not entries:
        _complain(
            f"no record of {reference} in {directory}. The number is well formed: the transaction "
            "may be younger than five seconds and still open, be kept elsewhere, or have been "
            "lost in a crash."
        )
        return _NOT_FOUND
    return _OK


_TITLES = {
    "transaction": "Closing record: the transaction is over",
    "open": "Opening record: the transaction was going on",
    "gap": "Gap: records were lost here",
}


def _explain(console: Console, entry: Entry) -> None:
    """Prints all fields of a record, each with its meaning."""
    event = str(entry.record.get("event"))
    console.print(Text(_TITLES.get(event, visible(event)), style="bold"))
    console.print(Text(f"{visible(entry.segment)}, byte {entry.offset}", style="dim"))
    known = {field.name: field.meaning for field in FIELDS}
    for name in [*known, *(name for name in entry.record if name not in known)]:
        value = entry.record.get(name)
        line = Text(f"  {visible(name):<15}")
        line.append(_shown(name, value, entry.record), style="" if value is None else "bold")
        console.print(line)
        console.print(Text(f"  {'':<15}{known.get(name, 'Not a field of this version.')}", "dim"))
    console.print()


def _shown(name: str, value: object, record: dict[str, Any]) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(visible, value)) or "none"
    if name == "start":
        return f"{visible(value)}  ({local_time(started(record))})"
    return visible(value)
