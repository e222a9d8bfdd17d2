"""Compound files: what says that there are macros, a password, an installer; what they carry."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import pytest
from support.compound import MSI, compound
from support.packing import PROGRAM, TEXT, zip_of

from proxy_addons.content.archives import examine_archive
from proxy_addons.content.compound import Compound, DamagedError
from proxy_addons.settings.content import Archives


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def sheet(kind: int) -> bytes:
    return record(0x0085, struct.pack("<IBB", 0, 0, kind) + b"\x01\x00A")


BEGIN, END = record(0x0809, bytes(16)), record(0x000A, b"")
WORKBOOK = BEGIN + sheet(0) + END + bytes(300)
FIB = struct.pack("<HHHHHH", 0xA5EC, 0x00C1, 0, 0, 0, 0x0200)
LOCKED_FIB = struct.pack("<HHHHHH", 0xA5EC, 0x00C1, 0, 0, 0, 0x0300)
VBA_INFO = b"\x02\x00\x00\x04\x0c\x00\x00\x00" + struct.pack("<III", 9, 1, 2)
NO_VBA_INFO = b"\x02\x00\x00\x04\x0c\x00\x00\x00" + struct.pack("<III", 9, 0, 2)

KINDS: dict[str, tuple[dict[str, bytes], set[str]]] = {
    "a letter": ({"WordDocument": FIB, "1Table": b"x"}, set()),
    "a workbook": ({"Workbook": WORKBOOK}, set()),
    "slides": ({"PowerPoint Document": bytes(900) + NO_VBA_INFO, "Current User": b""}, set()),
    "a letter with macros": (
        {"WordDocument": FIB, "Macros/VBA/dir": b"x", "Macros/VBA/_VBA_PROJECT": b"x"},
        {"office-macros"},
    ),
    "a workbook with macros": (
        {"Workbook": WORKBOOK, "_VBA_PROJECT_CUR/VBA/dir": b"x"},
        {"office-macros"},
    ),
    "a workbook with a sheet of macros": ({"Workbook": BEGIN + sheet(1) + END}, {"office-macros"}),
    "a sheet of macros in an older one": ({"Book": BEGIN + sheet(1) + END}, {"office-macros"}),
    "a module in a workbook": ({"Workbook": BEGIN + sheet(6) + END}, {"office-macros"}),
    "a sheet of macros behind the end": ({"Workbook": BEGIN + END + sheet(1)}, set()),
    "slides with macros": (
        {"PowerPoint Document": bytes(900) + NO_VBA_INFO + VBA_INFO},
        {"office-macros"},
    ),
    "a project alone": ({"vbaProject/VBA/dir": b"x"}, {"office-macros"}),
    "a password on Office's own zip": (
        {"EncryptionInfo": b"x", "EncryptedPackage": b"x"},
        {"encrypted-document"},
    ),
    "rights management": ({"\x09DRMContent": b"x"}, {"encrypted-document"}),
    "a password on a letter": ({"WordDocument": LOCKED_FIB}, {"encrypted-document"}),
    "a password on a workbook": (
        {"Workbook": BEGIN + record(0x002F, bytes(54)) + sheet(0) + END},
        {"encrypted-document"},
    ),
    "a password on slides": ({"EncryptedSummary": b"x"}, {"encrypted-document"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_its_streams_say(kind: str) -> None:
    streams, expected = KINDS[kind]
    assert Compound(io.BytesIO(compound(streams))).kinds() == expected


def test_an_installer_says_so_in_its_root() -> None:
    assert Compound(io.BytesIO(compound({"x": b"x"}, MSI))).kinds() == {"windows-installer"}


def found(content: bytes) -> tuple[frozenset[str], tuple[str, ...]]:
    members = examine_archive(io.BytesIO(content), Archives())
    assert not members.findings
    return members.types, members.first


def native(name: bytes, content: bytes) -> bytes:
    """What Packager writes."""
    path = b"C:\\Users\\x\\" + name + b"\0"
    body = b"\x02\x00" + name + b"\0" + path + b"\0\0\x03\0" + struct.pack("<I", len(path)) + path
    body += struct.pack("<I", len(content)) + content
    return struct.pack("<I", len(body)) + body


def test_a_program_in_a_letter_is_seen() -> None:
    letter = {"WordDocument": FIB, "ObjectPool/_1/\x01Ole10Native": native(b"a.exe", PROGRAM)}
    assert found(compound(letter)) == ({"windows-program"}, ("a.exe",))
    types, names = found(zip_of({"a.doc": compound(letter)}))
    assert "windows-program" in types
    assert names == ("a.doc/a.exe",)


def test_a_script_in_a_letter_is_told_by_its_name() -> None:
    letter = {"WordDocument": FIB, "ObjectPool/_1/\x01Ole10Native": native(b"a.ps1", TEXT)}
    assert found(compound(letter))[0] == {"windows-script"}


def test_what_is_no_package_is_looked_at_as_it_is() -> None:
    letter = {"ObjectPool/_1/\x01Ole10Native": b"1234" + PROGRAM}
    assert found(compound(letter))[0] == {"windows-program"}


def test_attachments_of_a_message_are_seen() -> None:
    folder = "__attach_version1.0_#00000000"
    message = {
        "__properties_version1.0": b"x",
        f"{folder}/__substg1.0_37010102": zip_of({"a.txt": PROGRAM}),
        f"{folder}/__substg1.0_3707001F": "report.zip".encode("utf-16-le"),
    }
    types, names = found(compound(message))
    assert types == {"archive", "windows-program"}
    assert names == ("report.zip/a.txt",)


WHOLE = compound({"Workbook": WORKBOOK, "_VBA_PROJECT_CUR/VBA/dir": b"x"})


@pytest.mark.parametrize("size", [8, 200, 511, 600, len(WHOLE) // 2])
def test_one_that_is_cut_short_cannot_be_read(size: int) -> None:
    with pytest.raises(DamagedError):
        Compound(io.BytesIO(WHOLE[:size])).kinds()
    members = examine_archive(io.BytesIO(WHOLE[:size]), Archives())
    assert members.findings == {"unreadable-archive"}


@pytest.mark.parametrize("sector", [0, 8, 16])
def test_a_circle_of_sectors_comes_to_an_end(sector: int) -> None:
    made = bytearray(WHOLE)
    (directory,) = struct.unpack_from("<I", made, 48)
    assert directory == 16
    struct.pack_into("<I", made, len(made) - 512 + 4 * sector, sector)
    with suppress(DamagedError):
        assert Compound(io.BytesIO(bytes(made))).kinds() == {"office-macros"}


def test_an_archive_behind_a_letter_is_looked_into() -> None:
    letter = compound({"WordDocument": FIB}) + zip_of({"b": PROGRAM})
    assert "windows-program" in examine_archive(io.BytesIO(letter), Archives()).types
