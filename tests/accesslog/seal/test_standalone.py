"""The verifiers that stand alone: by the vectors of their formats, beside our own on each change.

They run in a process of their own, on the oldest Python that there is here, without the package.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from accesslog.seal import test_checking as changes
from accesslog.seal import test_merkle as trees
from accesslog.seal import test_notes as notes
from hypothesis import given, settings
from hypothesis import strategies as st
from support.alone import alone as alone_on
from support.alone import oldest, pythons

from proxy_addons.accesslog.seal.merkle import leaf_hash
from proxy_addons.accesslog.seal.notes import Checkpoint, Signer, note_of
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.salted import Place, tag_of
from proxy_addons.accesslog.seal.standalone.shipped import PARTS, shipped
from proxy_addons.accesslog.seal.tiles import entries_in, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TOP = Path(__file__).parents[3]
KEY = str(changes.SIGNER.verifier)
PYTHON = oldest()
SEALS = shipped("seals")
original, log = changes.original, changes.log


def run(folder: Path, *more: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    """The verifier, without anything of ours beside it."""
    return subprocess.run(
        [PYTHON, "-I", "-c", SEALS, str(folder / "seals"), "--key", key, *more],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.fixture(scope="module")
def alone() -> ModuleType:
    """Its functions."""
    made = ModuleType("alone")
    exec(compile(SEALS, "verify.py", "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("of", PARTS)
def test_it_is_short(of: str) -> None:
    lines = shipped(of).splitlines()
    assert len(lines) < 300
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("of", PARTS)
def test_it_is_written_as_all_else_here(of: str) -> None:
    """Short, but not by leaving out what makes it readable."""
    text = shipped(of)
    assert "fmt:" not in text
    assert text.count("__main__") == text.count("import argparse") == 1
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        place = TOP / "proxy_addons/accesslog/seal/standalone/verify.py"
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", place, "-"],
            input=text, text=True, capture_output=True, check=False, cwd=TOP,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("of", PARTS)
def test_it_is_one_file_of_the_standard_library(of: str) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(shipped(of), feature_version=(3, 9)))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert "__future__" not in imported


@pytest.mark.parametrize("of", PARTS)
@pytest.mark.parametrize("python", pythons())
def test_it_starts_on_every_python(of: str, python: str) -> None:
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", shipped(of), "--help"],
        capture_output=True, text=True, check=False, env={},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "--witness" in done.stdout


@pytest.mark.parametrize("of", PARTS)
def test_it_is_the_same_each_time(of: str) -> None:
    """To the octet: its hash can be published, and compared with that of the one in a pack."""
    code = "import sys; from proxy_addons.accesslog.seal.standalone.shipped import shipped;"
    code += "sys.stdout.write(shipped(sys.argv[1]))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, of],
            capture_output=True, text=True, check=True, cwd=TOP, env={"PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.stdout == shipped(of)


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
    alone.verify(*octets)
    order = 2**252 + 27742317777372353535851937790883648493
    number = int.from_bytes(octets[2][32:], "little") + order  # RFC 8032 8.4: it would hold too
    wrong = [
        [octets[0], octets[1] + b"x", octets[2]],
        [octets[0], octets[1], octets[2] + b"x"],
        [octets[0], octets[1], octets[2] + b"\0"],
        [octets[0], octets[1], octets[2][:-1]],
        [octets[0] + b"\0", octets[1], octets[2]],
        [octets[0], octets[1], octets[2][:32] + number.to_bytes(32, "little")],
        [octets[0], octets[1], bytes(10_000)],
    ]
    for which in range(3):
        for at in range(0, len(octets[which]), 7):
            changed = bytes(x ^ (1 if n == at else 0) for n, x in enumerate(octets[which]))
            wrong.append([changed if n == which else each for n, each in enumerate(octets)])
    for each in wrong:
        with pytest.raises(ValueError, match=r"does not hold|no point"):
            alone.verify(*each)


@pytest.mark.parametrize(
    "octets",
    [
        (2**255 - 19).to_bytes(32, "little"),  # zero, written in another way
        (2**255 - 20 + 2).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),  # x is 0 and called odd
        (2).to_bytes(32, "little"),  # not on the curve
        bytes(31),
    ],
)
def test_what_is_no_point_of_the_curve(alone: ModuleType, octets: bytes) -> None:
    with pytest.raises(ValueError, match="no point of the curve"):
        alone.point(octets)


def known(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Leaves as `root_of` takes them."""
    return {(n, n + 1): each for n, each in enumerate(leaves)}


def test_roots_of_the_vectors(alone: ModuleType) -> None:
    for size, root in enumerate(trees.ROOTS, 1):
        assert alone.root_of(known(trees.LEAVES[:size]), 0, size).hex() == root
    for size in range(1, 300):
        assert alone.root_of(known(trees.MANY), 0, size) == trees.mth(trees.MANY[:size])


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 300), data=st.data())
def test_roots_of_leaves_and_subtrees(alone: ModuleType, size: int, data: st.DataObject) -> None:
    leaves = trees.MANY[:size]
    parts, at = dict[tuple[int, int], bytes](), 0
    while at < size:
        fits = [n for n in range(9) if at % (1 << n) == 0 and at + (1 << n) <= size]
        end = at + (1 << data.draw(st.sampled_from(fits)))
        parts[at, end] = trees.mth(leaves[at:end])
        at = end
    assert alone.root_of(parts, 0, size) == trees.mth(leaves)
    gone = data.draw(st.sampled_from(sorted(parts)))
    if len(parts) > 1:
        with pytest.raises(KeyError):
            alone.root_of({each: parts[each] for each in parts if each != gone}, 0, size)


@pytest.mark.parametrize(
    "parts", [{}, {(0, 1): b""}, {(0, 1): b"", (1, 3): b""}, {(0, 4): b""}, {(1, 2): b""}]
)
def test_parts_that_are_no_tree(alone: ModuleType, parts: dict[tuple[int, int], bytes]) -> None:
    """One that is not there, does not begin at a multiple of itself, or goes beyond the end."""
    with pytest.raises(KeyError):
        alone.root_of(parts, 0, 3)


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
    begin = number * 256
    assert alone.tile("entries", begin, begin + width) == name_of("entries", number, width)


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


def place(line: bytes) -> bytes:
    """Of a line, as our own parts have it."""
    record = record_of(line)
    return Place(tag_of(bytes(32), who_of(record)), start_of(record), 3).octets


@pytest.mark.parametrize("line", LINES)
def test_a_line_says_the_same_to_both(alone: ModuleType, line: bytes) -> None:
    assert alone.place_of(line, bytes(32), 3) == place(line)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "person": st.none() | st.text() | st.integers(),
            "client_ip": st.none() | st.text(),
            "start": st.none()
            | st.text()
            | st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z"),
        },
    )
)
def test_any_record_says_the_same_to_both(alone: ModuleType, record: dict[str, object]) -> None:
    line = json.dumps(record).encode()
    assert alone.place_of(line, bytes(32), 3) == place(line)


BEGUN = datetime(2026, 11, 21, 8, tzinfo=UTC)
STAMPS = [
    *(
        (BEGUN + timedelta(microseconds=10**11 * n + n)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for n in range(40)
    ),
    "2026-11-21T24:00:00.000000Z",
    "2026-11-21T23:59:60.000000Z",
    "2026-11-21T08:00:00.000001",
    "2026-11-21T08:00:00.000001+00:00",
    "2026-11-21T08:00:00.000001+00:00Z",
    "2026-11-21T08:00:00.000001+01:00Z",
    "2026-11-21T08:00:00.000001ZZ",
    "2026-11-21T08:00:00Z",
    "2026-11-21T08:00:00.001Z",
    "2026-11-21T08:00:00,000001Z",
    "2026-11-21 08:00:00.000001Z",
    "20261121T080000.000001Z",
    "2026-W47-6T08:00:00.000001Z",
    "2026-02-29T08:00:00.000001Z",
    "2024-02-29T08:00:00.000001Z",
    "2026-13-21T08:00:00.000001Z",
    "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999Z",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00.000001Z",
    "\u0662026-11-21T08:00:00.000001Z",
    "2026-11-21T08:00:00.0000011Z",
    "2026-11-21T08:00:00.000001Z\n",
    "Z",
    "",
]


@pytest.mark.parametrize("python", pythons())
def test_a_time_is_the_same_on_every_python(python: str) -> None:
    """Later ones read more forms of it than 3.9 does."""
    lines = [json.dumps({"start": each}) for each in STAMPS]
    code = (
        f"import json as j, sys as s; lines = j.load(s.stdin)\n{SEALS.partition('def main')[0]}\n"
    )
    code += "print(j.dumps([place_of(each.encode(), bytes(32), 3).hex() for each in lines]))"
    done = subprocess.run(
        [python, "-I", "-c", code],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [place(each.encode()).hex() for each in lines]


def named(done: subprocess.CompletedProcess[str], files: Iterable[str]) -> bool:
    """Whether each of these files is said to be wrong."""
    said = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    return done.returncode == 1 and all(any(each in line for line in said) for each in files)


def told(logs: dict[str, Path]) -> dict[str, str]:
    """What is said to be wrong with each of some logs: something is."""
    found = alone_on([log / "seals" for log in logs.values()])
    said = {what: found[str(log / "seals")] for what, log in logs.items()}
    assert {code for code, _ in said.values()} == {1}, said
    return {what: text for what, (_, text) in said.items()}


@pytest.mark.parametrize("file", [each for each in changes.FILES if each != "a segment"])
def test_each_change_to_a_file_is_found(log: Path, tmp_path: Path, file: str) -> None:
    """All changes that our own check finds, and the file is named."""
    octets, logs = (log / changes.FILES[file]).read_bytes(), {}
    for number, (change, make) in enumerate(changes.CHANGES.items()):
        logs[change] = tmp_path / str(number)
        shutil.copytree(log / "seals", logs[change] / "seals")
        changed = make(octets)
        changed = changed if changed != octets else octets[::-1] + b"x"
        (logs[change] / changes.FILES[file]).write_bytes(changed)
    name = changes.FILES[file].removeprefix("seals/")
    for change, said in told(logs).items():
        assert name in "".join(x for x in said.splitlines() if x.startswith("WRONG")), change


@pytest.mark.parametrize("file", sorted(changes.FILES.keys() - changes.OF_BEFORE - {"a segment"}))
def test_each_file_that_is_gone_is_found(log: Path, file: str) -> None:
    (log / changes.FILES[file]).unlink()
    done = run(log)
    assert done.returncode == 1
    assert named(done, [changes.FILES[file].removeprefix("seals/")])


def test_lines_that_were_packed_again_are_found(log: Path, tmp_path: Path) -> None:
    packed, logs = changes.FILES["the first lines"], {}
    lines = gzip.decompress((log / packed).read_bytes()).splitlines()
    for number, (change, make) in enumerate(changes.LINES.items()):
        logs[change] = tmp_path / str(number)
        shutil.copytree(log / "seals", logs[change] / "seals")
        octets = b"".join(line + b"\n" for line in make(lines))
        (logs[change] / packed).write_bytes(gzip.compress(octets, mtime=0))
    for change, said in told(logs).items():
        assert f"WRONG  {Path(packed).name.removesuffix('.gz')}" in said, change


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
    done = run(log)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be checked" in done.stderr
    (log / "seals").write_bytes(b"PK")
    assert "unpack" in run(log).stderr
    (log / "seals").unlink()
    (log / "seals").mkdir()
    assert run(log).returncode == 1, "nothing in there"


def test_names_do_nothing_to_a_terminal(log: Path) -> None:
    (log / "seals/\x1b[2J\udcff\u00e9").write_bytes(b"x")
    done = run(log)
    assert "\\x1b[2J\\udcff\\xe9: nobody sealed it" in done.stdout
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_a_checkpoint_under_another_name(log: Path) -> None:
    folder = log / "seals/checkpoints/000000"
    shutil.copy(folder / "000000004", folder / "000000003")
    assert named(run(log), ["checkpoints/000000/000000003: not the last one, or another than"])


GAPS: dict[str, tuple[dict[str, object], bool]] = {
    "as it was": ({}, True),
    "after another record": ({"after_seq": 11}, False),
    "after none": ({"after_seq": None}, False),
    "records between are not missing": ({"first_seq": 20, "missing": []}, False),
    "others are missing": ({"first_seq": 20, "missing": [[14, 19]]}, False),
    "they are missing": ({"first_seq": 20, "missing": [[13, 19]]}, True),
    "they came late": ({"first_seq": 20, "missing": [], "late": True}, True),
}


@pytest.mark.parametrize("what", GAPS)
def test_a_gap_that_was_sealed_and_not_said(log: Path, what: str) -> None:
    """By whoever has the key: all that is signed holds, but segments do not follow each other."""
    bundle = log / changes.FILES["the entries"]
    entries = [json.loads(each) for each in entries_in(bundle.read_bytes())]
    at = next(n for n, each in enumerate(entries) if each["after_seq"] == 12)
    change, sound = GAPS[what]
    entries[at] |= change
    octets = [json.dumps(each).encode() for each in entries]
    bundle.write_bytes(b"".join(len(each).to_bytes(2) + each for each in octets))
    text = str(Checkpoint(changes.SIGNER.name, 6, trees.mth([leaf_hash(each) for each in octets])))
    (log / changes.FILES["the last checkpoint"]).write_text(
        note_of(text, [changes.SIGNER.sign(text)])
    )
    said = run(log).stdout
    assert "the first 6 are not those of checkpoints/" not in said
    assert (f"{entries[at]['name']} does not follow, or hides a gap" in said) == (not sound)


def test_a_log_whose_trees_do_not_fit_each_other() -> None:
    """Whoever seals could put somebody else's line where the second tree says another's."""
    pack, tags = ModuleType("pack"), bytes(32)
    exec(compile(shipped("pack"), "verify.py", "exec"), pack.__dict__)
    stamps = [f"2026-11-21T0{n}:00:00.000000Z" for n in range(5)]
    lines = {
        n: json.dumps({"person": "AB1234" if n % 2 else "CD5678", "start": stamps[n]}).encode()
        for n in range(5)
    }
    run = sorted(pack.place_of(line, tags, n) for n, line in lines.items())
    places = dict(enumerate(run))
    whole = {"person": "AB1234", "since": stamps[0], "until": stamps[4]}
    proofs = {"whole": whole, "tags": {"s": tags.hex()}, "withheld": {}}
    said = {"name": "s", "records": 5, "tags": hashlib.sha256(tags).hexdigest()}
    pack.all_of(proofs, said, lines, places)
    for wrong in ({1: lines[2]}, {3: lines[3].replace(b"T03", b"T02")}, {1: b""}):
        with pytest.raises(ValueError, match="not whose its place says"):
            pack.all_of(proofs, said, lines | wrong, places)
