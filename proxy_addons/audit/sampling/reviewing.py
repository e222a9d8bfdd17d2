"""The review of samples: under pseudonyms, until somebody records a concern.

In: a reviewer, outcomes. Out: the next sample; for a concern its name and a draft request; for all
else the end of its view, with a certificate.
Must never: tell a name before a concern is recorded; give a sample to the person it is about; count
an outcome as done whose request or deletion is not recorded.

All methods block: callers in an event loop use a thread. An outcome is recorded first, then what
follows from it is done, then that is recorded. What a crash leaves undone is in `undone`, and
`follow_up` makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from proxy_addons.audit.noted import no_trail
from proxy_addons.audit.retention.certificates import Erased, digest_of, issue
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.audit.sampling import rows, rules
from proxy_addons.audit.sampling.hooks import Concern
from proxy_addons.audit.sampling.plan import Outcome, PlanState
from proxy_addons.audit.sampling.register import take
from proxy_addons.standing import rules as texts
from proxy_addons.standing.dates import begin_of, end_of
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.steps import Step
from proxy_addons.standing.tables_sampling import sampling_samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from sqlalchemy import Connection

    from proxy_addons.audit.noted import Trail
    from proxy_addons.audit.sampling.hooks import Requests, Views
    from proxy_addons.audit.sampling.plan import Plan, Sample
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.weeks import Week


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScope:
    """What the desk compiles into bounds. Not for reviewers: the name is in it.

    Attributes:
        sample: pseudonym.
        person: whose records may be seen, under a pseudonym.
        since: first moment of the week, UTC.
        until: first moment after it.
        authority: of the standing authorisation.
    """

    sample: str
    person: str
    since: datetime
    until: datetime
    authority: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of a sample.

    Attributes:
        sample: as it is now.
        person: whose it is, where there is a concern; else None.
    """

    sample: Sample
    person: str | None


class Reviewing:
    """The review of samples.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where they are kept.
        requests: drafts requests for authority.
        views: keeps what reviewers see.
        zone: the force's, in which weeks begin.
        clock: the time now, aware.
        trail: takes each step, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        requests: Requests,
        views: Views,
        zone: tzinfo,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store = store
        self._requests = requests
        self._views = views
        self._zone = zone
        self._clock = clock
        self._trail = trail

    def take_next(self, actor: Actor, reference: str) -> Sample | None:
        """Take the next sample that nobody has, and that is not about the reviewer.

        Args:
            actor: of professional standards.
            reference: of the plan.

        Returns:
            None: there is none left for this reviewer.
        """
        with self._store.changing() as connection:
            now = self._clock()
            rules.by_psd(actor, "review a sample")
            plan = rows.plan_of(connection, reference)
            rules.in_state(plan, "take a sample", PlanState.DRAWN, PlanState.REVIEW)
            rules.period_is_over(plan, now.astimezone(self._zone).date())
            draw = rows.last_draw(connection, plan)
            found = None if draw is None else rows.first_for(connection, plan, draw, actor.name)
            if found is None:
                return None
            _set(connection, found, reviewer=actor.name, taken_at=now)
            step = Step.by(actor, now, "sample-taken", "", {"sample": found.pseudonym})
            take(connection, plan, step, {"state": PlanState.REVIEW}, self._trail)
            return rows.sample_of(connection, found.pseudonym)

    def mine(self, actor: Actor, reference: str) -> tuple[Sample, ...]:
        """The samples of a plan that this reviewer has taken and not decided."""
        with self._store.reading() as connection:
            plan = rows.plan_of(connection, reference)
            return tuple(
                each
                for each in rows.samples_of(connection, plan)
                if each.reviewer == actor.name and each.outcome is None
            )

    def scope(self, actor: Actor, pseudonym: str) -> SampleScope:
        """What may be looked at for a sample, until its reviewer has decided. For the desk.

        Raises:
            StepRefusedError: somebody else's sample, or one that was decided.
        """
        with self._store.reading() as connection:
            sample = rows.sample_of(connection, pseudonym)
            person = rows.name_of(connection, sample)
            rules.reviewed_by(actor, sample, person)
            plan = rows.plan_with(connection, sample)
        assert person is not None  # it goes with the outcome
        since, until = self._bounds(sample.week)
        return SampleScope(
            sample=sample.pseudonym,
            person=person,
            since=since,
            until=until,
            authority=plan.authority,
        )

    def decide(self, actor: Actor, pseudonym: str, *, code: str, remark: str = "") -> Reviewed:
        """Record an outcome, and do what follows from it.

        Args:
            actor: who has taken the sample.
            pseudonym: of the sample.
            code: one of the plan's.
            remark: why; needed for all but "no concern".

        Raises:
            Exception: whatever the hooks raise: the outcome is recorded then, and what follows is
                not done; `follow_up` does it.
        """
        with self._store.changing() as connection:
            now = self._clock()
            sample = rows.sample_of(connection, pseudonym)
            rules.reviewed_by(actor, sample, rows.name_of(connection, sample))
            plan = rows.plan_with(connection, sample)
            means = rules.known_code(plan, code)
            if means is Outcome.NO_CONCERN:
                text = texts.remark(remark) or ""
            else:
                text = texts.reason(remark, clause=rules.STANDING)
            _set(connection, sample, code=code, outcome=means, note=text, decided_at=now)
            # The remark stays with the sample: steps are for good, and are read by others.
            changes = {"sample": sample.pseudonym, "code": code, "outcome": means}
            take(connection, plan, Step.by(actor, now, "outcome", "", changes), {}, self._trail)
        return self.follow_up(actor, pseudonym)

    def undone(self) -> tuple[Sample, ...]:
        """Samples whose outcome is recorded, and whose request or deletion is not."""
        with self._store.reading() as connection:
            return tuple(filter(rules.left_undone, rows.all_samples(connection)))

    def follow_up(self, actor: Actor, pseudonym: str) -> Reviewed:
        """Do what follows from an outcome, unless it is done. Safe to repeat.

        Args:
            actor: the reviewer; where there is no concern, or nothing is left to do, another of
                professional standards too. Only the reviewer of a concern is told the name.
            pseudonym: of the sample.
        """
        rules.by_psd(actor, "follow a review up")
        with self._store.reading() as connection:
            sample = rows.sample_of(connection, pseudonym)
            plan = rows.plan_with(connection, sample)
            person = rows.name_of(connection, sample)
        if sample.outcome is None:
            raise StepRefusedError("state", f"{sample.pseudonym} has not been reviewed yet.")
        if rules.left_undone(sample):
            rules.followed_up_by(actor, sample)
            if sample.outcome is Outcome.CONCERN:
                sample = self._request(actor, plan, sample, person)
            else:
                sample = self._dispose(actor, plan, sample)
        concern = sample.outcome is Outcome.CONCERN
        return Reviewed(sample, person if concern and actor.name == sample.reviewer else None)

    # --- what follows -----------------------------------------------------------------------------

    def _request(self, actor: Actor, plan: Plan, sample: Sample, person: str | None) -> Sample:
        assert person is not None  # the name of a concern stays
        since, until = self._bounds(sample.week)
        concern = Concern(
            sample=sample.pseudonym,
            person=person,
            service=sample.stratum.service,
            since=since,
            until=until,
            why=sample.note,
            authority=plan.authority,
        )
        request = self._requests.draft(actor, concern)
        with self._store.changing() as connection:
            now, found = self._clock(), rows.sample_of(connection, sample.pseudonym)
            if found.request is None:
                _set(connection, found, request=request)
                changes = {"sample": sample.pseudonym, "request": request}
                take(connection, plan, Step.by(actor, now, "request", "", changes), {}, self._trail)
            return rows.sample_of(connection, sample.pseudonym)

    def _dispose(self, actor: Actor, plan: Plan, sample: Sample) -> Sample:
        deleted = self._views.delete(sample.pseudonym)
        with self._store.changing() as connection:
            now, found = self._clock(), rows.sample_of(connection, sample.pseudonym)
            if found.disposal is None:
                rows.forget_name(connection, found)
                since, until = self._bounds(sample.week)
                erased = Erased(
                    kind=Class.SAMPLES,
                    subject=f"the view of sample {sample.pseudonym}, and its name",
                    since=since,
                    until=until,
                    records=deleted.records,
                    segments=len(deleted.names),
                    rule=f"{rules.DISREGARD}: outcome {sample.outcome}",
                    digest=digest_of(deleted.names),
                )
                made = issue(connection, actor, erased, now, self._trail)
                _set(connection, found, disposal=made.reference)
                changes = {"sample": sample.pseudonym, "certificate": made.reference}
                step = Step.by(actor, now, "disposal", "", changes)
                take(connection, plan, step, {}, self._trail)
            return rows.sample_of(connection, sample.pseudonym)

    def _bounds(self, week: Week) -> tuple[datetime, datetime]:
        return begin_of(week.monday, self._zone), end_of(week.sunday, self._zone)


def _set(connection: Connection, sample: Sample, **values: Any) -> None:
    connection.execute(
        update(sampling_samples).where(sampling_samples.c.id == sample.id).values(**values)
    )
