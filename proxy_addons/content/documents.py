"""Documents: their text in pieces, each with where it stands.

In: a file and what it is. Out: parts for markings.py.
Must never: follow a reference out of the file; write a file; hold a document whole where its form
lets it be read in pieces. Runs in the examiner's process: a hostile file costs that process.

The bytes say which reader takes a file; the type (types.py) only tells apart what is text.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from proxy_addons.content.markings import Part, markings_in
from proxy_addons.policy.findings import MARKING, SENDS, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[BinaryIO, "Budget"], Iterator[Part]]


class UnreadableError(Exception):
    """A document that cannot be read, or not to its end: with a password, damaged, too large."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a document is read.

    Attributes:
        text: characters of all its parts.
        unpacked: bytes of all that is unpacked of it.
        members: files in it, pages, parts of an e-mail.
        depth: documents in documents: attachments of an e-mail that is attached.
    """

    text: int = 32 << 20
    unpacked: int = 512 << 20
    members: int = 10_000
    depth: int = 4


class Budget:
    """What is left of the limits, for a document and all in it."""

    def __init__(self, limits: Limits) -> None:
        self._text = limits.text
        self._unpacked = limits.unpacked
        self._members = limits.members
        self.depth = limits.depth

    def text(self, characters: int) -> None:
        """Raises: UnreadableError: when there is more text than is read."""
        self._text -= characters
        if self._text < 0:
            raise UnreadableError("there is too much text in it")

    def unpacked(self, octets: int) -> None:
        """Raises: UnreadableError: when it unpacks to more than is read."""
        self._unpacked -= octets
        if self._unpacked < 0:
            raise UnreadableError("it unpacks to too much")

    def member(self, count: int = 1) -> None:
        """Raises: UnreadableError: when it has more parts than are read."""
        self._members -= count
        if self._members < 0:
            raise UnreadableError("it has too many parts")


BLOCK: Final = 1 << 16
"""Bytes that are read at a time."""
HEAD: Final = 1024
"""Bytes that tell the reader; a PDF may begin that late (ISO 32000-1, annex H.3.4.1)."""

TEXTS: Final = frozenset({"text", "data", "web-page", "e-mail", "style-sheet", "web-script"})
"""Types that are text, whatever else they are."""


def parts_of(file: BinaryIO, file_type: str, limits: Limits | None = None) -> Iterator[Part]:
    """The text of a document.

    Args:
        file: at any place; must be able to seek.
        file_type: of `policy.findings.FILE_TYPES`.
        limits: how far it is read.

    Yields:
        Parts. Nothing for what has no text: pictures, programs, archives.

    Raises:
        UnreadableError: at once or after some parts: the rest cannot be read.
    """
    yield from parts_within(file, file_type, Budget(limits or Limits()))


def parts_within(file: BinaryIO, file_type: str, budget: Budget) -> Iterator[Part]:
    """As `parts_of`, of a document in a document."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    reader = _reader(head, file_type)
    if reader is None:
        return
    for part in reader(file, budget):
        budget.text(len(part.text))
        yield part


def findings_of(
    file: BinaryIO, types: frozenset[str], name: str = "", limits: Limits | None = None
) -> frozenset[str]:
    """What a rule can know of a document that is sent, and of its name.

    Args:
        file: as of `parts_of`.
        types: all that it is.
        name: of the file; empty: it has none.
        limits: how far it is read.

    Returns:
        Findings as facts have them (`marking=secret`, `sends=unread`).
    """
    texts = types & (TEXTS | {"pdf"})
    problem: list[Exception] = []

    def parts() -> Iterator[Part]:
        if name:
            yield Part("name", name)
        try:
            # A file that can be read as two things is read as both only where both are text: the
            # bytes tell the reader of all others.
            for each in sorted(texts) or [""]:
                yield from parts_of(file, each, limits)
        except UnreadableError as unreadable:
            # What was read until here counts; that there is more is a finding of its own.
            problem.append(unreadable)

    markings = found(MARKING, markings_in(parts()))
    return markings | found(SENDS, ["unread"]) if problem else markings


def _reader(head: bytes, file_type: str) -> Reader | None:
    """Who reads a file; None: it has no text."""
    # Imported where they are needed: a process that never meets a PDF need not load its reader.
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        from proxy_addons.content.office import office_parts  # noqa: PLC0415 - most need none

        return office_parts
    if head.startswith(b"%PDF-") or (file_type == "pdf" and b"%PDF-" in head):
        from proxy_addons.content.pdf import pdf_parts  # noqa: PLC0415 - most need none

        return pdf_parts
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        from proxy_addons.content.oldoffice import old_office_parts  # noqa: PLC0415 - most need none

        return old_office_parts
    if head.startswith(b"{\\rtf"):
        from proxy_addons.content.rtf import rtf_parts  # noqa: PLC0415 - most need none

        return rtf_parts
    if file_type == "e-mail":
        from proxy_addons.content.mail import mail_parts  # noqa: PLC0415 - most need none

        return mail_parts
    if file_type == "web-page":
        return _web_page
    if file_type in TEXTS:
        return _text
    return None


# --- text -----------------------------------------------------------------------------------

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def decoded(octets: bytes) -> str:
    """A text as UTF-8 where it is that, as UTF-16 where it says so, as Windows-1252 elsewhere."""
    for mark, encoding in _MARKS:
        if octets.startswith(mark):
            return octets[len(mark) :].decode(encoding, "replace")
    if octets[1:2] == b"\0" and octets[3:4] == b"\0":
        return octets.decode("utf-16-le", "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        # Every byte has a meaning here, so nothing of the text is lost.
        return octets.decode("cp1252", "replace")


def blocks(file: BinaryIO, budget: Budget) -> Iterator[str]:
    """The text of a file in pieces that end with a line, or in the middle of a very long one."""
    kept = b""
    mark = b""
    width = 1
    newline = b"\n"
    first = True
    while block := file.read(BLOCK):
        budget.unpacked(len(block))
        if first:
            first = False
            wide = block[1:2] == b"\0" and block[3:4] == b"\0"
            if wide or block[:2] in (b"\xff\xfe", b"\xfe\xff"):
                mark = b"\xff\xfe" if wide else block[:2]
                width = 2
                newline = b"\n\0" if mark == b"\xff\xfe" else b"\0\n"
        data = kept + block
        end = data.rfind(newline) + len(newline)
        while end >= len(newline) and (end % width):  # half of two other letters
            end = data.rfind(newline, 0, end - 1) + len(newline)
        if end < len(newline):
            end = len(data) - len(data) % width if len(data) >= BLOCK else 0
        piece, kept = data[:end], data[end:]
        if piece:
            yield decoded(piece if piece.startswith(mark) else mark + piece)
    if kept:
        yield decoded(kept if kept.startswith(mark) else mark + kept)


def _text(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """Plain text; the lines beside a form feed are the foot of a page and the head of the next."""
    for text in blocks(file, budget):
        if "\f" in text:
            pages = text.split("\f")
            for number, page in enumerate(pages):
                lines = [line for line in page.splitlines() if line.strip()]
                if number and lines:
                    yield Part("header", lines[0])
                if number < len(pages) - 1 and lines:
                    yield Part("footer", lines[-1])
        yield Part("body", text)


def text_parts(text: str) -> Iterator[Part]:
    """The parts of a text that is at hand: plain, or a piece of a web page."""
    if _TAGGED.search(text):
        from proxy_addons.content.webpage import page_parts  # noqa: PLC0415 - most need none

        yield from page_parts([text])
    else:
        yield Part("body", text)


_TAGGED = re.compile(r"<(?:p|div|br|td|table|span|html|body|h[1-6])\b[^<>]{0,2000}>", re.IGNORECASE)


def _web_page(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    from proxy_addons.content.webpage import page_parts  # noqa: PLC0415 - most need none

    yield from page_parts(blocks(file, budget))


def bytes_file(octets: bytes) -> BinaryIO:
    """Bytes at hand as a file, for `parts_within`."""
    return io.BytesIO(octets)
