"""Types, as cases: bytes, what is declared, what they are. Real files are in test_corpus.py."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.declared import NOTHING, Declared, declared_of, named
from proxy_addons.content.types import (
    HEAD,
    TAIL,
    is_plain,
    tail_types,
    types_of,
    types_of_file,
)
from proxy_addons.policy.findings import FILE_TYPES, GROUPS

SOFTWARE = GROUPS["software"]
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8


def pe(size: int = 4096, kind: bytes = b"PE\0\0") -> bytes:
    return (b"MZ\x90\0\3\0" + bytes(54) + struct.pack("<I", 128) + bytes(64) + kind).ljust(
        size, b"\xcc\0"[:1]
    )


def zipped(*members: tuple[str, bytes], prefix: bytes = b"", comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = comment
    return prefix + made.getvalue()


def tarred(*names: str, pack: str = "w:gz") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=pack) as archive:  # type: ignore[call-overload]
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 700
            archive.addfile(member, io.BytesIO(b"x" * 700))
    return made.getvalue()


def compound(clsid: str, *names: str, sector: int = 0) -> bytes:
    """A compound file of a header and the first sector of a directory."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    head[30:32] = struct.pack("<H", 9)
    head[48:52] = struct.pack("<I", sector)
    entries = b""
    for number, name in enumerate(("Root Entry", *names)):
        entry = bytearray(128)
        entry[: len(name) * 2] = name.encode("utf-16-le")
        entry[80:96] = bytes.fromhex(clsid) if not number else bytes(16)
        entries += bytes(entry)
    return bytes(head) + bytes(512 * sector) + entries.ljust(512, b"\0")


MSI = "84100c0000000000c000000000000046"
WORD = "0609020000000000c000000000000046"
HTML = b"<!DOCTYPE html><html><head><title>Minutes</title></head><body>" + b"<p>a</p>" * 50
POWERSHELL = b"""param([string]$Name)
$ErrorActionPreference = 'Stop'
Write-Host "Hello $Name"
Invoke-WebRequest https://example.com/x.exe -OutFile x.exe
"""
VBS = b'Option Explicit\r\nDim shell\r\nSet shell = CreateObject("WScript.Shell")\r\n'
BATCH = b"@echo off\r\nsetlocal\r\nstart calc.exe\r\n"
REG = "\ufeffWindows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\X]\r\n"


def v7() -> bytes:
    """A tar archive as they were before POSIX."""
    head = bytearray(512)
    head[:5] = b"a.txt"
    head[100:108] = b"000644 \0"
    head[124:136] = b"00000000003 "
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + b"abc".ljust(512, b"\0")


V7 = v7()
CASES: dict[str, tuple[bytes, Declared, set[str]]] = {
    # --- programs
    "pe": (pe(), NOTHING, {"windows-program"}),
    "pe as a picture": (
        pe(),
        declared_of("/a.png", "image/png", "inline"),
        {"windows-program"},
    ),
    "pe as a page": (pe(), declared_of("/", "text/html", ""), {"windows-program"}),
    "pe of which only the start is here": (pe()[:40], NOTHING, {"windows-program"}),
    "ne": (pe(kind=b"NE"), NOTHING, {"windows-program"}),
    "mz alone": (b"MZ" + bytes(200), NOTHING, {"dos-program"}),
    "mz in a text": (b"MZ is a sign of Mozambique.", NOTHING, {"text"}),
    "elf": (b"\x7fELF\2\1\1" + bytes(60), NOTHING, {"linux-program"}),
    "mach-o": (b"\xcf\xfa\xed\xfe\7\0\0\1" + bytes(60), NOTHING, {"macos-program"}),
    "mach-o of several": (
        b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(60),
        NOTHING,
        {"macos-program"},
    ),
    "class": (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(60), NOTHING, {"java-program"}),
    "dex": (b"dex\n035\0" + bytes(60), NOTHING, {"android-package"}),
    "lnk": (b"L\0\0\0\1\x14\2\0" + bytes(60), NOTHING, {"windows-shortcut"}),
    "chm": (b"ITSF\3\0\0\0" + bytes(60), NOTHING, {"windows-help"}),
    # --- packages
    "deb": (
        b"!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n",
        NOTHING,
        {"linux-package"},
    ),
    "rpm": (b"\xed\xab\xee\xdb\3\0" + bytes(90), NOTHING, {"linux-package"}),
    "snap": (b"hsqs\7\0\0\0" + bytes(90), NOTHING, {"linux-package"}),
    "xar": (b"xar!\0\x1c\0\1" + bytes(90), NOTHING, {"macos-package"}),
    "crx": (b"Cr24\3\0\0\0" + bytes(90), NOTHING, {"browser-extension"}),
    "msi": (
        compound(MSI),
        declared_of("/x.doc", "application/msword", ""),
        {"windows-installer"},
    ),
    "msi by its streams": (
        compound("0" * 32, "\u4840\u3b3f\u43f2", "\u4840\u3f7f\u4164"),
        NOTHING,
        {"windows-installer"},
    ),
    "word": (compound(WORD, "WordDocument"), NOTHING, {"document"}),
    "word with macros": (
        compound(WORD, "Macros", "VBA", "WordDocument"),
        NOTHING,
        {"document", "office-macros"},
    ),
    "a compound file of which the directory is not here": (
        compound(MSI, sector=300)[:40960],
        NOTHING,
        {"document", "windows-installer"},
    ),
    # --- zip by its members
    "zip": (zipped(("a.txt", b"a")), NOTHING, {"archive"}),
    "an empty zip": (b"PK\5\6" + bytes(18), NOTHING, {"archive"}),
    "jar": (
        zipped(("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"), ("A.class", b"x")),
        NOTHING,
        {"archive", "java-program"},
    ),
    "jar by its name": (
        zipped(("a.txt", b"a")),
        named("x.jar"),
        {"archive", "java-program"},
    ),
    "apk": (
        zipped(("AndroidManifest.xml", b"x"), ("classes.dex", b"x")),
        NOTHING,
        {"archive", "android-package"},
    ),
    "ipa": (zipped(("Payload/X.app/X", b"x")), NOTHING, {"archive", "ios-package"}),
    "wheel": (
        zipped(("x/__init__.py", b""), ("x-1.dist-info/WHEEL", b"")),
        NOTHING,
        {"archive", "python-package"},
    ),
    "msix": (
        zipped(("AppxManifest.xml", b""), ("AppxBlockMap.xml", b"")),
        NOTHING,
        {"archive", "windows-installer"},
    ),
    "xpi": (
        zipped(("manifest.json", b'{"manifest_version": 2, "name": "x"}')),
        NOTHING,
        {"archive", "browser-extension"},
    ),
    "a web manifest in a zip": (
        zipped(("manifest.json", b'{"name": "x", "icons": []}')),
        NOTHING,
        {"archive"},
    ),
    "docx": (
        zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"x")),
        NOTHING,
        {"archive", "document"},
    ),
    "docm": (
        zipped(("[Content_Types].xml", b"<x macroEnabled.main+xml/>"), ("word/a.xml", b"x")),
        named("x.docx"),
        {"archive", "document", "office-macros"},
    ),
    "docm by its members": (
        zipped(("[Content_Types].xml", b"<x/>"), ("word/vbaProject.bin", b"x")),
        NOTHING,
        {"archive", "document", "office-macros"},
    ),
    "odt": (
        zipped(("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"")),
        NOTHING,
        {"archive", "document"},
    ),
    "odt with macros": (
        zipped(
            ("mimetype", b"application/vnd.oasis.opendocument.text"),
            ("Basic/script-lc.xml", b""),
        ),
        NOTHING,
        {"archive", "document", "office-macros"},
    ),
    "a zip with a folder of scripts": (
        zipped(("scripts/a/b.txt", b"")),
        NOTHING,
        {"archive"},
    ),
    # --- tar by its members
    "npm": (tarred("package/package.json"), NOTHING, {"archive", "npm-package"}),
    "npm, another order": (
        tarred("package/LICENSE", "package/package.json"),
        NOTHING,
        {"archive", "npm-package"},
    ),
    "sdist": (
        tarred("x-1.0/PKG-INFO", "x-1.0/setup.py"),
        NOTHING,
        {"archive", "python-package"},
    ),
    "alpine": (
        tarred(".SIGN.RSA.x", ".PKGINFO"),
        NOTHING,
        {"archive", "linux-package"},
    ),
    "tar": (tarred("a.txt", pack="w"), NOTHING, {"archive"}),
    "tar of the seventies": (V7, NOTHING, {"archive"}),
    "something like it": (V7[:150] + b"1" + V7[151:], NOTHING, {"unknown"}),
    "xlsb without macros": (
        zipped(("[Content_Types].xml", b"<x ContentType='a.sheet.binary.macroEnabled.main'/>")),
        NOTHING,
        {"archive", "document"},
    ),
    "tar.gz": (tarred("a/b.txt"), named("a.tar.gz"), {"archive"}),
    "one file in gzip": (gzip.compress(b"hello" * 100), named("a.txt.gz"), {"archive"}),
    "gzip that is none": (b"\x1f\x8b\x08" + b"\xff" * 50, NOTHING, {"archive"}),
    # --- images of disks
    "iso": (
        bytes(32769) + b"CD001\1" + bytes(2000),
        NOTHING,
        {"disk-image"},
    ),
    "iso behind a text": (
        b"x" * 32769 + b"CD001\1" + bytes(2000),
        NOTHING,
        {"disk-image"},
    ),
    "iso behind a pdf": (
        b"%PDF-1.4\n\xe2\xe3".ljust(32769, b"\0") + b"CD001\1",
        NOTHING,
        {"pdf", "disk-image"},
    ),
    "qcow2": (b"QFI\xfb\0\0\0\3" + bytes(90), NOTHING, {"disk-image"}),
    "vhdx": (b"vhdxfile" + bytes(90), NOTHING, {"disk-image"}),
    "vmdk": (b"KDMV\1\0\0\0" + bytes(90), NOTHING, {"disk-image"}),
    "a vmdk's description": (
        b"# Disk DescriptorFile\nversion=1\n",
        NOTHING,
        {"disk-image"},
    ),
    "a dmg of which the head says nothing": (
        b"x\x01" + bytes(range(256)) * 20,
        named("x.dmg"),
        {"macos-disk-image"},
    ),
    "torrent": (
        b"d8:announce20:http://a.example.com4:infod6:lengthi1e4:name1:a6:pieces20:"
        + b"\xff\0" * 10,
        NOTHING,
        {"torrent"},
    ),
    # --- scripts
    "ps1 by its name": (
        b"calc.exe\n",
        declared_of("/x.ps1", "text/plain", ""),
        {"windows-script"},
    ),
    "ps1 by its name, as a page": (
        b"calc.exe\n",
        declared_of("/x.ps1", "text/html", ""),
        {"windows-script"},
    ),
    "ps1 by its name, as a picture": (
        b"calc.exe\n",
        declared_of("/x", "image/png", "attachment; filename=x.ps1"),
        {"windows-script"},
    ),
    "ps1 by its bytes": (
        POWERSHELL,
        declared_of("/get", "text/plain", ""),
        {"windows-script"},
    ),
    "ps1 in UTF-16": (
        ("\ufeff" + POWERSHELL.decode()).encode("utf-16-le"),
        NOTHING,
        {"windows-script"},
    ),
    "a script with a byte that no text has": (
        b"calc.exe\n\0",
        named("x.ps1"),
        {"windows-script"},
    ),
    "a page about PowerShell": (
        HTML + POWERSHELL,
        declared_of("/x.ps1", "text/html", ""),
        {"web-page"},
    ),
    "documentation of PowerShell": (
        b"## Use\n\n```\n" + POWERSHELL + b"```\n",
        NOTHING,
        {"text"},
    ),
    "a text that quotes a batch file": (
        b"How to start it.\n" * 40 + BATCH,
        NOTHING,
        {"text"},
    ),
    "bat": (BATCH, NOTHING, {"windows-script"}),
    "vbs": (VBS, NOTHING, {"windows-script"}),
    "js of Script Host": (
        b'var s = new ActiveXObject("WScript.Shell"); s.Run("calc");',
        NOTHING,
        {"windows-script"},
    ),
    "js as an attachment": (
        b"alert(1)",
        declared_of("/x", "text/javascript", "attachment; filename=x.js"),
        {"windows-script"},
    ),
    "js of a page, with a guard against downloads": (
        b"alert(1)",
        declared_of("/x.js", "text/javascript", 'attachment; filename="f.txt"'),
        {"web-script"},
    ),
    "js of a page": (
        b"alert(1)",
        declared_of("/x.js", "text/javascript", ""),
        {"web-script"},
    ),
    "js of a page that knows old browsers": (
        b'x = new ActiveXObject("Microsoft.XMLHTTP");',
        declared_of("/x.js", "text/javascript", ""),
        {"web-script"},
    ),
    "jse": (b"#@~^DgAAAA==\\ko$K6,ErJ==^#~@", NOTHING, {"windows-script"}),
    "wsf": (
        b'<?xml version="1.0"?>\n<job id="x">\n<script language="JScript">x</script></job>',
        NOTHING,
        {"windows-script"},
    ),
    "sct": (
        b'<?XML version="1.0"?><scriptlet><registration progid="x"/></scriptlet>',
        NOTHING,
        {"windows-script"},
    ),
    "hta by its name": (
        HTML,
        declared_of("/x.hta", "text/html", ""),
        {"web-page", "windows-script"},
    ),
    "hta by its type": (
        HTML,
        declared_of("/x", "application/hta", ""),
        {"web-page", "windows-script"},
    ),
    "hta by its element": (
        HTML + b"<HTA:Application id=x>",
        declared_of("/x", "text/html", ""),
        {"web-page", "windows-script"},
    ),
    "a page that is saved as a batch file": (
        b"<!-- :\n" + HTML,
        declared_of("/x", "text/html", "attachment; filename=x.bat"),
        {"web-page", "windows-script"},
    ),
    "reg": (REG.encode("utf-16-le"), NOTHING, {"windows-settings"}),
    "url": (
        b"[InternetShortcut]\r\nURL=file://x/y.exe\r\n",
        NOTHING,
        {"windows-shortcut"},
    ),
    "clickonce": (
        b'<?xml version="1.0"?><asmv1:assembly xmlns="x"><deployment install="true"/>',
        NOTHING,
        {"windows-settings"},
    ),
    "jnlp": (b'<?xml version="1.0"?>\n<jnlp spec="1.0+">', NOTHING, {"java-program"}),
    "sh": (b"#!/bin/sh\necho\n", NOTHING, {"shell-script"}),
    "sh by its name": (b"echo\n", named("x.sh"), {"shell-script"}),
    "python that is looked at": (
        b"import os\n",
        declared_of("/x.py", "text/plain", ""),
        {"text"},
    ),
    "python that is saved": (
        b"import os\n",
        declared_of("/x.py", "text/plain", "attachment"),
        {"shell-script"},
    ),
    "url with another section first": (
        b"[{000214A0-0000-0000-C000-000000000046}]\r\nProp3=19,11\r\n[InternetShortcut]\r\nURL=x\r\n",
        NOTHING,
        {"windows-shortcut"},
    ),
    "inf": (
        b'; Driver\r\n[Version]\r\nClass=USB\r\nSignature = "$Windows NT$"\r\n',
        NOTHING,
        {"windows-settings"},
    ),
    "a script that carries an archive": (
        b"#!/bin/sh\ntail -n +3 $0 | tar x; exit\n" + bytes(range(256)),
        NOTHING,
        {"shell-script"},
    ),
    "a picture that is saved as a batch file": (
        PICTURE,
        declared_of("/x", "image/png", "attachment; filename=x.bat"),
        {"image", "windows-script"},
    ),
    "a picture that mshta would open": (
        PICTURE,
        declared_of("/x.hta", "image/png", ""),
        {"image", "windows-script"},
    ),
    "a picture of a program on a server": (
        PICTURE,
        declared_of("/picture.cmd?3", "image/png", ""),
        {"image"},
    ),
    "an answer of a program on a server": (
        b'{"a": 1}',
        declared_of("/order.cmd?3", "application/json", ""),
        {"data"},
    ),
    # --- ordinary
    "html": (HTML, declared_of("/", "text/html", ""), {"web-page"}),
    "html at an address that ends in .exe": (
        HTML,
        declared_of("/setup.exe", "text/html", ""),
        {"web-page"},
    ),
    "html with a comment first": (
        b"<!-- x -->\n<html>",
        NOTHING,
        {"web-page"},
    ),
    "svg": (
        b'<?xml version="1.0"?><!-- x --><svg xmlns="x">',
        NOTHING,
        {"image"},
    ),
    "rss": (b'<?xml version="1.0"?><rss version="2.0">', NOTHING, {"data"}),
    "json": (b'{"a": [1, 2]}', declared_of("/", "application/json", ""), {"data"}),
    "css": (
        b"@import 'a'; body { color: red }",
        declared_of("/x.css", "text/css", ""),
        {"style-sheet"},
    ),
    "scss": (b"@if $a { b { c: d } }\n@for $i from 1 { }", NOTHING, {"text"}),
    "text": (b"Good morning.\n", NOTHING, {"text"}),
    "text of another encoding": ("Café à la crème\n".encode("latin-1"), NOTHING, {"text"}),
    "greek": ("Καλημέρα σας\n".encode("iso8859-7"), NOTHING, {"text"}),
    "rtf": (b"{\\rtf1\\ansi x}", NOTHING, {"document"}),
    "e-mail": (
        b"From: a@example.com\nTo: b@example.com\nMIME-Version: 1.0\n\nhello",
        NOTHING,
        {"e-mail"},
    ),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(50), NOTHING, {"pdf"}),
    "png": (PICTURE, NOTHING, {"image"}),
    "wasm": (b"\0asm\1\0\0\0" + bytes(50), NOTHING, {"web-script"}),
    "unknown": (bytes(range(1, 200)) * 4, NOTHING, {"unknown"}),
    "unknown, a program by its name": (
        bytes(range(1, 200)) * 4,
        named("x.exe"),
        {"windows-program"},
    ),
    "nothing": (b"", named("x.exe"), {"data"}),
    # --- several at once
    "a picture with a jar behind": (
        zipped(
            ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0"), ("A.class", b""), prefix=PICTURE
        ),
        declared_of("/x.png", "image/png", ""),
        {"image", "archive", "java-program"},
    ),
    "a picture with a zip behind, and a long comment": (
        zipped(("a.txt", b""), prefix=PICTURE, comment=b"x" * 60000),
        NOTHING,
        {"image", "archive"},
    ),
    "a pdf that begins late": (
        b"\x01\x02" * 200 + b"%PDF-1.4",
        NOTHING,
        {"pdf"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_is(name: str):
    body, declared, expected = CASES[name]
    assert types_of(body, declared, whole=True) == expected
    assert types_of_file(io.BytesIO(body), declared) == expected


@pytest.mark.parametrize("name", CASES)
def test_what_is_software_is_never_plain(name: str):
    body, declared, expected = CASES[name]
    head = body[:HEAD]
    if types_of(head, declared, whole=False) & SOFTWARE:
        assert not is_plain(head, declared), expected


@pytest.mark.parametrize("name", ["html", "css", "json", "js of a page", "png"])
def test_what_pages_are_made_of_is_plain(name: str):
    body, declared, _ = CASES[name]
    assert is_plain(body, declared)


@pytest.mark.parametrize(
    ("trailer", "expected"),
    [
        (b"koly\0\0\0\4" + bytes(504), {"macos-disk-image"}),
        (b"conectix" + bytes(504), {"disk-image"}),
        (b"conectix" + bytes(503), {"disk-image"}),
        (zipped(("a.txt", b"")), {"archive"}),
        (b"conectix" + bytes(200), set()),
        (b"", set()),
    ],
)
def test_what_shows_at_the_end_only(trailer: bytes, expected: set[str]):
    body = PICTURE * 100 + trailer
    assert tail_types(body[-TAIL:], NOTHING) == expected
    assert types_of(body[:HEAD], NOTHING, whole=False) == {"image"}
    assert types_of_file(io.BytesIO(body), NOTHING) == {"image", *expected}


@pytest.mark.parametrize(
    "archive",
    [
        zipped(("a.txt", b"")),
        zipped(("a.txt", b""), comment=b"x" * 60000),
        b"Rar!\x1a\7\1\0" + bytes(300),
        bytes(200_000) + b"\x1d\x77\x56\x51\3\5\4\0",
        bytes(200_000) + b"\xc4\x3d\x7b\0\x40\7\0",
        b"7z\xbc\xaf\x27\x1c\0\4" + bytes(300),
        b"MSCF\0\0\0\0\x20\1\0\0\0\0\0\0" + bytes(300),
    ],
)
def test_an_archive_that_the_head_did_not_show(archive: bytes):
    tail = (PICTURE * 50 + archive)[-TAIL:]
    assert tail_types(tail, NOTHING) == {"archive"}
    behind = tail_types(tail, NOTHING, seen=frozenset({"image"}))
    assert behind == {"archive", "unreadable-archive"}
    small = types_of(PICTURE + zipped(("a.txt", b"")), NOTHING, whole=True)
    assert tail_types(tail, NOTHING, seen=small) == {"archive", "unreadable-archive"}
    for seen in ("archive", "document", "pdf", "linux-program"):
        assert tail_types(tail, NOTHING, seen=frozenset({seen})) == {"archive"}


def test_an_installer_whose_directory_is_far_in():
    body = compound(MSI, sector=300)
    assert types_of_file(io.BytesIO(body), NOTHING) == {"windows-installer"}
    body = compound(WORD, "WordDocument", sector=300)
    assert types_of_file(io.BytesIO(body), NOTHING) == {"document"}


def test_real_files_of_this_machine():
    with Path(sys.executable).open("rb") as file:
        assert types_of_file(file, NOTHING) == {"linux-program"}
    compiled = next(Path(sysconfig.get_path("stdlib"), "__pycache__").glob("*.pyc"))
    with compiled.open("rb") as file:
        assert types_of_file(file, NOTHING) == {"python-package"}


def test_all_are_of_the_vocabulary():
    for _, _, expected in CASES.values():
        assert expected <= set(FILE_TYPES)


heads = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([body for body, _, _ in CASES.values()]).flatmap(
        lambda body: st.tuples(
            st.integers(0, min(len(body), 2000)), st.binary(max_size=20), st.integers(0, 2000)
        ).map(lambda cut: body[: cut[0]] + cut[1] + body[cut[0] + len(cut[1]) :][: cut[2]])
    ),
)
declarations = st.builds(
    declared_of,
    st.sampled_from(["/", "/x.ps1", "/x.exe", "/x.png", "/x.js"]),
    st.sampled_from(["", "text/html", "text/javascript", "image/png"]),
    st.sampled_from(["", "attachment", "attachment; filename=x.hta"]),
)


@given(heads, declarations, st.booleans())
def test_whatever_comes(head: bytes, declared: Declared, whole: bool):
    found = types_of(head, declared, whole=whole)
    assert found
    assert found <= set(FILE_TYPES)
    assert tail_types(head, declared) <= set(FILE_TYPES)
    if is_plain(head, declared):
        assert not found & SOFTWARE


@given(heads, st.integers(0, 400))
def test_pieces_of_a_body_do_not_hide_a_program(head: bytes, length: int):
    """However a body is cut: plain is said only where what follows cannot make a program of it."""
    if is_plain(head[:length], NOTHING) and b"<hta:" not in head[length:].lower():
        # What shows far in or at the end is for the tail, and for who asks for the whole head; the
        # element of an HTML Application makes nothing of a page that is not called one.
        assert not types_of(head, NOTHING, whole=False) & (SOFTWARE - {"disk-image"})
