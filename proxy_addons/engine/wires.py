"""Wires: asyncio's transports of one client connection, and which of them may read just now.

In: callbacks of the event loop. Out: calls on the driver; transports that pause and go on.
Must never: hold more in memory for a slow peer than one buffer; run a layer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import HttpEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from proxy_addons.engine.driver import Driver
    from proxy_addons.engine.egress import WayOut


class Guest(Client):
    """A client, and how it came in.

    Attributes:
        secure: whether its connection to the gateway itself is by TLS: its socket then carries no
            bytes that could be passed on as they are.
        balancer: numeric address of the load balancer that named it, or None.
    """

    secure: bool = False
    balancer: str | None = None


class Host(Server):
    """A server, and the way by which it is reached.

    Attributes:
        way_out: of whose request it was made for; only requests that have the same may use it.
    """

    way_out: WayOut | None = None


class Hold(commands.Command):
    """A layer asks that nothing be read from a connection for now, or that reading go on.

    Not a ConnectionCommand, so that the layers between let it through as it is.

    Args:
        connection: whose bytes go over the network.
        reason: several may hold one connection; it reads again when all have let go.
        on: hold, or let go.
    """

    def __init__(self, connection: Connection, reason: object, *, on: bool) -> None:
        self.connection = connection
        self.reason = reason
        self.on = on


@dataclass
class HoldStream(HttpEvent):
    """The same for one HTTP exchange: HTTP/2 holds a stream alone, HTTP/1 its connection.

    Attributes:
        stream_id: the client's number of the exchange.
        on: hold, or let go.
    """

    on: bool


@dataclass
class Full(events.Event):
    """A server takes data more slowly than it comes, or has caught up.

    Told to the layers where the client has many exchanges on its connection (HTTP/2): only those
    with that server may be held, not the reading from the client.

    Attributes:
        connection: the server's, on the network.
        on: whether it is full now.
    """

    connection: Connection
    on: bool


class HalfClose(commands.Command):
    """A layer has no more to send on a connection, and goes on reading.

    mitmproxy's own CloseTcpConnection becomes a full close inside a CONNECT tunnel.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class Wire(asyncio.Protocol):
    """One transport, and the mitmproxy connection it carries."""

    __slots__ = ("connection", "driver", "ended", "pending", "transport")

    def __init__(self, driver: Driver, connection: Connection) -> None:
        self.driver = driver
        self.connection = connection
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # set when made
        self.pending: list[bytes] = []
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self.transport = transport  # type: ignore[assignment] # TCP transports are Transports

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.driver.received(self.connection, data)

    def eof_received(self) -> bool:
        """The peer sends no more. True keeps our side open, as HTTP allows."""
        self.ended = True
        self.connection.state &= ~ConnectionState.CAN_READ
        self.driver.peer_closed(self.connection)
        return bool(self.connection.state & ConnectionState.CAN_WRITE)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport has ended, on whichever side's wish."""
        del exc  # a reset and an orderly end mean the same to the layers
        self.connection.state = ConnectionState.CLOSED
        self.driver.lost(self)

    @property
    def idle(self) -> bool:
        """Whether the peer may still speak, and has taken all that was for it."""
        transport = self.transport
        return not (
            self.ended
            or self.pending
            or transport.is_closing()
            or transport.get_write_buffer_size()
            or self.connection.state is not ConnectionState.OPEN
        )

    def leave(self) -> None:
        """Give up the transport, whose socket somebody else goes on using (a copy of it)."""
        self.transport.set_protocol(asyncio.Protocol())
        self.transport.abort()

    def pause_writing(self) -> None:
        """The peer takes data more slowly than it comes."""
        self.driver.writer_full(self)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.driver.writer_drained(self)


class Acceptor(Wire):
    """The wire of a client connection; makes its driver when the connection is there.

    Args:
        make_driver: called with the connected transport; returns the driver that takes over.
        peername: the client's address. The transport does not know that of a client that has left,
            or that is behind a load balancer.
        secure: whether the transport is one of TLS.
        balancer: numeric address of the load balancer that named the client, or None.
    """

    __slots__ = ("balancer", "make_driver", "peername", "secure")

    def __init__(
        self,
        make_driver: Callable[[Acceptor], Driver],
        peername: tuple[Any, ...] = (),
        *,
        secure: bool = False,
        balancer: str | None = None,
    ) -> None:
        self.make_driver = make_driver
        self.peername = peername
        self.secure = secure
        self.balancer = balancer
        self.pending = []
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there: make its driver and begin."""
        super().connection_made(transport)
        self.driver = self.make_driver(self)
        self.connection = self.driver.client
        self.driver.start(self)


class ServerWire(Wire):
    """The wire of a server connection; gives its place back, once, when it ends."""

    __slots__ = ("limit",)

    def __init__(self, driver: Driver, connection: Connection, limit: asyncio.Semaphore) -> None:
        super().__init__(driver, connection)
        self.limit: asyncio.Semaphore | None = limit

    def give_place_back(self) -> None:
        """Let the next connection to this server be opened."""
        if self.limit is not None:
            self.limit.release()
            self.limit = None

    def leave(self) -> None:
        """Give up the transport, and the place: a tunnel stands for its client alone."""
        self.give_place_back()
        super().leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport has ended."""
        self.give_place_back()
        super().connection_lost(exc)


class Pressure:
    """Which wires of one client connection may read.

    A client that takes its data slowly stops the reading from servers; a server that does stops
    the reading from the client. Beside that, layers hold connections (`Hold`).
    """

    __slots__ = ("_full", "_held")

    def __init__(self) -> None:
        self._full: set[Wire] = set()
        self._held: dict[Connection, set[object]] = {}

    def __bool__(self) -> bool:
        """Whether anything is not being read just now."""
        return bool(self._full or self._held)

    def full(self, wire: Wire) -> None:
        """The wire's peer takes data more slowly than it comes."""
        self._full.add(wire)

    def drained(self, wire: Wire) -> None:
        """It has caught up, or it has gone."""
        self._full.discard(wire)

    def hold(self, command: Hold) -> None:
        """A layer holds a connection, or lets it go."""
        reasons = self._held.setdefault(command.connection, set())
        if command.on:
            reasons.add(command.reason)
        else:
            reasons.discard(command.reason)
        if not reasons:
            del self._held[command.connection]

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""
        self._held.pop(connection, None)

    def settle(self, wires: Collection[Wire], client: Connection) -> None:
        """Pause and resume the transports as it now has to be."""
        client_full = bool(self._full) and any(wire.connection is client for wire in self._full)
        server_full = len(self._full) > client_full
        for wire in wires:
            if wire.ended or wire.transport.is_closing():
                continue  # asyncio would read the end of the stream a second time
            waits = server_full if wire.connection is client else client_full
            if waits or wire.connection in self._held:
                wire.transport.pause_reading()
            else:
                wire.transport.resume_reading()
