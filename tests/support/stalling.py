"""Servers that stop at a stage, each on a port of its own.

In: the name of a stage. Out: a port on 127.0.0.1. Must never: go on by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

from support.ending import end

if TYPE_CHECKING:
    from collections.abc import Callable

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

# What a server sends when it has read a request's head; and whether it closes then.
ANSWERS: dict[str, tuple[bytes, bool]] = {
    "says-nothing": (b"", False),
    "half-a-head": (_OK, False),
    "head-alone": (_OK + b"Content-Length: 10\r\n\r\n", False),
    "half-a-body": (_OK + b"Content-Length: 10\r\n\r\nhello", False),
    "half-a-chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\nA\r\nhello", False),
    "half-a-size": (_OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1", False),
    "no-last-chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", False),
    "never-closes": (_OK + b"\r\nhello", False),
    "closes-at-once": (b"", True),
    "closes-in-a-head": (_OK, True),
    "closes-in-a-body": (_OK + b"Content-Length: 10\r\n\r\nhello", True),
    "closes-in-a-chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\nA\r\nhello", True),
}
# Stages of TLS, before any request: how many bytes of the server's first flight it sends.
HANDSHAKES: dict[str, tuple[int, bool]] = {
    "tls-silent": (0, False),
    "tls-half-a-record": (20, False),
    "tls-closes": (20, True),
}
NEVER_ACCEPTS = "never-accepts"
_LONG = 3600.0


class Stalling:
    """One server for each stage, in a thread.

    Attributes:
        ports: by the name of the stage.
    """

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []
        self._keep: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for each in self._keep:
            each.close()

    async def _start(self) -> None:
        for stage, (answer, closes) in ANSWERS.items():
            await self._serve(stage, _answering(answer, closes=closes))
        for stage, (size, closes) in HANDSHAKES.items():
            await self._serve(stage, _shaking_hands(size, closes=closes))
        await self._serve("connect-stalls", _answering(b"", closes=False))
        await self._serve("connect-half", _answering(b"HTTP/1.1 200 Connection est", closes=False))
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self._keep.append(listener)
        self.ports[NEVER_ACCEPTS] = listener.getsockname()[1]
        for _ in range(4):  # its queue is full; Linux drops what comes then
            waiting = socket.socket()
            waiting.setblocking(False)  # noqa: FBT003 - as the socket module has it
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
            self._keep.append(waiting)

    async def _serve(self, stage: str, script: Callable[..., object]) -> None:
        server = await asyncio.start_server(script, "127.0.0.1", 0)  # type: ignore[arg-type]
        self._servers.append(server)
        self.ports[stage] = server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        for server in self._servers:
            end(server)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _answering(answer: bytes, *, closes: bool) -> Callable[..., object]:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            if not closes:
                await asyncio.sleep(_LONG)
        writer.close()

    return script


def _shaking_hands(size: int, *, closes: bool) -> Callable[..., object]:
    # A record that announces 122 bytes: a ServerHello of which the rest does not come.
    flight = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(32)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read(1)
            writer.write(flight[:size])
            await writer.drain()
            if not closes:
                await asyncio.sleep(_LONG)
        writer.close()

    return script


def trusting(authority: str) -> ssl.SSLContext:
    """A client's TLS that trusts one authority, whatever the name is."""
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    return context
