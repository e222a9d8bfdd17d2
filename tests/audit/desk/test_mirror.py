"""Steps of the registers come to the trail: each once, whoever asks again."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.sampling import AUDITOR, LONDON, NOW, PSD, REVIEWER, Office

from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.desk.mirror import Book, Mirror
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.collateral import Collateral, Decision, WantedDecision
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.audit.store import At
from proxy_addons.audit.trail import COLLATERAL, DISPOSAL, DRAW, HOLD, Trail
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.standing import Store


class Kept:
    """A trail, registers, and mirrors of them."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.office = Office(store)
        self.holds = Holds(store, zone=LONDON, clock=lambda: NOW)
        self.collateral = Collateral(store, clock=lambda: NOW)
        self.certificates = Certificates(store, clock=lambda: NOW)
        self.trail = Trail(folder / "trail", clock=NOW.timestamp)
        self.trail.start()
        self.reader = TrailReader(folder / "trail", Seals(folder / "sealed").folder)

    def mirror(self) -> Mirror:
        books = (
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
