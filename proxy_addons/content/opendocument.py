"""OpenDocument (ISO 26300), and books (EPUB): their texts, heads and feet of pages, properties.

In: an open zip file. Out: parts for markings.py.
Must never: as office.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, override

from proxy_addons.content.documents import BLOCK, Budget, UnreadableError
from proxy_addons.content.webpage import page_parts
from proxy_addons.content.xmltext import Flow, Values, attribute, number

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from proxy_addons.content.markings import Part, Where

EDGE: Final = (0.12, 0.86)
"""What is above the one, or below the other, of a slide's height is its head or foot."""


def pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> Iterator[bytes]:
    """The content of a member, unpacked piece by piece.

    Raises:
        UnreadableError: when it unpacks to too much.
    """
    with archive.open(member) as stream:
        while piece := stream.read(BLOCK):
            budget.unpacked(len(piece))
            yield piece


def open_document(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], budget: Budget
) -> Iterator[Part]:
    """The parts of an OpenDocument file.

    Raises:
        UnreadableError: when it has a password, or is damaged.
    """
    for member in members:
        name = member.filename.lower().rpartition("/")[2]
        if name == "manifest.xml":
            manifest = b"".join(pieces(archive, member, budget))
            if b"encryption-data" in manifest:
                raise UnreadableError("a document with a password")
    for member in members:
        # Documents in a document have the same files in a folder of their own.
        name = member.filename.lower().rpartition("/")[2]
        if name in ("styles.xml", "content.xml"):
            yield from _Flowing().parts(pieces(archive, member, budget))
        elif name == "meta.xml":
            yield from _Meta().parts(pieces(archive, member, budget))


class _Meta(Values):
    """The properties: one level further down than in Office Open XML."""

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        if name != "user-defined":
            self._name = name


_LENGTH = re.compile(r"(-?\d{1,6}(?:\.\d{1,6})?)(cm|mm|in|pt)")
_CENTIMETRES: Final = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 0.03528}


_FRAMES: Final = frozenset({"frame", "custom-shape"})
_MARGINS: Final[dict[str, Where]] = {
    "header": "header",
    "header-left": "header",
    "header-first": "header",
    "header-decl": "header",
    "master-page": "header",  # what else is on it stands on all its slides
    "footer": "footer",
    "footer-left": "footer",
    "footer-first": "footer",
    "footer-decl": "footer",
}


class _Flowing(Flow):
    """The texts, and in the styles what stands at the head and foot of pages."""

    def __init__(self) -> None:
        super().__init__()
        self._margin: list[Where] = []
        self._frames: list[Where] = []
        self._deleted = 0
        self._slides = 0
        self._height = 15.75  # of LibreOffice's slides, until the file tells

    @override
    def where(self) -> Where:
        if self._margin:
            return self._margin[-1]
        if self._frames:
            return self._frames[-1]
        return "body"

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "p" | "h":
                self.paragraph()
            case "tab":
                self.write("\t")
            case "s":
                self.write(" " * min(number(attribute(attributes, "c")) or 1, 100))
            case "line-break":
                self.write("\n")
            case "table-row":
                self.row()
            case "table-cell":
                self.cell()
            case "deletion":
                self._deleted += 1
            case _:
                self._stands(name, attributes)

    def _stands(self, name: str, attributes: dict[str, str]) -> None:
        """An element that says where what is in it stands."""
        if name == "page":
            self._slides += 1
        elif name in _FRAMES:
            self._frames.append(self._edge(attribute(attributes, "y")))
        elif name in _MARGINS:
            self._margin.append(_MARGINS[name])
            if name.endswith("-decl"):
                self.paragraph()

    def _edge(self, y: str) -> Where:
        """Where a frame stands on its slide; in other documents it has no such place."""
        length = _LENGTH.fullmatch(y)
        if length is None or not self._slides:
            return "body"
        upper, lower = EDGE
        share = float(length[1]) * _CENTIMETRES[length[2]] / self._height
        return "header" if share < upper else "footer" if share > lower else "body"

    @override
    def end(self, name: str) -> None:
        match name:
            case "p" | "h":
                self.paragraph_end()
            case "page":
                self._slides -= 1
            case "table-row":
                self.row_end()
            case "deletion":
                self._deleted -= 1
            case _ if name in _FRAMES:
                self._frames.pop()
            case _ if name in _MARGINS:
                if name.endswith("-decl"):
                    self.paragraph_end()
                self._margin.pop()

    @override
    def data(self, text: str) -> None:
        if not self._deleted:
            self.write(text.replace("\n", " "))


def book(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], budget: Budget
) -> Iterator[Part]:
    """The parts of a book: its chapters are web pages."""
    for member in members:
        if member.filename.lower().endswith((".xhtml", ".html", ".htm")):
            # A letter that is cut between two pieces is no letter of a marking.
            yield from page_parts(
                piece.decode("utf-8", "replace") for piece in pieces(archive, member, budget)
            )
