"""`watchhouse authority deputies`, `deputise`, `revoke`: who acts for whom.

In: parsed arguments; who sits at the terminal. Out: rows of the register of delegations.
Must never: do what its rules refuse.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.audit.authority.deputies import Deputies
from proxy_addons.cli.authority_steps import acting
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import OK, console, moment, opened, table, until

if TYPE_CHECKING:
    import argparse


def list_all(args: argparse.Namespace) -> int:
    """List delegations."""
    settings, now = settings_of(args), datetime.now(UTC)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = Deputies(store, settings.audit).all()
    rows = [
        (
            each.reference,
            each.office,
            each.deputy,
            each.given_by,
            moment(each.begins, zone),
            until(each.ends, zone),
            f"revoked by {each.revoked_by}" if each.revoked_by else "",
        )
        for each in found
        if args.all or (each.revoked_at is None and now < each.ends)
    ]
    if rows:
        heads = ("reference", "office", "deputy", "for", "from", "until", "")
        console().print(table(heads, rows))
    else:
        print("nobody deputises" + ("" if args.all else "; --all lists what has ended"))
    return OK


def give(args: argparse.Namespace) -> int:
    """Let somebody deputise."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        made = Deputies(store, settings.audit).give(
            acting(settings),
            args.office,
            args.name,
            begins=args.begins.begin(zone) if args.begins else datetime.now(UTC),
            ends=args.until.end(zone),
            why=args.why,
        )
    print(
        f"{made.reference}: {made.deputy} deputises as {made.office} from"
        f" {moment(made.begins, zone)} until {until(made.ends, zone)}"
    )
    return OK


def revoke(args: argparse.Namespace) -> int:
    """Take one back."""
    settings = settings_of(args)
    with opened(settings) as store:
        made = Deputies(store, settings.audit).revoke(
            acting(settings), args.reference, why=args.why
        )
    print(f"{made.reference}: {made.deputy} does not deputise as {made.office} any more")
    return OK
