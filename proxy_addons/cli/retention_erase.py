"""`watchhouse retention erase …`: erase what is due; order an erasure, and confirm it.

In: command line; who sits at the terminal. Out: what was erased, in a line; orders.
Must never: erase what a hold covers; let one person order and confirm.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from proxy_addons.cli.common import add_common
from proxy_addons.cli.times import when

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from proxy_addons.audit.retention.orders import Order
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings


def register(commands: Commands) -> None:
    """Add the commands."""
    texts = {
        "erase": "erase what is due, and what was ordered and confirmed; holds win",
        "erase-person": "order that one person's records of a period are erased",
        "confirm-erasure": "confirm an order, as a second person",
        "refuse-erasure": "refuse an order, or take back one's own",
        "orders": "orders to erase one person's records",
    }
    made = {}
    for name, text in texts.items():
        made[name] = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        add_common(made[name])
    made["erase"].add_argument("--due", action="store_true", required=True, help="all that is due")
    made["erase"].add_argument(
        "--dry-run", action="store_true", help="say what would be erased, and erase nothing"
    )
    person = made["erase-person"]
    person.add_argument("person", metavar="NAME", help="login name")
    person.add_argument("--since", type=when, required=True, help="first day or time")
    person.add_argument("--until", type=when, required=True, help="last day, or end")
    person.add_argument("--reason", required=True, help="why, for the register")
    for name in ("confirm-erasure", "refuse-erasure"):
        made[name].add_argument("reference", metavar="REFERENCE", help="EO-2026-0001")
    made["refuse-erasure"].add_argument("--reason", required=True, help="why")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run one of them."""
    return WORK[args.retention_command](args, settings)


def _erase(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.accesslog.compact.compacting import CompactError
    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.accesslog.seal.logs import access_of
    from proxy_addons.accesslog.seal.notes import NoteError
    from proxy_addons.accesslog.seal.sealing import SealError
    from proxy_addons.audit.retention import step
    from proxy_addons.audit.retention.due import Fate
    from proxy_addons.audit.retention.inventory import InventoryError
    from proxy_addons.audit.retention.orders import Orders
    from proxy_addons.cli.standing import FAILED, OK, opened, plain

    if not access_of(settings).seals.note():
        print("nothing is sealed yet")
        return OK
    context = Context(settings, time.time, os.urandom)
    try:
        with opened(settings) as store:
            if args.dry_run:
                verdicts = step.eraser_of(context, store).due()
                for fate in Fate:
                    found = [each.item for each in verdicts if each.fate is fate]
                    print(f"{fate}: {len(found)} segments, {sum(e.records for e in found)} records")
                for order in Orders(store).all():
                    if order.may_be_done:
                        print(f"{order.reference}: confirmed")
                return OK
            result = step.run(context, store)
    except (SealError, CompactError, InventoryError, NoteError, OSError) as problem:
        # What was signed as erased and is not destroyed yet goes with the next run.
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return FAILED
    for each in result.certificates:
        print(f"{each.reference}: {each.records} records of {each.segments} segments, {each.rule}")
    print(f"{result.records} records erased, {len(result.held)} segments held")
    for name in sorted(set(result.waiting)):
        print(f"waits: {name}")
    return OK


def _order(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.orders import Orders
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import opened

    zone = settings.policy.time_zone
    since, until = args.since.begin(zone), args.until.end(zone)
    with opened(settings) as store:
        orders = Orders(store)
        return _said(
            orders.ask(actor_of(settings), args.person, since, until, why=args.reason),
            "waits for a second person",
        )


def _confirm(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.orders import Orders
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import opened

    with opened(settings) as store:
        order = Orders(store).confirm(actor_of(settings), args.reference)
    return _said(order, "is carried out within a day, or by `watchhouse retention erase --due`")


def _refuse(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.orders import Orders
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import opened

    with opened(settings) as store:
        order = Orders(store).refuse(actor_of(settings), args.reference, why=args.reason)
    return _said(order, "was refused")


def _said(order: Order, what: str) -> int:
    from proxy_addons.cli.standing import OK

    print(f"{order.reference} {what}")
    return OK


def _orders(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.audit.retention.orders import Orders
    from proxy_addons.cli.standing import OK, console, moment, opened, table

    del args
    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = Orders(store).all()
    rows = [
        (
            each.reference,
            each.person,
            moment(each.since, zone),
            moment(each.until, zone),
            each.asked_by,
            each.confirmed_by or "",
            "done" if each.done_at else "refused" if each.refused_by else "",
        )
        for each in found
    ]
    if not rows:
        print("no orders")
        return OK
    heads = ("reference", "person", "since", "until", "asked by", "confirmed by", "state")
    console().print(table(heads, rows))
    return OK


WORK: Final[Mapping[str, Callable[[argparse.Namespace, Settings], int]]] = {
    "erase": _erase,
    "erase-person": _order,
    "confirm-erasure": _confirm,
    "refuse-erasure": _refuse,
    "orders": _orders,
}
