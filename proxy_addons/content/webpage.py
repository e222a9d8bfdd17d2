"""Web pages: their text, line by line, as a browser shows it.

In: pieces of a page. Out: parts for markings.py.
Must never: fetch what a page refers to; run anything of it; look at a byte more often than a few
times, whatever is left open: the standard library's parser (3.13.0) takes 15 s over 60 kB of
`<a x=`, and this runs on fields of forms in the gateway's own process.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from proxy_addons.content.markings import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# fmt: off
_LINES: Final = frozenset(
    [
        "address", "article", "aside", "blockquote", "body", "br", "center", "dd",
        "details", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2",
        "h3", "h4", "h5", "h6", "header", "hr", "html", "legend", "li", "main", "nav", "ol",
        "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead",
        "title", "tr", "ul",
    ]
)
# fmt: on
"""Elements that begin a line and end it."""
_CELLS: Final = frozenset({"td", "th"})
_UNSEEN: Final = frozenset({"script", "style", "noscript", "template"})
_PIECE: Final = 1 << 16
_LONGEST_TAG: Final = 1 << 16
_LONGEST_REFERENCE: Final = 40
_METAS: Final = 100
"""Properties of a page (`meta`) that are looked at."""
_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]{0,63})")
_BLANKS = re.compile(r"[ \t\r\n]+")
_UNDECIDED: Final = ("<", "</", "<!", "<!-")
"""What may be text or not, for what comes next."""
_BEGINS = re.compile(r"<(?:/?[a-zA-Z]|[!?])")
_ATTRIBUTE = re.compile(
    r"\b(name|property|content)\s{0,8}=\s{0,8}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE
)
_TOO_LARGE = re.compile(r"&#\d{8,};?")


def unescaped(text: str) -> str:
    """A text with its references to characters (HTML, 13.5) read."""
    if "&" not in text:
        return text
    # Numbers of thousands of digits are none that the standard library reads.
    return html.unescape(_TOO_LARGE.sub("\ufffd", text))


class _Text:
    """Takes a page piece by piece."""

    def __init__(self) -> None:
        self.title: list[str] = []
        self.properties: list[str] = []
        self._lines: list[str] = []
        self._size = 0
        self._rest = ""
        self._until = ""  # what ends an element, or a comment, that does not show
        self._in_title = False
        self._blank = False

    def taken(self) -> str:
        """The text until here; what was taken before is not in it."""
        text = "".join(self._lines)
        self._lines.clear()
        self._size = 0
        return text

    @property
    def full(self) -> bool:
        """Whether it is time to take it."""
        return self._size > _PIECE

    def feed(self, piece: str) -> None:
        """More of the page's source."""
        source = self._rest + piece
        self._rest = ""
        small = source.lower() if len(source.lower()) == len(source) else source
        place = 0
        while place < len(source):
            if self._until:
                end = small.find(self._until, place)
                if end < 0:
                    self._rest = source[max(place, len(source) - len(self._until)) :]
                    return
                place = end + (len(self._until) if self._until == "-->" else 0)
                self._until = ""
            start = source.find("<", place)
            if start < 0:
                # A reference to a character may go on in the next piece.
                half = source.rfind("&", max(place, len(source) - _LONGEST_REFERENCE))
                end = half if half >= 0 and ";" not in source[half:] else len(source)
                self._show(source[place:end])
                self._rest = source[end:]
                return
            self._show(source[place:start])
            if source.startswith("<!--", start):
                self._until = "-->"
                place = start + 4
                continue
            if source[start : start + 4] in _UNDECIDED:
                self._rest = source[start:]
                return
            if not _BEGINS.match(source, start):
                self._show("<")
                place = start + 1
                continue
            end = source.find(">", start)
            if end < 0:
                # Half of a tag, or a sign in a text that has no more tags.
                if len(source) - start < _LONGEST_TAG:
                    self._rest = source[start:]
                else:
                    self._show(source[start:])
                return
            place = self._tag(source, start, end)

    def end(self) -> None:
        """There is no more."""
        if not self._until:
            self._show(self._rest)

    def _tag(self, source: str, start: int, end: int) -> int:
        """What stands between < and >; the place after it."""
        named = _NAME.match(source, start, end)
        if named is None:  # a declaration, or an instruction
            return end + 1
        tag = named[1].lower()
        closes = source[start + 1] == "/"
        if tag in _CELLS:
            self._put("\t" if closes else "")
        elif tag in _LINES:
            self._put("\n")
        elif tag in _UNSEEN and not closes:
            self._until = f"</{tag}"
        elif tag == "meta":
            self._meta(source[start : min(end, start + 4096)])
        self._in_title = tag == "title" and not closes
        return end + 1

    def _meta(self, tag: str) -> None:
        values = {name.lower(): one or other for name, one, other in _ATTRIBUTE.findall(tag)}
        name = values.get("name") or values.get("property") or ""
        if values.get("content") and len(self.properties) < _METAS:
            self.properties.append(f"{name}: {unescaped(values['content'])}")

    def _show(self, text: str) -> None:
        if not text:
            return
        text = unescaped(text)
        if self._in_title:
            self.title.append(text[:1000])
        else:
            # However many blanks and lines a page's source has, it shows one.
            text = _BLANKS.sub(" ", text)
            self._put(text[1:] if self._blank and text[0] == " " else text)

    def _put(self, text: str) -> None:
        self._lines.append(text)
        self._size += len(text)
        self._blank = text.endswith(" ") or (self._blank and not text)


def page_parts(pieces: Iterable[str]) -> Iterator[Part]:
    """The parts of a page.

    Args:
        pieces: of its source, in their order.
    """
    text = _Text()
    for piece in pieces:
        text.feed(piece)
        if text.full:
            yield Part("body", text.taken())
    text.end()
    yield Part("body", text.taken())
    if text.title:
        text.properties.append(f"title: {''.join(text.title[:8])}")
    for each in text.properties:
        yield Part("property", each)
