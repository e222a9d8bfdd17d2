"""Sealed segments, read: `….jsonl.gz` in the folder of the seals.

In: that folder. Out: which segments are there; the lines of one.
Must never: hold a segment in memory whole; pass over what stands behind its end.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from proxy_addons.accesslog.segment import SegmentName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

PACKED: Final = ".gz"
_NUMBERED: Final = re.compile(r"\.\d+$", re.ASCII)
_BLOCK: Final = 1 << 20
_GZIP: Final = 31  # zlib's window for gzip


class Digest(Protocol):
    """What hashlib has."""

    def update(self, data: bytes, /) -> None:
        """Take octets in."""


class PackedError(OSError):
    """A compressed segment is damaged. The text says how."""


def packed_in(sealed: Path, name: SegmentName) -> Path:
    """Where the compressed copy of a segment is.

    Args:
        sealed: the folder of the seals.
        name: of the segment.
    """
    day = name.hour
    return sealed / "segments" / day[:4] / day[4:6] / day[6:8] / f"{name}{PACKED}"


def rest_in(sealed: Path, name: SegmentName, number: int) -> Path:
    """Where the lines of a segment are that an erasure left.

    Args:
        sealed: the folder of the seals.
        name: of the segment.
        number: how many erasures it has had.
    """
    day = name.hour
    return sealed / "rest" / day[:4] / day[4:6] / day[6:8] / f"{name}.{number}{PACKED}"


def sealed_in(
    sealed: Path, worker: int | None = None, since: datetime | None = None
) -> list[tuple[SegmentName, Path]]:
    """The compressed segments in a folder of seals, in the order of their names.

    Of one from which lines were erased, what is left of it.

    Args:
        sealed: the folder of the seals.
        worker: of this one only.
        since: of hours that begin then (aware), or later.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    # Where an erasure was cut short, the segment as it was before is there too: it has all lines.
    rest = list(_under(sealed / "rest", worker, since))
    rest.sort(key=lambda each: (len(each[1].name), each[1].name), reverse=True)
    found = dict(rest)
    found |= dict(_under(sealed / "segments", worker, since))
    return sorted(found.items())


def _under(
    folder: Path, worker: int | None, since: datetime | None
) -> Iterator[tuple[SegmentName, Path]]:
    first = f"{since:%Y/%m/%d}" if since is not None else ""
    for day in sorted(folder.glob("[0-9]*/[0-9]*/[0-9]*")):
        if str(day.relative_to(folder)) < first:
            continue
        for path in day.iterdir():
            if not path.name.endswith(PACKED):
                continue
            text = path.name.removesuffix(PACKED)
            name = SegmentName.parse(_NUMBERED.sub("", text) if folder.name == "rest" else text)
            if name is None or worker not in {None, name.worker}:
                continue
            if since is None or name.begins >= since:
                yield name, path


def unpacked(path: Path, digest: Digest | None = None) -> Iterator[bytes]:
    """The lines of a compressed segment, without their newlines.

    Args:
        path: the file.
        digest: its compressed octets go into this.

    Raises:
        OSError: it cannot be read.
        PackedError: it is no gzip, ends too early or too late, or not with a line.
    """
    rest = b""
    for block in _blocks(path, digest):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        raise PackedError("it ends in the middle of a line")


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines, each with the byte at which it begins when they stand in a file."""
    offset = 0
    for line in lines:
        yield offset, line
        offset += len(line) + 1


@contextlib.contextmanager
def unpacked_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A compressed segment as a file that can be read from its end, and how many bytes it has.

    Its file has no name, so that nobody else can open it.

    Raises:
        OSError: as `unpacked`.
    """
    with tempfile.TemporaryFile() as file:
        for block in _blocks(path, None):
            file.write(block)
        yield file, file.tell()


def _blocks(path: Path, digest: Digest | None) -> Iterator[bytes]:
    reader = zlib.decompressobj(_GZIP)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if digest is not None:
                digest.update(block)
            try:
                yield reader.decompress(block)
            except zlib.error as problem:
                raise PackedError(str(problem)) from problem
            if reader.unused_data:
                raise PackedError("something stands behind its end")
    yield reader.flush()
    if not reader.eof:
        raise PackedError("it ends in the middle")
