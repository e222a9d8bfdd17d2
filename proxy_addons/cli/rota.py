"""`watchhouse rota …`: duty times from the force's duty system (docs/rota.md).

In: a file, or a name; who sits at the terminal. Out: what changed, or everything that is wrong with
the file, row by row.
Must never: write anything of a file of which one row is wrong.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing.rota_entries import Options, Progress, RotaFile
    from proxy_addons.standing.rota_plan import Changes

_ICALENDAR = frozenset({".ics", ".ical", ".ifb", ".icalendar"})


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "rota",
        help="duty times: import, show",
        description="Who is on duty when. docs/rota.md has the formats. Exit code 1: refused, with"
        " every row that is wrong.",
    )
    commands = parser.add_subparsers(dest="rota_command", required=True, metavar="COMMAND")
    _add_import(commands)
    made = _add(commands, "show", "show somebody's duties", _show)
    made.add_argument("name", metavar="NAME", help="login name")
    made.add_argument("--from", metavar="DAY", type=_day, dest="first", help="default: yesterday")
    made.add_argument(
        "--until", metavar="DAY", type=_day, dest="last", help="included; default: 4 weeks later"
    )
    _add(commands, "status", "show for whom and how far there is a rota, and the imports", _status)


def _add_import(commands: Commands) -> None:
    made = _add(
        commands, "import", "replace duties by those of a file, for its people and days", _import
    )
    made.add_argument("file", metavar="FILE", type=Path, help="CSV, or iCalendar (.ics)")
    made.add_argument(
        "--dry-run", action="store_true", help="check the file and say what would change"
    )
    made.add_argument(
        "--from",
        metavar="DAY",
        type=_day,
        dest="first",
        help="leave out what begins earlier; the file's period begins on this day",
    )
    made.add_argument(
        "--until",
        metavar="DAY",
        type=_day,
        dest="last",
        help="leave out what begins later; the file's period ends with this day",
    )
    made.add_argument("--person", metavar="NAME", help="whose entries are those that name nobody")
    made.add_argument(
        "--off",
        metavar="KIND",
        action="append",
        default=[],
        help="a kind of entry that is time off; may be repeated",
    )
    made.add_argument(
        "--format", choices=("csv", "ics"), help="default: by the file's name; CSV if not .ics"
    )


def _add(
    commands: Commands, name: str, text: str, work: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_common(made)
    made.set_defaults(run=lambda args: _explained(work, args))
    return made


def _explained(work: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    from proxy_addons.cli import standing
    from proxy_addons.standing.rota_problems import RotaFileError

    try:
        return standing.explained(lambda: work(args))
    except RotaFileError as problem:
        # Nothing was written. No request is in hand: all that is wrong is said, a line a row.
        for each in str(problem).splitlines():
            print(standing.plain(each), file=sys.stderr)
        what = "1 problem" if problem.count == 1 else f"{problem.count:,} problems"
        print(f"watchhouse: {what}; nothing was imported", file=sys.stderr)
        return standing.FAILED


def _import(args: argparse.Namespace) -> int:
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import OK, opened, plain
    from proxy_addons.standing.rota_entries import Options
    from proxy_addons.standing.rota_import import RotaImport, may_import
    from proxy_addons.standing.rules import name_of

    settings = settings_of(args)
    zone = settings.policy.time_zone
    person = name_of(args.person) if args.person else None
    options = Options(args.first, args.last, person, tuple(args.off))
    actor = actor_of(settings)
    if not args.dry_run:
        may_import(actor)
    with _progress() as progress:
        file = _read(args, settings, options, progress)
        with opened(settings) as store:
            rota = RotaImport(store, zone)
            if args.dry_run:
                changes = rota.preview(file, progress)
            else:
                changes = rota.take_over(file, actor.name, progress)
    for note in file.notes:
        more = f" ({note.count - 1:,} more)" if note.count > 1 else ""
        print(plain(f"{file.name}:{note.row}: note: {note.text}{more}"))
    if changes.gap_count:
        more = f" and {changes.gap_count - len(changes.gaps):,} more"
        print(
            plain(
                f"note: between what is known and {file.first} there are days of which no file has"
                f" spoken, for {', '.join(changes.gaps)}"
                f"{more if changes.gap_count > len(changes.gaps) else ''}. Until the known days are"
                " over, only the duties of the new ones count; --from joins them."
            )
        )
    print(plain(_said(file, changes, dry_run=args.dry_run)))
    return OK


def _read(
    args: argparse.Namespace, settings: Settings, options: Options, progress: Progress
) -> RotaFile:
    zone = settings.policy.time_zone
    is_icalendar = args.file.suffix.lower() in _ICALENDAR
    if args.format == "ics" or (args.format is None and is_icalendar):
        from proxy_addons.standing.rota_ics import read_ics

        return read_ics(args.file, zone, options, progress)
    from proxy_addons.standing.rota_csv import read_csv

    return read_csv(args.file, zone, options, progress)


def _said(file: RotaFile, changes: Changes, *, dry_run: bool) -> str:
    left_out = f"; {file.left_out:,} on other days left out" if file.left_out else ""
    would = "would be " if dry_run else ""
    return (
        f"{file.name}: {file.rows:,} entries of {changes.people:,} people, {file.first} to"
        f" {file.last}{left_out}. Changes: {changes.added:,} duties {would}added,"
        f" {changes.removed:,} {would}removed, {changes.changed:,} people {would}changed,"
        f" {changes.new:,} of them new to the rota"
    )


def _show(args: argparse.Namespace) -> int:
    from proxy_addons.cli.standing import OK, console, moment, opened, table
    from proxy_addons.standing.rota import Rota
    from proxy_addons.standing.rules import name_of

    settings, now = settings_of(args), datetime.now(UTC)
    zone, name = settings.policy.time_zone, name_of(args.name)
    first = args.first or now.astimezone(zone).date() - timedelta(days=1)
    last = args.last or first + timedelta(days=28)
    with opened(settings) as store:
        rota = Rota(store, zone)
        cover, found = rota.cover(name), rota.duties(name, first, last)
    if cover is None:
        print(f"{name} is not on the rota: office hours apply")
        return OK
    print(f"{name} is on the rota from {cover.first} to {cover.last}")
    rows = [
        (
            f"{each.begins.astimezone(zone):%a}",
            moment(each.begins, zone),
            moment(each.ends, zone),
            each.kind,
            "now" if each.begins <= now < each.ends else "",
            each.source,
        )
        for each in found
    ]
    if rows:
        console().print(table(("", "from", "until", "kind", "", "file"), rows))
    else:
        print(f"no duties from {first} to {last}")
    return OK


def _status(args: argparse.Namespace) -> int:
    from proxy_addons.cli.standing import (
        OK,
        console,
        facts,
        moment,
        opened,
        table,
    )
    from proxy_addons.standing.rota import Rota

    settings = settings_of(args)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = Rota(store, zone).status()
    out = console()
    out.print(
        facts(
            (
                ("people on the rota today", f"{found.covered:,}"),
                ("of these on duty now", f"{found.on_duty:,}"),
                ("of these until less than a week from now", f"{found.ending:,}"),
                ("people known at all", f"{found.people:,}"),
                ("last day known", f"{found.last or ''}"),
            )
        )
    )
    rows = [
        (
            moment(each.at, zone),
            each.by,
            each.source,
            f"{each.rows:,}",
            f"{each.added:,}",
            f"{each.removed:,}",
            each.digest[:12],
        )
        for each in found.imports
    ]
    if rows:
        out.print()
        heads = ("when", "who", "file", "entries", "added", "removed", "sha-256")
        out.print(table(heads, rows, "Imports"))
    else:
        print("nothing was imported yet: watchhouse rota import FILE")
    return OK


def _day(text: str) -> date:
    from argparse import ArgumentTypeError

    from proxy_addons.standing.rota_problems import CellError
    from proxy_addons.standing.rota_times import day_of

    try:
        return day_of(text, "")
    except CellError as problem:
        # Wrong usage: argparse says so.
        raise ArgumentTypeError(f"{problem.what}: {problem.fix}") from problem


@contextmanager
def _progress() -> Iterator[Progress]:
    """A progress bar on the error output, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    tasks = {}
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell
