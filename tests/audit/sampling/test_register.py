"""The register of dip samples, on both engines: what is refused, a whole life, a redraw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError
from support.sampling import AUDITOR, NOW, PSD, REVIEWER, ROOT, STAFF, WEEK, WHY, Office, roster

from proxy_addons.audit.retention.certificates import Certificates, digest_of
from proxy_addons.audit.sampling import coverage
from proxy_addons.audit.sampling.commitment import Party, Secret
from proxy_addons.audit.sampling.plan import Outcome, PlanState
from proxy_addons.audit.sampling.record import replay
from proxy_addons.standing import (
    StaleViewError,
    StandingError,
    StepRefusedError,
    UnknownReferenceError,
)
from proxy_addons.standing.tables_sampling import (
    sampling_draws,
    sampling_names,
    sampling_plans,
    sampling_roster,
    sampling_snapshots,
    sampling_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.sampling.plan import Plan
    from proxy_addons.standing import Store


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)


def fix(office: Office, plan: Plan, by: object = PSD) -> Plan:
    return office.sampling.fix_roster(
        by,  # type: ignore[arg-type]
        plan.reference,
        seen=office.seen(plan.reference),
        roster=roster(3),
    )


def redraw(office: Office, plan: Plan, by: object = PSD, why: str = WHY) -> Plan:
    return office.sampling.redraw(
        by,  # type: ignore[arg-type]
        plan.reference,
        seen=office.seen(plan.reference),
        why=why,
        roster=roster(5, 2),
    )


def close(office: Office, plan: Plan, by: object = PSD) -> Plan:
    return office.sampling.close(
        by,  # type: ignore[arg-type]
        plan.reference,
        seen=office.seen(plan.reference),
    )


def reviewed(office: Office, plan: Plan, code: str = "no-concern", by: object = REVIEWER) -> str:
    """Takes the next sample and decides on it; its pseudonym."""
    sample = office.reviewing.take_next(by, plan.reference)  # type: ignore[arg-type]
    assert sample is not None
    office.reviewing.decide(
        by,  # type: ignore[arg-type]
        sample.pseudonym,
        code=code,
        remark="What was seen there.",
    )
    return sample.pseudonym


REFUSED: dict[str, tuple[Callable[[Office], object], str]] = {
    "planned by staff": (lambda o: o.sampling.plan(STAFF, o.wanted()), "role"),
    "planned by root": (lambda o: o.sampling.plan(ROOT, o.wanted()), "role"),
    "planned by the auditor": (lambda o: o.sampling.plan(AUDITOR, o.wanted()), "role"),
    "planner is the second party": (
        lambda o: o.sampling.plan(PSD, o.wanted(second_party=" PAT ")),
        "two-people",
    ),
    "without a reason": (lambda o: o.sampling.plan(PSD, o.wanted(why="routine")), "reason"),
    "without an authority": (lambda o: o.sampling.plan(PSD, o.wanted(authority="")), "reason"),
    "of no week": (lambda o: o.sampling.plan(PSD, o.wanted(weeks=0)), "period"),
    "of too many weeks": (lambda o: o.sampling.plan(PSD, o.wanted(weeks=54)), "period"),
    "of nobody": (lambda o: o.sampling.plan(PSD, o.wanted(size=0)), "size"),
    "without a code for concerns": (
        lambda o: o.sampling.plan(PSD, o.wanted(codes={"a": Outcome.NO_CONCERN})),
        "codes",
    ),
    "with a code that is none": (
        lambda o: o.sampling.plan(PSD, o.wanted(codes={"\n": Outcome.CONCERN})),
        "codes",
    ),
    "a roster by staff": (lambda o: fix(o, o.sampling.plan(PSD, o.wanted()), STAFF), "role"),
    "a second roster": (lambda o: fix(o, o.planned()), "roster"),
    "an empty roster": (
        lambda o: o.sampling.fix_roster(
            PSD, o.sampling.plan(PSD, o.wanted()).reference, seen=1, roster=()
        ),
        "roster",
    ),
    "committed without a roster": (
        lambda o: o.sampling.commit(
            PSD, o.sampling.plan(PSD, o.wanted()).reference, seen=1, commitment="0" * 64
        ),
        "state",
    ),
    "a commitment that is none": (
        lambda o: o.sampling.commit(PSD, o.planned().reference, seen=2, commitment="sesame"),
        "commitment",
    ),
    "committed by staff": (lambda o: o.commit(o.planned(), Party.PSD, STAFF), "role"),
    "committed by another auditor": (
        lambda o: o.commit(o.planned(), Party.SECOND, replace(AUDITOR, name="other")),
        "role",
    ),
    "committed twice": (
        lambda o: (p := o.planned(), o.commit(p, Party.PSD), o.commit(p, Party.PSD, REVIEWER)),
        "commitment",
    ),
    "a second party of professional standards": (
        lambda o: o.commit(
            o.planned(), Party.SECOND, replace(AUDITOR, roles=frozenset({"auditor", "psd"}))
        ),
        "second-party",
    ),
    "revealed before both have committed": (
        lambda o: (p := o.planned(), o.commit(p, Party.PSD), o.reveal(p, Party.PSD)),
        "state",
    ),
    "revealed by another of the office": (
        lambda o: (
            p := o.planned(),
            o.commit(p, Party.PSD),
            o.commit(p, Party.SECOND),
            o.reveal(p, Party.PSD, REVIEWER),
        ),
        "reveal",
    ),
    "another secret": (
        lambda o: (
            p := o.planned(),
            o.commit(p, Party.PSD),
            o.commit(p, Party.SECOND),
            o.secrets.update({(1, Party.PSD): Secret.new(o.entropy)}),
            o.reveal(p, Party.PSD),
        ),
        "reveal",
    ),
    "revealed twice": (
        lambda o: (
            p := o.planned(),
            o.commit(p, Party.PSD),
            o.commit(p, Party.SECOND),
            o.reveal(p, Party.PSD),
            o.reveal(p, Party.PSD),
        ),
        "reveal",
    ),
    "drawn again before it was drawn": (
        lambda o: redraw(o, o.sampling.plan(PSD, o.wanted())),
        "state",
    ),
    "drawn again by staff": (lambda o: redraw(o, o.drawn(), STAFF), "role"),
    "drawn again without a reason": (lambda o: redraw(o, o.drawn(), why="unlucky"), "reason"),
    "the record for a reviewer": (
        lambda o: o.sampling.record(REVIEWER, o.drawn().reference),
        "pseudonyms",
    ),
    "the record for root": (lambda o: o.sampling.record(ROOT, o.drawn().reference), "role"),
    "a record before it was drawn": (
        lambda o: o.sampling.record(AUDITOR, o.planned().reference),
        "state",
    ),
    "a sample before the draw": (
        lambda o: o.reviewing.take_next(PSD, o.planned().reference),
        "state",
    ),
    "a sample for the auditor": (
        lambda o: o.reviewing.take_next(AUDITOR, o.drawn().reference),
        "role",
    ),
    "a sample of a week that goes on": (
        lambda o: o.reviewing.take_next(PSD, o.drawn(first_week=WEEK.later(1)).reference),
        "period",
    ),
    "closed with samples to review": (lambda o: close(o, o.drawn()), "state"),
    "closed before it was drawn": (lambda o: close(o, o.planned()), "state"),
    "an outcome for another's sample": (
        lambda o: (
            s := o.reviewing.take_next(PSD, o.drawn().reference),
            s and o.reviewing.decide(REVIEWER, s.pseudonym, code="no-concern"),
        ),
        "reviewer",
    ),
    "an unknown code": (
        lambda o: (
            s := o.reviewing.take_next(PSD, o.drawn().reference),
            s and o.reviewing.decide(PSD, s.pseudonym, code="fine"),
        ),
        "code",
    ),
    "a concern without a reason": (
        lambda o: (
            s := o.reviewing.take_next(PSD, o.drawn().reference),
            s and o.reviewing.decide(PSD, s.pseudonym, code="concern"),
        ),
        "reason",
    ),
    "an outcome twice": (
        lambda o: (
            s := reviewed(o, o.drawn()),
            o.reviewing.decide(REVIEWER, s, code="concern", remark="After all, a concern."),
        ),
        "state",
    ),
    "a look after the outcome": (
        lambda o: o.reviewing.scope(REVIEWER, reviewed(o, o.drawn())),
        "state",
    ),
    "following nothing up": (
        lambda o: (
            s := o.reviewing.take_next(PSD, o.drawn().reference),
            s and o.reviewing.follow_up(PSD, s.pseudonym),
        ),
        "state",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(shared: Store, case: str) -> None:
    act, rule = REFUSED[case]
    with pytest.raises(StepRefusedError) as caught:
        act(Office(shared))
    assert caught.value.rule == rule
    assert str(caught.value).isprintable()
    assert "sesame" not in str(caught.value)


def test_a_whole_life(office: Office, store: Store) -> None:
    plan = office.drawn(7, 1, 12)
    assert (plan.state, plan.planned_by, plan.period) == (PlanState.DRAWN, "pat", (WEEK,))
    (draw,) = office.sampling.draws(plan.reference)
    assert (draw.people, draw.taken, draw.psd_by, draw.second_by) == (20, 6, "pat", "alex")
    samples = office.sampling.samples(plan.reference)
    assert [each.pseudonym for each in samples] == [
        f"DS-2026-0001/1-{number:03}" for number in range(1, 7)
    ]
    record, people = office.sampling.record(AUDITOR, plan.reference)
    names = [each.person for each in replay(record, people)]
    assert sorted(people) == sorted(roster(7, 1, 12))

    concern = office.reviewing.take_next(REVIEWER, plan.reference)
    assert concern is not None
    scope = office.reviewing.scope(REVIEWER, concern.pseudonym)
    assert (scope.person, scope.authority) == (names[0], "DCC 2021/17")
    assert (scope.since, scope.until) == (
        datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip
    with pytest.raises(StepRefusedError):
        office.reviewing.scope(PSD, concern.pseudonym)
    found = office.reviewing.decide(
        REVIEWER, concern.pseudonym, code="concern", remark="Hours of auctions on duty."
    )
    assert (found.person, found.sample.request) == (names[0], "AU-2026-0001")
    assert [(each.person, each.service, each.why) for each in office.concerns] == [
        (names[0], concern.stratum.service, "Hours of auctions on duty.")
    ]
    office.views["DS-2026-0001/1-002"] = 40
    codes = ["no-concern", "unable", "wrong-person", "no-concern", "no-concern"]
    for number, code in enumerate(codes, 2):
        assert reviewed(office, plan, code).endswith(f"-{number:03}")
    assert office.reviewing.take_next(REVIEWER, plan.reference) is None
    closed = close(office, plan)
    assert (closed.state, closed.closed_by, closed.closed_at) == (PlanState.CLOSED, "pat", NOW)

    certificates = Certificates(store).all()
    assert [each.records for each in certificates] == [40, 0, 0, 0, 0]
    assert certificates[0].digest == digest_of(["DS-2026-0001/1-002.view"])
    assert not any(name in str(certificates) for name in names)
    with store.reading() as connection:
        kept = connection.execute(select(sampling_names.c.person)).scalars().all()
    assert kept == [names[0]], "of the others nobody can tell from here who they were"
    assert office.sampling.record(PSD, plan.reference)[0] == record, "closed: for the office too"
    steps = office.sampling.steps(plan.reference)
    assert [step.kind for step in steps[:7]] == [
        "plan", "roster", "commitment", "commitment", "reveal", "reveal", "draw",
    ]  # fmt: skip
    assert office.sampling.get(plan.reference).revision == len(steps)
    on_trail = [step for reference, step in office.steps if reference == plan.reference]
    assert on_trail == list(steps)
    assert "record-seen" in {step.kind for step in steps}
    told = str([step for step in steps if step.kind != "roster"])
    assert not any(f"'{name}'" in told for name in names)


def test_a_sample_is_never_the_reviewers_own(office: Office) -> None:
    plan = office.drawn(6)  # all of them
    own = replace(REVIEWER, name="p0-3")
    taken = []
    while (sample := office.reviewing.take_next(own, plan.reference)) is not None:
        taken.append(office.reviewing.scope(own, sample.pseudonym).person)
    assert sorted(taken) == ["p0-0", "p0-1", "p0-2", "p0-4", "p0-5"]
    assert len(office.reviewing.mine(own, plan.reference)) == 5
    rest = office.reviewing.take_next(REVIEWER, plan.reference)
    assert rest is not None
    assert office.reviewing.scope(REVIEWER, rest.pseudonym).person == "p0-3"


def test_another_draw_keeps_the_old_one(office: Office, store: Store) -> None:
    plan = office.drawn(7, 1, 12)
    first = reviewed(office, plan)
    taken = office.reviewing.take_next(REVIEWER, plan.reference)
    assert taken is not None
    old, people = office.sampling.record(AUDITOR, plan.reference)
    again = redraw(office, plan, why="The roster lacked the people of one station.")
    assert again.state is PlanState.PLANNED
    with pytest.raises(StepRefusedError):
        office.reviewing.take_next(REVIEWER, plan.reference)
    plan = office.drawn(plan=again)
    draws = office.sampling.draws(plan.reference)
    assert [(each.number, str(each.state), each.people) for each in draws] == [
        (1, "replaced", 20), (2, "drawn", 7),
    ]  # fmt: skip
    assert office.sampling.record(AUDITOR, plan.reference, 1) == (old, people)
    new, now_people = office.sampling.record(AUDITOR, plan.reference)
    assert (new.number, new.reason) == (2, "The roster lacked the people of one station.")
    assert len(replay(new, now_people)) == 6
    for _ in range(6):
        assert "/2-" in reviewed(office, plan)
    with pytest.raises(StepRefusedError, match="1 samples have no outcome"):
        close(office, plan)
    office.reviewing.decide(REVIEWER, taken.pseudonym, code="no-concern")
    assert close(office, plan).state is PlanState.CLOSED
    with store.reading() as connection:
        assert connection.execute(select(sampling_names)).all() == []
    report = coverage.coverage(coverage.read(store), NOW)
    assert report.replaced == ((plan.reference, 1, new.reason),)
    assert report.total.drawn == 6, f"{first} is of the draw that was replaced"


def test_what_a_hook_could_not_do_is_made_up_for(office: Office, store: Store) -> None:
    plan = office.drawn()
    one = office.reviewing.take_next(REVIEWER, plan.reference)
    assert one is not None
    name = office.reviewing.scope(REVIEWER, one.pseudonym).person
    office.broken = StandingError("down")
    with pytest.raises(StandingError):
        office.reviewing.decide(REVIEWER, one.pseudonym, code="concern", remark="Look at this.")
    assert [each.pseudonym for each in office.reviewing.undone()] == [one.pseudonym]
    office.broken = None
    with pytest.raises(StepRefusedError):  # who may be the sampled person
        office.reviewing.follow_up(PSD, one.pseudonym)
    assert office.concerns == []
    assert office.reviewing.follow_up(REVIEWER, one.pseudonym).person == name
    by_another = office.reviewing.follow_up(PSD, one.pseudonym)
    assert (by_another.person, by_another.sample.request) == (None, "AU-2026-0001")
    assert len(office.concerns) == 1

    office.broken = OSError("disk")
    two = office.reviewing.take_next(REVIEWER, plan.reference)
    assert two is not None
    with pytest.raises(OSError, match="disk"):
        office.reviewing.decide(REVIEWER, two.pseudonym, code="no-concern")
    assert Certificates(store).all() == ()
    office.broken = None
    for _ in range(2):
        assert office.reviewing.follow_up(REVIEWER, two.pseudonym).sample.disposal == "DC-2026-0001"
    assert office.deleted == [two.pseudonym]
    assert office.reviewing.undone() == ()


def test_a_step_that_the_trail_does_not_take_is_not_made(office: Office) -> None:
    plan = office.planned()

    def broken(reference: str, step: object) -> None:
        del reference, step
        raise OSError("the trail's disk")

    office.sampling._trail = broken
    with pytest.raises(OSError, match="trail"):
        office.commit(plan, Party.PSD)
    assert office.sampling.get(plan.reference) == plan
    assert office.sampling.draws(plan.reference)[0].psd_by is None


def test_a_view_that_is_out_of_date(office: Office) -> None:
    plan = office.planned()
    with pytest.raises(StaleViewError, match="roster by pat"):
        office.sampling.commit(PSD, plan.reference, seen=1, commitment="0" * 64)
    with pytest.raises(UnknownReferenceError):
        office.sampling.get("DS-1999-0001")
    with pytest.raises(UnknownReferenceError):
        office.reviewing.follow_up(PSD, "DS-1999-0001/1-001")


def test_weeks_begin_by_the_forces_clock(office: Office) -> None:
    """In the week in which summer time ends, a week has an hour more; before, UTC is not London."""
    week = WEEK.later(-4)  # 19 to 25 October 2026
    plan = office.drawn(3, first_week=week, size=3)
    sample = office.reviewing.take_next(PSD, plan.reference)
    assert sample is not None
    scope = office.reviewing.scope(PSD, sample.pseudonym)
    assert scope.since == datetime(2026, 10, 18, 23, tzinfo=UTC)
    assert scope.until == datetime(2026, 10, 26, tzinfo=UTC)


def test_the_last_day_of_a_period_is_not_over_before_midnight(office: Office) -> None:
    plan = office.drawn(3)
    office.now = datetime(2026, 11, 23, tzinfo=UTC) - timedelta(microseconds=1)
    with pytest.raises(StepRefusedError):
        office.reviewing.take_next(PSD, plan.reference)
    office.now += timedelta(microseconds=1)
    assert office.reviewing.take_next(PSD, plan.reference) is not None


def test_what_stays_and_what_can_go(office: Office, store: Store) -> None:
    plan = office.drawn()
    for table, column in ((sampling_steps, "note"), (sampling_snapshots, "hashes")):
        for change in (delete(table), update(table).values({column: "x"})):
            with pytest.raises((DBAPIError, StandingError)), store.noting() as connection:
                connection.execute(change)
    with pytest.raises((DBAPIError, StandingError)), store.noting() as connection:
        connection.execute(update(sampling_draws).values(second_by="pat"))
    with pytest.raises((DBAPIError, StandingError)), store.noting() as connection:
        connection.execute(update(sampling_plans).values(second_party="pat"))
    with store.noting() as connection:
        connection.execute(delete(sampling_roster))
    record, people = office.sampling.record(AUDITOR, plan.reference)
    assert people == ()
    assert len(replay(record, roster(7, 1, 12))) == 6, "with the roster from elsewhere"


def test_the_coverage_report(office: Office, store: Store) -> None:
    assert "Nothing has been drawn." in coverage.as_text(
        coverage.coverage(coverage.read(store), NOW)
    )
    plan = office.drawn(20, 3, 12, 2, weeks=2, first_week=WEEK.later(-1), size=12)
    outcomes = ["concern", "unable", *["no-concern"] * 8]
    for code in outcomes:
        reviewed(office, plan, code)
    office.drawn(20, 3, first_week=WEEK.later(60), size=4)
    report = coverage.coverage(coverage.read(store), NOW)
    assert [str(row.stratum) for row in report.rows] == [
        "officer, unit 0", "officer, unit 2", "staff, (small units)",
    ]  # fmt: skip
    assert [row.people for row in report.rows] == [20, 12, 5]
    assert [row.person_weeks for row in report.rows] == [60, 24, 13]
    total = report.total
    assert (total.people, total.person_weeks, total.drawn) == (37, 97, 16)
    assert (total.reviewed, total.findings, total.unable, total.waiting) == (9, 1, 1, 6)
    assert total.years == (2026,)
    assert sum(row.drawn for row in report.rows) == 16
    said = coverage.as_text(report)
    assert "Of 97 person-weeks 9 were reviewed, and 1 had" in said
    assert "No draw was replaced." in said
    assert "clean" not in said
    lines = coverage.as_csv(report).split("\r\n")
    assert lines[0].startswith("service,unit,people,person-weeks,drawn,reviewed,findings")
    assert lines[-2].startswith("all,all,37,97,16,9,1,1,")
    assert len(lines) == 6
