"""A first look: whether a body is surely one of the ordinary types of web pages.

In: the first bytes of a body, what is declared of it. Out: yes, or "look closely"; of text, whether
an archive begins in it.
Must never: cost more than a few microseconds (each response of the relay lane passes here); say yes
to what content/types.py would call software.

Yes is said where a signature or plain text meets a declaration that claims no software. Everything
else is looked at closely, which is slower and decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.content.claims import claims_nothing
from proxy_addons.content.repositories import BEGINS

if TYPE_CHECKING:
    from proxy_addons.content.declared import Declared

_PICTURES: Final = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"wOFF",
    b"wOF2",
)
_RIFF: Final = frozenset({b"WEBP", b"WAVE", b"AVI "})
_BOXES: Final = frozenset({b"ftyp", b"styp", b"moof", b"sidx"})  # MP4, AVIF and their segments
_IN_PAGE: Final = frozenset(
    {
        "text/css",
        "text/javascript",
        "application/javascript",
        "application/x-javascript",
        "application/json",
    }
)
_SAMPLE: Final = 256
"""Bytes of which a page's text has to be text. All signatures of software are within them."""
_PAGE: Final = 2048
"""Bytes of a page in which the element of an HTML Application is looked for."""
_IN_TEXT: Final = bytes({9, 10, 12, 13} | (set(range(0x20, 0x100)) - {0x7F}))
_OTHERS: Final = (
    *(b"#", b"MZ", b"ZM", b"%PDF", b"%!", b"!<arch>"),
    *(b"d%d" % digit for digit in range(10)),  # a torrent
)
"""How software that is all ASCII at its start may begin."""
_TEXT_SAMPLE: Final = 512
_OF_TEXT: Final = bytes([9, 10, 12, 13, *range(0x20, 0x7F), *range(0x80, 0x100)])
ZIP: Final = b"PK\3\4"
"""How a member of a zip archive begins: no text has these bytes."""
_RARE: Final = ZIP[2:3]
_PAGES: Final = (
    b"<!doc",
    b"<html",
    b"<head",
    b"<body",
    b"<meta",
    b"<scri",
    b"<div ",
    b"<div>",
    b"<svg ",
)


def is_plain(head: bytes, declared: Declared) -> bool:
    """Whether a body is surely ordinary.

    Args:
        head: its first bytes, as many as have come.
        declared: what is said of it: a page that is called `x.hta` is a program.
    """
    return claims_nothing(declared) and looks_plain(head, declared)


def looks_plain(head: bytes, declared: Declared) -> bool:
    """The same for a body of which nothing claims software (`claims_nothing`)."""
    first = head[:1]
    if first == b"<" or first.isspace() or first == b"\xef":
        return _is_page(head)
    if head.startswith(_PICTURES):
        return True
    if first == b"R":
        return head[:4] == b"RIFF" and head[8:12] in _RIFF
    if first == b"\0":
        return head[4:8] in _BOXES
    kind = declared.content_type
    if declared.attachment or not (kind in _IN_PAGE or kind.endswith("+json")):
        return False
    sample = head[:_SAMPLE]
    # A signature may be of bytes above ASCII alone; a shell's script begins with a comment.
    return (
        bool(sample)
        and first.isascii()
        and not head.startswith(_OTHERS)
        and not BEGINS.match(head)
        and not sample.translate(None, _IN_TEXT)
    )


def _is_page(head: bytes) -> bool:
    start = head[:5].lower()
    if not start.startswith(_PAGES):
        start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower()
        if not start.startswith(_PAGES):
            return False
    # An HTML Application is a page with one more element: then it is looked at closely.
    return b"<hta:" not in head[:_PAGE].lower()


def is_of_text(head: bytes) -> bool:
    """Whether a body begins with nothing but what text is made of."""
    return not head[:_TEXT_SAMPLE].translate(None, _OF_TEXT)


def shows_zip(text: bytes) -> bool:
    """Whether an archive begins in the middle of what is text so far."""
    # One byte is found in a tenth of the time of four, and hardly any text has this one.
    return _RARE in text and ZIP in text
