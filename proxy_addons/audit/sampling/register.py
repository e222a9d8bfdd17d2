"""The register of dip samples: from the plan to the draw, and to its end.

In: who acts, what they ask. Out: the plan as it is then; its steps, for good.
Must never: take a step that rules.py refuses, or one on a view that is out of date; reveal a secret
before both commitments stand; draw from a roster that was fixed after a secret was known.

All methods block: callers in an event loop use a thread. What is reviewed is in reviewing.py.
"""

from __future__ import annotations

import contextlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from proxy_addons.audit.noted import no_trail, note
from proxy_addons.audit.sampling import drawrows, rows, rules
from proxy_addons.audit.sampling.commitment import Party, Secret, keeps
from proxy_addons.audit.sampling.plan import DrawState, Outcome, PlanState
from proxy_addons.audit.sampling.roster import SALT
from proxy_addons.standing import rules as texts
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StaleViewError, StepRefusedError
from proxy_addons.standing.steps import Step, steps_of, steps_since
from proxy_addons.standing.tables_sampling import sampling_draws, sampling_plans, sampling_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from proxy_addons.audit.noted import Trail
    from proxy_addons.audit.sampling.plan import Draw, Plan, Sample, WantedPlan
    from proxy_addons.audit.sampling.record import DrawRecord
    from proxy_addons.audit.sampling.strata import Entry
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

PREFIX: Final = "DS"


class Sampling:
    """The register of plans and draws.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`. `seen` is the `revision` of the plan that the actor looked at.

    Args:
        store: where it is kept.
        entropy: gives so many random octets.
        clock: the time now, aware.
        trail: takes each step, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store = store
        self._entropy = entropy
        self._clock = clock
        self._trail = trail

    # --- looking ----------------------------------------------------------------------------------

    def get(self, reference: str) -> Plan:
        """One plan.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return rows.plan_of(connection, reference)

    def all(self) -> tuple[Plan, ...]:
        """All plans, the oldest first."""
        with self._store.reading() as connection:
            return rows.plans(connection)

    def draws(self, reference: str) -> tuple[Draw, ...]:
        """The draws of a plan, those that were replaced too; the last one counts."""
        with self._store.reading() as connection:
            return rows.draws_of(connection, rows.plan_of(connection, reference))

    def samples(self, reference: str) -> tuple[Sample, ...]:
        """The samples of a plan's draws, under their pseudonyms."""
        with self._store.reading() as connection:
            return rows.samples_of(connection, rows.plan_of(connection, reference))

    def steps(self, reference: str) -> tuple[Step, ...]:
        """The steps of a plan, the oldest first."""
        with self._store.reading() as connection:
            found = rows.plan_of(connection, reference)
            return steps_of(connection, sampling_steps, found.id)

    def steps_since(self, number: int) -> tuple[tuple[int, str, Step], ...]:
        """Steps of all plans after a number: what the trail has not recorded yet."""
        with self._store.reading() as connection:
            return steps_since(connection, sampling_steps, sampling_plans, number)

    def record(
        self, actor: Actor, reference: str, number: int | None = None
    ) -> tuple[DrawRecord, tuple[Entry, ...]]:
        """What a draw follows from, and its roster: all that `replay` takes. The look is a step.

        Args:
            actor: an auditor or the second party; professional standards once the plan is closed.
            reference: of the plan.
            number: of the draw; None for the last one.

        Returns:
            The record; the roster, empty once it was disposed of.
        """
        with self._store.changing() as connection:
            plan = rows.plan_of(connection, reference)
            rules.may_see_record(actor, plan)
            found = [
                each
                for each in rows.draws_of(connection, plan)
                if each.drawn_at is not None and number in {None, each.number}
            ]
            if not found:
                raise StepRefusedError("state", f"{plan.reference} has no such draw.")
            draw = found[-1]
            record = drawrows.record_of(connection, plan, draw)
            self._take(connection, plan, actor, "record-seen", "", {}, {"draw": draw.number})
            return record, rows.roster_of(connection, draw)

    # --- steps ------------------------------------------------------------------------------------

    def plan(self, actor: Actor, wanted: WantedPlan) -> Plan:
        """Plan a sample."""
        now = self._clock()
        rules.by_psd(actor, "plan a sample")
        why = texts.reason(wanted.why, least=texts.WHY_LEAST, clause=rules.STANDING)
        authority = texts.reason(wanted.authority, least=2, clause=rules.STANDING)
        second = texts.name_of(wanted.second_party)
        rules.second_party(actor, second)
        rules.plannable(wanted)
        with self._store.changing() as connection:
            reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
            number = connection.execute(
                insert(sampling_plans)
                .values(
                    reference=reference,
                    state=PlanState.PLANNED,
                    why=why,
                    authority=authority,
                    first_day=wanted.first_week.monday,
                    weeks=wanted.weeks,
                    size=wanted.size,
                    second_party=second,
                    codes={code: str(means) for code, means in sorted(wanted.codes.items())},
                    planned_by=actor.name,
                    planned_at=now,
                    revision=1,
                )
                .returning(sampling_plans.c.id)
            ).scalar_one()
            changes = {
                "authority": authority,
                "first week": wanted.first_week.name,
                "weeks": wanted.weeks,
                "size": wanted.size,
                "second party": second,
            }
            step = Step.by(actor, now, "plan", why, changes)
            note(connection, sampling_steps, number, reference, step, self._trail)
            return rows.plan_of(connection, reference)

    def fix_roster(
        self, actor: Actor, reference: str, *, seen: int, roster: Iterable[Entry]
    ) -> Plan:
        """Fix who can be drawn, before anybody commits.

        Args:
            actor: of professional standards.
            reference: of the plan.
            seen: its revision as looked at.
            roster: everybody, each in one stratum.
        """
        entries = tuple(roster)
        with self._step(reference, seen) as (connection, plan, _):
            rules.by_psd(actor, "fix the roster of a sample")
            rules.in_state(plan, "fix its roster", PlanState.PLANNED)
            if rows.last_draw(connection, plan) is not None:
                raise StepRefusedError(
                    "roster",
                    f"The roster of {plan.reference} is fixed. Another roster is another draw, with"
                    " a reason.",
                )
            changes = self._new_draw(connection, plan, actor, 1, "", entries)
            self._take(connection, plan, actor, "roster", "", {}, changes)
            return rows.plan_of(connection, reference)

    def redraw(
        self, actor: Actor, reference: str, *, seen: int, why: str, roster: Iterable[Entry]
    ) -> Plan:
        """Begin another draw; the old one stays, with its reason to be replaced.

        Args:
            actor: of professional standards.
            reference: of the plan.
            seen: its revision as looked at.
            why: a secret was lost, a roster was wrong, ...; it stands in every report.
            roster: everybody who can be drawn now.
        """
        entries = tuple(roster)
        why = texts.reason(why, least=texts.WHY_LEAST, clause=rules.STANDING)
        with self._step(reference, seen) as (connection, plan, _):
            rules.by_psd(actor, "draw again")
            last = rows.last_draw(connection, plan)
            rules.redrawable(plan, last)
            assert last is not None
            connection.execute(
                update(sampling_draws)
                .where(sampling_draws.c.id == last.id)
                .values(state=DrawState.REPLACED)
            )
            changes = self._new_draw(connection, plan, actor, last.number + 1, why, entries)
            values = {"state": PlanState.PLANNED}
            self._take(connection, plan, actor, "redraw", why, values, changes)
            return rows.plan_of(connection, reference)

    def commit(self, actor: Actor, reference: str, *, seen: int, commitment: str) -> Plan:
        """Make one's commitment (`commitment.commitment`); the secret stays with its party.

        Args:
            actor: the second party that the plan names; else of professional standards.
            reference: of the plan.
            seen: its revision as looked at.
            commitment: 64 hexadecimal digits.
        """
        shown = rules.is_commitment(commitment)
        with self._step(reference, seen) as (connection, plan, _):
            rules.in_state(plan, "commit", PlanState.PLANNED)
            party = self._party(actor, plan)
            draw = rules.open_draw(rows.last_draw(connection, plan), plan)
            by = {Party.PSD: draw.psd_by, Party.SECOND: draw.second_by}
            rules.not_committed(by[party])
            connection.execute(
                update(sampling_draws)
                .where(sampling_draws.c.id == draw.id)
                .values({f"{party}_commitment": shown, f"{party}_by": actor.name})
            )
            both = all(each is not None for other, each in by.items() if other is not party)
            values = {"state": PlanState.COMMITTED} if both else {}
            changes = {"draw": draw.number, "party": party, "commitment": shown}
            self._take(connection, plan, actor, "commitment", "", values, changes)
            return rows.plan_of(connection, reference)

    def reveal(self, actor: Actor, reference: str, *, seen: int, secret: Secret) -> Plan:
        """Reveal one's secret. With the second one it is drawn.

        Args:
            actor: who committed.
            reference: of the plan.
            seen: its revision as looked at.
            secret: the one that was committed to.
        """
        with self._step(reference, seen) as (connection, plan, now):
            rules.in_state(plan, "reveal a secret", PlanState.COMMITTED)
            party = self._party(actor, plan)
            draw = rules.open_draw(rows.last_draw(connection, plan), plan)
            psd = party is Party.PSD
            rules.same_as_committed(actor, draw.psd_by if psd else draw.second_by)
            shown = draw.psd_commitment if psd else draw.second_commitment
            if draw.psd_revealed if psd else draw.second_revealed:
                raise StepRefusedError("reveal", "This secret was revealed already.")
            if not keeps(shown or "", plan.reference, draw.number, party, secret):
                raise StepRefusedError(
                    "reveal",
                    "This is not the secret that was committed to. Without that one, the draw has"
                    " to be begun again, with a reason.",
                )
            connection.execute(
                update(sampling_draws)
                .where(sampling_draws.c.id == draw.id)
                .values({f"{party}_secret": secret.text})
            )
            changes = {"draw": draw.number, "party": party}
            self._take(connection, plan, actor, "reveal", "", {}, changes)
            revealed = rows.secrets_of(connection, draw)
            if all(revealed):
                changes = drawrows.carry_out(connection, plan, draw, now)
                drawn = {"state": PlanState.DRAWN}
                self._take(connection, plan, actor, "draw", "", drawn, changes)
            return rows.plan_of(connection, reference)

    def close(self, actor: Actor, reference: str, *, seen: int, remark: str = "") -> Plan:
        """End it: everything was reviewed, and what follows from that is done."""
        remark = texts.remark(remark) or ""
        with self._step(reference, seen) as (connection, plan, now):
            rules.by_psd(actor, "close a plan")
            samples = rows.samples_of(connection, plan)
            rules.closable(plan, rows.last_draw(connection, plan), samples)
            for sample in samples:
                if sample.outcome is not Outcome.CONCERN:
                    rows.forget_name(connection, sample)
            values = {"state": PlanState.CLOSED, "closed_by": actor.name, "closed_at": now}
            self._take(connection, plan, actor, "closing", remark, values, {})
            return rows.plan_of(connection, reference)

    # --- parts of steps ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(self, reference: str, seen: int) -> Iterator[tuple[Connection, Plan, datetime]]:
        """One transaction on one plan, which is as the actor saw it and stays so meanwhile."""
        with self._store.changing() as connection:
            plan = rows.plan_of(connection, reference)
            if plan.revision != seen:
                steps = steps_of(connection, sampling_steps, plan.id)
                raise StaleViewError(plan.reference, steps[max(0, seen) :])
            yield connection, plan, self._clock()

    @staticmethod
    def _party(actor: Actor, plan: Plan) -> Party:
        if actor.name == plan.second_party:
            rules.by_second_party(actor, plan)
            return Party.SECOND
        rules.by_psd(actor, "take part in a draw")
        return Party.PSD

    def _new_draw(
        self,
        connection: Connection,
        plan: Plan,
        actor: Actor,
        number: int,
        why: str,
        entries: tuple[Entry, ...],
    ) -> dict[str, Any]:
        new = drawrows.NewDraw(number, why, actor.name, self._clock(), self._entropy(SALT))
        return drawrows.begin(connection, plan, new, entries)

    def _take(
        self,
        connection: Connection,
        plan: Plan,
        actor: Actor,
        kind: str,
        text: str,
        values: Mapping[str, Any],
        changes: Mapping[str, Any],
    ) -> None:
        take(
            connection,
            plan,
            Step.by(actor, self._clock(), kind, text, changes),
            values,
            self._trail,
        )


def take(
    connection: Connection, plan: Plan, step: Step, values: Mapping[str, Any], trail: Trail
) -> None:
    """Change the plan's row and append the step."""
    connection.execute(
        update(sampling_plans)
        .where(sampling_plans.c.id == plan.id)
        .values(revision=sampling_plans.c.revision + 1, **values)
    )
    note(connection, sampling_steps, plan.id, plan.reference, step, trail)
