"""The scanners that the settings name, as one.

In: settings. Out: a `Scanner`, or None where there is none.
Must never: let one scanner's silence stand for its consent: clean is what all have looked at.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy_addons.content.clamd import ClamdScanner
from proxy_addons.content.icap import IcapScanner
from proxy_addons.content.scan import Health, Scan, Scanner

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    from proxy_addons.settings.content import Content

__all__ = ["Health", "Scan", "Scanner", "scanner_of"]

_AHEAD: Final = 4  # pieces that the quicker of two scanners may be ahead


def scanner_of(settings: Content) -> Scanner | None:
    """What looks for viruses, by the settings; None: nothing does.

    Nobody is asked for anything yet.
    """
    scanners: list[Scanner] = []
    if settings.clamd.servers:
        scanners.append(ClamdScanner(settings.clamd))
    if settings.icap.url is not None:
        scanners.append(IcapScanner(settings.icap))
    if not scanners:
        return None
    return scanners[0] if len(scanners) == 1 else Several(scanners)


class Several:
    """Scanners that all look at each body.

    Args:
        scanners: two or more.
    """

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        self._scanners = tuple(scanners)

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        """See `Scanner.scan`. The body is read once for each scanner, or once for all."""
        if aiter(body) is not body:
            said = await asyncio.gather(
                *(each.scan(body, name=name, size=size) for each in self._scanners)
            )
            return _together(said)
        shares = [_Share() for _ in self._scanners]
        asked = [
            asyncio.create_task(share.scanned_by(scanner, name, size))
            for share, scanner in zip(shares, self._scanners, strict=True)
        ]
        try:
            async for piece in body:
                for share in shares:
                    await share.put(piece)
            for share in shares:
                await share.put(None)
            return _together(await asyncio.gather(*asked))
        finally:
            # Where the body breaks off nobody needs to go on.
            for each in asked:
                each.cancel()
            await asyncio.wait(asked)

    async def health(self) -> tuple[Health, ...]:
        """See `Scanner.health`."""
        each = await asyncio.gather(*(scanner.health() for scanner in self._scanners))
        return tuple(health for some in each for health in some)


class _Share:
    """A body as it is handed to one of several scanners."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._over = False

    async def scanned_by(self, scanner: Scanner, name: str, size: int | None) -> Scan:
        try:
            return await scanner.scan(self._pieces(), name=name, size=size)
        finally:
            # It may have had enough before the end: nobody must wait for it to take more.
            self._over = True
            while not self._queue.empty():
                self._queue.get_nowait()

    async def put(self, piece: bytes | None) -> None:
        if not self._over:
            await self._queue.put(piece)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._queue.get()) is not None:
            yield piece


def _together(said: Sequence[Scan]) -> Scan:
    """What several say: a virus that one found, else why one could not look."""
    for each in said:
        if each.virus is not None:
            return each
    return next((each for each in said if not each.scanned), said[0])
