"""Withdrawals of access (Inf/27 2.3.2): in force at once, until they are lifted.

In: who acts, for whom, why. Out: the withdrawal as it is then; its steps, for good.
Must never: withdraw or give back one's own access; leave a step without a record.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.standing import rules, tables
from proxy_addons.standing.actor import INFORMATION_SECURITY, LINE_MANAGER, OPERATOR, PSD
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.steps import Step, append, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "WD"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Access that is, or was, withdrawn.

    Attributes:
        id: of the row.
        reference: `WD-2026-0001`.
        person: canonical name.
        reason: why.
        withdrawn_by: who did it.
        by_right: by which right: `line-manager`, `psd`, `information-security`, `operator`.
        withdrawn_at: when, UTC.
        lifted_by: who gave the access back; None while it is withdrawn.
        lifted_at: when, UTC.
    """

    id: int
    reference: str
    person: str
    reason: str
    withdrawn_by: str
    by_right: str
    withdrawn_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None

    @property
    def in_force(self) -> bool:
        """Whether the access is withdrawn."""
        return self.lifted_at is None


class Withdrawals:
    """The register of withdrawals.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where it is kept.
        clock: the time now, aware.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._clock = clock

    def in_force(self, person: str) -> Withdrawal | None:
        """The withdrawal that is in force for a person (canonical name), if any."""
        with self._store.reading() as connection:
            return _in_force(connection, person)

    def get(self, reference: str) -> Withdrawal:
        """One withdrawal.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)

    def all(self, person: str | None = None) -> tuple[Withdrawal, ...]:
        """All withdrawals, or those for one person; oldest first."""
        question = select(tables.withdrawals).order_by(tables.withdrawals.c.id)
        if person is not None:
            question = question.where(tables.withdrawals.c.person == person)
        with self._store.reading() as connection:
            return tuple(map(_from_row, connection.execute(question)))

    def steps(self, reference: str) -> tuple[Step, ...]:
        """Its steps, oldest first.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            found = _get(connection, reference)
            return steps_of(connection, tables.withdrawal_steps, found.id)

    def withdraw(self, actor: Actor, person: str, reason: str) -> Withdrawal:
        """Withdraw somebody's access."""
        person = rules.name_of(person)
        reason = rules.reason(reason, clause=rules.WITHDRAWAL)
        rules.may_withdraw(actor, person, "withdraw access")
        with self._store.changing() as connection:
            now = self._clock()
            if (live := _in_force(connection, person)) is not None:
                raise StepRefusedError(
                    "state",
                    f"The access of {person} is withdrawn already ({live.reference}, by"
                    f" {live.withdrawn_by}).",
                    rules.WITHDRAWAL,
                )
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = connection.execute(
                insert(tables.withdrawals)
                .values(
                    reference=reference,
                    person=person,
                    reason=reason,
                    withdrawn_by=actor.name,
                    by_right=_right(actor, person),
                    withdrawn_at=now,
                )
                .returning(tables.withdrawals.c.id)
            ).scalar_one()
            append(
                connection,
                tables.withdrawal_steps,
                number,
                Step.by(actor, now, "withdrawal", reason),
            )
            return _get(connection, reference)

    def lift(self, actor: Actor, person: str, reason: str, *, seen: str = "") -> Withdrawal:
        """Give somebody's access back.

        Args:
            actor: as for `withdraw`; what information security or PSD withdrew, they alone lift.
            person: whose.
            reason: why.
            seen: reference of the withdrawal that the actor looked at; empty for whichever is in
                force.
        """
        person = rules.name_of(person)
        reason = rules.reason(reason, clause=rules.WITHDRAWAL)
        rules.may_withdraw(actor, person, "give access back")
        with self._store.changing() as connection:
            now = self._clock()
            live = _in_force(connection, person)
            if live is None or (seen and live.reference != seen):
                which = f" by {seen} any more" if seen else ""
                but = f", but by {live.reference}" if live else ""
                raise StepRefusedError(
                    "state",
                    f"The access of {person} is not withdrawn{which}{but}.",
                    rules.WITHDRAWAL,
                )
            rules.may_lift(actor, live.by_right)
            connection.execute(
                update(tables.withdrawals)
                .where(tables.withdrawals.c.id == live.id)
                .values(lifted_by=actor.name, lifted_at=now)
            )
            append(
                connection, tables.withdrawal_steps, live.id, Step.by(actor, now, "lifting", reason)
            )
            return _get(connection, live.reference)


def _right(actor: Actor, person: str) -> str:
    """By which right somebody acts; their strongest."""
    for role in (PSD, INFORMATION_SECURITY):
        if role in actor.roles:
            return role
    return LINE_MANAGER if person in actor.manages else OPERATOR


def _in_force(connection: Connection, person: str) -> Withdrawal | None:
    columns = tables.withdrawals.c
    row = connection.execute(
        select(tables.withdrawals).where(columns.person == person, columns.lifted_at.is_(None))
    ).one_or_none()
    return None if row is None else _from_row(row)


def _get(connection: Connection, reference: str) -> Withdrawal:
    wanted = reference.strip().upper()
    row = connection.execute(
        select(tables.withdrawals).where(tables.withdrawals.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return _from_row(row)


def _from_row(row: Row[Any]) -> Withdrawal:
    return Withdrawal(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
