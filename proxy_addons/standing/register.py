"""The register of exemptions: every step of their lives (Inf/27 2.13.1, 5.1).

In: who acts, what they ask. Out: the exemption as it is then; its steps, for good.
Must never: take a step that rules.py refuses; take one on a view that is out of date; leave one
without a record. The portal and the command line both come through here.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from proxy_addons.standing import rules, tables
from proxy_addons.standing.exemption import Exemption, from_row
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StaleViewError, UnknownReferenceError
from proxy_addons.standing.steps import Step, append, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date, tzinfo

    from sqlalchemy import Connection

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.exemption import Wanted
    from proxy_addons.standing.store import Store

PREFIX = "EX"
_NO_EXTENSION: Mapping[str, None] = {
    "extension_ends": None,
    "extension_why": None,
    "extension_by": None,
    "extension_at": None,
}


class Register:
    """The register of exemptions.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`. `seen` is the `revision` of the exemption that the actor looked at;
    when it is another by now, the step is refused with `StaleViewError`.

    Args:
        store: where it is kept.
        categories: all categories that can be named; None when they are not known.
        by_name_only: categories that "everything" does not open (`Policy.by_name_only`).
        zone: the force's (`Policy.time_zone`): in which months and days are counted.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        *,
        categories: Collection[str] | None,
        by_name_only: Collection[str],
        zone: tzinfo,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._categories = categories
        self._by_name_only = frozenset(by_name_only)
        self._zone = zone
        self._clock = clock

    # --- looking ----------------------------------------------------------------------------------

    def get(self, reference: str) -> Exemption:
        """One exemption.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)

    def steps(self, reference: str) -> tuple[Step, ...]:
        """Its steps, oldest first.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            found = _get(connection, reference)
            return steps_of(connection, tables.exemption_steps, found.id)

    def all(self, person: str | None = None) -> tuple[Exemption, ...]:
        """All exemptions, or those for one person (canonical name); oldest first."""
        with self._store.reading() as connection:
            return _all(connection, person)

    def last_used(self) -> dict[str, date]:
        """Reference → last day (UTC) on which it was used, of those that ever were."""
        exemptions, use = tables.exemptions.c, tables.exemption_use.c
        with self._store.reading() as connection:
            rows = connection.execute(
                select(exemptions.reference, func.max(use.day))
                .join_from(tables.exemptions, tables.exemption_use)
                .group_by(exemptions.reference)
            )
            return {reference: day for reference, day in rows}  # noqa: C416 - rows are no pairs

    # --- steps ------------------------------------------------------------------------------------

    def request(self, actor: Actor, wanted: Wanted) -> Exemption:
        """Ask for an exemption, for oneself or somebody else."""
        now = self._clock()
        person = rules.name_of(wanted.person)
        why = rules.reason(wanted.why, least=rules.WHY_LEAST)
        rules.opened(wanted, self._categories, self._by_name_only)
        rules.period(wanted.begins, wanted.ends, now, self._zone)
        review_at = rules.review_date(wanted.review_at, wanted.begins, wanted.ends, self._zone)
        own = rules.remark(wanted.force_reference, rules.LONGEST_REFERENCE)
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = connection.execute(
                insert(tables.exemptions)
                .values(
                    reference=reference,
                    person=person,
                    everything=wanted.everything,
                    categories=sorted(wanted.categories),
                    why=why,
                    force_reference=own,
                    significant=wanted.significant,
                    requested_by=actor.name,
                    requested_at=now,
                    begins=wanted.begins,
                    ends=wanted.ends,
                    state="requested",
                    review_at=review_at,
                    revision=1,
                )
                .returning(tables.exemptions.c.id)
            ).scalar_one()
            made = _get(connection, reference)
            changes = {
                "person": person,
                "opens": made.opens,
                "begins": wanted.begins,
                "ends": wanted.ends,
                "review": review_at,
                "significant": "yes" if wanted.significant else None,
                "force reference": own,
            }
            append(
                connection,
                tables.exemption_steps,
                number,
                Step.by(actor, now, "request", why, changes),
            )
            return made

    def approve(
        self, actor: Actor, reference: str, *, seen: int, note: str = "", escalated_to: str = ""
    ) -> Exemption:
        """Approve a request, or a pending extension; at once in force.

        Args:
            actor: information security, and neither who asked nor who benefits.
            reference: of the exemption.
            seen: its revision as looked at.
            note: a remark, may be empty.
            escalated_to: whom a significant one was escalated to, unless that is recorded already.
        """
        note, to = rules.remark(note) or "", rules.remark(escalated_to)
        with self._step(reference, seen) as (connection, found, now):
            rules.by_information_security(actor, "approve an exemption")
            rules.undecided(found, now, "approve")
            asked_by = found.extension_by or found.requested_by
            rules.by_a_second_person(actor, found.person, asked_by, "approve an exemption")
            rules.approvable(found, now)
            rules.escalated(found, to)
            others = _all(connection, found.person)
            if to:
                self._escalate(connection, found, actor, now, to, note)
            present = _get(connection, reference)
            if present.extension_ends is not None:
                self._extend(connection, present, actor, now, note, others)
            else:
                rules.no_other(present, present.ends, others)
                values = {"state": "approved", "decided_by": actor.name, "decided_at": now}
                _take(connection, present, actor, now, "approval", note, values)
            return _get(connection, reference)

    def refuse(self, actor: Actor, reference: str, *, seen: int, why: str) -> Exemption:
        """Refuse a request, or a pending extension (the exemption then stays as it was)."""
        why = rules.reason(why)
        with self._step(reference, seen) as (connection, found, now):
            rules.by_information_security(actor, "refuse an exemption")
            rules.undecided(found, now, "refuse")
            if found.extension_is_pending:
                _take(connection, found, actor, now, "extension-refusal", why, _NO_EXTENSION)
            else:
                values = {"state": "refused", "decided_by": actor.name, "decided_at": now}
                _take(connection, found, actor, now, "refusal", why, values)
            return _get(connection, reference)

    def extend(
        self, actor: Actor, reference: str, *, seen: int, ends: datetime, why: str
    ) -> Exemption:
        """Ask for a later end. It takes an approval by a second person, as a request does."""
        why = rules.reason(why, least=rules.WHY_LEAST)
        with self._step(reference, seen) as (connection, found, now):
            rules.may_ask_to_extend(actor, found)
            rules.extended_period(found, ends, now, self._zone)
            rules.none_pending(found)
            values = {
                "extension_ends": ends,
                "extension_why": why,
                "extension_by": actor.name,
                "extension_at": now,
            }
            changes = {"ends": ends}
            _take(connection, found, actor, now, "extension-request", why, values, changes)
            return _get(connection, reference)

    def escalate(
        self, actor: Actor, reference: str, *, seen: int, to: str, note: str = ""
    ) -> Exemption:
        """Record whom it was escalated to, which marks it significant."""
        to = rules.reason(to, least=2)
        note = rules.remark(note) or ""
        with self._step(reference, seen) as (connection, found, now):
            rules.by_information_security(actor, "record an escalation")
            self._escalate(connection, found, actor, now, to, note)
            return _get(connection, reference)

    def review(
        self,
        actor: Actor,
        reference: str,
        *,
        seen: int,
        note: str,
        next_at: datetime | None = None,
    ) -> Exemption:
        """Record a review: the exemption stays as it is.

        Args:
            actor: information security, and not who benefits.
            reference: of the exemption.
            seen: its revision as looked at.
            note: what was found.
            next_at: the next review, within the period; None: in 6 months if it lasts longer.
        """
        note = rules.reason(note)
        with self._step(reference, seen) as (connection, found, now):
            rules.by_information_security(actor, "review an exemption")
            rules.not_for_oneself(actor, found.person, "review an exemption")
            rules.holding(found, now, "review")
            due = rules.next_review(next_at, now, found, self._zone)
            values = {"reviewed_at": now, "review_at": due}
            _take(connection, found, actor, now, "review", note, values, {"next review": due})
            return _get(connection, reference)

    def revoke(self, actor: Actor, reference: str, *, seen: int, why: str) -> Exemption:
        """End it at once."""
        why = rules.reason(why)
        with self._step(reference, seen) as (connection, found, now):
            rules.may_revoke(actor, found)
            rules.holding(found, now, "revoke")
            values = {
                "state": "revoked",
                "revoked_by": actor.name,
                "revoked_at": now,
                **_NO_EXTENSION,
            }
            _take(connection, found, actor, now, "revocation", why, values)
            return _get(connection, reference)

    # --- parts of steps ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(self, reference: str, seen: int) -> Iterator[tuple[Connection, Exemption, datetime]]:
        """One transaction on one exemption, which is as the actor saw it and stays so meanwhile."""
        with self._store.changing() as connection:
            found = _get(connection, reference)
            if found.revision != seen:
                steps = steps_of(connection, tables.exemption_steps, found.id)
                raise StaleViewError(found.reference, steps[max(0, seen) :])
            yield connection, found, self._clock()

    def _escalate(
        self,
        connection: Connection,
        found: Exemption,
        actor: Actor,
        now: datetime,
        to: str,
        note: str,
    ) -> None:
        values = {"significant": True, "escalated_to": to}
        changes = {"escalated to": to}
        _take(connection, found, actor, now, "escalation", note, values, changes)

    def _extend(
        self,
        connection: Connection,
        found: Exemption,
        actor: Actor,
        now: datetime,
        note: str,
        others: Collection[Exemption],
    ) -> None:
        ends = found.extension_ends
        assert ends is not None
        rules.extended_period(found, ends, now, self._zone)
        rules.no_other(found, ends, others)
        values: dict[str, Any] = {"ends": ends, **_NO_EXTENSION}
        if found.review_at is None:  # one that is due, or overdue, stays so
            values["review_at"] = rules.review_date(None, now, ends, self._zone)
        changes = {"ends": ends, "review": values.get("review_at")}
        _take(connection, found, actor, now, "extension", note, values, changes)


def _get(connection: Connection, reference: str) -> Exemption:
    wanted = reference.strip().upper()
    row = connection.execute(
        select(tables.exemptions).where(tables.exemptions.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return from_row(row)


def _all(connection: Connection, person: str | None) -> tuple[Exemption, ...]:
    columns = tables.exemptions.c
    question = select(tables.exemptions).order_by(columns.id)
    if person is not None:
        question = question.where(columns.person == person)
    return tuple(map(from_row, connection.execute(question)))


def _take(  # noqa: PLR0913, PLR0917 - what a step is
    connection: Connection,
    found: Exemption,
    actor: Actor,
    now: datetime,
    kind: str,
    note: str,
    values: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Change the row and append the step."""
    connection.execute(
        update(tables.exemptions)
        .where(tables.exemptions.c.id == found.id)
        .values(revision=found.revision + 1, **values)
    )
    append(connection, tables.exemption_steps, found.id, Step.by(actor, now, kind, note, changes))
