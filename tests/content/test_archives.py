"""Archives of every kind, as programs make them and as nobody should, are looked into."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from random import Random
from typing import TYPE_CHECKING

import pytest
from support import packing
from support.packing import ARCHIVES, PROGRAM, SINGLE, TEXT, zip_of

from proxy_addons.content.archives import Members, examine_archive
from proxy_addons.content.declared import named
from proxy_addons.content.types import HEAD, TAIL
from proxy_addons.settings.content import Archives as Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def members(
    archive: bytes,
    *,
    name: str = "",
    depth: int = 5,
    count: int = 10_000,
    size: int = 1 << 30,
    ratio: int = 200,
    clock: Callable[[], float] = float,
) -> Members:
    limits = Limits(depth=depth, members=count, size=size, ratio=ratio, seconds=30)
    return examine_archive(io.BytesIO(archive), limits, named(name), clock=clock)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_what_is_in_an_archive_of_each_kind_is_seen(kind: str) -> None:
    found = members(ARCHIVES[kind]({"read.txt": TEXT, "b.pdf": PROGRAM}))
    assert found.types == {"text", "windows-program"}
    assert not found.findings
    (name,) = found.first
    assert name.lower().endswith("b.pdf")


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_of_texts_has_no_findings(kind: str) -> None:
    assert members(ARCHIVES[kind]({"read.txt": TEXT, "b.txt": TEXT[1:]})) == Members(
        frozenset({"text"})
    )


@pytest.mark.parametrize("kind", SINGLE)
def test_what_is_packed_alone_is_seen(kind: str) -> None:
    assert members(SINGLE[kind](PROGRAM)).types == {"windows-program"}
    assert members(SINGLE[kind](TEXT)) == Members(frozenset({"text"}))


@pytest.mark.parametrize("kind", SINGLE)
def test_what_is_packed_alone_has_the_name_of_its_archive(kind: str) -> None:
    assert members(SINGLE[kind](TEXT), name=f"a.ps1.{kind}").types == {"windows-script"}


def test_what_is_packed_alone_has_the_name_in_its_header_too() -> None:
    packed = io.BytesIO()
    with gzip.GzipFile("a.ps1", "wb", fileobj=packed) as file:
        file.write(TEXT)
    assert members(packed.getvalue(), name="a.txt.gz").types == {"windows-script"}


def test_an_archive_in_an_archive_in_an_archive_is_looked_into() -> None:
    image = packing.iso({"a.zip": zip_of({"b/c.txt": PROGRAM})})
    found = members(packing.seven({"disk.iso": image, "x.txt": TEXT}))
    assert found.types == {"disk-image", "archive", "windows-program", "text"}
    assert not found.findings
    assert found.first[0].lower().endswith("disk.iso/a.zip/b/c.txt")


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_a_packed_tar_in_a_zip_is_looked_into(kind: str) -> None:
    inner = SINGLE[kind](packing.tar_of({"setup": PROGRAM}))
    assert "windows-program" in members(zip_of({"a": inner})).types


ENCRYPTED = {
    "zip": lambda: packing.encrypted_zip({"a.txt": TEXT}),
    "zip-aes": lambda: packing.encrypted_zip({"a.txt": TEXT}, "AES256"),
    "7z": lambda: packing.seven({"a.txt": TEXT}, "-psecret"),
    "7z-names": lambda: packing.seven({"a.txt": TEXT}, "-psecret", "-mhe=on"),
    "rar4": lambda: packing.rar4({"a.txt": TEXT}, password=True),
    "rar4-names": lambda: packing.rar4({"a.txt": TEXT}, header=True),
    "rar5-names": lambda: packing.rar5({"a.txt": TEXT}, header=True),
}


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_a_password_is_a_finding(kind: str) -> None:
    archive = ENCRYPTED[kind]()
    found = members(archive)
    assert found.findings == {"encrypted-archive"}
    assert found.itself == {"encrypted-archive"}
    outer = members(zip_of({"x": archive}))
    assert outer.types == {"archive", "encrypted-archive"}
    assert outer.findings == {"encrypted-archive"}
    assert not outer.itself


def test_beside_an_encrypted_member_the_others_are_seen() -> None:
    packed = packing.changed(zip_of({"b.exe": PROGRAM}), flags=1)
    joined = packing.by(["7z", "a", "-bd", "-tzip", "{out}.zip", "."], {"c.exe": PROGRAM})
    assert members(packed).findings == {"encrypted-archive"}
    assert members(joined).types == {"windows-program"}


WHOLE = {
    name: ARCHIVES[name]
    for name in ("zip", "7z", "rar4", "rar5", "tar-gz", "tar-bz2", "tar-xz", "tar-zst", "cab")
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.8])
def test_an_archive_cut_short_is_a_finding(kind: str, share: float) -> None:
    archive = WHOLE[kind]({"a.txt": TEXT, "b.bin": Random(6).randbytes(50_000)})
    assert members(archive[: int(len(archive) * share)]).findings == {"unreadable-archive"}


@pytest.mark.parametrize(
    "content", [b"", TEXT, PROGRAM, b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c" + bytes(40), b"Rar!"]
)
def test_what_is_no_archive_is_a_finding(content: bytes) -> None:
    assert members(content).findings == {"unreadable-archive"}


def test_an_archive_that_is_empty_is_none() -> None:
    assert members(zip_of({})) == Members()
    assert members(packing.tar_of({})) == Members()


def test_a_damaged_member_is_a_finding_and_those_behind_it_are_seen() -> None:
    archive = ARCHIVES["zip-stored"]({"a.txt": TEXT, "b.exe": PROGRAM})
    found = members(archive.replace(TEXT[:20], TEXT[20:40], 1))
    assert found.findings == {"unreadable-archive"}
    assert "windows-program" in found.types


HOSTILE_NAMES = (
    *("../../../../tmp/hostile", "/etc/passwd", "C:\\Windows\\x.exe", "a\nb\x1b[31m"),
    *("\u202egpj.exe", "con", "x" * 4000, "a/" * 1500 + "b", "\xed\xb3\xbf"),
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_names_do_no_harm(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for archive in (zip_of({name: PROGRAM}), packing.tar_of({name: PROGRAM})):
        found = members(archive)
        assert found.types == {"windows-program"}
        (shown,) = found.first
        assert shown.isprintable()
        assert len(shown) < 1000
    assert not list(tmp_path.iterdir())


def test_a_text_that_lists_files_of_this_machine_is_no_archive(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(PROGRAM)
    listing = f"#mtree\n./x type=file contents={secret}\n".encode()
    assert members(listing).findings == {"unreadable-archive"}


def test_links_and_devices_are_no_files() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"x{kind!r}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert members(packed.getvalue()) == Members()


def test_no_more_names_than_a_few_are_given() -> None:
    found = members(zip_of({f"{number}.exe": PROGRAM for number in range(40)}))
    assert found.first == tuple(f"{number}.exe" for number in range(8))


@pytest.mark.parametrize(("around", "deep"), [(5, False), (6, True), (40, True)])
def test_archives_in_archives_are_looked_into_to_a_depth(around: int, *, deep: bool) -> None:
    found = members(packing.nested(zip_of({"a.txt": TEXT}), around))
    assert found.findings == ({"archive-too-deep"} if deep else set())


def test_members_are_counted_at_every_depth() -> None:
    inner = zip_of({f"{number}": b"" for number in range(10)})
    archive = zip_of({"a.zip": inner, "b.zip": inner})
    assert not members(archive, count=22).findings
    assert members(archive, count=21).findings == {"archive-too-large"}


def test_what_is_claimed_counts() -> None:
    archive = packing.changed(zip_of({"a": TEXT}), size=3 << 30)
    assert members(archive).findings == {"archive-too-large"}


def test_what_is_not_claimed_counts_as_it_is_unpacked() -> None:
    inner = packing.changed(zip_of({"a.txt": bytes(8 << 20)}), size=10)
    bomb = gzip.compress(bytes(1 << 20) * 40)
    assert members(zip_of({"a.gz": bomb}), size=20 << 20).findings == {"archive-too-large"}
    assert members(inner, size=20 << 20).findings != set()


@pytest.mark.parametrize("kind", ["zip", "7z", "tar-gz", "tar-bz2", "tar-xz", "tar-zst"])
def test_a_bomb_is_not_unpacked(kind: str) -> None:
    assert members(ARCHIVES[kind]({"a": bytes(20 << 20)})).findings == {"archive-too-large"}


def test_a_bomb_of_bombs_is_not_unpacked() -> None:
    content = bytes(1 << 20)
    for _ in range(5):
        content = zip_of({f"{number}.zip": content for number in range(16)})
    assert members(content).findings == {"archive-too-large"}


def test_what_is_small_may_be_packed_well() -> None:
    assert not members(zip_of({"a.csv": bytes(10 << 20)})).findings


def test_seconds_are_limited() -> None:
    now = iter(range(0, 1000, 10))
    archive = zip_of({f"{number}.txt": TEXT for number in range(20)})
    found = members(archive, clock=lambda: float(next(now)))
    assert found.findings == {"archive-too-large"}
    assert found.types == {"text"}


@pytest.mark.parametrize("size", [HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL, 300_000])
def test_what_shows_at_the_end_of_a_member_only_is_seen(size: int) -> None:
    trailer = b"koly" + struct.pack(">II", 4, 512) + bytes(500)
    image = Random(3).randbytes(size - len(trailer)) + trailer
    assert "macos-disk-image" in members(zip_of({"a.bin": image})).types
