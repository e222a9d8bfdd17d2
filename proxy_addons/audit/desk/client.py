"""Asking the desk: one connection for each call.

In: the path of its socket; who asks, what. Out: the answer, as the type that the call says.
Must never: take a stream that was cut off for a whole one; wait for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy_addons.audit.desk.place import near
from proxy_addons.audit.desk.wire import LONGEST, Call, Refused, Reply, Who, line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

PATIENCE: Final = 60.0
"""Seconds for one answer, or for the next item of a stream."""
_DOWN: Final = (
    "The desk does not answer just now, so nothing can be shown or changed. Try again in a minute."
)
_CUT: Final = "The answer was cut off: it is not whole, and does not count. Ask again."


class DeskClient:
    """Asks.

    Args:
        path: of the socket.
        patience: seconds.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience

    async def ask[T](self, who: Who, call: Call[T]) -> T:
        """The answer to a call.

        Raises:
            Refused: it was not done.
        """
        async with self._asked(who, call) as reader:
            found: T = _decoder(call.answer).decode((await self._reply(reader)).value)
            return found

    async def stream[T](self, who: Who, call: Call[T]) -> AsyncGenerator[T]:
        """The items of a stream.

        Raises:
            Refused: it was not done, or not to its end; what was given before is not all.
        """
        decoder, number = _decoder(call.answer), 0
        async with self._asked(who, call) as reader:
            while (reply := await self._reply(reader)).ended is None:
                yield decoder.decode(reply.item)
                number += 1
            if reply.ended != number:
                raise Refused("unavailable", _CUT)

    @asynccontextmanager
    async def _asked(self, who: Who, call: Call[Any]) -> AsyncIterator[asyncio.StreamReader]:
        try:
            with near(self._path) as path:
                reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST)
        except OSError as problem:
            raise Refused("unavailable", _DOWN) from problem  # nothing was asked
        try:
            writer.write(line({"who": who, "call": call}))
            yield reader
        finally:
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> Reply:
        try:
            data = await asyncio.wait_for(reader.readline(), self._patience)
        except (OSError, ValueError, TimeoutError) as problem:
            raise Refused(
                "unavailable", _DOWN
            ) from problem  # it may have been done: the trail says
        if not data.endswith(b"\n"):
            raise Refused("unavailable", _CUT)
        reply = _REPLY.decode(data)
        if reply.refused:
            raise Refused(reply.refused, reply.text)
        return reply


_REPLY: Final = msgspec.json.Decoder(Reply)


@cache
def _decoder(of: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(of)
