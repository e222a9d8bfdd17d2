"""The queue on both engines: once each, whoever says it; steps by the rules; the outbox."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError
from support.alerting import BEGIN, alert

from proxy_addons.audit.alerts.letters import letter
from proxy_addons.audit.alerts.outbox import (
    GIVEN_UP,
    LONGEST_PAUSE,
    RECENT,
    Outbox,
    UndeliveredError,
    Waiting,
)
from proxy_addons.audit.alerts.raising import Raising
from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.audit.alerts.windows import Episode
from proxy_addons.standing.actor import Actor
from proxy_addons.standing.problems import (
    StaleViewError,
    StandingUnavailableError,
    StepRefusedError,
    UnknownReferenceError,
)
from proxy_addons.standing.tables_alerts import alert_steps

if TYPE_CHECKING:
    from proxy_addons.standing.store import Store

ALERT = alert("evasion", mails=("psd@force.example",), webhooks=("siem",), quiet=60)
MINUTE = int(BEGIN.timestamp() // 60)
ONE = Episode(
    *("evasion", "person", "AB1234", MINUTE, MINUTE + 60),
    *(MINUTE * 60.0, MINUTE * 60.0 + 30, 3, 3),
    ids=("1", "2", "3"),
)
PAUL = Actor("paul", frozenset({"psd"}), "kerberos")
PIA = Actor("pia", frozenset({"psd"}), "kerberos")


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now

    def unix(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def raising(store: Store, clock: Clock, gateway: str = "gw1") -> Raising:
    return Raising(store, [ALERT, alert("b")], gateway, clock)


def test_said_twice_is_raised_once(store: Store, clock: Clock):
    writer = raising(store, clock)
    assert writer.write([ONE]) == 1
    more = replace(ONE, records=5, amount=5, last=ONE.last + 60, ids=("1", "2", "3", "4"))
    assert [writer.write([each]) for each in (ONE, more, more)] == [0, 0, 0]
    (found,) = Alerts(store).some()
    assert (found.reference, found.records, found.amount) == ("AL-2026-0001", 5, 5)
    assert (found.ids, found.state) == (("1", "2", "3", "4"), "new")
    assert (found.first_at, found.last_at) == (BEGIN, BEGIN + timedelta(seconds=90))
    assert len(Alerts(store).told("al-2026-0001")) == 2


def test_another_gateway_makes_no_twin(store: Store, clock: Clock):
    raising(store, clock).write([ONE])
    beside = replace(ONE, start=MINUTE + 5, until=MINUTE + 65, records=4, amount=4, ids=("9",))
    own = replace(ONE, start=MINUTE + 9, until=MINUTE + 69)
    assert raising(store, clock, "gw2").write([beside, own]) == 1  # two of its own are two
    assert raising(store, clock, "gw2").write([beside]) == 0
    first = Alerts(store).get("AL-2026-0001")
    assert (first.records, first.ids) == (7, ("1", "2", "3", "9"))
    later = replace(ONE, start=MINUTE + 69, until=MINUTE + 129)
    assert raising(store, clock).write([later]) == 1
    assert raising(store, clock).write([replace(ONE, who="CD5678"), replace(ONE, alert="b")]) == 2


def test_steps_by_the_rules(store: Store, clock: Clock):
    raising(store, clock).write([ONE])
    queue, name = Alerts(store, clock=clock), "AL-2026-0001"
    assert queue.see(PAUL, name, seen=1).state == "seen"
    with pytest.raises(StaleViewError):
        queue.see(PIA, name, seen=1)
    with pytest.raises(StepRefusedError, match="already"):
        queue.see(PIA, name, seen=2)
    with pytest.raises(StepRefusedError, match="such as AU-2026-0001"):
        queue.request(PIA, name, seen=2, authorisation="x'; --")
    asked = queue.request(PIA, name, seen=2, authorisation=" au-2026-0007 ")
    assert (asked.state, asked.authorisation) == ("requested", "AU-2026-0007")
    with pytest.raises(StepRefusedError, match="what came of it"):
        queue.close(PIA, name, seen=3, outcome="guilty", why="A remark of some length.")
    with pytest.raises(StepRefusedError):
        queue.close(PIA, name, seen=3, outcome="work", why="short")
    done = queue.close(PIA, name, seen=3, outcome="work", why="It was a training course.")
    assert (done.state, done.outcome) == ("closed", "work")
    with pytest.raises(StepRefusedError, match="closed already"):
        queue.close(PAUL, name, seen=4, outcome="case", why="It was a training course.")
    kinds = ["alert-raised", "alert-seen", "alert-requested", "alert-closed"]
    assert [step.kind for step in queue.steps(name)] == kinds
    assert queue.some(closed=False) == ()
    assert len(queue.some(closed=True)) == 1
    # What comes after is still counted into it.
    raising(store, clock).write([replace(ONE, records=9)])
    assert queue.get(name).records == 9


@pytest.mark.parametrize(
    ("actor", "rule"),
    [
        (Actor("audrey", frozenset({"auditor"}), "kerberos"), "role"),
        (Actor("root", frozenset({"operator"}), "command-line"), "role"),
        (Actor("ab1234", frozenset({"psd"}), "kerberos"), "own"),
    ],
)
def test_who_may_not(store: Store, clock: Clock, actor: Actor, rule: str):
    raising(store, clock).write([ONE])
    with pytest.raises(StepRefusedError) as caught:
        Alerts(store).see(actor, "AL-2026-0001", seen=1)
    assert caught.value.rule == rule
    assert Alerts(store).get("AL-2026-0001").state == "new"


def test_filters(store: Store, clock: Clock):
    others = [replace(ONE, who="CD5678"), replace(ONE, alert="b", kind="client", who="192.0.2.1")]
    raising(store, clock).write([ONE, *others])
    queue = Alerts(store)
    assert [each.who for each in queue.some(but="ab1234")] == ["192.0.2.1", "CD5678"]
    assert [each.who for each in queue.some(alert="b")] == ["192.0.2.1"]
    assert [each.who for each in queue.some(who="cd5678")] == ["CD5678"]
    assert queue.some(severity="high") == ()
    assert len(queue.some(most=2)) == 2
    with pytest.raises(UnknownReferenceError):
        queue.get("AL-2026-0099")


def test_steps_stay(store: Store, clock: Clock):
    raising(store, clock).write([ONE])
    for statement in (update(alert_steps).values(who="x"), delete(alert_steps)):
        with (
            pytest.raises((DatabaseError, StandingUnavailableError), match="append-only"),
            store.noting() as c,
        ):
            c.execute(statement)


def test_what_is_told_has_no_address_in_it(store: Store, clock: Clock):
    raising(store, clock).write([ONE])
    sent: list[tuple[str, str, str]] = []
    ways = {name: lambda *told: sent.append(told) for name in ("mail", "webhook")}
    box = Outbox(store, ways, "gw1", clock.unix, lambda: 1.0)
    other = Outbox(store, ways, "gw2", clock.unix, lambda: 1.0)
    other.step()
    assert sent == []
    box.step()
    box.step()
    assert [each[:2] for each in sent] == [
        ("AL-2026-0001", "psd@force.example"),
        ("AL-2026-0001", "siem"),
    ]
    told = json.loads(sent[0][2])
    assert told["record_ids"] == ["1", "2", "3"]
    assert told["who"] == {"kind": "person", "name": "AB1234"}
    made = letter(sent[0][2], "w@force.example", "psd@force.example", "https://w.example/")
    assert "https://w.example/psd/alerts/AL-2026-0001" in made.get_content()
    assert made["Message-ID"] == "<AL-2026-0001.watchhouse@force.example>"
    assert {each.state for each in Alerts(store).told("AL-2026-0001")} == {"delivered"}


def test_it_waits_longer_each_time_and_is_given_up_in_the_end(store: Store, clock: Clock):
    raising(store, clock).write([ONE])
    tries: list[datetime] = []

    def down(reference: str, target: str, body: str) -> None:
        del reference, target, body
        tries.append(clock.now)
        raise UndeliveredError("siem is down")

    ways = {"mail": lambda *_: None, "webhook": down}
    box = Outbox(store, ways, "gw1", clock.unix, lambda: 1.0)
    while clock.now < BEGIN + GIVEN_UP + timedelta(hours=3):
        box.step()
        (hook,) = [each for each in Alerts(store).told("AL-2026-0001") if each.way == "webhook"]
        if hook.state != "waiting":
            break
        clock.now += timedelta(seconds=5 if len(tries) < 5 else 4000)
    pauses = [(b - a).total_seconds() for a, b in pairwise(tries)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert max(pauses) <= LONGEST_PAUSE + 4000
    assert (hook.state, hook.problem, hook.attempts) == ("given-up", "siem is down", len(tries))
    assert tries[-1] - tries[0] >= GIVEN_UP
    tries.clear()
    clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    box.step()
    assert tries == []


def test_what_waits_is_counted_by_its_way(store: Store, clock: Clock):
    def down(*_: str) -> None:
        raise UndeliveredError("siem is down")

    box = Outbox(store, {"mail": lambda *_: None, "webhook": down}, "gw1", clock.unix, lambda: 1.0)
    raised = clock.unix()
    assert box.waiting() == ()
    raising(store, clock).write([ONE])
    assert box.waiting() == (
        Waiting("mail", 1, 0, raised, 0),
        Waiting("webhook", 1, 0, raised, 0),
    )
    box.step()
    clock.now += timedelta(minutes=2)
    raising(store, clock).write([replace(ONE, who="CD5678")])
    assert box.waiting() == (
        Waiting("mail", 1, 0, raised + 120, 0),
        Waiting("webhook", 2, 1, raised, 0),
    )
    assert Outbox(store, {}, "gw2", clock.unix, lambda: 1.0).waiting() == ()
    clock.now = BEGIN + GIVEN_UP + timedelta(hours=1)
    box.step()
    assert box.waiting() == (Waiting("webhook", 0, 0, 0.0, 2),)
    clock.now += RECENT
    assert box.waiting() == ()
