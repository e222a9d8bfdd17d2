"""Every change to a sealed log is found, and the file that was changed is named."""

from __future__ import annotations

import gzip
import random
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.segments import hours, record, write

from proxy_addons.accesslog.seal.checking import Checked, check
from proxy_addons.accesslog.seal.notes import Checkpoint, Signer, note_of
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.accesslog.segment import SegmentName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC).timestamp()
SIGNER = Signer("force.example/access-log", bytes(range(32)))


def sealed(folder: Path, count: int = 3) -> Checkpoint:
    """A log of two workers, sealed hour by hour."""
    chance = random.Random(1)
    for hour in range(1, count + 1):
        hours(folder / "access", hour, 12)
        done = seal(
            folder / "access",
            Seals(folder / "seals"),
            SIGNER,
            now=NOW,
            entropy=chance.randbytes,
            software="0.1.0",
        )
    return done.checkpoint


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    sealed(folder)
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    shutil.copytree(original, tmp_path / "log")
    for path in (tmp_path / "log").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    for path in (tmp_path / "log/access").iterdir():
        path.chmod(0o440)
    return tmp_path / "log"


def checked(folder: Path, seen: Checkpoint | None = None) -> Checked:
    return check(Seals(folder / "seals"), [SIGNER.verifier], access=folder / "access", seen=seen)


def test_a_log_as_it_was_sealed_has_no_faults(log: Path) -> None:
    found = checked(log)
    assert found.faults == found.left == ()
    assert (found.size, found.segments, found.records) == (6, 6, 72)


def test_one_day_is_looked_at_alone(log: Path) -> None:
    told: list[tuple[int, int]] = []
    found = check(
        Seals(log / "seals"),
        [SIGNER.verifier],
        day="20261122",
        told=lambda done, whole: told.append((done, whole)),
    )
    assert (found.faults, found.segments) == ((), 0)
    assert told == [(0, 0)]


def test_a_log_that_was_never_sealed(tmp_path: Path) -> None:
    (tmp_path / "seals").mkdir()
    found = checked(tmp_path)
    assert [fault.path.name for fault in found.faults] == ["checkpoint"]


FILES = {
    "the checkpoint": "seals/checkpoint",
    "an old checkpoint": "seals/checkpoints/000000/000000002",
    "the last checkpoint": "seals/checkpoints/000000/000000006",
    "the hashes": "seals/tile/0/000.p/6",
    "hashes of before": "seals/tile/0/000.p/4",
    "the entries": "seals/tile/entries/000.p/6",
    "entries of before": "seals/tile/entries/000.p/2",
    "the first lines": "seals/segments/2026/11/21/access-w01-20261121T08Z-0001.jsonl.gz",
    "the last lines": "seals/segments/2026/11/21/access-w02-20261121T10Z-0001.jsonl.gz",
    "a salt": "seals/salts/2026/11/21/access-w01-20261121T09Z-0001.jsonl.salt",
    "another salt": "seals/salts/2026/11/21/access-w02-20261121T10Z-0001.jsonl.salt",
    "a segment": "access/access-w02-20261121T09Z-0001.jsonl",
}


def _flipped(place: float) -> Callable[[bytes], bytes]:
    def change(octets: bytes) -> bytes:
        at = min(len(octets) - 1, int(len(octets) * place))
        return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]

    return change


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit at its start": _flipped(0),
    "a bit early on": _flipped(0.2),
    "a bit in the middle": _flipped(0.5),
    "a bit late": _flipped(0.8),
    "a bit at its end": _flipped(1),
    "an octet fewer at its end": lambda octets: octets[:-1],
    "an octet fewer at its start": lambda octets: octets[1:],
    "half of it": lambda octets: octets[: len(octets) // 2],
    "nothing": lambda _: b"",
    "an octet more": lambda octets: octets + b"\0",
    "a newline more": lambda octets: octets + b"\n",
    "an octet more at its start": lambda octets: b" " + octets,
    "an octet more in the middle": lambda octets: octets[:40] + b"x" + octets[40:],
    "itself twice": lambda octets: octets * 2,
    "zeros": lambda octets: bytes(len(octets)),
    "backwards": lambda octets: octets[::-1],
    "two octets swapped": lambda octets: octets[:50] + octets[51:52] + octets[50:51] + octets[52:],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_changed_is_named(log: Path, file: str, change: str) -> None:
    path = log / FILES[file]
    octets = path.read_bytes()
    changed = CHANGES[change](octets)
    if changed == octets:
        changed = _flipped(0.5)(octets)  # two that are swapped may be the same
    path.chmod(0o600)
    path.write_bytes(changed)
    found = checked(log)
    named = [str(fault) for fault in found.faults]
    assert any(FILES[file].removeprefix("seals/") in each for each in named), named


OF_BEFORE = {"entries of before", "an old checkpoint"}


@pytest.mark.parametrize("file", sorted(FILES.keys() - OF_BEFORE - {"a segment"}))
def test_a_file_that_was_taken_away_is_named(log: Path, file: str) -> None:
    (log / FILES[file]).unlink()
    named = [str(fault) for fault in checked(log).faults]
    assert any(FILES[file].removeprefix("seals/") in each for each in named), named


@pytest.mark.parametrize("file", sorted(OF_BEFORE))
def test_what_the_larger_log_says_too_may_be_gone(log: Path, file: str) -> None:
    (log / FILES[file]).unlink()
    assert checked(log).faults == ()


SWAPS = [
    ("the first lines", "the last lines"),
    ("a salt", "another salt"),
    ("an old checkpoint", "the last checkpoint"),
    ("the checkpoint", "an old checkpoint"),
    ("the hashes", "the entries"),
    ("hashes of before", "the hashes"),
]


@pytest.mark.parametrize(("one", "other"), SWAPS)
def test_files_that_were_swapped_are_named(log: Path, one: str, other: str) -> None:
    first, second = log / FILES[one], log / FILES[other]
    octets = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(octets)
    named = [str(fault) for fault in checked(log).faults]
    for file in (one, other) if one != "hashes of before" else (other,):
        assert any(FILES[file].removeprefix("seals/") in each for each in named), named


LINES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one fewer": lambda lines: lines[:3] + lines[4:],
    "the first fewer": lambda lines: lines[1:],
    "the last fewer": lambda lines: lines[:-1],
    "one twice": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "two swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "in another order": lambda lines: lines[::-1],
    "somebody else's name": lambda lines: [line.replace(b"AB1234", b"ZZ9999") for line in lines],
    "another time": lambda lines: [line.replace(b"T08:", b"T09:") for line in lines],
    "another address": lambda lines: [line.replace(b"site1.test", b"site9.test") for line in lines],
    "allowed is refused": lambda lines: [lines[0].replace(b"allow", b"block"), *lines[1:]],
    "a space more": lambda lines: [lines[0] + b" ", *lines[1:]],
    "an empty line": lambda lines: [*lines[:5], b"", *lines[5:]],
    "a line of its own": lambda lines: [*lines, b'{"seq":13,"worker":1}'],
    "none": lambda _: [],
}


@pytest.mark.parametrize("change", LINES)
def test_lines_that_were_changed_and_packed_again_are_found(log: Path, change: str) -> None:
    """By somebody who knows how it is made: also in the segment itself."""
    for name in ("access-w01-20261121T08Z-0001.jsonl",):
        packed = log / f"seals/segments/2026/11/21/{name}.gz"
        lines = gzip.decompress(packed.read_bytes()).splitlines()
        octets = b"".join(line + b"\n" for line in LINES[change](lines))
        packed.write_bytes(gzip.compress(octets, mtime=0))
        (log / "access" / name).chmod(0o600)
        (log / "access" / name).write_bytes(octets)
    named = {fault.path.name for fault in checked(log).faults}
    assert {packed.name, name} <= named


def test_a_log_that_was_sealed_anew_is_another_one(log: Path) -> None:
    """Lines changed, and all of it sealed again: without the key it is signed by somebody else."""
    shutil.rmtree(log / "seals")
    thief = Signer(SIGNER.name, bytes(32))
    seal(
        log / "access",
        Seals(log / "seals"),
        thief,
        now=NOW,
        entropy=random.Random(9).randbytes,
        software="x",
    )
    assert any("not signed by any key" in each.what for each in checked(log).faults)


def test_with_the_key_too_it_is_not_what_was_seen(log: Path, original: Path) -> None:
    seen = Checkpoint.parse((original / "seals/checkpoint").read_text().partition("\n\n")[0] + "\n")
    assert checked(log, seen).faults == ()
    shutil.rmtree(log / "seals")
    write(log / "access", "20261121T07", [record(1, 3, datetime(2026, 11, 21, 7, tzinfo=UTC))])
    seal(
        log / "access",
        Seals(log / "seals"),
        SIGNER,
        now=NOW,
        entropy=random.Random(9).randbytes,
        software="x",
    )
    assert checked(log).faults == ()
    assert [each.what for each in checked(log, seen).faults] == [
        "its first 6 entries are not those that were seen once"
    ]


def test_a_log_that_went_back_is_found_by_whoever_has_seen_it(tmp_path: Path) -> None:
    seen = sealed(tmp_path, 3)
    shutil.rmtree(tmp_path / "seals")
    shutil.rmtree(tmp_path / "access")
    sealed(tmp_path, 2)  # as it was an hour before, to the last octet
    assert checked(tmp_path).faults == ()
    assert [each.what for each in checked(tmp_path, seen).faults] == [
        "had 6 entries once, and has 4 now"
    ]
    shutil.rmtree(tmp_path / "seals")
    (tmp_path / "seals").mkdir()
    assert any("all are gone" in each.what for each in checked(tmp_path, seen).faults)


def test_what_nobody_sealed_is_named(log: Path) -> None:
    strange = [
        "seals/segments/2026/11/21/access-w03-20261121T08Z-0001.jsonl.gz",
        "seals/salts/2026/11/21/x.salt",
        "seals/notes.txt",
        "seals/checkpoints/000000/000000009",
        "seals/checkpoints/000000/x",
        "seals/segments/2026/11/22/access-w01-20261121T08Z-0001.jsonl.gz",
    ]
    for name in strange:
        (log / name).parent.mkdir(parents=True, exist_ok=True)
        (log / name).write_bytes(b"x")
    named = {str(fault.path.relative_to(log)) for fault in checked(log).faults}
    assert named == set(strange)


def test_what_an_attempt_left_behind_is_no_fault(log: Path) -> None:
    name = SegmentName("20261121T11", 1, 1)
    write(log / "access", name.hour, [record(37, 1, datetime(2026, 11, 21, 11, tzinfo=UTC))])
    seals = Seals(log / "seals")
    left = [
        seals.packed(name),
        seals.salt(name),
        log / "seals/tile/0/000.p/7",
        log / "seals/tile/entries/000.p/7",
        log / "seals/checkpoints/000000/000000007.half",
    ]
    for path in left:
        path.write_bytes(b"x")
    found = checked(log)
    assert (found.faults, set(found.left)) == ((), set(left))


def test_a_checkpoint_of_another_log_does_not_count(log: Path) -> None:
    other = Checkpoint("other.example/log", 6, bytes(32))
    stranger = Signer("other.example/log", bytes(32))
    path = log / "seals/checkpoints/000000/000000006"
    path.write_text(note_of(str(other), [stranger.sign(str(other))]))
    keys = [SIGNER.verifier, stranger.verifier]
    found = check(Seals(log / "seals"), keys, access=log / "access")
    assert any("of another log" in each.what for each in found.faults)
