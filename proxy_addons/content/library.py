"""What a library calls a binary body of which our own signatures say nothing.

In: the first bytes. Out: ids of policy/findings.py; "unknown" where it knows nothing either.
Must never: be asked first (it takes a quarter of a millisecond); raise for what a stranger wrote.

pure-magic-rs has the rules of file(1) in memory-safe Rust. Which others were measured, and why this
one, is in docs/adr/0021-file-types.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from pure_magic_rs import MagicDb

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ: Final = 8192
"""Bytes that it is given: all its rules for what is meant here look at the first few kilobytes."""

_BY_CLASS: Final[Mapping[str, str]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "font": "font",
}
_BY_TYPE: Final[Mapping[str, str]] = {
    "application/x-executable": "linux-program",
    "application/x-pie-executable": "linux-program",
    "application/x-sharedlib": "linux-program",
    "application/x-mach-binary": "macos-program",
    "application/vnd.microsoft.portable-executable": "windows-program",
    "application/java-archive": "java-program",
    "application/x-java-applet": "java-program",
    "application/x-bytecode.python": "python-package",
    "application/vnd.android.package-archive": "android-package",
    "application/vnd.debian.binary-package": "linux-package",
    "application/x-rpm": "linux-package",
    "application/vnd.ms-htmlhelp": "windows-help",
    "application/x-ms-shortcut": "windows-shortcut",
    "application/x-ms-wim": "disk-image",
    "application/x-qemu-disk": "disk-image",
    "application/x-virtualbox-vhd": "disk-image",
    "application/x-iso9660-image": "disk-image",
    "application/x-xar": "macos-package",
    "application/x-bittorrent": "torrent",
    "application/vnd.ms-opentype": "font",
    "application/vnd.ms-fontobject": "font",
    "application/ogg": "audio",
    "application/pdf": "pdf",
    "application/msword": "document",
    "application/vnd.ms-excel": "document",
    "application/vnd.ms-powerpoint": "document",
    "application/vnd.ms-tnef": "e-mail",
    "application/x-hwp": "document",
    "application/vnd.visio": "document",
    "application/x-dvi": "document",
    "application/postscript": "document",
    "application/x-arj": "archive",
    "application/x-lha": "archive",
    "application/x-lzh-compressed": "archive",
    "application/x-ace-compressed": "archive",
    "application/x-stuffit": "archive",
    "application/x-zoo": "archive",
    "application/x-lrzip": "archive",
    "application/x-lzma": "archive",
    "application/x-lzip": "archive",
    "application/vnd.ms-cab-compressed": "archive",
    "application/x-installshield": "archive",
    "application/x-sqlite3": "data",
    "application/vnd.sqlite3": "data",
    "application/vnd.apache.parquet": "data",
    "application/x-hdf5": "data",
    "application/x-dbf": "data",
    "application/x-wasm": "web-script",
    "application/wasm": "web-script",
}
"""Its media types, as far as they are told by more than a byte or two: a rule such as "begins with
a jump" (`x-dosexec` for .com) would make programs of ordinary data."""


@cache
def _rules() -> MagicDb:
    """The rules: made at the first question, in a fortieth of a second."""
    return MagicDb()


def types_by_library(head: bytes) -> frozenset[str]:
    """What the library calls the first bytes of a binary body; empty where it knows nothing."""
    try:
        media_type = _rules().best_magic_buffer(head[:_READ], None).mime_type.strip()
    except (OSError, ValueError, RuntimeError):
        # It could not read it: as where it knows nothing; the name decides then, or "unknown".
        return frozenset()
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        # A fault in the library, which Rust turns into an exception of no class that can be named.
        # The body stays as it was: unknown, and what its name makes of it.
        return frozenset()
    found = _BY_TYPE.get(media_type) or _BY_CLASS.get(media_type.partition("/")[0])
    return frozenset({found} if found else ())
