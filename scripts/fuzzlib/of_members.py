"""Target: what is in files.

Whatever a file is, it becomes types, names that can be shown, and what could not be looked into;
within limits, and without a file left behind.

In: a file; its first byte says how it is packed once more. Out: nothing, or a finding.
Must never: leave what it unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import sys
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from fuzzlib.place import folder
from proxy_addons.content.archives import NAMES
from proxy_addons.content.examining import examined
from proxy_addons.policy.findings import FILE_TYPES
from proxy_addons.settings.content import Archives

_DESCRIPTORS = Path("/proc/self/fd")
_LIMITS = Archives(depth=3, members=200, size=8 << 20, ratio=50, seconds=5)
_PACKED = (bytes, gzip.compress, bz2.compress, lambda data: _zip({"a.zip": data}))


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


@cache
def _makers() -> tuple[bytes, ...]:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from support import compound, packing

    files = {"a.txt": packing.TEXT[:80], "b.exe": packing.PROGRAM[:200]}
    made = [
        *(packing.zip_of(files), packing.zip_of(files, zipfile.ZIP_STORED), packing.tar_of(files)),
        *(packing.rar4(files), packing.rar5(files), packing.rar5(files, header=True)),
        packing.zip_of(files) + packing.zip_of(files),
        packing.zip_of({"mimetype": b"application/epub+zip", "META-INF/manifest.xml": b"<a/>"}),
        packing.zip_of(
            {"manifest.json": b'{"manifest_version": 2}', "[Content_Types].xml": b"<x/>"}
        ),
        compound.compound({"Workbook": b"\x85\0\x08\0" + bytes(9), "x/\x01Ole10Native": bytes(90)}),
        b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    ]
    for program, maker in (
        *(("7z", packing.seven), ("gcab", packing.cab), ("cpio", packing.cpio), ("ar", packing.ar)),
    ):
        if packing.has(program):
            made.append(maker(files))
    return tuple(made)


def seeds() -> list[bytes]:
    """Files of every kind that has others in it."""
    return [bytes((packed,)) + made for made in _makers() for packed in (0, 1, 3)]


def words() -> list[bytes]:
    """What headers are made of."""
    return [
        *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x07\x08", b"\x01\0"),
        *(b"Rar!\x1a\x07\0", b"7z\xbc\xaf\x27\x1c", b"ustar", b"MSCF", b"070701", b"!<arch>\n"),
        *(b"xar!", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"(\xb5/\xfd", b"\x04\x22M\x18"),
        *(b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xfe\xff\xff\xff", b"../", b"\x1b[31m"),
        *(b"META-INF/manifest.xml", b"mimetype", b"/Encrypt", b"\xd0\xcf\x11\xe0"),
    ]


def _open_files() -> set[tuple[str, str]]:
    """Numbers of descriptors, with what they stand for."""
    found = set()
    for path in _DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # that of this very look
            found.add((path.name, str(path.readlink())))
    return found


def check(data: bytes) -> None:
    """Types that exist, names that can be shown, nothing left behind."""
    place = folder() / "members"
    place.mkdir(exist_ok=True)
    content = _PACKED[data[0] % len(_PACKED)](data[1:]) if data else b""
    before = _open_files()
    name = place / "file"
    name.write_bytes(content)
    with name.open("rb") as file:
        said = examined(file, {"declared": [["a.zip"], "", True], "sent": True}, _LIMITS, place)
    name.unlink()
    assert said["types"], "no type"
    assert {*said["types"], *said["members"]} <= FILE_TYPES.keys(), "a type that does not exist"
    assert len(said["first"]) <= NAMES, "too many names"
    assert all(each.isprintable() and len(each) < 2500 for each in said["first"]), "a bad name"
    assert not list(place.iterdir()), "a file was left"
    # None that is new. Some may be gone: what somebody else had dropped was collected meanwhile.
    assert not _open_files() - before, "a descriptor was left"
