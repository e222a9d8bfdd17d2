"""A listening socket of a worker: takes connections, and turns away clients that have too many.

In: a listening socket, inherited; what comes before requests there (`Entry`). Out: an `Acceptor`
for each connection taken, behind its load balancer's header and its TLS handshake.
Must never: spin, or fill the journal, when no descriptor is left for a connection; end in an
exception for what a client did; take a balancer's word from anybody who is none; count a balancer
as the client that it speaks for.

asyncio's own server turns nobody away before it has made a transport, and in some versions of
Python goes on accepting, and logging, without a descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy_addons.engine.outcomes import SPENT, where
from proxy_addons.engine.proxyprotocol import HeaderError, read_header
from proxy_addons.engine.secure import LATE, LEFT, Secure
from proxy_addons.gate import metrics

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from proxy_addons.engine.wires import Acceptor

logger = logging.getLogger("watchhouse.engine")

_AT_ONCE = 64  # connections taken before others get their turn
_PAUSE = 1.0  # seconds without a descriptor for a connection before it is tried again
# What a client that is turned away may get to read, before it has said what it wants.
_TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 42\r\n\r\n"
    b"Too many connections from this computer.\r\n"
)


_QUIET = 60.0  # seconds between two lines on the same kind of unusable connection


class Caller(NamedTuple):
    """Who a connection is from.

    Attributes:
        address: of the client: numeric, and its port.
        secure: whether it is by TLS.
        balancer: numeric address of the load balancer that named the client, or None.
    """

    address: tuple[Any, ...]
    secure: bool = False
    balancer: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What comes before the first request on a connection.

    Attributes:
        tls: gives the TLS to show, as it is in force; None: connections are in the clear.
        within: gives the seconds for a balancer's header, and again for a handshake.
        is_balancer: whether connections from an address must begin with a balancer's header.
        hold: told that a client's handshake begins (1) or is over (-1), so that it counts
            among the client's connections.
    """

    tls: Callable[[], ssl.SSLContext] | None = None
    within: Callable[[], float] = lambda: 15.0
    is_balancer: Callable[[str], bool] = lambda _: False
    hold: Callable[[str, int], None] = lambda *_: None


class Listener:
    """Takes connections from one listening socket.

    Args:
        sock: listening, not blocking. It is not closed here.
        acceptor: makes the protocol of a connection.
        admits: whether a client (address, port) may have one more connection.
        entry: what comes before the first request.
    """

    def __init__(
        self,
        sock: socket.socket,
        acceptor: Callable[[Caller], Acceptor],
        admits: Callable[[str, int], bool],
        entry: Entry | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._acceptor = acceptor
        self._admits = admits
        self._entry = entry or Entry()
        self._complaints: dict[str, tuple[float, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._serving = True
        self._loop.add_reader(sock, self._accept)

    def is_serving(self) -> bool:
        """Whether it has not been closed."""
        return self._serving

    def close(self) -> None:
        """Take no more; what has been taken goes on."""
        if not self._serving:
            return
        self._serving = False
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._sock)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                taken, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # nobody waits, or whoever did has gone
            except OSError as problem:
                # The connection stays in the kernel's queue until it is tried again.
                self._pause(problem)
                return
            balancer = self._entry.is_balancer(address[0])
            if not balancer and not self._admits(address[0], address[1]):
                self._turn_away(taken)
                continue
            # Begun at once, which spares the loop a round.
            take = self._take(taken, address, balancer=balancer)
            task = asyncio.Task(take, loop=self._loop, eager_start=True)
            if not task.done():
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _pause(self, problem: OSError) -> None:
        if problem.errno in SPENT:
            # Once a second at most: the pause is as long.
            logger.error("no connection can be taken for now: %s", problem.strerror)
        else:
            logger.error("a connection could not be taken: %s", problem.strerror)
        self._loop.remove_reader(self._sock)
        self._retry = self._loop.call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._retry = None
        self._loop.add_reader(self._sock, self._accept)

    async def _take(
        self, taken: socket.socket, address: tuple[Any, ...], *, balancer: bool
    ) -> None:
        try:
            taken.setblocking(False)  # noqa: FBT003 - as the socket module has it
            caller: Caller | None = Caller(address, self._entry.tls is not None)
            if balancer:
                caller = await self._introduced(taken, address)
            if caller is not None:
                await self._begin(taken, caller)
        except Exception as problem:  # noqa: BLE001 - this connection ends
            # This connection ends; nothing of it has been read.
            taken.close()
            logger.error(
                "a connection could not be begun (%s at %s)", type(problem).__name__, where(problem)
            )

    async def _introduced(self, taken: socket.socket, address: tuple[Any, ...]) -> Caller | None:
        """Whom a load balancer says that it speaks for; None: the connection has been closed."""
        try:
            async with asyncio.timeout(self._entry.within()):
                said = await read_header(taken)
        except TimeoutError:
            self._complain("proxy-header-late", address[0], "no PROXY protocol header in time")
        except HeaderError as problem:
            self._complain("proxy-header", address[0], str(problem))
        except (EOFError, OSError):
            pass  # it came and went, as the simplest checks of a balancer do
        else:
            secure = self._entry.tls is not None
            if said is None:
                return Caller(address, secure)  # a check by the balancer itself
            if self._admits(*said):
                return Caller(said, secure, address[0])
            self._turn_away(taken)
            return None
        # Closed, and nothing answered: who speaks there is not known.
        taken.close()
        return None

    async def _begin(self, taken: socket.socket, caller: Caller) -> None:
        tls, client = self._entry.tls, caller.address[0]
        if tls is None:
            await self._loop.connect_accepted_socket(lambda: self._acceptor(caller), taken)
            return

        def over(why: str | None) -> None:
            self._entry.hold(client, -1)
            if why is not None:
                kind = {LATE: "tls-late", LEFT: "tls-left"}.get(why, "tls")
                self._complain(kind, client, f"TLS: {why}", quiet=why == LEFT)

        protocol = Secure(tls(), self._entry.within(), lambda: self._acceptor(caller), over)
        self._entry.hold(client, 1)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, taken)
        except BaseException:
            protocol.connection_lost(None)  # it was never there
            raise

    def _complain(self, kind: str, address: str, why: str, *, quiet: bool = False) -> None:
        """Count a connection that nothing came of; say so at most once a minute for each kind."""
        metrics.count_unusable(kind)
        if quiet:
            return
        now = time.monotonic()
        last, more = self._complaints.get(kind, (-_QUIET, 0))
        if now - last < _QUIET:
            self._complaints[kind] = (last, more + 1)
            return
        self._complaints[kind] = (now, 0)
        others = f" ({more} more like it before)" if more else ""
        logger.warning("a connection from %s was of no use: %s%s", address, why, others)

    def _turn_away(self, taken: socket.socket) -> None:
        """End a connection without making anything for it; the client reads why, if it is quick.

        Inside TLS it cannot be told without a handshake, which is what there is too much of.
        """
        if self._entry.tls is None:
            with contextlib.suppress(OSError):  # it has gone already: that is what was wanted
                taken.setblocking(False)  # noqa: FBT003 - as the socket module has it
                taken.send(_TURNED_AWAY)
        taken.close()
