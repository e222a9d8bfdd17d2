"""Uploads: the body of a request, as it passes, in fields and files.

In: the request's headers and path, then its bytes. Out: events (sent.py).
Must never: hold a body, whatever its length: a bounded piece of each value, and of what is
unpacked. Never raise: what cannot be read is `Unread`.

A part of a file (`Content-Range`, tus, S3's parts) is a file that is not `whole`. What a page's
script sends sentence by sentence, or encrypts, cannot be told here.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from proxy_addons.content.declared import declared_of
from proxy_addons.content.forms import Multipart, Urlencoded
from proxy_addons.content.jsontext import Json
from proxy_addons.content.sent import (
    END,
    FIELD,
    End,
    Event,
    Field,
    File,
    Piece,
    Raw,
    Reader,
    Unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["END", "FIELD", "End", "Event", "Field", "File", "Piece", "Unread", "Upload"]

RATIO: Final = 200
"""Times the size of what is sent that a compressed body may unpack to; zlib's best is 1030."""
FREE: Final = 16 << 20
"""Bytes that it may unpack to in any case."""

_JSON = re.compile(
    r"(?:application|text)/(?:[\w.-]+\+)?(?:json|x-ndjson|jsonl?|csp-report|reports)$"
)
_LIKE_JSON = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")
_RANGE = re.compile(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*$", re.IGNORECASE)
_FORM: Final = "application/x-www-form-urlencoded"
_ENOUGH: Final = 64
"""Bytes by which JSON is told, however they are cut."""
_MAY_BE_JSON: Final = frozenset({"", "text/plain", "application/octet-stream", _FORM})
"""What programs call JSON that they send without thinking of its type."""


class Upload:
    """The body of one request."""

    def __init__(
        self, headers: Mapping[str, str], path: str = "", *, everything: bool = False
    ) -> None:
        """A body.

        Args:
            headers: of the request, names in lower case; the last of each name.
            path: of its target, as sent.
            everything: as of `jsontext.Json`.
        """
        self._everything = everything
        self._content_type = headers.get("content-type", "")
        self._kind = self._content_type.partition(";")[0].strip().lower()
        disposition = headers.get("content-disposition", "")
        declared = declared_of(path, self._content_type, disposition)
        last = unquote(path.partition("?")[0].rpartition("/")[2])
        self._file = File(
            "\n".join(filter(None, [last, *declared.names])), declared, _is_whole(headers)
        )
        self._reader: Reader | None = None
        self._head = b""
        self._broken = False
        encoding = headers.get("content-encoding", "").strip().lower()
        self._inflater = _inflater(encoding)
        if self._inflater is None and encoding not in ("", "identity"):
            self._refused: str | None = "an encoding that is not read"
        else:
            self._refused = None
        self._sent = 0
        self._unpacked = 0

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes, as they are sent.

        Yields:
            What they complete. A file's bytes come as soon as they are there.
        """
        if self._broken or not octets:
            return
        if self._refused is not None:
            yield from self._give_up(self._refused)
        elif self._inflater is None:
            yield from self._read(octets)
        else:
            yield from self._inflate(octets)

    def end(self) -> Iterator[Event]:
        """There are no more.

        Yields:
            What is complete by that; `Unread` where it is not.
        """
        if self._broken:
            return
        if self._inflater is not None and self._sent and not self._inflater.eof:
            yield Unread("a compressed body without an end")
        if self._reader is None and self._head:
            yield from self._choose(b"")
        if self._reader is not None:
            yield from self._reader.end()
        self._broken = True

    def _give_up(self, why: str) -> Iterator[Event]:
        if self._reader is not None:
            yield from self._reader.end()
        self._broken = True
        yield Unread(why)

    def _inflate(self, octets: bytes) -> Iterator[Event]:
        assert self._inflater is not None
        self._sent += len(octets)
        data = octets
        while data and not self._broken:
            try:
                piece = self._inflater.decompress(data, FIELD)
            except zlib.error:
                # Damaged, or not what it says: what came before has been handed over.
                yield from self._give_up("a compressed body that is damaged")
                return
            data = self._inflater.unconsumed_tail
            self._unpacked += len(piece)
            if self._unpacked > max(FREE, self._sent * RATIO):
                yield from self._give_up("a compressed body that unpacks to too much")
                return
            if piece:
                yield from self._read(piece)
            if self._inflater.eof:
                data = self._inflater.unused_data
                if data:
                    yield from self._give_up("something after the end of a compressed body")
                return

    def _read(self, octets: bytes) -> Iterator[Event]:
        if self._reader is not None:
            yield from self._reader.feed(octets)
        elif self._kind in _MAY_BE_JSON and len(self._head) + len(octets) < _ENOUGH:
            self._head += octets
        else:
            yield from self._choose(octets)

    def _choose(self, octets: bytes) -> Iterator[Event]:
        """The first bytes: who reads the body."""
        head, self._head = self._head + octets, b""
        if self._kind.startswith("multipart/"):
            self._reader = Multipart(self._content_type)
        elif _JSON.match(self._kind) or (
            self._kind in _MAY_BE_JSON and _LIKE_JSON.match(head[:_ENOUGH])
        ):
            self._reader = Json(everything=self._everything)
        elif self._kind == _FORM:
            self._reader = Urlencoded()
        else:
            self._reader = Raw(self._file)
        yield from self._reader.feed(head)


def _is_whole(headers: Mapping[str, str]) -> bool:
    """Whether a body is all of a file, by what resumable uploads say."""
    if headers.get("upload-offset", "0").strip() != "0":  # tus; IETF's resumable uploads
        return False
    sent = _RANGE.match(headers.get("content-range", ""))
    if sent is None:
        return "content-range" not in headers
    first, last, size = sent.groups()
    return first == "0" and size != "*" and int(last[:20]) + 1 == int(size[:20])


def _inflater(encoding: str) -> zlib._Decompress | None:
    """Of the encodings that programs send (RFC 9110, 8.4.1), those of the standard library."""
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(31)
    return zlib.decompressobj(15) if encoding == "deflate" else None
