"""The gateway's engine without sockets, disk or time: bytes in, bytes out, in one thread.

In: what a client sends, in pieces. Out: what it got, what reached servers, the records.
Must never: stand in for gate, addons, layers, TLS or driver; only transports, the way to a server
and the log's disk are replaced.

It reaches into the worker, as the stage of the engine's tests does; with it 500 exchanges a second
can be tried, with sockets a tenth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from proxy_addons.categorisation import CategoryIndex
from proxy_addons.engine.driver import Acceptor
from proxy_addons.engine.worker import Worker
from proxy_addons.gate.gate import basis_of
from proxy_addons.gate.people import NOTHING_STANDING
from proxy_addons.settings.model import Endpoint
from support.stage import make_index, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_CLIENT = ("127.0.0.1", 50000)
_SERVER = ("192.0.2.1", 443)  # TEST-NET-1: nobody's
_TURNS = 10_000  # of the event loop for one piece; more is a loop without end


class _NoSocket:
    """There is none that could be handed on: what is relayed goes on being relayed."""

    def dup(self) -> None:
        raise OSError

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None:
        pass


class Pipe(asyncio.Transport):
    """One end of a connection whose other end is `peer`.

    Args:
        loop: runs the callbacks.
        names: peer's and own address.
        peer: called with what is written, and with None at the end.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        names: tuple[tuple[str, int], tuple[str, int]],
        peer: Callable[[bytes | None], None],
    ) -> None:
        super().__init__({"peername": names[0], "sockname": names[1], "socket": _NoSocket()})
        self._loop = loop
        self._peer = peer
        self.protocol: Any = None
        self.closed = False
        self._said_end = False
        self._paused = False
        self._waiting: list[bytes | None] = []

    def feed(self, data: bytes | None) -> None:
        """Bytes come from the peer, or None: it sends no more."""
        if self.closed:
            return
        if self._paused:
            self._waiting.append(data)
        elif data is not None:
            self.protocol.data_received(data)
        elif not self.protocol.eof_received():
            self.close()

    def lose(self) -> None:
        """The peer has vanished."""
        self.abort()

    def write(self, data: Any) -> None:
        if not self.closed:
            self._loop.call_soon(self._peer, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not self._said_end:
            self._said_end = True
            self._loop.call_soon(self._peer, None)

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.write_eof()
            self._loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return not self._paused and not self.closed

    def _deliver(self) -> None:
        while self._waiting and not self._paused:
            self.feed(self._waiting.pop(0))

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@dataclass
class Reached:
    """A server that was connected to, and all that came to it."""

    host: str
    port: int
    got: bytearray = field(default_factory=bytearray)
    ended: bool = False
    note: Any = None  # whatever the test's server keeps


class _Socket:
    """What the connector gives the driver in place of a socket."""

    family = socket.AF_INET

    def __init__(self, reached: Reached) -> None:
        self.reached = reached

    def getpeername(self) -> tuple[str, int]:
        return _SERVER

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.2", 40000)

    def setsockopt(self, *_: object) -> None:
        pass

    def setblocking(self, _: bool) -> None:
        pass

    def close(self) -> None:
        pass


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that makes pipes of those sockets."""

    gateway: Gateway

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Any, *_: Any, sock: Any = None, **__: Any
    ) -> Any:
        protocol = protocol_factory()
        pipe = self.gateway.server_pipe(sock.reached)
        pipe.protocol = protocol
        protocol.connection_made(pipe)
        return pipe, protocol


@dataclass
class Outcome:
    """What came of one client connection.

    Attributes:
        got: what the client got.
        closed: whether the gateway had closed before the client did.
        reached: the servers that were connected to.
        records: closing records, in order.
        said: errors in the operational log, and in the event loop.
    """

    got: bytes
    closed: bool
    reached: list[Reached]
    records: list[dict[str, Any]]
    said: list[str]


type Answer = Callable[[Reached, Callable[[bytes | None], None]], None]


class Gateway:
    """A worker in memory.

    Args:
        answer: called whenever a server has got something; sends what the server says.
        changes: to the default configuration, as for `support.stage`.
    """

    def __init__(self, answer: Answer, changes: Mapping[str, Any] | None = None) -> None:
        self._answer = answer
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            settings = make_settings(folder, changes)
            listener = socket.create_server(("127.0.0.1", 0))
            self.loop = _Loop()
            self.loop.gateway = self
            self.loop.set_exception_handler(self._problem)
            asyncio.set_event_loop(self.loop)
            self.worker = self.loop.run_until_complete(self._make(settings, listener))
            index = CategoryIndex.open(make_index(folder / "lists"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.worker.gate.people.standing = NOTHING_STANDING
        self.worker.gate.basis = basis_of(settings, index, [Endpoint(*listener.getsockname()[:2])])
        listener.close()
        self.records: list[dict[str, Any]] = []
        log: Any = self.worker.log
        log._writer = SimpleNamespace(healthy=True, lag=0.0, trouble=None)
        log._write = self._recorded
        connector: Any = self
        self.worker._connector = connector
        self.reached: list[Reached] = []
        self._pipes: list[Pipe] = []
        self._said: list[str] = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = self._heard  # type: ignore[method-assign]
        logging.getLogger("watchhouse").addHandler(handler)
        logging.getLogger("watchhouse").propagate = False

    async def _make(self, settings: Any, listener: socket.socket) -> Worker:
        return Worker(settings, 1, [listener])

    def _recorded(self, transaction: Any, event: str) -> None:
        if event == "transaction":
            self.records.append(transaction.record(event))

    def _heard(self, record: logging.LogRecord) -> None:
        self._said.append(
            f"{record.getMessage()} {getattr(record, 'problem', '')} {getattr(record, 'where', '')}"
        )

    def _problem(self, _: object, context: dict[str, Any]) -> None:
        self._said.append(str(context))

    # --- the way to a server --------------------------------------------------------------

    async def connect(self, host: str, port: int, *_: Any, **__: Any) -> Any:
        """What Connector.connect does: every host is there."""
        reached = Reached(host, port)
        self.reached.append(reached)
        return _Socket(reached)

    def server_pipe(self, reached: Reached) -> Pipe:
        """The connection to a server."""

        def came(data: bytes | None) -> None:
            if data is None:
                reached.ended = True
                pipe.feed(None)
                return
            reached.got += data
            self._answer(reached, pipe.feed)

        pipe = Pipe(self.loop, (_SERVER, ("192.0.2.2", 40000)), came)
        self._pipes.append(pipe)
        return pipe

    # --- one connection -------------------------------------------------------------------

    def run(self, pieces: Sequence[bytes], client: tuple[str, int] = _CLIENT) -> Outcome:
        """One client connection from its beginning to its end.

        Args:
            pieces: what the client sends; each is delivered when the last has had its effect.
            client: its address.
        """
        self.records, self.reached, self._said, self._pipes = [], [], [], []
        return self.loop.run_until_complete(self._run(pieces, client))

    async def _run(self, pieces: Sequence[bytes], client: tuple[str, int]) -> Outcome:
        got = bytearray()

        def came(data: bytes | None) -> None:
            if data is not None:
                got.extend(data)

        pipe = Pipe(self.loop, (client, ("127.0.0.1", 8080)), came)
        acceptor = Acceptor(self.worker._make_driver, client)
        pipe.protocol = acceptor
        acceptor.connection_made(pipe)
        await self._settle()
        for piece in pieces:
            pipe.feed(piece)
            await self._settle()
        closed = pipe.closed
        pipe.feed(None)
        await self._settle()
        pipe.lose()
        await self._settle()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if left:
            self._said.append(f"{len(left)} tasks are left")
        if self.worker._drivers:
            self._said.append("a driver is left")
            self.worker._drivers.clear()
        if any(not each.closed for each in self._pipes):
            self._said.append("a server's connection is left")
        if self.worker.log.open_transactions:
            self._said.append("a transaction is left open")
        return Outcome(bytes(got), closed, self.reached, self.records, self._said)

    async def _settle(self) -> None:
        """Let everything happen that can."""
        quiet = 0
        ready = self.loop._ready  # type: ignore[attr-defined]
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            quiet = 0 if ready else quiet + 1
            if quiet > 1:
                return
        msg = "the gateway does not come to rest"
        raise AssertionError(msg)
