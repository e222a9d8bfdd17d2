"""What of an answer is kept back until it is known whether it may go on.

In: pieces as they are framed for the client, each with the bytes of content in it. Out: those that
may go.
Must never: let go of more than may go; be held beyond the exchange.

An answer of which all has to be looked at is not kept here, but in `Watch.held`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy_addons.gate.held import Held

PIECE: Final = 256 << 10
"""Bytes that are read at a time of what was held."""
_SHARE: Final = 100


class Kept:
    """The pieces of one answer, the oldest first.

    Attributes:
        size: bytes of content in them.
        gone: bytes of content that were let go.
    """

    __slots__ = ("_pieces", "gone", "size")

    def __init__(self) -> None:
        self._pieces: deque[tuple[bytes, int]] = deque()
        self.size = 0
        self.gone = 0

    def put(self, piece: bytes, size: int) -> None:
        """Keep a piece.

        Args:
            piece: as it would be sent.
            size: bytes of content in it; a head, and the end of chunks, have none.
        """
        self._pieces.append((piece, size))
        self.size += size

    def let_go(self, keep: int) -> bytes:
        """What may go, so that at least so many bytes of content stay; all if none has to."""
        if keep <= 0:
            gone = b"".join(piece for piece, _ in self._pieces)
            self._pieces.clear()
            self.gone += self.size
            self.size = 0
            return gone
        parts = []
        while self._pieces and self.size - self._pieces[0][1] >= keep:
            piece, size = self._pieces.popleft()
            self.size -= size
            self.gone += size
            parts.append(piece)
        return b"".join(parts)


def few_of(held: Held, gone: int, count: int) -> bytes:
    """What goes out of a body that is still looked at, so that its client does not give up.

    Args:
        held: the body so far.
        gone: bytes of it that have gone out already.
        count: bytes, at most.

    Returns:
        Some bytes, or none: all that goes so is a hundredth of what has come at the most, so that
        there is never much in it, and never all of it.
    """
    return held.beginning[gone : min(gone + count, held.size // _SHARE)]
