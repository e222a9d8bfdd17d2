"""Every change to a pack is found, and its file named, by our check and by the other one."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support.alone import alone
from support.packs import MADE, SIGNER, STRANGER, packed, relisted, sealed_log

from proxy_addons.accesslog.seal.merkle import leaf_hash
from proxy_addons.accesslog.seal.notes import Checkpoint, note_of
from proxy_addons.accesslog.seal.tiles import entries_in
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


# --- what a dishonest maker could do: the manifest is made anew and signed with the log's own key -

NAME = "access-w01-20261121T09Z-0001.jsonl"
OTHER = "access-w02-20261121T10Z-0001.jsonl"
LINES, KEPT = f"lines/{NAME}", f"proofs/{NAME}.kept"
ENTRIES = "tile/entries/000.p/10"
SIGNED = "checkpoints/000000/000000010"


def _flipped(part: float, bit: int = 1) -> Callable[[bytes], bytes]:
    def change(octets: bytes) -> bytes:
        at = min(len(octets) - 1, int(len(octets) * part))
        return octets[:at] + bytes([octets[at] ^ bit]) + octets[at + 1 :]

    return change


def _on_lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda octets: b"".join(change(octets.splitlines(keepends=True)))


def _on_proofs(change: Callable[[Proofs], object]) -> Callable[[bytes], bytes]:
    def made(octets: bytes) -> bytes:
        proofs = json.loads(octets)
        change(proofs)
        return json.dumps(proofs).encode()

    return made


def _parts(kept: bytes) -> list[bytes]:
    """What a proof has of the lines and of the places, one after the other."""
    found, at, leaves = [], 0, 0
    while at < len(kept):
        end = at + 33 + (48 if kept[at] == 1 and leaves >= 24 else 0)
        leaves += 1 << max(kept[at] - 1, 0)
        found.append(kept[at:end])
        at = end
    return found


def _on_parts(change: Callable[[list[bytes]], object]) -> Callable[[bytes], bytes]:
    def made(octets: bytes) -> bytes:
        parts = _parts(octets)
        change(parts)
        return b"".join(parts)

    return made


def _of(parts: list[bytes], flag: int, *, length: int = 33) -> int:
    """Where the first part of a kind is."""
    return next(n for n, each in enumerate(parts) if each[0] == flag and len(each) == length)


def _set(of: Any, key: Any, value: Any) -> None:
    of[key] = value


def _swapped(parts: list[bytes]) -> None:
    first, second = [n for n, each in enumerate(parts) if each[0] == 1][:2]
    parts[first], parts[second] = parts[second], parts[first]


def _stranger_checkpoint(octets: bytes) -> bytes:
    text = octets.decode().partition("\n\n")[0] + "\n"
    return note_of(text, [STRANGER.sign(text)]).encode()


def _other_root(octets: bytes) -> bytes:
    origin, size, _ = octets.decode().split("\n")[:3]
    text = str(Checkpoint(origin, int(size), bytes(32)))
    return note_of(text, [SIGNER.sign(text)]).encode()


def _size(digits: bytes) -> Callable[[bytes], bytes]:
    def change(octets: bytes) -> bytes:
        origin, _, rest = octets.split(b"\n", 2)
        text = b"\n".join((origin, digits, rest)).decode().partition("\n\n")[0] + "\n"
        return note_of(text, [SIGNER.sign(text)]).encode()

    return change


def _entries(change: Callable[[list[bytes]], object]) -> Callable[[bytes], bytes]:
    def made(octets: bytes) -> bytes:
        entries = entries_in(octets)
        change(entries)
        return b"".join(len(each).to_bytes(2) + each for each in entries)

    return made


WHEN = "2026-11-21T12:30:00.000000Z"
PROVED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a byte of a line": (LINES, _on_lines(lambda x: [x[0].replace(b"a", b"b", 1), *x[1:]])),
    "a space in a line": (LINES, _on_lines(lambda x: [x[0].replace(b":", b": ", 1), *x[1:]])),
    "two lines swapped": (LINES, _on_lines(lambda x: [x[1], x[0], *x[2:]])),
    "lines backwards": (LINES, _on_lines(lambda x: x[::-1])),
    "the first line gone": (LINES, _on_lines(lambda x: x[1:])),
    "the last line gone": (LINES, _on_lines(lambda x: x[:-1])),
    "a line twice": (LINES, _on_lines(lambda x: [x[0], *x])),
    "the last line twice": (LINES, _on_lines(lambda x: [*x, x[-1]])),
    "a line more": (LINES, _on_lines(lambda x: [*x, b"{}\n"])),
    "an empty line more": (LINES, _on_lines(lambda x: [*x, b"\n"])),
    "half a line more": (LINES, _on_lines(lambda x: [*x, b"{"])),
    "the last newline gone": (LINES, _on_lines(lambda x: [*x[:-1], x[-1][:-1]])),
    "another newline": (LINES, _on_lines(lambda x: [x[0][:-1] + b"\r\n", *x[1:]])),
    "no lines": (LINES, lambda _: b""),
    "another name in a line": (LINES, lambda x: x.replace(b"AB1234", b"CD5678", 1)),
    "another time in a line": (LINES, lambda x: x.replace(b"T09:", b"T10:", 1)),
    **{
        f"bit {bit} of the proof at {part}": (KEPT, _flipped(part, bit))
        for part, bit in ((0, 1), (0.1, 128), (0.35, 1), (0.5, 128), (0.8, 1), (1, 1))
    },
    "no proof": (KEPT, lambda _: b""),
    "half of the proof": (KEPT, lambda x: x[: len(x) // 2]),
    "an octet fewer": (KEPT, lambda x: x[:-1]),
    "an octet more": (KEPT, lambda x: x + b"\0"),
    "the proof twice": (KEPT, lambda x: x * 2),
    "the proof backwards": (KEPT, lambda x: x[::-1]),
    "a shown line hidden": (KEPT, _on_parts(lambda p: _set(p, _of(p, 1), b"\0" + bytes(32)))),
    "a hidden line shown": (KEPT, _on_parts(lambda p: _set(p, _of(p, 0), b"\1" + bytes(32)))),
    "a part gone": (KEPT, _on_parts(lambda p: p.pop(0))),
    "a part more": (KEPT, _on_parts(lambda p: p.insert(0, b"\0" + bytes(32)))),
    "a part beyond the end": (KEPT, _on_parts(lambda p: _set(p, 0, b"\x40" + bytes(32)))),
    "the largest part": (KEPT, _on_parts(lambda p: _set(p, 0, b"\xff" + bytes(32)))),
    "parts backwards": (KEPT, _on_parts(lambda p: p.reverse())),
    "two nonces swapped": (KEPT, _on_parts(_swapped)),
    "a place gone": (KEPT, _on_parts(lambda p: p.pop(_of(p, 1, length=81)))),
    "a place hidden": (
        KEPT,
        _on_parts(lambda p: _set(p, n := _of(p, 1, length=81), b"\0" + leaf_hash(p[n][1:]))),
    ),
    "the last place hidden": (
        KEPT,
        _on_parts(
            lambda p: _set(
                p, n := max(n for n in range(len(p)) if len(p[n]) > 33), b"\0" + leaf_hash(p[n][1:])
            )
        ),
    ),
    "another person": ("proofs.json", _on_proofs(lambda p: _set(p["whole"], "person", "CD5678"))),
    "nobody": ("proofs.json", _on_proofs(lambda p: p["whole"].pop("person"))),
    "a longer period": ("proofs.json", _on_proofs(lambda p: _set(p["whole"], "until", WHEN))),
    "an earlier period": (
        "proofs.json",
        _on_proofs(lambda p: _set(p["whole"], "since", "2026-11-21T08:00:00.000000Z")),
    ),
    "a period that never begins": (
        "proofs.json",
        _on_proofs(lambda p: p["whole"].update(since="~", until="~~")),
    ),
    "a period that ends at no time": (
        "proofs.json",
        _on_proofs(lambda p: _set(p["whole"], "until", WHEN[:-1])),
    ),
    "a period of no meaning": ("proofs.json", _on_proofs(lambda p: _set(p, "whole", {}))),
    "another key of tags": ("proofs.json", _on_proofs(lambda p: _set(p["tags"], NAME, "11" * 32))),
    "half a key of tags": ("proofs.json", _on_proofs(lambda p: _set(p["tags"], NAME, "11"))),
    "another's key of tags": (
        "proofs.json",
        _on_proofs(lambda p: _set(p["tags"], NAME, p["tags"][OTHER])),
    ),
    "no key of tags": ("proofs.json", _on_proofs(lambda p: p["tags"].pop(NAME))),
    "no keys of tags": ("proofs.json", _on_proofs(lambda p: p.pop("tags"))),
    "a line called withheld": (
        "proofs.json",
        _on_proofs(lambda p: _set(p["withheld"], NAME, [0])),
    ),
    "proofs that say nothing": ("proofs.json", lambda _: b"{}"),
    "proofs that are none": ("proofs.json", lambda _: b"\xff"),
    "proofs without end": ("proofs.json", lambda _: b"[" * 200_000),
    "a gap more": ("gaps.json", lambda _: b'{"missing": [["x", 1, 2]]}'),
    "gaps that are none": ("gaps.json", lambda _: b"[]"),
    "a number in an entry": (ENTRIES, lambda x: x.replace(b'"records":24', b'"records":25', 1)),
    "what an entry follows": (
        ENTRIES,
        lambda x: x.replace(b'"after_seq":24', b'"after_seq":23', 1),
    ),
    "an entry gone": (ENTRIES, _entries(lambda x: x.pop(0))),
    "the last entry gone": (ENTRIES, _entries(lambda x: x.pop())),
    "an entry twice": (ENTRIES, _entries(lambda x: x.insert(0, x[0]))),
    "entries backwards": (ENTRIES, _entries(lambda x: x.reverse())),
    "an entry that is none": (ENTRIES, _entries(lambda x: _set(x, 0, b"{}"))),
    "an entry that is a list": (ENTRIES, _entries(lambda x: _set(x, 0, b"[1]"))),
    "an entry more, which nobody signed": (ENTRIES, _entries(lambda x: x.append(x[-1]))),
    "an octet behind the entries": (ENTRIES, lambda x: x + b"\0"),
    "half of the entries": (ENTRIES, lambda x: x[: len(x) // 2]),
    "no entries": (ENTRIES, lambda _: b""),
    "a signature": (SIGNED, lambda x: x[:-9] + bytes([x[-9] ^ 1]) + x[-8:]),
    "a stranger's checkpoint": (SIGNED, _stranger_checkpoint),
    "another root": (SIGNED, _other_root),
    "another size": (SIGNED, _size(b"9")),
    "a size written in another way": (SIGNED, _size(b"010")),
    "a size below nothing": (SIGNED, _size(b"-10")),
    "no checkpoint": (SIGNED, lambda _: b""),
    "another that is shown": ("checkpoint", _size(b"9")),
    "none that is shown": ("checkpoint", lambda _: b""),
}


def _assert_found(
    folder: Path, packs: dict[str, tuple[bytes, str]], unpacked: dict[str, str] | None = None
) -> None:
    """Both find each of some packs wrong, and name the file, or what it is called once unpacked."""
    paths = {}
    for number, (what, (octets, _)) in enumerate(packs.items()):
        paths[what] = folder / f"changed-{number}.zip"
        paths[what].write_bytes(octets)
    theirs = alone(list(paths.values()), "pack")
    for what, path in paths.items():
        # Which bundle of entries it is cannot be told from a root; nor which checkpoint is gone.
        expected = "tile/entries" if packs[what][1] == ENTRIES else packs[what][1]
        code, said = theirs[str(path)]
        assert code == 1, (what, said)
        assert (unpacked or {}).get(what, expected) in said, (what, said)
        _assert_found_by_us(path, expected)


def _assert_found_by_us(path: Path, expected: str) -> None:
    try:
        ours = "\n".join(map(str, check_pack(path, [SIGNER.verifier]).faults))
    except CheckError as problem:
        ours = str(problem)
    assert ours
    assert expected in ours
    path.unlink()


def test_a_pack_as_it_was_made(folder: Path, original: Files) -> None:
    found = check_pack(folder / "pack.zip", [SIGNER.verifier])
    assert (found.faults, found.lines, found.withheld) == ((), 28, 0)
    ((code, said),) = alone([folder / "pack.zip"], "pack").values()
    assert (code, "28 lines" in said, "AB1234" in said) == (0, True, True), said
    again = folder / "again.zip"
    again.write_bytes(zipped(relisted(original), MADE))
    assert check_pack(again, [SIGNER.verifier]).faults == (), "a manifest of the same files holds"
    assert alone([again], "pack")[str(again)][0] == 0


def test_what_a_dishonest_maker_changes(folder: Path, original: Files) -> None:
    """The manifest and its signature fit: proofs alone find it."""
    _assert_found(
        folder,
        {
            what: (zipped(relisted(original | {name: change(original[name])}), MADE), name)
            for what, (name, change) in PROVED.items()
        },
    )


def test_files_that_a_dishonest_maker_leaves_out(folder: Path, original: Files) -> None:
    names = [LINES, KEPT, "proofs.json", "gaps.json", ENTRIES, "checkpoint"]
    unsigned = {n: original[n] for n in original if n != SIGNED}
    packs = {"what was signed": (zipped(relisted(unsigned), MADE), "checkpoint")}
    packs |= {
        name: (zipped(relisted({n: original[n] for n in original if n != name}), MADE), name)
        for name in names
    }
    without = {n: original[n] for n in original if n not in {LINES, KEPT}}
    packs["a segment"] = (zipped(relisted(without), MADE), LINES)
    other = {LINES: original[f"lines/{OTHER}"], KEPT: original[f"proofs/{OTHER}.kept"]}
    packs["a segment in place of another"] = (zipped(relisted(original | other), MADE), KEPT)
    more = "lines/access-w09-20261121T09Z-0001.jsonl"
    packs["lines that nobody sealed"] = (zipped(relisted(original | {more: b"{}\n"}), MADE), more)
    beyond = "lines/access-w01-20261121T13Z-0001.jsonl"
    packs["of another hour"] = (zipped(relisted(original | {beyond: b"{}\n"}), MADE), beyond)
    packs["of a stranger"] = (zipped(relisted(original, STRANGER), MADE), "manifest.sig")
    _assert_found(folder, packs)


def test_there_are_many_kinds() -> None:
    assert len(PROVED) >= 60
    assert all(name for name, _ in PROVED.values())


def _left(original: Files, gone: str) -> Files:
    return {name: data for name, data in original.items() if name != gone}


def test_each_file_that_is_changed(folder: Path, original: Files) -> None:
    _assert_found(
        folder,
        {
            name: (
                zipped(original | {name: _flipped(0.5)(data)}, MADE),
                "manifest" if name.startswith("manifest.") else name,
            )
            for name, data in original.items()
            if data
        },
    )


@pytest.mark.heavy  # another sixty of the same
def test_each_file_that_is_gone_or_empty(folder: Path, original: Files) -> None:
    packs = {}
    for name, data in original.items():
        wanted = "manifest" if name.startswith("manifest.") else name
        packs[f"{name} gone"] = (zipped(_left(original, name), MADE), wanted)
        if data:
            packs[f"{name} empty"] = (zipped(original | {name: b""}, MADE), wanted)
    _assert_found(folder, packs)


def test_what_is_put_in(folder: Path, original: Files, others: Files) -> None:
    unpacked = {
        "more.txt": "more.txt",
        "../../etc/cron.d/x": "etc/cron.d/x",
        "/etc/passwd": "etc/passwd",
        "lines/../x": "lines/x",
        "C:\\x": "C:\\\\x",
    }
    packs = {name: (zipped(original | {name: b"x"}, MADE), name) for name in unpacked}
    for name in ("manifest.json", "manifest.sig"):
        packs[f"{name} of another"] = (zipped(original | {name: others[name]}, MADE), "manifest")
    for name in (KEPT, "proofs.json", ENTRIES, SIGNED):
        packs[f"{name} of another"] = (
            zipped(relisted(original | {name: others[name]}), MADE),
            name,
        )
    _assert_found(folder, packs, unpacked)


def _at(octets: bytes, place: int) -> str:
    """The file that has an octet of a zip."""
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        infos = [each for each in archive.infolist() if each.header_offset <= place]
    return max(infos, key=lambda each: each.header_offset).filename


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_are_not_as_they_were(folder: Path, octets: bytes, original: Files) -> None:
    into = io.BytesIO(octets)
    with zipfile.ZipFile(into, "a") as archive:
        archive.writestr(LINES, original[LINES])
    twice = into.getvalue()
    at = octets.rindex(b"PK\1\2")  # the last file's entry in the directory
    bomb = octets[: at + 24] + struct.pack("<I", 0xF0000000) + octets[at + 28 :]
    commented = octets[:-2] + b"\4\0" + b"note"
    half = len(octets) // 2
    packs = {  # for those who have the zip: whoever has unpacked it has the files alone
        "cut in half": (octets[:half], "ZIP"),
        "a byte fewer": (octets[:-1], "ZIP"),
        "a byte more": (octets + b"x", "ZIP"),
        "bytes before": (b"#!/bin/sh\n" + octets, "ZIP"),
        "a comment": (commented, "ZIP"),
        "nothing": (b"", "ZIP"),
        "no zip": (b"x" * 1000, "ZIP"),
        "a file twice": (twice, "twice"),
        "a bomb": (bomb, "ZIP"),
        "a bit in the middle": (
            octets[:half] + bytes([octets[half] ^ 1]) + octets[half + 1 :],
            _at(octets, half),
        ),
    }
    for changed, expected in packs.values():
        (folder / "changed.zip").write_bytes(changed)
        _assert_found_by_us(folder / "changed.zip", expected.replace("ZIP", "changed.zip"))
