"""Bodies as scanners are given them.

In: bytes. Out: what yields them in pieces, once or as often as it is read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


@dataclass
class Body:
    """A body that can be read again.

    Attributes:
        data: all of it.
        cuts: lengths of its pieces; the rest is the last piece.
        meanwhile: called before each piece but the first.
        read: how often somebody began.
    """

    data: bytes
    cuts: Sequence[int] = ()
    meanwhile: Callable[[], object] | None = None
    read: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read += 1
        start = 0
        for length in self.cuts:
            yield self.data[start : start + length]
            start += length
            if self.meanwhile is not None:
                self.meanwhile()
            await asyncio.sleep(0)
        yield self.data[start:]


def once(data: bytes, cuts: Sequence[int] = ()) -> AsyncIterator[bytes]:
    """A body that can be read once, as it comes from a server."""
    return aiter(Body(data, cuts))
