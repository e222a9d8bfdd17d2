"""Archives of every kind, made by the programs that make them.

In: names and contents. Out: the archive's bytes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAM = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0\x64\x86" + bytes(400)
"""The head of a program for Windows."""
TEXT = b"Minutes of the meeting of the 3rd of May.\n" * 40


def zip_of(
    files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    """A zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.comment = comment
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


def tar_of(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def by(command: list[str], files: Mapping[str, bytes], *, stdin: bool = False) -> bytes:
    """What a program makes of files in a folder: `{out}` in its command is the archive."""
    with tempfile.TemporaryDirectory() as folder:
        inside, out = Path(folder, "in"), Path(folder, "out")
        inside.mkdir()
        for name, content in files.items():
            place = inside / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        names = list(files)
        full = [
            part
            for word in command
            for part in (names if word == "{files}" else [word.replace("{out}", str(out))])
        ]
        done = subprocess.run(
            full,
            cwd=inside,
            check=True,
            capture_output=True,
            input="".join(f"{name}\n" for name in names).encode() if stdin else None,
        )
        made = next(iter(Path(folder).glob("out*")), None)
        return made.read_bytes() if made else done.stdout


def seven(files: Mapping[str, bytes], *options: str) -> bytes:
    """A 7z archive."""
    return by(["7z", "a", "-bd", *options, "{out}.7z", "."], files)


def iso(files: Mapping[str, bytes]) -> bytes:
    """An image of a CD."""
    return by(["genisoimage", "-quiet", "-J", "-R", "-o", "{out}", "."], files)


def cab(files: Mapping[str, bytes]) -> bytes:
    """A cabinet of Windows."""
    return by(["gcab", "-c", "-z", "{out}", "{files}"], files)


def cpio(files: Mapping[str, bytes]) -> bytes:
    """A cpio archive."""
    return by(["cpio", "-o", "-H", "newc"], files, stdin=True)


def ar(files: Mapping[str, bytes]) -> bytes:
    """An archive as deb packages are."""
    return by(["ar", "rc", "{out}", "{files}"], files)


def rar4(files: Mapping[str, bytes], *, password: bool = False, header: bool = False) -> bytes:
    """A RAR archive of the fourth format, not packed: nothing free makes one.

    Args:
        files: what is in it.
        password: the members say that they are encrypted.
        header: the archive says that even its names are.
    """
    made = b"Rar!\x1a\x07\x00" + _block4(0x73, 0x80 if header else 0, bytes(6))
    for name, content in files.items():
        encoded = name.encode()
        body = struct.pack(
            "<IIBIIBBHI",
            *(len(content), len(content), 2, zlib.crc32(content), 0x5A21_0000, 20, 0x30),
            *(len(encoded), 0x20),
        )
        flags = 0x8000 | (0x04 if password else 0)
        made += _block4(0x74, flags, body + encoded) + content
    return made + _block4(0x7B, 0x4000, b"")


def _block4(kind: int, flags: int, body: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def rar5(files: Mapping[str, bytes], *, header: bool = False) -> bytes:
    """A RAR archive of the fifth format, not packed."""
    made = b"Rar!\x1a\x07\x01\x00"
    if header:
        made += _block5(4, 0, _number(0) + _number(1) + bytes([15]) + bytes(16 + 12))
    made += _block5(1, 0, _number(0))
    for name, content in files.items():
        encoded = name.encode()
        fields = (
            _number(0x04) + _number(len(content)) + _number(0x20)
            + struct.pack("<I", zlib.crc32(content)) + _number(0) + _number(1)
            + _number(len(encoded)) + encoded
        )  # fmt: skip
        made += _block5(2, 0x02, _number(len(content)) + fields) + content
    return made + _block5(5, 0, _number(0))


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _block5(kind: int, flags: int, body: bytes) -> bytes:
    fields = _number(kind) + _number(flags) + body
    sized = _number(len(fields)) + fields
    return struct.pack("<I", zlib.crc32(sized)) + sized


def encrypted_zip(files: Mapping[str, bytes], method: str = "ZipCrypto") -> bytes:
    """A zip archive with a password."""
    return by(["7z", "a", "-bd", "-tzip", "-psecret", f"-mem={method}", "{out}.zip", "."], files)


def compressed(name: str, content: bytes) -> bytes:
    """One file, packed by the program of that name."""
    return subprocess.run([name, "-c"], input=content, capture_output=True, check=True).stdout


ARCHIVES: Mapping[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "zip": zip_of,
    "zip-stored": lambda files: zip_of(files, zipfile.ZIP_STORED),
    "zip-with-comment": lambda files: zip_of(files, comment=b"PK\x05\x06" * 20),
    "zip-behind-a-picture": lambda files: b"\x89PNG\r\n\x1a\n" + bytes(500) + zip_of(files),
    "zip-by-7z": lambda files: by(["7z", "a", "-bd", "-tzip", "{out}.zip", "."], files),
    "zip64": lambda files: by(["zip", "-q", "-fz", "-r", "{out}", "."], files),
    "7z": seven,
    "7z-lzma1": lambda files: seven(files, "-m0=lzma"),
    "7z-ppmd": lambda files: seven(files, "-m0=PPMd"),
    "7z-deflate": lambda files: seven(files, "-m0=Deflate"),
    "7z-copy": lambda files: seven(files, "-m0=Copy"),
    "7z-bcj2": lambda files: seven(files, "-mf=BCJ2"),
    "rar4": rar4,
    "rar5": rar5,
    "tar-ustar": lambda files: tar_of(files, tarfile.USTAR_FORMAT),
    "tar-gnu": lambda files: tar_of(files, tarfile.GNU_FORMAT),
    "tar-pax": tar_of,
    "tar-gz": lambda files: gzip.compress(tar_of(files)),
    "tar-bz2": lambda files: bz2.compress(tar_of(files)),
    "tar-xz": lambda files: lzma.compress(tar_of(files)),
    "tar-lzma": lambda files: lzma.compress(tar_of(files), lzma.FORMAT_ALONE),
    "tar-zst": lambda files: zstandard.compress(tar_of(files)),
    "tar-gz-gz": lambda files: gzip.compress(gzip.compress(tar_of(files))),
    "cab": cab,
    "iso": iso,
    "cpio": cpio,
    "cpio-gz": lambda files: gzip.compress(cpio(files)),
    "ar": ar,
}
"""Makers of archives. Names of files in them have no folders."""

SINGLE: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "gz-of-two": lambda content: gzip.compress(content[:10]) + gzip.compress(content[10:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}
"""Packers of one file."""


def nested(content: bytes, depth: int, name: str = "a.zip") -> bytes:
    """Zip in zip in zip."""
    for _ in range(depth):
        content = zip_of({name: content})
    return content


def changed(archive: bytes, **fields: Any) -> bytes:
    """A zip archive of one member with other numbers in both of its headers: `size`, `flags`."""
    made = bytearray(archive)
    central = archive.rindex(b"PK\x01\x02")
    for field, value in fields.items():
        form, local, there = {"size": ("<I", 22, 24), "flags": ("<H", 6, 8)}[field]
        struct.pack_into(form, made, local, value)
        struct.pack_into(form, made, central + there, value)
    return bytes(made)


def has(program: str) -> bool:
    """Whether a program is there."""
    return shutil.which(program) is not None
