"""What an ICAP server says, read strictly (RFC 3507).

In: bytes as they come. Out: heads, bodies; `WireError` where they make no sense.
Must never: read more of a head than fits into memory, or take a guess at what was meant.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.content.scan import clean
from proxy_addons.content.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_LINE: Final = 4096
_STATUS = re.compile(rb"ICAP/1\.[0-9] ([1-5][0-9]{2})(?: .*)?")
_HTTP_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;.*)?")
_PART = re.compile(r"(res-hdr|res-body|null-body|opt-body)=(0|[1-9][0-9]{0,6})")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer.

    Attributes:
        code: its status.
        fields: name in small letters → value; several of one name are joined by commas.
    """

    code: int
    fields: Mapping[str, str]


class Words:
    """Reads one answer after the other.

    Args:
        receive: gives some bytes, none at the end.
    """

    def __init__(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        self._receive = receive
        self._held = bytearray()
        self._begun = False

    async def head(self) -> Head:
        """The head of the next answer.

        Raises:
            WireError: there is none.
        """
        first, *lines = (await self._until(b"\r\n\r\n", _LONGEST_HEAD)).split(b"\r\n")
        return _head(first, lines, _STATUS)

    async def encapsulated(self, head: Head) -> tuple[Head, bool]:
        """The head of the HTTP answer within, and whether a body follows (RFC 3507 4.4).

        Raises:
            WireError: there is no such answer.
        """
        written = head.fields.get("encapsulated", "")
        parts = [_PART.fullmatch(part.strip()) for part in written.split(",")]
        names = [part[1] for part in parts if part]
        places = [int(part[2]) for part in parts if part]
        sound = None not in parts and names in (["res-hdr", "res-body"], ["res-hdr", "null-body"])
        if not sound or places[0] != 0 or not 0 < places[1] <= _LONGEST_HEAD:
            msg = f'it answered with "Encapsulated: {clean(written)}"'
            raise WireError(msg)
        data = await self._exactly(places[1])
        if not data.endswith(b"\r\n\r\n"):
            msg = "the HTTP head in its answer has no end"
            raise WireError(msg)
        first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
        return _head(first, lines, _HTTP_STATUS), names[1] == "res-body"

    async def digest(self) -> bytes:
        """SHA-256 of a body.

        Raises:
            WireError: it has no end, or is no chunked body.
        """
        digest = hashlib.sha256()
        while size := _size(await self._until(b"\r\n", _LONGEST_LINE)):
            while size:
                if not self._held:
                    await self._more()
                piece = bytes(self._held[:size])
                del self._held[: len(piece)]
                digest.update(piece)
                size -= len(piece)
            if await self._exactly(2) != b"\r\n":
                msg = "a chunk of its answer has no end"
                raise WireError(msg)
        return digest.digest()

    async def _until(self, end: bytes, most: int) -> bytes:
        looked = 0
        while (found := self._held.find(end, max(0, looked - len(end)))) < 0:
            looked = len(self._held)
            if looked > most:
                msg = f"its answer has more than {most} bytes in a head or line"
                raise WireError(msg)
            await self._more()
        data = bytes(self._held[:found])
        del self._held[: found + len(end)]
        return data

    async def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            await self._more()
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    async def _more(self) -> None:
        if not (more := await self._receive()):
            where = "in the middle of its answer" if self._begun else "without an answer"
            msg = f"it hung up {where}"
            raise WireError(msg)
        self._begun = True
        self._held += more


def _head(first: bytes, lines: list[bytes], status: re.Pattern[bytes]) -> Head:
    match = status.fullmatch(first)
    if match is None:
        msg = f'it said "{clean(first)}"'
        raise WireError(msg)
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in {b" ", b"\t"} and name:  # X-Violations-Found has lines of its own
            fields[name] += f", {clean(line.strip())}"
            continue
        written, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(written) is None:
            msg = f'it said "{clean(line)}" in its head'
            raise WireError(msg)
        name = written.decode("ascii").lower()
        fields[name] = f"{fields[name]}, {clean(value)}" if name in fields else clean(value)
    return Head(int(match[1]), fields)


def _size(line: bytes) -> int:
    match = _SIZE.fullmatch(line)
    if match is None:
        msg = f'it said "{clean(line)}" for the size of a chunk'
        raise WireError(msg)
    return int(match[1], 16)
