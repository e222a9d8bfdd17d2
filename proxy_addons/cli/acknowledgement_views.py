"""The questions of `watchhouse acknowledgements`: list, missing, export, show.

In: parsed arguments. Out: tables for a terminal, JSON, or a CSV file.
Must never: change anything in the store.
"""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import FAILED, OK, console, moment, opened, plain, table
from proxy_addons.policy.people import canonical_name
from proxy_addons.standing import acknowledgement_report as reports
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.problems import StandingError
from proxy_addons.standing.rules import name_of
from proxy_addons.standing.statement import Statement, path_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from proxy_addons.settings.model import Settings


def list_all(args: argparse.Namespace) -> int:
    """How everybody stands."""
    settings = settings_of(args)
    statement, rows = _rows(args, settings)
    return _out(args, settings, statement, rows, rows)


def missing(args: argparse.Namespace) -> int:
    """Who has not."""
    settings = settings_of(args)
    statement, rows = _rows(args, settings)
    return _out(args, settings, statement, reports.missing(rows), rows)


def export(args: argparse.Namespace) -> int:
    """Every acknowledgement."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = Acknowledgements(store).all(args.version)
    if args.json:
        _print_json([reports.event_data(each) for each in found])
        return OK
    if args.csv is not None:
        return _write(args.csv, reports.events_csv(found), f"{len(found)} acknowledgements")
    heads = ("person", "version", "when", "until", "from where", "how")
    rows = (
        (
            each.person,
            each.version,
            moment(each.at, zone),
            moment(each.until, zone),
            each.client_ip,
            each.how,
        )
        for each in found
    )
    if found:
        console().print(table(heads, rows))
    else:
        print("no acknowledgements")
    return OK


def show(args: argparse.Namespace) -> int:
    """One person's, or a statement's text."""
    settings = settings_of(args)
    if args.name is None:
        return _show_statement(args, settings)
    person = name_of(args.name)
    with opened(settings) as store:
        found = Acknowledgements(store).of_person(person)
    if args.json:
        _print_json([reports.event_data(each) for each in found])
        return OK
    if not found:
        print(f"{person}: no acknowledgements")
        return OK
    zone = settings.policy.time_zone
    rows = (
        (
            each.version,
            moment(each.at, zone),
            moment(each.until, zone),
            each.client_ip,
            each.how,
        )
        for each in found
    )
    heads = ("version", "when", "until", "from where", "how")
    console().print(table(heads, rows, person))
    return OK


def _show_statement(args: argparse.Namespace, settings: Settings) -> int:
    if args.statement:
        with opened(settings) as store:
            version, text = args.statement, Acknowledgements(store).text_of(args.statement)
        if text is None:
            msg = f"nobody acknowledged a version {plain(args.statement)}; `export` names them"
            raise StandingError(msg)
    else:
        present = Statement.load(path_of(settings.shifts.acknowledgement, settings.paths))
        version, text = present.version, present.text
    if args.json:
        _print_json({"version": version, "text": text})
    else:
        print(f"version {plain(version)}\n")
        for line in text.splitlines():
            print(plain(line))
    return OK


def _rows(
    args: argparse.Namespace, settings: Settings
) -> tuple[Statement, tuple[reports.Row, ...]]:
    statement = Statement.load(path_of(settings.shifts.acknowledgement, settings.paths))
    named = None if args.people is None else _people(args.people)
    units: dict[str, str | None] = {}
    if settings.directory.servers and (named is None or args.units):
        units = _directory(settings)
        named = named or frozenset(units)
    with opened(settings) as store:
        kept = Acknowledgements(store)
        found = kept.all()
        people = kept.known_people() if named is None else named
    # Those who have left are not asked any more.
    found = tuple(each for each in found if each.person in people)
    now = datetime.now(UTC)
    return statement, reports.report(
        people, found, version=statement.version, now=now, unit_of=units.get
    )


def _directory(settings: Settings) -> dict[str, str | None]:
    """Everybody in the directory, with their units.

    Raises:
        StandingError: it does not answer: a report without some people would say they have.
    """
    from proxy_addons.identity.directory import (
        DirectorySettingsError,
        DirectoryUnavailableError,
    )
    from proxy_addons.identity.everybody import everybody

    try:
        # What the log says of a server that does not work is not to be in the CSV.
        with contextlib.redirect_stdout(sys.stderr):
            return {entry.name: entry.unit for entry in everybody(settings.directory)}
    except (DirectorySettingsError, DirectoryUnavailableError) as problem:
        # No report is made.
        msg = (
            f"the directory does not say who there is: {problem}. Name a list of people instead"
            " (--people)"
        )
        raise StandingError(msg) from problem


def _out(
    args: argparse.Namespace,
    settings: Settings,
    statement: Statement,
    rows: Sequence[reports.Row],
    everybody: Sequence[reports.Row],
) -> int:
    numbers = {str(name): number for name, number in reports.counts(everybody).items()}
    if args.json:
        _print_json(
            {
                "version": statement.version,
                "counts": numbers,
                "people": [reports.row_data(row) for row in rows],
            }
        )
        return OK
    if args.csv is not None:
        return _write(args.csv, reports.rows_csv(rows), f"{len(rows)} people")
    zone = settings.policy.time_zone
    print(f"statement {statement.version}: {statement.title}")
    print(", ".join(f"{name}: {number}" for name, number in numbers.items()))
    if rows:
        heads = ("person", "unit", "standing", "version", "when", "until")
        print()
        console().print(table(heads, (_cells(row, zone) for row in rows)))
    return OK


def _cells(row: reports.Row, zone: ZoneInfo) -> tuple[str, ...]:
    last = row.last
    return (
        row.person,
        row.unit,
        row.standing,
        "" if last is None else last.version,
        "" if last is None else moment(last.at, zone),
        "" if last is None else moment(last.until, zone),
    )


def _people(path: Path) -> frozenset[str]:
    """Canonical names from a file.

    Raises:
        StandingError: it cannot be read, or a line is no login name.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        # No report is made: it would leave people out.
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise StandingError(f"{path}: {why}") from problem
    found = set()
    for line, name in _names(text.splitlines()):
        try:
            found.add(canonical_name(name))
        except ValueError as problem:
            # As above.
            msg = f"{path}, line {line}: this is no login name: {problem}; put it right"
            raise StandingError(msg) from problem
    if not found:
        raise StandingError(f"{path}: there are no login names in it")
    return frozenset(found)


def _names(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Names with their lines; of a CSV file, the column `person` or `name`, else the first."""
    column = 0
    reader = csv.reader(lines)
    for number, cells in enumerate(reader):
        heads = [cell.strip().lower() for cell in cells]
        if number == 0 and (known := [each for each in ("person", "name") if each in heads]):
            column = heads.index(known[0])
        elif any(heads) and not heads[0].startswith("#"):
            yield reader.line_num, cells[column] if column < len(cells) else ""


def _write(path: Path, text: str, what: str) -> int:
    if str(path) == "-":
        sys.stdout.write(text)
        return OK
    try:
        path.write_bytes(text.encode())
    except OSError as problem:
        # Nothing, or a part, was written. No request is in hand.
        print(f"watchhouse: {path}: {problem.strerror}", file=sys.stderr)
        return FAILED
    print(f"{path}: {what}")
    return OK


def _print_json(found: object) -> None:
    print(json.dumps(found, indent=2, ensure_ascii=False))
