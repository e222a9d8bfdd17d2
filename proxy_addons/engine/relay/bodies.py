"""Bodies of HTTP/1 messages, as they pass.

In: pieces of a body as they come. Out: the same, framed for the other side, and where it ends.
Must never: pass on a chunk that was not understood; hold more than the piece in hand.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from proxy_addons.engine.relay.heads import CHUNKED, UNTIL_CLOSE

_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"  # chunks follow
_EMPTY_LINE = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
_FRAMING_LIMIT = 64 * 1024  # bytes of chunk heads and trailers between two pieces of data


class BodyError(Exception):
    """A body whose framing cannot be understood. The exchange in hand is broken off."""


class Body(Protocol):
    """A body that is passing.

    Attributes:
        count: bytes of content so far, without framing.
        content: what the last `feed` was given of it, without framing.
        done: whether its end has come.
    """

    count: int
    content: bytes
    done: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What to send on, and what came behind the body's end.

        The second is None where something came there that cannot be told apart any more: nothing
        further may be read from that connection.

        Raises:
            BodyError: it cannot be understood.
        """


class Fixed:
    """A body of a known length."""

    __slots__ = ("_left", "content", "count", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.content = b""
        self.count = 0
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See `Body.feed`."""
        size = len(data)
        if size < self._left:
            self._left -= size
            self.count += size
            self.content = data
            return data, b""
        passed, rest = (
            (data, b"") if size == self._left else (data[: self._left], data[self._left :])
        )
        self.count += self._left
        self.content = passed
        self._left = 0
        self.done = True
        return passed, rest


class UntilClose:
    """A body that ends with its connection."""

    __slots__ = ("content", "count", "done")

    def __init__(self) -> None:
        self.content = b""
        self.count = 0
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See `Body.feed`."""
        self.count += len(data)
        self.content = data
        return data, b""


class InChunks(UntilClose):
    """A body that ends with its connection, passed on in chunks.

    So a client can tell that it has all of it, and that it has not where it is cut off.
    """

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See `Body.feed`."""
        super().feed(data)
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b"", b""


class Chunked:
    """A body in chunks (RFC 9112 7.1): read, and written anew without extensions and trailers.

    Args:
        exact: whether what comes behind it matters. The parser does not say where a body ends, but
            it ends behind an empty line, so that it can be fed from one to the next.
    """

    __slots__ = (
        "_exact", "_more", "_parser", "_pieces", "_silent", "_tail", "content", "count", "done",
    )  # fmt: skip

    def __init__(self, *, exact: bool) -> None:
        self.content = b""
        self.count = 0
        self.done = False
        self._exact = exact
        self._more = False
        self._pieces: list[bytes] = []
        self._silent = 0
        self._tail = b""
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    def on_message_begin(self) -> None:
        """The parser begins a message: behind the end it is another one."""
        self._more = self.done

    def on_body(self, data: bytes) -> None:
        """The parser has read data of a chunk."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The parser has read the last chunk, and the trailers."""
        self.done = True

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """See `Body.feed`."""
        rest = self._parse(data) if self._exact else self._parse_piece(data)
        pieces, self._pieces = self._pieces, []
        size = sum(map(len, pieces))
        self._silent = 0 if size else self._silent + len(data)
        if self._silent > _FRAMING_LIMIT:
            raise BodyError("a chunk's head, or trailers, without end")
        self.count += size
        self.content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        out = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        if self.done:
            out.append(LAST_CHUNK)
        return b"".join(out), None if self._more else rest

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser from one empty line to the next. Gives what is behind the body's end."""
        before = len(self._tail)
        whole = self._tail + data
        start = before
        while not self.done and start < len(whole):
            found = whole.find(_EMPTY_LINE, max(0, start - 3))
            end = len(whole) if found < 0 else max(found + len(_EMPTY_LINE), start + 1)
            self._parse_piece(whole[start:end])
            start = end
        self._tail = whole[-3:]
        return whole[start:]

    def _parse_piece(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            if not self.done:
                # Its text may quote what was sent.
                raise BodyError("a chunk that cannot be read") from problem
            self._more = True
        return b""


def framed(body: Body, data: bytes, *, last: bool = False) -> bytes:
    """Content of a body as it goes on, framed anew.

    Args:
        body: as it came.
        data: a piece of it; none only where it is the last.
        last: whether nothing comes behind it.
    """
    if isinstance(body, Fixed):
        return data
    piece = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return piece + LAST_CHUNK if last else piece


def body_of(length: int, *, exact: bool = False) -> Body:
    """The body that a head announces.

    Args:
        length: bytes, CHUNKED or UNTIL_CLOSE.
        exact: whether what comes behind chunks has to be told apart from them.
    """
    if length == CHUNKED:
        return Chunked(exact=exact)
    return UntilClose() if length == UNTIL_CLOSE else Fixed(length)
