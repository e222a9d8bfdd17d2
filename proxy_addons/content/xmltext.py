"""Text out of XML: paragraphs, rows of tables, elements with a value.

In: pieces of an XML file. Out: parts for markings.py, as soon as they are complete.
Must never: read a document type, so that no entity is ever expanded or fetched; hold a file whole.

The standard library's expat calls back for each element; with document types refused (as
defusedxml's `forbid_dtd`) nothing of XML is left that could reach out of the file, or grow in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, override
from xml.parsers import expat

from proxy_addons.content.documents import UnreadableError
from proxy_addons.content.markings import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy_addons.content.markings import Where

LINE: Final = 1 << 16
"""Characters of a paragraph that are kept; no marking is that far into one."""
PIECE: Final = 1 << 16
"""Characters of running text that make a part."""
DEEPEST: Final = 500
"""Elements in elements."""


class Xml:
    """Reads one file. Subclasses say what its elements mean."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = 1 << 16
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self.data
        self._parser.StartDoctypeDeclHandler = _refuse
        self._depth = 0
        self._ready: list[Part] = []
        self._body: list[str] = []
        self._size = 0
        self.stopped = False

    def parts(self, pieces: Iterable[bytes]) -> Iterator[Part]:
        """The parts of a file.

        Raises:
            UnreadableError: when it is no XML, or has a document type.
        """
        try:
            for piece in pieces:
                if not self.stopped:
                    self._parser.Parse(piece)
                    yield from self._taken()
                else:
                    self.beyond(piece)
            if not self.stopped:
                self._parser.Parse(b"", True)  # noqa: FBT003 (it takes no names)
        except (expat.ExpatError, ValueError, LookupError) as problem:
            # What was read until here has been handed over; the caller learns that there is more.
            raise UnreadableError("damaged XML") from problem
        self.finished()
        yield from self._taken(everything=True)

    def _taken(self, *, everything: bool = False) -> list[Part]:
        if self._body and (everything or self._size >= PIECE):
            self._ready.append(Part("body", "\n".join(self._body)))
            self._body.clear()
            self._size = 0
        ready, self._ready = self._ready, []
        return ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError("elements in elements in elements")
        self.start(name.rpartition(":")[2], attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.end(name.rpartition(":")[2])

    def put(self, where: Where, text: str) -> None:
        """A line, or a property, that is complete."""
        if where != "body":
            self._ready.append(Part(where, text))
        else:
            self._body.append(text)
            self._size += len(text) + 1

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; its name comes without the prefix."""

    def end(self, name: str) -> None:
        """It ends."""

    def data(self, text: str) -> None:
        """Text in it."""

    def beyond(self, piece: bytes) -> None:
        """A piece of the file after the place where reading it was stopped."""

    def finished(self) -> None:
        """The file is at its end."""


def _refuse(*_: object) -> None:
    raise UnreadableError("XML with a document type")


def attribute(attributes: dict[str, str], name: str) -> str:
    """The value of an attribute by its name without the prefix; empty: there is none."""
    for key, value in attributes.items():
        if key.rpartition(":")[2] == name:
            return value
    return ""


def number(text: str) -> int:
    """A number of a file; 0 where it is none, or one that no program would write."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


class Flow(Xml):
    """Paragraphs, and tables: a row is a line where none of its cells has more than one."""

    def __init__(self) -> None:
        super().__init__()
        self._paragraphs: list[list[str]] = []
        self._length = 0
        self._rows: list[list[list[str]]] = []

    def where(self) -> Where:
        """Where the line that is complete stands."""
        return "body"

    def write(self, text: str) -> None:
        """Text of the paragraph that is open."""
        if self._paragraphs and self._length < LINE:
            self._paragraphs[-1].append(text)
            self._length += len(text)

    def paragraph(self) -> None:
        """A paragraph begins; within another one where that has a text box."""
        self._paragraphs.append([])
        self._length = 0

    def paragraph_end(self) -> None:
        """It ends."""
        if self._paragraphs:
            text = "".join(self._paragraphs.pop())
            for line in text.split("\n"):
                self._line(line)
            self._length = 0

    def row(self) -> None:
        """A row of a table begins."""
        self._rows.append([])

    def cell(self) -> None:
        """A cell of it begins."""
        if self._rows:
            self._rows[-1].append([])

    def row_end(self) -> None:
        """The row ends."""
        if not self._rows:
            return
        cells = self._rows.pop()
        if all(len(cell) < 2 for cell in cells):
            self._line("\t".join(cell[0] if cell else "" for cell in cells))
        else:
            for cell in cells:
                for line in cell:
                    self._line(line)

    def _line(self, line: str) -> None:
        if self._rows and self._rows[-1]:
            if line.strip():
                self._rows[-1][-1].append(line)
        elif line.strip():
            self.put(self.where(), line)


class Values(Xml):
    """Elements with a value, as the properties of a document are kept."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._value: list[str] = []

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("property", "user-defined"):
            self._name = attribute(attributes, "name")
        elif self._depth <= 2:
            self._name = name
        self._value.clear()

    @override
    def data(self, text: str) -> None:
        if len(self._value) < 64:
            self._value.append(text[:4096])

    @override
    def end(self, name: str) -> None:
        value = "".join(self._value).strip()
        if value:
            self.put("property", f"{self._name or name}: {value}")
        self._value.clear()
