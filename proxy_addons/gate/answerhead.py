"""What the head of an answer says of its body.

In: status and fields, as the client gets them. Out: `AnswerHead`.
Must never: choose among several fields of one name: which of them a client goes by is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    type Fields = Iterable[tuple[bytes, bytes]]

_OF_BODIES = (
    b"content-type", b"content-encoding", b"content-disposition", b"content-range", b"etag",
    b"last-modified",
)  # fmt: skip


# What may come slowly by nature, and is shown as it comes: it is looked at as it passes, and cut
# off where it has to be. Most often its first piece says enough.
LIVE: Final = (
    "text/",
    "application/json",
    "application/javascript",
    "application/x-ndjson",
    "application/xhtml+xml",
    "application/grpc",
    "application/connect+",
    "multipart/x-mixed-replace",
)

_NO_BODY: Final = frozenset({204, 304})  # RFC 9110 15.3.5, 15.4.5


class AnswerHead(NamedTuple):
    """What the head of an answer says.

    Attributes:
        status: HTTP status code.
        content_type: the field's value, "" without one.
        coding: `Content-Encoding`, "" without one.
        disposition: `Content-Disposition`, "" without one.
        content_range: `Content-Range`, "" without one.
        length: bytes of the body as it comes; None where only its end tells.
        validator: `ETag`, or `Last-Modified` where there is none; "" without either.
    """

    status: int
    content_type: str = ""
    coding: str = ""
    disposition: str = ""
    content_range: str = ""
    length: int | None = None
    validator: str = ""

    @property
    def has_body(self) -> bool:
        """Whether anything may come behind it."""
        return self.status not in _NO_BODY and self.length != 0


def answer_head_of(status: int, fields: Fields, length: int | None) -> AnswerHead:
    """What a watch is told of an answer's head.

    Args:
        status: HTTP status code.
        fields: as the client gets them. Of several of one name all count: which of them a client
            goes by is not known.
        length: bytes of the body as it comes; None where only its end tells.
    """
    told = dict.fromkeys(_OF_BODIES, "")
    for name, value in fields:
        key = name.lower()
        if key in told:
            text = value.decode("utf-8", "surrogateescape")
            told[key] = f"{told[key]}, {text}" if told[key] else text
    content_type, coding, disposition, content_range, etag, modified = told.values()
    # A weak one says that two are as good as each other, not that they are the same (8.8.1).
    validator = etag if etag and not etag.startswith("W/") else modified
    return AnswerHead(status, content_type, coding, disposition, content_range, length, validator)
