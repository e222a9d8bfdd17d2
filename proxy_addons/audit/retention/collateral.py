"""Collateral material: what is done with records that were not what was looked for.

In: who decides, on which rows of an authorisation, and why. Out: decisions, for good; which rows
are not shown any more; what is to be deleted.
Must never: touch the access log: a decision is on what an authorisation gave out; let a decision be
changed: a later one on the same rows goes before it.

"Disregard and where feasible delete other information collected in the course of monitoring unless
it reveals information that no employer could reasonably be expected to ignore" (Lawful Business
Monitoring); in a criminal investigation it is retained securely.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from proxy_addons.audit.noted import no_trail
from proxy_addons.audit.retention import rules
from proxy_addons.audit.retention.certificates import digest_of
from proxy_addons.audit.retention.due import Item
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.audit.store import At
from proxy_addons.standing import rules as texts
from proxy_addons.standing.actor import Actor
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.steps import Step
from proxy_addons.standing.tables_retention import collateral_decisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Row

    from proxy_addons.audit.noted import Trail
    from proxy_addons.standing.store import Store

PREFIX: Final = "CM"
_MOMENT: Final = timedelta(microseconds=1)


class Decision(StrEnum):
    """What is done with them."""

    DISREGARD = "disregard"
    """They are not shown under this authorisation any more."""
    DELETE = "delete"
    """As above, and every copy that was made under it goes."""
    KEEP = "keep"
    """They reveal what no employer could reasonably be expected to ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDecision:
    """What somebody decides.

    Attributes:
        authorisation: under which the rows were found.
        decision: what is done with them.
        rows: where their lines are.
        since: `start` of the first of them, aware.
        until: `start` of the last of them; included.
        persons: whose they are; None: not known.
        why: reason.
        criminal: whether the authorisation is for a criminal investigation.
    """

    authorisation: str
    decision: Decision
    rows: frozenset[At]
    since: datetime
    until: datetime
    persons: frozenset[str] | None
    why: str
    criminal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision. See `WantedDecision` for the others.

    Attributes:
        reference: `CM-2026-0001`.
        rows: in their order.
        digest: hash of their list (`digest_of` of `segment:line`).
        by: who decided.
        how: how the name is known.
        at: when, UTC.
    """

    reference: str
    authorisation: str
    decision: Decision
    rows: tuple[At, ...]
    digest: str
    since: datetime
    until: datetime
    persons: frozenset[str] | None
    why: str
    by: str
    how: str
    at: datetime

    @property
    def item(self) -> Item:
        """What is to be deleted, for `due`. A hold on any of it holds all of it."""
        return Item(
            name=self.reference,
            kind=Class.COLLATERAL,
            counted_from=self.at,
            since=self.since,
            until=self.until,
            persons=self.persons,
            authorisations=frozenset({self.authorisation}),
            records=len(self.rows),
        )


class Collateral:
    """The register of decisions.

    Args:
        store: where they are kept.
        clock: the time now, aware.
        trail: takes each, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail

    def decide(self, actor: Actor, wanted: WantedDecision) -> Decided:
        """Decide.

        Raises:
            StepRefusedError: a rule; nothing is changed.
            StandingUnavailableError: the store does not answer.
        """
        now = self._clock()
        rules.collateral(actor, wanted.decision, len(wanted.rows), wanted.criminal)
        under = rules.authorisation(wanted.authorisation)
        why = texts.reason(wanted.why, clause=rules.COLLATERAL)
        persons = None if wanted.persons is None else rules.names(wanted.persons)
        if persons is not None and actor.name in persons:
            raise StepRefusedError(
                "own", "Nobody may decide on records of their own.", rules.COLLATERAL
            )
        if wanted.since > wanted.until:
            raise StepRefusedError("period", "The last record is not before the first.")
        rows = sorted(wanted.rows)
        digest = digest_of(map(_name, rows))
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            connection.execute(
                insert(collateral_decisions).values(
                    reference=reference,
                    authorisation=under,
                    decision=wanted.decision,
                    rows=[[each.segment, each.line] for each in rows],
                    digest=digest,
                    since=wanted.since,
                    until=wanted.until + _MOMENT,
                    persons=None if persons is None else sorted(persons),
                    why=why,
                    by=actor.name,
                    how=actor.how,
                    at=now,
                )
            )
            row = connection.execute(
                select(collateral_decisions).where(collateral_decisions.c.reference == reference)
            ).one()
            made = _from_row(row)
            self._trail(reference, _step(made))
            return made

    def steps_since(self, number: int, most: int = 1000) -> tuple[tuple[int, str, Step], ...]:
        """Decisions after a number, as steps: what the trail has not recorded yet."""
        columns = collateral_decisions.c
        question = select(collateral_decisions).where(columns.id > number).order_by(columns.id)
        with self._store.reading() as connection:
            rows = connection.execute(question.limit(most)).all()
        return tuple((row.id, row.reference, _step(_from_row(row))) for row in rows)

    def of(self, authorisation: str) -> tuple[Decided, ...]:
        """The decisions on what an authorisation gave, the oldest first."""
        columns = collateral_decisions.c
        under = rules.authorisation(authorisation)
        question = select(collateral_decisions).where(columns.authorisation == under)
        with self._store.reading() as connection:
            return tuple(map(_from_row, connection.execute(question.order_by(columns.id))))

    def all(self) -> tuple[Decided, ...]:
        """All decisions, the oldest first."""
        columns = collateral_decisions.c
        with self._store.reading() as connection:
            rows = connection.execute(select(collateral_decisions).order_by(columns.id))
            return tuple(map(_from_row, rows))


def hidden(decisions: Iterable[Decided]) -> frozenset[At]:
    """Rows that are not shown any more, of the decisions on one authorisation.

    Args:
        decisions: the oldest first: of several on one row the last counts.
    """
    found: set[At] = set()
    for each in decisions:
        if each.decision is Decision.KEEP:
            found.difference_update(each.rows)
        else:
            found.update(each.rows)
    return frozenset(found)


def _step(made: Decided) -> Step:
    changes = {
        "authorisation": made.authorisation,
        "decision": made.decision,
        "records": len(made.rows),
        "list": made.digest,
    }
    return Step.by(Actor(made.by, how=made.how), made.at, "collateral", made.why, changes)


def _name(row: At) -> str:
    return f"{row.segment}:{row.line}"


def _from_row(row: Row[Any]) -> Decided:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    del values["id"]
    values["decision"] = Decision(values["decision"])
    values["rows"] = tuple(At(segment, line) for segment, line in values["rows"])
    values["until"] -= _MOMENT
    if values["persons"] is not None:
        values["persons"] = frozenset(values["persons"])
    return Decided(**values)
