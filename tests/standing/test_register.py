from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.standing import (
    Actor,
    Exemption,
    Register,
    StaleViewError,
    State,
    StepRefusedError,
    UnknownReferenceError,
    Wanted,
    note_expiries,
    note_use,
)
from proxy_addons.standing.snapshot import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Place

    from proxy_addons.standing import Store

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
WHY = "Open-source research for Operation Example."
REASON = "No longer needed."
_numbers = count(1)

INFOSEC = Actor("sam", frozenset({"staff", "information-security"}), "kerberos")
SECOND = Actor("kim", frozenset({"staff", "information-security"}), "kerberos")
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
AUDITOR = Actor("ann", frozenset({"auditor"}), "kerberos")
STAFF = Actor("lee", frozenset({"staff"}), "kerberos")
PORTAL_OPERATOR = Actor("ops", frozenset({"operator"}), "kerberos")
ROOT = Actor("root", frozenset({"operator"}), "command-line")


class World:
    """A register with people of its own and a clock that the test sets."""

    def __init__(self, store: Store) -> None:
        self.now = NOW
        self.store = store
        self.person = f"jane{next(_numbers)}"
        self.jane = Actor(self.person, frozenset({"staff"}), "kerberos")
        self.boss = Actor("boss", frozenset({"line-manager"}), "kerberos", frozenset({self.person}))
        self.register = Register(
            store,
            categories={"webmail", "chat", "malware", "phishing"},
            by_name_only={"malware", "phishing"},
            zone=LONDON,
            clock=lambda: self.now,
        )

    def wanted(self, **changes: Any) -> Wanted:
        wanted = Wanted(
            person=self.person,
            why=WHY,
            begins=self.now,
            ends=self.now + 90 * DAY,
            categories=frozenset({"webmail"}),
        )
        return replace(wanted, **changes)

    def requested(self, by: Actor = STAFF, **changes: Any) -> Exemption:
        return self.register.request(by, self.wanted(**changes))

    def approved(self, by: Actor = INFOSEC, **changes: Any) -> Exemption:
        asked = self.requested(**changes)
        return self.register.approve(by, asked.reference, seen=asked.revision)

    def approve(self, found: Exemption, by: Actor = INFOSEC, **more: Any) -> Exemption:
        return self.register.approve(by, found.reference, seen=found.revision, **more)

    def refuse(self, found: Exemption, by: Actor = INFOSEC, why: str = REASON) -> Exemption:
        return self.register.refuse(by, found.reference, seen=found.revision, why=why)

    def extend(
        self, found: Exemption, ends: datetime, by: Actor = STAFF, why: str = WHY
    ) -> Exemption:
        return self.register.extend(by, found.reference, seen=found.revision, ends=ends, why=why)

    def review(self, found: Exemption, by: Actor = INFOSEC, **more: Any) -> Exemption:
        more = {"note": "Still needed, used daily.", **more}
        return self.register.review(by, found.reference, seen=found.revision, **more)

    def revoke(self, found: Exemption, by: Actor = INFOSEC, why: str = REASON) -> Exemption:
        return self.register.revoke(by, found.reference, seen=found.revision, why=why)

    def escalate(self, found: Exemption, by: Actor = INFOSEC, to: str = "SIRO") -> Exemption:
        return self.register.escalate(by, found.reference, seen=found.revision, to=to)

    def later(self, days: float) -> None:
        self.now += days * DAY


@pytest.fixture
def world(shared: Store) -> World:
    return World(shared)


def _later_and(
    days: float, then: Callable[[World, Exemption], object]
) -> Callable[[World], object]:
    def act(world: World) -> object:
        found = world.approved()
        world.later(days)
        return then(world, found)

    return act


EXCEPTIONS, POSTS = "Inf/27 2.13.1", "Inf/27 5.1"

# What is refused: what is tried, by which rule, with which clause.
REFUSED: dict[str, tuple[Callable[[World], object], str, str]] = {
    "for nobody": (lambda w: w.requested(person=" "), "name", ""),
    "no reason": (lambda w: w.requested(why=""), "reason", EXCEPTIONS),
    "a short reason": (lambda w: w.requested(why="x" * 19), "reason", EXCEPTIONS),
    "a reason of spaces": (lambda w: w.requested(why=" " * 50 + "x"), "reason", EXCEPTIONS),
    "an endless reason": (lambda w: w.requested(why="x" * 4001), "length", ""),
    "controls": (lambda w: w.requested(why=WHY + "\x1b[2J"), "text", ""),
    "a long reference": (lambda w: w.requested(force_reference="x" * 201), "length", ""),
    "nothing opened": (lambda w: w.requested(categories=frozenset()), "what", POSTS),
    "an unknown category": (
        lambda w: w.requested(categories=frozenset({"webmail", "wembail"})),
        "category",
        POSTS,
    ),
    "everything and what it opens anyway": (
        lambda w: w.requested(everything=True, categories=frozenset({"webmail", "malware"})),
        "what",
        POSTS,
    ),
    "over before it began": (
        lambda w: w.requested(begins=NOW - 9 * DAY, ends=NOW),
        "period",
        EXCEPTIONS,
    ),
    "over at this moment": (
        lambda w: w.requested(begins=NOW - timedelta(hours=1), ends=NOW),
        "period",
        EXCEPTIONS,
    ),
    "no time at all": (
        lambda w: w.requested(begins=NOW + DAY, ends=NOW + DAY),
        "period",
        EXCEPTIONS,
    ),
    "backwards": (
        lambda w: w.requested(begins=NOW + 2 * DAY, ends=NOW + DAY),
        "period",
        EXCEPTIONS,
    ),
    "from yesterday": (
        lambda w: w.requested(begins=datetime(2026, 11, 22, 23, 59, tzinfo=UTC)),
        "period",
        EXCEPTIONS,
    ),
    "12 months and a moment": (
        lambda w: w.requested(ends=datetime(2027, 11, 23, 9, 30, 0, 1, tzinfo=UTC)),
        "period",
        EXCEPTIONS,
    ),
    "from in more than a year": (
        lambda w: w.requested(begins=NOW + 366 * DAY, ends=NOW + 400 * DAY),
        "period",
        EXCEPTIONS,
    ),
    "reviewed after the end": (
        lambda w: w.requested(review_at=NOW + 90 * DAY),
        "review",
        EXCEPTIONS,
    ),
    "reviewed before the beginning": (
        lambda w: w.requested(review_at=NOW - DAY),
        "review",
        EXCEPTIONS,
    ),
    "approved by staff": (lambda w: w.approve(w.requested(), STAFF), "role", EXCEPTIONS),
    "approved by PSD": (lambda w: w.approve(w.requested(), PSD), "role", EXCEPTIONS),
    "approved by an auditor": (lambda w: w.approve(w.requested(), AUDITOR), "role", EXCEPTIONS),
    "approved by the line manager": (
        lambda w: w.approve(w.requested(), w.boss),
        "role",
        EXCEPTIONS,
    ),
    "approved by the portal's operator": (
        lambda w: w.approve(w.requested(), PORTAL_OPERATOR),
        "role",
        EXCEPTIONS,
    ),
    "approved by who asked": (
        lambda w: w.approve(w.requested(INFOSEC), INFOSEC),
        "four-eyes",
        EXCEPTIONS,
    ),
    "approved by who benefits": (
        lambda w: w.approve(w.requested(), replace(INFOSEC, name=w.person)),
        "own",
        EXCEPTIONS,
    ),
    "approved by root who asked": (
        lambda w: w.approve(w.requested(ROOT), ROOT),
        "four-eyes",
        EXCEPTIONS,
    ),
    "approved by root who benefits": (
        lambda w: w.approve(w.requested(), replace(ROOT, name=w.person)),
        "own",
        EXCEPTIONS,
    ),
    "approved twice": (lambda w: w.approve(w.approved(), SECOND), "state", EXCEPTIONS),
    "approved after a refusal": (
        lambda w: w.approve(w.refuse(w.requested()), SECOND),
        "state",
        EXCEPTIONS,
    ),
    "approved after a revocation": (
        lambda w: w.approve(w.revoke(w.approved()), SECOND),
        "state",
        EXCEPTIONS,
    ),
    "significant and not escalated": (
        lambda w: w.approve(w.requested(significant=True)),
        "escalation",
        EXCEPTIONS,
    ),
    "escalated by staff": (lambda w: w.escalate(w.requested(), STAFF), "role", EXCEPTIONS),
    "escalated to nobody": (lambda w: w.escalate(w.requested(), to=" "), "reason", EXCEPTIONS),
    "refused by staff": (lambda w: w.refuse(w.requested(), STAFF), "role", EXCEPTIONS),
    "refused without a reason": (lambda w: w.refuse(w.requested(), why="no"), "reason", EXCEPTIONS),
    "refused once approved": (lambda w: w.refuse(w.approved()), "state", EXCEPTIONS),
    "a second one for the same time": (
        lambda w: (w.approved(), w.approved(everything=True, categories=frozenset())),
        "one-at-a-time",
        EXCEPTIONS,
    ),
    "extended into the next one": (
        lambda w: w.approve(
            w.extend(
                (w.approved(), w.approved(begins=NOW + 90 * DAY, ends=NOW + 99 * DAY))[0],
                NOW + 91 * DAY,
            ),
            SECOND,
        ),
        "one-at-a-time",
        EXCEPTIONS,
    ),
    "extended by a stranger": (
        lambda w: w.extend(w.approved(), NOW + 99 * DAY, AUDITOR),
        "role",
        EXCEPTIONS,
    ),
    "extended backwards": (
        lambda w: w.extend(w.approved(), NOW + 90 * DAY),
        "extension",
        EXCEPTIONS,
    ),
    "extended for more than 12 months": (
        lambda w: w.extend(w.approved(), NOW + 366 * DAY),
        "extension",
        EXCEPTIONS,
    ),
    "extended before it is approved": (
        lambda w: w.extend(w.requested(), NOW + 99 * DAY),
        "extension",
        EXCEPTIONS,
    ),
    "extended once it has ended": (
        _later_and(90, lambda w, found: w.extend(found, w.now + DAY)),
        "extension",
        EXCEPTIONS,
    ),
    "extended twice at a time": (
        lambda w: w.extend(w.extend(w.approved(), NOW + 99 * DAY), NOW + 98 * DAY),
        "state",
        EXCEPTIONS,
    ),
    "extension approved by who asked for it": (
        lambda w: w.approve(w.extend(w.approved(), NOW + 99 * DAY, INFOSEC), INFOSEC),
        "four-eyes",
        EXCEPTIONS,
    ),
    "extension approved by who benefits": (
        lambda w: w.approve(
            w.extend(w.approved(), NOW + 99 * DAY), replace(INFOSEC, name=w.person)
        ),
        "own",
        EXCEPTIONS,
    ),
    "extension approved after the end": (
        _later_and(
            80,
            lambda w, found: (
                found := w.extend(found, NOW + 99 * DAY),
                w.later(10),
                w.approve(found, SECOND),
            ),
        ),
        "state",
        EXCEPTIONS,
    ),
    "reviewed by staff": (lambda w: w.review(w.approved(), STAFF), "role", EXCEPTIONS),
    "reviewed by who benefits": (
        lambda w: w.review(w.approved(), replace(INFOSEC, name=w.person)),
        "own",
        EXCEPTIONS,
    ),
    "reviewed before it is approved": (lambda w: w.review(w.requested()), "state", EXCEPTIONS),
    "reviewed without a word": (lambda w: w.review(w.approved(), note="ok"), "reason", EXCEPTIONS),
    "next review after the end": (
        lambda w: w.review(w.approved(), next_at=NOW + 90 * DAY),
        "review",
        EXCEPTIONS,
    ),
    "next review in the past": (
        _later_and(10, lambda w, found: w.review(found, next_at=NOW + 5 * DAY)),
        "review",
        EXCEPTIONS,
    ),
    "revoked by staff": (lambda w: w.revoke(w.approved(), STAFF), "role", EXCEPTIONS),
    "revoked by another's line manager": (
        lambda w: w.revoke(w.approved(), replace(w.boss, manages=frozenset({"john"}))),
        "role",
        EXCEPTIONS,
    ),
    "revoked without a reason": (lambda w: w.revoke(w.approved(), why=""), "reason", EXCEPTIONS),
    "revoked before it is approved": (lambda w: w.revoke(w.requested()), "state", EXCEPTIONS),
    "revoked once it has ended": (_later_and(90, World.revoke), "state", EXCEPTIONS),
    "approved when its time is over": (
        lambda w: (found := w.requested(), w.later(90), w.approve(found)),
        "state",
        EXCEPTIONS,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    act, rule, clause = REFUSED[case]
    with pytest.raises(StepRefusedError) as caught:
        act(world)
    assert (caught.value.rule, caught.value.clause) == (rule, clause)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(f" ({clause})" if clause else ".")


def test_a_revocation_ends_what_was_asked_for_besides(world: World) -> None:
    found = world.revoke(world.extend(world.approved(), NOW + 99 * DAY))
    assert not found.extension_is_pending
    assert (found.extension_by, found.extension_why, found.extension_at) == (None, None, None)
    assert (found.revoked_by, found.revoked_at) == ("sam", NOW)


def test_a_refused_step_changes_nothing(world: World) -> None:
    found = world.approved()
    version = world.store.version()
    for step in (
        lambda: world.revoke(found, STAFF),
        lambda: world.approve(found, SECOND),
        lambda: world.extend(found, NOW + 900 * DAY),
        lambda: world.requested(everything=True),
    ):
        with pytest.raises(StepRefusedError):
            step()
    assert world.register.get(found.reference) == found
    assert world.store.version() == version
    assert len(world.register.steps(found.reference)) == found.revision


# What is allowed: the state that it leads to.
ALLOWED: dict[str, tuple[Callable[[World], Exemption], State]] = {
    "for oneself": (lambda w: w.requested(w.jane), State.REQUESTED),
    "by the line manager": (lambda w: w.requested(w.boss), State.REQUESTED),
    "everything": (
        lambda w: w.requested(everything=True, categories=frozenset()),
        State.REQUESTED,
    ),
    "everything and threats by name": (
        lambda w: w.requested(everything=True, categories=frozenset({"malware", "phishing"})),
        State.REQUESTED,
    ),
    "12 months": (
        lambda w: w.approved(ends=datetime(2027, 11, 23, 9, 30, tzinfo=UTC)),
        State.LIVE,
    ),
    "since this morning": (
        lambda w: w.approved(begins=datetime(2026, 11, 23, tzinfo=UTC)),
        State.LIVE,
    ),
    "from tomorrow": (lambda w: w.approved(begins=NOW + DAY), State.UPCOMING),
    "approved by a second person of the role": (
        lambda w: w.approve(w.requested(INFOSEC), SECOND),
        State.LIVE,
    ),
    "approved by root, asked for by another": (
        lambda w: w.approve(w.requested(), ROOT),
        State.LIVE,
    ),
    "escalated, then approved": (
        lambda w: w.approve(w.escalate(w.requested(significant=True)), SECOND),
        State.LIVE,
    ),
    "escalated with the approval": (
        lambda w: w.approve(w.requested(significant=True), escalated_to="Risk board"),
        State.LIVE,
    ),
    "refused": (lambda w: w.refuse(w.requested()), State.REFUSED),
    "revoked by information security": (lambda w: w.revoke(w.approved()), State.REVOKED),
    "revoked by PSD": (lambda w: w.revoke(w.approved(), PSD), State.REVOKED),
    "revoked by the line manager": (lambda w: w.revoke(w.approved(), w.boss), State.REVOKED),
    "revoked before it began": (lambda w: w.revoke(w.approved(begins=NOW + DAY)), State.REVOKED),
    "extended": (
        lambda w: w.approve(w.extend(w.approved(), NOW + 365 * DAY, w.jane), SECOND),
        State.LIVE,
    ),
    "extension refused": (
        lambda w: w.refuse(w.extend(w.approved(), NOW + 365 * DAY, w.boss)),
        State.LIVE,
    ),
    "reviewed": (lambda w: w.review(w.approved()), State.LIVE),
    "one after the other": (
        lambda w: (w.approved(), w.approved(begins=NOW + 90 * DAY, ends=NOW + 99 * DAY))[1],
        State.UPCOMING,
    ),
    "one before the other": (
        lambda w: (w.approved(begins=NOW + 90 * DAY, ends=NOW + 99 * DAY), w.approved())[1],
        State.LIVE,
    ),
    "another after a revocation": (
        lambda w: (w.revoke(w.approved()), w.approved())[1],
        State.LIVE,
    ),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_allowed(world: World, case: str) -> None:
    act, state = ALLOWED[case]
    before = world.store.version()
    found = act(world)
    assert found.state_at(world.now) is state
    assert world.store.version() > before
    steps = world.register.steps(found.reference)
    assert found == world.register.get(found.reference)
    assert found.revision == len(steps)
    assert world.register.get(f" {found.reference.lower()} ") == found


def test_a_life_leaves_its_steps(world: World) -> None:
    found = world.requested(
        world.boss, person=f" {world.person.upper()} ", significant=True, force_reference="RISK/12"
    )
    assert found.person == world.person
    assert found.review_at == NOW + 45 * DAY
    world.later(1)
    found = world.approve(found, note="For the operation only.", escalated_to="SIRO")
    assert (found.decided_by, found.decided_at, found.escalated_to) == ("sam", world.now, "SIRO")
    world.later(39)
    found = world.review(found)
    assert (found.reviewed_at, found.review_at) == (world.now, None)  # it ends within 6 months
    found = world.extend(found, NOW + 200 * DAY, world.jane)
    assert (found.extension_by, found.ends) == (world.person, NOW + 90 * DAY)
    found = world.refuse(found, why="Ask for less.")
    found = world.extend(found, NOW + 180 * DAY, world.jane)
    found = world.approve(found, SECOND)
    assert (found.ends, found.extension_ends, found.extension_by) == (NOW + 180 * DAY, None, None)
    assert found.review_at == NOW + 110 * DAY  # the middle of what is left
    world.later(60)
    found = world.review(found, SECOND, next_at=NOW + 150 * DAY)
    assert found.review_at == NOW + 150 * DAY
    found = world.revoke(found, PSD, why="Left the unit.")
    steps = world.register.steps(found.reference)
    assert [(step.kind, step.who, (step.at - NOW).days) for step in steps] == [
        ("request", "boss", 0),
        ("escalation", "sam", 1),
        ("approval", "sam", 1),
        ("review", "sam", 40),
        ("extension-request", world.person, 40),
        ("extension-refusal", "sam", 40),
        ("extension-request", world.person, 40),
        ("extension", "kim", 40),
        ("review", "kim", 100),
        ("revocation", "pat", 100),
    ]
    assert {step.how for step in steps} == {"kerberos"}
    assert steps[0].note == WHY
    assert steps[0].changes == {
        "person": world.person,
        "opens": "webmail",
        "begins": "2026-11-23T09:30:00+00:00",
        "ends": "2027-02-21T09:30:00+00:00",
        "review": "2027-01-07T09:30:00+00:00",
        "significant": "yes",
        "force reference": "RISK/12",
    }
    assert steps[1].changes == {"escalated to": "SIRO"}
    assert steps[2].note == "For the operation only."
    assert steps[7].changes["ends"] == "2027-05-22T09:30:00+00:00"
    assert steps[9].note == "Left the unit."


def test_a_step_on_a_stale_view_says_what_changed(world: World) -> None:
    seen = world.requested()
    world.approve(seen)
    with pytest.raises(
        StaleViewError, match=r"approval by sam, 23 November 2026 09:30 UTC"
    ) as caught:
        world.refuse(seen, SECOND)
    assert [step.kind for step in caught.value.changed] == ["approval"]
    assert world.register.get(seen.reference).state == "approved"
    with pytest.raises(StaleViewError):
        world.refuse(replace(seen, revision=99))


@pytest.mark.parametrize("reference", ["EX-1999-0001", "", "'; DROP TABLE exemptions", "\x1b" * 9])
def test_an_unknown_reference(world: World, reference: str) -> None:
    for ask in (world.register.get, world.register.steps):
        with pytest.raises(UnknownReferenceError) as caught:
            ask(reference)
        assert str(caught.value).isprintable()


def test_of_two_at_a_time_one_is_refused(world: World) -> None:
    """The same view, decided on by several at once."""
    asked = [world.requested(person=f"{world.person}-{number}") for number in range(4)]

    def decide(found: Exemption, approving: bool) -> str:
        try:
            if approving:
                return world.approve(found).state
            return world.refuse(found, SECOND).state
        except StaleViewError:
            return "stale"

    with ThreadPoolExecutor(8) as threads:
        ways = [threads.submit(decide, each, way) for each in asked for way in (True, False)]
        results = [way.result() for way in ways]
    for number, found in enumerate(asked):
        pair = results[2 * number : 2 * number + 2]
        assert pair.count("stale") == 1
        assert len(world.register.steps(found.reference)) == 2


def test_references_are_counted_for_each_year(place: Place, store: Store) -> None:
    others = [place.open() for _ in range(3)]
    worlds = [World(each) for each in (store, *others)]

    def ask(number: int) -> str:
        return worlds[number % 4].requested(person=f"p{number}").reference

    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(ask, range(24)))
    assert sorted(given) == [f"EX-2026-{number:04}" for number in range(1, 25)]
    worlds[0].now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert worlds[0].requested().reference == "EX-2026-0025"
    worlds[0].now += timedelta(seconds=1)
    assert worlds[0].requested().reference == "EX-2027-0001"
    for each in others:
        each.close()


def test_the_snapshot_holds_what_is_approved(world: World) -> None:
    def known() -> list[str]:
        with world.store.reading() as connection:
            return [each.reference for each in read(connection).exemptions.get(world.person, ())]

    asked = world.requested()
    assert known() == []
    found = world.approve(asked)
    future = world.approved(begins=NOW + 90 * DAY, ends=NOW + 99 * DAY)
    assert known() == [found.reference, future.reference]
    world.revoke(found)
    assert known() == [future.reference]


def test_an_end_is_noted_once(world: World) -> None:
    found = world.extend(world.approved(), NOW + 99 * DAY)
    world.later(90)
    version = world.store.version()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: note_expiries(world.store, world.now), range(4)))
    assert note_expiries(world.store, world.now) == 0
    assert world.store.version() > version
    ended = world.register.get(found.reference)
    assert ended.state_at(world.now) is State.EXPIRED
    assert ended.extension_ends is None
    steps = world.register.steps(found.reference)
    assert [(step.kind, step.who, step.how, step.at) for step in steps[3:]] == [
        ("expiry", "watchhouse", "clock", NOW + 90 * DAY)
    ]
    assert ended.revision == len(steps)


def test_the_last_day_of_use(world: World) -> None:
    first, second, third = (world.approved(person=f"{world.person}-{each}") for each in "abc")
    for day in (NOW.date(), (NOW + DAY).date(), (NOW + DAY).date()):
        note_use(world.store, [first.reference, "EX-0000-0000"], day)
    note_use(world.store, [second.reference], NOW.date())
    note_use(world.store, [], NOW.date())
    used = world.register.last_used()
    assert used[first.reference] == (NOW + DAY).date()
    assert used[second.reference] == NOW.date()
    assert third.reference not in used


def test_all_of_one_person(world: World) -> None:
    mine = (world.requested(), world.requested())
    other = world.requested(person=f"{world.person}-other")
    assert world.register.all(world.person) == mine
    assert {*mine, other} <= set(world.register.all())
