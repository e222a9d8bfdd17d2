"""What one person has open at a gateway, on every worker, and when each part of it ends.

In: a site of the force, a person. Out: seconds from the moment a change was committed.
Must never: count from later than that moment, or take a connection that failed for one that ended.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import threading
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from support.client import Client
from support.http2 import Http2
from support.procfs import holder_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.force import Force
    from support.identity import Site

PORTION = 0.005  # seconds between two looks; what is measured is at most so much too short
PATIENCE = 10.0  # seconds after which something that has not ended never will
ELSEWHERE = "example.org"  # which nothing speaks against, unless access is withdrawn
PLACES = {"spliced tunnel": "barclays.co.uk", "download that stays": "gov.uk"}
KINDS = ("spliced tunnel", "WebSocket", "download", "download over http", "HTTP/2 stream")
STAYING = ("download that stays",)
ASKING = ("request on a connection", "request in a tunnel", "new connection")
_ENDLESS = "/slow/100000"  # a line each tenth of a second


@dataclass
class Opened:
    """Something open.

    Attributes:
        kind: what.
        host: for what.
        client: by what.
        port: the client's.
        http2: over it, where that is spoken.
    """

    kind: str
    host: str
    client: Client
    port: int
    http2: Http2 | None = None


class Desk:
    """All that somebody has open at a site. An async context manager.

    Args:
        site: with its running gateway.
        force: with their ticket.
        name: theirs.

    Attributes:
        ending: what a withdrawal has to end.
        asking: connections on which is asked during the measurement.
        staying: what it must not end.
        idle: connections on which nothing is asked meanwhile.
        doubt: seconds; see `after`.
    """

    def __init__(self, site: Site, force: Force, name: str) -> None:
        self._site, self._force, self._name = site, force, name
        self._port = int(site.gateway.proxy.rpartition(":")[2])
        self._stack = AsyncExitStack()
        self.doubt = 0.0
        self.ending: list[Opened] = []
        self.asking: list[Opened] = []
        self.staying: list[Opened] = []
        self.idle: list[Opened] = []

    async def __aenter__(self) -> Self:
        for kinds, opened in (
            (KINDS, self.ending), (ASKING[:2], self.asking), (STAYING, self.staying),
            (ASKING[:2], self.idle),
        ):  # fmt: skip
            for kind in kinds:
                for worker in self._site.gateway.workers():
                    opened.append(await self._open(kind, worker))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def negotiate(self) -> str:
        """A field that proves who it is."""
        return f"Proxy-Authorization: {self._force.negotiate(self._name)}"

    async def at(self, worker: int) -> Client:
        """A connection to one worker: the kernel spreads them, and others are closed again."""
        for _ in range(200):
            client = await Client.connect(self._port)
            port = client.writer.get_extra_info("sockname")[1]
            holder = None
            while holder is None:  # until it was taken in
                holder = holder_of(self._port, port, self._site.gateway.workers())
                await asyncio.sleep(0.001)
            if holder == worker:
                self._stack.push_async_callback(_leave, client)
                return client
            await _leave(client)
        msg = f"200 connections, and none to worker {worker}"
        raise AssertionError(msg)

    async def _open(self, kind: str, worker: int) -> Opened:
        client = await self.at(worker)
        host = f"{uuid4().hex[:12]}.{PLACES.get(kind, ELSEWHERE)}"
        made = Opened(kind, host, client, client.writer.get_extra_info("sockname")[1])
        if kind in {"download over http", ASKING[0]}:
            path = _ENDLESS if kind == "download over http" else "/"
            client.send(
                f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{self.negotiate()}\r\n\r\n"
            )
            await self._begun(made)
            return made
        assert (await client.connect_to(f"{host}:443", self.negotiate())).status == 200
        spliced = kind == "spliced tunnel"
        authority = self._site.gateway.authority
        await client.start_tls(
            host,
            self._force.web.authority.file if spliced else authority,
            alpn=["h2"] if kind == "HTTP/2 stream" else ["http/1.1"],
        )
        if kind == "HTTP/2 stream":
            made.http2 = Http2(client.reader, client.writer, client=True)
            stream = made.http2.ask(_ENDLESS, host)
            await made.http2.until(lambda: made.http2 and made.http2.body[stream])
        elif kind == "WebSocket":
            key = base64.b64encode(os.urandom(16)).decode()
            client.send(
                f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
            )
            assert (await client.head()).status == 101
            client.writer.write(_text_frame(b"hello"))
            assert b"echo hello" in await client.reader.read(100)
        else:
            path = _ENDLESS if "download" in kind else "/"
            client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
            await self._begun(made)
        return made

    async def _begun(self, made: Opened) -> None:
        if "download" in made.kind:
            assert (await made.client.head()).status == 200
            assert await made.client.reader.read(10)
        else:
            assert (await made.client.answer()).status == 200

    # --- measuring ------------------------------------------------------------------------

    async def after(self, change: list[str]) -> dict[str, float]:
        """Change something by the command line; seconds until each part had ended.

        Args:
            change: arguments of `watchhouse`.

        Returns:
            The latest of each kind, of `KINDS` and `ASKING`, counted from the first moment at which
            the commit could be seen. Requests are counted until the first that is refused, on each
            worker. The commit itself was at most `doubt` seconds earlier.
        """
        committed = asyncio.Event()
        reading = [asyncio.ensure_future(_end_of(each)) for each in self.ending]
        asking = [asyncio.ensure_future(self._ask(each, committed)) for each in self.asking]
        workers = self._site.gateway.workers()
        coming = [asyncio.ensure_future(self._come_anew(each, committed)) for each in workers]
        at = await asyncio.to_thread(self._run, change, committed.set, asyncio.get_running_loop())
        found: dict[str, float] = {}
        async with asyncio.timeout(PATIENCE):
            ended = await asyncio.gather(*reading, *asking)
            found[ASKING[2]] = max(await asyncio.gather(*coming)) - at
        for each, seconds in zip((*self.ending, *self.asking), ended, strict=True):
            found[each.kind] = max(found.get(each.kind, 0.0), seconds - at)
        early = {kind: each for kind, each in found.items() if each < -self.doubt - PORTION}
        assert not early, f"before anything was committed: {early}"
        return found

    async def given_back(self) -> float:
        """Seconds from now until every worker lets a new connection through again."""
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            for worker in self._site.gateway.workers():
                while await self._try(worker) != 200:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(PORTION)
        return time.monotonic() - began

    def _run(
        self, arguments: list[str], tell: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> float:
        """Run `watchhouse`; when its change was committed, as soon as another can see that."""
        registers = self._site.registers
        before = registers.version()
        seen: list[float] = []

        def look() -> None:
            began = time.monotonic()
            while not seen:
                last, began = began, time.monotonic()
                if registers.version() != before:
                    seen.append(time.monotonic())
                    self.doubt = seen[0] - last
                    loop.call_soon_threadsafe(tell)
                time.sleep(0.001)

        looking = threading.Thread(target=look)
        looking.start()
        # The words of an operator, at the gateway's own machine.
        done = self._site.gateway.command(*arguments)
        if done.returncode:
            seen.append(0.0)
        looking.join(10)
        assert done.returncode == 0, done.stderr + done.stdout
        return seen[0]

    async def _ask(self, each: Opened, committed: asyncio.Event) -> float:
        """Ask again and again on one connection, until it is refused or the connection ends."""
        await committed.wait()
        target = "/" if each.kind == ASKING[1] else f"http://{each.host}/"
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (await each.client.get(target, f"Host: {each.host}")).status == 200:  # noqa: ASYNC110 - there is nothing to be told by
                await asyncio.sleep(PORTION)
        return time.monotonic()

    async def _come_anew(self, worker: int, committed: asyncio.Event) -> float:
        """Come anew with a fresh token, again and again, until the worker has refused."""
        await committed.wait()
        while (status := await self._try(worker)) != 403:
            assert status in {0, 200}
            await asyncio.sleep(PORTION)
        return time.monotonic()

    async def _try(self, worker: int) -> int:
        """The status of a request on a new connection; 0 if it was ended while it was asked."""
        client = await self.at(worker)
        host = f"anew.{ELSEWHERE}"
        try:
            answer = await client.get(f"http://{host}/", f"Host: {host}", self.negotiate())
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0  # the site had been asked already; the caller tries again
        return answer.status


async def _end_of(each: Opened) -> float:
    """When a connection was over for its client."""
    if each.http2 is not None:
        await each.http2.over()
    else:
        with suppress(ConnectionError, ssl.SSLError):
            while await each.client.reader.read(65536):
                pass
    return time.monotonic()


async def _leave(client: Client) -> None:
    client.close()
    with suppress(ConnectionError, OSError):
        await client.writer.wait_closed()


def _text_frame(text: bytes) -> bytes:
    """A text message of a client (RFC 6455 5.2), masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
