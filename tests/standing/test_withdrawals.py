from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import pytest

from proxy_addons.standing import Actor, StepRefusedError, UnknownReferenceError, Withdrawals
from proxy_addons.standing.snapshot import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.standing import Store, Withdrawal

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
REASON = "Personal use during duties."
CLAUSE = "Inf/27 2.3.2"
_numbers = count(1)

INFOSEC = Actor("sam", frozenset({"information-security"}), "kerberos")
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
STAFF = Actor("lee", frozenset({"staff", "line-manager", "auditor"}), "kerberos")
PORTAL_OPERATOR = Actor("ops", frozenset({"operator"}), "kerberos")
ROOT = Actor("root", frozenset({"operator"}), "command-line")


class World:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.person = f"john{next(_numbers)}"
        self.boss = Actor("boss", frozenset({"line-manager"}), "oidc", frozenset({self.person}))
        self.register = Withdrawals(store, clock=lambda: NOW)

    def withdraw(self, by: Actor = PSD, reason: str = REASON) -> Withdrawal:
        return self.register.withdraw(by, self.person, reason)

    def lift(
        self, by: Actor = PSD, reason: str = "It was discussed.", seen: str = ""
    ) -> Withdrawal:
        return self.register.lift(by, self.person, reason, seen=seen)


@pytest.fixture
def world(shared: Store) -> World:
    return World(shared)


REFUSED: dict[str, tuple[Callable[[World], object], str, str]] = {
    "by staff": (lambda w: w.withdraw(STAFF), "role", CLAUSE),
    "by the portal's operator": (lambda w: w.withdraw(PORTAL_OPERATOR), "role", CLAUSE),
    "by another's line manager": (
        lambda w: w.withdraw(replace(w.boss, manages=frozenset({"jane"}))),
        "role",
        CLAUSE,
    ),
    "one's own": (lambda w: w.withdraw(replace(PSD, name=w.person)), "own", CLAUSE),
    "one's own as root": (lambda w: w.withdraw(replace(ROOT, name=w.person)), "own", CLAUSE),
    "without a reason": (lambda w: w.withdraw(reason="because"), "reason", CLAUSE),
    "nobody's": (lambda w: w.register.withdraw(PSD, "\n", REASON), "name", ""),
    "twice": (lambda w: (w.withdraw(), w.withdraw(INFOSEC)), "state", CLAUSE),
    "lifted by staff": (lambda w: (w.withdraw(), w.lift(STAFF)), "role", CLAUSE),
    "one's own, lifted": (
        lambda w: (w.withdraw(), w.lift(replace(PSD, name=w.person))),
        "own",
        CLAUSE,
    ),
    "lifted without a reason": (lambda w: (w.withdraw(), w.lift(reason="ok")), "reason", CLAUSE),
    "PSD's, lifted by the line manager": (lambda w: (w.withdraw(), w.lift(w.boss)), "role", CLAUSE),
    "lifted though it is not withdrawn": (lambda w: w.lift(), "state", CLAUSE),
    "lifted twice": (lambda w: (w.withdraw(), w.lift(), w.lift()), "state", CLAUSE),
    "another than the one looked at": (
        lambda w: (old := w.withdraw(), w.lift(), w.withdraw(), w.lift(seen=old.reference)),
        "state",
        CLAUSE,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    act, rule, clause = REFUSED[case]
    with pytest.raises(StepRefusedError) as caught:
        act(world)
    assert (caught.value.rule, caught.value.clause) == (rule, clause)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("who", "right"),
    [
        (PSD, "psd"),
        (INFOSEC, "information-security"),
        (ROOT, "operator"),
        ("boss", "line-manager"),
    ],
    ids=str,
)
def test_withdrawn_and_given_back(world: World, who: Actor | str, right: str) -> None:
    actor = world.boss if isinstance(who, str) else who
    version = world.store.version()
    made = world.register.withdraw(actor, f" {world.person.upper()} ", REASON)
    assert (made.person, made.by_right, made.in_force) == (world.person, right, True)
    assert world.register.in_force(world.person) == made
    assert world.store.version() == version + 1
    assert _withdrawn(world) == made.reference
    lifted = world.lift(actor, seen=made.reference)
    assert (lifted.in_force, lifted.lifted_by, lifted.lifted_at) == (False, actor.name, NOW)
    assert world.register.in_force(world.person) is None
    assert _withdrawn(world) is None
    assert [
        (step.kind, step.who, step.how, step.note) for step in world.register.steps(made.reference)
    ] == [
        ("withdrawal", actor.name, actor.how, REASON),
        ("lifting", actor.name, actor.how, "It was discussed."),
    ]
    again = world.withdraw()
    assert world.register.all(world.person) == (lifted, again)
    assert world.register.get(lifted.reference) == lifted


def _withdrawn(world: World) -> str | None:
    with world.store.reading() as connection:
        return read(connection).withdrawn.get(world.person)


def test_one_at_a_time_however_many_try(world: World) -> None:
    def attempt(by: Actor) -> str:
        try:
            return world.withdraw(by).reference
        except StepRefusedError as refused:
            return refused.rule

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(attempt, [PSD, INFOSEC, ROOT] * 2))
    assert results.count("state") == 5
    assert len(world.register.all(world.person)) == 1


def test_an_unknown_reference(world: World) -> None:
    with pytest.raises(UnknownReferenceError):
        world.register.get("WD-1999-0001")
    with pytest.raises(UnknownReferenceError):
        world.register.steps("EX-2026-0001")
