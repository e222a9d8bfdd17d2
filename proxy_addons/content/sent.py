"""What is found in a request's body as it passes: fields, files, and what could not be read.

In: the bytes of a value, in pieces. Out: events. A value that is short is a field; a longer one, or
one that is a file in base64 (RFC 4648), becomes a file.
Must never: hold more of a value than `FIELD` bytes.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from proxy_addons.content.declared import NOTHING, Declared

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD: Final = 1 << 16
"""Bytes of the longest field."""


@dataclass(frozen=True, slots=True)
class Field:
    """A short value: of a form, of a JSON object, of a part that is no file.

    Attributes:
        name: of the field, or key; empty without one.
        text: its value.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file begins; its bytes follow as `Piece`, until `END`.

    Attributes:
        name: as it is written; several, one a line, where it has several; empty without one.
        declared: what is said of it.
        whole: whether it is a file from its first byte to its last, not a part of one; a part is
            to count as unread, whatever is found in it.
    """

    name: str = ""
    declared: Declared = NOTHING
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the file that began last."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The file that began last is at its end."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of the body cannot be read; nothing of what follows is.

    Attributes:
        why: for the log.
    """

    why: str


Event = Field | File | Piece | End | Unread
END: Final = End()


class Reader(Protocol):
    """Reads one form of body. None raises."""

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""

    def end(self) -> Iterator[Event]:
        """There are no more."""


_DATA_URL = re.compile(
    rb"\s*data:([\w.+/-]{0,127})(?:;[\w.+=\"-]{0,127}){0,8}?;base64,", re.IGNORECASE
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\r\n]{64,}={0,2}\s*")
_SIGNATURES: Final = (
    b"PK\x03\x04", b"%PDF", b"\xd0\xcf\x11\xe0", b"{\\rtf", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b",
    b"MZ", b"\x7fELF", b"Received:", b"From: ", b"Subject: ", b"MIME-Version:", b"<!DOCTYPE",
)  # fmt: skip


class Value:
    """A value, as it comes in."""

    def __init__(self, name: str, file: File | None = None) -> None:
        """A value.

        Args:
            name: of the field.
            file: what is said of it, should it be a file.
        """
        self.name = name
        self._file = file or File()
        self._held = bytearray()
        self._writer: Raw | None = None

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""
        if self._writer is not None:
            yield from self._writer.feed(octets)
            return
        self._held += octets
        if len(self._held) > FIELD:
            held, self._held = bytes(self._held), bytearray()
            yield from self._as_file(held)

    def _as_file(self, held: bytes) -> Iterator[Event]:
        url = _DATA_URL.match(held)
        if url is not None:
            self._writer = Base64(self._typed(url[1]))
            held = held[url.end() :]
        elif _BASE64.match(held[:4096]) and _BASE64.fullmatch(held[:4096].rstrip(b"=")):
            self._writer = Base64(self._file)
        else:
            self._writer = Raw(self._file)
        yield from self._writer.feed(held)

    def _typed(self, content_type: bytes) -> File:
        kind = content_type.decode("ascii", "replace").lower()
        declared = Declared(self._file.declared.names, kind, attachment=True)
        return File(self._file.name, declared, self._file.whole)

    def end(self) -> Iterator[Event]:
        """It is at its end."""
        if self._writer is not None:
            yield from self._written()
            return
        held = bytes(self._held)
        url = _DATA_URL.match(held)
        if url is not None or (_BASE64.fullmatch(held) and is_file(decoded_start(held))):
            yield from self._as_file(held)
            yield from self._written()
        elif held:
            yield Field(self.name, held.decode("utf-8", "replace"))

    def _written(self) -> Iterator[Event]:
        if self._writer is not None:
            yield from self._writer.end()


def decoded_start(held: bytes) -> bytes:
    """The first bytes of what is in base64."""
    writer = Base64(File())
    return b"".join(each.octets for each in writer.feed(held[:1024]) if isinstance(each, Piece))


def is_file(head: bytes) -> bool:
    """Whether decoded bytes are a file that is looked into, or text; most are keys and hashes."""
    if head.startswith(_SIGNATURES):
        return True
    try:
        text = head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False  # bytes of something else: the field stays as it was sent
    return " " in text and all(sign.isprintable() or sign.isspace() for sign in text)


class Raw:
    """A file as it is sent."""

    def __init__(self, file: File) -> None:
        self._file: File | None = file

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""
        if self._file is not None:
            yield self._file
            self._file = None
        if octets:
            yield Piece(octets)

    def end(self) -> Iterator[Event]:
        """It is at its end; without a byte it was none."""
        if self._file is None:
            yield END


_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_NO_SIGNS = bytes(sign for sign in range(256) if sign not in _SIGNS)
"""Line ends, padding, and whatever else decoders pass over (RFC 2045, 6.8)."""


class Base64(Raw):
    """A file that is sent in base64, in the alphabet of URLs or the other."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self._rest = b""

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More of it."""
        signs = self._rest + octets.translate(_ALPHABET, _NO_SIGNS)
        end = len(signs) - len(signs) % 4
        self._rest = signs[end:]
        yield from super().feed(binascii.a2b_base64(signs[:end]))

    def end(self) -> Iterator[Event]:
        """It is at its end; what is missing of the padding is no loss."""
        if len(self._rest) > 1:  # one sign alone is not yet a byte
            padding = b"=" * (4 - len(self._rest))
            yield from super().feed(binascii.a2b_base64(self._rest + padding))
        yield from super().end()
