"""Forms: urlencoded (WHATWG URL, 5) and multipart (RFC 7578; RFC 2387 as cloud stores use it).

In: bytes of a body as they pass. Out: events: where a field or file ends and the next begins.
Must never: hold more of a value than sent.py does; guess what a form means that breaks the rules:
servers differ in what they make of one, so that it is `Unread`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, override
from urllib.parse import unquote_plus, unquote_to_bytes

from multipart import (  # type: ignore[import-untyped] # it has no types
    MultipartError,
    MultipartSegment,
    ParserError,
    PushMultipartParser,
    parse_options_header,
)

from proxy_addons.content.declared import declared_of
from proxy_addons.content.jsontext import DEEPEST, Json
from proxy_addons.content.sent import Base64, Event, Field, File, Raw, Reader, Unread, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = 1024
"""Bytes of a field's name; what is over is taken for its value."""
PARTS: Final = 100_000
"""Parts of a form: no person's browser sends that many."""


class Urlencoded:
    """Reads a urlencoded form."""

    def __init__(self) -> None:
        self._name = b""
        self._rest = b""
        self._value: Value | None = None

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""
        pairs = octets.split(b"&")
        for number, pair in enumerate(pairs):
            if number:
                yield from self._close()
            yield from self._take(pair)

    def _take(self, octets: bytes) -> Iterator[Event]:
        if self._value is None:
            self._name += octets
            name, parted, octets = self._name.partition(b"=")
            if not parted and len(self._name) <= _NAME:
                return
            if not parted:
                name, octets = b"", name
            self._name = name
            self._value = Value(unquote_plus(name.decode("utf-8", "replace")))
        yield from self._value.feed(self._decoded(octets))

    def _decoded(self, octets: bytes) -> bytes:
        data = self._rest + octets
        cut = data.rfind(b"%", max(0, len(data) - 2))
        end = len(data) if cut < 0 else cut  # the rest of "%4" comes with the next piece
        self._rest = data[end:]
        return unquote_to_bytes(data[:end].replace(b"+", b" "))

    def _close(self) -> Iterator[Event]:
        if self._value is None:  # a name without a value
            if self._name:
                yield Field("", unquote_plus(self._name.decode("utf-8", "replace")))
        else:
            yield from self._value.feed(self._rest)
            yield from nested(self._value.end())
        self._name = self._rest = b""
        self._value = None

    def end(self) -> Iterator[Event]:
        """There is no more."""
        yield from self._close()


def nested(events: Iterator[Event]) -> Iterator[Event]:
    """Events, and the strings of a field that is JSON."""
    for event in events:
        yield event
        if isinstance(event, Field) and event.text.lstrip()[:1] in ("{", "["):
            inner = Json(DEEPEST - 1)
            yield from inner.feed(event.text.encode("utf-8", "replace"))
            yield from inner.end()


class _Parser(PushMultipartParser):  # type: ignore[misc] # as above: its base is Any
    """The library's parser, for any kind of multipart: only forms have dispositions."""

    @override
    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        if any(sign in text for header in headerlist for text in header for sign in "\r\n\0"):
            raise ParserError("a line break within a header")  # a new header, for some servers
        return MultipartSegment(headerlist)


class Multipart:
    """Reads a multipart body."""

    def __init__(self, content_type: str) -> None:
        self._parser: _Parser | None = None
        self._part: Reader | None = None
        self._told = False
        _, options = parse_options_header(content_type)
        boundary = options.get("boundary", "")
        self._first = b"--" + boundary.encode()
        self._head: bytes | None = b""
        if boundary and len(boundary) <= 256:
            self._parser = _Parser(boundary, max_segment_count=PARTS, max_header_count=32)

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""
        if self._head is not None:
            self._head += octets
            begins = self._head.removeprefix(b"\r\n")
            if len(self._head) < len(self._first) + 2:
                return  # too little to tell
            octets, self._head = self._head, None
            if not begins.startswith(self._first):
                # A preamble may have a boundary in it for one server and none for another.
                self._parser = None
        if self._parser is None or not octets:
            return
        try:
            for event in self._parser.parse(octets):
                if isinstance(event, MultipartSegment):
                    self._part = _part(event)
                elif self._part is None:
                    continue
                elif event is None:
                    part, self._part = self._part, None
                    yield from nested(part.end())
                else:
                    yield from self._part.feed(bytes(event))
        except (MultipartError, ValueError, LookupError) as problem:
            # What was read until here has been handed over; the rest of the body is unread.
            self._parser = None
            self._told = True
            yield Unread(f"a form that breaks the rules: {problem}")

    def end(self) -> Iterator[Event]:
        """There is no more."""
        if self._part is not None:
            yield from nested(self._part.end())
            self._part = None
        if self._told:
            return
        if self._parser is None or self._head is not None:
            yield Unread("a form that does not begin with its boundary, or has none")
            return
        try:
            self._parser.close()
        except MultipartError:
            # It ends in the middle of a part, which has been handed over as far as it came.
            yield Unread("a form without an end")


_TEXT = re.compile(r"text/plain\b|text/html\b|application/(?:[\w.-]+\+)?json\b|$")


def _part(segment: MultipartSegment) -> Reader:
    """Who reads a part: a file says its name, or that it is no text."""
    disposition = segment.header("Content-Disposition", "") or ""
    content_type = segment.header("Content-Type", "") or ""
    declared = declared_of("", content_type, disposition)
    written = segment.filename or next(iter(declared.names), "")
    file = File(written, declared)
    encoding = (segment.header("Content-Transfer-Encoding", "") or "").strip().lower()
    if encoding == "base64":
        return Base64(file)
    # `name` is also a name that a file may be saved under for declared.py: here it is the field's.
    if "filename" in disposition.lower() or not _TEXT.match(declared.content_type):
        return Raw(file)
    return Value(segment.name or "", file)
