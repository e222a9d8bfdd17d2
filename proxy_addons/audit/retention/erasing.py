"""Erasing what may be erased of the access log: by the schedule, or as two people have ordered.

In: verdicts, holds, orders. Out: lines, salts and rows that are gone; certificates.
Must never: erase what a hold covers, also one that was placed a moment ago; erase what is in doubt;
leave an erasure without a certificate for good.

A certificate is issued when all is gone. Where that was cut short, the next run finds the entry in
the log, ends it, and issues the certificate that is missing: both have the same digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.compact.dropping import drop
from proxy_addons.accesslog.seal.erasing import MOST, erase, finish, lines_there
from proxy_addons.accesslog.seal.packing import moment_of, record_of
from proxy_addons.accesslog.seal.sealing import Known
from proxy_addons.accesslog.segment import segments_in
from proxy_addons.audit.noted import no_trail
from proxy_addons.audit.retention.certificates import Certificates, Erased, digest_of
from proxy_addons.audit.retention.due import Fate, due
from proxy_addons.audit.retention.holds import Holds
from proxy_addons.audit.retention.inventory import segments
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.policy.people import canonical_name
from proxy_addons.standing.actor import CLOCK, Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from proxy_addons.accesslog.seal.erasure import Erasure
    from proxy_addons.accesslog.seal.manifest import Manifest
    from proxy_addons.accesslog.seal.notes import Signer
    from proxy_addons.accesslog.seal.sealing import Seals
    from proxy_addons.audit.noted import Trail
    from proxy_addons.audit.retention.certificates import Certificate
    from proxy_addons.audit.retention.due import HeldBy, Verdict
    from proxy_addons.audit.retention.orders import Order
    from proxy_addons.audit.retention.schedule import Schedule
    from proxy_addons.standing.store import Store

    type Wanted = dict[str, frozenset[int] | None]

SCHEDULE: Final = Actor("watchhouse", how=CLOCK)
_AT_ONCE: Final = 24
"""Segments that are rewritten in one erasure: so much is kept twice at a time."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Places:
    """Where the access log is.

    Attributes:
        access: the folder of the plain segments.
        seals: the folder of the seals.
        parquet: the folder of the Parquet files.
    """

    access: Path
    seals: Seals
    parquet: Path


@dataclass(slots=True)
class Result:
    """What a run came to.

    Attributes:
        certificates: that were issued.
        records: lines that went.
        waiting: segments that were not touched: not sealed, the last of their worker, or a hold was
            placed on them meanwhile.
        held: segments whose period is over, and of which a hold covers all.
    """

    certificates: list[Certificate] = field(default_factory=list)
    records: int = 0
    waiting: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


class Eraser:
    """Erases. Blocks.

    Args:
        places: where the log is.
        signer: whose it is.
        store: of holds and certificates.
        schedule: periods.
        clock: the time now, aware.
        trail: takes each certificate.
    """

    def __init__(
        self,
        places: Places,
        signer: Signer,
        store: Store,
        schedule: Schedule,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._places, self._signer, self._schedule = places, signer, schedule
        self._clock = clock
        self._holds = Holds(store, zone=schedule.zone, clock=clock)
        self._certificates = Certificates(store, clock=clock, trail=trail)
        self._seen: Known | None = None

    def due(self) -> tuple[Verdict, ...]:
        """Segments whose period is over.

        Raises:
            InventoryError: what there is cannot be told.
            StandingUnavailableError: holds cannot be read: nothing may be erased.
        """
        inventory = segments(self._places.seals)
        return due(self._clock(), self._schedule, self._holds.in_force(), inventory)

    def erase_due(self) -> Result:
        """Erase what is due, and end what was cut short.

        Raises:
            SealError, CompactError, OSError: something is not as it should be; the next run goes
                on from there.
            InventoryError, StandingUnavailableError: as `due`.
        """
        result = Result()
        verdicts = self.due()
        result.held = [each.item.name for each in verdicts if each.fate is Fate.HELD]
        names = {each: [v.item.name for v in verdicts if v.fate is each] for each in Fate}
        rule = self._schedule.rule(Class.ACCESS_LOG)
        for several in batched(names[Fate.ERASE], MOST):
            self._batch(several, rule, self._by_schedule, result)
        for several in batched(names[Fate.PART], _AT_ONCE):
            self._batch(several, rule, self._by_schedule, result)
        result.certificates = self.settle()
        return result

    def erase_ordered(self, order: Order) -> Result:
        """Erase one person's lines of a period, as two people have ordered; holds win.

        Raises:
            ValueError: the order is not confirmed.
        """
        if not order.may_be_done:
            raise ValueError(f"{order.reference} is not confirmed, or done")

        known = self._known()

        def wanted(names: Iterable[str], holds: tuple[HeldBy, ...]) -> Wanted:
            found = {name: self._ordered(known, name, order, holds) for name in names}
            return {name: lines for name, lines in found.items() if lines}

        result = Result()
        if self._places.access.is_dir():
            result.waiting += [
                str(name)
                for name, _ in segments_in(self._places.access)
                if str(name) not in known.manifests and name.begins < order.until
            ]
        touched = [
            each.name
            for each in segments(self._places.seals)
            if each.name in known.manifests
            and (each.since is None or each.since < order.until)
            and (each.until is None or each.until >= order.since)
        ]
        # Looked through once without anything in hand; what is found is chosen again in batches.
        touched = [name for name in touched if wanted((name,), ())]
        for several in batched(touched, _AT_ONCE):
            self._batch(several, f"by order {order.reference}", wanted, result)
        result.certificates = self.settle()
        return result

    def settle(self) -> list[Certificate]:
        """End what was cut short, and issue the certificates that are missing. Gives these."""
        places = self._places
        erasures = finish(places.access, places.seals, self._signer)
        drop(places.seals, places.parquet)
        if not erasures:
            return []
        issued = {each.digest for each in self._certificates.all(Class.ACCESS_LOG)}
        manifests = self._known().manifests
        return [
            self._certificates.issue(SCHEDULE, _erased(each, manifests))
            for each in erasures
            if each.certificate not in issued
        ]

    # --- how ----------------------------------------------------------------------------------

    def _batch(
        self,
        names: Iterable[str],
        rule: str,
        choose: Callable[[Iterable[str], tuple[HeldBy, ...]], Wanted],
        result: Result,
    ) -> None:
        names = tuple(names)
        for _ in range(_TRIES):
            holds = self._holds.in_force()
            wanted = {
                name: lines
                for name, lines in choose(names, holds).items()
                if lines is None or lines
            }
            if not wanted:
                return
            asked: list[bool] = []

            def still(holds: tuple[HeldBy, ...] = holds, asked: list[bool] = asked) -> bool:
                asked.append(self._holds.in_force() == holds)
                return asked[-1]

            done = erase(
                self._places.access,
                self._places.seals,
                self._signer,
                wanted,
                now=self._clock().timestamp(),
                rule=rule,
                certificate=digest_of,
                still=still,
                known=self._seen,
            )
            self._seen = done.known
            if asked == [False]:
                continue  # a hold was placed or lifted: what may go is asked anew
            result.waiting += done.waiting
            result.records += done.erasure.records if done.erasure else 0
            return
        result.waiting += names

    def _by_schedule(self, names: Iterable[str], holds: tuple[HeldBy, ...]) -> Wanted:
        wanted_names = set(names)
        inventory = [e for e in segments(self._places.seals) if e.name in wanted_names]
        known: Known | None = None
        found: Wanted = {}
        for verdict in due(self._clock(), self._schedule, holds, inventory):
            if verdict.fate is Fate.ERASE:
                found[verdict.item.name] = None
            elif verdict.fate is Fate.PART:
                known = known or self._known()
                found[verdict.item.name] = frozenset(
                    index
                    for index, line in lines_there(self._places.seals, known, verdict.item.name)
                    for person, at in (whose(line),)
                    if at is not None and verdict.may_erase(person, at)
                )
        return found

    def _known(self) -> Known:
        return Known(self._places.seals, self._places.seals.last(self._signer))

    def _ordered(
        self, known: Known, name: str, order: Order, holds: tuple[HeldBy, ...]
    ) -> frozenset[int]:
        """The lines of a segment that an order is about, and that no hold covers."""
        needle, found = order.person.encode(), []
        for index, line in lines_there(self._places.seals, known, name):
            if order.person.isascii() and needle not in line.lower() and b"\\u" not in line:
                continue  # reading each line of a year would take hours
            person, at = whose(line)
            if person != order.person or at is None or not order.since <= at < order.until:
                continue
            if not any(each.scope.covers(person, at, frozenset()) for each in holds):
                found.append(index)
        return frozenset(found)


def whose(line: bytes) -> tuple[str | None, datetime | None]:
    """Whose a line is, and when it began; None: it does not say."""
    record = record_of(line)
    person, start = record.get("person"), moment_of(record.get("start"))
    at = None if start is None else datetime.fromtimestamp(start / 1_000_000, UTC)
    if not isinstance(person, str):
        return None, at
    try:
        # In the form of the registers: a hold on a name is one however a record writes it.
        return canonical_name(person), at
    except ValueError:
        return person, at  # a name that no hold and no order can have


def _erased(erasure: Erasure, manifests: Mapping[str, Manifest]) -> Erased:
    """What a certificate says of an erasure."""
    touched = [manifests[each.name] for each in erasure.segments]
    first = min((each.first_start for each in touched if each.first_start), default="")
    last = max((each.last_start for each in touched if each.last_start), default="")
    return Erased(
        kind=Class.ACCESS_LOG,
        subject=f"lines of {len(touched)} segments of the access log",
        since=datetime.fromisoformat(first) if first else None,
        until=datetime.fromisoformat(last) if last else None,
        records=erasure.records,
        segments=len(touched),
        rule=erasure.rule,
        digest=erasure.certificate,
    )
