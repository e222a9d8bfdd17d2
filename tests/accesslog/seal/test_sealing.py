"""Sealing: what has ended is sealed once, in order, and never otherwise than it was signed."""

from __future__ import annotations

import gzip
import hashlib
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.segments import hours, record, write

from proxy_addons.accesslog.seal.keys import read, read_or_make, written
from proxy_addons.accesslog.seal.manifest import EntryError, Manifest, entry_of
from proxy_addons.accesslog.seal.merkle import check_consistency, consistency_proof, root_of
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, Signer, parts_of, signatures_of
from proxy_addons.accesslog.seal.salted import Place, Salt, line_leaf, tag_of
from proxy_addons.accesslog.seal.sealing import Sealed, SealError, Seals, seal
from proxy_addons.accesslog.segment import OPEN_MODE, SegmentName, broken_marker

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC).timestamp()
SIGNER = Signer("force.example/access-log", bytes(range(32)))


class Log:
    """Segments and seals of a test."""

    def __init__(self, folder: Path) -> None:
        self.access = folder / "access"
        self.seals = Seals(folder / "seals")
        self._random = random.Random(1)

    def seal(self, now: float = NOW) -> Sealed:
        return seal(
            self.access,
            self.seals,
            SIGNER,
            now=now,
            entropy=self._random.randbytes,
            software="0.1.0",
        )


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_all_that_has_ended_is_sealed_once(log: Log) -> None:
    paths = hours(log.access)
    done = log.seal()
    assert done.checkpoint.size == len(paths) == 6
    names = sorted((path.name[11:22], path.name) for path in paths)
    assert [each.name for each in done.manifests] == [name for _, name in names], "hour by hour"
    assert log.seal() == Sealed(done.checkpoint)
    note = log.seals.note()
    assert signatures_of(note, [SIGNER.verifier])
    assert Checkpoint.parse(parts_of(note)[0]) == done.checkpoint
    assert log.seals.signed(6).read_text() == note
    assert all(path.exists() for path in paths), "segments are not touched"


def test_what_a_manifest_says_is_what_is_in_the_segment(log: Log) -> None:
    (path,) = hours(log.access, 1, 10, workers=1)
    (manifest,) = log.seal().manifests
    content = path.read_bytes()
    name = SegmentName.parse(path.name)
    assert name is not None
    packed = log.seals.packed(name)
    assert gzip.decompress(packed.read_bytes()) == content
    assert manifest.packed_sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert (manifest.octets, manifest.records) == (len(content), 10)
    assert (manifest.first_seq, manifest.last_seq, manifest.after_seq) == (1, 10, None)
    assert (manifest.first_start, manifest.last_start) == (
        "2026-11-21T08:00:00.000000Z",
        "2026-11-21T08:54:00.000000Z",
    )
    assert (manifest.policy_versions, manifest.list_versions) == (("p1",), ("l1",))
    assert (manifest.missing, manifest.late, manifest.broken) == ((), False, "")
    salt = Salt(log.seals.salt(name).read_bytes())
    lines = content.splitlines()
    leaves = [line_leaf(salt.of_line(at), line) for at, line in enumerate(lines)]
    assert manifest.root == root_of(leaves).hex()
    ((_, entry),) = log.seals.tiles.entries(1)
    assert Manifest.parse(entry) == manifest
    assert b"AB1234" not in entry


def test_whose_lines_are_stand_together(log: Log) -> None:
    (path,) = hours(log.access, 1, 12, workers=1)
    (manifest,) = log.seal().manifests
    name = SegmentName.parse(path.name)
    assert name is not None
    salt = Salt(log.seals.salt(name).read_bytes())
    begins = datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp()
    people = ["person:CD5678", "person:EF9012", None, "person:AB1234"] * 3  # by `seq`, from 1
    places = []
    for at, person in enumerate(people):
        who = person or f"client:192.0.2.{(at + 1) % 7}"
        start = round((begins + at * 300) * 1_000_000)
        places.append(Place(tag_of(salt.tag_key, who), start, at))
    leaves = [place.leaf(salt.of_place(place.index)) for place in sorted(places)]
    assert manifest.places == root_of(leaves).hex()
    tags = [place.tag for place in sorted(places)]
    for tag in set(tags):
        first = tags.index(tag)
        assert tags[first : first + tags.count(tag)] == [tag] * tags.count(tag)
    assert sorted(place.octets for place in places) == [place.octets for place in sorted(places)]
    assert Place.parse(places[0].octets) == places[0]


def test_a_log_grows_and_each_checkpoint_begins_with_the_one_before(log: Log) -> None:
    log.access.mkdir()
    checkpoints = [log.seal().checkpoint]
    for hour in range(8, 12):
        records = [
            record(seq, 1, datetime(2026, 11, 21, hour, tzinfo=UTC))
            for seq in range((hour - 8) * 5 + 1, (hour - 7) * 5 + 1)
        ]
        write(log.access, f"20261121T{hour:02d}", records)
        checkpoints.append(log.seal().checkpoint)
    size = checkpoints[-1].size
    assert [each.size for each in checkpoints] == [0, 1, 2, 3, 4]
    for each in checkpoints:
        proof = consistency_proof(
            lambda level, index: log.seals.tiles.subtree(level, index, size), each.size, size
        )
        check_consistency(each.size, each.root, size, checkpoints[-1].root, proof)
    manifests = [each for _, each in log.seals.manifests(size)]
    assert [each.after_seq for each in manifests] == [None, 5, 10, 15]
    assert all(log.seals.signed(each.size).exists() for each in checkpoints[1:])


def test_what_has_not_ended_waits(log: Log) -> None:
    hours(log.access, 1, workers=1)
    written = write(log.access, "20261121T12", [record(41, 1, datetime.now(UTC))], mode=OPEN_MODE)
    done = log.seal()
    assert [each.name for each in done.manifests] == ["access-w01-20261121T08Z-0001.jsonl"]
    assert [str(each) for each in done.waiting] == [written.name]
    written.chmod(0o440)
    assert [each.name for each in log.seal().manifests] == [written.name]


def test_numbers_that_are_missing_are_named(log: Log) -> None:
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    write(log.access, "20261121T08", [record(seq, 1, at) for seq in (1, 2, 5, 6, 9)])
    write(log.access, "20261121T09", [record(seq, 1, at) for seq in (12, 13)])
    write(log.access, "20261121T10", [])
    write(log.access, "20261121T11", [record(14, 1, at)])
    manifests = log.seal().manifests
    assert [each.missing for each in manifests] == [((3, 4), (7, 8)), ((10, 11),), (), ()]
    assert [each.records for each in manifests] == [5, 2, 0, 1]
    assert (manifests[2].first_seq, manifests[2].after_seq) == (0, 13)


def test_a_segment_that_comes_late_says_so(log: Log) -> None:
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    write(log.access, "20261121T09", [record(6, 1, at)])
    log.seal()
    write(log.access, "20261121T08", [record(5, 1, at)])
    (manifest,) = log.seal().manifests
    assert manifest.late
    assert manifest.missing == ()


def test_only_what_counts_of_a_segment_that_was_given_up_is_sealed(log: Log) -> None:
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    path = write(log.access, "20261121T08", [record(seq, 1, at) for seq in (1, 2, 3)])
    good = len(path.read_bytes().splitlines(keepends=True)[0])
    broken_marker(path).write_bytes(b'{"good_bytes": %d, "reason": "the disk is full"}' % good)
    (manifest,) = log.seal().manifests
    assert (manifest.records, manifest.octets, manifest.broken) == (1, good, "the disk is full")


@pytest.mark.parametrize("mark", [b"", b"[1]", b"{"])
def test_a_mark_that_cannot_be_read_is_a_mark(log: Log, mark: bytes) -> None:
    path = write(log.access, "20261121T08", [record(1, 1, datetime.now(UTC))])
    broken_marker(path).write_bytes(mark)
    (manifest,) = log.seal().manifests
    assert manifest.records == 1
    assert manifest.broken


def test_lines_that_are_no_records_are_evidence_all_the_same(log: Log) -> None:
    log.access.mkdir()
    path = log.access / "access-w01-20261121T08Z-0001.jsonl"
    path.write_bytes(b'not json\n[]\n{"seq": "x", "start": 5, "person": 7}\n{"start": "x"}\n\n')
    path.chmod(0o440)
    (manifest,) = log.seal().manifests
    assert (manifest.records, manifest.octets) == (5, len(path.read_bytes()))


def test_nothing_is_signed_over_what_was_changed(log: Log) -> None:
    hours(log.access, 2)
    log.seal()
    hours(log.access, 3)
    folder = log.seals.folder
    for name in ("tile/0/000.p/4", "tile/entries/000.p/4", "checkpoint"):
        path = folder / name
        before = path.read_bytes()
        for changed in (before[:-1], bytes([before[0] ^ 1]) + before[1:], b""):
            path.chmod(0o600)
            path.write_bytes(changed)
            with pytest.raises(SealError, match="log verify"):
                log.seal()
        path.write_bytes(before)
    assert log.seal().checkpoint.size == 6


def test_the_log_does_not_begin_anew_when_its_checkpoint_is_gone(log: Log) -> None:
    hours(log.access, 2)
    size = log.seal().checkpoint.size
    hours(log.access, 3)
    copy, signed = log.seals.folder / "checkpoint", log.seals.signed(size)
    note = signed.read_text()
    signed.unlink()
    with pytest.raises(SealError, match="has lost what was signed"):
        log.seal()
    signed.write_text(note)
    # The power went between the two: what was signed is what counts.
    copy.unlink()
    (log.seals.folder / "checkpoints/000000/000000009.half").write_text("half")
    done = log.seal()
    assert done.checkpoint.size == 6
    assert copy.read_text() == log.seals.note()


def test_the_copy_for_others_is_made_good(log: Log) -> None:
    hours(log.access, 1)
    log.seal()
    (log.seals.folder / "checkpoint").unlink()
    assert not log.seal().manifests
    assert (log.seals.folder / "checkpoint").read_text() == log.seals.note()


def test_another_key_does_not_go_on(log: Log) -> None:
    hours(log.access, 1)
    log.seal()
    hours(log.access, 2)
    for other in (Signer(SIGNER.name, bytes(32)), Signer("other.example/log", SIGNER.seed)):
        with pytest.raises(SealError, match="not signed with the key"):
            seal(
                log.access,
                log.seals,
                other,
                now=NOW,
                entropy=random.Random(2).randbytes,
                software="x",
            )


def test_two_at_a_time_is_one_too_many(log: Log) -> None:
    hours(log.access, 1)
    with log.seals.locked(), pytest.raises(SealError, match="another process"):
        log.seal()
    assert log.seal().checkpoint.size == 2


def test_a_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log"
    made = read_or_make(path, "force.example/log", random.Random(3).randbytes)
    assert read_or_make(path, "another", random.Random(4).randbytes) == made == read(path)
    assert path.stat().st_mode & 0o777 == 0o400
    for text in ("", "PRIVATE+KEY+a+00000000+AAAA", written(made).replace("force", "other")):
        path.chmod(0o600)
        path.write_text(text)
        with pytest.raises(NoteError) as raised:
            read(path)
        assert made.seed.hex() not in str(raised.value)


def test_what_is_no_entry_of_a_segment(log: Log) -> None:
    hours(log.access, 1, workers=1)
    (manifest,) = log.seal().manifests
    entry = manifest.entry()
    for wrong in (
        b"",
        b"[]",
        b"{}",
        entry + b" ",
        entry.replace(b'"late":false', b'"late": false'),
        entry.replace(b'"version":1', b'"version":2'),
        entry_of("other", {}),
    ):
        with pytest.raises(EntryError):
            Manifest.parse(wrong)
