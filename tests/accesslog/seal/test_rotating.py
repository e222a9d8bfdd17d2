"""Rotation of the key: which signatures count when, and a rotation that is killed at any call."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.segments import hours

from proxy_addons.accesslog.seal.checking import Checked, check
from proxy_addons.accesslog.seal.keychange import KeyChange, Keys
from proxy_addons.accesslog.seal.keyring import public_of, rotate, signer_of
from proxy_addons.accesslog.seal.keys import read
from proxy_addons.accesslog.seal.manifest import EntryError
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    Checkpoint,
    Signer,
    Verifier,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.sealing import SealError, Seals, seal

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC).timestamp()
NAME = "force.example/access-log"
TESTS = Path(__file__).parents[2]


class Log:
    """A log that was sealed, its key replaced, and sealed again, some times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seals = Seals(folder / "seals")
        self.key = folder / "keys/seal"
        self._random = random.Random(1)
        self.signers: list[Signer] = []

    def seal(self, count: int, signer: Signer | None = None) -> None:
        hours(self.folder / "access", count, 5, workers=1)
        signer = signer or signer_of(self.seals, self.key, lambda: NAME, self._random.randbytes)
        if signer not in self.signers:
            self.signers.append(signer)
        seal(
            self.folder / "access",
            self.seals,
            signer,
            now=NOW,
            entropy=self._random.randbytes,
            software="x",
        )

    def rotate(self, reason: str = "each year") -> Checkpoint:
        done = rotate(self.seals, self.key, now=NOW, entropy=self._random.randbytes, reason=reason)
        self.signers.append(read(self.key))
        return done.checkpoint

    def check(self, *keys: int) -> Checked:
        given = [self.signers[each].verifier for each in keys]
        return check(Seals(self.folder / "seals"), given, access=self.folder / "access")

    def sign(self, size: int, *signers: Signer) -> None:
        """Sign a checkpoint anew, with other keys."""
        path = self.seals.signed(size)
        text = parts_of(path.read_text())[0]
        note = note_of(text, [each.sign(text) for each in signers])
        copy = self.seals.folder / "checkpoint"
        if copy.read_bytes() == path.read_bytes():
            copy.chmod(0o600)
            copy.write_text(note)
        path.chmod(0o600)
        path.write_text(note)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Sizes 1, 2 with the first key; 3 with both; 4 with the second; 5 with both; 6 the third."""
    log = Log(tmp_path_factory.mktemp("rotated"))
    log.seal(1)
    log.seal(2)
    log.rotate()
    log.seal(3)
    log.rotate("it was seen by somebody")
    log.seal(4)
    return log


@pytest.fixture
def log(made: Log, tmp_path: Path) -> Log:
    shutil.copytree(made.folder, tmp_path / "log")
    found = Log(tmp_path / "log")
    found.signers = list(made.signers)
    return found


def faults(found: Checked) -> list[str]:
    return [str(each) for each in found.faults]


@pytest.mark.parametrize("given", [(0,), (1,), (2,), (0, 2)])
def test_any_key_of_the_chain_is_enough(log: Log, given: tuple[int, ...]) -> None:
    found = log.check(*given)
    assert (faults(found), found.size, found.records) == ([], 6, 20)


def test_no_other_is(log: Log) -> None:
    stranger = Signer(NAME, bytes(32)).verifier
    found = check(log.seals, [stranger], access=log.folder / "access")
    assert sum("not signed by any key that counts" in each for each in faults(found)) == 7


def test_what_each_checkpoint_is_signed_with(log: Log) -> None:
    by = {}
    for size in range(1, 7):
        held = signatures_of(
            log.seals.signed(size).read_text(), [each.verifier for each in log.signers]
        )
        by[size] = [[s.verifier for s in log.signers].index(each.by) for each in held]
    assert by == {1: [0], 2: [0], 3: [0, 1], 4: [1], 5: [1, 2], 6: [2]}
    entries = [entry for _, entry in log.seals.tiles.entries(6)]
    change = KeyChange.parse(entries[4])
    assert (change.replaces, change.key) == (log.signers[1].verifier, log.signers[2].verifier)
    assert (change.reason, change.at) == (
        "it was seen by somebody",
        "2026-11-21T12:05:00.000000+00:00",
    )
    assert public_of(log.key).read_text() == f"{log.signers[2].verifier}\n"
    assert not log.key.with_name("seal.next").exists()


WRONGLY_SIGNED = [
    (1, (1,)),  # by the key that came later
    (2, (1,)),
    (3, (0,)),  # the one that first has the entry, by one of the two only
    (3, (1,)),
    (4, (0,)),  # by the one that was replaced
    (5, (2,)),
    (6, (0,)),
    (6, (1,)),
    (6, (0, 1)),
]


@pytest.mark.parametrize(("size", "by"), WRONGLY_SIGNED)
@pytest.mark.parametrize("given", [0, 1, 2])
def test_a_key_counts_in_its_time_only(
    log: Log, size: int, by: tuple[int, ...], given: int
) -> None:
    log.sign(size, *(log.signers[each] for each in by))
    assert any(f"/00000000{size}:" in each for each in faults(log.check(given)))


def test_further_signatures_do_no_harm(log: Log) -> None:
    witness = Signer("witness.example", bytes(32), COSIGNATURE)
    log.sign(6, log.signers[2], log.signers[0], witness)
    assert faults(log.check(0)) == []


def test_the_checkpoint_of_a_replacement_must_be_there(log: Log) -> None:
    log.seals.signed(3).unlink()
    assert any("/000000004:" in each for each in faults(log.check(0)))


def test_who_has_the_old_key_cannot_go_on_with_it(log: Log) -> None:
    with pytest.raises(SealError, match="not signed with the key"):
        log.seal(5, log.signers[0])
    log.rotate()
    with pytest.raises(SealError, match="was replaced"):
        log.seal(5, log.signers[2])  # its signature is on the last checkpoint
    log.seal(5)
    assert faults(log.check(0)) == []


def test_an_old_key_that_was_put_back_is_not_replaced_again(log: Log) -> None:
    kept = log.key.read_bytes()
    log.rotate()
    current = log.key.read_bytes()
    log.key.chmod(0o600)
    log.key.write_bytes(kept)
    with pytest.raises(SealError, match="was replaced"):
        log.rotate()
    assert not log.key.with_name("seal.next").exists()
    log.key.write_bytes(current)
    log.seal(5)
    assert faults(log.check(0)) == []


def test_a_thief_without_the_old_key_cannot_bring_in_another(log: Log) -> None:
    """Who can write everything, and has no key, adds an entry and signs by himself."""
    thief = Signer(NAME, bytes(32))
    change = KeyChange(thief.verifier, log.signers[2].verifier, "2026-11-21T13:00:00Z", "x")
    size = log.seals.tiles.append(6, [change.entry()])
    text = str(Checkpoint(NAME, size, log.seals.tiles.root(size)))
    note = note_of(text, [thief.sign(text)])
    log.seals.signed(size).write_text(note)
    (log.seals.folder / "checkpoint").chmod(0o600)
    (log.seals.folder / "checkpoint").write_text(note)
    for given in (0, 1, 2):
        assert any("a key was replaced before it" in each for each in faults(log.check(given)))


def test_an_entry_that_replaces_another_key_counts_for_nothing(log: Log) -> None:
    strange = Signer(NAME, bytes(32)).verifier
    change = KeyChange(strange, log.signers[0].verifier, "2026-11-21T13:00:00Z", "x")
    keys = Keys([log.signers[0].verifier], [(3, _change(log, 0, 1)), (9, change)])
    assert keys.wrong == [9]
    assert keys.needed(12, [4, 12]) == (log.signers[1].verifier,)


def _change(log: Log, old: int, new: int) -> KeyChange:
    return KeyChange(log.signers[new].verifier, log.signers[old].verifier, "x", "x")


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501, "\x1b[1m"])
def test_a_reason_is_one_line(log: Log, reason: str) -> None:
    size = len(list((log.seals.folder / "checkpoints").rglob("0*[0-9]")))
    with pytest.raises(ValueError, match="reason"):
        log.rotate(reason)
    assert len(list((log.seals.folder / "checkpoints").rglob("0*[0-9]"))) == size


def test_a_log_whose_key_is_gone_is_not_rotated(log: Log) -> None:
    log.key.unlink()
    with pytest.raises(FileNotFoundError):
        log.rotate()


ENTRIES: dict[str, Callable[[bytes], bytes]] = {
    "another kind": lambda entry: entry.replace(b'"kind":"key"', b'"kind":"kez"'),
    "a space": lambda entry: entry.replace(b":", b": ", 1),
    "another version": lambda entry: entry.replace(b'"version":1', b'"version":2'),
    "another number": lambda entry: entry.replace(b"access-log+", b"access-log+0", 1),
    "no reason": lambda entry: entry.replace(b',"reason":"x"', b""),
    "a reason that is none": lambda entry: entry.replace(b'"reason":"x"', b'"reason":7'),
}


@pytest.mark.parametrize("change", ENTRIES)
def test_what_is_no_entry_of_a_key(log: Log, change: str) -> None:
    entry = _change(log, 0, 1).entry()
    assert KeyChange.parse(entry) == _change(log, 0, 1)
    changed = ENTRIES[change](entry)
    assert changed != entry
    with pytest.raises(EntryError):
        KeyChange.parse(changed)


def test_keys_of_others_are_no_successors(log: Log) -> None:
    first = log.signers[0].verifier
    for other in (
        Verifier("other.example", first.kind, first.key),
        Verifier(NAME, COSIGNATURE, first.key),
    ):
        with pytest.raises(EntryError):
            KeyChange.parse(KeyChange(other, first, "x", "x").entry())


def test_a_rotation_that_is_killed_at_any_call_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.rotatekill", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    *killed, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(killed) >= 60, "points"
    assert all(each["killed"] for each in killed)
    assert not last["killed"]
    for each in (*killed, last):
        where = f"{each['number']}: {each['call']}"
        assert each["faults_then"] == [], where
        assert each["size_then"] in {2, 3}, where
        assert each["faults"] == [], where
        # Sealed twice more, and rotated once more: entries of segments and of keys.
        rotated = each["size_then"] == 3
        assert each["size"] == 4 + 1 + rotated, where
        assert each["next"] is False, where
        assert each["keys"] == 2 + rotated, where
    assert {each["size_then"] for each in killed} == {2, 3}
