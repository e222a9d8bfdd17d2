"""Steps of the registers come to the trail: each once, whoever asks again."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.alerting import raised
from support.desk import prepared
from support.sampling import AUDITOR, LONDON, NOW, PSD, REVIEWER, Office

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.audit.desk.mirror import Book, Mirror
from proxy_addons.audit.desk.service import Service
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.collateral import Collateral, Decision, WantedDecision
from proxy_addons.audit.retention.erasing import SCHEDULE
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.audit.store import At
from proxy_addons.audit.trail import ALERT, COLLATERAL, DISPOSAL, DRAW, ERASURE, HOLD, STEP, Trail
from proxy_addons.audit.trailreader import TrailFilter, TrailReader
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from proxy_addons.standing import Store

TESTS = Path(__file__).parents[2]


class Kept:
    """A trail, registers, and mirrors of them."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.office = Office(store)
        self.holds = Holds(store, zone=LONDON, clock=lambda: NOW)
        self.collateral = Collateral(store, clock=lambda: NOW)
        self.certificates = Certificates(store, clock=lambda: NOW)
        self.store = store
        self.orders = Orders(store, clock=lambda: NOW)
        self.alerts = Alerts(store, clock=lambda: NOW)
        self.trail = Trail(folder / "trail", clock=NOW.timestamp)
        self.trail.start()
        self.reader = TrailReader(folder / "trail", Seals(folder / "sealed").folder)

    def mirror(self) -> Mirror:
        books = (
            Book(ERASURE, self.orders.steps_since),
            Book(ALERT, self.alerts.steps_since),
            Book(DRAW, self.office.sampling.steps_since),
            Book(HOLD, self.holds.steps_since),
            Book(DISPOSAL, self.certificates.steps_since),
            Book(COLLATERAL, self.collateral.steps_since),
        )
        return Mirror(books, self.trail, self.reader)

    def told(self, event: str) -> list[dict[str, Any]]:
        page = self.reader.page(TrailFilter(event=event), most=1000)
        return [each.record for each in page.records][::-1]


@pytest.fixture
def kept(tmp_path: Path, store: Store) -> Any:
    made = Kept(tmp_path, store)
    with closing(made.trail):
        yield made


def test_every_step_comes_once(kept: Kept) -> None:
    mirror = kept.mirror()
    assert mirror.copy() == 0
    plan = kept.office.drawn()
    sample = kept.office.reviewing.take_next(REVIEWER, plan.reference)
    assert sample is not None
    first = mirror.copy()
    kept.office.reviewing.decide(REVIEWER, sample.pseudonym, code="no-concern")
    made = kept.holds.place(
        PSD,
        WantedHold(
            scope=Scope(frozenset({"jane"})),
            case_reference="CM/1/26",
            owner="pat",
            why="A claim is announced.",
            review_at=NOW + timedelta(days=30),
        ),
    )
    kept.holds.ask_to_lift(PSD, made.reference, seen=1, why="The claim is settled.")
    kept.collateral.decide(
        PSD,
        WantedDecision(
            authorisation="AU-2026-0001",
            decision=Decision.DISREGARD,
            rows=frozenset({At("s", 3), At("s", 4)}),
            since=NOW,
            until=NOW,
            persons=None,
            why="Of another person's computer.",
            criminal=False,
        ),
    )
    # Another desk, after a restart, goes on where the trail is.
    restarted = kept.mirror()
    assert restarted.copy() > 0
    assert restarted.copy() == 0
    steps = kept.office.sampling.steps(plan.reference)
    draws = kept.told(DRAW)
    assert first < len(steps)
    assert [each["outcome"]["step"] for each in draws] == [step.kind for step in steps]
    assert {each["authorisation"] for each in draws} == {plan.reference}
    assert {each["person"] for each in draws} == {PSD.name, REVIEWER.name, AUDITOR.name}
    assert [each["outcome"]["step"] for each in kept.told(HOLD)] == ["hold", "lift-request"]
    (disposal,) = kept.told(DISPOSAL)
    assert disposal["authorisation"] == "DC-2026-0001"
    assert sample.pseudonym in disposal["outcome"]["note"]
    (decided,) = kept.told(COLLATERAL)
    assert decided["outcome"]["changes"]["records"] == "2"


def test_orders_to_erase_and_alerts_come_too(kept: Kept) -> None:
    mirror = kept.mirror()
    order = kept.orders.ask(
        PSD, "jane", NOW - timedelta(days=9), NOW, why="As a court has ordered."
    )
    assert mirror.copy() == 1
    kept.orders.confirm(REVIEWER, order.reference)
    kept.orders.done(SCHEDULE, order.reference, records=7)  # by the keeper, which has no trail
    other = kept.orders.ask(PSD, "john", NOW - timedelta(days=9), NOW, why="As another has asked.")
    kept.orders.refuse(REVIEWER, other.reference, why="The case is still open.")
    raised(kept.store, 1)
    kept.alerts.see(PSD, "AL-2026-0001", seen=1)
    kept.alerts.close(
        REVIEWER, "AL-2026-0001", seen=2, outcome="work", why="It was part of a course."
    )
    assert kept.mirror().copy() == 7
    assert kept.mirror().copy() == 0
    erasures, alerts = kept.told(ERASURE), kept.told(ALERT)
    assert [(each["authorisation"], each["outcome"]["step"]) for each in erasures] == [
        (order.reference, "order"),
        (order.reference, "confirmation"),
        (order.reference, "erasure"),
        (other.reference, "order"),
        (other.reference, "refusal"),
    ]
    assert [each["person"] for each in erasures[:3]] == [PSD.name, REVIEWER.name, "watchhouse"]
    assert erasures[0]["outcome"]["changes"]["person"] == "jane"
    assert erasures[2]["outcome"]["changes"] == {"records": "7"}
    assert [each["outcome"]["step"] for each in alerts] == [
        "alert-raised",
        "alert-seen",
        "alert-closed",
    ]
    assert {each["authorisation"] for each in alerts} == {"AL-2026-0001"}
    assert alerts[0]["outcome"]["changes"] == {"alert": "a", "severity": "medium"}
    assert alerts[2]["outcome"]["changes"] == {"outcome": "work"}
    assert "AB0000" not in json.dumps(alerts), "about whom is in the queue"


def test_a_kill_at_any_call_leaves_no_step_out_and_none_twice(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.mirrorkill", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"},
        timeout=300,
    )
    *killed, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(killed) >= 20, "points"
    assert all(each["killed"] for each in killed)
    assert not last["killed"]
    assert {each["then"] for each in killed} == set(range(7)), "between any two of them"
    for each in (*killed, last):
        assert each["after"] == {ERASURE: [1, 2, 3], ALERT: [1, 2, 3]}, each


def test_the_desk_copies_from_all_of_them(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    with closing(open_store(settings.standing, settings.paths)) as store:
        Orders(store, clock=lambda: NOW).ask(
            PSD, "jane", NOW - timedelta(days=9), NOW, why="As a court has ordered."
        )
        raised(store, 1)
    service = Service(settings, lambda: NOW)
    try:
        service._mirror.copy()
    finally:
        service.close()
    log = trail_of(settings)
    page = TrailReader(log.segments, log.sealed).page(most=100)
    assert {STEP, ERASURE, ALERT} == {each.record["event"] for each in page.records}
