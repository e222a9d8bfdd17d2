"""The commands that erase, and the keeper's step, on a gateway's own folders."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.authority import PAT, World
from support.erasing import NOW, octets_of
from support.segments import hours
from support.standing import opened

from proxy_addons.accesslog.keeper.step import Context
from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.keys import read_or_make
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.audit.retention.step import Erasing
from proxy_addons.audit.savedsearches import SavedSearches
from proxy_addons.cli import main
from proxy_addons.settings.load import load
from proxy_addons.settings.model import Paths
from proxy_addons.standing import Actor

CONFIG = Path(__file__).parents[3] / "config"
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
OTHER = Actor("robin", frozenset({"psd"}), "kerberos")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A gateway of which two years ago are still there."""
    paths = Paths(tmp_path, tmp_path, tmp_path)
    hours(paths.access_log_dir, 2, 8, first="20241121T08", workers=1)
    entropy = random.Random(1).randbytes
    signer = read_or_make(paths.seal_key, "proxy.test/log", entropy)
    seal(
        paths.access_log_dir, Seals(paths.sealed_dir), signer,
        now=NOW, entropy=entropy, software="t",
    )  # fmt: skip
    return tmp_path


def test_what_is_due_is_shown_and_erased(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*words: str) -> str:
        assert main(["retention", *words, "--data", str(data)]) == 0
        return capsys.readouterr().out

    before = octets_of(data / "log/sealed")
    assert "erase: 2 segments, 16 records" in say("erase", "--due", "--dry-run")
    assert octets_of(data / "log/sealed") == before
    assert "16 records erased, 0 segments held" in say("erase", "--due")
    assert "DC-" in say("certificates")
    assert b"AB1234" not in octets_of(data / "log")
    assert say("erase", "--due") == "0 records erased, 0 segments held\n"
    assert say("orders") == "no orders\n"


def test_who_sits_at_the_machine_orders_nothing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["AB1234", "--since", "2024-11-20", "--until", "2024-11-22", "--reason", "Because."]
    assert main(["retention", "erase-person", *words, "--data", str(data)]) == 1
    assert "professional standards" in capsys.readouterr().err
    assert main(["retention", "confirm-erasure", "EO-2026-0001", "--data", str(data)]) == 1


def test_the_keeper_erases_once_a_day(data: Path) -> None:
    settings = replace(load(CONFIG, environ={}), paths=Paths(data, data, data))
    at, since = NOW - 400 * 86400.0, datetime(2024, 11, 20, tzinfo=UTC)
    with opened(data) as store:
        orders = Orders(store)
        order = orders.ask(
            PSD, "AB1234", since, since + timedelta(days=3), why="Recorded in error."
        )
        orders.confirm(OTHER, order.reference)
        step = Erasing()
        done = step.run(Context(settings, lambda: at, random.Random(2).randbytes))
        assert done.said == "4 records erased, 1 certificates"
        assert orders.get(order.reference).done_at is not None
        again = Context(settings, lambda: at + 3600, random.Random(3).randbytes, done.known)
        assert step.run(again).known == done.known
        later = Context(settings, lambda: NOW, random.Random(3).randbytes, done.known)
        assert step.run(later).said == "12 records erased, 1 certificates"
        assert len(Certificates(store).all()) == 2
    paths = settings.paths
    signer = read_or_make(paths.seal_key, "", random.Random(1).randbytes)
    found = check(Seals(paths.sealed_dir), [signer.verifier], access=paths.access_log_dir)
    assert (found.faults, found.records) == ((), 0)


def test_the_keeper_erases_saved_searches_too(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(load(CONFIG, environ={}), paths=Paths(data, data, data))
    with opened(data) as store:
        world = World(store)
        held = world.approved()
        SavedSearches(store, clock=lambda: world.now).save(PAT, held.reference, "One", "")
        for months, certificates in ((83, 0), (85, 1)):
            at = (held.valid_until + timedelta(days=months * 30.5)).timestamp()
            Erasing().run(Context(settings, lambda at=at: at, random.Random(2).randbytes))
            assert len(Certificates(store).all(Class.DETAILS)) == certificates
    assert main(["retention", "due", "--data", str(data)]) == 0
    assert "nothing is due" in capsys.readouterr().out
