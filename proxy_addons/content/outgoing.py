"""What a request sends: all that is found in a whole body, in its fields and in its files.

In: a body that is held back, the fields of its head. Out: findings, and words for the record.
Must never: raise for what is in a body; write a file with a name; keep any of the text; unpack
more than it was given room for.

Forms are read here, as their reader (uploads.py) holds little and knows no format of files. Files
are examined by processes that have nothing (examiner.py).
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.content.documents import TEXTS
from proxy_addons.content.fields import AddressWatch, findings_of_field, findings_of_name
from proxy_addons.content.forms import Urlencoded
from proxy_addons.content.repositories import is_packed
from proxy_addons.content.sent import Field, File, Piece, Unread
from proxy_addons.content.shapes import may_mark
from proxy_addons.content.types import HEAD, types_of
from proxy_addons.content.uploads import Upload
from proxy_addons.policy.findings import SENDS, found

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from proxy_addons.content.declared import Declared
    from proxy_addons.content.examiner import Examined

FILES: Final = 200
"""Files in one body that are looked into."""
SEVERAL: Final = "several"
"""In place of a field's name: that one came twice, so that servers differ on what the body is."""
_SMALL: Final = 1 << 16
"""Bytes of a file that is held in memory, and of a body that is read without a thread."""
_READ_AT_ONCE: Final = 1 << 14
_WORDS: Final = 8
_FORCE_ADDRESS: Final = found(SENDS, ["force-address"])
_UNREAD: Final = found(SENDS, ["unread"])
_WITHOUT_TEXT: Final = frozenset({"image", "audio", "video", "font", "unknown"})
"""Types in which no reader of documents looks for text (documents.py)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was found in what is sent.

    Attributes:
        findings: as facts have them.
        words: why something could not be read; ours, safe to show.
    """

    findings: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class _Held:
    """A file in a body: in memory while it is small, else in a file without a name."""

    declared: Declared
    head: bytes = b""
    size: int = 0
    descriptor: int = -1

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Reading:
    """A body, as it is read.

    Args:
        headers: of the request.
        path: of its target.
        domains: of the force's e-mail addresses.
        room: bytes that its files may take, unpacked.
        new_file: opens a file without a name; gives its descriptor; raises OSError.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        path: str,
        domains: Sequence[str],
        room: int,
        new_file: Callable[[], int],
    ) -> None:
        self._upload = Upload(headers, path)
        self._watch = AddressWatch(domains)
        self._domains = domains
        self._room = room
        self._new_file = new_file
        self._begun = 0
        self._stopped = False
        self.findings: set[str] = set()
        self.words: list[str] = []
        self.files: list[_Held] = []
        if SEVERAL in headers:
            self.unread("a head that says twice what the body is")

    def feed(self, piece: bytes) -> None:
        """More of it."""
        for event in self._upload.feed(piece):
            self._take(event)

    def end(self) -> None:
        """There is no more."""
        for event in self._upload.end():
            self._take(event)
        if self._watch.seen:
            self.findings |= _FORCE_ADDRESS

    def unread(self, why: str) -> None:
        """Something of it could not be read."""
        self.findings |= _UNREAD
        if why not in self.words:
            self.words.append(why)

    def close(self) -> None:
        """Give its files back."""
        for file in self.files:
            file.close()

    def _take(self, event: object) -> None:
        if isinstance(event, Piece):
            self._watch.feed(event.octets)
            self._keep(event.octets)
        elif isinstance(event, Field):
            self.findings |= findings_of_field(event, self._domains)
        elif isinstance(event, File):
            self._begun += 1
            if event.name:
                self.findings |= findings_of_name(event.name)
            if not event.whole:
                self.unread("a part of a file")
            if self._begun > FILES:
                self.unread("too many files")
            else:
                self.files.append(_Held(event.declared))
        elif isinstance(event, Unread):
            self.unread(event.why)

    def _keep(self, octets: bytes) -> None:
        """More of the file that began last."""
        if self._stopped or self._begun > FILES:
            return
        file = self.files[-1]
        self._room -= len(octets)
        if self._room < 0:
            self._stop("more than there is room for")
            return
        file.size += len(octets)
        if file.descriptor < 0:
            file.head += octets
            if len(file.head) <= _SMALL:
                return
            octets, file.head = file.head, file.head[:HEAD]
        try:
            if file.descriptor < 0:
                file.descriptor = self._new_file()
            _write(file.descriptor, octets)
        except OSError as problem:
            # Nobody can look at it: it is unread, and what that means is for the policy.
            self._stop(_no_room(problem))

    def _stop(self, why: str) -> None:
        """Nothing more is taken: there is no room for it."""
        self._stopped = True
        self.unread(why)

    async def examine(
        self, file: _Held, examine: Callable[[Path, Declared], Awaitable[Examined]]
    ) -> None:
        """What is in a file of the body."""
        if not file.size:
            return
        if is_packed(file.head):
            self.unread("what Git has packed")
            return
        if file.descriptor < 0:
            types = types_of(file.head[:HEAD], file.declared, whole=file.size <= HEAD)
            if _says_nothing(file.head, types):
                return
            try:
                file.descriptor = await asyncio.to_thread(self._written, file.head)
            except OSError as problem:
                self.unread(_no_room(problem))  # as above
                return
        seen = await examine(Path(f"/proc/self/fd/{file.descriptor}"), file.declared)
        self.findings |= seen.said
        if seen.why:
            self.unread(seen.why)
        file.close()

    def _written(self, octets: bytes) -> int:
        """In a thread: a file that has these bytes. Gives its descriptor.

        Raises:
            OSError: there is no room.
        """
        descriptor = self._new_file()
        try:
            _write(descriptor, octets)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


async def findings_of_body(  # noqa: PLR0913 - each is a fact of its own
    body: AsyncIterable[bytes],
    size: int,
    headers: Mapping[str, str],
    path: str,
    examine: Callable[[Path, Declared], Awaitable[Examined]],
    *,
    new_file: Callable[[], int],
    domains: Sequence[str] = (),
    room: int,
) -> Sent:
    """All that is found in a whole body.

    Args:
        body: all of it.
        size: its bytes.
        headers: of the request, names in lower case, as `uploads.Upload` has them.
        path: of its target, as sent.
        examine: looks into a file that is sent.
        new_file: opens a file without a name; gives its descriptor; raises OSError.
        domains: of the force's e-mail addresses.
        room: bytes that its files may take, unpacked.
    """
    reading = _Reading(headers, path, domains, room, new_file)
    try:
        async for piece in body:
            if size <= _READ_AT_ONCE:
                reading.feed(piece)  # all of it stays in memory
            else:
                await asyncio.to_thread(reading.feed, piece)
        reading.end()
        for file in reading.files:
            await reading.examine(file, examine)
    finally:
        reading.close()
    return Sent(frozenset(reading.findings), tuple(reading.words[:_WORDS]))


def findings_of_address(path: str, domains: Sequence[str]) -> frozenset[str]:
    """What is found in a request's address: a form may be sent in it.

    Args:
        path: of the target, with its query.
        domains: of the force's e-mail addresses.

    Returns:
        `sends=force-address` or nothing. Markings are not looked for there: what is in an address
        is what people search for, not a document.
    """
    query = path.partition("?")[2]
    if not domains or not query:
        return frozenset()
    watch = AddressWatch(domains)
    watch.feed(query.encode("utf-8", "surrogateescape"))
    if watch.seen:
        return _FORCE_ADDRESS
    reader = Urlencoded()
    texts = [*reader.feed(query.encode("utf-8", "surrogateescape")), *reader.end()]
    for each in texts:
        if isinstance(each, Field) and findings_of_field(each, domains) >= _FORCE_ADDRESS:
            return _FORCE_ADDRESS
    return frozenset()


def _no_room(problem: OSError) -> str:
    return f"no room to look at it: {problem.strerror or 'disk'}"


def _says_nothing(octets: bytes, types: AbstractSet[str]) -> bool:
    """Whether a small file surely has no text of which anything could be found."""
    if types <= _WITHOUT_TEXT:
        return True
    return types <= TEXTS - {"e-mail"} and not (
        may_mark(octets.decode("latin-1")) or may_mark(octets.replace(b"\0", b"").decode("latin-1"))
    )


def _write(descriptor: int, octets: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: there is no room. A disk that is nearly full takes a part, and says so by the
            number only.
    """
    view = memoryview(octets)
    while view:
        count = os.write(descriptor, view)
        if count <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view = view[count:]
