"""Office documents in zip files: Office Open XML (ECMA-376); others are handed on.

In: a zip file. Out: parts for markings.py: heads and feet of pages, texts, watermarks, properties.
Must never: write a member to the disk, or trust its name or the size that it claims.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, override

from proxy_addons.content.documents import Budget, UnreadableError
from proxy_addons.content.opendocument import EDGE, book, open_document, pieces
from proxy_addons.content.xmltext import Flow, Values, Xml, attribute, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.content.markings import Part, Where

_OFFICE: Final = frozenset(
    {"[content_types].xml", "content.xml", "styles.xml", "meta-inf/container.xml"}
)
_SLIDE: Final = 6_858_000
"""Height of a slide that does not tell its own, in EMU."""


def office_parts(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """The parts of an office document; nothing for any other zip file.

    Raises:
        UnreadableError: when it has a password, is damaged, or is too large.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            names = {member.filename.lower() for member in members}
            if not names & _OFFICE:
                return
            budget.member(len(members))
            if "[content_types].xml" in names:
                yield from _open_xml(archive, members, budget)
            elif "meta-inf/container.xml" in names:
                yield from book(archive, members, budget)
            else:
                yield from open_document(archive, members, budget)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as problem:
        # What was read until here has been handed over; the caller learns that there is more.
        raise UnreadableError("a damaged zip file") from problem
    except RuntimeError as problem:  # what zipfile raises for a member with a password
        raise UnreadableError("a zip file with a password") from problem


def _open_xml(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], budget: Budget
) -> Iterator[Part]:
    shared: list[str] = []
    slide = _Height()
    # What others refer to first: the height of slides, the texts of cells.
    ordered = sorted(members, key=lambda member: _rank(member.filename))
    for member in ordered:
        name = member.filename.lower()
        if not name.endswith(".xml") or name == "[content_types].xml":
            continue
        reader: Xml
        if name.startswith(("docprops/", "customxml/", "docmetadata/")):
            reader = Values()
        elif name.endswith("/sharedstrings.xml"):
            reader = _Strings(shared)
        elif name.startswith("xl/worksheets/"):
            reader = _Sheet(shared)
        elif name.endswith("ppt/presentation.xml"):
            reader = slide
        elif name.startswith("ppt/"):
            reader = _Slide(slide.value)
        elif re.search(r"theme|/styles|settings|fonttable|numbering|/calcchain|/embeddings/", name):
            continue
        else:
            reader = _Words()
        yield from reader.parts(pieces(archive, member, budget))


_FIRST = re.compile(r"/sharedstrings\.xml$|^ppt/presentation\.xml$")
_SECOND = re.compile(r"^(?:word/document|ppt/slides/|xl/worksheets/)")


def _rank(name: str) -> tuple[int, list[tuple[int, str]]]:
    small = name.lower()
    order = 0 if _FIRST.search(small) else 1 if _SECOND.search(small) else 2
    # slide2 comes before slide10.
    parts = re.findall(r"(\d{1,9})|(\D+)", small)
    return order, [(int(digits or 0), text) for digits, text in parts]


_MARGINS: Final[dict[str, Where]] = {"hdr": "header", "ftr": "footer"}
"""Roots of the parts that are heads and feet, and kinds of places for them on slides."""
_OFF: Final = frozenset({"0", "false", "off", "none"})
_SIGNS: Final = {"br": "\n", "cr": "\n", "tab": "\t", "ptab": "\t", "noBreakHyphen": "-"}


class _Words(Flow):
    """A part of a word processor's document, told by its root."""

    def __init__(self) -> None:
        super().__init__()
        self._where: Where = "body"
        self._in_text = False
        self._in_run = 0
        self._capitals = False
        self._fallback = 0

    @override
    def where(self) -> Where:
        return self._where

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 1:
            self._where = _MARGINS.get(name, "body")
        match name:
            case "Fallback":
                self._fallback += 1
            case "textpath":
                # A watermark: WordArt in the head of a page (VML, ECMA-376 part 4, 19.1.2.23).
                self.put("header", attribute(attributes, "string"))
            case "caps":
                self._capitals = attribute(attributes, "val") not in _OFF
            case "rPr":
                self._capitals = attribute(attributes, "cap") == "all"
            case _:
                self._flows(name)

    def _flows(self, name: str) -> None:
        """An element that says how the text runs."""
        match name:
            case "t":
                self._in_text = True
            case "p":
                self.paragraph()
            case "r":
                self._in_run += 1
                self._capitals = False
            case "tr":
                self.row()
            case "tc":
                self.cell()
            case "tab" | "ptab" if not self._in_run:
                pass  # where tabs stop, not one
            case _ if name in _SIGNS:
                self.write(_SIGNS[name])

    @override
    def end(self, name: str) -> None:
        if name == "Fallback":
            self._fallback -= 1
        elif name == "t":
            self._in_text = False
        elif name == "r":
            self._in_run -= 1
        elif name == "p":
            self.paragraph_end()
        elif name == "tr":
            self.row_end()

    @override
    def data(self, text: str) -> None:
        # What is for programs that cannot read the choice before it says the same once more.
        if self._in_text and not self._fallback:
            self.write(text.upper() if self._capitals else text)


class _Height(Xml):
    """A presentation's own file: the height of its slides."""

    value = _SLIDE

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sldSz":
            self.value = number(attribute(attributes, "cy")) or _SLIDE


class _Slide(_Words):
    """A slide, its layout or master: what stands at its upper or lower edge is its head or foot."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self._height = height
        self._master = False
        self._shape: Where = "body"
        self._kind: str | None = None

    @override
    def where(self) -> Where:
        return self._shape

    @override
    def put(self, where: Where, text: str) -> None:
        # What a master has in the places for a slide's own text shows on no slide.
        if not self._master or self._kind is None or self._kind in _MARGINS:
            super().put(where, text)

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        if self._depth == 1:
            self._master = name.endswith(("Master", "Layout"))
        if name in ("sp", "graphicFrame", "cxnSp"):
            # On a master it stands on all slides.
            self._shape = "header" if self._master else "body"
            self._kind = None
        elif name == "ph":
            self._kind = attribute(attributes, "type") or "body"
            self._shape = "footer" if self._kind in _MARGINS else "body"
        elif name == "off" and self._kind is None and not self._master:
            upper, lower = EDGE
            y = number(attribute(attributes, "y"))
            if y < self._height * upper:
                self._shape = "header"
            elif y > self._height * lower:
                self._shape = "footer"


class _Strings(Xml):
    """The texts that cells of a workbook refer to."""

    def __init__(self, shared: list[str]) -> None:
        super().__init__()
        self._shared = shared
        self._text: list[str] = []
        self._in_text = False

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self._text.clear()
        self._in_text = name == "t"

    @override
    def data(self, text: str) -> None:
        if self._in_text and len(self._text) < 256:
            self._text.append(text[:4096])

    @override
    def end(self, name: str) -> None:
        self._in_text = False
        if name == "si":
            self._shared.append("".join(self._text))


ROWS: Final = 5000
"""Rows of a sheet that are read; of those after it only what is printed on each page."""
_TAIL: Final = 1 << 16
_PRINTED = re.compile(r"<(?:\w+:)?(?:odd|even|first)(?:Header|Footer)>([^<]{1,1024})<")
_CODES = re.compile(r'&"[^"]{0,200}"|&K[0-9A-Fa-f+-]{6,9}|&\d{1,3}|&[LCR]|&[PN]|&[A-Z]|&&')


class _Sheet(Xml):
    """A sheet: its rows, and the heads and feet of its pages (ECMA-376 part 1, 18.3.1.46)."""

    def __init__(self, shared: list[str]) -> None:
        super().__init__()
        self._shared = shared
        self._cells: list[str] = []
        self._kind = ""
        self._text: list[str] = []
        self._in_value = False
        self._rows = 0
        self._tail = b""

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._cells = []
        elif name == "c":
            self._kind = attribute(attributes, "t")
            self._text.clear()
        self._in_value = name in ("v", "t") or name.endswith(("Header", "Footer"))
        if self._in_value and name not in ("v", "t"):
            self._text.clear()

    @override
    def data(self, text: str) -> None:
        if self._in_value and len(self._text) < 256:
            self._text.append(text[:4096])

    @override
    def end(self, name: str) -> None:
        self._in_value = False
        if name == "c":
            text = "".join(self._text)
            if self._kind == "s":
                place = number(text.strip())
                text = self._shared[place] if place < len(self._shared) else ""
            self._cells.append(" ".join(text.splitlines()))
        elif name == "row":
            line = "\t".join(self._cells)
            if line.strip():
                self.put("body", line)
            self._rows += 1
            self.stopped = self._rows >= ROWS
        elif name in ("oddHeader", "evenHeader", "firstHeader"):
            self.put("header", printed("".join(self._text)))
        elif name in ("oddFooter", "evenFooter", "firstFooter"):
            self.put("footer", printed("".join(self._text)))

    @override
    def beyond(self, piece: bytes) -> None:
        # They stand after all rows.
        self._tail = (self._tail + piece)[-_TAIL:]

    @override
    def finished(self) -> None:
        for line in _PRINTED.findall(self._tail.decode("utf-8", "replace")):
            plain = line.replace("&quot;", '"').replace("&amp;", "&")
            self.put("header", printed(plain))


def printed(text: str) -> str:
    """What a sheet's head or foot shows: codes for fonts and fields are gone, its thirds parted."""

    def shown(code: re.Match[str]) -> str:
        if code[0] == "&&":
            return "&"
        if code[0] in ("&L", "&C", "&R"):
            return "\t"
        return "1" if code[0] in ("&P", "&N") else ""

    return _CODES.sub(shown, text)
