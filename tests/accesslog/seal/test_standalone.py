"""The verifiers that stand alone: by the vectors of their formats, beside our own on each change.

They run in a process of their own, on the oldest Python that there is here, without the package.
"""

from __future__ import annotations

import ast
import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from accesslog.seal import test_checking as changes
from accesslog.seal import test_merkle as trees
from accesslog.seal import test_notes as notes
from hypothesis import given
from hypothesis import strategies as st
from support.alone import oldest, pythons

from proxy_addons.accesslog.seal.notes import Checkpoint, Signer, note_of
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.salted import Place, tag_of
from proxy_addons.accesslog.seal.standalone.shipped import PARTS, shipped
from proxy_addons.accesslog.seal.tiles import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

KEY = str(changes.SIGNER.verifier)
PYTHON = oldest()
original, log = changes.original, changes.log


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verifier of a folder of seals, as it is given to others."""
    path = tmp_path_factory.mktemp("shipped") / "verify.py"
    path.write_text(shipped("seals"), "utf-8")
    return path


def run(folder: Path, *more: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    """The verifier, without anything of ours beside it."""
    return subprocess.run(
        [PYTHON, "-I", "-c", shipped("seals"), str(folder / "seals"), "--key", key, *more],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.fixture(scope="module")
def alone() -> ModuleType:
    """Its functions."""
    spec = importlib.util.spec_from_file_location("standalone", FILE)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.xfail(strict=True, reason="packs and erasures made it longer: to be shortened")
def test_it_is_short() -> None:
    assert len(FILE.read_text().splitlines()) < 300


def test_it_is_one_file_of_the_standard_library() -> None:
    text = FILE.read_text()
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text, feature_version=(3, 9)))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_a_log_as_it_was_sealed(log: Path) -> None:
    done = run(log)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "6 entries signed: no things are wrong\n",
        "",
    )


# RFC 8032 7.1: secret key, public key, message, signature.
VECTORS = [
    tuple(each.split())
    for each in (
        """d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a -
        e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b
        d25bf5f0595bbe24655141438e7a100b""",
        """3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c 72
        92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c
        387b2eaeb4302aeeb00d291612bb0c00""",
        """fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025 af82
        6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659
        4a7c15e9716ed28dc027beceea1ec40a""",
    )
]


@pytest.mark.parametrize("vector", VECTORS)
def test_signatures_of_the_vectors(alone: ModuleType, vector: tuple[str, ...]) -> None:
    key, message, *signature = vector
    said = (key, message.replace("-", ""), "".join(signature))
    octets = [bytes.fromhex(each) for each in said]
    assert alone.signed_by(*octets)
    for which in range(3):
        for at in range(0, len(octets[which]), 7):
            changed = list(octets)
            changed[which] = bytes(
                octet ^ (1 if place == at else 0) for place, octet in enumerate(octets[which])
            )
            assert not alone.signed_by(*changed)
    assert not alone.signed_by(octets[0], octets[1] + b"x", octets[2])
    assert not alone.signed_by(octets[0], octets[1], octets[2] + b"x")
    order = 2**252 + 27742317777372353535851937790883648493
    number = int.from_bytes(octets[2][32:], "little") + order  # RFC 8032 8.4: it would hold too
    assert not alone.signed_by(octets[0], octets[1], octets[2][:32] + number.to_bytes(32, "little"))


def test_roots_of_the_vectors(alone: ModuleType) -> None:
    for size, root in enumerate(trees.ROOTS, 1):
        assert alone.root_of([(0, each) for each in trees.LEAVES[:size]]).hex() == root
    for size in range(300):
        leaves = [(0, each) for each in trees.MANY[:size]]
        assert alone.root_of(leaves) == trees.mth(trees.MANY[:size])
    for wrong in ([(0, bytes(32)), (1, bytes(32))], [(0, bytes(31))], [(0, bytes(33))]):
        with pytest.raises(ValueError, match="no part of a tree"):
            alone.root_of(wrong)


def test_checkpoints_of_the_specifications(alone: ModuleType) -> None:
    note, key, witness = notes.SIGNED.encode(), str(notes.LOG.verifier), str(notes.WITNESS.verifier)
    said = (notes.CHECKPOINT.size, notes.CHECKPOINT.root)
    assert alone.checkpoint_of(note, {notes.KEY, key}) == (*said, {key})
    witnessed = notes.SIGNED + notes.WITNESS.sign(str(notes.CHECKPOINT), 1_700_000_000)
    assert alone.checkpoint_of(witnessed.encode(), {key}) == (*said, {key}), "of an unknown signer"
    assert alone.checkpoint_of(witnessed.encode(), {key, witness}) == (*said, {key, witness})
    stranger = str(Signer(notes.LOG.name, bytes(32)).verifier)
    assert alone.checkpoint_of(note, {key, stranger}) == (*said, {key})
    other = notes.SIGNED + notes.WITNESS.sign(str(notes.CHECKPOINT) + "x\n", 1_700_000_000)
    for wrong, keys in (
        (b"", {key}),
        (note, {notes.KEY}),
        (note, {stranger}),
        (note, set()),
        (witnessed.encode(), {witness}),
        (other.encode(), {key, witness}),
        (note[:-1], {key}),
        (note + b"x", {key}),
        (note + b"\n", {key}),
        (note.replace(b"42", b"042"), {key}),
        (note.replace(b"42", b"43"), {key}),
        (note.replace(b"\n42", b"\r42"), {key}),
        (b"\xff" + note, {key}),
    ):
        with pytest.raises(ValueError, match=r"."):
            alone.checkpoint_of(wrong, keys)


@pytest.mark.parametrize(
    "digits", ["042", "+42", " 42", "42 ", "4_2", "-42", "\u0664\u0662", "0x2a"]
)
def test_a_size_is_written_in_one_way(alone: ModuleType, digits: str) -> None:
    """Also where the log's own key signed it."""
    origin, _, root = str(notes.CHECKPOINT).split("\n")[:3]
    text = f"{origin}\n{digits}\n{root}\n"
    note = note_of(text, [notes.LOG.sign(text)]).encode()
    with pytest.raises(ValueError, match=r"."):
        alone.checkpoint_of(note, {str(notes.LOG.verifier)})


@pytest.mark.parametrize("number", [0, 7, 255, 999, 1000, 1234067, 10**9])
@pytest.mark.parametrize("width", [256, 12])
def test_names_of_tiles(alone: ModuleType, number: int, width: int) -> None:
    assert alone.tile("entries", number, width) == name_of("entries", number, width)


LINES = [
    b'{"person": "AB1234", "start": "2026-11-21T08:00:00.000001Z"}',
    b'{"client_ip": "192.0.2.1", "start": "2026-02-30T08:00:00.000001Z"}',
    b'{"person": null, "client_ip": "::1", "start": "2026-11-21T08:00:00Z"}',
    b'{"person": 7, "start": "1969-12-31T23:59:59.999999Z"}',
    b'{"person": "\\ud800", "start": "2024-02-29T23:59:59.999999Z"}',
    b'{"person": "a", "person": "b", "start": 5}',
    b'{"start": "2016-12-31T23:59:60.000000Z"}',
    b'{"a": NaN, "person": "x"}',
    b"[" * 5000,
    b"\xff",
    b"",
    b'"x"',
    b"{",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_says_the_same_to_both(alone: ModuleType, line: bytes) -> None:
    record = record_of(line)
    assert repr(alone.record_of(line)) == repr(record)
    tags = bytes(32)
    ours = Place(tag_of(tags, who_of(record)), start_of(record), 3).octets
    assert alone.place_of(record, tags, 3) == ours


def named(done: subprocess.CompletedProcess[str], files: Iterable[str]) -> bool:
    """Whether each of these files is said to be wrong."""
    said = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    return done.returncode == 1 and all(any(each in line for line in said) for each in files)


@pytest.mark.parametrize("file", [each for each in changes.FILES if each != "a segment"])
def test_each_change_to_a_file_is_found(log: Path, file: str) -> None:
    """All changes that our own check finds, and the file is named."""
    path = log / changes.FILES[file]
    octets = path.read_bytes()
    for change, make in changes.CHANGES.items():
        changed = make(octets)
        path.write_bytes(changed if changed != octets else octets[::-1] + b"x")
        assert named(run(log), [changes.FILES[file].removeprefix("seals/")]), change
    path.write_bytes(octets)
    assert run(log).returncode == 0


@pytest.mark.parametrize("file", sorted(changes.FILES.keys() - changes.OF_BEFORE - {"a segment"}))
def test_each_file_that_is_gone_is_found(log: Path, file: str) -> None:
    (log / changes.FILES[file]).unlink()
    done = run(log)
    assert done.returncode == 1
    assert named(done, [changes.FILES[file].removeprefix("seals/")])


def test_lines_that_were_packed_again_are_found(log: Path) -> None:
    packed = log / changes.FILES["the first lines"]
    octets = packed.read_bytes()
    for change, make in changes.LINES.items():
        lines = make(gzip.decompress(octets).splitlines())
        packed.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0))
        assert named(run(log), [packed.name]), change


def test_what_nobody_sealed_is_named(log: Path) -> None:
    strange = ["seals/notes.txt", "seals/tile/0/000.p/5", "seals/salts/2026/11/21/x.salt"]
    for name in strange:
        (log / name).write_bytes(b"x")
    assert named(run(log), [each.removeprefix("seals/") for each in strange])


def test_a_log_that_went_back_is_found_by_whoever_has_seen_it(
    original: Path, tmp_path: Path
) -> None:
    changes.sealed(tmp_path, 2)
    assert run(tmp_path).returncode == 0
    done = run(tmp_path, "--seen", str(original / "seals/checkpoint"))
    assert named(done, ["the first 6 are not those of"])
    assert run(original, "--seen", str(tmp_path / "seals/checkpoint")).returncode == 0


def test_what_cannot_be_checked_is_not_called_sound(log: Path) -> None:
    other = str(Signer("other.example/log", bytes(32)).verifier)
    assert run(log, key=other).returncode == 1
    assert run(log, key="x").returncode in {1, 2}
    assert run(log, "--seen", "/nowhere").returncode == 2
    (log / "seen").write_text(str(Checkpoint("x", 1, bytes(32))))
    assert run(log, "--seen", str(log / "seen")).returncode == 2
    shutil.rmtree(log / "seals")
    assert run(log).returncode == 1
