"""The servers of a scanner: whose turn it is, how many bodies at a time, who is down.

In: their names, failures. Out: the servers in the order in which to try them; lines in the
operational log when one fails and when it is back.
Must never: keep a body waiting for a server that is known to be down while another is well.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from proxy_addons.content.scan import Health, Scan
from proxy_addons.content.wire import PIECE, WireError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Sequence,
    )

_AVOIDED = 5.0  # seconds for which a server that failed is tried last
_TRUSTED = 600.0  # seconds for which a check of a server holds; a failure ends it


class Source:
    """A body, for one server after the other.

    Attributes:
        body: all of it.
        largest: bytes of it that are given away.
        sent: bytes that were, to the present server.
    """

    def __init__(self, body: AsyncIterable[bytes], largest: int) -> None:
        self.largest = largest
        self.sent = 0
        self.body = body
        self._next = aiter(body)
        self._again = self._next is not body
        self._begun = False

    def rewind(self) -> bool:
        """Begin anew; False when that cannot be."""
        if self._begun and self._again:
            self._next = aiter(self.body)
            self._begun = False
        self.sent = 0
        return not self._begun

    async def pieces(self) -> AsyncIterator[bytes]:
        """Pieces of bounded size, none of them empty.

        Raises:
            TooLargeError: there is more than `largest`.
        """
        self._begun = True
        async for each in self._next:
            for start in range(0, len(each), PIECE):
                piece = each[start : start + PIECE]
                self.sent += len(piece)
                if self.sent > self.largest:
                    raise TooLargeError
                yield piece


class TooLargeError(Exception):
    """A body is larger than a scanner is given."""


def of_bytes(data: bytes) -> Source:
    """A body of one piece, all of which may be given away."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Source(pieces(), len(data))


class Server:
    """One server.

    Args:
        name: as the settings name it.
        connections: at a time.
        clock: monotonic seconds.

    Attributes:
        failures: how often it failed.
    """

    def __init__(self, name: str, connections: int, clock: Callable[[], float]) -> None:
        self.name = name
        self.failures = 0
        self._slots = asyncio.Semaphore(connections)
        self._clock = clock
        self._log = structlog.get_logger(component="scanner")
        self._failed: float | None = None
        self._checked: float | None = None
        self._checking: asyncio.Future[None] | None = None

    @property
    def avoided(self) -> bool:
        """Whether it has just failed."""
        return self._failed is not None and self._clock() < self._failed + _AVOIDED

    @property
    def busy(self) -> bool:
        """Whether somebody would have to wait."""
        return self._slots.locked()

    @contextlib.asynccontextmanager
    async def slot(self, seconds: float) -> AsyncIterator[None]:
        """One of its connections.

        Raises:
            WireError: none became free in time.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError as late:
            # The body in hand goes to another server, or counts as not looked at.
            msg = f"all connections to it were in use for {seconds:g} s"
            raise WireError(msg) from late
        try:
            yield
        finally:
            self._slots.release()

    async def checked(self, check: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have it checked, if that was not done lately; once for all who ask meanwhile.

        Raises:
            WireError: it cannot be relied on.
        """
        if self._checked is not None and self._clock() < self._checked + _TRUSTED:
            return
        if self._checking is None:
            self._checking = asyncio.ensure_future(check())
            self._checking.add_done_callback(self._done)
        await asyncio.shield(self._checking)

    def _done(self, check: asyncio.Future[None]) -> None:
        self._checking = None
        # Looked at here too: whoever asked may have gone.
        if not check.cancelled() and check.exception() is None:
            self._checked = self._clock()

    def failed(self, problem: WireError) -> None:
        """It did not do what it should."""
        if self._failed is None:
            self._log.error("scanner: a server fails", server=self.name, fault=str(problem))
        self._failed = self._clock()
        self._checked = None
        self.failures += 1

    def worked(self) -> None:
        """It did."""
        if self._failed is not None:
            self._log.warning("scanner: a server is back", server=self.name)
            self._failed = None


class Servers:
    """All servers of a scanner.

    Args:
        names: in the order in which they are preferred.
        connections: at a time to each.
        timeout: seconds to wait for a connection that is free.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        connections: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.each = tuple(Server(name, connections, clock) for name in names)
        self._timeout = timeout

    async def ask(
        self, source: Source, ask: Callable[[Server, Source], Awaitable[Scan]], key: str
    ) -> Scan:
        """Ask the first that answers.

        Args:
            source: what to have looked at.
            ask: how; it raises `WireError`.
            key: the setting that says how large a body may be.
        """
        why = ""
        # A stable sort: of those that are alike the first is preferred.
        for server in sorted(self.each, key=lambda each: (each.avoided, each.busy)):
            if not source.rewind():
                break  # some of the body is gone: no other server can look at all of it
            try:
                async with server.slot(self._timeout):
                    found = await ask(server, source)
            except WireError as problem:
                # The next server is asked; after the last one the body counts as not looked at.
                server.failed(problem)
                why = f"{server.name}: {problem}"
            except TooLargeError:
                # No fault of a server: the body counts as not looked at.
                return Scan(None, scanned=False, why=too_large(key))
            else:
                server.worked()
                return found
        return Scan(None, scanned=False, why=why)

    async def health(self, ask: Callable[[Server], Awaitable[str]]) -> tuple[Health, ...]:
        """How each is.

        Args:
            ask: what one says of itself; it raises `WireError`.
        """

        async def one(server: Server) -> Health:
            try:
                return Health(server.name, well=True, says=await ask(server))
            except WireError as problem:
                # It is told as it is.
                return Health(server.name, well=False, says=str(problem))

        return tuple(await asyncio.gather(*map(one, self.each)))


def too_large(key: str) -> str:
    """Why a body was not given to a scanner."""
    return f"it is larger than {key} allows"
