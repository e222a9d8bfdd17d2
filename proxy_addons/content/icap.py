"""A scanner that speaks ICAP: RESPMOD, of which only the verdict is used (RFC 3507).

In: bodies. Out: `Scan`.
Must never: tell a scanner who asked for what where, or take an answer for "clean" that changes
anything, that comes too early, or that a service which does not scan could have given.

The scanner is shown an HTTP answer that holds nothing but the body and the file's name; address,
cookies and credentials of the real one are none of its business. Any service echoes a body as it
came, so a server is relied on only after it has found the EICAR test file in a zip archive.

python-icap was looked at: it takes no answer before all is sent, has no preview for streams, and
leaves the body of an answer in the connection, where it would be taken for the next answer.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import re
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from proxy_addons.content.icapwords import Head, Words
from proxy_addons.content.scan import Health, Scan
from proxy_addons.content.servers import Server, Servers, Source, of_bytes, too_large
from proxy_addons.content.wire import WireError, answered, reach, reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from proxy_addons.content.wire import Wire
    from proxy_addons.settings import content

_KEY: Final = "content.icap.largest"
_MOST_PREVIEW: Final = 1 << 20  # bytes; a server that asks for more gets no preview
_MOST_CONTINUES: Final = 3
_LONGEST_NAME: Final = 120
_THREAT = re.compile(r"(?i)threat=([^;]*)")
CHANGED: Final = "unnamed: the scanner changed the file"
BLOCKED: Final = "unnamed: the scanner answered with a page of its own"


@dataclass(frozen=True, slots=True)
class _Options:
    """What a service says of itself (RFC 3507 4.10)."""

    says: str
    preview: int | None


@dataclass(slots=True)
class _Sent:
    """What a server has been given of a body, and whether that is all."""

    digest: hashlib._Hash
    whole: bool = False


class IcapScanner:
    """A `Scanner`.

    Args:
        settings: `content.icap`, with a URL.
        clock: monotonic seconds.
    """

    def __init__(self, settings: content.Icap, clock: Callable[[], float] = time.monotonic) -> None:
        assert settings.url is not None
        self._settings = settings
        self._url = settings.url
        self._address = settings.url.removeprefix("icap://").partition("/")[0]
        self._servers = Servers([self._address], settings.connections, settings.timeout, clock)
        self._options = _Options("", None)
        self._proved: int | None = None

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        """See `Scanner.scan`."""
        largest = self._settings.largest
        if size is not None and size > largest:
            return Scan(None, scanned=False, why=too_large(_KEY))

        async def ask(server: Server, source: Source) -> Scan:
            await server.checked(lambda: self._check(server))
            return await self._respmod(source, name, size)

        return await self._servers.ask(Source(body, largest), ask, _KEY)

    async def health(self) -> tuple[Health, ...]:
        """See `Scanner.health`."""

        async def ask(server: Server) -> str:
            async with server.slot(self._settings.timeout):
                await self._check(server)
            return self._options.says

        return await self._servers.health(ask)

    async def _check(self, server: Server) -> None:
        """Ask what it does, and once, and after each failure, whether it does it.

        Raises:
            WireError: it cannot be relied on.
        """
        self._options = await self._ask_options()
        if self._proved == server.failures:
            return
        data = zipped_eicar()
        said = await self._respmod(of_bytes(data), "eicar.zip", len(data))
        if said.virus is None:
            why = f" ({said.why})" if said.why else ""
            msg = f"it does not find the EICAR test file{why}: is {self._url} a virus scanner?"
            raise WireError(msg)
        self._proved = server.failures

    async def _ask_options(self) -> _Options:
        seconds = self._settings.timeout
        async with (
            await reach(self._address, seconds) as wire,
            reading(asyncio.create_task(Words(wire.receive).head())) as answer,
        ):
            await wire.send(self._head("OPTIONS", "Encapsulated: null-body=0"), answer, seconds)
            head = await answered(answer, seconds)
        fields = head.fields
        if head.code != 200:
            msg = f"it answered OPTIONS for {self._url} with {head.code}"
            raise WireError(msg)
        if "RESPMOD" not in fields.get("methods", "").upper():
            msg = f"{self._url} does not do RESPMOD"
            raise WireError(msg)
        wanted = fields.get("preview", "")
        usable = self._settings.preview and fields.get("transfer-complete") != "*"
        preview = int(wanted) if usable and re.fullmatch(r"[0-9]{1,7}", wanted) else None
        if preview is not None and preview > _MOST_PREVIEW:
            preview = None
        names = (fields[name] for name in ("service", "service-id", "istag") if name in fields)
        return _Options(", ".join(names) or "it does not say what it is", preview)

    def _head(self, method: str, *lines: str) -> bytes:
        first = f"{method} {self._url} ICAP/1.0"
        always = (f"Host: {self._address}", "User-Agent: Watchhouse", "Connection: close")
        return "\r\n".join((first, *always, *lines, "", "")).encode("ascii")

    async def _respmod(self, source: Source, name: str, size: int | None) -> Scan:
        asked = f"GET http://scan.invalid/{quote(name[-_LONGEST_NAME:], safe='')} HTTP/1.1\r\n"
        request = (asked + "Host: scan.invalid\r\n\r\n").encode("ascii")
        length = "" if size is None else f"Content-Length: {size}\r\n"
        typed = "Content-Type: application/octet-stream\r\n"
        response = f"HTTP/1.1 200 OK\r\n{typed}{length}\r\n".encode("ascii")
        places = f"req-hdr=0, res-hdr={len(request)}, res-body={len(request) + len(response)}"
        preview = self._options.preview
        lines = ["Allow: 204", f"Encapsulated: {places}"]
        if preview is not None:
            lines.append(f"Preview: {preview}")
        head = self._head("RESPMOD", *lines) + request + response
        seconds = self._settings.timeout
        async with await reach(self._address, seconds) as wire:
            words = Words(wire.receive)
            sent = _Sent(hashlib.sha256())
            pieces = source.pieces()
            if preview is None:
                return await self._rest(wire, words, pieces, sent, head)
            first = await self._preview(wire, words, pieces, sent, head, preview)
            if isinstance(first, Scan):
                return first
            return await self._rest(wire, words, pieces, sent, first)

    async def _preview(
        self,
        wire: Wire,
        words: Words,
        pieces: AsyncIterator[bytes],
        sent: _Sent,
        head: bytes,
        preview: int,
    ) -> Scan | bytes:
        """Send the beginning (RFC 3507 4.5): what it says of that, or what is to be sent next."""
        seconds = self._settings.timeout
        held = b""
        async for piece in pieces:
            held += piece
            if len(held) > preview:
                break
        else:
            sent.whole = True
        beginning, rest = held[:preview], held[preview:]
        sent.digest.update(beginning)
        end = b"0; ieof\r\n\r\n" if sent.whole else b"0\r\n\r\n"
        if sent.whole:
            async with reading(asyncio.create_task(_final(words))) as answer:
                await wire.send(head + _chunk(beginning) + end, answer, seconds)
                return self._judged(await answered(answer, seconds), sent)
        async with reading(asyncio.create_task(words.head())) as answer:
            await wire.send(head + _chunk(beginning) + end, answer, seconds)
            first = await answered(answer, seconds)
        if first.code == 100:
            sent.digest.update(rest)
            return _chunk(rest)
        async with reading(asyncio.create_task(_verdict(words, first))) as verdict:
            return self._judged(await answered(verdict, seconds), sent)

    async def _rest(
        self, wire: Wire, words: Words, pieces: AsyncIterator[bytes], sent: _Sent, first: bytes
    ) -> Scan:
        """Send bytes, then all that is left of a body; what it says of it."""
        seconds = self._settings.timeout
        async with reading(asyncio.create_task(_final(words))) as answer:
            going = await wire.send(first, answer, seconds)
            if going:
                async for piece in pieces:
                    sent.digest.update(piece)
                    if not (going := await wire.send(_chunk(piece), answer, seconds)):
                        break
            sent.whole = going and await wire.send(b"0\r\n\r\n", answer, seconds)
            return self._judged(await answered(answer, seconds), sent)

    def _judged(self, said: _Said, sent: _Sent) -> Scan:
        if said.virus is not None:
            return Scan(said.virus, scanned=True)
        if said.why:
            return Scan(None, scanned=False, why=said.why)
        if said.echo is None:
            if sent.whole or self._settings.preview:
                return Scan(None, scanned=True)
            msg = "it said that nothing was to be changed before it had seen all"
            raise WireError(msg)
        if sent.whole and said.echo == sent.digest.digest():
            return Scan(None, scanned=True)
        return Scan(CHANGED, scanned=True)


@dataclass(frozen=True, slots=True)
class _Said:
    """A verdict.

    Attributes:
        virus: the name of what was found.
        why: it could not look.
        echo: SHA-256 of the body that came back in place of "nothing is to be changed".
    """

    virus: str | None = None
    why: str = ""
    echo: bytes | None = None


async def _final(words: Words) -> _Said:
    """The verdict, after "continue" if it says so once more.

    A server may say "100" after "ieof" too (erratum 5893): it is passed over.
    """
    for _ in range(_MOST_CONTINUES):
        head = await words.head()
        if head.code != 100:
            return await _verdict(words, head)
    msg = "it says nothing but to continue"
    raise WireError(msg)


async def _verdict(words: Words, head: Head) -> _Said:
    if (virus := _named(head)) is not None:
        return _Said(virus)
    if head.code == 204:
        return _Said()
    if head.code == 200:
        within, body = await words.encapsulated(head)
        if (virus := _named(within)) is not None:
            return _Said(virus)
        if within.code != 200:
            return _Said(BLOCKED)
        return _Said(echo=await words.digest() if body else hashlib.sha256().digest())
    if head.code in {404, 503}:
        # There is no such service, or it is overloaded: that is the server, not the body.
        msg = f"it answered with {head.code}"
        raise WireError(msg)
    return _Said(why=f"the scanner answered with {head.code}")


def _named(head: Head) -> str | None:
    """The name of a virus in a head, by the fields that scanners use; None: none is named."""
    if found := head.fields.get("x-infection-found"):
        threat = _THREAT.search(found)
        return (threat[1].strip() if threat else "") or found
    if head.code == 204:
        return None
    for name in ("x-virus-id", "x-virus-name", "x-violations-found"):
        if found := head.fields.get(name):
            return found
    return None


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def eicar() -> bytes:
    """The EICAR test file, put together here: whole, it would make a virus of this one."""
    return b"".join(
        (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE!$H+H*")
    )


@functools.cache
def zipped_eicar() -> bytes:
    """The same in an archive: a scanner that does not open those is none."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("eicar.com"), eicar())
    return made.getvalue()
