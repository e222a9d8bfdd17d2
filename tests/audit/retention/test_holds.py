"""Holds, decisions on collateral material and certificates, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from proxy_addons.audit.retention.certificates import Certificates, Erased, digest_of
from proxy_addons.audit.retention.collateral import Collateral, Decision, WantedDecision, hidden
from proxy_addons.audit.retention.due import Fate, due
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.inventory import pending
from proxy_addons.audit.retention.schedule import Class, Schedule
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.audit.store import At
from proxy_addons.settings.retention import Retention
from proxy_addons.standing import (
    Actor,
    StaleViewError,
    StandingError,
    StepRefusedError,
    UnknownReferenceError,
)
from proxy_addons.standing.tables_retention import (
    collateral_decisions,
    disposal_certificates,
    legal_hold_steps,
    legal_holds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.retention.holds import Hold
    from proxy_addons.standing import Step, Store

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
OTHER = Actor("robin", frozenset({"psd"}), "kerberos")
ROOT = Actor("root", frozenset({"operator"}), "command-line")
PROCESS = Actor("watchhouse", frozenset(), "schedule")
WHY = "The hearing is not over."


class Room:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.trail: list[tuple[str, Step]] = []
        self.now = NOW

        def note(reference: str, step: Step) -> None:
            self.trail.append((reference, step))

        self.holds = Holds(store, zone=LONDON, clock=lambda: self.now, trail=note)
        self.collateral = Collateral(store, clock=lambda: self.now, trail=note)
        self.certificates = Certificates(store, clock=lambda: self.now, trail=note)

    def wanted(self, **more: object) -> WantedHold:
        values = {
            "scope": Scope(persons=frozenset({"AB1234 "})),
            "case_reference": "PSD/117/26",
            "owner": "Kim",
            "why": WHY,
            "review_at": NOW + timedelta(days=90),
        }
        return WantedHold(**(values | more))  # type: ignore[arg-type]

    def place(self, by: Actor = PSD, **more: object) -> Hold:
        return self.holds.place(by, self.wanted(**more))

    def ask(self, hold: Hold, by: Actor = PSD) -> Hold:
        seen = self.holds.get(hold.reference).revision
        return self.holds.ask_to_lift(by, hold.reference, seen=seen, why="The case is closed.")

    def lift(self, hold: Hold, by: Actor = OTHER) -> Hold:
        seen = self.holds.get(hold.reference).revision
        return self.holds.lift(by, hold.reference, seen=seen)

    def decision(self, by: Actor = PSD, **more: object) -> WantedDecision:
        values = {
            "authorisation": "au-2026-0001",
            "decision": Decision.DELETE,
            "rows": frozenset({At("s2", 1), At("s1", 7)}),
            "since": NOW - timedelta(days=9),
            "until": NOW - timedelta(days=8),
            "persons": frozenset({"cd5678"}),
            "why": "A bank account of somebody else.",
            "criminal": False,
        }
        del by
        return WantedDecision(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


REFUSED: dict[str, tuple[Callable[[Room], object], str]] = {
    "by root": (lambda r: r.place(ROOT), "role"),
    "on nothing": (lambda r: r.place(scope=Scope()), "scope"),
    "on nobody": (lambda r: r.place(scope=Scope(persons=frozenset())), "scope"),
    "backwards": (lambda r: r.place(scope=Scope(since=NOW, until=NOW)), "scope"),
    "under no reference": (lambda r: r.place(scope=Scope(authorisation="a b")), "authorisation"),
    "without a case": (lambda r: r.place(case_reference=" "), "reason"),
    "without a reason": (lambda r: r.place(why="because"), "reason"),
    "without an owner": (lambda r: r.place(owner="\n"), "name"),
    "without a review": (lambda r: r.place(review_at=NOW), "review"),
    "with a late review": (lambda r: r.place(review_at=NOW + timedelta(days=366)), "review"),
    "lifted by whoever asked": (lambda r: r.lift(r.ask(r.place()), PSD), "four-eyes"),
    "lifted unasked": (lambda r: r.lift(r.place()), "state"),
    "lifted by root": (lambda r: r.lift(r.ask(r.place()), ROOT), "role"),
    "asked by root": (lambda r: r.ask(r.place(), ROOT), "role"),
    "asked twice": (lambda r: (h := r.place(), r.ask(h), r.ask(h, OTHER)), "state"),
    "lifted twice": (lambda r: (h := r.place(), r.ask(h), r.lift(h), r.lift(h)), "state"),
    "asked by the held person": (
        lambda r: r.ask(r.place(scope=Scope(persons=frozenset({"robin"}))), OTHER),
        "own",
    ),
    "lifted by the held person": (
        lambda r: r.lift(r.ask(r.place(scope=Scope(persons=frozenset({"robin"})))), OTHER),
        "own",
    ),
    "kept unasked": (
        lambda r: r.holds.keep(PSD, r.place().reference, seen=1, why="It is needed."),
        "state",
    ),
    "decided by root": (lambda r: r.collateral.decide(ROOT, r.decision()), "role"),
    "on one's own records": (
        lambda r: r.collateral.decide(PSD, r.decision(persons=frozenset({"pat"}))),
        "own",
    ),
    "on no records": (lambda r: r.collateral.decide(PSD, r.decision(rows=frozenset())), "rows"),
    "a criminal case's": (
        lambda r: r.collateral.decide(PSD, r.decision(criminal=True)),
        "criminal",
    ),
    "decided without a reason": (lambda r: r.collateral.decide(PSD, r.decision(why="")), "reason"),
    "the last before the first": (
        lambda r: r.collateral.decide(PSD, r.decision(until=NOW - timedelta(days=10))),
        "period",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(shared: Store, case: str) -> None:
    act, rule = REFUSED[case]
    with pytest.raises(StepRefusedError) as caught:
        act(Room(shared))
    assert caught.value.rule == rule
    assert str(caught.value).isprintable()


def test_a_hold_from_its_placing_to_its_end(room: Room) -> None:
    hold = room.place()
    assert (hold.reference, hold.owner, hold.revision) == ("LH-2026-0001", "kim", 1)
    assert hold.scope == Scope(persons=frozenset({"ab1234"}))
    assert [each.reference for each in room.holds.in_force()] == ["LH-2026-0001"]
    later = NOW + timedelta(days=360)
    looked = room.holds.review(
        OTHER, hold.reference, seen=1, remark="The appeal is pending.", next_at=later
    )
    assert (looked.review_at, looked.in_force) == (later, True)
    asked = room.ask(hold)
    assert asked.in_force, "until a second person lifts it"
    kept = room.holds.keep(OTHER, hold.reference, seen=3, why="The appeal is pending still.")
    assert (kept.lift_asked_by, kept.in_force) == (None, True)
    room.ask(hold, OTHER)
    room.now = later + timedelta(days=900)
    assert room.holds.get(hold.reference).review_is_overdue(room.now)
    assert room.holds.in_force(), "an overdue review ends nothing"
    lifted = room.lift(hold, PSD)
    assert (lifted.lifted_by, lifted.lifted_at, lifted.lift_asked_by) == ("pat", room.now, "robin")
    assert room.holds.in_force() == ()
    assert not lifted.review_is_overdue(room.now)
    steps = room.holds.steps(hold.reference)
    assert [each.kind for each in steps] == [
        "hold", "review", "lift-request", "lift-refusal", "lift-request", "lifting",
    ]  # fmt: skip
    assert [step for _, step in room.trail] == list(steps)
    assert room.holds.all() == (lifted,)


def test_every_kind_of_scope_comes_back_as_it_was(room: Room) -> None:
    for scope in (
        Scope(since=NOW),
        Scope(until=NOW),
        Scope(authorisation="AU-2026-0001"),
        Scope(frozenset({"ab1", "cd2"}), NOW, NOW + timedelta(1), "AU-1", unknown_too=False),
    ):
        assert room.place(scope=scope).scope == scope
        assert room.holds.in_force()[-1].scope == scope
        assert scope.words
    with pytest.raises(StaleViewError):
        room.holds.ask_to_lift(PSD, "LH-2026-0001", seen=0, why="The case is closed.")
    with pytest.raises(UnknownReferenceError):
        room.holds.get("LH-1999-0001")


def test_collateral_material_is_hidden_and_goes_unless_it_is_held(room: Room) -> None:
    made = room.collateral.decide(PSD, room.decision())
    assert (made.reference, made.authorisation) == ("CM-2026-0001", "AU-2026-0001")
    assert made.rows == (At("s1", 7), At("s2", 1))
    assert made.digest == digest_of(["s2:1", "s1:7"])
    assert (made.since, made.until) == (NOW - timedelta(days=9), NOW - timedelta(days=8))
    schedule = Schedule.of(Retention(), LONDON)

    def fates() -> list[tuple[str, Fate]]:
        items = pending(room.collateral.all(), room.certificates.all())
        return [
            (each.item.name, each.fate) for each in due(NOW, schedule, room.holds.in_force(), items)
        ]

    assert fates() == [("CM-2026-0001", Fate.ERASE)]
    hold = room.place(scope=Scope(until=NOW - timedelta(days=8, microseconds=-1)))
    assert fates() == [("CM-2026-0001", Fate.HELD)]
    room.ask(hold)
    room.lift(hold)
    other = frozenset({At("s1", 7)})
    keep = room.decision(decision=Decision.KEEP, rows=other)
    room.collateral.decide(OTHER, keep)
    assert fates() == [("CM-2026-0001", Fate.ERASE)]
    room.certificates.issue(
        PROCESS,
        Erased(
            kind=Class.COLLATERAL, subject=made.reference, records=2, segments=0,
            rule=f"{made.reference}: delete", digest=made.digest,
        ),
    )  # fmt: skip
    assert fates() == []
    disregard = room.decision(decision=Decision.DISREGARD, criminal=True, persons=None)
    room.collateral.decide(PSD, replace(disregard, rows=frozenset({At("s3", 0)})))
    decisions = room.collateral.of("AU-2026-0001")
    assert hidden(decisions) == {At("s2", 1), At("s3", 0)}
    assert hidden(decisions[:1]) == {At("s1", 7), At("s2", 1)}
    assert room.collateral.of("AU-2026-0002") == ()
    assert fates() == []


def test_a_certificate_says_what_went(room: Room) -> None:
    names = ["access-w01-20251116T10Z-0001.jsonl", "access-w02-20251116T10Z-0001.jsonl"]
    erased = Erased(
        kind=Class.ACCESS_LOG, subject="November 2025", since=NOW, until=NOW + timedelta(1),
        records=17, segments=2, rule="access-log: 12 months", digest=digest_of(names),
    )  # fmt: skip
    made = room.certificates.issue(PROCESS, erased)
    assert (made.reference, made.kind, made.by, made.how) == (
        "DC-2026-0001", "access-log", "watchhouse", "schedule",
    )  # fmt: skip
    assert (made.records, made.segments, made.at) == (17, 2, NOW)
    assert made.digest == digest_of(reversed(names)) != digest_of(names[:1])
    assert room.certificates.all(Class.ACCESS_LOG) == (made,) == room.certificates.all()
    assert room.certificates.all(Class.TRAIL) == ()
    assert room.certificates.get("dc-2026-0001") == made
    ((reference, step),) = room.trail
    assert (reference, step.kind, step.changes["records"]) == ("DC-2026-0001", "disposal", "17")


@pytest.mark.parametrize("names", [([], ["a"]), (["a", "b"], ["ab"]), (["a"], ["a", "a"])])
def test_different_lists_have_different_hashes(names: tuple[list[str], list[str]]) -> None:
    assert digest_of(names[0]) != digest_of(names[1])


def test_nobody_changes_what_was_recorded(room: Room) -> None:
    room.place()
    room.collateral.decide(PSD, room.decision())
    room.certificates.issue(
        PROCESS,
        Erased(kind=Class.TRAIL, subject="x", records=0, segments=0, rule="r", digest="0" * 64),
    )
    statements = [
        statement
        for table, column in (
            (legal_hold_steps, "note"),
            (collateral_decisions, "why"),
            (disposal_certificates, "rule"),
        )
        for statement in (delete(table), update(table).values({column: "x"}))
    ]
    alone = {"lift_asked_by": "pat", "lifted_by": "pat", "lifted_at": NOW}
    statements += [
        update(legal_holds).values(alone),
        update(legal_holds).values(lifted_at=NOW),
        update(legal_holds).values(persons=None),
    ]
    for statement in statements:
        with pytest.raises((DBAPIError, StandingError)), room.store.noting() as connection:
            connection.execute(statement)
    assert room.holds.in_force()
