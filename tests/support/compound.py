"""Compound files ([MS-CFB]), made the plainest way there is.

In: streams by their paths. Out: bytes.
"""

from __future__ import annotations

import struct
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTOR: Final = 512
_LEAST: Final = 4096  # smaller streams would stand in a stream of their own
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_NONE: Final = 0xFFFFFFFF
MSI: Final = "000C1084-0000-0000-C000-000000000046"


def compound(streams: Mapping[str, bytes], clsid: str = str(uuid.UUID(int=0))) -> bytes:
    """A compound file.

    Args:
        streams: by path, `/` between the names; zeros make short ones longer.
        clsid: of its root.
    """
    folders: dict[str, list[str]] = {"": []}
    order = [""]
    for path in streams:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            part, parent = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
            if part not in order:
                order.append(part)
                folders.setdefault(parent, []).append(part)
                if depth < len(parts):
                    folders[part] = []
    sectors: list[bytes] = []
    chain: list[int] = []

    def put(content: bytes) -> int:
        first = len(sectors)
        pieces = [content[at : at + _SECTOR] for at in range(0, len(content), _SECTOR)]
        sectors.extend(piece.ljust(_SECTOR, b"\0") for piece in pieces)
        chain.extend([*range(first + 1, first + len(pieces)), _END])
        return first

    places = {}
    for path, content in streams.items():
        padded = content.ljust(_LEAST, b"\0")
        places[path] = (put(padded), len(padded))
    after = {
        path: order.index(following)
        for members in folders.values()
        for path, following in pairwise(members)
    }
    directory = b""
    for path in order:
        kind = 5 if not path else 1 if path in folders else 2
        start, size = places.get(path, (_END if not path else 0, 0))
        child = order.index(folders[path][0]) if folders.get(path) else _NONE
        name = (path.rpartition("/")[2] if path else "Root Entry").encode("utf-16-le") + b"\0\0"
        directory += struct.pack(
            "<64sHBBIII16sIQQIQ",
            *(name, len(name), kind, 1, _NONE, after.get(path, _NONE), child),
            *(bytes(16) if path else uuid.UUID(clsid).bytes_le, 0, 0, 0, start, size),
        )
    directory = directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0")
    first_of_directory = put(directory)
    count = len(chain)
    fats = 1
    while (count + fats) * 4 > fats * _SECTOR:
        fats += 1
    table = [*chain, *([_FAT] * fats)]
    table += [_FREE] * (fats * _SECTOR // 4 - len(table))
    packed = struct.pack(f"<{len(table)}I", *table)
    header = struct.pack(
        "<8s16sHHHHH6s9I",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6)),
        *(0, fats, first_of_directory, 0, _LEAST, _END, 0, _END, 0),
    )
    places_of_tables = [*range(count, count + fats), *([_FREE] * (109 - fats))]
    return header + struct.pack("<109I", *places_of_tables) + b"".join(sectors) + packed
