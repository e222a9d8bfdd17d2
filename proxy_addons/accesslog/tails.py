"""Whole lines of a segment, from either end.

In: a file, and how many of its bytes count. Out: its complete lines with their offsets.
Must never: take a torn tail for a line; read a segment into memory whole.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_BLOCK = 1 << 18


def lines_forward(file: BinaryIO, end: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yields (offset, line without its newline) of the complete lines between two offsets.

    Args:
        file: an open segment.
        end: bytes that count; bytes from there on are not read.
        start: where to begin; the start of a line.
    """
    file.seek(start)
    offset = start
    rest = b""
    while offset + len(rest) < end:
        block = file.read(min(_BLOCK, end - offset - len(rest)))
        if not block:
            return
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield offset, line
            offset += len(line) + 1


def lines_backward(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Yields (offset, line without its newline) of the complete lines, the last one first.

    Args:
        file: an open segment.
        end: bytes that count.
    """
    position = end
    rest = b""  # the beginning of it is still to be read
    complete = False  # whether rest ends where a newline stood
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        rest = file.read(size) + rest
        first, *lines = rest.split(b"\n")
        if not lines:
            continue
        # What follows the last newline of the file is torn; later, it is the end of a line.
        offset = position + len(rest)
        for index in reversed(range(len(lines))):
            line = lines[index]
            offset -= len(line)
            if complete or index < len(lines) - 1:
                yield offset, line
            complete = True
            offset -= 1
        rest = first
    if complete:
        yield 0, rest


def end_of_whole_lines(file: BinaryIO, end: int) -> int:
    """Returns the offset after the last newline before `end` and before any NUL byte.

    No line holds a NUL (JSON escapes it). Where one stands, a file system has lengthened the file
    for data that never reached the disk, and what follows was never reported durable.
    """
    file.seek(0)
    position = 0
    whole = 0
    while position < end:
        block = file.read(min(_BLOCK, end - position))
        if not block:
            break
        nul = block.find(b"\0")
        if nul >= 0:
            block = block[:nul]
        newline = block.rfind(b"\n")
        if newline >= 0:
            whole = position + newline + 1
        if nul >= 0:
            break
        position += len(block)
    return whole


def end_of_last_line(file: BinaryIO, end: int) -> int:
    """Returns the offset after the last newline before `end`, 0 when there is none."""
    position = end
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        newline = file.read(size).rfind(b"\n")
        if newline >= 0:
            return position + newline + 1
    return 0


def size_of(file: BinaryIO) -> int:
    """Returns the size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size
