"""The strings of JSON, as they come in.

In: bytes of a JSON text (RFC 8259), or of several. Out: events: a string with its key.
Must never: hold more than a bounded piece of a string; care whether the rest is valid. What a
server makes of broken JSON nobody knows: whatever stands between quotes is looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import re2

from proxy_addons.content.declared import Declared
from proxy_addons.content.sent import Event, Field, File, Value
from proxy_addons.content.shapes import NEEDLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEX = rb"[0-9a-fA-F]"
# Whole escapes; one that breaks the rules stands for the letter after the backslash.
_CHARACTERS = re.compile(
    rb'[^"\\]*(?:\\(?:u' + _HEX + rb"{4}|u(?=" + _HEX + rb"{0,3}[^0-9a-fA-F])|[^u])"
    rb'[^"\\]*)*',
    re.DOTALL,
)
# A short one that is whole, with the sign that tells what it was.
_STRING = re.compile(rb'"([^"\\]{0,63})"[ \t\r\n]*([:,}\]])')
_SAYS_NOTHING = re.compile(rb'[^"]*+(?:"[^"\\]{0,63}+"[^"]*+)*+')
# A word of a marking, an address however it is written, a name of a file; quick, as re2 is.
_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_TELLING = re2.compile(
    "|".join((*NEEDLES, "@", "%", "u0040", "x40", "&", "\uff20", "file_?name")).encode(),
    options=_OPTIONS,
)
_HALF = re.compile(rb"(\\+)u[dD][89abAB]" + _HEX + rb"{2}$")
_ESCAPE = re.compile(
    rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)",
    re.DOTALL,
)
_ESCAPES: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}
_NAMES = re.compile(r"file_?name|title|path", re.IGNORECASE)
_LIKE_JSON = re.compile(r"\s{0,64}[\[{]")
DEEPEST: Final = 3
"""JSON in strings of JSON."""


class Json:
    """Reads JSON for its strings."""

    def __init__(self, depth: int = DEEPEST, *, everything: bool = False) -> None:
        """JSON.

        Args:
            depth: how far JSON in its strings is read.
            everything: whether short strings are told too that have neither a word of a marking
                nor an address in them: most have not, and each costs microseconds.
        """
        self._depth = depth
        self._sieve = not everything
        self._rest = b""
        self._value: Value | None = None
        self._pending: list[Event] = []
        self._key = ""
        self._names_file = False
        self._file_name = ""

    def feed(self, octets: bytes) -> Iterator[Event]:
        """More bytes of it."""
        data = self._rest + octets
        self._rest = b""
        place = 0
        hit = -1
        while place < len(data):
            if self._value is None:
                if self._sieve and not self._pending and not self._names_file:
                    place, hit = _skipped(data, place, hit)
                quote = data.find(b'"', place)
                if self._pending:
                    yield from self._between(data[place : quote if quote >= 0 else len(data)])
                if quote < 0:
                    return
                short = _STRING.match(data, quote)
                if short is None:
                    place = quote + 1
                    self._value = Value(self._key, self._as_file())
                    continue
                place = short.end(2)
                text = short[1].decode("utf-8", "replace")
                if short[2] == b":":
                    self._named(text)
                elif text:
                    yield from self._told(Field(self._key, text))
            else:
                end = _whole(data, place)
                yield from self._value.feed(_unescaped(data[place:end]))
                place = end
                if data[end : end + 1] == b'"':
                    place += 1
                    yield from self._close()
                else:
                    self._rest = data[end:]
                    return

    def _named(self, key: str) -> None:
        self._key = key[:256]
        self._names_file = _NAMES.search(self._key) is not None

    def _as_file(self) -> File:
        name = self._file_name
        return File(name, Declared((name.lower(),) if name else (), "", attachment=True))

    def _close(self) -> Iterator[Event]:
        assert self._value is not None
        events = list(self._value.end())
        self._value = None
        if len(events) == 1 and isinstance(events[0], Field):
            self._pending = events  # a key, or a value: what follows tells
        else:
            yield from events

    def _between(self, between: bytes) -> Iterator[Event]:
        """What stands after a string: a colon says that it was a key."""
        sign = between.lstrip()[:1]
        if not sign:
            return
        field = self._pending.pop()
        assert isinstance(field, Field)
        if sign == b":":
            self._named(field.text)
            return
        yield from self._told(field)

    def _told(self, field: Field) -> Iterator[Event]:
        if self._names_file and len(field.text) < 512:
            self._file_name = field.text
        yield field
        if self._depth and _LIKE_JSON.match(field.text):
            inner = Json(self._depth - 1, everything=not self._sieve)
            yield from inner.feed(field.text.encode("utf-8", "replace"))
            yield from inner.end()

    def end(self) -> Iterator[Event]:
        """It is at its end; a string without its closing quote counts as one."""
        if self._value is not None:
            yield from self._value.feed(_unescaped(self._rest))
            yield from self._close()
        for field in self._pending:
            assert isinstance(field, Field)
            yield from self._told(field)
        self._pending = []


def _skipped(data: bytes, place: int, hit: int) -> tuple[int, int]:
    """Goes past short strings that say nothing.

    Args:
        data: the bytes at hand.
        place: in them, outside a string.
        hit: where something was seen before; less than `place`: nothing is known.

    Returns:
        The place after them, outside a string; where something is next.
    """
    if hit < place:
        found = _TELLING.search(data, place)
        hit = len(data) if found is None else found.start()
    limit = hit if hit == len(data) else max(data.rfind(b'"', place, hit + 1), place)
    skipped = _SAYS_NOTHING.match(data, place, limit)
    return (place if skipped is None else skipped.end()), hit


def _whole(data: bytes, place: int) -> int:
    """Where a string ends that goes on at `place`, or up to where no escape is cut in two."""
    found = _CHARACTERS.match(data, place)
    end = found.end() if found is not None else place
    if data[end : end + 1] == b'"':
        return end
    # The second half of a letter (\\ud83d\\ude00) comes with the next piece, if it does.
    half = _HALF.search(data, max(place, end - 6), end)
    if half is not None and _backslashes(data, place, half.end(1)) % 2:
        return end - 6
    return end


def _backslashes(data: bytes, place: int, end: int) -> int:
    first = end
    while first > place and data[first - 1] == 0x5C:
        first -= 1
    return end - first


def _unescaped(octets: bytes) -> bytes:
    """What escapes of a string mean, in UTF-8; the rest is UTF-8 already."""
    return _ESCAPE.sub(_meaning, octets) if b"\\" in octets else octets


def _meaning(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        high, low = int(escape[1], 16), int(escape[2], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00).encode()
    if escape[3]:
        return chr(int(escape[3], 16)).encode("utf-8", "replace")
    return _ESCAPES.get(escape[4], escape[4])
