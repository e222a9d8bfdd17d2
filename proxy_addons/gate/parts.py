"""Parts of files: players and viewers ask for the middle of a film, and have to get it.

In: a request for a part, and the answers to what the lane asks instead of it, and then for it.
Out: what to ask for next; how much is kept back; a refusal.
Must never: give a part of a file whose beginning and end were not seen; take a part of one file for
that of another.

A part from the middle says nothing of what a file is. So its first bytes are asked for in its
place, then its last ones, and if it is a film, a picture or the like, the part itself, which has to
be of the same file by its validator (RFC 9110 8.8) and size. What was seen is remembered. Of all
else the whole is asked for (RFC 9110 14.2: nobody is owed a part), and looked at as it passes.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cachetools import TTLCache

from proxy_addons.content.types import HEAD, TAIL, tail_types, types_of
from proxy_addons.gate.watching import AGAIN, ALL, DONE, REFUSED, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.content.declared import Declared
    from proxy_addons.gate.answerhead import AnswerHead
    from proxy_addons.gate.refusal import Answer

# RFC 9110 14.1.2; one range alone: several come in a form of their own, multipart/byteranges.
_FROM_THE_BEGINNING: Final = re.compile(r"\s*bytes\s*=\s*0+\s*-\s*[0-9]*\s*", re.IGNORECASE)
_OF: Final = re.compile(r"\s*bytes\s+([0-9]+)-([0-9]+)/([0-9]+)\s*", re.IGNORECASE)  # 14.4
_PARTIAL: Final = 206
_OK: Final = 200
_PARTED: Final = frozenset({"image", "audio", "video", "pdf", "font"})
"""Types of files that are read in parts, and of which first and last bytes say all."""
_REMEMBERED: Final = 10_000
_FOR: Final = 3600.0  # seconds


def shows_its_beginning(asked: str) -> bool:
    """Whether what is asked for has the file's first byte, and is one piece.

    Args:
        asked: the `Range` field.
    """
    return _FROM_THE_BEGINNING.fullmatch(asked) is not None


class File(NamedTuple):
    """What tells one file from another at the same address.

    Attributes:
        validator: `ETag`, or else `Last-Modified`; never "".
        size: bytes of all of it.
    """

    validator: str
    size: int


class Seen:
    """Files of which parts may be given: looked at, and of a type of which parts are read.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._files: TTLCache[str, File] = TTLCache(_REMEMBERED, _FOR, clock)

    def get(self, address: str) -> File | None:
        """What was last seen at an address."""
        found: File | None = self._files.get(address)
        return found

    def remember(self, address: str, file: File) -> None:
        """A file was looked at from its beginning to its end."""
        self._files[address] = file

    def forget(self, address: str) -> None:
        """Another file is there now."""
        self._files.pop(address, None)


class _Step(Enum):
    BEGINNING = 0
    END = 1
    PART = 2
    WHOLE = 3


class PartWatch(Watch):
    """Watches the answers to a request for a part.

    Args:
        path: as of `Watch`.
        judge: as of `Watch`.
        fail: as of `Watch`.
        address: of the file.
        seen: what is known of files.
        whole: what `Watch` takes for whole bodies.

    Attributes:
        part: the `Range` to ask for now; "" for the whole, None for the part that the client wants.
    """

    __slots__ = ("_address", "_file", "_files", "_piece", "_said", "_step")

    def __init__(
        self,
        path: str,
        judge: Callable[[frozenset[str]], Answer | None],
        fail: Callable[[str], Answer],
        address: str,
        seen: Seen,
        **whole: Any,
    ) -> None:
        super().__init__(path, judge, fail, **whole)
        self._address = address
        self._files = seen
        self._piece = b""
        self._said: Declared | None = None
        self._file = seen.get(address)
        self._step = _Step.BEGINNING if self._file is None else _Step.PART
        self.part = f"bytes=0-{HEAD - 1}" if self._file is None else None

    def _begin(self, head: AnswerHead) -> int:
        if head.status != _PARTIAL or self._step is _Step.WHOLE:
            self._step = _Step.WHOLE  # or an error, which is an answer like any other
            return super()._begin(head)
        match = _OF.fullmatch(head.content_range)
        if match is None and self._step is _Step.PART and self._file is not None:
            # Several parts at once: each says its place in the body (RFC 9110 14.6).
            several = head.content_type.lower().startswith("multipart/byteranges")
            return DONE if several and head.validator == self._file.validator else self._whole()
        if match is None or head.coding or not head.validator:
            return self._whole()
        first, last, size = map(int, match.groups())
        file = File(head.validator, size)
        if self._file is not None and file != self._file:
            return self._whole()
        if self._step is _Step.PART:
            return DONE
        wanted = 0 if self._step is _Step.BEGINNING else max(0, size - TAIL)
        if first != wanted or (self._step is _Step.END and last != size - 1):
            return self._whole()
        self._file = file
        self._said = self._declared_by(head)
        return ALL

    def _feed(self, data: bytes, *, last: bool) -> int:
        if self._step is _Step.WHOLE:
            return super()._feed(data, last=last)
        self._piece += data
        if len(self._piece) > HEAD + TAIL:
            return self._whole()  # more than was asked for
        if not last:
            return ALL
        piece, self._piece = self._piece, b""
        assert self._file is not None
        assert self._said is not None
        if self._step is _Step.BEGINNING:
            return self._see_beginning(piece, self._file, self._said)
        behind = tail_types(piece, self._said, seen=self._seen)
        if self._told(behind, DONE) == REFUSED:
            return REFUSED
        # What this person may have, the next one who asks for a part may not.
        return self._whole() if behind else self._ready(self._file)

    def _see_beginning(self, piece: bytes, file: File, said: Declared) -> int:
        all_of_it = len(piece) >= file.size
        types = self._seen = types_of(piece[:HEAD], said, whole=all_of_it)
        if self._told(types, DONE) == REFUSED:
            return REFUSED
        if not types <= _PARTED or self._needs_all(types):
            return self._whole()
        if all_of_it:
            return self._ready(file)
        self._step, self.part = _Step.END, f"bytes=-{TAIL}"
        return AGAIN

    def _needs_all(self, types: frozenset[str]) -> bool:
        """Whether first and last bytes do not say all: a PDF has files in it, and viruses."""
        return self._bodies is not None and bool(self._bodies.wanted(types, self._kinds))

    def _ready(self, file: File) -> int:
        self._files.remember(self._address, file)
        self._step, self.part = _Step.PART, None
        return AGAIN

    def _whole(self) -> int:
        self._files.forget(self._address)
        self._piece = b""
        self._step, self.part = _Step.WHOLE, ""
        return AGAIN
