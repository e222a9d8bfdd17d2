"""HTTP/2 by hand, on both sides: what is read, and when a window opens, is the test's to say.

In: requests and answers. Out: events. Must never: open a window that the test did not open.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Script


class Http2:
    """One side of a connection.

    Attributes:
        headers: of the message on each stream.
        body: what has come of it.
        ended: streams that the peer has ended; reset: those it has reset.
        opens: whether windows are opened again as data comes.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool
    ) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        config.validate_outbound_headers = config.normalize_outbound_headers = False
        self.h2 = h2.connection.H2Connection(config)
        self.headers: dict[int, dict[str, str]] = {}
        self.body: defaultdict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.terminated = False
        self.opens = True
        self._unopened: defaultdict[int, int] = defaultdict(int)
        self._came = asyncio.Event()
        self.h2.initiate_connection()
        self.flush()
        self._task = asyncio.ensure_future(self._read())

    def flush(self) -> None:
        """Send what is due."""
        self.writer.write(self.h2.data_to_send())

    async def _read(self) -> None:
        with suppress(ConnectionError, OSError, h2.exceptions.ProtocolError):
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._note(event)
                self.flush()
                self._came.set()
        self.terminated = True
        self._came.set()

    def _note(self, event: Any) -> None:
        if isinstance(event, (h2.events.ResponseReceived, h2.events.RequestReceived)):
            self.headers[event.stream_id] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.body[event.stream_id] += event.data
            self._unopened[event.stream_id] += event.flow_controlled_length
            if self.opens:
                self.open(event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset.add(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.terminated = True

    def open(self, stream_id: int) -> None:
        """Open the window of a stream again for what has come."""
        if size := self._unopened.pop(stream_id, 0):
            self.h2.acknowledge_received_data(size, stream_id)
            self.flush()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to have come."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                assert not self._task.done(), "the connection has ended"
                self._came.clear()
                await self._came.wait()

    async def over(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._task])

    # --- a client -------------------------------------------------------------------------

    def ask(
        self,
        path: str = "/",
        authority: str = "allowed.test",
        *more: tuple[str, str],
        method: str = "GET",
        end: bool = True,
        scheme: str = "https",
    ) -> int:
        """Send a request's head; gives its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", scheme), (":path", path)]
        if authority:
            head.append((":authority", authority))
        self.h2.send_headers(stream_id, [*head, *more], end_stream=end)
        self.flush()
        return stream_id

    async def answer(self, stream_id: int) -> tuple[int, bytes]:
        """Wait for the end of an answer; status and body."""
        await self.until(lambda: stream_id in self.ended | self.reset)
        return int(self.headers.get(stream_id, {}).get(":status", 0)), self.body[stream_id]

    # --- both -----------------------------------------------------------------------------

    async def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send a body as the peer's windows allow."""
        while data:
            room = min(
                self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size
            )
            if room <= 0:
                await self.until(lambda: self.h2.local_flow_control_window(stream_id) > 0)
                continue
            self.h2.send_data(stream_id, data[:room])
            data = data[room:]
            self.flush()
            await self.writer.drain()
        if end:
            self.h2.end_stream(stream_id)
            self.flush()

    def respond(self, stream_id: int, *more: tuple[str, str], end: bool = False) -> None:
        """Send an answer's head."""
        self.h2.send_headers(stream_id, [(":status", "200"), *more], end_stream=end)
        self.flush()

    async def close(self) -> None:
        """Leave."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.writer.close()


def speaking(part: Callable[[Http2, int], Any], *, opens: bool = True) -> Script:
    """An origin that plays a part for each request that it gets."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = Http2(reader, writer, client=False)
        side.opens = opens
        parts: dict[int, asyncio.Task[None]] = {}
        try:
            while not side._task.done():
                for stream_id in side.headers.keys() - parts.keys():
                    parts[stream_id] = asyncio.ensure_future(part(side, stream_id))
                side._came.clear()
                await side._came.wait()
        finally:
            for task in (*parts.values(), side._task):
                task.cancel()
            await asyncio.gather(*parts.values(), side._task, return_exceptions=True)

    return script
