"""Erasing by the schedule and by order: what is over goes, what is held stays, all is certified."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import pytest
from support import erasing as support
from support.segments import hours
from support.standing import opened

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.retention import erasing
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.erasing import Eraser, Places, Result
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.retention.schedule import Schedule
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.settings.retention import Retention
from proxy_addons.standing import Actor, StepRefusedError, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONDON = ZoneInfo("Europe/London")
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
OTHER = Actor("robin", frozenset({"psd"}), "kerberos")
ROOT = Actor("root", frozenset({"operator"}), "command-line")
RECORDED = datetime(2026, 11, 21, tzinfo=UTC)
OVER = datetime(2027, 11, 22, tzinfo=UTC)
"""When the last of the records' twelve months ended."""
WHY = "The hearing is not over."


@dataclass
class Force:
    """A force's log, store and clock."""

    folder: Path
    store: Store
    now: datetime = OVER
    trail: list[str] = field(default_factory=list)

    def eraser(self) -> Eraser:
        folder = self.folder
        places = Places(folder / "access", Seals(folder / "seals"), folder / "parquet")
        return Eraser(
            places,
            support.SIGNER,
            self.store,
            Schedule.of(Retention(), LONDON),
            clock=lambda: self.now,
            trail=lambda reference, _: self.trail.append(reference),
        )

    def hold(self, **scope: object) -> None:
        wanted = WantedHold(
            scope=Scope(**scope),  # type: ignore[arg-type]
            case_reference="MC/26/1",
            owner="pat",
            why=WHY,
            review_at=self.now + timedelta(days=30),
        )
        Holds(self.store, zone=LONDON, clock=lambda: self.now).place(PSD, wanted)

    def rows(self) -> int:
        parquet = self.folder / "parquet"
        paths = [str(parquet / each.name) for each in Index.read(parquet).files]
        if not paths:
            return 0
        found = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    support.sealed(folder)
    at = RECORDED.timestamp() + 2 * 86400
    done = compact(folder / "access", Seals(folder / "seals"), folder / "parquet", now=at)
    assert done.problems == ()
    return folder


@pytest.fixture
def force(original: Path, tmp_path: Path) -> Iterator[Force]:
    shutil.copytree(original, tmp_path / "log")
    with opened(tmp_path / "data") as store:
        yield Force(tmp_path / "log", store)


def left(force: Force) -> tuple[int, int]:
    """Lines that are proved, and rows."""
    found = support.checked(force.folder)
    assert found.faults == ()
    return found.records, force.rows()


def test_not_a_moment_too_early(force: Force) -> None:
    before = left(force)
    force.now = OVER - timedelta(seconds=1)
    assert force.eraser().erase_due() == Result()
    assert left(force) == before
    force.now = OVER
    result = force.eraser().erase_due()
    assert (result.records, result.waiting, result.held) == (72, [], [])
    assert left(force) == (0, 0)
    (certificate,) = result.certificates
    assert (certificate.records, certificate.segments, certificate.by) == (72, 6, "watchhouse")
    assert certificate.rule == "access-log: 12 months after the last record of a segment"
    assert force.trail == [certificate.reference]
    assert force.eraser().erase_due() == Result()
    assert b"AB1234" not in support.octets_of(force.folder / "seals")


def test_a_hold_on_one_person_keeps_theirs_and_nobody_elses(force: Force) -> None:
    force.hold(persons=frozenset({"ab1234"}), unknown_too=False)
    result = force.eraser().erase_due()
    assert result.records == 54
    everything = support.octets_of(force.folder / "seals")
    assert b"AB1234" in everything
    assert b"CD5678" not in everything
    assert left(force)[0] == 18
    assert force.eraser().erase_due().records == 0


def test_a_hold_on_a_time_keeps_all_of_it(force: Force) -> None:
    hour = datetime(2026, 11, 21, 9, tzinfo=UTC)
    force.hold(since=hour, until=hour + timedelta(hours=1))
    result = force.eraser().erase_due()
    assert (result.records, len(result.held)) == (48, 2)
    assert left(force)[0] == 24


def test_a_hold_that_is_placed_meanwhile_wins(
    force: Force, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, placed = erasing.erase, []

    def meanwhile(*args: object, **more: object) -> object:
        if not placed:
            placed.append(True)
            force.hold(persons=frozenset({"cd5678"}), unknown_too=False)
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(erasing, "erase", meanwhile)
    force.eraser().erase_due()
    assert left(force)[0] == 18
    assert b"CD5678" in support.octets_of(force.folder / "seals")


def test_a_certificate_that_is_missing_is_issued_by_the_next_run(
    force: Force, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise OSError("the power goes")

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "drop", cut)
        with pytest.raises(OSError, match="the power goes"):
            force.eraser().erase_due()
    assert Certificates(force.store).all() == ()
    assert force.rows() > 0
    (certificate,) = force.eraser().erase_due().certificates
    assert certificate.records == 72
    assert left(force) == (0, 0)
    assert force.eraser().settle() == []


def test_an_order_takes_two_people_and_takes_one_persons_lines(force: Force) -> None:
    orders = Orders(force.store, clock=lambda: force.now)
    day = RECORDED, RECORDED + timedelta(hours=9, minutes=30)
    order = orders.ask(PSD, "AB1234", *day, why=WHY)
    with pytest.raises(ValueError, match="not confirmed"):
        force.eraser().erase_ordered(order)
    for actor, rule in ((PSD, "four-eyes"), (ROOT, "role"), (replace(OTHER, name="ab1234"), "own")):
        with pytest.raises(StepRefusedError) as refused:
            orders.confirm(actor, order.reference)
        assert refused.value.rule == rule
    order = orders.confirm(OTHER, order.reference)
    force.now = datetime(2026, 12, 24, tzinfo=UTC)
    result = force.eraser().erase_ordered(order)
    before = support.octets_of(force.folder / "seals").count(b'"person":"AB1234"')
    # Of 18 lines in three hours those that began before half past nine are gone.
    assert (result.records, before, left(force)) == (8, 10, (64, 64))
    assert [each.rule for each in result.certificates] == [f"by order {order.reference}"]
    done = orders.done(PSD, order.reference, records=result.records)
    assert not done.may_be_done
    assert [each.kind for each in orders.steps(order.reference)] == [
        "order",
        "confirmation",
        "erasure",
    ]


def test_an_order_yields_to_a_hold_and_waits_for_what_is_not_sealed(force: Force) -> None:
    orders = Orders(force.store, clock=lambda: force.now)
    order = orders.ask(PSD, "AB1234", RECORDED, OVER, why=WHY)
    order = orders.confirm(OTHER, order.reference)
    force.hold(persons=frozenset({"ab1234"}))
    hours(force.folder / "access", 4, 12)
    result = force.eraser().erase_ordered(order)
    assert result.records == 0
    assert len(result.waiting) == 2
    with pytest.raises(StepRefusedError):
        orders.ask(PSD, "AB1234", RECORDED, OVER + timedelta(days=1), why=WHY)
