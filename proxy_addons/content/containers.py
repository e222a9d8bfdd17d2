"""Containers of which the first bytes tell what they are: zip, gzip, compound files.

In: the first bytes of a body, its last bytes. Out: ids of policy/findings.py.
Must never: unpack more than a little; raise for what a stranger wrote; be taken for a look at all
members (content/archives.py has the whole).

An Office document, a Java program, an Android app, a Python wheel: all are zip archives, and differ
in the names of their members. The first of them stand in the head, all of them in the tail.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from proxy_addons.content.membernames import BY_NAME, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LOCAL: Final = struct.Struct("<4s5HIIIHH")  # APPNOTE.TXT 4.3.7
_CENTRAL: Final = struct.Struct("<4s6HIII5HII")  # 4.3.12
_END: Final = struct.Struct("<4s4HIIH")  # 4.3.16
_MOST_MEMBERS: Final = 4096
_UNPACKED: Final = 128 * 1024
"""Bytes of a packed member that are unpacked to be looked at."""

_DOCUMENT: Final = re.compile(r"\[content_types\]\.xml|(?:word|xl|ppt|visio)/.*")
_BASIC: Final = re.compile(r"basic/(?:script-lc|[^/]+/)|scripts/[^/]+/")
"""Macros of an OpenDocument file; in other archives these names mean nothing."""
_OPEN_DOCUMENT: Final = re.compile(
    rb"application/(?:vnd\.oasis\.opendocument\.|vnd\.sun\.xml\.|epub\+zip)"
)
_TELLING: Final[Mapping[str, tuple[str, re.Pattern[bytes]]]] = {
    "[content_types].xml": ("office-macros", re.compile(rb"(?<!binary\.)macroEnabled|vbaProject")),
    "meta-inf/manifest.mf": ("java-program", re.compile(rb"Manifest-Version\s*:")),
    "manifest.json": ("browser-extension", re.compile(rb"\"manifest_version\"")),
}
"""Members of which the content tells: what it then is, and by which words."""
_ROOTS: Final[tuple[tuple[str, bytes], ...]] = (
    # Class ids of root storages, as they lie in the file.
    ("windows-installer", bytes.fromhex("84100c0000000000c000000000000046")),  # msi
    ("windows-installer", bytes.fromhex("86100c0000000000c000000000000046")),  # msp
    ("windows-installer", bytes.fromhex("82100c0000000000c000000000000046")),  # mst
    ("e-mail", bytes.fromhex("0b0d020000000000c000000000000046")),  # msg
)
_MACRO_NAMES: Final = ("_VBA_PROJECT", "Macros", "_VBA_PROJECT_CUR", "VBA")


def types_in_zip(head: bytes) -> frozenset[str]:
    """What the members at the start of a zip archive make of it."""
    names = []
    found: set[str] = set()
    for name, method, data in _locals(head):
        names.append(name)
        if name == "mimetype" and _OPEN_DOCUMENT.match(_content(method, data)):
            found.add("document")
        elif name in _TELLING:
            identity, telling = _TELLING[name]
            if telling.search(_content(method, data)):
                found.add(identity)
    if "document" in found and any(_BASIC.match(name) for name in names):
        found.add("office-macros")
    return _by_names(names) | found | {"archive"}


def types_at_end_of_zip(tail: bytes) -> frozenset[str] | None:
    """What the directory at the end of a zip archive makes of it; None where there is none."""
    at = tail.rfind(b"PK\5\6")
    while at >= 0:
        if len(tail) - at >= _END.size:
            _, disk, first, here, entries, size, _, comment = _END.unpack_from(tail, at)
            # Some readers forgive what follows the comment; so do we, and the other way round.
            if disk in {0, 0xFFFF} and first in {0, 0xFFFF} and here == entries and size <= 1 << 40:
                directory = tail[max(0, at - size) : at] if size < 0xFFFFFFFF else tail[:at]
                names = list(_central(directory))
                if names or not entries or comment <= len(tail) - at:
                    return _by_names(names) | {"archive"}
        at = tail.rfind(b"PK\5\6", 0, at)
    return None


def types_in_gzip(head: bytes) -> frozenset[str]:
    """What is at the start of a gzip member makes of it."""
    try:
        content = zlib.decompressobj(31).decompress(head, _UNPACKED)
    except zlib.error:
        # Nobody can unpack it: an archive, of which content/archives.py says that it is unreadable.
        return frozenset({"archive"})
    return types_in_tar(content) | {"archive"}


def is_tar(head: bytes) -> bool:
    """Whether it begins with a header of a tar archive; those before POSIX have a checksum only."""
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512 or not head[0] or head[148:155].strip(b" 01234567\0"):
        return False
    try:
        stored = int(head[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        # No number: no archive.
        return False
    return stored == sum(head[:148]) + 8 * 0x20 + sum(head[156:512])


def types_in_tar(content: bytes) -> frozenset[str]:
    """What the members at the start of a tar archive make of it."""
    names = list(_tar_names(content))
    found = set()
    if any(name.startswith("package/") and name.endswith("/package.json") for name in names) or (
        names and all(name.startswith("package/") for name in names)
    ):
        found.add("npm-package")
    if any(
        name.count("/") == 1 and name.endswith(("/pkg-info", "/pyproject.toml", "/setup.py"))
        for name in names
    ):
        found.add("python-package")
    if any(
        name.startswith((".pkginfo", ".sign.", ".buildinfo")) or name in {"control", "./control"}
        for name in names
    ):
        found.add("linux-package")  # apk of Alpine, Arch
    return frozenset(found) | _by_names(names) - {"document", "java-program"}


def types_in_compound(head: bytes, directory: bytes | None = None) -> frozenset[str]:
    """What a compound file (MS-CFB) is: a document, a message or an installer.

    Args:
        head: its first bytes.
        directory: the first sectors of its directory; None: as far as the head has them. Where
            nobody has them it may be an installer, and counts as one.
    """
    if directory is None:
        at = directory_of_compound(head)
        directory = head[at : at + 4096] if at is not None and at + 128 <= len(head) else None
    if not directory:
        return frozenset({"document", "windows-installer"})
    root = directory[80:96]
    found = {identity for identity, clsid in _ROOTS if clsid == root}
    names = [
        directory[at : at + 64].decode("utf-16-le", "replace").partition("\0")[0]
        for at in range(0, len(directory) - 127, 128)
    ]
    if any(name in _MACRO_NAMES for name in names):
        found |= {"document", "office-macros"}
    if any(name.startswith("__properties_version1.0") for name in names):
        found.add("e-mail")
    # Streams of an installer have names of a coding of their own, all above U+3800.
    if sum(1 for name in names if name[:1] and 0x3800 <= ord(name[0]) < 0x4900) > 1:
        found.add("windows-installer")
    return frozenset(found or {"document"})


def directory_of_compound(head: bytes) -> int | None:
    """Where the directory of a compound file begins; None when its header makes no sense."""
    if len(head) < 76:
        return None
    shift = int.from_bytes(head[30:32], "little")
    sector = int.from_bytes(head[48:52], "little")
    if shift not in {9, 12} or sector >= 0xFFFFFFFA:
        return None
    return (sector + 1) << shift


def _by_names(names: Iterable[str]) -> frozenset[str]:
    called = [plain(name) for name in names]
    found = {kind for pattern, kind in BY_NAME if any(map(pattern.fullmatch, called))}
    return frozenset(found | ({"document"} if any(map(_DOCUMENT.fullmatch, called)) else set()))


def _locals(head: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Members by their local headers: name in lower case, method, packed bytes as far as here."""
    at = head.find(b"PK\3\4")
    for _ in range(_MOST_MEMBERS):
        if at < 0 or at + _LOCAL.size > len(head):
            return
        _, _, flags, method, _, _, _, packed, _, length, extra = _LOCAL.unpack_from(head, at)
        start = at + _LOCAL.size
        name = head[start : start + length].decode("utf-8", "replace").lower().replace("\\", "/")
        data = start + length + extra
        if flags & 8 and not packed:  # the size comes after the data: the next header is looked for
            after = head.find(b"PK\3\4", data)
            yield name, method, head[data : after if after > 0 else None]
            at = after
        else:
            yield name, method, head[data : data + packed]
            at = data + packed
            if head[at : at + 4] != b"PK\3\4":
                at = head.find(b"PK\3\4", data)


def _central(directory: bytes) -> Iterator[str]:
    """Names in a central directory, of which the start may be missing."""
    at = directory.find(b"PK\1\2")
    for _ in range(_MOST_MEMBERS):
        if at < 0 or at + _CENTRAL.size > len(directory):
            return
        found = _CENTRAL.unpack_from(directory, at)
        length, extra, comment = found[10:13]
        start = at + _CENTRAL.size
        yield (
            directory[start : start + length].decode("utf-8", "replace").lower().replace("\\", "/")
        )
        at = directory.find(b"PK\1\2", start + length + extra + comment)


def _tar_names(content: bytes) -> Iterator[str]:
    """Names of the members of a tar archive that begin in its first bytes."""
    at = 0
    for _ in range(_MOST_MEMBERS):
        header = content[at : at + 512]
        if not is_tar(header):
            return
        name = header[:100].partition(b"\0")[0].decode("utf-8", "replace").lower()
        prefix = b"" if header[257:263] == b"ustar " else header[345:500].partition(b"\0")[0]
        try:
            size = int(header[124:136].rstrip(b"\0 ") or b"0", 8)
        except ValueError:
            # A size in base 256, of a member that is larger than all that is looked at here.
            size = len(content)
        if header[156:157] not in {b"x", b"g", b"L", b"K"}:
            yield f"{prefix.decode('utf-8', 'replace').lower()}/{name}" if prefix else name
        at += 512 + -(-max(size, 0) // 512) * 512


def _content(method: int, data: bytes) -> bytes:
    """A little of a member's content."""
    if method != zipfile.ZIP_DEFLATED:
        return data[:_UNPACKED]
    try:
        return zlib.decompressobj(-15).decompress(data, _UNPACKED)
    except zlib.error:
        # Nothing is known of this member; its name counts all the same.
        return b""
