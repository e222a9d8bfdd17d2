"""The register of authorisations: every step of their lives (Inf/27 3.6, 4.2.4 to 4.2.7).

In: who acts, what they ask. Out: the authorisation as it is then; its steps, for good.
Must never: take a step that rules.py or applying.py refuses; take one on a view that is out of
date; widen what was applied for; tell those it is about, or others, that there is one.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert

from proxy_addons.audit.authority import colleagues, rules, writing
from proxy_addons.audit.authority.applying import applied, longest
from proxy_addons.audit.authority.deputies import held
from proxy_addons.audit.authority.model import Approval, State
from proxy_addons.audit.authority.offices import needs_of
from proxy_addons.audit.authority.rows import add, concerning, find, get, looked_by, matching, same
from proxy_addons.audit.authority.writing import NO_RENEWAL, end, take
from proxy_addons.settings.audit import HEAD_OF_PSD
from proxy_addons.standing import tables_audit as tables
from proxy_addons.standing.actor import PSD
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StaleViewError, UnknownReferenceError
from proxy_addons.standing.rules import name_of, reason, remark
from proxy_addons.standing.steps import Step, append, steps_of, steps_since

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection

    from proxy_addons.audit.authority.colleagues import Unit
    from proxy_addons.audit.authority.model import Authorisation, SubjectClass, Wanted
    from proxy_addons.audit.authority.rules import Held
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "AU"
_KEY: Final = 32  # octets of the key of pseudonyms


class Authorisations:
    """The register of authorisations.

    Every step may raise `StepRefusedError` (a rule; nothing is changed), `UnknownReferenceError`
    (there is none that the actor may know of) and `StandingUnavailableError`. `seen` is the
    `revision` that the actor looked at; when it is another by now: `StaleViewError`.

    Args:
        store: where it is kept.
        settings: `audit`.
        expanded: what the policy makes of names of categories (`Policy.expanded`).
        clock: the time now, aware.
        entropy: gives secret octets.
    """

    def __init__(
        self,
        store: Store,
        settings: Audit,
        *,
        expanded: Callable[[Collection[str]], frozenset[str]] = frozenset,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._settings = settings
        self._expanded = expanded
        self._clock = clock
        self._entropy = entropy

    # --- looking ----------------------------------------------------------------------------------

    def find(self, reference: str) -> Authorisation | None:
        """One authorisation, or None: for the program, which compiles it (compiled.py)."""
        with self._store.reading() as connection:
            return find(connection, reference)

    def looked_by(self, actor: Actor, reference: str) -> Authorisation | None:
        """One that somebody applied for or investigates by; None: to them there is none.

        Whether they may look by it now is for `compile_bounds` to say.
        """
        with self._store.reading() as connection:
            return find(connection, reference, looked_by(actor.name))

    def get(self, actor: Actor, reference: str) -> Authorisation:
        """One authorisation, for somebody who may see it.

        Raises:
            UnknownReferenceError: there is none that they may know of.
        """
        with self._store.reading() as connection:
            return self._seen(connection, actor, reference)[0]

    def steps(self, actor: Actor, reference: str) -> tuple[Step, ...]:
        """Its steps, oldest first.

        Raises:
            UnknownReferenceError: there is none that they may know of.
        """
        with self._store.reading() as connection:
            found, _ = self._seen(connection, actor, reference)
            return steps_of(connection, tables.authorisation_steps, found.id)

    def all(self, actor: Actor) -> tuple[Authorisation, ...]:
        """All that somebody may see, oldest first."""
        with self._store.reading() as connection:
            offices = held(connection, actor, self._clock())
            found = matching(connection, _theirs(actor, offices))
            return tuple(each for each in found if rules.may_see(actor, each, offices))

    def steps_since(self, number: int, most: int = 1000) -> tuple[tuple[int, str, Step], ...]:
        """Steps of all authorisations after a number: what the trail has not recorded yet.

        Returns:
            The step's number, the authorisation's reference, the step; in their order.
        """
        with self._store.reading() as connection:
            return steps_since(
                connection, tables.authorisation_steps, tables.authorisations, number, most
            )

    def colleagues(self, found: Authorisation) -> frozenset[str]:
        """Whom its comparison is of: for the program, which compiles it; empty for none."""
        with self._store.reading() as connection:
            return colleagues.read(connection, found.id)

    # --- steps ------------------------------------------------------------------------------------

    def apply(
        self,
        actor: Actor,
        wanted: Wanted,
        *,
        known: Mapping[str, SubjectClass] | None = None,
        unit: Unit | None = None,
        once: bool = False,
    ) -> Authorisation:
        """Apply for one.

        Args:
            actor: of Professional Standards; looks by it once it is approved.
            wanted: what is asked for.
            known: canonical name → class, of those subjects of whom the directory says it.
            unit: of the subject (`colleagues.unit_of`), where a comparison is wanted.
            once: give the one that was applied for with the same kind, subjects and allegation
                before, where there is one, whatever became of it: the answer may have been lost.
        """
        now = self._clock()
        settings = self._settings
        wanted = applied(
            actor, wanted, now, settings, known=known or {}, expanded=self._expanded, unit=unit
        )
        needs = needs_of(wanted.kind, wanted.subjects.values(), settings.approvers)
        with self._store.changing() as connection:
            if once and (before := same(connection, wanted)) is not None:
                return before
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = add(
                connection,
                wanted,
                reference=reference,
                form=settings.form,
                form_version=settings.form_version,
                applicant=actor.name,
                applied_at=now,
                needs=[list(need) for need in needs],
                pseudonym_key=self._entropy(_KEY),
            )
            changes = {
                "kind": wanted.kind,
                "subjects": ", ".join(sorted(wanted.subjects)) or None,
                "records from": wanted.begins,
                "records until": wanted.ends,
                "valid from": wanted.valid_from,
                "valid until": wanted.valid_until,
                "approval by": "; ".join(map(rules.listed, needs)),
                "urgent": "yes" if wanted.urgent else None,
            }
            if wanted.comparison:
                assert unit is not None  # or it would have been refused
                told = colleagues.write(connection, number, wanted, unit, now)
                changes["compared with"] = told
            step = Step.by(actor, now, "application", wanted.necessity, changes)
            append(connection, tables.authorisation_steps, number, step)
            return get(connection, reference)

    def approve(self, actor: Actor, reference: str, *, seen: int, note: str = "") -> Authorisation:
        """Approve an application, or a pending renewal, by an office that one holds or deputises.

        It holds once all have approved that have to (`Authorisation.missing`).
        """
        note = remark(note) or ""
        with self._step(actor, reference, seen) as (connection, found, offices, now):
            doing = "approve an application"
            rules.undecided(found, now, "approve")
            rules.by_a_second_person(actor.name, found, doing)
            office = rules.office_for(offices, found.missing, doing)
            rules.once(actor.name, found)
            approval = writing.by_own_hand(found.round, office, actor, offices, now)
            writing.approve(connection, found, approval, actor, now, note, self._settings)
            return get(connection, reference)

    def approve_orally(
        self, actor: Actor, reference: str, *, seen: int, by: str, at: datetime, note: str
    ) -> Authorisation:
        """Write down that an urgent application was approved by word of mouth.

        Looks are allowed from then on, and end when it is not confirmed in writing in time.

        Args:
            actor: of Professional Standards, but neither applicant nor investigator.
            reference: of the application.
            seen: its revision as looked at.
            by: login name of who approved.
            at: when they did.
            note: what was said, and why it could not wait.
        """
        by, note = name_of(by), reason(note, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, _, now):
            rules.by_professional_standards(actor, "write down an approval by word of mouth")
            rules.by_a_second_person(actor.name, found, "write down the approval of what")
            rules.orally(found, at, now, self._settings)
            rules.by_a_second_person(by, found, "approve an application")
            rules.once(by, found)
            office = writing.oral_office(connection, found, by, at, self._settings)
            approval = Approval(
                round=found.round,
                office=office,
                person=by,
                delegation=None,
                oral=True,
                recorded_by=actor.name,
                at=at,
            )
            writing.approve(connection, found, approval, actor, now, note, self._settings)
            return get(connection, reference)

    def write_up(self, actor: Actor, reference: str, *, seen: int, note: str = "") -> Authorisation:
        """Confirm in writing what was approved by word of mouth; by whoever may approve it."""
        note = remark(note) or ""
        with self._step(actor, reference, seen) as (connection, found, offices, now):
            rules.to_be_written_up(found, now)
            rules.by_a_second_person(actor.name, found, "confirm an application")
            rules.once(actor.name, found, written=True)
            office = rules.office_for(offices, found.unwritten, "confirm this application")
            approval = writing.by_own_hand(0, office, actor, offices, now)
            after = writing.add(connection, found, approval)
            values: dict[str, Any] = {}
            if not after.unwritten and found.state == State.APPROVED:
                values = {"written_by": None, "state": str(State.WRITTEN_UP)}
            step = Step.by(actor, now, "write-up", note, {"office": office})
            take(connection, found, step, values)
            return get(connection, reference)

    def refuse(self, actor: Actor, reference: str, *, seen: int, why: str) -> Authorisation:
        """Refuse an application, or a pending renewal (it then stays as it was)."""
        why = reason(why, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, offices, now):
            doing = "refuse an application"
            rules.undecided(found, now, "refuse")
            rules.by_a_second_person(actor.name, found, doing)
            rules.office_for(offices, found.needs, doing)
            if found.renewal is not None:
                take(connection, found, Step.by(actor, now, "renewal-refusal", why), NO_RENEWAL)
            else:
                end(connection, found, Step.by(actor, now, "refusal", why), State.REFUSED)
            return get(connection, reference)

    def withdraw(self, actor: Actor, reference: str, *, seen: int, why: str) -> Authorisation:
        """End it as its applicant: it is not needed any more."""
        why = reason(why, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, _, now):
            rules.by_the_applicant(actor, found, "withdraw it")
            rules.open_still(found, now, "withdraw")
            end(connection, found, Step.by(actor, now, "withdrawal", why), State.WITHDRAWN)
            return get(connection, reference)

    def cancel(self, actor: Actor, reference: str, *, seen: int, why: str) -> Authorisation:
        """End it early, as an approver or the head of Professional Standards."""
        why = reason(why, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, offices, now):
            rules.may_cancel(found, offices)
            rules.by_a_second_person(actor.name, found, "cancel what")
            rules.open_still(found, now, "cancel")
            end(connection, found, Step.by(actor, now, "cancellation", why), State.CANCELLED)
            return get(connection, reference)

    def renew(
        self, actor: Actor, reference: str, *, seen: int, until: datetime, why: str
    ) -> Authorisation:
        """Ask that it holds longer. It takes the same approvals again, and changes nothing else."""
        why = reason(why, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, _, now):
            rules.by_those_who_look(actor, found, "ask for its renewal")
            rules.renewable(found, now, self._settings)
            rules.renewed(found, until, now, longest(found.kind, self._settings))
            values = {
                "renewal_until": until,
                "renewal_why": why,
                "renewal_by": actor.name,
                "renewal_at": now,
                "rounds": found.rounds + 1,
            }
            changes = {"valid until": until}
            take(connection, found, Step.by(actor, now, "renewal-request", why, changes), values)
            return get(connection, reference)

    def review(
        self,
        actor: Actor,
        reference: str,
        *,
        seen: int,
        note: str,
        next_at: datetime | None = None,
    ) -> Authorisation:
        """Record a review, by an approver or the head of Professional Standards.

        Args:
            actor: who reviews.
            reference: of the authorisation.
            seen: its revision as looked at.
            note: what was found: whether it is still needed and proportionate.
            next_at: the next review; None: half-way to the end.
        """
        note = reason(note, clause=rules.FORM)
        with self._step(actor, reference, seen) as (connection, found, offices, now):
            rules.may_cancel(found, offices)
            rules.by_a_second_person(actor.name, found, "review what")
            rules.open_still(found, now, "review")
            due = rules.next_review(found, next_at, now)
            values = {"reviewed_at": now, "review_at": due}
            step = Step.by(actor, now, "review", note, {"next review": due})
            take(connection, found, step, values)
            return get(connection, reference)

    def declare_conflict(
        self, actor: Actor, reference: str, *, seen: int, why: str
    ) -> Authorisation:
        """Declare that one is not impartial. From then on one neither decides nor looks."""
        why = reason(why, clause=rules.SCRUTINY)
        with self._step(actor, reference, seen) as (connection, found, _, now):
            connection.execute(
                insert(tables.authorisation_conflicts).values(
                    authorisation=found.id, person=actor.name, at=now, why=why
                )
            )
            take(connection, found, Step.by(actor, now, "conflict", why))
            return get(connection, reference)

    # --- parts of steps ---------------------------------------------------------------------------

    def _seen(
        self, connection: Connection, actor: Actor, reference: str
    ) -> tuple[Authorisation, Held]:
        offices = held(connection, actor, self._clock())
        found = find(connection, reference, _theirs(actor, offices))
        if found is None or not rules.may_see(actor, found, offices):
            raise UnknownReferenceError(reference)
        return found, offices

    @contextlib.contextmanager
    def _step(
        self, actor: Actor, reference: str, seen: int
    ) -> Iterator[tuple[Connection, Authorisation, Held, datetime]]:
        """One transaction on one entry, which is as the actor saw it and stays so meanwhile."""
        with self._store.changing() as connection:
            found, offices = self._seen(connection, actor, reference)
            if found.revision != seen:
                steps = steps_of(connection, tables.authorisation_steps, found.id)
                raise StaleViewError(found.reference, steps[max(0, seen) :])
            yield connection, found, offices, self._clock()


def _theirs(actor: Actor, offices: Held) -> ColumnElement[bool]:
    """What somebody may know of, for the store: others' rows are not read."""
    return concerning(
        actor.name, offices, urgent=PSD in actor.roles, everything=HEAD_OF_PSD in offices
    )
