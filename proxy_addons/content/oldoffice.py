"""Office up to 2003, and messages of Outlook: compound files ([MS-CFB]).

In: a file. Out: parts for markings.py: Word by its table of pieces ([MS-DOC] 2.4.1), Excel and
PowerPoint by their records ([MS-XLS] 2.4, [MS-PPT] 2.3.1), Outlook by its streams ([MS-OXMSG]).
Must never: be used in the gateway's own process; believe a length that the file claims.

The older scheme's markings (until 2014) are on documents of these formats more than on others.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import olefile  # type: ignore[import-untyped]

from proxy_addons.content.documents import Budget, UnreadableError, bytes_file, parts_within
from proxy_addons.content.markings import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.content.markings import Where

_STREAM: Final = 64 << 20
"""Bytes of one stream that are read."""
_PROPERTIES: Final = ("title", "subject", "keywords", "category", "comments", "company", "manager")


def old_office_parts(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """The parts of a file.

    Raises:
        UnreadableError: when it is damaged, or has a password.
    """
    try:
        container = olefile.OleFileIO(file)
        names = {tuple(part.lower() for part in path): path for path in container.listdir()}
        budget.member(len(names))
    except UnreadableError:
        raise
    except Exception as problem:
        # Whatever hostile bytes make of the reader: the document cannot be read.
        raise UnreadableError("a damaged compound file") from problem
    if ("encryptedpackage",) in names:
        raise UnreadableError("a document with a password")
    streams = _Streams(container, names, budget)
    yield from _of_properties(container)
    try:
        yield from _own_properties(streams.read("\x05documentsummaryinformation"))
        if ("worddocument",) in names:
            yield from _word(streams)
        for name in ("workbook", "book"):
            if (name,) in names:
                yield from _workbook(streams.read(name))
        if ("powerpoint document",) in names:
            yield from _slides(streams.read("powerpoint document"))
        if ("__properties_version1.0",) in names:
            yield from _message(streams, names, budget)
    except (struct.error, IndexError, ValueError) as problem:
        # A length or place that is not in the file; what was read before has been handed over.
        raise UnreadableError("a damaged document") from problem


class _Streams:
    """The streams of a file, by their names in small letters."""

    def __init__(
        self, container: Any, names: dict[tuple[str, ...], list[str]], budget: Budget
    ) -> None:
        self._container = container
        self._names = names
        self._budget = budget

    def read(self, *name: str) -> bytes:
        """A stream; empty where there is none.

        Raises:
            UnreadableError: when it cannot be read.
        """
        path = self._names.get(name)
        if path is None:
            return b""
        try:
            octets: bytes = self._container.openstream(path).read(_STREAM)
        except Exception as problem:  # as above
            raise UnreadableError("a damaged compound file") from problem
        self._budget.unpacked(len(octets))
        return octets


def _of_properties(container: Any) -> Iterator[Part]:
    try:
        known = container.get_metadata()
    except Exception:  # noqa: BLE001
        # Damaged properties hide nothing of the text, which is read all the same.
        return
    for name in _PROPERTIES:
        value = getattr(known, name, None)
        text = _property_text(value, wide=False) if isinstance(value, bytes) else value
        if isinstance(text, str) and text:
            yield Part("property", f"{name}: {text[:4096]}")


_OWN: Final = bytes.fromhex("05d5cdd59c2e1b10939708002b2cf9ae")
_TEXT, _WIDE = 30, 31


def _own_properties(stream: bytes) -> Iterator[Part]:
    """Properties with names of somebody's own ([MS-OLEPS] 2.20, 2.21, 3.1.6)."""
    at = stream.find(_OWN)
    if at < 0:
        return
    (start,) = struct.unpack_from("<I", stream, at + 16)
    _, count = struct.unpack_from("<2I", stream, start)
    names: dict[int, str] = {}
    values: dict[int, str] = {}
    for number in range(min(count, 1000)):
        key, offset = struct.unpack_from("<2I", stream, start + 8 + 8 * number)
        place = start + offset
        if key == 0:
            names = dict(_dictionary(stream, place))
            continue
        kind, length = struct.unpack_from("<2I", stream, place)
        if kind in (_TEXT, _WIDE):
            octets = stream[place + 8 : place + 8 + length * (2 if kind == _WIDE else 1)]
            values[key] = _property_text(octets, wide=kind == _WIDE)
    for key, value in values.items():
        yield Part("property", f"{names.get(key, '')}: {value[:4096]}")


def _dictionary(stream: bytes, place: int) -> Iterator[tuple[int, str]]:
    (count,) = struct.unpack_from("<I", stream, place)
    place += 4
    for _ in range(min(count, 1000)):
        key, length = struct.unpack_from("<2I", stream, place)
        place += 8
        yield key, _property_text(stream[place : place + length], wide=False)
        place += length


def _property_text(octets: bytes, *, wide: bool) -> str:
    """Text of a property; in which code page it is matters to dashes only, so both are tried."""
    if wide:
        return octets.decode("utf-16-le", "replace").partition("\0")[0]
    octets = octets.partition(b"\0")[0]
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


# --- Word -----------------------------------------------------------------------------------


def _word(streams: _Streams) -> Iterator[Part]:
    main = streams.read("worddocument")
    (flags,) = struct.unpack_from("<H", main, 0x0A)
    if flags & 0x0100:
        raise UnreadableError("a document with a password")
    table = streams.read("1table" if flags & 0x0200 else "0table")
    text, notes, heads = struct.unpack_from("<3I", main, 0x4C)
    place, size = struct.unpack_from("<2I", main, 0x01A2)
    whole = "".join(_pieces(main, table[place : place + size]))
    yield Part("body", _shown(whole[: text + notes]))
    yield Part("header", _shown(whole[text + notes : text + notes + heads]))
    # Comments, text boxes, and what stands in heads of pages as WordArt.
    yield Part("body", _shown(whole[text + notes + heads :]))


def _pieces(main: bytes, table: bytes) -> Iterator[str]:
    """The document's text, which is in pieces ([MS-DOC] 2.9.38 Clx, 2.9.177 Pcd)."""
    place = 0
    while table[place] == 0x01:
        place += 3 + struct.unpack_from("<H", table, place + 1)[0]
    (size,) = struct.unpack_from("<I", table, place + 1)
    place += 5
    count = (min(size, len(table) - place) - 4) // 12
    ends = struct.unpack_from(f"<{count + 1}I", table, place)
    place += 4 * (count + 1)
    for number in range(count):
        (where,) = struct.unpack_from("<I", table, place + 8 * number + 2)
        length = max(0, ends[number + 1] - ends[number])
        start = where & 0x3FFFFFFF
        if where & 0x40000000:
            yield main[start // 2 : start // 2 + length].decode("cp1252", "replace")
        else:
            yield main[start : start + 2 * length].decode("utf-16-le", "replace")


_WORD_SIGNS: Final = {
    0x07: "\t", 0x0B: "\n", 0x0C: "\n", 0x0D: "\n", 0x1E: "-", 0x1F: None, 0x01: None,
    0x08: None, 0x15: None,
}  # fmt: skip


def _shown(text: str) -> str:
    """Text as it is shown: of a field its result, not its code."""
    shown = []
    for number, piece in enumerate(text.split("\x13")):
        shown.append(piece if not number else piece.rpartition("\x14")[2])
    # A row ends with the mark of one more cell.
    return "".join(shown).replace("\x07\x07", "\n").translate(_WORD_SIGNS)


# --- Excel ----------------------------------------------------------------------------------


def _records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, place)
        yield kind, stream[place + 4 : place + 4 + size]
        place += 4 + size


_STRINGS, _CONTINUED, _LABEL, _HEAD, _FOOT, _PASSWORD = 0xFC, 0x3C, 0x204, 0x14, 0x15, 0x2F


def _workbook(stream: bytes) -> Iterator[Part]:
    from proxy_addons.content.office import printed  # noqa: PLC0415 (only workbooks need it)

    strings = b""
    lines = []
    previous = 0
    for kind, body in _records(stream):
        if kind == _PASSWORD:
            raise UnreadableError("a workbook with a password")
        if kind in (_HEAD, _FOOT) and len(body) > 3:
            where: Where = "header" if kind == _HEAD else "footer"
            yield Part(where, printed(_string(body, 0)[0]))
        elif kind == _STRINGS or (kind == _CONTINUED and previous == _STRINGS):
            strings += body
            previous = _STRINGS
            continue
        elif kind == _LABEL and len(body) > 8:
            lines.append(_string(body, 6)[0])
        previous = kind
    lines += _shared(strings)
    yield Part("body", "\n".join(lines))


def _string(body: bytes, place: int) -> tuple[str, int]:
    """A string ([MS-XLS] 2.5.293), and where it ends."""
    length, flags = struct.unpack_from("<HB", body, place)
    place += 3
    runs = extra = 0
    if flags & 0x08:
        (runs,) = struct.unpack_from("<H", body, place)
        place += 2
    if flags & 0x04:
        (extra,) = struct.unpack_from("<I", body, place)
        place += 4
    size = length * 2 if flags & 0x01 else length
    text = body[place : place + size].decode("utf-16-le" if flags & 0x01 else "latin-1", "replace")
    return text, place + size + runs * 4 + extra


def _shared(strings: bytes) -> Iterator[str]:
    """The texts of cells. One that goes on in a further record may be torn: the next are not."""
    place = 8
    while place + 3 <= len(strings):
        try:
            text, after = _string(strings, place)
        except struct.error:
            return  # the last record ends within a string
        yield text
        if after <= place:
            return
        place = after


# --- PowerPoint -----------------------------------------------------------------------------

_TEXTS: Final = {0x0FA0: "utf-16-le", 0x0FA8: "latin-1", 0x0FBA: "utf-16-le"}


def _slides(stream: bytes) -> Iterator[Part]:
    """Texts of slides; what their masters have stands on all of them."""
    place = 0
    in_master = 0
    while place + 8 <= len(stream):
        version, kind, size = struct.unpack_from("<HHI", stream, place)
        if kind == 0x03F8:  # a master
            in_master = place + 8 + size
        if version & 0x0F == 0x0F:  # a container: what is in it comes next
            place += 8
            continue
        if kind in _TEXTS:
            text = stream[place + 8 : place + 8 + size].decode(_TEXTS[kind], "replace")
            where: Where = "header" if place < in_master or kind == 0x0FBA else "body"
            yield Part(where, text.replace("\r", "\n").replace("\x0b", "\n") + "\n")
        place += 8 + size


# --- Outlook --------------------------------------------------------------------------------


def _message(
    streams: _Streams, names: dict[tuple[str, ...], list[str]], budget: Budget
) -> Iterator[Part]:
    for path in names:
        # An attached message has streams of the same names further down.
        octets = b""
        last = path[-1]
        if last.startswith(("__substg1.0_0037", "__substg1.0_1000", "__substg1.0_007d")):
            octets = streams.read(*path)
            text = octets.decode("utf-16-le" if last.endswith("001f") else "cp1252", "replace")
            yield Part("end", "")
            yield Part("subject" if "_0037" in last else "body", text)
        elif last.startswith(("__substg1.0_3707", "__substg1.0_3704")):
            octets = streams.read(*path)
            yield Part("name", octets.decode("utf-16-le", "replace"))
        elif last in ("__substg1.0_37010102", "__substg1.0_10130102") and budget.depth > 0:
            kind = "web-page" if "_1013" in last else ""
            budget.depth -= 1
            yield Part("end", "")
            yield from parts_within(bytes_file(streams.read(*path)), kind, budget)
            budget.depth += 1
