"""The register of legal holds: what must not be erased, whatever its period.

In: who acts, what they ask. Out: the hold as it is then; its steps, for good; those in force.
Must never: let a hold end by itself, or by one person; change what a hold covers: another scope is
another hold.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.audit.noted import no_trail, note
from proxy_addons.audit.retention import rules
from proxy_addons.audit.retention.due import HeldBy
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.standing import rules as texts
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StaleViewError, UnknownReferenceError
from proxy_addons.standing.steps import Step, steps_of, steps_since
from proxy_addons.standing.tables_retention import legal_hold_steps, legal_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from sqlalchemy import Connection, Row

    from proxy_addons.audit.noted import Trail
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "LH"
_NO_LIFT: Final[Mapping[str, None]] = {
    "lift_asked_by": None,
    "lift_asked_at": None,
    "lift_why": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedHold:
    """What somebody wants held.

    Attributes:
        scope: what it covers.
        case_reference: of the case that it is for.
        owner: who answers for it: a login name.
        why: reason.
        review_at: when it is looked at again; aware, within 12 months.
    """

    scope: Scope
    case_reference: str
    owner: str
    why: str
    review_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An entry of the register. Times are aware, in UTC; names canonical.

    Attributes:
        id: of the row.
        reference: `LH-2026-0001`.
        revision: number of its steps.
        scope: what it covers.
        case_reference: of the case that it is for.
        owner: who answers for it.
        why: reason.
        review_at: when it is looked at again.
        placed_by: who placed it.
        placed_at: when.
        lift_asked_by: who asked for it to be lifted; None: nobody does at present.
        lift_asked_at: when.
        lift_why: why.
        lifted_by: who lifted it; None: it is in force.
        lifted_at: when.
    """

    id: int
    reference: str
    revision: int
    scope: Scope
    case_reference: str
    owner: str
    why: str
    review_at: datetime
    placed_by: str
    placed_at: datetime
    lift_asked_by: str | None
    lift_asked_at: datetime | None
    lift_why: str | None
    lifted_by: str | None
    lifted_at: datetime | None

    @property
    def in_force(self) -> bool:
        """Whether it holds. A review that is overdue ends nothing."""
        return self.lifted_at is None

    def review_is_overdue(self, now: datetime) -> bool:
        """Whether it is in force and should have been looked at again."""
        return self.in_force and self.review_at <= now


class Holds:
    """The register.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`. `seen` is the `revision` of the hold that the actor looked at.

    Args:
        store: where it is kept.
        zone: the force's: in which months are counted.
        clock: the time now, aware.
        trail: takes each step, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        zone: tzinfo,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store = store
        self._zone = zone
        self._clock = clock
        self._trail = trail

    def get(self, reference: str) -> Hold:
        """One hold.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)

    def all(self) -> tuple[Hold, ...]:
        """All holds, those that were lifted too; the oldest first."""
        with self._store.reading() as connection:
            rows = connection.execute(select(legal_holds).order_by(legal_holds.c.id))
            return tuple(map(_from_row, rows))

    def in_force(self) -> tuple[HeldBy, ...]:
        """Those that hold now, as `due` takes them."""
        return tuple(HeldBy(each.reference, each.scope) for each in self.all() if each.in_force)

    def steps(self, reference: str) -> tuple[Step, ...]:
        """The steps of a hold, the oldest first."""
        with self._store.reading() as connection:
            return steps_of(connection, legal_hold_steps, _get(connection, reference).id)

    def steps_since(self, number: int) -> tuple[tuple[int, str, Step], ...]:
        """Steps of all holds after a number: what the trail has not recorded yet."""
        with self._store.reading() as connection:
            return steps_since(connection, legal_hold_steps, legal_holds, number)

    def place(self, actor: Actor, wanted: WantedHold) -> Hold:
        """Place a hold. It is in force when this returns."""
        now = self._clock()
        rules.by_psd(actor, "place a legal hold")
        asked = wanted.scope
        persons = None if asked.persons is None else rules.names(asked.persons)
        under = asked.authorisation
        under = None if under is None else rules.authorisation(under)
        rules.scope(Scope(persons, asked.since, asked.until, under, asked.unknown_too))
        case = texts.reason(wanted.case_reference, least=2, clause=rules.RECORDS)
        why = texts.reason(wanted.why, clause=rules.RECORDS)
        owner = texts.name_of(wanted.owner)
        rules.review(wanted.review_at, now, self._zone)
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = connection.execute(
                insert(legal_holds)
                .values(
                    reference=reference,
                    persons=None if persons is None else sorted(persons),
                    unknown_too=asked.unknown_too,
                    since=asked.since,
                    until=asked.until,
                    authorisation=under,
                    case_reference=case,
                    owner=owner,
                    why=why,
                    review_at=wanted.review_at,
                    placed_by=actor.name,
                    placed_at=now,
                    revision=1,
                )
                .returning(legal_holds.c.id)
            ).scalar_one()
            made = _get(connection, reference)
            changes = {
                "holds": made.scope.words,
                "case": case,
                "owner": owner,
                "review": wanted.review_at,
            }
            step = Step.by(actor, now, "hold", why, changes)
            note(connection, legal_hold_steps, number, reference, step, self._trail)
            return made

    def review(
        self, actor: Actor, reference: str, *, seen: int, remark: str, next_at: datetime
    ) -> Hold:
        """Look at it again: it stays in force.

        Args:
            actor: of professional standards.
            reference: of the hold.
            seen: its revision as looked at.
            remark: what was found.
            next_at: the next review, within 12 months.
        """
        remark = texts.reason(remark, clause=rules.RECORDS)
        with self._step(actor, reference, seen, "review a hold") as (connection, hold, now):
            rules.review(next_at, now, self._zone)
            values = {"review_at": next_at}
            return self._take(connection, hold, actor, "review", remark, values, values)

    def ask_to_lift(self, actor: Actor, reference: str, *, seen: int, why: str) -> Hold:
        """Ask for a hold to be lifted: it stays in force until a second person lifts it."""
        why = texts.reason(why, clause=rules.RECORDS)
        with self._step(actor, reference, seen, "lift a hold") as (connection, hold, now):
            rules.no_lift_asked(hold)
            values = {"lift_asked_by": actor.name, "lift_asked_at": now, "lift_why": why}
            return self._take(connection, hold, actor, "lift-request", why, values)

    def lift(self, actor: Actor, reference: str, *, seen: int, remark: str = "") -> Hold:
        """Lift it, as somebody else of professional standards asked for."""
        remark = texts.remark(remark) or ""
        with self._step(actor, reference, seen, "lift a hold") as (connection, hold, now):
            rules.lift_asked(hold)
            rules.second_person(actor, hold)
            values = {"lifted_by": actor.name, "lifted_at": now}
            return self._take(connection, hold, actor, "lifting", remark, values)

    def keep(self, actor: Actor, reference: str, *, seen: int, why: str) -> Hold:
        """Decline a request to lift it, or take back one's own."""
        why = texts.reason(why, clause=rules.RECORDS)
        with self._step(actor, reference, seen, "keep a hold") as (connection, hold, _):
            rules.lift_asked(hold)
            return self._take(connection, hold, actor, "lift-refusal", why, _NO_LIFT)

    @contextlib.contextmanager
    def _step(
        self, actor: Actor, reference: str, seen: int, doing: str
    ) -> Iterator[tuple[Connection, Hold, datetime]]:
        """One transaction on one hold, which is as the actor saw it and stays so meanwhile."""
        with self._store.changing() as connection:
            hold = _get(connection, reference)
            if hold.revision != seen:
                steps = steps_of(connection, legal_hold_steps, hold.id)
                raise StaleViewError(hold.reference, steps[max(0, seen) :])
            rules.by_psd(actor, doing)
            rules.not_held(actor, hold, doing)
            rules.in_force(hold, doing)
            yield connection, hold, self._clock()

    def _take(
        self,
        connection: Connection,
        hold: Hold,
        actor: Actor,
        kind: str,
        text: str,
        values: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
    ) -> Hold:
        connection.execute(
            update(legal_holds)
            .where(legal_holds.c.id == hold.id)
            .values(revision=hold.revision + 1, **values)
        )
        step = Step.by(actor, self._clock(), kind, text, changes)
        note(connection, legal_hold_steps, hold.id, hold.reference, step, self._trail)
        return _get(connection, hold.reference)


def _get(connection: Connection, reference: str) -> Hold:
    wanted = reference.strip().upper()
    row = connection.execute(
        select(legal_holds).where(legal_holds.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return _from_row(row)


def _from_row(row: Row[Any]) -> Hold:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    persons = values.pop("persons")
    scope = Scope(
        None if persons is None else frozenset(persons),
        values.pop("since"),
        values.pop("until"),
        values.pop("authorisation"),
        values.pop("unknown_too"),
    )
    return Hold(scope=scope, **values)
