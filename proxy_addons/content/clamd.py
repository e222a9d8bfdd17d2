"""ClamAV's daemon as a scanner (clamd(8): INSTREAM, FILDES).

In: bodies. Out: `Scan`.
Must never: take for clean what clamd looked at in part only, or anything it did not clearly say.

clamd stops looking at what goes beyond its own limits (MaxFileSize, MaxScanSize, MaxRecursion,
MaxScanTime …) and says "OK", unless clamd.conf has `AlertExceedsMax yes`. So each server is tried
first with something that goes beyond a limit, and is not relied on if it says nothing of that.

What is in a file is handed over as that, open, to a clamd on this machine (FILDES): otherwise it
has to be sent, and kept a second time. Where that is forbidden (AppArmor), it is sent.

One connection for each body: IDSESSION, which takes several, spares 0.2 ms (docs/content.md), and a
connection that was kept may break when half a body has gone that nobody has a second time.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import os
import re
import time
from typing import TYPE_CHECKING, Final

from proxy_addons.content.filebody import FileBody
from proxy_addons.content.scan import Health, Scan, clean
from proxy_addons.content.servers import Server, Servers, Source, TooLargeError, of_bytes, too_large
from proxy_addons.content.wire import UNIX, Wire, WireError, answered, reach, reading
from proxy_addons.rights.opening import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from proxy_addons.settings import content

_KEY: Final = "content.clamd.largest"
_LONGEST = 4096  # bytes of an answer
_END = bytes(4)  # a chunk of no bytes
_ANSWER = re.compile(rb"(?:stream|fd\[[0-9]+\]): (?:(?P<ok>OK)|(?P<virus>.+) FOUND)", re.DOTALL)
# What clamd reports as found although nothing was: it could not look.
_LIMITS: Final = "Heuristics.Limits.Exceeded"
_NOT_LOOKED: Final = {
    _LIMITS: "it goes beyond a limit of the scanner",
    "Heuristics.Encrypted": "it has a password",
}
_DEPTH = 120  # clamd knows no MaxRecursion above 100


class ClamdScanner:
    """A `Scanner`.

    Args:
        settings: `content.clamd`.
        clock: monotonic seconds.
    """

    def __init__(
        self, settings: content.Clamd, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._servers = Servers(settings.servers, settings.connections, settings.timeout, clock)
        self._takes_no_files: set[str] = set()

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        """See `Scanner.scan`. clamd goes by bytes alone: the name is not told."""
        del name
        largest = self._settings.largest
        if size is not None and size > largest:
            return Scan(None, scanned=False, why=too_large(_KEY))
        return await self._servers.ask(Source(body, largest), self._ask, _KEY)

    async def health(self) -> tuple[Health, ...]:
        """See `Scanner.health`."""
        return await self._servers.health(self._version)

    async def _ask(self, server: Server, source: Source) -> Scan:
        if self._settings.limit_alerts:
            await server.checked(lambda: self._check(server))
        body, name = source.body, server.name
        if (
            isinstance(body, FileBody)
            and name.startswith(UNIX)
            and name not in self._takes_no_files
        ):
            said = await self._fildes(server, body)
            if not said.endswith(b"ERROR"):
                return _judged(said, whole=True)
            self._takes_no_files.add(name)
        return await self._instream(server, source)

    async def _fildes(self, server: Server, body: FileBody) -> bytes:
        """What it says of a file that is handed over to it."""
        seconds = self._settings.timeout
        file = await opened(lambda: os.open(body.path, os.O_RDONLY | os.O_CLOEXEC), os.close)
        try:
            if os.fstat(file).st_size > self._settings.largest:
                raise TooLargeError
            async with (
                await reach(server.name, seconds) as wire,
                reading(asyncio.create_task(_answer(wire))) as answer,
            ):
                if await wire.send(b"zFILDES\0", answer, seconds):
                    wire.hand_over(file)
                return await answered(answer, seconds)
        finally:
            os.close(file)

    async def _instream(self, server: Server, source: Source) -> Scan:
        seconds = self._settings.timeout
        async with (
            await reach(server.name, seconds) as wire,
            reading(asyncio.create_task(_answer(wire))) as answer,
        ):
            whole = await wire.send(b"zINSTREAM\0", answer, seconds)
            if whole:
                async for piece in source.pieces():
                    chunk = len(piece).to_bytes(4) + piece
                    if not (whole := await wire.send(chunk, answer, seconds)):
                        break
            whole = whole and await wire.send(_END, answer, seconds)
            said = await answered(answer, seconds)
        return _judged(said, whole=whole)

    async def _check(self, server: Server) -> None:
        """Whether it says so when it does not look at all of something.

        Raises:
            WireError: it does not, or does not work.
        """
        body = _too_deep()
        said = await self._instream(server, of_bytes(body))
        if _LIMITS not in said.why:
            msg = "it does not say when it looks at a part only: set AlertExceedsMax in clamd.conf"
            raise WireError(msg)

    async def _version(self, server: Server) -> str:
        seconds = self._settings.timeout
        async with (
            server.slot(seconds),
            await reach(server.name, seconds) as wire,
            reading(asyncio.create_task(_answer(wire))) as answer,
        ):
            await wire.send(b"zVERSION\0", answer, seconds)
            said = clean(await answered(answer, seconds))
        if not said.startswith("ClamAV "):
            msg = f'it is no clamd, or refuses to say its version: "{said}"'
            raise WireError(msg)
        if self._settings.limit_alerts:
            async with server.slot(seconds):
                await self._check(server)
        return said


async def _answer(wire: Wire) -> bytes:
    """What clamd says, without the zero at its end.

    Raises:
        WireError: it says nothing, or no end of it comes.
    """
    said = b""
    while len(said) <= _LONGEST:
        try:
            more = await wire.receive()
        except WireError:
            # It has hung up without reading all, as it does where a body is too large. An answer
            # that came before counts.
            if not said.endswith(b"\0"):
                raise
            break
        if not more:
            break
        said += more
    answer, end, more = said.partition(b"\0")
    if not end or more:
        # No answer, or two to one question: the body in hand counts as not looked at.
        what = f'it said "{clean(said)}", which is no answer' if said else "it did not answer"
        raise WireError(what)
    return answer


def _judged(answer: bytes, *, whole: bool) -> Scan:
    """What an answer means.

    Args:
        answer: of clamd.
        whole: whether it had all of the body.

    Raises:
        WireError: nothing that can be relied on.
    """
    match = _ANSWER.fullmatch(answer)
    if match is not None and match["virus"] is not None:
        virus = clean(match["virus"])
        for name, why in _NOT_LOOKED.items():
            if virus.startswith(name):
                return Scan(None, scanned=False, why=f"{why} ({virus})")
        return Scan(virus, scanned=True)
    if match is not None and whole:
        return Scan(None, scanned=True)
    if answer == b"INSTREAM size limit exceeded. ERROR":
        # No fault of a server, and no other has a larger limit as a rule.
        return Scan(None, scanned=False, why="it is larger than StreamMaxLength of clamd allows")
    msg = f'it said "{clean(answer)}"'
    raise WireError(msg)


@functools.cache
def _too_deep() -> bytes:
    """Something harmless that no clamd looks into to its end."""
    data = b"watchhouse asks whether limits are told"
    for _ in range(_DEPTH):
        data = gzip.compress(data, 1, mtime=0)
    return data
