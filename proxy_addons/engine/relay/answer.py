"""A server's answer to one request, as it passes.

In: bytes of the server's connection. Out: bytes for the client: the head written anew, the body
framed anew.
Must never: give out a byte before the head is whole and sound; hold more than a head.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy_addons.addons.heads import ASKS_FOR_US, CHALLENGE
from proxy_addons.engine.http1 import size_of
from proxy_addons.engine.relay.bodies import (
    LAST_CHUNK,
    BodyError,
    InChunks,
    UntilClose,
    body_of,
    framed,
)
from proxy_addons.engine.relay.heads import UNTIL_CLOSE, HeadError, read_answer

if TYPE_CHECKING:
    from proxy_addons.engine.relay.bodies import Body
    from proxy_addons.engine.relay.heads import AnswerHead

_END = b"\r\n\r\n"
_SLOPPY_END = re.compile(rb"\r?\n\r?\n")  # old servers' ways (RFC 9112 2.2)
_SWITCHING = 101
_UNWANTED = {
    _SWITCHING: "a change of protocol that nobody asked for",
    CHALLENGE: ASKS_FOR_US,
}
LEFT_IN_HEAD = "the server closed the connection in the middle of its answer's head"
LEFT_IN_BODY = "the server closed the connection in the middle of its answer"


class AnswerError(Exception):
    """An answer that cannot be passed on, or no further. Its text is ours, and quotes nothing."""


class Answer:
    """One answer.

    Args:
        method: of the request.
        head_limit: bytes of a head, its empty line not counted.
        most_fields: fields in it.
        close: whether the client's connection ends with the answer.
        watched: whether it may be cut off: then the client has to be able to tell.

    Attributes:
        head: what its head said; None before that.
        close: as the argument, or because only the connection's end can end the body.
        last: whether the server's connection cannot be used again.
        done: whether all of it has come.
        opening: the head as it goes to the client.
        count: bytes of the body's content so far.
    """

    __slots__ = (
        "_body", "_buffer", "_head_limit", "_method", "_most_fields", "_watched",
        "close", "done", "head", "last", "opening",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        head_limit: int,
        most_fields: int,
        *,
        close: bool,
        watched: bool = False,
    ) -> None:
        self._method = method
        self._watched = watched
        self._head_limit = head_limit
        self._most_fields = most_fields
        self._buffer = b""
        self._body: Body | None = None
        self.head: AnswerHead | None = None
        self.close = close
        self.last = False
        self.done = False
        self.opening = b""

    @property
    def count(self) -> int:
        """See the class."""
        return self._body.count if self._body is not None else 0

    @property
    def content(self) -> bytes:
        """Of the body, what the last `feed` brought, without framing."""
        return self._body.content if self._body is not None else b""

    @property
    def begun(self) -> bool:
        """Whether anything of it has come at all."""
        return self.head is not None or bool(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Bytes have come. Gives what the client gets for them.

        Raises:
            AnswerError: it cannot be passed on.
        """
        if self._body is not None:
            return self._pass(data)
        data = self._buffer + data if self._buffer else data
        while True:
            end = data.find(_END)
            size = len(_END)
            if end < 0 and (found := _SLOPPY_END.search(data)) is not None:
                end, size = found.start(), found.end() - found.start()
            if (end + 2 if end >= 0 else len(data)) > self._head_limit:
                raise AnswerError(f"an answer's head of more than {size_of(self._head_limit)}")
            if end < 0:
                self._buffer = data
                return b""
            if data.count(b"\n", 0, end) > self._most_fields:
                raise AnswerError(f"more than {self._most_fields} header fields")
            try:
                head = read_answer(data[: end + size], self._method)
            except HeadError as problem:
                raise AnswerError(str(problem)) from problem
            data = data[end + size :]
            if head.status in _UNWANTED:
                raise AnswerError(_UNWANTED[head.status])
            if head.status > _SWITCHING + 98:
                break
            # Others are hints; the client was told to go on already.
        self._buffer = b""
        return self._begin(head) + (self._pass(data) if data or self.done else b"")

    def _begin(self, head: AnswerHead) -> bytes:
        self.head = head
        self.last = head.close
        in_chunks = self._watched and head.length == UNTIL_CLOSE
        self.close = self.close or (head.length == UNTIL_CLOSE and not in_chunks)
        self._body = InChunks() if in_chunks else body_of(head.length)
        self.done = self._body.done
        lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
        lines += [b"%b: %b" % field for field in head.fields]
        if in_chunks:
            lines.append(b"Transfer-Encoding: chunked")
        if self.close:
            lines.append(b"Connection: close")
        lines += (b"", b"")
        self.opening = b"\r\n".join(lines)
        return self.opening

    def _pass(self, data: bytes) -> bytes:
        body = self._body
        assert body is not None
        if self.done:
            self.last = self.last or bool(data)  # it says more than it was asked
            return b""
        try:
            passed, rest = body.feed(data)
        except BodyError as problem:
            raise AnswerError(f"HTTP/1 protocol error: {problem}") from problem
        self.done = body.done
        if rest != b"":
            self.last = True
        return passed

    def framed(self, data: bytes, *, last: bool = False) -> bytes:
        """Content as it goes to the client, framed anew.

        Args:
            data: a piece of it; none only where it is the last.
            last: whether nothing comes behind it.
        """
        assert self._body is not None
        return framed(self._body, data, last=last)

    def end(self) -> bytes:
        """The server sends no more. Gives what the client still gets for that.

        Raises:
            AnswerError: it was not done.
        """
        self.last = True
        if self.done:
            return b""
        if self.head is None:
            raise AnswerError(LEFT_IN_HEAD)
        if not isinstance(self._body, (UntilClose, InChunks)):
            raise AnswerError(LEFT_IN_BODY)
        self.done = True
        self._body.content = b""
        return LAST_CHUNK if isinstance(self._body, InChunks) else b""
