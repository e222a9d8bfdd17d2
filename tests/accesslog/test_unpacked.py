"""Segments that are only there sealed: read as if they were still there, from either end."""

from __future__ import annotations

import gzip
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.segments import hours, record, write

from proxy_addons.accesslog.reader import Filter, LogReader, snapshot
from proxy_addons.accesslog.reference import References
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.accesslog.unpacked import PackedError, numbered, sealed_in, unpacked

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC).timestamp()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three hours of two workers, sealed; the first two hours are not there any more."""
    hours(tmp_path / "access", 3, 20)
    sealed(tmp_path)
    for path in (tmp_path / "access").iterdir():
        if "T10Z" not in path.name:
            path.unlink()
    return tmp_path


def sealed(folder: Path) -> None:
    seal(
        folder / "access",
        Seals(folder / "sealed"),
        Signer("force.example/log", bytes(32)),
        now=NOW,
        entropy=random.Random(1).randbytes,
        software="x",
    )


def reader(log: Path) -> LogReader:
    return LogReader(log / "access", sealed=log / "sealed")


@pytest.mark.parametrize("newest_first", [False, True])
def test_all_records_are_read_each_once_in_order(log: Path, newest_first: bool) -> None:
    found = list(reader(log).entries(newest_first=newest_first))
    starts = [entry.record["start"] for entry in found]
    assert len(found) == 120
    assert len({(entry.record["worker"], entry.record["seq"]) for entry in found}) == 120
    assert starts == sorted(starts, reverse=newest_first)
    assert {entry.segment.suffix for entry in found} == {".gz", ".jsonl"}
    for entry in found:
        octets = entry.segment.read_bytes()
        if entry.segment.suffix == ".gz":
            octets = gzip.decompress(octets)
        assert octets[entry.offset :].startswith(entry.raw + b"\n")


def test_without_the_seals_only_what_is_there_is_read(log: Path) -> None:
    assert len(list(LogReader(log / "access").entries())) == 40


def test_a_time_leaves_out_what_is_earlier(log: Path) -> None:
    since = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    found = list(reader(log).entries(Filter(since=since)))
    assert len(found) == 60
    assert len(sealed_in(log / "sealed", 1, datetime(2026, 11, 21, 9, tzinfo=UTC))) == 2
    assert sealed_in(log / "sealed", 1, datetime(2026, 11, 22, tzinfo=UTC)) == []
    assert sealed_in(log / "nothing") == []


def test_a_snapshot_bounds_what_is_still_written_only(log: Path) -> None:
    ends = snapshot(log / "access")
    late = write(log / "access", "20261121T11", [record(61, 1, datetime.now(UTC))])
    found = list(LogReader(log / "access", ends, log / "sealed").entries(newest_first=True))
    assert len(found) == 120
    sealed(log)
    assert late.exists()
    assert len(list(LogReader(log / "access", ends, log / "sealed").entries())) == 120


def test_a_segment_that_goes_while_it_is_read_is_read_on(log: Path) -> None:
    entries = reader(log).entries()
    first = next(entries)  # the list of segments is made
    for path in (log / "access").iterdir():
        path.unlink()
    assert len([first, *entries]) == 120


def test_a_reference_number_of_a_segment_that_is_gone_is_found(tmp_path: Path) -> None:
    begun = datetime(2026, 11, 21, 8, 20, tzinfo=UTC)
    reference = References(1, entropy=random.Random(1).randbytes).next(begun.timestamp())
    records = [record(1, 1, begun), record(2, 1, begun, id=reference), record(3, 1, begun)]
    write(tmp_path / "access", "20261121T08", records)
    sealed(tmp_path)
    for path in (tmp_path / "access").iterdir():
        path.unlink()
    (found,) = reader(tmp_path).find(reference)
    assert found.record["seq"] == 2


DAMAGE = {
    "cut": lambda octets: octets[:-9],
    "no gzip": lambda octets: b"x" + octets[1:],
    "something behind": lambda octets: octets + b"x",
    "half a line": lambda _: gzip.compress(b'{"a":1}\n{"b"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_one_is_named(log: Path, damage: str) -> None:
    (_, path), *_ = sealed_in(log / "sealed")
    path.chmod(0o600)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(PackedError):
        list(unpacked(path))
    looked = reader(log)
    assert len(list(looked.entries())) >= 100
    assert any(path.name in each for each in looked.problems)


def test_lines_over_the_borders_of_blocks(tmp_path: Path) -> None:
    chance = random.Random(1)
    lines = [chance.randbytes(1 + n % 4000).hex().encode() for n in range(2000)]
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines)))
    assert list(unpacked(path)) == lines
    assert [raw for _, raw in numbered(lines)] == lines
