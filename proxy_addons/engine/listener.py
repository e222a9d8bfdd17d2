"""A listening socket of a worker: takes connections, and turns away clients that have too many.

In: a listening socket, inherited. Out: an `Acceptor` for each connection taken.
Must never: spin, or fill the journal, when no descriptor is left for a connection; end in an
exception for what a client did.

asyncio's own server turns nobody away before it has made a transport, and in some versions of
Python goes on accepting, and logging, without a descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from proxy_addons.engine.outcomes import SPENT, where

if TYPE_CHECKING:
    import socket
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


class Listener:
    """Takes connections from one listening socket.

    Args:
        sock: listening, not blocking. It is not closed here.
        acceptor: makes the protocol of a connection from the client's address.
        admits: whether a client (address, port) may have one more connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        acceptor: Callable[[tuple[Any, ...]], Acceptor],
        admits: Callable[[str, int], bool],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._acceptor = acceptor
        self._admits = admits
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
            if not self._admits(address[0], address[1]):
                _turn_away(taken)
                continue
            # Begun at once, which spares the loop a round.
            task = asyncio.Task(self._take(taken, address), loop=self._loop, eager_start=True)
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

    async def _take(self, taken: socket.socket, address: tuple[Any, ...]) -> None:
        try:
            taken.setblocking(False)  # noqa: FBT003 - as the socket module has it
            await self._loop.connect_accepted_socket(lambda: self._acceptor(address), taken)
        except Exception as problem:  # noqa: BLE001
            # This connection ends; nothing of it has been read.
            taken.close()
            logger.error(  # noqa: TRY400 - an operator's message, not a crash
                "a connection could not be begun (%s at %s)", type(problem).__name__, where(problem)
            )


def _turn_away(taken: socket.socket) -> None:
    """End a connection without making anything for it; the client reads why, if it is quick."""
    with contextlib.suppress(OSError):  # it has gone already: that is what was wanted
        taken.setblocking(False)  # noqa: FBT003 - as the socket module has it
        taken.send(_TURNED_AWAY)
    taken.close()
