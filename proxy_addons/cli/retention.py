"""`watchhouse retention …`: what is due, what is held, what was erased; and erasing it.

In: command line. Out: tables for a terminal, or JSON.
Must never: place or lift a hold: professional standards do that, under their own names.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proxy_addons.cli import retention_erase
from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from proxy_addons.audit.retention.due import Verdict
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "retention",
        help="what may be erased, what is held, what was erased; erase it",
        description="What may be erased, what is held, what was erased; and erasing it.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="retention_command", required=True, metavar="COMMAND")
    for name, text in (
        ("due", "what has been kept for its whole period, and which hold covers it"),
        ("holds", "legal holds in force"),
        ("certificates", "certificates of what was erased"),
    ):
        made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_common(made)
        made.add_argument("--json", action="store_true", help="as JSON")
        if name == "holds":
            made.add_argument("--all", action="store_true", help="those that were lifted too")
    retention_erase.register(commands)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli.standing import explained

    if args.retention_command in retention_erase.WORK:
        return explained(lambda: retention_erase.run(args, settings_of(args)))
    work = {"due": _due, "holds": _holds, "certificates": _certificates}[args.retention_command]
    return explained(lambda: work(args, settings_of(args)))


def _due(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.accesslog.seal.sealing import Seals
    from proxy_addons.audit.retention.certificates import Certificates
    from proxy_addons.audit.retention.collateral import Collateral
    from proxy_addons.audit.retention.details import Details
    from proxy_addons.audit.retention.due import due
    from proxy_addons.audit.retention.holds import Holds
    from proxy_addons.audit.retention.inventory import InventoryError, pending, segments
    from proxy_addons.audit.retention.schedule import Schedule
    from proxy_addons.cli.standing import FAILED, OK, moment, opened, plain

    zone = settings.policy.time_zone
    with opened(settings) as store:
        holds = Holds(store, zone=zone).in_force()
        decided = pending(Collateral(store).all(), Certificates(store).all())
        schedule = Schedule.of(settings.retention, zone)
        details = Details(store, schedule).inventory()
    try:
        inventory = (*segments(Seals(settings.paths.sealed_dir)), *decided, *details)
    except InventoryError as problem:
        # Nothing is called due: what there is is not known.
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return FAILED
    found = due(datetime.now(UTC), schedule, holds, inventory)
    if args.json:
        return _print_json([_told(each) for each in found])
    rows = [
        (
            each.item.name,
            each.item.kind,
            str(each.item.records),
            moment(each.since, zone),
            each.fate,
            ", ".join(hold.reference for hold in each.holds),
        )
        for each in found
    ]
    _print(("what", "class", "records", "since", "fate", "held by"), rows, "nothing is due")
    return OK


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.item.name,
        "class": verdict.item.kind,
        "records": verdict.item.records,
        "since": verdict.since.isoformat(),
        "rule": verdict.rule,
        "fate": verdict.fate,
        "held_by": [hold.reference for hold in verdict.holds],
    }


def _holds(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.holds import Holds
    from proxy_addons.cli.standing import OK, moment, opened

    zone, now = settings.policy.time_zone, datetime.now(UTC)
    with opened(settings) as store:
        found = [each for each in Holds(store, zone=zone).all() if each.in_force or args.all]
    if args.json:
        return _print_json(
            [
                {
                    "reference": each.reference,
                    "holds": each.scope.words,
                    "case": each.case_reference,
                    "owner": each.owner,
                    "review": each.review_at.isoformat(),
                    "in_force": each.in_force,
                }
                for each in found
            ]
        )
    rows = [
        (
            each.reference,
            "in force" if each.in_force else "lifted",
            each.scope.words,
            each.case_reference,
            each.owner,
            moment(each.review_at, zone) + (" (overdue)" if each.review_is_overdue(now) else ""),
        )
        for each in found
    ]
    _print(("reference", "state", "holds", "case", "owner", "review"), rows, "no holds")
    return OK


def _certificates(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.certificates import Certificates
    from proxy_addons.cli.standing import OK, moment, opened

    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = Certificates(store).all()
    if args.json:
        return _print_json(
            [
                {
                    "reference": each.reference,
                    "class": each.kind,
                    "subject": each.subject,
                    "since": each.since and each.since.isoformat(),
                    "until": each.until and each.until.isoformat(),
                    "records": each.records,
                    "segments": each.segments,
                    "rule": each.rule,
                    "by": each.by,
                    "at": each.at.isoformat(),
                    "digest": each.digest,
                }
                for each in found
            ]
        )
    rows = [
        (
            each.reference,
            moment(each.at, zone),
            each.kind,
            each.subject,
            str(each.records),
            each.rule,
            each.by,
        )
        for each in found
    ]
    heads = ("reference", "when", "class", "what", "records", "rule", "by")
    _print(heads, rows, "no certificates")
    return OK


def _print(heads: tuple[str, ...], rows: Sequence[Sequence[str]], none: str) -> None:
    from proxy_addons.cli.standing import console, table

    if rows:
        console().print(table(heads, rows))
    else:
        print(none)


def _print_json(found: object) -> int:
    from proxy_addons.cli.standing import OK

    print(json.dumps(found, indent=1))
    return OK
