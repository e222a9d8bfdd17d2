"""One connection to a scanner: bytes to it and from it, each step in time.

In: where it is; bytes. Out: bytes; `WireError` in plain words.
Must never: wait longer than it was told to, or leave a socket open.

The standard library's streams give up what a server said when they cannot write to it any more, and
that is just how clamd says that a body is too large: it answers and hangs up. So this is made of
sockets, and an answer is read while there is still something to send.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PIECE = 128 * 1024
"""Bytes that are sent at a time, at most."""

_READ = 64 * 1024
_FULL = 0.02  # seconds between looks at a Unix socket whose queue of connections is full
UNIX = "unix:"


class WireError(Exception):
    """A scanner, or the connection to it, does not work. The message is plain words."""


class Wire:
    """A connection. Made by `reach`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sock.close()

    async def send(self, data: bytes, answer: asyncio.Future[Any], seconds: float) -> bool:
        """Send bytes, for as long as there is no answer.

        Args:
            data: what to send.
            answer: what reads (`receive`) meanwhile.
            seconds: in which the other side must take some of it.

        Returns:
            Whether all of it was sent. If not, there is an answer, or the other side has hung up
            and the answer says so.

        Raises:
            WireError: it takes nothing any more.
        """
        left = memoryview(data)
        while left and not answer.done():
            try:
                left = left[self._sock.send(left) :]
            except (BlockingIOError, InterruptedError):
                # Its buffers are full: go on when there is room, or an answer.
                await self._room(answer, seconds)
            except OSError:
                # It has hung up. What it said before that is still there to be read.
                return False
        return not left

    def hand_over(self, file: int) -> None:
        """Hand over a file that is open, by a Unix socket (SCM_RIGHTS, unix(7)).

        Raises:
            WireError: it cannot be.
        """
        try:
            socket.send_fds(self._sock, [b"\0"], [file])
        except OSError as problem:
            # The file counts as not looked at.
            msg = f"a file could not be handed over ({_said(problem)})"
            raise WireError(msg) from problem

    async def receive(self) -> bytes:
        """Some bytes; none: it has hung up.

        Raises:
            WireError: the connection is broken.
        """
        try:
            return await self._loop.sock_recv(self._sock, _READ)
        except OSError as problem:
            # Whoever asked gets no answer: what was sent counts as not looked at.
            msg = f"the connection broke ({_said(problem)})"
            raise WireError(msg) from problem

    async def _room(self, answer: asyncio.Future[Any], seconds: float) -> None:
        room: asyncio.Future[None] = self._loop.create_future()

        def go_on(*_: object) -> None:
            if not room.done():
                room.set_result(None)

        self._loop.add_writer(self._sock, go_on)
        answer.add_done_callback(go_on)
        try:
            async with asyncio.timeout(seconds):
                await room
        except TimeoutError as late:
            # It has stopped reading: what was sent counts as not looked at.
            msg = f"it took nothing for {seconds:g} s"
            raise WireError(msg) from late
        finally:
            self._loop.remove_writer(self._sock)
            answer.remove_done_callback(go_on)


@contextlib.asynccontextmanager
async def reading[T](answer: asyncio.Task[T]) -> AsyncIterator[asyncio.Task[T]]:
    """Read an answer while other things are done; at the end nobody reads any more."""
    try:
        yield answer
    finally:
        answer.cancel()
        await asyncio.wait({answer})
        if not answer.cancelled():
            answer.exception()  # looked at, so that asyncio does not report it as lost


async def answered[T](answer: asyncio.Task[T], seconds: float) -> T:
    """An answer, in time.

    Raises:
        WireError: there is none.
    """
    done, _ = await asyncio.wait({answer}, timeout=seconds)
    if not done:
        msg = f"it did not answer within {seconds:g} s"
        raise WireError(msg)
    return answer.result()


async def reach(server: str, seconds: float) -> Wire:
    """Connect to a scanner.

    Args:
        server: `unix:/path` or `host:port`.
        seconds: in which it must be there.

    Raises:
        WireError: it is not.
    """
    try:
        async with asyncio.timeout(seconds):
            if server.startswith(UNIX):
                return Wire(await _unix(server.removeprefix(UNIX)))
            host, _, port = server.rpartition(":")
            return Wire(await _tcp(host.strip("[]"), int(port)))
    except TimeoutError as late:
        # Nobody is there, or its queue is full: another server is asked, or the body counts as not
        # looked at. The same holds below.
        msg = f"it could not be reached within {seconds:g} s"
        raise WireError(msg) from late
    except OSError as problem:
        msg = f"it cannot be reached ({_said(problem)})"
        raise WireError(msg) from problem


async def _unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)  # noqa: FBT003 - takes no name
    with _closing_on_error(sock):
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:
                # Linux: the queue is full. asyncio's own `sock_connect` would take this for a
                # connection.
                await asyncio.sleep(_FULL)
            else:
                return sock


async def _tcp(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    # For an address there is nothing to look up, so that this does not wait; a name takes a thread.
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    if is_address(host):
        found = look_up(flags=socket.AI_NUMERICHOST)
    else:
        found = await loop.run_in_executor(None, look_up)
    for number, (family, kind, protocol, _, address) in enumerate(found, 1):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)  # noqa: FBT003 - takes no name
        with _closing_on_error(sock):
            try:
                await loop.sock_connect(sock, address)
            except OSError:
                # The name's next address is tried; the last one's failure is the caller's.
                sock.close()
                if number == len(found):
                    raise
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    msg = f"the name {host} has no address"
    raise OSError(msg)


@contextlib.contextmanager
def _closing_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # The end of the task too: nobody else knows of this socket.
        sock.close()
        raise


def is_address(host: str) -> bool:
    """Whether it is an address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        # A name.
        return False
    return True


def _said(problem: OSError) -> str:
    # asyncio writes messages of its own, with the address in them.
    if problem.errno is not None and problem.errno > 0:
        return os.strerror(problem.errno)
    return problem.strerror or type(problem).__name__  # of name look-ups: numbers of their own
