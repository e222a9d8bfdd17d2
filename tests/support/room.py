"""A driver alone: our connection driver with a layer of the test's own, between real sockets.

In: a layer. Out: a listening port; what the hooks saw. Must never: hide what is left over.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from mitmproxy.proxy import mode_specs

from proxy_addons.engine.driver import Driver
from proxy_addons.engine.hooks import HookTable
from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.outcomes import ConnectFailed, ConnectRefused
from proxy_addons.engine.wires import Acceptor, Wire
from support.ending import end
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import Layer

    from proxy_addons.engine.egress import WayOut


class Watching:
    """An addon that notes when clients and servers come and go."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.refuse_clients = False
        self.refuse_servers = False

    def client_connected(self, client: Client) -> None:
        self.seen.append("client")
        if self.refuse_clients:
            client.error = "refused"

    def client_disconnected(self, _client: Client) -> None:
        self.seen.append("client gone")

    def server_connect(self, data: Any) -> None:
        self.seen.append("server")
        if self.refuse_servers:
            data.server.error = "refused by an addon"

    def server_disconnected(self, _data: Any) -> None:
        self.seen.append("server gone")


class Room:
    """Listens, and drives each connection with a layer.

    Args:
        layer: makes the layer of a connection.
        options: for the layers and the driver.
    """

    def __init__(self, layer: Callable[[Context], Layer], **options: Any) -> None:
        self.watching = Watching()
        self.drivers: list[Driver] = []
        self.ended: list[Driver] = []
        self.opened: list[tuple[str, int]] = []
        self.fail: ConnectRefused | Exception | None = None
        self.gate: asyncio.Event | None = None
        self.buffer = 0
        self._layer = layer
        self._options = EngineOptions(**options)
        self._mode = mode_specs.ProxyMode.parse("regular")

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.problems: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self.problems.append(context))
        self._server = await self._loop.create_server(lambda: Acceptor(self._make), "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._origins: list[asyncio.Server] = []
        self._writers: list[asyncio.StreamWriter] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            if not writer.transport.is_closing():
                reset(writer)
        await until(lambda: len(self.ended) == len(self.drivers))
        self._server.close()
        for origin in self._origins:
            end(origin)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        gc.collect()
        assert not self.problems, self.problems
        sockets = self._loop._selector.get_map()  # type: ignore[attr-defined]
        await until(lambda: len(sockets) == 1)  # the loop's own
        for driver in self.drivers:
            # A transport that was cut off takes a turn of the loop to say that it has ended.
            await until(lambda wires=driver._wires: not wires)  # type: ignore[misc]
            assert not driver._opening, "a connection was left opening"
            assert not any(each.when() and not each.cancelled() for each in driver._timers)

    def _make(self, wire: Acceptor) -> Driver:
        driver = Driver(
            peername=wire.transport.get_extra_info("peername"),
            sockname=wire.transport.get_extra_info("sockname"),
            hooks=HookTable([self.watching], self._refuse),
            options=self._options,
            mode=self._mode,
            connect=self._connect,
            first_layer=self._layer,
            on_end=self.ended.append,
        )
        self.drivers.append(driver)
        return driver

    @staticmethod
    def _refuse(_hook: str, _data: object, problem: Exception) -> None:
        raise problem

    async def _connect(self, host: str, port: int, way_out: WayOut | None) -> socket.socket:
        del way_out
        self.opened.append((host, port))
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.fail, ConnectRefused):
            raise ConnectFailed(self.fail)
        if self.fail is not None:
            raise self.fail
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        if self.buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        try:
            await self._loop.sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def client(self, buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client; `buffer` limits what its kernel takes in for it."""
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await self._loop.sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        self._writers.append(writer)
        return reader, writer

    async def origin(self, script: Any, *, buffer: int = 0) -> tuple[str, int]:
        """A server; gives its address."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(reader, writer)

        sock = socket.create_server(("127.0.0.1", 0))
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        server = await asyncio.start_server(serve, sock=sock)
        self._origins.append(server)
        name: tuple[str, int] = sock.getsockname()
        return name

    def wire_to(self, peer: str) -> Wire:
        """The wire to the `client`, or to the `server`, of the first connection."""
        driver = self.drivers[0]
        return next(
            wire
            for connection, wire in driver._wires.items()
            if (connection is driver.client) == (peer == "client")
        )


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave with a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
