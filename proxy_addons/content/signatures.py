"""Signatures: what the first bytes of a binary body say it is.

In: the first bytes. Out: ids of policy/findings.py.
Must never: stop at the first that fits: a file that is two things is refused for the worse one.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from proxy_addons.content.repositories import is_object, is_of_repository

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT_START: Final[Mapping[bytes, str]] = {
    # --- programs
    b"\x7fELF": "linux-program",
    b"\xfe\xed\xfa\xce": "macos-program",
    b"\xfe\xed\xfa\xcf": "macos-program",
    b"\xce\xfa\xed\xfe": "macos-program",
    b"\xcf\xfa\xed\xfe": "macos-program",
    b"\xca\xfe\xba\xbf": "macos-program",
    b"\xbe\xba\xfe\xca": "macos-program",
    b"\xbf\xba\xfe\xca": "macos-program",
    b"dex\n0": "android-package",
    b"dey\n0": "android-package",
    b"\xca\xfe\xd0\x0d": "java-program",  # pack200
    b"JM\1\0PK\3\4": "java-program",  # jmod
    b"L\0\0\0\1\x14\2\0": "windows-shortcut",
    b"ITSF\3\0\0\0": "windows-help",
    b"?_\3\0": "windows-help",
    b"\x1bLua": "shell-script",
    b"FasdUAS": "macos-program",  # compiled AppleScript
    # --- packages
    b"\xed\xab\xee\xdb": "linux-package",  # rpm
    b"drpm": "linux-package",
    b"flatpak\0": "linux-package",
    b"xdg-app\0": "linux-package",
    b"hsqs": "linux-package",  # squashfs: snap
    b"sqsh": "linux-package",
    b"xar!": "macos-package",
    b"pbzx": "macos-package",
    b"Cr24": "browser-extension",
    b"PACK\0\0\0\2": "git-repository",
    b"PACK\0\0\0\3": "git-repository",
    # --- images of disks
    b"encrcdsa": "macos-disk-image",
    b"cdsaencr": "macos-disk-image",
    b"koly\0\0\0\4": "macos-disk-image",
    b"sprs": "macos-disk-image",
    b"conectix": "disk-image",
    b"vhdxfile": "disk-image",
    b"KDMV": "disk-image",
    b"COWD": "disk-image",
    b"QFI\xfb": "disk-image",
    b"QED\0": "disk-image",
    b"WithoutFreeSpace": "disk-image",
    b"WithouFreSpacExt": "disk-image",
    b"MSWIM\0\0\0": "disk-image",
    b"WLPWM\0\0\0": "disk-image",
    b"\0" + b"\xff" * 10 + b"\0": "disk-image",  # a raw sector of a CD
    # --- archives
    b"7z\xbc\xaf\x27\x1c": "archive",
    b"Rar!\x1a\7": "archive",
    b"MSCF\0\0\0\0": "archive",
    b"ISc(": "archive",  # InstallShield
    b"BZh": "archive",
    b"\xfd7zXZ\0": "archive",
    b"\x28\xb5\x2f\xfd": "archive",  # zstd
    b"\x04\x22\x4d\x18": "archive",  # lz4
    b"\x89LZO": "archive",
    b"LZIP": "archive",
    b"\x1f\x9d": "archive",  # compress
    b"\x1f\xa0": "archive",
    b"070701": "archive",  # cpio
    b"070702": "archive",
    b"070707": "archive",
    b"\xc7\x71": "archive",
    b"\x71\xc7": "archive",
    b"!<arch>\n": "archive",
    b"\x60\xea": "archive",  # arj
    # --- the rest
    b"%PDF-": "pdf",
    b"{\\rt": "document",
    b"%!PS-Adobe": "document",
    b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d": "document",  # OneNote
    b"AT&TFORM": "document",  # DjVu
    b"\xff\xd8\xff": "image",
    b"\x89PNG\r\n\x1a\n": "image",
    b"GIF8": "image",
    b"II*\0": "image",
    b"MM\0*": "image",
    b"\0\0\1\0": "image",
    b"8BPS": "image",
    b"\xff\x0a": "image",
    b"\0\0\0\x0cJXL ": "image",
    b"\0\0\0\x0cjP  ": "image",
    b"wOFF": "font",
    b"wOF2": "font",
    b"\0\1\0\0\0": "font",
    b"OTTO": "font",
    b"ttcf": "font",
    b"true\0": "font",
    b"fLaC": "audio",
    b"OggS": "audio",
    b"ID3": "audio",
    b"MThd": "audio",
    b"#!AMR": "audio",
    b"\x1a\x45\xdf\xa3": "video",
    b"FLV\1": "video",
    b"\0\0\1\xba": "video",
    b"\0\0\1\xb3": "video",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "video",
    b"SQLite format 3\0": "data",
    b"\0asm": "web-script",
}
"""Bytes at the start, the longest first where several fit (`_BY_FIRST`)."""

_BY_FIRST: Final[Mapping[int, tuple[tuple[bytes, str], ...]]] = {
    first: tuple(
        sorted(
            ((each, identity) for each, identity in _AT_START.items() if each[0] == first),
            key=lambda pair: -len(pair[0]),
        )
    )
    for first in {each[0] for each in _AT_START}
}

_RIFF: Final[Mapping[bytes, str]] = {
    b"WEBP": "image",
    b"WAVE": "audio",
    b"AVI ": "video",
    b"RMID": "audio",
    b"ACON": "image",
}
_BOXES: Final = frozenset(
    {b"ftyp", b"styp", b"moof", b"sidx", b"moov", b"mdat", b"free", b"wide", b"skip"}
)
_BRANDS: Final[Mapping[bytes, str]] = {
    b"avif": "image",
    b"avis": "image",
    b"heic": "image",
    b"heix": "image",
    b"mif1": "image",
    b"crx ": "image",
    b"M4A ": "audio",
    b"M4B ": "audio",
}
_TORRENT: Final = re.compile(
    rb"d(?:8:announce\d|13:announce-listl|10:created by\d|13:creation datei|4:infod|7:comment\d"
    rb"|8:encoding\d|5:nodesl|9:httpseeds|8:url-list)"
)
_TORRENT_TOO: Final = re.compile(rb"4:infod|6:pieces\d|8:announce\d|9:file treed")
_IN_ASCII: Final = (
    (b"!<arch>\ndebian", "linux-package"),
    (b"# Disk DescriptorFile", "disk-image"),
)
_SECTORS: Final = (0x8000, 0x8800, 0x9000)
_VOLUME: Final = frozenset({b"CD001", b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"CDROM"})


def types_by_signature(head: bytes) -> frozenset[str]:
    """What the first bytes of a binary body say; empty where they say nothing."""
    found = set()
    for signature, identity in _BY_FIRST.get(head[0], ()) if head else ():
        if head.startswith(signature):
            found.add(identity)
            break
    if head[:2] in {b"MZ", b"ZM"}:
        found.add(_mz(head))
    elif head[:4] == b"\xca\xfe\xba\xbe":
        # Java and universal Mach-O share it: there follow versions, or a small count.
        count = int.from_bytes(head[4:8])
        found.add("macos-program" if 0 < count < 40 else "java-program")
    elif head[:4] == b"RIFF":
        found.add(_RIFF.get(head[8:12], "data"))
    elif head[4:8] in _BOXES:
        found.add(_BRANDS.get(head[8:12], "video"))
    elif head[2:4] == b"\r\n" and _is_compiled_python(head):
        found.add("python-package")
    elif is_object(head):
        found.add("git-repository")
    if not found and b"%PDF-" in head[:1024]:
        found.add("pdf")
    return frozenset(found) | types_in_ascii(head)


def types_in_ascii(head: bytes) -> frozenset[str]:
    """What the first bytes say where all of them may be ASCII, and what shows further in."""
    found = _further_in(head)
    found.update(identity for signature, identity in _IN_ASCII if head.startswith(signature))
    if head[:1] == b"d" and _TORRENT.match(head) and _TORRENT_TOO.search(head):
        found.add("torrent")
    if is_of_repository(head):
        found.add("git-repository")
    return frozenset(found)


def _mz(head: bytes) -> str:
    """A program by its MZ header: of Windows as soon as a header of a newer kind is named."""
    if len(head) < 64:
        return "windows-program"
    (offset,) = struct.unpack_from("<I", head, 60)
    kind = head[offset : offset + 2]
    if offset >= 64 and (kind in {b"PE", b"NE", b"LE", b"LX"} or offset + 2 > len(head)):
        return "windows-program" if kind or offset < 1 << 28 else "dos-program"
    return "dos-program"


def _is_compiled_python(head: bytes) -> bool:
    """PEP 552: magic number of a version (3.3 had 3230), then flags or a time."""
    version = int.from_bytes(head[:2], "little")
    if 3200 <= version < 4000:
        return len(head) >= 16 and head[4:8] in {bytes(4), b"\1\0\0\0", b"\3\0\0\0"}
    return 62000 < version < 62300 and len(head) >= 8 and head[8:9] == b"c"


def _further_in(head: bytes) -> set[str]:
    """What shows at fixed places behind the start, whatever the start is."""
    found = set()
    if len(head) > _SECTORS[0] and (
        any(head[at + 1 : at + 6] in _VOLUME for at in _SECTORS)
        or head[37649:37654] == b"CD001"  # sectors of 2352 bytes
    ):
        found.add("disk-image")
    if head[510:512] == b"\x55\xaa" and _is_boot_sector(head):
        found.add("disk-image")
    is_empty = not any(head[:512])
    if head[512:520] == b"EFI PART" or (is_empty and head[1080:1082] == b"\x53\xef"):
        found.add("disk-image")
    if head[64:68] == b"\x7f\x10\xda\xbe":  # VirtualBox
        found.add("disk-image")
    if head[1024:1026] in {b"H+", b"HX", b"BD"} and is_empty:
        found.add("macos-disk-image")
    if head[32:36] == b"NXSB":
        found.add("macos-disk-image")
    return found


def _is_boot_sector(head: bytes) -> bool:
    """A jump at its start with a file system's parameters, or a table of partitions (MBR)."""
    if head[0] == 0xEB or head[0] == 0xE9:
        return True
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    return any(entry[4] for entry in entries) and all(entry[0] in {0, 0x80} for entry in entries)
