"""Packed content that is read within limits.

In: a stream. Out: the same, as far as the limits go.
Must never: let a few octets ask for gigabytes, of memory or of what comes out of them.
"""

from __future__ import annotations

import io
import lzma
from typing import IO, override

from proxy_addons.categorisation.report import CategoryImportError
from proxy_addons.categorisation.staging import MAX_TOTAL

LARGEST_READ = 1 << 21  # octets: more at once is a header that pretends to be huge
FREE = 64 << 20  # octets that anything may unpack to
MOST_TIMES = 200  # beyond these: lists of names pack to a third or a tenth, not to nothing
_XZ_MEMORY = 128 << 20  # octets: what xz -9 asks for is half of it
_BLOCK = 1 << 16


def check_ratio(packed: int, unpacked: int) -> None:
    """Refuses what unpacks to far more than lists do.

    Raises:
        CategoryImportError: then.
    """
    if unpacked > FREE + MOST_TIMES * packed:
        raise CategoryImportError(
            f"the archive unpacks to more than {MOST_TIMES} times its size: not a category list"
        )


class Bounded(io.RawIOBase):
    """A seekable file that refuses to be read beyond limits.

    A few octets of gzip can announce a header of gigabytes, which tarfile would read in one go.
    """

    def __init__(self, inner: IO[bytes], packed: int) -> None:
        self._inner = inner
        self._packed = packed
        self.last = b""  # what the last read gave

    @override
    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise CategoryImportError("the archive has a header larger than any list needs")
        self._check(self._inner.tell())
        self.last = self._inner.read(size)
        return self.last

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._check(offset)
        return self._inner.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._inner.tell()

    def _check(self, place: int) -> None:
        if place > MAX_TOTAL:
            raise CategoryImportError(f"the archive unpacks to more than {MAX_TOTAL} octets")
        check_ratio(self._packed, place)


class XzReader(io.RawIOBase):
    """What an xz file holds. Python's own reader takes no limit of memory.

    It goes forward only, as tarfile does when nothing is asked for twice.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._place = 0
        self._left = b""
        self._unpacker = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        block = self._some(len(view))
        view[: len(block)] = block
        self._place += len(block)
        return len(block)

    def _some(self, size: int) -> bytes:
        """Some octets, none at the end.

        Raises:
            EOFError: when the file ends before the stream does.
        """
        while True:
            if self._unpacker.eof:
                # Another stream may follow, and zeros between them.
                rest = (self._unpacker.unused_data or self._raw.read(_BLOCK)).lstrip(b"\0")
                if not rest:
                    return b""
                self._unpacker = self._new()
                self._left = rest
            if self._unpacker.needs_input and not self._left:
                self._left = self._raw.read(_BLOCK)
                if not self._left:
                    raise EOFError("cut short before the end of the xz stream")
            block = self._unpacker.decompress(self._left, size)
            self._left = b""
            if block:
                return block

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or offset < self._place:
            raise ValueError("xz content is read forward")
        while self._place < offset:
            block = self._some(min(_BLOCK, offset - self._place))
            if not block:
                break
            self._place += len(block)
        return self._place

    @override
    def tell(self) -> int:
        return self._place
