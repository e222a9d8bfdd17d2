"""What an authorisation compiles to: never more than it says, and nothing for others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.authority import DAY, EVERYBODY, HEAD, HOUR, KIM, NOW, PAT, SAM, SETTINGS, person

from proxy_addons.accesslog.record import NAMES
from proxy_addons.audit.authority.applying import IDENTIFYING
from proxy_addons.audit.authority.compiled import OUTSIDE, NotCoveredError, compile_bounds
from proxy_addons.audit.authority.model import (
    Approval,
    Authorisation,
    Kind,
    Purpose,
    Regime,
    State,
    SubjectClass,
)

if TYPE_CHECKING:
    from proxy_addons.audit.store import Bounds
    from proxy_addons.standing import Actor

CATEGORIES = ("games", "news", *SETTINGS.special)
NEEDS = (("head-of-acu",),)
APPROVED = Approval(
    round=0,
    office="head-of-acu",
    person="acu",
    delegation=None,
    oral=False,
    recorded_by="acu",
    at=NOW,
)


def entry(**changes: Any) -> Authorisation:
    """One that holds at `NOW`, whatever the rules of the form would say to it."""
    plain = Authorisation(
        id=1,
        reference="AU-2026-0001",
        revision=2,
        form="Form 840",
        form_version="v1",
        kind=Kind.REACTIVE,
        applicant="pat",
        applied_at=NOW - DAY,
        subjects={"jane": SubjectClass.OFFICER},
        investigators=frozenset({"sam"}),
        purpose=Purpose.FACTS,
        regime=Regime.MONITORING,
        allegation="CM/1/26",
        criminal=False,
        necessity="n",
        proportionality="p",
        alternatives="a",
        collateral="c",
        begins=NOW - 30 * DAY,
        ends=NOW - DAY,
        fields=frozenset(NAMES),
        categories=None,
        unmasked=frozenset(),
        names_shown=True,
        row_cap=500,
        valid_from=NOW - HOUR,
        valid_until=NOW + DAY,
        urgent=False,
        needs=NEEDS,
        retention="misconduct",
        state="approved",
        approved_at=NOW - HOUR,
        written_by=None,
        review_at=None,
        reviewed_at=None,
        renewals=0,
        rounds=0,
        renewal=None,
        ended_by=None,
        ended_at=None,
        approvals=(APPROVED,),
        conflicts=frozenset(),
        pseudonym_key=bytes(32),
    )
    return replace(plain, **changes)


def covered(found: Authorisation | None, actor: Actor = PAT, now: datetime = NOW) -> Bounds:
    return compile_bounds(found, actor, now, SETTINGS)


def said(found: Authorisation | None, actor: Actor = PAT, now: datetime = NOW) -> str:
    with pytest.raises(NotCoveredError) as caught:
        covered(found, actor, now)
    return str(caught.value)


def test_what_it_gives():
    bounds = covered(entry(categories=frozenset({"games"}), unmasked=frozenset({"health"})))
    assert (bounds.since, bounds.until) == (NOW - 30 * DAY, NOW - DAY)
    assert bounds.fields == frozenset(NAMES)
    assert bounds.persons == {"jane"}
    assert bounds.categories == {"games"}
    assert bounds.special == set(SETTINGS.special) - {"health"}
    assert (bounds.pseudonyms, bounds.rows) == (None, 500)


def test_without_names():
    found = entry(kind=Kind.DIP_SAMPLE, names_shown=False, subjects={}, pseudonym_key=b"k" * 32)
    bounds = covered(found)
    assert (bounds.persons, bounds.pseudonyms) == (None, b"k" * 32)
    assert not bounds.fields & IDENTIFYING
    assert "kkk" not in repr(bounds)
    assert "url" not in covered(replace(found, kind=Kind.TECHNICAL_SUPPORT)).fields
    # By hand, against the rules of the form: a sample never comes with names' fields.
    assert not covered(replace(found, names_shown=True)).fields & IDENTIFYING


def test_somebodys_own_records_are_not_masked():
    assert covered(entry(kind=Kind.SUBJECT_ACCESS)).special == frozenset()


def test_nobody_named_never_means_everybody():
    for kind in (Kind.REACTIVE, Kind.LIVE, Kind.SUBJECT_ACCESS, Kind.DISCLOSURE):
        assert "names nobody" in said(entry(kind=kind, subjects={}))


def test_records_to_come_end_with_the_validity():
    found = entry(kind=Kind.LIVE, begins=NOW - HOUR, ends=NOW + 60 * DAY)
    assert covered(found).until == NOW + DAY
    assert "before the time of its records" in said(replace(found, begins=NOW + 2 * DAY))


OUTSIDERS = (
    *(each for each in EVERYBODY if each not in {PAT, SAM}),
    replace(PAT, roles=frozenset({"staff"})),
    person("jane", "head-of-acu", roles=("psd",)),
    person("sam", roles=("operator",)),
    replace(PAT, name="PAT"),
)


@pytest.mark.parametrize("actor", OUTSIDERS, ids=lambda each: f"{each.name}-{min(each.roles)}")
def test_outsiders_are_told_the_same_whatever_it_is(actor: Actor):
    for found in (
        None,
        entry(),
        entry(state="requested", approvals=()),
        entry(state="cancelled"),
        entry(valid_until=NOW),
        entry(written_by=NOW),
        entry(subjects={"jane": SubjectClass.STAFF, actor.name: SubjectClass.STAFF}),
        entry(conflicts=frozenset({actor.name})),
    ):
        assert said(found, actor) == OUTSIDE


@pytest.mark.parametrize("who", [PAT, SAM], ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "requested", "approvals": ()}, "is not approved yet"),
        ({"state": "refused"}, "was refused"),
        ({"state": "withdrawn"}, "was withdrawn"),
        ({"state": "cancelled"}, "was cancelled"),
        ({"valid_until": NOW}, "ended on 23 November 2026 09:30 UTC"),
        ({"valid_from": NOW + HOUR}, "holds from 23 November 2026 10:30 UTC"),
        ({"written_by": NOW}, "not confirmed in writing by then"),
        ({"conflicts": frozenset({"pat", "sam"})}, OUTSIDE),
    ],
)
def test_those_who_look_by_it_are_told_why(who: Actor, changes: dict[str, Any], expected: str):
    assert expected in said(entry(**changes), who)


def test_both_ends_to_the_moment():
    found = entry(written_by=None)
    tick = timedelta(microseconds=1)
    assert covered(found, now=found.valid_from)
    assert said(found, now=found.valid_from - tick)
    assert covered(found, now=found.valid_until - tick)
    assert said(found, now=found.valid_until)


def test_a_deputy_or_head_looks_no_more_than_others():
    for actor in (HEAD, KIM, person("acu", "head-of-acu", roles=("psd",))):
        assert said(entry(), actor) == OUTSIDE


# --- whatever it says -----------------------------------------------------------------------------

names = st.sampled_from(["pat", "sam", "kim", "jane", "john", "acu", "hpsd"])
moments = st.integers(-40, 40).map(lambda days: NOW + days * DAY)
some = st.frozensets(st.sampled_from(CATEGORIES))


@st.composite
def entries(draw: st.DrawFn) -> Authorisation:
    begins, ends = sorted((draw(moments), draw(moments)))
    valid_from, valid_until = sorted((draw(moments), draw(moments)))
    approvals = draw(st.lists(names, max_size=2))
    return entry(
        kind=draw(st.sampled_from(Kind)),
        applicant=draw(names),
        subjects=dict.fromkeys(draw(st.frozensets(names, max_size=2)), SubjectClass.OFFICER),
        investigators=draw(st.frozensets(names, max_size=2)),
        conflicts=draw(st.frozensets(names, max_size=1)),
        begins=begins,
        ends=ends,
        valid_from=valid_from,
        valid_until=valid_until,
        fields=draw(st.frozensets(st.sampled_from(NAMES))),
        categories=draw(st.none() | some),
        unmasked=draw(some),
        names_shown=draw(st.booleans()),
        row_cap=draw(st.integers(1, 200_000)),
        state=draw(st.sampled_from([each for each in State if each is not State.EXPIRED])),
        written_by=draw(st.none() | moments),
        approvals=tuple(replace(APPROVED, person=name) for name in approvals),
    )


actors = st.builds(
    person,
    names,
    roles=st.lists(st.sampled_from(["psd", "operator", "auditor", "staff"])).map(tuple),
)


@given(st.one_of(entries(), entries().map(lambda e: replace(e, state="approved"))), actors, moments)
def test_never_more_than_it_says(found: Authorisation, actor: Actor, now: datetime):
    try:
        bounds = covered(found, actor, now)
    except NotCoveredError:
        return
    # Who looks.
    assert actor.name in {found.applicant, *found.investigators}
    assert "psd" in actor.roles
    assert actor.name not in found.subjects
    assert actor.name not in found.conflicts
    # When, and by whose approval.
    assert found.state in {"approved", "written-up"}
    assert found.valid_from <= now < found.valid_until
    assert found.written_by is None or now < found.written_by
    concerned = {found.applicant, *found.investigators, *found.subjects}
    assert {each.person for each in found.approvals} - concerned
    # What.
    assert found.begins <= bounds.since < bounds.until <= found.ends
    assert bounds.fields <= found.fields
    assert bounds.persons == (frozenset(found.subjects) or None)
    assert bounds.persons or found.kind in {Kind.DIP_SAMPLE, Kind.TECHNICAL_SUPPORT}
    assert bounds.categories == found.categories
    own = found.kind is Kind.SUBJECT_ACCESS
    assert own or bounds.special | found.unmasked >= set(SETTINGS.special)
    assert (bounds.pseudonyms is None) == found.names_shown
    assert bounds.rows <= min(found.row_cap, SETTINGS.rows)


@given(entries(), moments)
def test_something_is_covered(found: Authorisation, now: datetime):
    """The test above is not true of nothing: whoever it should cover it does."""
    whole = replace(
        found,
        applicant="pat",
        investigators=frozenset(),
        subjects={"jane": SubjectClass.OFFICER},
        conflicts=frozenset(),
        state="approved",
        written_by=None,
        approvals=(APPROVED,),
        begins=NOW - 90 * DAY,
        ends=NOW - 80 * DAY,
        valid_from=now,
        valid_until=now + HOUR + 80 * DAY,
    )
    assert covered(whole, PAT, now).rows
