"""Reads list files in bounded memory.

In: a file. Out: batches of its lines, with the number of the first.
Must never: hold more than a block and one line, however long the lines of a file are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20  # octets
MAX_LINE = 1 << 16  # octets: the longest URL that is decided at all


def batches(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields batches of lines without their line ends.

    Octets that are no UTF-8 become lone surrogates. A line longer than `MAX_LINE` is cut after
    more than that many octets: whoever reads it sees by its length that it is too long.

    Yields:
        Number of the first line (from 1), and the lines.

    Raises:
        OSError: when the file cannot be read.
    """
    number = 1
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            complete, newline, tail = block.rpartition(b"\n")
            if not newline:  # in the middle of a very long line: keep only its beginning
                rest = (rest + tail)[: MAX_LINE + 1]
                continue
            lines = _decoded(rest + complete, first=number == 1)
            yield number, lines
            number += len(lines)
            rest = tail[: MAX_LINE + 1]
    if rest:
        yield number, _decoded(rest, first=number == 1)


def _decoded(octets: bytes, *, first: bool) -> list[str]:
    if first:
        octets = octets.removeprefix(b"\xef\xbb\xbf")  # a byte order mark is no part of an entry
    return octets.decode("utf-8", "surrogateescape").split("\n")
