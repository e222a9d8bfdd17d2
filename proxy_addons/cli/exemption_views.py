"""The questions of `watchhouse exemption`: list, show, report.

In: parsed arguments. Out: tables for a terminal, or a CSV file.
Must never: change anything in the register.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.cli.acting import units_of
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import (
    FAILED,
    OK,
    console,
    facts,
    history,
    moment,
    opened,
    register_of,
    table,
    until,
)
from proxy_addons.standing import State
from proxy_addons.standing.report import Report, Section, as_csv
from proxy_addons.standing.report import report as make_report
from proxy_addons.standing.rules import name_of

if TYPE_CHECKING:
    import argparse

    from proxy_addons.settings.model import Settings


def list_all(args: argparse.Namespace) -> int:
    """List exemptions."""
    settings, now = settings_of(args), datetime.now(UTC)
    zone = settings.policy.time_zone
    person = name_of(args.person) if args.person else None
    with opened(settings) as store:
        found = register_of(store, settings).all(person)
    current = {State.REQUESTED, State.UPCOMING, State.LIVE}
    rows = [
        (
            each.reference,
            f"{state}{', extension asked for' if each.extension_is_pending else ''}",
            each.person,
            each.opens,
            moment(each.begins, zone),
            until(each.ends, zone),
        )
        for each in found
        if (state := each.state_at(now)) in current or args.all
    ]
    if rows:
        heads = ("reference", "state", "person", "opens", "from", "until")
        console().print(table(heads, rows))
    else:
        print(
            "no exemptions" if args.all else "no exemptions that hold or wait; --all lists others"
        )
    return OK


def show(args: argparse.Namespace) -> int:
    """Show one with its steps."""
    settings, now = settings_of(args), datetime.now(UTC)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        register = register_of(store, settings)
        found, steps = register.get(args.reference), register.steps(args.reference)
        used = register.last_used().get(found.reference)
    extension = ""
    if found.extension_ends is not None:
        extension = (
            f"until {until(found.extension_ends, zone)}, asked for by {found.extension_by}:"
            f" {found.extension_why}"
        )
    out = console()
    out.print(
        facts(
            (
                ("reference", found.reference),
                ("state", str(found.state_at(now))),
                ("for", found.person),
                ("opens", found.opens),
                ("from", moment(found.begins, zone)),
                ("until", until(found.ends, zone)),
                ("why", found.why),
                ("force reference", found.force_reference or ""),
                ("significant", "yes" if found.significant else ""),
                ("escalated to", found.escalated_to or ""),
                ("review due", moment(found.review_at, zone)),
                ("last used", f"{used:%d %b %Y}" if used else "never"),
                ("extension", extension),
                ("steps", str(found.revision)),
            )
        )
    )
    out.print()
    out.print(history(steps, zone))
    return OK


def report(args: argparse.Namespace) -> int:
    """Report on all of them."""
    settings, now = settings_of(args), datetime.now(UTC)
    with opened(settings) as store:
        register = register_of(store, settings)
        found, used = register.all(), register.last_used()
    units = units_of(settings.directory, {each.person for each in found})
    made = make_report(found, last_used=used, unit_of=units.get, now=now)
    if args.csv is None:
        _print_report(made, settings)
    elif str(args.csv) == "-":
        sys.stdout.write(as_csv(made.rows))
    else:
        try:
            args.csv.write_bytes(as_csv(made.rows).encode())
        except OSError as problem:
            # Nothing, or a part, was written. No request is in hand.
            print(f"watchhouse: {args.csv}: {problem.strerror}", file=sys.stderr)
            return FAILED
        print(f"{args.csv}: {len(made.rows)} exemptions")
    return OK


def _print_report(made: Report, settings: Settings) -> None:

    zone = settings.policy.time_zone
    out = console()
    shown = (
        (Section.WAITING, "Waiting for a decision"),
        (Section.LIVE, "Live"),
        (Section.EXPIRING, "Ending within 30 days"),
        (Section.OVERDUE, "Review overdue"),
        (Section.UNUSED, "Not used for 30 days"),
        (Section.EXPIRED, "Expired"),
    )
    for section, title in shown:
        rows = [
            (
                row.exemption.reference,
                row.exemption.person,
                row.unit,
                row.exemption.opens,
                until(row.exemption.ends, zone),
                moment(row.exemption.review_at, zone),
                f"{row.last_used:%d %b %Y}" if row.last_used else "never",
            )
            for row in made.section(section)
        ]
        if rows:
            heads = ("reference", "person", "unit", "opens", "until", "review due", "last used")
            out.print(table(heads, rows, f"{title}: {len(rows)}"))
        else:
            out.print(f"{title}: none")
        out.print()
    units = [
        (unit, *(str(counts.get(section, 0)) for section, _ in shown))
        for unit, counts in made.by_unit().items()
    ]
    out.print(table(("unit", *(section for section, _ in shown)), units, "By unit"))
