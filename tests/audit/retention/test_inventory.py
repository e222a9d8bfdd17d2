"""What there is of a real sealed log, and the command that lists it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.segments import record, write
from support.standing import opened

from proxy_addons.accesslog.seal.keys import read_or_make
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.retention.certificates import Certificates, Erased
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.inventory import InventoryError, segments
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.cli import main
from proxy_addons.standing import Actor

if TYPE_CHECKING:
    from pathlib import Path

HOUR = datetime(2025, 3, 1, 10, tzinfo=UTC)
PSD = Actor("pat", frozenset({"psd"}), "kerberos")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three sealed segments: two with records, one without any."""
    access, sealed = tmp_path / "log" / "access", tmp_path / "log" / "sealed"
    early = HOUR - timedelta(hours=3)  # a long transaction that ended in this hour
    times = [early, HOUR + timedelta(minutes=59)]
    write(access, "20250301T10", [record(number, 1, at) for number, at in enumerate(times, 1)])
    write(access, "20250301T11", [], worker=2)
    behind = [record(3, 1, HOUR - timedelta(days=400))]  # by a clock that was wrong
    write(access, "20250301T12", behind)
    entropy = random.Random(1).randbytes
    signer = read_or_make(tmp_path / "key", "proxy.test/log", entropy)
    seal(access, Seals(sealed), signer, now=HOUR.timestamp() + 86400, entropy=entropy, software="t")
    return tmp_path


def test_each_segment_that_is_there_is_an_item(data: Path) -> None:
    seals = Seals(data / "log" / "sealed")
    found = {each.name[11:22]: each for each in segments(seals)}
    assert set(found) == {"20250301T10", "20250301T11", "20250301T12"}
    first, empty, behind = (found[each] for each in sorted(found))
    assert (first.kind, first.records, first.divisible) == (Class.ACCESS_LOG, 2, True)
    assert (first.since, first.until) == (HOUR - timedelta(hours=3), HOUR + timedelta(minutes=59))
    assert first.counted_from == HOUR + timedelta(hours=1)
    assert (empty.since, empty.until, empty.records) == (None, None, 0)
    assert empty.counted_from == HOUR + timedelta(hours=2)
    assert behind.counted_from == HOUR + timedelta(hours=3), "not 400 days before"
    assert all(each.persons is None for each in found.values())
    name = SegmentName.parse(first.name)
    assert name is not None
    seals.packed(name).unlink()
    assert [each.name for each in segments(Seals(seals.folder))] == [empty.name, behind.name]


def test_a_log_that_cannot_be_read_says_so(data: Path, tmp_path: Path) -> None:
    assert segments(Seals(tmp_path / "none")) == ()
    for bundle in (data / "log" / "sealed" / "tile" / "entries").rglob("*"):
        if bundle.is_file():
            bundle.chmod(0o600)
            bundle.write_bytes(b"x" * 90)
    with pytest.raises(InventoryError, match="log verify"):
        segments(Seals(data / "log" / "sealed"))


def test_the_command(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*words: str) -> str:
        assert main(["retention", *words, "--data", str(data)]) == 0
        return capsys.readouterr().out

    assert say("holds") == "no holds\n"
    assert say("certificates") == "no certificates\n"
    due = json.loads(say("due", "--json"))
    assert [each["fate"] for each in due] == ["erase"] * 3
    assert due[0]["rule"] == "access-log: 12 months after the last record of a segment"
    wanted = WantedHold(
        scope=Scope(since=HOUR - timedelta(days=1), until=HOUR + timedelta(minutes=30)),
        case_reference="PSD/1/26",
        owner="kim",
        why="A hearing that is pending.",
        review_at=datetime.now(UTC) + timedelta(days=30),
    )
    zone = UTC
    with opened(data) as store:
        Holds(store, zone=zone).place(PSD, wanted)
        Certificates(store).issue(
            PSD,
            Erased(
                kind=Class.EXPORTS, subject="export 7", records=3, segments=1,
                rule="exports: 3 months", digest="0" * 64,
            ),
        )  # fmt: skip
    fates = {each["name"][11:22]: (each["fate"], each["held_by"]) for each in
             json.loads(say("due", "--json"))}  # fmt: skip
    assert fates["20250301T10"][0] == "erase-part"
    assert fates["20250301T12"] == ("erase", [])
    assert "erase-part" in say("due")
    holds = json.loads(say("holds", "--json"))
    assert [(each["case"], each["in_force"]) for each in holds] == [("PSD/1/26", True)]
    assert "PSD/1/26" in say("holds", "--all")
    (certificate,) = json.loads(say("certificates", "--json"))
    assert (certificate["class"], certificate["records"]) == ("exports", 3)
    assert "export 7" in say("certificates")
