"""Tails: what shows only at the end of a body.

In: the last bytes. Out: ids of policy/findings.py. Must never: need more than `TAIL` bytes.

An image of a Mac's disk and one of Virtual PC have their header at the end; a zip archive has its
directory there, so that it may stand behind anything: behind a picture, as a Java program does that
is to look harmless.
"""

from __future__ import annotations

import re
from typing import Final

from proxy_addons.content.containers import types_at_end_of_zip

TAIL: Final = 22 + 0xFFFF + 16 * 1024
"""Bytes: the end record of a zip archive, the longest comment behind it, and most of the directory
before it. With fewer what stands further from the end is not seen."""

_TRAILERS: Final = (
    # Place from the end, bytes, what it is.
    (512, b"koly\0\0\0\4", "macos-disk-image"),
    (512, b"conectix", "disk-image"),
    (511, b"conectix", "disk-image"),  # before Virtual PC 2004
    (8, b"cdsaencr", "macos-disk-image"),
)


_SIGNATURES: Final = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"MSCF\0\0\0\0")
_ARCHIVES: Final = re.compile(
    rb"7z\xbc\xaf\x27\x1c\x00[\x02-\x04]|Rar!\x1a\x07(?:\x00|\x01\x00)"
    rb"|MSCF\x00{4}.{4}\x00{4}",
    re.DOTALL,
)
"""How other archives begin: signature, and what of their header is always the same."""
_ENDS: Final = (b"\xc4\x3d\x7b\0\x40\7\0", b"\x1d\x77\x56\x51\3\5\4\0")
"""What an archive of RAR 4 and of RAR 5 ends with."""


def types_at_end(tail: bytes) -> frozenset[str]:
    """What the last bytes say; empty where they say nothing.

    Args:
        tail: the last bytes of a body, best the last `TAIL` of them.
    """
    found = {
        identity
        for place, trailer, identity in _TRAILERS
        if len(tail) >= place and tail.startswith(trailer, len(tail) - place)
    }
    if tail.endswith(_ENDS) or (_may_show_archive(tail) and _ARCHIVES.search(tail)):
        found.add("archive")
    packed = types_at_end_of_zip(tail)
    return frozenset(found if packed is None else found | packed)


def _may_show_archive(tail: bytes) -> bool:
    # From the end: in what is packed, CPython finds the same in a third of the time so.
    return any(tail.rfind(each) >= 0 for each in _SIGNATURES)
