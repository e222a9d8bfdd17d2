"""Every change to a pack is found, and its file named, by our check and by the other one."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support.alone import alone
from support.packs import MADE, SIGNER, STRANGER, packed, relisted, sealed_log

from proxy_addons.accesslog.seal.notes import Checkpoint, note_of
from proxy_addons.audit.pack.archive import unzipped, zipped
from proxy_addons.audit.pack.checking import CheckError, check_pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Files = dict[str, bytes]
    type Proofs = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    sealed_log(folder)
    return folder


@pytest.fixture(scope="module")
def octets(folder: Path) -> bytes:
    return packed(folder).octets


@pytest.fixture(scope="module")
def original(folder: Path, octets: bytes) -> Files:
    (folder / "pack.zip").write_bytes(octets)
    return unzipped(folder / "pack.zip")[0]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A pack of another log under the same key."""
    folder = tmp_path_factory.mktemp("others")
    sealed_log(folder, seed=2)
    (folder / "pack.zip").write_bytes(packed(folder).octets)
    return unzipped(folder / "pack.zip")[0]


# --- changes to the proofs: the manifest is made anew and signed with the log's own key -----------


def _on_proofs(change: Callable[[Proofs], None]) -> Callable[[Files], Files]:
    def made(files: Files) -> Files:
        proofs = json.loads(files["proofs.json"])
        change(proofs)
        return relisted(files | {"proofs.json": json.dumps(proofs).encode()})

    return made


def _on_lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Files], Files]:
    def made(files: Files) -> Files:
        lines = change(files["lines/lines.jsonl"].splitlines(keepends=True))
        return relisted(files | {"lines/lines.jsonl": b"".join(lines)})

    return made


def _on_file(start: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    def made(files: Files) -> Files:
        name = max(each for each in files if each.startswith(start))
        return relisted(files | {name: change(files[name])})

    return made


def _bit(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def _lines(proofs: Proofs, segment: int = 0) -> list[Any]:
    found: list[Any] = proofs["segments"][segment]["lines"]
    return found


def _swap(of: list[Any], what: str) -> None:
    of[0][what], of[1][what] = of[1][what], of[0][what]


def _set(of: dict[str, Any] | list[Any], key: Any, value: Any) -> None:
    of[key] = value


def _places(proofs: Proofs, segment: int = 0) -> Any:
    return proofs["segments"][segment]["places"]


def _drop_line(proofs: Proofs) -> None:
    """One line of the person goes, with what proves it: its place stays."""
    _lines(proofs).pop(0)


def _without_first_line(files: Files) -> Files:
    lines = files["lines/lines.jsonl"].splitlines(keepends=True)[1:]
    return _on_proofs(_drop_line)(files | {"lines/lines.jsonl": b"".join(lines)})


def _without_first_and_place(files: Files) -> Files:
    def change(proofs: Proofs) -> None:
        gone = _lines(proofs).pop(0)["index"]
        of = _places(proofs)["of"]
        of[:] = [each for each in of if int(each[0][80:], 16) != gone]

    lines = files["lines/lines.jsonl"].splitlines(keepends=True)[1:]
    return _on_proofs(change)(files | {"lines/lines.jsonl": b"".join(lines)})


def _without_segment(files: Files) -> Files:
    proofs = json.loads(files["proofs.json"])
    gone = len(proofs["segments"].pop(0)["lines"])
    lines = files["lines/lines.jsonl"].splitlines(keepends=True)[gone:]
    return relisted(
        files | {"lines/lines.jsonl": b"".join(lines), "proofs.json": json.dumps(proofs).encode()}
    )


def _withheld_wrong(proofs: Proofs) -> None:
    one = _lines(proofs)[0]
    del one["nonce"]
    one["leaf"] = "00" * 32


def _stranger_checkpoint(octets: bytes) -> bytes:
    text = octets.decode().partition("\n\n")[0] + "\n"
    return note_of(text, [STRANGER.sign(text)]).encode()


def _other_root(octets: bytes) -> bytes:
    origin, size, _ = octets.decode().split("\n")[:3]
    text = str(Checkpoint(origin, int(size), bytes(32)))
    return note_of(text, [STRANGER.sign(text)]).encode()


def _other_size(octets: bytes) -> bytes:
    origin, size, root = octets.decode().split("\n")[:3]
    return octets.replace(f"{origin}\n{size}\n{root}".encode(), f"{origin}\n9\n{root}".encode())


PROVED: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a byte of a line": (_on_lines(lambda x: [x[0].replace(b"a", b"b", 1), *x[1:]]), "lines/"),
    "a space in a line": (_on_lines(lambda x: [x[0].replace(b":", b": ", 1), *x[1:]]), "lines/"),
    "two lines swapped": (_on_lines(lambda x: [x[1], x[0], *x[2:]]), "lines/"),
    "lines backwards": (_on_lines(lambda x: x[::-1]), "lines/"),
    "the first line gone": (_on_lines(lambda x: x[1:]), "lines/"),
    "the last line gone": (_on_lines(lambda x: x[:-1]), ""),
    "a line twice": (_on_lines(lambda x: [x[0], *x]), "lines/"),
    "the last line twice": (_on_lines(lambda x: [*x, x[-1]]), "lines/"),
    "a line more": (_on_lines(lambda x: [*x, b"{}\n"]), "lines/"),
    "an empty line more": (_on_lines(lambda x: [*x, b"\n"]), "lines/"),
    "half a line more": (_on_lines(lambda x: [*x, b"{"]), "lines/"),
    "the last newline gone": (_on_lines(lambda x: [*x[:-1], x[-1][:-1]]), "lines/"),
    "another newline": (_on_lines(lambda x: [x[0][:-1] + b"\r\n", *x[1:]]), "lines/"),
    "no lines": (_on_lines(lambda _: []), ""),
    "a line and its proof gone": (_without_first_line, "proofs.json"),
    "a line, its proof and its place gone": (_without_first_and_place, "proofs.json"),
    "a segment gone": (_without_segment, "proofs.json"),
    "a nonce": (_on_proofs(lambda p: _set(_lines(p)[0], "nonce", _bit(_lines(p)[0]["nonce"]))), ""),
    "a shorter nonce": (
        _on_proofs(lambda p: _set(_lines(p)[0], "nonce", _lines(p)[0]["nonce"][:-2])),
        "",
    ),
    "no nonce": (_on_proofs(lambda p: _lines(p)[0].pop("nonce")), "proofs.json"),
    "nonces swapped": (_on_proofs(lambda p: _swap(_lines(p), "nonce")), ""),
    "paths swapped": (_on_proofs(lambda p: _swap(_lines(p), "path")), ""),
    "indexes swapped": (_on_proofs(lambda p: _swap(_lines(p), "index")), ""),
    "another index": (_on_proofs(lambda p: _set(_lines(p)[0], "index", 23)), ""),
    "an index beyond": (_on_proofs(lambda p: _set(_lines(p)[0], "index", 99)), "proofs.json"),
    "a negative index": (_on_proofs(lambda p: _set(_lines(p)[0], "index", -1)), "proofs.json"),
    "no index": (_on_proofs(lambda p: _lines(p)[0].pop("index")), "proofs.json"),
    "a step of a path": (
        _on_proofs(lambda p: _set(_lines(p)[0]["path"], 0, _bit(_lines(p)[0]["path"][0]))),
        "",
    ),
    "a step fewer": (_on_proofs(lambda p: _lines(p)[0]["path"].pop()), ""),
    "a step more": (_on_proofs(lambda p: _lines(p)[0]["path"].append("00" * 32)), ""),
    "a short step": (_on_proofs(lambda p: _set(_lines(p)[0]["path"], 0, "00")), ""),
    "steps backwards": (_on_proofs(lambda p: _lines(p)[0]["path"].reverse()), ""),
    "a hash in place of a line": (_on_proofs(_withheld_wrong), ""),
    "another segment's name": (_on_proofs(lambda p: _swap(p["segments"], "name")), ""),
    "lines of two segments swapped": (_on_proofs(lambda p: _swap(p["segments"], "lines")), ""),
    "an unknown segment": (
        _on_proofs(lambda p: _set(p["segments"][0], "name", "x")),
        "proofs.json",
    ),
    "segments swapped": (_on_proofs(lambda p: p["segments"].reverse()), ""),
    "another tag key": (
        _on_proofs(lambda p: _set(p["segments"][0], "tags", "11" * 32)),
        "proofs.json",
    ),
    "tag keys swapped": (_on_proofs(lambda p: _swap(p["segments"], "tags")), "proofs.json"),
    "no tag key": (_on_proofs(lambda p: p["segments"][0].pop("tags")), "proofs.json"),
    "no places": (_on_proofs(lambda p: p["segments"][0].pop("places")), "proofs.json"),
    "places swapped": (_on_proofs(lambda p: _swap(p["segments"], "places")), "proofs.json"),
    "the neighbour before gone": (_on_proofs(lambda p: _places(p, 2)["of"].pop(0)), "proofs.json"),
    "the neighbour behind gone": (_on_proofs(lambda p: _places(p, 2)["of"].pop()), "proofs.json"),
    "a place gone": (_on_proofs(lambda p: _places(p)["of"].pop(1)), "proofs.json"),
    "two places swapped": (_on_proofs(lambda p: _places(p)["of"].reverse()), "proofs.json"),
    "a place's nonce": (
        _on_proofs(lambda p: _set(_places(p)["of"][0], 1, _bit(_places(p)["of"][0][1]))),
        "proofs.json",
    ),
    "a place's octets": (
        _on_proofs(lambda p: _set(_places(p)["of"][0], 0, _bit(_places(p)["of"][0][0]))),
        "proofs.json",
    ),
    "where places begin": (_on_proofs(lambda p: _set(_places(p), "first", 1)), "proofs.json"),
    "another person": (_on_proofs(lambda p: _set(p["whole"], "person", "CD5678")), "proofs.json"),
    "a longer period": (
        _on_proofs(lambda p: _set(p["whole"], "until", "2026-11-21T12:30:00.000000Z")),
        "proofs.json",
    ),
    "an earlier period": (
        _on_proofs(lambda p: _set(p["whole"], "since", "2026-11-21T08:00:00.000000Z")),
        "proofs.json",
    ),
    "a period of no meaning": (_on_proofs(lambda p: _set(p, "whole", {})), "proofs.json"),
    "no ranges": (_on_proofs(lambda p: p["ranges"].clear()), ""),
    "a range elsewhere": (_on_proofs(lambda p: _set(p["ranges"][-1], "first", 2)), ""),
    "a range of another size": (_on_proofs(lambda p: _set(p["ranges"][-1], "size", 9)), "log/"),
    "a range's path": (_on_proofs(lambda p: p["ranges"][-1]["path"].append("00" * 32)), "log/"),
    "proofs that say nothing": (lambda f: relisted(f | {"proofs.json": b"{}"}), "proofs.json"),
    "proofs that are none": (lambda f: relisted(f | {"proofs.json": b"\xff"}), "proofs.json"),
    "proofs without end": (lambda f: relisted(f | {"proofs.json": b"[" * 200_000}), "proofs.json"),
    "a number in an entry": (
        _on_file("log/entries/", lambda x: x.replace(b'"records":24', b'"records":25', 1)),
        "log/",
    ),
    "an entry gone": (_on_file("log/entries/", lambda x: x[x.index(b"\n") + 1 :]), "log/"),
    "the last entry gone": (
        _on_file("log/entries/", lambda x: b"".join(x.splitlines(keepends=True)[:-1])),
        "log/",
    ),
    "an entry twice": (
        _on_file("log/entries/", lambda x: x[: x.index(b"\n") + 1] + x),
        "log/",
    ),
    "entries backwards": (
        _on_file("log/entries/", lambda x: b"".join(x.splitlines(keepends=True)[::-1])),
        "log/",
    ),
    "the checkpoint's signature": (
        _on_file("log/checkpoints/", lambda x: x[:-9] + bytes([x[-9] ^ 1]) + x[-8:]),
        "log/checkpoints/",
    ),
    "a stranger's checkpoint": (_on_file("log/checkpoints/", _stranger_checkpoint), "log/checkp"),
    "another root": (_on_file("log/checkpoints/", _other_root), "log/checkpoints/"),
    "another size": (_on_file("log/checkpoints/", _other_size), "log/checkpoints/"),
    "a pack that a stranger signed": (lambda f: relisted(f, STRANGER), "manifest.sig"),
}


def _assert_found(folder: Path, packs: dict[str, tuple[bytes, str]]) -> None:
    """Both find each of some packs wrong, and name the file."""
    paths = {}
    for number, (what, (octets, _)) in enumerate(packs.items()):
        paths[what] = folder / f"changed-{number}.zip"
        paths[what].write_bytes(octets)
    theirs = alone(list(paths.values()))
    for what, path in paths.items():
        expected = packs[what][1].replace("ZIP", path.name)
        code, said = theirs[str(path)]
        assert code in {1, 2}, (what, said)
        assert expected in said, (what, said)
        try:
            ours = "\n".join(map(str, check_pack(path, [SIGNER.verifier]).faults))
        except CheckError as problem:
            ours = str(problem)
        assert ours, what
        assert expected in ours, (what, ours)
        path.unlink()


def test_a_pack_as_it_was_made(folder: Path, original: Files) -> None:
    found = check_pack(folder / "pack.zip", [SIGNER.verifier])
    assert (found.faults, found.lines, found.withheld) == ((), 28, 0)
    ((code, said),) = alone([folder / "pack.zip"]).values()
    assert (code, "28 lines" in said, "AB1234" in said) == (0, True, True), said
    again = folder / "again.zip"
    again.write_bytes(zipped(relisted(original), MADE))
    assert check_pack(again, [SIGNER.verifier]).faults == (), "a manifest of the same files holds"
    assert alone([again])[str(again)][0] == 0


def test_what_a_dishonest_maker_changes(folder: Path, original: Files) -> None:
    """The manifest and its signature fit: proofs alone find it."""
    _assert_found(
        folder,
        {
            what: (zipped(change(copy.copy(original)), MADE), expected)
            for what, (change, expected) in PROVED.items()
        },
    )


def test_each_file_that_is_changed_or_gone(folder: Path, original: Files) -> None:
    packs = {}
    for name, data in original.items():
        half = len(data) // 2
        flipped = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
        wanted = "manifest" if name.startswith("manifest.") else name
        packs[f"{name} changed"] = (zipped(original | {name: flipped}, MADE), wanted)
        packs[f"{name} empty"] = (zipped(original | {name: b""}, MADE), wanted)
        left = {each: original[each] for each in original if each != name}
        packs[f"{name} gone"] = (zipped(left, MADE), "" if name == "manifest.json" else wanted)
    _assert_found(folder, packs)


def test_what_is_put_in(folder: Path, original: Files, others: Files) -> None:
    packs = {
        name: (zipped(original | {name: b"x"}, MADE), name)
        for name in ("more.txt", "../../etc/cron.d/x", "/etc/passwd", "lines/../x", "C:\\x")
    }
    for name in ("proofs.json", "manifest.json", "manifest.sig"):
        packs[f"{name} of another"] = (zipped(original | {name: others[name]}, MADE), "")
    theirs = others["lines/lines.jsonl"].replace(b"news", b"mail")
    mixed = original | {"proofs.json": others["proofs.json"], "lines/lines.jsonl": theirs}
    packs["lines and proofs of another"] = (zipped(relisted(mixed), MADE), "lines/lines.jsonl")
    for start in ("log/entries/", "log/checkpoints/"):
        name = next(each for each in others if each.startswith(start))
        packs[f"{start} of another"] = (
            zipped(relisted(original | {name: others[name]}), MADE), "log/entries/",
        )  # fmt: skip
    _assert_found(folder, packs)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_are_not_as_they_were(folder: Path, octets: bytes, original: Files) -> None:
    into = io.BytesIO(octets)
    with zipfile.ZipFile(into, "a") as archive:
        archive.writestr("lines/lines.jsonl", original["lines/lines.jsonl"])
    twice = into.getvalue()
    at = octets.rindex(b"PK\1\2")  # the last file's entry in the directory
    bomb = octets[: at + 24] + struct.pack("<I", 0xF0000000) + octets[at + 28 :]
    commented = octets[:-2] + b"\4\0" + b"note"
    half = len(octets) // 2
    packs = {
        "cut in half": (octets[:half], "ZIP"),
        "a byte fewer": (octets[:-1], "ZIP"),
        "a byte more": (octets + b"x", "ZIP"),
        "bytes before": (b"#!/bin/sh\n" + octets, "ZIP"),
        "a comment": (commented, "ZIP"),
        "nothing": (b"", "ZIP"),
        "no zip": (b"x" * 1000, "ZIP"),
        "a file twice": (twice, "twice"),
        "a bomb": (bomb, "ZIP"),
        "a bit in the middle": (octets[:half] + bytes([octets[half] ^ 1]) + octets[half + 1 :], ""),
    }
    _assert_found(folder, packs)
