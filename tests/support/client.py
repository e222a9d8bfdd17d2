"""A client that sends just the bytes a test wants, and reads answers strictly.

In: bytes. Out: answers. Must never: mend what the gateway sends, or wait for ever.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REPEATED = {"proxy-authenticate"}
"""Fields of which the gateway may send several; they are joined (RFC 9110 5.2)."""


@dataclass
class Reply:
    """One HTTP/1 answer."""

    status: int
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Client:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, address: str = "127.0.0.1") -> Self:
        """Connect to the gateway from a loopback address."""
        return cls(
            *await asyncio.open_connection(
                "::1" if ":" in address else "127.0.0.1", port, local_addr=(address, 0)
            )
        )

    def send(self, data: bytes | str) -> None:
        """Send bytes as they are."""
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)

    async def head(self) -> Reply:
        """Read the head of an answer."""
        async with asyncio.timeout(PATIENCE):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        headers: dict[str, str] = {}
        for each in fields:
            name, colon, value = each.partition(":")
            assert colon
            assert name.strip() == name
            before = headers.get(name.lower())
            assert before is None or name.lower() in REPEATED, f"{name} twice"
            headers[name.lower()] = (f"{before}, " if before else "") + value.strip()
        return Reply(int(status), headers)

    async def answer(self, method: str = "GET") -> Reply:
        """Read a whole answer."""
        reply = await self.head()
        async with asyncio.timeout(PATIENCE):
            if method == "HEAD" or reply.status in {101, 204, 304}:
                return reply
            if method == "CONNECT" and reply.status == 200:
                return reply
            if "chunked" in reply.headers.get("transfer-encoding", ""):
                reply.body = await self._chunks()
            elif "content-length" in reply.headers:
                reply.body = await self.reader.readexactly(int(reply.headers["content-length"]))
            else:
                reply.body = await self.reader.read()
        return reply

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return body

    async def get(self, url: str, *fields: str, method: str = "GET") -> Reply:
        """Ask for a URL (absolute: plain proxy request; path: inside a tunnel)."""
        self.send("\r\n".join([f"{method} {url} HTTP/1.1", *fields, "", ""]))
        return await self.answer(method)

    async def connect_to(self, authority: str, *fields: str) -> Reply:
        """CONNECT."""
        host = f"Host: {authority}"
        self.send("\r\n".join([f"CONNECT {authority} HTTP/1.1", host, *fields, "", ""]))
        return await self.answer("CONNECT")

    async def start_tls(
        self,
        sni: str | None,
        authority: Path,
        *,
        alpn: Sequence[str] = ("http/1.1",),
        maximum: ssl.TLSVersion | None = None,
    ) -> None:
        """TLS inside the tunnel, verified against `authority` for the name `sni`."""
        context = client_context(authority, alpn, maximum)
        context.check_hostname = sni is not None
        async with asyncio.timeout(PATIENCE):
            await self.writer.start_tls(context, server_hostname=sni)

    @property
    def certificate(self) -> ssl.SSLObject:
        """The TLS in use."""
        found: ssl.SSLObject = self.writer.get_extra_info("ssl_object")
        return found

    async def ended(self) -> bytes:
        """Read to the end of the connection; a reset is an end."""
        got = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self.reader.read(65536):
                    got += data
            except (ConnectionError, ssl.SSLError):
                pass  # the gateway cut the connection off: that is an end too
        return got

    def close(self) -> None:
        """Leave as a browser does."""
        self.writer.close()

    def reset(self) -> None:
        """Leave with a reset."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


def client_context(
    authority: Path, alpn: Sequence[str] = (), maximum: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A client's TLS that trusts just one authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if maximum is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = maximum
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def client_hello(sni: str | None, *, alpn: Sequence[str] = ("http/1.1",)) -> bytes:
    """The first flight of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    with suppress(ssl.SSLWantReadError):  # it waits for the answer, having said its hello
        tls.do_handshake()
    return outgoing.read()
