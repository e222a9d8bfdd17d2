"""A WebSocket that the gate has let through: frames are relayed as they come, and counted.

In: frames of both sides. Out: the same frames, and counts in the record.
Must never: collect a message (mitmproxy keeps it until it is whole, however long it gets).
"""

from __future__ import annotations

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebsocketLayer
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message

from proxy_addons.addons.requests import RECORD

type Commands[T] = layer.CommandGenerator[T]


class WebSocketRelay(WebsocketLayer):
    """mitmproxy's layer, but for messages, which it would collect."""

    def relay_messages(self, event: events.Event) -> Commands[None]:
        """Bytes or the end of one side."""
        assert isinstance(event, events.ConnectionEvent)
        from_client = event.connection == self.context.client
        source, sink = self.client_ws, self.server_ws
        if not from_client:
            source, sink = sink, source
        # None says that no more will come.
        source.receive_data(event.data if isinstance(event, events.DataReceived) else None)
        for frame in source.events():
            if isinstance(frame, CloseConnection):
                yield from self._close(frame)
                return
            if isinstance(frame, Message):
                data = frame.data.encode() if isinstance(frame.data, str) else frame.data
                self._count(len(data), from_client=from_client)
            yield sink.send2(frame)

    def _count(self, size: int, *, from_client: bool) -> None:
        record = self.flow.metadata[RECORD]
        if from_client:
            record.bytes_up = (record.bytes_up or 0) + size
        else:
            record.bytes_down = (record.bytes_down or 0) + size

    def _close(self, frame: CloseConnection) -> Commands[None]:
        for side in (self.server_ws, self.client_ws):
            if side.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
                yield side.send2(frame)
            yield commands.CloseConnection(side.conn)
        self._handle_event = self.done
        yield WebsocketEndHook(self.flow)
        self.flow.live = False
