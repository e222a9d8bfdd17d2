"""Deputies: who acts for the holder of an office, from when until when (Inf/27 3.6: in absence).

In: who gives or takes back, which office, to whom, for how long. Out: a row with its steps, for
good. Must never: let a deputy pass an office on, or hold it a moment longer than was said.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.audit.authority import rules
from proxy_addons.standing import tables_audit
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.rules import name_of, reason
from proxy_addons.standing.steps import Step, append, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from proxy_addons.audit.authority.rules import Held
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "DG"
ABSENCE: Final = rules.LIVE


@dataclass(frozen=True, slots=True)
class Delegation:
    """One delegation. Times are aware, in UTC; names canonical.

    Attributes:
        id: of the row.
        reference: `DG-2026-0001`.
        office: which office.
        deputy: who acts for its holder.
        begins: included.
        ends: excluded.
        why: the reason.
        given_by: the holder.
        given_at: when.
        revoked_by: who took it back.
        revoked_at: when.
    """

    id: int
    reference: str
    office: str
    deputy: str
    begins: datetime
    ends: datetime
    why: str
    given_by: str
    given_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it holds at that moment."""
        return self.revoked_at is None and self.begins <= now < self.ends


class Deputies:
    """The register of delegations.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where it is kept.
        settings: `audit`.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        settings: Audit,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def all(self) -> tuple[Delegation, ...]:
        """All delegations, oldest first."""
        with self._store.reading() as connection:
            return _where(connection)

    def held(self, actor: Actor) -> Held:
        """The offices that somebody may act for now; where they hold one themselves, by that."""
        with self._store.reading() as connection:
            return held(connection, actor, self._clock())

    def steps(self, reference: str) -> tuple[Step, ...]:
        """The steps of one, oldest first.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            found = _get(connection, reference)
            return steps_of(connection, tables_audit.delegation_steps, found.id)

    def give(
        self,
        actor: Actor,
        office: str,
        deputy: str,
        *,
        begins: datetime,
        ends: datetime,
        why: str,
    ) -> Delegation:
        """Let somebody act for the holder of an office.

        Args:
            actor: who holds it themselves.
            office: its id.
            deputy: login name.
            begins: aware, included.
            ends: aware, excluded.
            why: the reason.
        """
        now = self._clock()
        deputy, why = name_of(deputy), reason(why, clause=ABSENCE)
        _by_the_holder(actor, office, "name a deputy")
        if deputy == actor.name:
            raise StepRefusedError("own", "A deputy is somebody else; name another person.")
        longest = timedelta(days=self._settings.deputies)
        if not begins < ends or ends <= now:
            raise StepRefusedError("period", "It would have ended already; give a later end.")
        if begins < now - timedelta(days=1) or ends - begins > longest:
            raise StepRefusedError(
                "period",
                f"Somebody deputises from today at the earliest, and at most {longest.days} days.",
            )
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = connection.execute(
                insert(tables_audit.delegations)
                .values(
                    reference=reference,
                    office=office,
                    deputy=deputy,
                    begins=begins,
                    ends=ends,
                    why=why,
                    given_by=actor.name,
                    given_at=now,
                )
                .returning(tables_audit.delegations.c.id)
            ).scalar_one()
            step = Step.by(actor, now, "delegation", why)
            append(connection, tables_audit.delegation_steps, number, step)
            return _get(connection, reference)

    def revoke(self, actor: Actor, reference: str, *, why: str) -> Delegation:
        """End it at once; by whoever holds the office, or the deputy."""
        why = reason(why, clause=ABSENCE)
        with self._store.changing() as connection:
            now = self._clock()
            found = _get(connection, reference)
            if actor.name != found.deputy:
                _by_the_holder(actor, found.office, "take it back")
            if found.revoked_at is not None or found.ends <= now:
                raise StepRefusedError("state", f"{found.reference} has ended already.")
            connection.execute(
                update(tables_audit.delegations)
                .where(tables_audit.delegations.c.id == found.id)
                .values(revoked_by=actor.name, revoked_at=now)
            )
            step = Step.by(actor, now, "revocation", why)
            append(connection, tables_audit.delegation_steps, found.id, step)
            return _get(connection, reference)


def held(connection: Connection, actor: Actor, now: datetime) -> Held:
    """The offices that somebody may act for now; where they hold one themselves, by that."""
    deputised = _where(connection, tables_audit.delegations.c.deputy == actor.name)
    found: dict[str, str | None] = {
        each.office: each.reference for each in deputised if each.holds(now)
    }
    return found | dict.fromkeys(actor.offices)


def deputies_of(connection: Connection, office: str, at: datetime) -> frozenset[str]:
    """Who deputised for an office at a moment."""
    given = _where(connection, tables_audit.delegations.c.office == office)
    return frozenset(each.deputy for each in given if each.holds(at))


def _by_the_holder(actor: Actor, office: str, doing: str) -> None:
    if office not in actor.offices:
        raise StepRefusedError(
            "office", f"Only who holds the office themselves may {doing} (audit.offices).", ABSENCE
        )


def _get(connection: Connection, reference: str) -> Delegation:
    wanted = reference.strip().upper()
    found = _where(connection, tables_audit.delegations.c.reference == wanted)
    if not found:
        raise UnknownReferenceError(reference)
    return found[0]


def _where(connection: Connection, *conditions: Any) -> tuple[Delegation, ...]:
    table = tables_audit.delegations
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.id))
    return tuple(map(_from_row, rows))


def _from_row(row: Row[Any]) -> Delegation:
    return Delegation(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
