"""Spliced tunnels, the short way: bytes of one socket are written to the other, without layers.

In: a tunnel that a verdict has spliced, its two sockets, all that came before already sent on.
Out: the bytes, counted in the tunnel's record; one call when it has ended.
Must never: read faster than the other side takes; look at what passes; drop bytes of an end that
was orderly; end without saying so.

The sockets are used themselves, not asyncio's transports: these make a new bytes object for each
read and know no half-closed ends of the kind that a tunnel needs. All tunnels of a worker share one
buffer, which is empty again after each step; only what a slow side has not taken is kept.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from mitmproxy.proxy import commands

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from mitmproxy.connection import Connection, Server

    from proxy_addons.accesslog import Transaction
    from proxy_addons.engine.layers import Tunnel

# Bytes of one read. Beyond this a read gains nothing: the copying is what costs.
_READ = 256 * 1024
_room = bytearray(_READ)
_view = memoryview(_room)


class OpenToJoin(commands.OpenConnection):
    """Open a server whose socket will be joined to the client's at once.

    A transport would be made and given up again within one step. The driver may keep the connected
    socket without one. If it has, the layer sends what it has to send and asks for the `Join`,
    all before the next event; otherwise this was an `OpenConnection`.

    Attributes:
        kept: set by the driver before it answers: no transport was made.
    """

    def __init__(self, connection: Server) -> None:
        super().__init__(connection)
        self.kept = False


class Join(commands.Command):
    """A layer needs to see nothing more of a tunnel: the driver may join its sockets.

    It need not: where something is still to be sent, the layers go on, and ask again.

    Args:
        client: whose bytes go up.
        server: on the network: a parent proxy's connection where there is one.
        tunnel: what is relayed.
    """

    def __init__(self, client: Connection, server: Connection, tunnel: Tunnel) -> None:
        self.client = client
        self.server = server
        self.tunnel = tunnel


class _Way:
    """One direction.

    Attributes:
        field: of the record that counts its bytes.
        left: what was read and not yet taken.
        over: nothing more will be read.
        shut: its end has been passed on.
        reads: the loop waits for its source.
        writes: the loop waits for its sink.
    """

    __slots__ = ("field", "left", "over", "reads", "shut", "sink", "source", "writes")

    def __init__(self, source: socket.socket, sink: socket.socket, field: str) -> None:
        self.source = source
        self.sink = sink
        self.field = field
        self.left: memoryview | bytes = b""
        self.over = False
        self.shut = False
        self.reads = False
        self.writes = False


class Joined:
    """Two sockets, joined.

    Args:
        loop: the running loop.
        client: not blocking; ours from now on, as is `server`.
        server: not blocking.
        record: its counts of bytes are kept up to date.
        on_end: called once, when both sockets have been closed.

    Attributes:
        active: when a byte last passed, in the loop's time.
    """

    __slots__ = ("_loop", "_on_end", "_record", "_ways", "active")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: socket.socket,
        server: socket.socket,
        record: Transaction,
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._record = record
        self._on_end = on_end
        self.active = loop.time()
        self._ways: tuple[_Way, ...] = (
            _Way(client, server, "bytes_up"),
            _Way(server, client, "bytes_down"),
        )
        for way in self._ways:
            self._watch_source(way)

    def send_up(self, data: bytes) -> None:
        """Send the server what came before; its bytes have been counted. To be called first."""
        if self._ways and data:
            self._send(self._ways[0], memoryview(data))

    def end(self) -> None:
        """End it now, whatever is still to be sent."""
        if self._ways:
            ways, self._ways = self._ways, ()
            for way in ways:
                self._leave_source(way)
                self._leave_sink(way)
            for way in ways:
                way.source.close()
            self._on_end()

    def _read(self, way: _Way) -> None:
        try:
            count = way.source.recv_into(_room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # The side has gone without an orderly end. What it said before is still passed on.
            self._lost(way)
            return
        self.active = self._loop.time()
        if not count:
            self._leave_source(way)
            way.over = True
            self._pass_end(way)
            return
        record, field = self._record, way.field
        setattr(record, field, getattr(record, field) + count)
        self._send(way, _view[:count])

    def _send(self, way: _Way, data: memoryview) -> None:
        try:
            sent = way.sink.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.end()  # nobody is there to take it
            return
        if sent < len(data):
            # A copy: the room is for the next read. As a view it is not copied again with each
            # piece that the other side takes.
            way.left = memoryview(bytes(data[sent:]))
            self._leave_source(way)
            self._loop.add_writer(way.sink, self._write, way)
            way.writes = True

    def _write(self, way: _Way) -> None:
        try:
            sent = way.sink.send(way.left)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end()  # nobody is there to take it
            return
        self.active = self._loop.time()
        if sent < len(way.left):
            way.left = way.left[sent:]
            return
        way.left = b""
        self._leave_sink(way)
        if way.over:
            self._pass_end(way)
        else:
            self._watch_source(way)

    # The loop is told no more often than it must be: each change is a system call.

    def _watch_source(self, way: _Way) -> None:
        self._loop.add_reader(way.source, self._read, way)
        way.reads = True

    def _leave_source(self, way: _Way) -> None:
        if way.reads:
            way.reads = False
            self._loop.remove_reader(way.source)

    def _leave_sink(self, way: _Way) -> None:
        if way.writes:
            way.writes = False
            self._loop.remove_writer(way.sink)

    def _pass_end(self, way: _Way) -> None:
        """One side has said all it had to say; the other may still be talking."""
        if way.left:
            return
        way.shut = True
        if all(each.shut for each in self._ways):
            self.end()
            return
        try:
            way.sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.end()  # it has gone meanwhile

    def _lost(self, way: _Way) -> None:
        self._leave_source(way)
        if not way.left:
            self.end()
            return
        # Nobody hears the other direction any more.
        other = self._ways[1] if way is self._ways[0] else self._ways[0]
        self._leave_source(other)
        self._leave_sink(other)
        other.left = b""
        way.over = other.over = other.shut = True
