"""Finds what a zip archive has in it that its directory does not list.

In: a file. Out: places in it. Must never: unpack anything; trust a number out of the file.

Programs read a zip archive from its directory at the end; some read it from the front. Where two
archives stand one after the other, programs differ in which of them they show (7-Zip the first,
WinRAR the last): whoever wants to hide a file uses that. Between the members that the directory
lists there is nothing but a few bytes, as a rule; a header of a member in there is one that not
everybody sees.
"""

from __future__ import annotations

import os
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_LOCAL: Final = b"PK\x03\x04"
_HEADER: Final = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
_METHODS: Final = frozenset({0, 8, 9, 12, 14, 93, 95, 98, 99})  # 4.4.5: those in use
_LONGEST_NAME: Final = 1024
_BLOCK: Final = 1 << 20  # bytes that are read at a time


class Piece:
    """A part of a file, read from its beginning."""

    __slots__ = ("_end", "_file", "_place")

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self._file = file
        self._place = begin
        self._end = end

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self._file.seek(self._place)
        got = self._file.read(min(size, self._end - self._place))
        self._place += len(got)
        return got


@dataclass(frozen=True, slots=True)
class Listed:
    """What the directory of a zip archive says, and what it does not say.

    Attributes:
        members: how many it lists, at different places.
        gaps: begins and ends of pieces that it does not list and that begin with a member's header.
    """

    members: int
    gaps: tuple[tuple[int, int], ...]


def listed_of(file: BinaryIO) -> Listed | None:
    """Reads the directory of a zip archive; None where there is none.

    Args:
        file: a zip archive.
    """
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
            end = archive.start_dir
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, struct.error):
        # It has no directory at its end: it is read from the front, where nothing can hide.
        return None
    found = tuple(_between(_Octets(file), listed, end))
    return Listed(len({each.header_offset for each in listed}), found)


class _Octets:
    """The bytes of a file, read where they are asked for: it may be larger than all memory."""

    __slots__ = ("_descriptor",)

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()

    def at(self, place: int, size: int) -> bytes:
        """So many bytes, or as many as there are: none before the beginning.

        A directory may well say that a member is there.
        """
        return os.pread(self._descriptor, size, place) if place >= 0 else b""

    def find(self, wanted: bytes, begin: int, end: int) -> int:
        """Where bytes are first, whole between two places; -1: nowhere."""
        while begin < end:
            block = self.at(begin, min(_BLOCK, end - begin))
            place = block.find(wanted)
            if place >= 0:
                return begin + place
            if len(block) < len(wanted):
                return -1
            begin += len(block) - len(wanted) + 1
        return -1


def _between(
    content: _Octets, listed: list[zipfile.ZipInfo], end: int
) -> Iterator[tuple[int, int]]:
    """Pieces that no listed member covers, from the first header of a member in each."""
    covered = 0
    for member in [*sorted(listed, key=lambda each: each.header_offset), None]:
        begin = end if member is None else member.header_offset
        place = content.find(_LOCAL, covered, begin)
        while 0 <= place < begin:
            if _is_header(content, place):
                yield place, begin
                break
            place = content.find(_LOCAL, place + 1, begin)
        if member is not None and content.at(begin, 4) == _LOCAL:
            lengths = content.at(begin + 26, 4)
            name, extra = struct.unpack("<HH", lengths) if len(lengths) == 4 else (0, 0)
            covered = max(covered, begin + _HEADER.size + name + extra + member.compress_size)


def _is_header(content: _Octets, place: int) -> bool:
    """Whether there is a header that a program would read on from, not four bytes by chance."""
    header = content.at(place, _HEADER.size)
    if len(header) < _HEADER.size:
        return False
    _, _, _, method, *_, name, _ = _HEADER.unpack(header)
    return method in _METHODS and 0 < name <= _LONGEST_NAME
