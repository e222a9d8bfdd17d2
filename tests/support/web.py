"""A small web of the tests' own: an origin that answers for every host, and a parent proxy to it.

In: nothing but loopback ports. Out: real HTTP, HTTPS, WebSocket and server-sent events; a list of
what reached it. Must never: answer for the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import WSMsgType, web

from support.ending import end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from support.certificates import WebAuthority

CHUNK = b"0123456789abcdef" * 4096


@dataclass
class Seen:
    """One request as the origin got it."""

    scheme: str
    host: str
    path: str
    headers: dict[str, str]
    version: tuple[int, int] = (1, 1)


@dataclass
class Asked:
    """One request as the parent proxy got it."""

    line: str
    authorization: str | None = None


@dataclass
class Web:
    """Origin and parent proxy, in a thread of their own.

    Attributes:
        seen: what reached the origin.
        asked: what reached the parent proxy.
        http, https, parent: their ports on 127.0.0.1.
        pages: HTML that is answered at a path, whatever the host.
        files: what is answered at a path, with its Content-Type; in parts too.
        programs: what answers below the first part of a path, told the rest of it.
    """

    authority: WebAuthority
    address: str = "127.0.0.1"
    seen: list[Seen] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    http: int = 0
    https: int = 0
    parent: int = 0
    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    programs: dict[str, Callable[[web.Request, str], Awaitable[web.StreamResponse]]] = field(
        default_factory=dict
    )

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hosts(self) -> set[str]:
        """Hosts for which anything reached the origin or the parent."""
        tunnels = {
            asked.line.split()[1].rpartition(":")[0]
            for asked in self.asked
            if asked.line.startswith("CONNECT")
        }
        return {seen.host.rpartition(":")[0] or seen.host for seen in self.seen} | tunnels

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        plain = web.TCPSite(self._runner, self.address, 0)
        await plain.start()
        secure = web.TCPSite(
            self._runner, self.address, 0, ssl_context=self.authority.server_context()
        )
        await secure.start()
        self.http = plain._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.https = secure._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._proxy = await asyncio.start_server(self._proxied, self.address, 0)
        self.parent = self._proxy.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        end(self._proxy)
        await self._runner.cleanup()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # --- the origin -----------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(
                request.scheme,
                request.host,
                request.path_qs,
                dict(request.headers),
                (request.version.major, request.version.minor),
            )
        )
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path], content_type="text/html")
        if request.path in self.files:
            return self._file(request, *self.files[request.path])
        word, _, rest = request.path.strip("/").partition("/")
        handler = self.programs.get(word) or getattr(self, f"_say_{word}", None)
        if handler is not None:
            return await handler(request, rest)
        return web.Response(
            text=f"<!doctype html><title>{request.host}</title>"
            f"<h1>Hello from {request.host}</h1><p>{request.path_qs}</p>",
            content_type="text/html",
        )

    @staticmethod
    def _file(request: web.Request, body: bytes, content_type: str) -> web.Response:
        """A file, or the part that is asked for (RFC 9110 14)."""
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{len(body)}"'}
        part = request.http_range
        if part.start is None and part.stop is None:
            return web.Response(body=body, content_type=content_type, headers=headers)
        first, last, _ = part.indices(len(body))
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(body)}"
        return web.Response(
            status=206, body=body[first:last], content_type=content_type, headers=headers
        )

    async def _say_bytes(self, request: web.Request, rest: str) -> web.StreamResponse:
        size = int(rest)
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = size
        await response.prepare(request)
        while size > 0:
            await response.write(CHUNK[:size])
            size -= len(CHUNK)
        return response

    async def _say_slow(self, request: web.Request, rest: str) -> web.StreamResponse:
        """One line a tenth of a second, `rest` lines, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(int(rest)):
            await response.write(f"data: {number} {time.time()}\n\n".encode())
            await asyncio.sleep(0.1)
        return response

    async def _say_echo(self, request: web.Request, _: str) -> web.StreamResponse:
        length = 0
        async for piece in request.content.iter_any():
            length += len(piece)
        return web.Response(text=f"got {length}")

    async def _say_status(self, _: web.Request, rest: str) -> web.StreamResponse:
        return web.Response(status=int(rest), text="" if rest in {"204", "304"} else rest)

    async def _say_picture(self, _: web.Request, rest: str) -> web.StreamResponse:
        """A square, `rest` pixels wide."""
        text = f'<svg xmlns="http://www.w3.org/2000/svg" width="{rest}" height="{rest}"/>'
        return web.Response(text=text, content_type="image/svg+xml")

    async def _say_hangup(self, request: web.Request, _: str) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _say_ws(self, request: web.Request, _: str) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(f"echo {message.data}")
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    # --- the parent proxy -----------------------------------------------------------------

    async def _proxied(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            given = [
                f.partition(":")[2].strip()
                for f in fields
                if f.lower().startswith("proxy-authorization:")
            ]
            self.asked.append(Asked(line, given[0] if given else None))
            if line.startswith("CONNECT "):
                port = int(line.split()[1].rpartition(":")[2])
                there = await asyncio.open_connection(
                    self.address, self.http if port == 80 else self.https
                )
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                there = await asyncio.open_connection(self.address, self.http)
                there[1].write(head)
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    # A tunnel that one side has left is of no use to the tests.
    await asyncio.sleep(0)
    sink.close()
