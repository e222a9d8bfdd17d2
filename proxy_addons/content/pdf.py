"""PDF: the text of its pages, their heads and feet by place, its properties, what is attached.

In: a file. Out: parts for markings.py.
Must never: be used in the gateway's own process: PDFium is a library in C++. It runs no script and
fetches nothing here; pages that are pictures have no text for it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, Final

import pypdfium2  # type: ignore[import-untyped]

from proxy_addons.content.documents import Budget, UnreadableError, bytes_file, parts_within
from proxy_addons.content.markings import Part
from proxy_addons.content.shapes import LABEL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

EDGE: Final = 0.1
"""Nearer to the upper or lower edge of a page, as a share of its height, is its head or foot."""
_LARGEST: Final = 64 << 20
"""Bytes of a file that is attached and looked into."""
_BLOCK: Final = 1 << 20
_XMP: Final = (b"<x:xmpmeta", b"</x:xmpmeta>")
_PACKET: Final = 1 << 18
_XMP_VALUE = re.compile(r"<(?:[\w-]+:)?([\w-]{1,80})[^<>]{0,200}>([^<>]{1,300})</")
_XMP_ATTRIBUTE = re.compile(r"[\w-]+:([\w-]{1,80})=\"([^\"<>]{1,300})\"")
# A property of its own in the dictionary of a document that is not packed (ISO 32000-1, 14.3.3).
_OWN = re.compile(rb"/([\w#.-]{3,80})\s{0,4}(?:\(([^()\\]{1,200})\)|<([0-9A-Fa-f\s]{2,400})>)")


def pdf_parts(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """The parts of a PDF.

    Raises:
        UnreadableError: when it has a password, is damaged, or has too much in it.
    """
    yield from _properties(file, budget)
    file.seek(0)
    try:
        document = pypdfium2.PdfDocument(file)
        try:
            for name, value in document.get_metadata_dict().items():
                if value:
                    yield Part("property", f"{name}: {value[:4096]}")
            yield from _pages(document, budget)
            yield from _attached(document, budget)
        finally:
            document.close()
    except pypdfium2.PdfiumError as problem:
        # What was read until here has been handed over; the caller learns that there is more.
        raise UnreadableError("a PDF with a password, or a damaged one") from problem


def _pages(document: pypdfium2.PdfDocument, budget: Budget) -> Iterator[Part]:
    edges: Counter[str] = Counter()
    lines: dict[str, str] = {}
    for number in range(len(document)):
        budget.member()
        page = document[number]
        try:
            text = page.get_textpage()
            left, bottom, right, top = page.get_mediabox()
            height = top - bottom
            upper = text.get_text_bounded(left, top - height * EDGE, right, top)
            lower = text.get_text_bounded(left, bottom, right, bottom + height * EDGE)
            if number == 0:
                yield Part("header", upper)
                yield Part("footer", lower)
            for line in {*upper.splitlines(), *lower.splitlines()}:
                like = re.sub(r"\d+", "0", line.strip())[:200]
                if like:
                    edges[like] += 1
                    lines.setdefault(like, line)
            yield Part("body", text.get_text_range())
            text.close()
        finally:
            page.close()
    # A chapter may begin at the head of a page; a head of pages is on more than one.
    repeated = [lines[like] for like, count in edges.items() if count > 1]
    if repeated:
        yield Part("header", "\n".join(repeated))


def _attached(document: pypdfium2.PdfDocument, budget: Budget) -> Iterator[Part]:
    for number in range(document.count_attachments()):
        budget.member()
        attachment = document.get_attachment(number)
        name = attachment.get_name()
        yield Part("end", "")
        yield Part("name", name)
        octets = bytes(attachment.get_data())
        if len(octets) > _LARGEST or budget.depth <= 0:
            raise UnreadableError("it has attachments that are too large or too deep")
        budget.unpacked(len(octets))
        budget.depth -= 1
        is_text = name.lower().endswith((".txt", ".csv", ".md"))
        yield from parts_within(bytes_file(octets), "text" if is_text else "", budget)
        budget.depth += 1


def _properties(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """Properties that PDFium does not tell: XMP (ISO 16684-1), and names of somebody's own."""
    kept = b""
    seen: set[str] = set()
    while block := file.read(_BLOCK):
        data = kept + block
        for packet in _packets(data):
            text = packet.decode("utf-8", "replace")
            for name, value in (*_XMP_VALUE.findall(text), *_XMP_ATTRIBUTE.findall(text)):
                seen.add(f"{name}: {value}")
        for name, plain, hexes in _OWN.findall(data):
            key = name.decode("latin-1")
            if LABEL_NAMES.search(key.lower()):
                seen.add(f"{key}: {_string(plain, hexes)}")
        kept = data[-(_BLOCK >> 2) :]
        budget.unpacked(len(block))
    for each in sorted(seen)[:1000]:
        yield Part("property", each)


def _packets(data: bytes) -> Iterator[bytes]:
    """XMP that is not packed; each byte is looked at once, however often one seems to begin."""
    begins, ends = _XMP
    place = 0
    while (end := data.find(ends, place)) >= 0:
        start = data.rfind(begins, max(place, end - _PACKET), end)
        if start >= 0:
            yield data[start:end]
        place = end + len(ends)


def _string(plain: bytes, hexes: bytes) -> str:
    octets = plain or bytes.fromhex(re.sub(rb"\s", b"", hexes).decode()[: len(hexes) // 2 * 2])
    if octets.startswith(b"\xfe\xff"):
        return octets[2:].decode("utf-16-be", "replace")
    return octets.decode("latin-1")
