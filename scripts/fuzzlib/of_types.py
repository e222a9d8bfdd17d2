"""Target: types of files.

Whatever the bytes and the headers are, there is an answer of the vocabulary; what is software by a
close look is never let past by the first one; a piece more or less of the end raises nothing.

In: three bytes that choose what is declared and where the head ends, then a body.
Out: nothing, or a finding. Must never: write anything.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

from proxy_addons.content.declared import declared_of
from proxy_addons.content.types import (
    HEAD,
    TAIL,
    is_plain,
    tail_types,
    types_of,
    types_of_file,
)
from proxy_addons.gate.glance import is_ordinary
from proxy_addons.policy.findings import FILE_TYPES, GROUPS

_PATHS = ("/", "/a.html", "/a.ps1", "/a.exe", "/a.js", "/a.iso", "/a%2Fb.hta?x", "/a.doc")
_KINDS = (
    "",
    "text/html",
    "text/css",
    "text/javascript",
    "image/png",
    "application/json; name=x.sh",
)
_SAVED = ("", "inline", "attachment", "attachment; filename*=utf-8''x%2Ebat", 'x; filename="a.zip"')
# Shown by bytes that is_plain leaves to a closer look: it sees the start of a body only.
_FURTHER_IN = frozenset({"disk-image", "macos-disk-image"})


def seeds() -> list[bytes]:
    """Bodies of every parser, with what is declared before them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("[Content_Types].xml", "META-INF/MANIFEST.MF", "manifest.json", "A.class"):
            archive.writestr(name, b"Manifest-Version: macroEnabled manifest_version" * 3)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive_tar:
        for name in ("package/package.json", "x-1/PKG-INFO"):
            member = tarfile.TarInfo(name)
            member.size = 20
            archive_tar.addfile(member, io.BytesIO(b"x" * 20))
    compound = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(1024, b"\0"))
    compound[30:32] = b"\x09\0"
    compound[512:536] = "Root Entry".encode("utf-16-le").ljust(24, b"\0")
    bodies = [
        packed.getvalue(),
        b"\x89PNG\r\n\x1a\n" + packed.getvalue(),
        gzip.compress(tar.getvalue()),
        tar.getvalue()[:2048],
        bytes(compound),
        (b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0").ljust(300, b"\0"),
        b"\x7fELF\2\1\1" + bytes(60),
        b"<!DOCTYPE html><html><head></head><body><hta:application></body></html>",
        b"<?xml version='1.0'?><!-- x --><job><script language='VBScript'></script></job>",
        b"param([string]$x)\r\n$ErrorActionPreference = 'Stop'\r\nWrite-Host hello\r\n",
        b"@echo off\r\nsetlocal\r\n",
        "\ufeffWindows Registry Editor Version 5.00\r\n".encode("utf-16-le"),
        b"From: a@example.com\r\nSubject: x\r\n y\r\nMIME-Version: 1.0\r\n\r\n",
        b"d8:announce9:udp://a.x4:infod6:lengthi1e6:pieces20:" + bytes(20),
        b'{"a": [1, 2, 3]}',
        b"ID3\4" + bytes(40),
        bytes(512) + b"koly\0\0\0\4" + bytes(504),
    ]  # fmt: skip
    return [bytes((number, number // 2, number * 9)) + body for number, body in enumerate(bodies)]


def words() -> list[bytes]:
    """What formats are told by."""
    return [
        *(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\5\6" + bytes(18), b"\x1f\x8b\x08", b"ustar"),
        *(b"MZ", b"PE\0\0", b"\x7fELF", b"\xca\xfe\xba\xbe", b"%PDF-", b"CD001", b"koly\0\0\0\4"),
        *(b"<hta:application", b"<!--", b"-->", b"<?", b"?>", b"<!DOCTYPE", b"[", b"]", b"<script"),
        *(
            b"#!",
            b"@echo off\n",
            b"WScript.Shell",
            b"param(",
            b"$x = New-Object",
            b"\xff\xfe",
            b"\0",
        ),
        *(b"\xff\xff\xff\xff", b"\xff\xff", b"4:info", b"conectix", b"mimetype", b"RIFF", b"ftyp"),
    ]


def check(data: bytes) -> None:
    """Look at a body as the gateway does, and as whoever has the whole."""
    if len(data) < 3:
        return
    choice, place, length = data[:3]
    body = data[3:]
    declared = declared_of(
        _PATHS[choice % len(_PATHS)],
        _KINDS[place % len(_KINDS)],
        _SAVED[(choice >> 3) % len(_SAVED)],
    )
    known = set(FILE_TYPES)
    found = types_of(body[:HEAD], declared, whole=len(body) <= HEAD)
    at_end = tail_types(body[-TAIL:], declared)
    whole = types_of_file(io.BytesIO(body), declared)
    for types in (found, whole):
        assert types, "no answer"
        assert types <= known, "a word of no vocabulary"
    assert at_end <= known
    cut = body[: length * 8]
    assert types_of(cut, declared, whole=False) <= known
    # The element of an HTML Application is looked for further in by the close look.
    if is_plain(body[:HEAD], declared) and b"<hta:" not in body[2048:].lower():
        seen = types_of(body[:HEAD], declared, whole=False) & GROUPS["software"]
        assert not seen - _FURTHER_IN, "software that passed as plain"
    path, kind = _PATHS[choice % len(_PATHS)], _KINDS[place % len(_KINDS)]
    if is_ordinary(path, 200, [(b"Content-Type", kind.encode())], body):
        claims = declared_of(path, kind, "")
        assert is_plain(body[:HEAD], claims), "a glance that saw less than the watch"
        assert not tail_types(body[-TAIL:], claims, seen=frozenset()), "an end that a glance missed"
    header = body.decode("latin-1")
    for name in declared_of(header, header, header).names:
        assert name, "an empty name"
        assert not set(name) & {"/", "\\", "\0"}, "a name with a folder"
