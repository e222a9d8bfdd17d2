"""A bounded load on a gateway: a few clients that ask one thing after another, and note what came.

In: a gateway's address, hosts. Out: a note of every request, with the time at which its answer was
complete. Must never: ask faster than it was told; go on after the test; mend an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PATIENCE = 30.0  # seconds; an answer that takes longer is noted as none
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Done:
    """One request that was sent.

    Attributes:
        url: of which there is no second one.
        status: of the whole answer that came; None when none did.
        at: monotonic seconds at its end.
    """

    url: str
    status: int | None
    at: float


class Load:
    """Clients in a thread of their own, for as long as the `with` lasts.

    Args:
        proxy: the gateway's `host:port`, or what gives it anew for each connection.
        hosts: asked in turn; `name` or `name:port`.
        clients: how many at a time, each with a connection that it keeps.
        pause: seconds of each client between two requests.
        address: the clients' own address.
    """

    def __init__(
        self,
        proxy: str | Callable[[], str],
        hosts: Sequence[str] = ("www.gov.uk",),
        *,
        clients: int = 4,
        pause: float = 0.01,
        address: str = "127.0.0.1",
    ) -> None:
        self._proxy = proxy if callable(proxy) else lambda: proxy
        self._hosts = itertools.cycle(hosts)
        self._clients = clients
        self._pause = pause
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.done: list[Done] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE + 5)
        assert not self._thread.is_alive(), "a client hangs"

    def counts(self) -> Counter[int | None]:
        """How often each status has come; None where no answer did."""
        return Counter(each.status for each in list(self.done))

    def answered(self, status: int = 200) -> list[Done]:
        """The requests that got a status."""
        return [each for each in list(self.done) if each.status == status]

    def wait(self, count: int, status: int | None = 200, seconds: float = 30) -> None:
        """Wait until so many more answers of a status have come."""
        wanted = self.counts()[status] + count
        until = time.monotonic() + seconds
        while self.counts()[status] < wanted:
            assert time.monotonic() < until, f"{self.counts()}: not {count} more of {status}"
            time.sleep(0.01)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            writer = None
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                host, _, port = self._proxy().rpartition(":")
                async with asyncio.timeout(_PATIENCE):
                    reader, writer = await asyncio.open_connection(
                        host, int(port), local_addr=(self._address, 0)
                    )
                await self._ask_on(reader, writer)
            if writer is not None:
                writer.close()
            await asyncio.sleep(max(self._pause, 0.02))

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = True
        while kept and not self._stop.is_set():
            host = next(self._hosts)
            url = f"http://{host}/load/{next(_numbers)}"
            status = None
            try:
                async with asyncio.timeout(_PATIENCE):
                    writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    status, kept = await _answer(reader)
            finally:
                self.done.append(Done(url, status, time.monotonic()))
            await asyncio.sleep(self._pause)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status of a whole answer, and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    if "content-length" in fields:
        await reader.readexactly(int(fields["content-length"]))
    elif "chunked" in fields.get("transfer-encoding", ""):
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        await reader.read()
        return int(first.split()[1]), False
    return int(first.split()[1]), fields.get("connection") != "close"
