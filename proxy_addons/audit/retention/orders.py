"""The register of ordered erasures: one person's records of a period, by word of two people.

In: who acts, what they ask. Out: the order as it is then; its steps, for good.
Must never: let one person alone have anything erased; let anybody order or confirm it of their own
records.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.audit.noted import no_trail, note
from proxy_addons.audit.retention import rules
from proxy_addons.standing import rules as texts
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.steps import Step, steps_of, steps_since
from proxy_addons.standing.tables_erasure import erasure_order_steps, erasure_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from proxy_addons.audit.noted import Trail
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "EO"
PRIVACY: Final = "privacy policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An entry of the register. Times are aware, in UTC; names canonical.

    Attributes:
        id: of the row.
        reference: `EO-2026-0001`.
        person: whose records go.
        since: first moment.
        until: first moment that is outside again.
        why: reason.
        asked_by: who asked for it.
        asked_at: when.
        confirmed_by: the second person; None: nobody yet.
        confirmed_at: when.
        refused_by: who refused it, or took it back.
        done_at: when it was carried out.
        revision: number of its steps.
    """

    id: int
    reference: str
    person: str
    since: datetime
    until: datetime
    why: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    refused_by: str | None
    done_at: datetime | None
    revision: int

    @property
    def may_be_done(self) -> bool:
        """Whether two people have said so, and it is not done yet."""
        return self.confirmed_by is not None and self.refused_by is None and self.done_at is None


class Orders:
    """The register.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where it is kept.
        clock: the time now, aware.
        trail: takes each step, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store, self._clock, self._trail = store, clock, trail

    def all(self) -> tuple[Order, ...]:
        """All of them, the oldest first."""
        question = select(erasure_orders).order_by(erasure_orders.c.id)
        with self._store.reading() as connection:
            return tuple(Order(**each._mapping) for each in connection.execute(question))  # noqa: SLF001 - SQLAlchemy's documented name for it

    def get(self, reference: str) -> Order:
        """One order.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)

    def steps(self, reference: str) -> tuple[Step, ...]:
        """The steps of an order, the oldest first."""
        with self._store.reading() as connection:
            return steps_of(connection, erasure_order_steps, _get(connection, reference).id)

    def steps_since(self, number: int, most: int = 1000) -> tuple[tuple[int, str, Step], ...]:
        """Steps of all orders after a number: what the trail has not recorded yet."""
        with self._store.reading() as connection:
            return steps_since(connection, erasure_order_steps, erasure_orders, number, most)

    def ask(
        self, actor: Actor, person: str, since: datetime, until: datetime, *, why: str
    ) -> Order:
        """Ask for a person's records of a period to be erased. Nothing is, until another confirms.

        Args:
            actor: of professional standards.
            person: whose.
            since: first moment, aware.
            until: first moment that is outside again.
            why: reason.
        """
        rules.by_psd(actor, "order an erasure", PRIVACY)
        now, name = self._clock(), texts.name_of(person)
        why = texts.reason(why, clause=PRIVACY)
        _not_own(actor, name)
        if not since < until <= now:
            raise StepRefusedError(
                "period", "An erasure's period ends after it begins, and is over.", PRIVACY
            )
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            values = {"person": name, "since": since, "until": until, "why": why}
            connection.execute(
                insert(erasure_orders).values(
                    reference=reference, asked_by=actor.name, asked_at=now, revision=0, **values
                )
            )
            order = _get(connection, reference)
            return self._take(connection, order, actor, "order", why, {}, values)

    def confirm(self, actor: Actor, reference: str, *, remark: str = "") -> Order:
        """Confirm it, as a second person; the next erasure carries it out."""
        rules.by_psd(actor, "confirm an erasure", PRIVACY)
        remark = texts.remark(remark) or ""
        with self._store.changing() as connection:
            order = _get(connection, reference)
            _not_own(actor, order.person)
            _waits(order)
            if actor.name == order.asked_by:
                raise StepRefusedError(
                    "four-eyes",
                    "Nobody may confirm an erasure that they asked for; a second person has to.",
                    PRIVACY,
                )
            values = {"confirmed_by": actor.name, "confirmed_at": self._clock()}
            return self._take(connection, order, actor, "confirmation", remark, values)

    def refuse(self, actor: Actor, reference: str, *, why: str) -> Order:
        """Refuse it, or take back one's own."""
        rules.by_psd(actor, "refuse an erasure", PRIVACY)
        why = texts.reason(why, clause=PRIVACY)
        with self._store.changing() as connection:
            order = _get(connection, reference)
            _waits(order)
            return self._take(connection, order, actor, "refusal", why, {"refused_by": actor.name})

    def done(self, actor: Actor, reference: str, *, records: int) -> Order:
        """Record that it was carried out.

        Args:
            actor: what did it.
            reference: of the order.
            records: that went.
        """
        with self._store.changing() as connection:
            order = _get(connection, reference)
            if not order.may_be_done:
                raise StepRefusedError("state", f"{order.reference} is not confirmed, or done.")
            values = {"done_at": self._clock()}
            return self._take(connection, order, actor, "erasure", "", values, {"records": records})

    def _take(
        self,
        connection: Connection,
        order: Order,
        actor: Actor,
        kind: str,
        text: str,
        values: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
    ) -> Order:
        connection.execute(
            update(erasure_orders)
            .where(erasure_orders.c.id == order.id)
            .values(revision=order.revision + 1, **values)
        )
        step = Step.by(actor, self._clock(), kind, text, changes)
        note(connection, erasure_order_steps, order.id, order.reference, step, self._trail)
        return _get(connection, order.reference)


def _not_own(actor: Actor, person: str) -> None:
    if actor.name == person:
        raise StepRefusedError("own", "Nobody may have their own records erased.", PRIVACY)


def _waits(order: Order) -> None:
    if order.refused_by is not None or order.confirmed_by is not None:
        raise StepRefusedError("state", f"{order.reference} does not wait any more.", PRIVACY)


def _get(connection: Connection, reference: str) -> Order:
    wanted = reference.strip().upper()
    row = connection.execute(
        select(erasure_orders).where(erasure_orders.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return Order(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
