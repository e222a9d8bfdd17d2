"""The register of authorisations: who may take which step, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.authority import (
    ACU,
    AUDITOR,
    CC,
    DAY,
    DCC,
    DPO,
    HEAD,
    HOUR,
    HR,
    INFOSEC,
    KIM,
    NOW,
    OPERATOR,
    PAT,
    REASON,
    SAM,
    World,
    live,
    person,
    sample,
    support,
    wanted,
)

from proxy_addons.accesslog.record import NAMES
from proxy_addons.audit.authority.model import Kind, State, SubjectClass
from proxy_addons.audit.authority.offices import needs_of, offices_of
from proxy_addons.settings.audit import CLASSES, KINDS, MATRIX, Office
from proxy_addons.standing import (
    StaleViewError,
    StepRefusedError,
    UnknownReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.authority.model import Wanted
    from proxy_addons.standing import Actor, Store

OFFICER, STAFF, OTHER = SubjectClass
BOTH = {"jane": OFFICER, "john": STAFF}


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.fixture
def same(shared: Store) -> World:
    """For tests that need no empty register."""
    return World(shared)


def refused(rule: str, step: Callable[[], object]) -> str:
    with pytest.raises(StepRefusedError) as caught:
        step()
    assert caught.value.rule == rule, str(caught.value)
    return str(caught.value)


def test_a_whole_life(world: World):
    asked = world.applied()
    assert asked.reference == "AU-2026-0001"
    assert (asked.form, asked.form_version) == ("Form 840", "v1")
    assert (asked.state_at(NOW), asked.needs) == (State.REQUESTED, (("head-of-acu",),))
    assert asked.fields == frozenset(NAMES)
    assert (asked.subjects, asked.investigators) == ({"jane": OFFICER}, {"sam"})
    assert len(asked.pseudonym_key) == 32
    assert repr(asked.pseudonym_key) not in repr(asked)
    approved = world.take("approve", ACU, asked, note="Proportionate.")
    assert (approved.state_at(NOW), approved.holds(NOW)) == (State.APPROVED, True)
    reviewed = world.take("review", HEAD, approved)
    assert reviewed.reviewed_at == NOW
    assert reviewed.review_at == NOW + 14 * DAY
    longer = world.take("renew", SAM, approved, until=NOW + 40 * DAY)
    assert longer.valid_until == NOW + 28 * DAY, "not before it is approved"
    renewed = world.take("approve", ACU, approved)
    assert (renewed.valid_until, renewed.renewals) == (NOW + 40 * DAY, 1)
    assert (renewed.begins, renewed.ends) == (asked.begins, asked.ends)
    assert renewed.state_at(NOW + 40 * DAY) is State.EXPIRED
    ended = world.take("cancel", HEAD, approved)
    assert (ended.state_at(NOW), ended.ended_by) == (State.CANCELLED, "hpsd")
    steps = world.register.steps(PAT, asked.reference)
    assert [step.kind for step in steps] == [
        *("application", "approval", "review", "renewal-request", "renewal", "cancellation"),
    ]
    assert len(steps) == ended.revision
    assert steps[0].changes["approval by"] == "head-of-acu"
    since = world.register.steps_since(0)
    assert [step for _, _, step in since] == list(steps)
    assert world.register.steps_since(since[3][0]) == since[4:]


# --- who approves ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        (wanted(), ACU),
        (wanted(subjects={"john": STAFF}), HR),
        (wanted(subjects={"con": OTHER}), DCC),
        (wanted(subjects={"con": OTHER}), CC),
        (live(), DCC),
        (live(subjects={"john": STAFF}), CC),
        (sample(), DCC),
        (support(), HEAD),
        (wanted(kind=Kind.SUBJECT_ACCESS), DPO),
        (wanted(kind=Kind.DISCLOSURE), HEAD),
    ],
    ids=lambda each: getattr(each, "kind", None) or each.name,
)
def test_the_office_that_has_to_approve(same: World, asked: Wanted, by: Actor):
    found = same.applied(asked)
    others = {ACU, HR, DCC, CC, HEAD, DPO, KIM, OPERATOR, AUDITOR, INFOSEC, PAT, SAM} - {by}
    if by in {DCC, CC}:
        others -= {DCC, CC}
    for other in sorted(others, key=lambda each: each.name):
        with pytest.raises(StepRefusedError):
            same.take("approve", other, found)
    assert same.take("approve", by, found).holds(NOW)


def test_the_matrix_knows_every_kind_and_class():
    assert set(MATRIX) == {(kind, each) for kind in KINDS for each in CLASSES}
    assert {str(kind) for kind in Kind} == set(KINDS)
    assert {str(each) for each in SubjectClass} == set(CLASSES)
    assert needs_of(Kind.REACTIVE, [STAFF, OFFICER, STAFF], MATRIX) == (
        ("head-of-acu",),
        ("head-of-hr",),
    )
    assert needs_of(Kind.LIVE, [STAFF, OFFICER], MATRIX) == (
        ("deputy-chief-constable", "chief-constable"),
    )


def test_offices_by_name_and_by_group():
    entries = (Office("a", ("PSD Heads",)), Office("b", (), ("jane",)), Office("c", ("x",)))
    assert offices_of("jane", frozenset({"psd heads", "psd"}), entries) == {"a", "b"}
    assert offices_of("jan", frozenset({"psd", "heads"}), entries) == set()


def test_officers_and_staff_together_need_both(same: World):
    found = same.take("approve", ACU, same.applied(wanted(subjects=BOTH)))
    assert not found.holds(NOW)
    assert found.missing == (("head-of-hr",),)
    both = person("acu", "head-of-acu", "head-of-hr")
    refused("several", lambda: same.take("approve", both, found))
    refused("office", lambda: same.take("approve", person("x", "head-of-acu"), found))
    assert same.take("approve", HR, found).holds(NOW)


@pytest.mark.parametrize("part", ["applicant", "investigator", "subject", "conflict"])
def test_nobody_decides_who_is_concerned(same: World, part: str):
    name = {"applicant": "pat", "investigator": "sam", "subject": "jane", "conflict": "acu2"}[part]
    both = person(name, "head-of-acu", "head-of-psd", roles=("psd",))
    asked = same.applied(by=both if part == "applicant" else PAT)
    if part == "conflict":
        same.take("declare_conflict", both, asked)
    expected = UnknownReferenceError if part in {"subject", "conflict"} else StepRefusedError
    for step in ("approve", "refuse", "cancel", "review"):
        with pytest.raises(expected):
            same.take(step, both, asked)
    held = same.take("approve", ACU, asked)
    for step in ("cancel", "review"):
        with pytest.raises(expected):
            same.take(step, both, held)


def test_who_knows_of_it(same: World):
    found = same.applied()
    jane = person("jane", "head-of-acu", "head-of-psd", roles=("psd",))
    for actor in (KIM, HR, DCC, OPERATOR, AUDITOR, INFOSEC, jane, replace(PAT, roles=frozenset())):
        said = refused("reference", lambda actor=actor: same.register.get(actor, found.reference))
        never = refused("reference", lambda actor=actor: same.register.get(actor, "AU-1999-0001"))
        assert said.replace(found.reference, "AU-1999-0001") == never
        assert found.reference not in [each.reference for each in same.register.all(actor)]
        with pytest.raises(UnknownReferenceError):
            same.register.steps(actor, found.reference)
    for actor in (PAT, SAM, ACU, HEAD):
        assert found in same.register.all(actor)


def test_a_step_on_an_old_view_is_refused(same: World):
    found = same.approved()
    with pytest.raises(StaleViewError, match="approval by acu"):
        same.register.cancel(ACU, found.reference, seen=1, why=REASON)
    # Whoever may not know of it is not told that either.
    with pytest.raises(UnknownReferenceError):
        same.register.cancel(HR, found.reference, seen=1, why=REASON)


# --- the form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("subjects", wanted(subjects={})),
        ("subjects", live(subjects={})),
        ("subjects", sample(subjects=BOTH)),
        ("subjects", wanted(kind=Kind.SUBJECT_ACCESS, subjects=BOTH)),
        ("subjects", wanted(subjects={f"p{n}": OFFICER for n in range(101)})),
        ("own", wanted(subjects={" PAT": OFFICER})),
        ("own", wanted(subjects={"Sam": OFFICER})),
        ("name", wanted(subjects={" ": OFFICER})),
        ("reason", wanted(necessity="needed")),
        ("reason", wanted(proportionality=" ")),
        ("reason", wanted(alternatives="none")),
        ("reason", wanted(collateral="")),
        ("allegation", wanted(allegation=" ")),
        ("period", wanted(begins=NOW)),
        ("period", wanted(ends=NOW + HOUR)),
        ("period", live(ends=NOW, begins=NOW - DAY)),
        ("period", support(begins=NOW - 32 * DAY)),
        ("validity", wanted(valid_until=NOW)),
        ("validity", wanted(valid_from=NOW + DAY, valid_until=NOW + HOUR)),
        ("validity", wanted(valid_from=NOW - 2 * DAY)),
        ("validity", wanted(valid_until=NOW + 93 * DAY)),
        ("validity", live(valid_until=NOW + 15 * DAY)),
        ("validity", sample(valid_until=NOW + 367 * DAY)),
        ("fields", wanted(fields=frozenset({"password"}))),
        ("fields", sample(fields=frozenset({"client_ip"}))),
        ("fields", support(fields=frozenset({"url"}))),
        ("names", sample(names_shown=True)),
        ("names", support(names_shown=True)),
        ("special", wanted(unmasked=frozenset({"games"}))),
        ("categories", wanted(categories=frozenset())),
        ("rows", wanted(row_cap=0)),
        ("rows", wanted(row_cap=100_001)),
        ("review", wanted(review_at=NOW + 28 * DAY)),
        ("urgent", sample(urgent=True)),
        ("retention", wanted(retention="as long as we like")),
    ],
)
def test_what_the_form_refuses(same: World, rule: str, asked: Wanted):
    refused(rule, lambda: same.applied(asked))


@pytest.mark.parametrize("by", [ACU, DCC, OPERATOR, AUDITOR, INFOSEC], ids=lambda by: by.name)
def test_only_professional_standards_applies(same: World, by: Actor):
    assert "3.5" in refused("role", lambda: same.applied(by=by))


def test_the_class_is_what_the_directory_says(same: World):
    """Else an applicant could choose who approves."""
    asked = wanted(subjects={"Jane": STAFF})
    said = refused("class", lambda: same.register.apply(PAT, asked, known={"jane": OFFICER}))
    assert "jane is officer by the directory" in said
    assert same.register.apply(PAT, asked, known={"jane": STAFF, "x": OFFICER}).needs


def test_categories_are_expanded(shared: Store):
    world = World(shared)
    world.register._expanded = lambda names: frozenset({"bank", *names} if names else ())
    found = world.applied(wanted(categories=frozenset({"banking"})))
    assert found.categories == {"banking", "bank"}


# --- word of mouth --------------------------------------------------------------------------------


def urgent(**changes: Any) -> Wanted:
    return wanted(urgent=True, **changes)


def test_word_of_mouth_confirmed(same: World):
    asked = same.applied(urgent())
    found = same.take("approve_orally", KIM, asked, by="ACU")
    assert found.holds(NOW)
    assert found.written_by == NOW + 71 * HOUR
    refused("renewal", lambda: same.take("renew", PAT, found))
    refused("office", lambda: same.take("write_up", HEAD, found))
    for concerned in (PAT, SAM):
        with pytest.raises(StepRefusedError):
            same.take("write_up", replace(concerned, offices=frozenset({"head-of-acu"})), found)
    same.now += 70 * HOUR
    written = same.take("write_up", ACU, found)
    assert (written.state_at(same.now), written.written_by) == (State.WRITTEN_UP, None)
    same.now += 5 * DAY
    assert written.holds(same.now)
    refused("state", lambda: same.take("write_up", ACU, found))


def test_word_of_mouth_ends_unconfirmed(same: World):
    found = same.take("approve_orally", KIM, same.applied(urgent()), by="acu")
    deadline = NOW + 71 * HOUR
    assert found.holds(deadline - HOUR / 3600)
    assert found.state_at(deadline) is State.EXPIRED
    same.now = deadline
    refused("state", lambda: same.take("write_up", ACU, found))


@pytest.mark.parametrize(
    ("rule", "by", "more"),
    [
        ("four-eyes", PAT, {"by": "acu"}),
        ("four-eyes", SAM, {"by": "acu"}),
        ("role", ACU, {"by": "acu"}),
        ("four-eyes", KIM, {"by": "pat"}),
        ("four-eyes", KIM, {"by": "sam"}),
        ("conflict", KIM, {"by": "jane"}),
        ("office", KIM, {"by": "hr"}),
        ("urgent", KIM, {"by": "acu", "at": NOW + HOUR}),
        ("urgent", KIM, {"by": "acu", "at": NOW - 72 * HOUR}),
        ("reason", KIM, {"by": "acu", "note": "ok"}),
    ],
)
def test_word_of_mouth_refused(same: World, rule: str, by: Actor, more: dict[str, Any]):
    asked = same.applied(urgent())
    refused(rule, lambda: same.take("approve_orally", by, asked, **more))


def test_word_of_mouth_only_where_it_was_applied_for(same: World):
    refused("urgent", lambda: same.take("approve_orally", HEAD, same.approved(), by="acu"))
    with pytest.raises(UnknownReferenceError):
        same.take("approve_orally", KIM, same.applied(), by="acu")


def test_one_by_word_of_mouth_and_one_in_writing(same: World):
    asked = same.applied(urgent(subjects=BOTH))
    first = same.take("approve_orally", KIM, asked, by="acu")
    assert not first.holds(NOW)
    second = same.take("approve", HR, asked)
    assert second.holds(NOW)
    assert second.written_by == NOW + 71 * HOUR
    assert same.take("write_up", ACU, second).written_by is None


# --- renewals, ends, deputies ---------------------------------------------------------------------


def test_a_renewal_takes_the_same_approvals_anew(same: World):
    found = same.take("approve", HR, same.approved(wanted(subjects=BOTH)))
    same.take("renew", PAT, found)
    assert same.take("approve", ACU, found).valid_until == found.valid_until
    same.take("refuse", HR, found)
    same.take("renew", PAT, found)
    once_more = same.take("approve", HR, found)
    assert once_more.valid_until == found.valid_until, "what was refused took its approvals along"
    assert same.take("approve", ACU, found).valid_until == found.valid_until + 7 * DAY


def test_renewals_are_bounded(same: World):
    found = same.approved()
    refused("renewal", lambda: same.take("renew", PAT, found, until=found.valid_until))
    refused("renewal", lambda: same.take("renew", PAT, found, until=NOW + 93 * DAY))
    with pytest.raises(UnknownReferenceError):
        same.take("renew", KIM, found)
    refused("role", lambda: same.take("renew", ACU, found))
    refused("applicant", lambda: same.take("renew", HEAD, found))
    for days in (7, 14, 21):
        same.take("renew", PAT, found, until=found.valid_until + days * DAY)
        refused("renewal", lambda: same.take("renew", PAT, found, until=NOW + 90 * DAY))
        same.take("approve", ACU, found)
    refused("renewal", lambda: same.take("renew", PAT, found, until=NOW + 90 * DAY))
    same.now = found.valid_until + 21 * DAY
    refused("renewal", lambda: same.take("renew", PAT, found, until=same.now + DAY))


@pytest.mark.parametrize("end", ["refuse", "withdraw", "cancel", "clock"])
def test_what_has_ended_stays_ended(same: World, end: str):
    found = same.applied()
    if end in {"cancel", "clock"}:
        found = same.take("approve", ACU, found)
    if end == "clock":
        same.now = found.valid_until
    else:
        found = same.take(end, PAT if end == "withdraw" else ACU, found)
    assert not found.holds(same.now)
    for step, by in (
        *(("approve", ACU), ("refuse", ACU), ("cancel", ACU), ("withdraw", PAT)),
        *(("review", ACU), ("write_up", ACU), ("renew", PAT)),
    ):
        with pytest.raises(StepRefusedError):
            same.take(step, by, found)


def test_only_the_applicant_withdraws(same: World):
    found = same.approved()
    refused("applicant", lambda: same.take("withdraw", SAM, found))
    refused("role", lambda: same.take("withdraw", ACU, found))


def test_a_deputy_approves_while_it_lasts(same: World):
    found = same.applied()
    eve = person("eve")
    given = {"begins": NOW, "ends": NOW + DAY, "why": "Annual leave of the head."}
    for by in (HR, eve, OPERATOR, PAT):
        refused("office", lambda by=by: same.deputies.give(by, "head-of-acu", "eve", **given))
    refused("own", lambda: same.deputies.give(ACU, "head-of-acu", "acu", **given))
    long = given | {"ends": NOW + 93 * DAY}
    refused("period", lambda: same.deputies.give(ACU, "head-of-acu", "eve", **long))
    row = same.deputies.give(ACU, "head-of-acu", " EVE ", **given)
    refused("office", lambda: same.deputies.give(eve, "head-of-acu", "ann", **given))
    same.now = NOW + DAY
    with pytest.raises(UnknownReferenceError):
        same.take("approve", eve, found)
    same.now = NOW
    approved = same.take("approve", eve, found)
    assert approved.approvals[-1].delegation == row.reference
    assert approved.holds(NOW)
    with pytest.raises(StepRefusedError):
        same.deputies.revoke(HR, row.reference, why=REASON)
    same.deputies.revoke(eve, row.reference, why=REASON)
    assert [step.kind for step in same.deputies.steps(row.reference)] == [
        "delegation",
        "revocation",
    ]
    with pytest.raises(UnknownReferenceError):
        same.register.get(eve, found.reference)


# --- the tables themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorisations SET ends = valid_until",
        "UPDATE authorisations SET fields = '[]'",
        "UPDATE authorisations SET row_cap = 1000000",
        "UPDATE authorisations SET needs = '[]'",
        "UPDATE authorisations SET state = 'cancelled', ended_by = applicant",
        "UPDATE authorisations SET state = 'withdrawn', ended_by = 'acu'",
        "UPDATE authorisations SET valid_until = valid_from",
        "DELETE FROM authorisations",
        "DELETE FROM authorisation_steps",
        "UPDATE authorisation_approvals SET person = 'x'",
        "DELETE FROM authorisation_people",
        "UPDATE authorisation_people SET part = 'staff'",
        "DELETE FROM authorisation_conflicts",
        *(
            "INSERT INTO authorisation_approvals (authorisation, applicant, round, office, person,"
            f" oral, recorded_by, at) SELECT id, applicant, 7, 'x', '{person}', {oral}, '{by}',"
            " applied_at FROM authorisations"
            for person, oral, by in (
                ("pat", "false", "pat"),
                ("jane", "false", "jane"),
                ("sam", "false", "sam"),
                ("lee", "false", "lee"),
                ("acu", "true", "pat"),
                ("acu", "true", "sam"),
                ("acu", "false", "kim"),
            )
        ),
        (
            "INSERT INTO authorisation_people (authorisation, person, applicant, part)"
            " SELECT id, 'pat', 'pat', 'officer' FROM authorisations"
        ),
        (
            "INSERT INTO authorisation_people (authorisation, person, applicant, part)"
            " SELECT id, 'pat', 'somebody', 'officer' FROM authorisations"
        ),
        (
            "INSERT INTO authorisation_people (authorisation, person, applicant, part)"
            " SELECT id, 'sam', 'pat', 'officer' FROM authorisations"
        ),
    ],
)
def test_the_tables_refuse_it_too(world: World, statement: str):
    lee = person("lee", "head-of-acu")
    world.take("declare_conflict", lee, world.approved())
    before = world.register.find("AU-2026-0001")
    with pytest.raises(DBAPIError), world.store.noting() as connection:
        connection.execute(text(statement))
    assert world.register.find("AU-2026-0001") == before


def test_the_tables_take_what_the_rules_let_pass(world: World):
    """The statements above are refused for what they say, not for their form."""
    world.approved()
    with world.store.noting() as connection:
        connection.execute(
            text(
                "INSERT INTO authorisation_approvals (authorisation, applicant, round, office,"
                " person, oral, recorded_by, at) SELECT id, applicant, 7, 'x', 'lee', false, 'lee',"
                " applied_at FROM authorisations"
            )
        )
        connection.execute(text("UPDATE authorisations SET state = 'cancelled', ended_by = 'acu'"))


def test_a_state_written_by_hand_opens_nothing(world: World):
    found = world.applied()
    with world.store.noting() as connection:
        connection.execute(
            text("UPDATE authorisations SET state = 'approved', approved_at = applied_at")
        )
    forged = world.now_of(found)
    assert forged.state_at(NOW) is State.APPROVED
    assert not forged.holds(NOW)
