"""The keeper's step that erases: what the schedule says, and what two people have ordered.

In: settings; the log, the store. Out: what may go is gone, with certificates; once a day.
Must never: erase while holds cannot be read; run where the log does not verify as signed (what it
touches is looked at, and an error ends the step).
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.keyring import signer_of
from proxy_addons.accesslog.seal.logs import access_of
from proxy_addons.audit.retention.details import Details
from proxy_addons.audit.retention.erasing import SCHEDULE, Eraser, Places, Result
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.retention.schedule import Schedule
from proxy_addons.standing.store import file_of, open_store

if TYPE_CHECKING:
    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.standing.store import Store

_DAY: Final = 86400.0


class Erasing:
    """Erases what may go."""

    name = "erase"

    def run(self, context: Context) -> Outcome:
        """Erase, when the last time was a day ago."""
        last = float(context.known.get("at", 0.0))
        now = context.clock()
        if 0 <= now - last < _DAY:
            return Outcome("", context.known)
        log = access_of(context.settings)
        if not log.seals.note():
            return Outcome()
        standing, paths = context.settings.standing, context.settings.paths
        if standing.url is None and not file_of(paths).exists():
            # Before the gateway's first start: nowhere to place a hold, or to certify.
            return Outcome()
        with closing(open_store(standing, paths)) as store:
            result = run(context, store)
        said = (
            f"{result.records} records erased, {len(result.certificates)} certificates"
            if result.certificates
            else ""
        )
        known = {"at": now, "held": len(result.held), "waiting": len(result.waiting)}
        return Outcome(said, known)


def eraser_of(context: Context, store: Store) -> Eraser:
    """What erases, for a gateway's settings."""
    settings = context.settings
    log = access_of(settings)
    signer = signer_of(log.seals, log.key, log.named, context.entropy)
    schedule = Schedule.of(settings.retention, settings.policy.time_zone)
    places = Places(log.segments, log.seals, settings.paths.parquet_dir)

    def clock() -> datetime:
        return datetime.fromtimestamp(context.clock(), UTC)

    return Eraser(places, signer, store, schedule, clock=clock)


def details_of(context: Context, store: Store) -> Details:
    """What erases what stands beside authorisations."""
    settings = context.settings
    schedule = Schedule.of(settings.retention, settings.policy.time_zone)
    return Details(store, schedule, clock=lambda: datetime.fromtimestamp(context.clock(), UTC))


def run(context: Context, store: Store) -> Result:
    """Erase what is due, and what was ordered and confirmed."""
    eraser = eraser_of(context, store)
    whole = eraser.erase_due()
    whole.certificates += details_of(context, store).erase_due(SCHEDULE)
    orders = Orders(store, clock=lambda: datetime.fromtimestamp(context.clock(), UTC))
    for order in orders.all():
        if order.may_be_done:
            done = eraser.erase_ordered(order)
            whole.certificates += done.certificates
            whole.records += done.records
            whole.waiting += done.waiting
            if not done.waiting:  # else what waits goes with a later run
                orders.done(SCHEDULE, order.reference, records=done.records)
    return whole
