"""A glance: whether an answer that came whole, with its head, is plainly a part of a page.

In: an answer's head and all of its body. Out: yes, or "watch it".
Must never: say yes to what a `Watch` would hold back, judge or refuse; cost a part of a page more
than a few microseconds.

Nearly all that comes back is small, whole and ordinary. A watch is made to meet everything else, in
any number of pieces, and takes several times as long to come to the same end. This asks the same
functions (content/plain.py, content/tails.py), once.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from proxy_addons.content.claims import claims_nothing
from proxy_addons.content.declared import declared_of
from proxy_addons.content.plain import is_of_text, looks_plain, shows_zip
from proxy_addons.content.types import TAIL, tail_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.content.declared import Declared

_OK: Final = 200
_TYPE: Final = b"content-type"
_CODING: Final = b"content-encoding"
_TOLD: Final = frozenset({_TYPE, _CODING, b"content-disposition", b"content-range"})
_GZIP: Final = 31  # zlib's window for gzip and nothing else
_MOST: Final = 1 << 18  # bytes of a body: larger ones are watched as they come
_LONGEST: Final = 120  # characters that are remembered: of a name, of a type
_NOTHING: Final[frozenset[str]] = frozenset()


def is_ordinary(
    path: str, status: int, fields: Iterable[tuple[bytes, bytes]], content: bytes
) -> bool:
    """Whether an answer may go on as it is.

    Args:
        path: of the request's target, as sent.
        status: HTTP status code.
        fields: of the head.
        content: all of the body, as it came.
    """
    said = _said(fields) if status == _OK and content else None
    if said is None:
        return False
    kind, coding = said
    if coding:
        content = _unpacked(content) if coding == b"gzip" else b""
        if not content:
            return False
    last = path.partition("?")[0].partition("#")[0].rpartition("/")[2]
    if len(last) > _LONGEST or len(kind) > _LONGEST:
        return False
    declared = _unsuspicious(last, kind)
    if declared is None or not looks_plain(content, declared):
        return False
    if is_of_text(content):
        return not shows_zip(content)
    return not tail_types(content[-TAIL:], declared, seen=_NOTHING)


def _said(fields: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes] | None:
    """Type and coding; None where the head says more of the body than that."""
    kind = coding = b""
    for name, value in fields:
        key = name.lower()
        if key in _TOLD:
            if key == _TYPE and not kind:
                kind = value
            elif key == _CODING and not coding:
                coding = value
            else:
                return None
    return kind, coding


@lru_cache(maxsize=4096)  # a megabyte or two; what pages are made of is asked for again and again
def _unsuspicious(last: str, kind: bytes) -> Declared | None:
    """What a name in a path and a type say of a body; None where they may claim software."""
    declared = declared_of(last, kind.decode("utf-8", "surrogateescape"), "")
    return declared if claims_nothing(declared) else None


def _unpacked(content: bytes) -> bytes:
    """A body without gzip; none where it is not one member, whole, sound and small."""
    reader = zlib.decompressobj(wbits=_GZIP)
    try:
        found = reader.decompress(content, _MOST)
    except zlib.error:
        return b""  # it is watched, and judged as what cannot be looked into
    return found if reader.eof and not reader.unused_data else b""
