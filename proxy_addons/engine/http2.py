"""HTTP/2 on both sides: mitmproxy's reading and writing, with back-pressure and without its pages.

In: frames of one connection. Out: HTTP events, as mitmproxy's layers have them.
Must never: take in more of a stream than its reader takes out (mitmproxy announces windows of 2 GiB
and keeps what the other side cannot take); show a page of mitmproxy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestData, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Server
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from proxy_addons.engine.layers import BadRequest, BadRequestHook
from proxy_addons.engine.wires import HoldStream

if TYPE_CHECKING:
    import h2.config
    from mitmproxy.proxy import events
    from mitmproxy.proxy.context import Context

type Commands[T] = layer.CommandGenerator[T]

# Bytes that a peer may send on one stream before we say that we have handed them on. With 20 ms to
# a site this allows some 400 Mbit/s for one download.
WINDOW = 1 << 20


class _Connection(BufferedH2Connection):
    """Windows of a size that fits memory; what is held is not acknowledged."""

    def __init__(self, config: h2.config.H2Configuration) -> None:
        super().__init__(config)
        self.local_settings.initial_window_size = WINDOW
        self.local_settings.acknowledge()
        self.held: set[int] = set()
        self._unacknowledged: dict[int, int] = {}

    # h2 calls the parameters so.
    def acknowledge_received_data(self, acknowledged_size: int, stream_id: int) -> None:
        """Let the peer send as much again; later, while the stream is held."""
        if stream_id in self.held:
            size = self._unacknowledged.get(stream_id, 0) + acknowledged_size
            self._unacknowledged[stream_id] = size
        else:
            super().acknowledge_received_data(acknowledged_size, stream_id)

    def let_go(self, stream_id: int) -> None:
        """The stream is held no longer: acknowledge what was put off."""
        self.held.discard(stream_id)
        size = self._unacknowledged.pop(stream_id, 0)
        if size:
            self.acknowledge_received_data(size, stream_id)

    def waiting(self, stream_id: int) -> int:
        """Bytes that wait because the peer takes no more of a stream."""
        pieces = self.stream_buffers.get(stream_id)
        return sum(len(piece.data) for piece in pieces) if pieces else 0


class Server(Http2Server):
    """The side of a browser: requests in, answers out."""

    h2_conn: _Connection

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn = _Connection(self.h2_conf)

    def swamped(self) -> dict[int, int]:
        """Bytes that wait, by stream, where any do."""
        return {each: self.h2_conn.waiting(each) for each in self.h2_conn.stream_buffers}

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, HoldStream):
            yield from _hold(self, event.stream_id, on=event.on)
            return
        if isinstance(event, ResponseProtocolError) and event.code.http_status_code() is not None:
            # The codes that have a status make mitmproxy write a page.
            event = ResponseProtocolError(event.stream_id, event.message, ErrorCode.KILL)
        yield from super()._handle_event(event)

    def protocol_error(
        self, message: str, error_code: int = ErrorCodes.PROTOCOL_ERROR
    ) -> Commands[None]:
        """The client broke the protocol: leave a record, and end the connection."""
        yield BadRequestHook(BadRequest(self.context.client, "a breach of the HTTP/2 protocol"))
        yield from super().protocol_error(message, error_code)


class Client(Http2Client):
    """The side of a server: requests out, answers in."""

    h2_conn: _Connection

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn = _Connection(self.h2_conf)
        # As mitmproxy's own: no push, and acknowledged here lest the old settings be sent.
        self.h2_conn.local_settings.enable_push = 0
        self.h2_conn.local_settings.acknowledge()

    def swamped(self) -> dict[int, int]:
        """Bytes that wait, by the client's stream, where any do."""
        found = {
            self.their_stream_id[each]: self.h2_conn.waiting(each)
            for each in self.h2_conn.stream_buffers
            if each in self.their_stream_id
        }
        for each, queued in self.stream_queue.items():
            found[each] = sum(len(item.data) for item in queued if isinstance(item, RequestData))
        return found

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, HoldStream):
            if (ours := self.our_stream_id.get(event.stream_id)) is not None:
                yield from _hold(self, ours, on=event.on)
            return
        yield from super()._handle_event(event)


def _hold(side: Server | Client, stream_id: int, *, on: bool) -> Commands[None]:
    conn = side.h2_conn
    if on:
        conn.held.add(stream_id)
        return
    conn.let_go(stream_id)
    if data := conn.data_to_send():
        yield commands.SendData(side.conn, data)


type Side = Server | Client
