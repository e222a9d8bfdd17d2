"""Packs: what is in them, what is refused, what is withheld; other keys, witnesses."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support import packs
from support.alone import alone, oldest, verified_alone
from support.segments import hours

from proxy_addons.accesslog.seal.manifest import entry_of
from proxy_addons.accesslog.seal.merkle import Leaves
from proxy_addons.accesslog.seal.notes import COSIGNATURE, Checkpoint, Signer, note_of
from proxy_addons.accesslog.seal.packing import start_of, who_of
from proxy_addons.accesslog.seal.partial import written
from proxy_addons.accesslog.seal.salted import Place, Salt, line_leaf, tag_of
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.accesslog.seal.standalone.shipped import shipped
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.pack.about import PackError, Redactions, Whole
from proxy_addons.audit.pack.archive import unzipped, zipped
from proxy_addons.audit.pack.checking import CheckedPack, check_pack
from proxy_addons.audit.pack.reportparts import shown
from proxy_addons.audit.store import At

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.audit.pack.making import Pack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    packs.sealed_log(folder)
    return folder


def opened(pack: Pack, folder: Path) -> dict[str, bytes]:
    (folder / "p.zip").write_bytes(pack.octets)
    return unzipped(folder / "p.zip")[0]


def checked(pack: Pack, folder: Path, **more: Any) -> CheckedPack:
    (folder / "p.zip").write_bytes(pack.octets)
    return check_pack(folder / "p.zip", [packs.SIGNER.verifier], **more)


def test_the_same_inputs_give_the_same_octets(folder: Path) -> None:
    assert packs.packed(folder).octets == packs.packed(folder).octets
    assert packs.packed(folder).octets != packs.packed(folder, secret=b"x" * 32).octets


def test_what_is_in_a_pack(folder: Path) -> None:
    pack = packs.packed(folder)
    files = opened(pack, folder)
    lines = b"".join(files[name] for name in files if name.startswith("lines/a")).splitlines()
    sealed = [
        (folder / "access" / at.segment).read_bytes().splitlines()[at.line]
        for at in packs.ats_of(folder)
    ]
    assert sorted(lines) == sorted(sealed)
    assert b"CD5678" not in b"".join(files[name] for name in files if name != "verify.py")
    assert files["report.pdf"].startswith(b"%PDF")
    assert b"pdfaid" in files["report.pdf"]
    page = files["report.html"].decode()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "no other record of AB1234" in pack.statement


def test_a_person_without_records_is_proved_to_have_none(folder: Path, tmp_path: Path) -> None:
    whole = Whole(packs.SINCE, packs.UNTIL, person="ZZ0000")
    pack = packs.packed(folder, ats=[], whole=whole)
    found = checked(pack, tmp_path)
    assert (found.faults, found.lines) == ((), 0)
    assert alone([tmp_path / "p.zip"], "pack")[str(tmp_path / "p.zip")][0] == 0


NAME = "access-w01-20261121T09Z-0001.jsonl"


def _segment(folder: Path) -> tuple[Salt, list[bytes], list[Place]]:
    """What a maker who has the salts knows of a segment."""
    name = SegmentName.parse(NAME)
    assert name is not None
    seals = Seals(folder / "seals")
    salt = Salt(seals.salt(name).read_bytes())
    lines = gzip.decompress(seals.packed(name).read_bytes()).splitlines()
    places = sorted(
        Place(tag_of(salt.tag_key, who_of(record)), start_of(record), number)
        for number, record in enumerate(map(json.loads, lines))
    )
    return salt, lines, places


def _forged(
    folder: Path, files: dict[str, bytes], shown: set[int], beside: list[int], **more: Any
) -> None:
    """A pack whose proof of one segment is made anew, and fits; all is signed again."""
    salt, lines, places = _segment(folder)
    tree = Leaves([line_leaf(salt.of_line(n), line) for n, line in enumerate(lines)])
    other = Leaves([each.leaf(salt.of_place(each.index)) for each in places])
    proof = written(tree.subtree, len(lines), {n: salt.of_line(n) for n in shown})
    proof += written(
        other.subtree,
        len(lines),
        {n: salt.of_place(places[n].index) + places[n].octets for n in beside},
    )
    proofs = json.loads(files["proofs.json"])
    proofs["tags"] |= more.pop("tags", {})
    proofs["withheld"] |= more.pop("withheld", {})
    changed = {
        f"lines/{NAME}": b"".join(lines[n] + b"\n" for n in sorted(shown)),
        f"proofs/{NAME}.kept": proof,
        "proofs.json": json.dumps(proofs).encode(),
    }
    octets = zipped(packs.relisted(files | changed), packs.MADE)
    (folder / "forged.zip").write_bytes(octets)


def _run(folder: Path) -> tuple[set[int], list[int], list[Place]]:
    """Lines that are shown, their places with their neighbours; all places."""
    salt, _, places = _segment(folder)
    shown = {at.line for at in packs.ats_of(folder) if at.segment == NAME}
    inside = [n for n, each in enumerate(places) if each.index in shown]
    tag = tag_of(salt.tag_key, "person:AB1234")
    assert all(places[n].tag == tag for n in inside)
    beside = range(max(0, inside[0] - 1), min(len(places), inside[-1] + 2))
    return shown, list(beside), places


def _found(folder: Path) -> tuple[list[str], int]:
    """What both say of it: faults, and the exit code of the other."""
    path = folder / "forged.zip"
    faults = check_pack(path, [packs.SIGNER.verifier]).faults
    code, said = alone([path], "pack")[str(path)]
    assert (not faults) == (code == 0), said
    assert all(NAME in str(each) for each in faults)
    assert not faults or NAME in said
    return [each.what for each in faults], code


def test_a_proof_that_is_made_anew_holds(folder: Path, tmp_path: Path) -> None:
    """So that those below are found for what they change, and not for how they are made."""
    files = opened(packs.packed(folder), tmp_path)
    shown, beside, _ = _run(folder)
    _forged(folder, files, shown, beside)
    assert _found(folder) == ([], 0)


@pytest.mark.parametrize("end", [0, -1])
def test_a_run_that_is_shorter_is_found(folder: Path, tmp_path: Path, end: int) -> None:
    """The neighbour and the line beside it are left out, and all proofs are made to fit."""
    files = opened(packs.packed(folder), tmp_path)
    shown, beside, places = _run(folder)
    inside = [n for n in beside if places[n].index in shown]
    gone = inside[end]
    left = [n for n in beside if (n > gone if end == 0 else n < gone)]
    _forged(folder, files, shown - {places[gone].index}, left)
    assert _found(folder) == (["a neighbour is missing"], 1)


def test_a_line_in_the_middle_is_missed(folder: Path, tmp_path: Path) -> None:
    files = opened(packs.packed(folder), tmp_path)
    shown, beside, places = _run(folder)
    gone = beside[len(beside) // 2]
    index = places[gone].index
    _forged(folder, files, shown - {index}, beside)
    assert _found(folder)[0] == ["a line of the person is left out, or one is called withheld"]
    _forged(folder, files, shown - {index}, [n for n in beside if n != gone])
    assert _found(folder)[0] == ["places that do not stand beside each other"]
    _forged(folder, files, shown - {index}, beside, withheld={NAME: [index]})
    assert _found(folder) == ([], 0), "whoever makes a pack can withhold a line, and that is seen"


def test_another_key_of_tags_hides_nobody(folder: Path, tmp_path: Path) -> None:
    """A maker who has all salts shows a key by which the person would have no lines."""
    files = opened(packs.packed(folder), tmp_path)
    _, _, places = _run(folder)
    key = next(
        key for key in (bytes([n]) * 32 for n in range(256))
        if places[0].tag < tag_of(key, "person:AB1234") < places[-1].tag
    )  # fmt: skip
    low = Place(tag_of(key, "person:AB1234"), 0, 0)
    at = max(number for number, place in enumerate(places) if place < low)
    _forged(folder, files, set(), [at, at + 1], tags={NAME: key.hex()})
    assert _found(folder) == ([f"{NAME}: not the key of its tags"], 1)


def test_an_address_nobody_was_known_at(folder: Path, tmp_path: Path) -> None:
    whole = Whole(packs.SINCE, packs.UNTIL, client="192.0.2.99")
    found = checked(packs.packed(folder, ats=[], whole=whole), tmp_path)
    assert (found.faults, (found.whole or {})["client_ip"]) == ((), "192.0.2.99")
    assert alone([tmp_path / "p.zip"], "pack")[str(tmp_path / "p.zip")][0] == 0


def test_some_lines_claim_nothing_about_others(folder: Path, tmp_path: Path) -> None:
    some = packs.ats_of(folder)[:3]
    pack = packs.packed(folder, ats=some, whole=None)
    assert "Nothing is proved about records that are not in this pack" in pack.statement
    found = checked(pack, tmp_path)
    assert (found.faults, found.lines, found.whole) == ((), 3, None)
    code, said = alone([tmp_path / "p.zip"], "pack")[str(tmp_path / "p.zip")]
    assert (code, "nothing is proved of others" in said) == (0, True)
    with pytest.raises(PackError, match="are not among those that were asked for"):
        packs.packed(folder, ats=some)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"ats": [At("access-w01-20261121T20Z-0001.jsonl", 0)]}, "is not sealed yet"),
        ({"ats": [At("access-w01-20261121T09Z-0001.jsonl", 99)]}, "there is no 99"),
        ({"secret": b"x"}, "has 32 octets"),
        ({"redactions": Redactions(fields=frozenset({"nothing"}))}, "not there: nothing"),
        ({"redactions": Redactions(lines=frozenset({At("x", 1)}))}, "not among the lines"),
        ({"whole": Whole(packs.SINCE, packs.UNTIL + timedelta(days=1), person="x")}, "seal first"),
        ({"whole": Whole(packs.UNTIL, packs.SINCE, person="x")}, "complete for what"),
        ({"whole": Whole(packs.SINCE, packs.UNTIL)}, "complete for what"),
    ],
)
def test_what_is_refused(folder: Path, more: dict[str, Any], what: str) -> None:
    with pytest.raises(PackError, match=what):
        packs.packed(folder, **more)


def test_nothing_sealed(tmp_path: Path) -> None:
    (tmp_path / "seals").mkdir()
    with pytest.raises(PackError, match="nothing is sealed yet"):
        packs.packed(tmp_path, ats=[], whole=None)


def test_a_log_that_was_changed_gives_no_pack(tmp_path: Path) -> None:
    packs.sealed_log(tmp_path, count=4)
    for path in (tmp_path / "seals/salts").rglob("*.salt"):
        path.chmod(0o600)
        path.write_bytes(bytes(32))
    with pytest.raises(PackError, match="not what was sealed"):
        packs.packed(tmp_path, whole=Whole(packs.SINCE, packs.SINCE + timedelta(hours=1), "AB1234"),
                     ats=packs.ats_of(tmp_path))  # fmt: skip


def test_withheld_lines_and_details(folder: Path, tmp_path: Path) -> None:
    ats = packs.ats_of(folder)
    full = opened(packs.packed(folder), tmp_path)
    held = Redactions(lines=frozenset(ats[:2]), details=frozenset({"approver"}))
    pack = packs.packed(folder, redactions=held)
    files = opened(pack, tmp_path)
    found = checked(pack, tmp_path)
    assert (found.faults, found.lines, found.withheld) == ((), 26, 2)
    assert alone([tmp_path / "p.zip"], "pack")[str(tmp_path / "p.zip")][0] == 0
    name = f"lines/{ats[0].segment}"
    lines = full[name].splitlines()
    assert files[name].splitlines() == lines[2:]
    segment = SegmentName.parse(ats[0].segment)
    assert segment is not None
    salt = Salt(Seals(folder / "seals").salt(segment).read_bytes())
    nonce, leaf = salt.of_line(ats[0].line), line_leaf(salt.of_line(ats[0].line), lines[0])
    proof = f"proofs/{ats[0].segment}.kept"
    assert (leaf in files[proof], nonce in files[proof]) == (True, False)
    gone = [json.loads(lines[0])["id"].encode(), b"Head of ACU", nonce]
    for octets in gone:
        assert octets in b"".join(full.values())
        assert not any(octets in data for data in files.values())
    was, now = (json.loads(each["authorisation.json"])["details"] for each in (full, files))
    assert was["approver"]["sha256"] == now["approver"]["sha256"]
    assert now["purpose"] == was["purpose"]


def test_withheld_fields(folder: Path, tmp_path: Path) -> None:
    pack = packs.packed(folder, redactions=Redactions(fields=frozenset({"url"})))
    files = opened(pack, tmp_path)
    assert (pack.lines, pack.withheld) == (0, 28)
    assert checked(pack, tmp_path).faults == ()
    said = [json.loads(each) for each in files["extracts.jsonl"].splitlines()]
    assert len(said) == 28
    assert all("url" not in each["record"] and each["withheld"] == ["url"] for each in said)
    assert not any(b"https://site" in data for data in files.values())


def test_what_is_shown_cannot_act(folder: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>#sys.inputs \u202e \x1b[2J 中 =1+1"
    about = replace(packs.ABOUT, title=evil, details={"<b>": evil}, limitations=(evil,))
    page = opened(packs.packed(folder, about=about), tmp_path)["report.html"].decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert not {"\u202e", "\x1b"} & set(page)
    assert shown("a\u202eb中\xa0") == "a\\u{202e}b\\u{4e2d}\\u{a0}"


# --- keys that change, witnesses ------------------------------------------------------------------

NEW = Signer(packs.SIGNER.name, b"n" * 32)
WITNESS = Signer("witness.example/w", b"w" * 32, COSIGNATURE)


def _turned(folder: Path, by: tuple[Signer, ...] = (packs.SIGNER, NEW)) -> None:
    """A log that changes its key after some hours, and goes on."""
    seals = packs.sealed_log(folder, count=2)
    last = Checkpoint.parse(seals.note().partition("\n\n")[0] + "\n")
    said = {"key": str(NEW.verifier), "replaces": str(packs.SIGNER.verifier)}
    entry = entry_of("key", said | {"at": "2026-11-21T10:05:00Z", "reason": "a new machine"})
    size = seals.tiles.append(last.size, [entry])
    text = str(Checkpoint(last.origin, size, seals.tiles.root(size)))
    note = note_of(text, [each.sign(text) for each in by]).encode()
    path = seals.signed(size)
    path.write_bytes(note)
    (folder / "seals/checkpoint").chmod(0o600)
    (folder / "seals/checkpoint").write_bytes(note)
    if NEW not in by:
        return
    hours(folder / "access", 5, 24)
    seal(folder / "access", seals, NEW, now=packs.SEALED, entropy=random.Random(3).randbytes,
         software="0.1.0")  # fmt: skip


def _alone(path: Path, signer: Signer, *more: str) -> int:
    return verified_alone(path, str(signer.verifier), *more)[0]


def _seals_alone(folder: Path, signer: Signer) -> int:
    (folder / "verify.py").write_text(shipped("seals"))
    command = [oldest(), "-I", "verify.py", "seals", "--key", str(signer.verifier)]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def test_a_key_that_was_replaced(tmp_path: Path) -> None:
    _turned(tmp_path)
    pack = packs.packed(tmp_path, signer=NEW)
    path = tmp_path / "p.zip"
    path.write_bytes(pack.octets)
    for signer in (packs.SIGNER, NEW):
        assert check_pack(path, [signer.verifier]).faults == ()
        assert _alone(path, signer) == 0
        assert _seals_alone(tmp_path, signer) == 0
    assert check_pack(path, [packs.STRANGER.verifier]).faults
    assert _alone(path, packs.STRANGER) == 1
    path.write_bytes(packs.packed(tmp_path, signer=packs.SIGNER).octets)
    assert [each.name for each in check_pack(path, [NEW.verifier]).faults] == ["manifest.sig"]
    assert _alone(path, packs.SIGNER) == 1, "the old key does not count any more"


@pytest.mark.parametrize("by", [(packs.SIGNER,), (NEW,), (packs.SIGNER, packs.STRANGER)])
def test_a_key_that_was_not_handed_over_by_both(tmp_path: Path, by: tuple[Signer, ...]) -> None:
    _turned(tmp_path, by)
    assert _seals_alone(tmp_path, packs.SIGNER) == 1
    assert _seals_alone(tmp_path, NEW) == 1


def test_a_witness(tmp_path: Path) -> None:
    seals = packs.sealed_log(tmp_path)
    path = seals.signed(10)
    note = path.read_text()
    path.chmod(0o600)
    text = note.partition("\n\n")[0] + "\n"
    signed = note + WITNESS.sign(text, 1_700_000_000)
    for octets, holds in ((signed, True), (note, False), (signed[:-6] + "AAA=\n", False)):
        path.write_text(octets)
        pack = packs.packed(tmp_path)
        found = checked(pack, tmp_path, witnesses=[WITNESS.verifier])
        assert (not found.faults) == holds
        code = _alone(tmp_path / "p.zip", packs.SIGNER, "--witness", str(WITNESS.verifier))
        assert (code == 0) == holds


def test_late_in_the_year(tmp_path: Path) -> None:
    """The hour that comes twice is told apart in the report."""
    hours(tmp_path / "access", 3, 24, first="20261024T23")
    seal(tmp_path / "access", Seals(tmp_path / "seals"), packs.SIGNER,
         now=datetime(2026, 10, 25, 5, tzinfo=UTC).timestamp(),
         entropy=random.Random(4).randbytes, software="0.1.0")  # fmt: skip
    begin = datetime(2026, 10, 24, 23, tzinfo=UTC)
    whole = Whole(begin, begin + timedelta(hours=3), person="AB1234")
    pack = packs.packed(tmp_path, whole=whole, ats=packs.ats_of(tmp_path, whole))
    page = opened(pack, tmp_path)["report.html"].decode()
    assert "01:00 BST" in page
    assert "01:00 GMT" in page
