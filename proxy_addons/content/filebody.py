"""The bytes of a file, for whoever reads a body without waiting.

In: a file that nobody changes. Out: its bytes in pieces, from the beginning each time.
Must never: read on the event loop, or keep the file open when nobody reads any more.
"""

from __future__ import annotations

import asyncio
from io import FileIO
from typing import TYPE_CHECKING, Final

from proxy_addons.rights.opening import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_PIECE: Final = 1 << 20  # bytes that a thread reads at a time


class FileBody:
    """A body that is in a file; it can be read again.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces.

        Raises:
            OSError: it cannot be read.
        """
        file = await opened(lambda: self.path.open("rb", buffering=0), FileIO.close)
        try:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
        finally:
            file.close()
