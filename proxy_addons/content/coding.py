"""Content codings (RFC 9110 8.4): what a body is under gzip, deflate, br or zstd, as it passes.

In: pieces of an encoded body. Out: the bytes that they stand for.
Must never: make much memory of little input; take what cannot be read for nothing.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final, Protocol

import brotli
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})
"""Codings that can be read here."""
_IDENTITY: Final = frozenset({"", "identity"})
_PIECE: Final = 256 * 1024
"""Bytes that are decoded at a time, where that can be said."""
_LITTLE: Final = 256
"""Bytes of zstd at a time: each may stand for 32 KiB."""
_FREE: Final = 16 * 1024 * 1024
"""Bytes that a body may have decoded, however few it was encoded."""
_RATIO: Final = 1100
"""Times as large as it was that a decoded body may be beyond that. DEFLATE reaches 1032."""
_MOST: Final = 3
"""Codings on top of each other. Nobody uses more than one."""


class CodingError(Exception):
    """The body cannot be read. Its text is ours, and quotes nothing."""


class _Step(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode a piece, in pieces."""


class _Zlib:
    """gzip, or zlib; `deflate` is zlib, and some servers send it bare (RFC 9110 8.4.1.2)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._begun = gzip
        self._reader: Any = zlib.decompressobj(wbits=31 if gzip else 15)

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._begun and data:
            self._begun = True
            if data[0] & 0x0F != 8:  # RFC 1950 2.2: the method of zlib
                self._reader = zlib.decompressobj(wbits=-15)
        while data:
            yield self._reader.decompress(data, _PIECE)
            data = self._reader.unconsumed_tail
            if self._reader.eof:
                data = self._reader.unused_data
                if not self._gzip or not data.strip(b"\0"):
                    return
                # Another member (RFC 1952 2.2): some readers go on, and see what is in it.
                self._reader = zlib.decompressobj(wbits=31)


class _Brotli:
    def __init__(self) -> None:
        self._reader: Any = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = self._reader.process(data, output_buffer_limit=_PIECE)
        yield piece
        while not self._reader.is_finished() and (piece or not self._reader.can_accept_more_data()):
            piece = self._reader.process(b"", output_buffer_limit=_PIECE)
            yield piece


class _Zstd:
    def __init__(self) -> None:
        # 8 MiB: the window that RFC 9659 allows a sender, and browsers take.
        self._reader: Any = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj(
            read_across_frames=True
        )

    def feed(self, data: bytes) -> Iterator[bytes]:
        # Little at a time: the library gives all that it makes of it at once.
        for at in range(0, len(data), _LITTLE):
            yield self._reader.decompress(data[at : at + _LITTLE])


class Decoder:
    """Reads one body.

    Args:
        codings: the `Content-Encoding` field, "" without one.

    Raises:
        CodingError: it names one that cannot be read here.
    """

    __slots__ = ("_came", "_made", "_steps")

    def __init__(self, codings: str) -> None:
        said = (each.strip() for each in codings.lower().split(","))
        names = [name for name in said if name not in _IDENTITY]
        if len(names) > _MOST or not KNOWN.issuperset(names):
            raise CodingError("a content coding that cannot be read")
        self._steps: list[_Step] = [_step(name) for name in reversed(names)]
        self._came = self._made = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bytes that a piece of the body stands for, in pieces.

        Raises:
            CodingError: it is not encoded as was said, or far larger than it came.
        """
        self._came += len(data)
        found: Iterable[bytes] = (data,)
        for step in self._steps:
            found = self._through(step, found)
        return iter(found)

    def _through(self, step: _Step, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            try:
                for made in step.feed(piece):
                    self._made += len(made)
                    if self._made > _FREE + _RATIO * self._came:
                        raise CodingError("far larger than it came")
                    if made:
                        yield made
            except (zlib.error, brotli.error, zstandard.ZstdError, MemoryError) as problem:
                # The answer in hand is judged as one that cannot be looked into.
                raise CodingError("not encoded as was said") from problem


def _step(name: str) -> _Step:
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstd()
    return _Zlib(gzip=name != "deflate")


def acceptable(field: str) -> str:
    """What is left of an `Accept-Encoding` that can be read here.

    Args:
        field: the field's value (RFC 9110 12.5.3).
    """
    kept = []
    for each in field.split(","):
        name = each.partition(";")[0].strip().lower()
        if name in KNOWN or name == "identity":
            kept.append(each.strip())
    return ", ".join(kept) or "identity"
