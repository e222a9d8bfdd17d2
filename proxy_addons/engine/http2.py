"""HTTP/2 on both sides: mitmproxy's reading and writing, with back-pressure and without its pages.

In: frames of one connection. Out: HTTP events, as mitmproxy's layers have them.
Must never: take in more of a stream than its reader takes out (mitmproxy announces windows of 2 GiB
and keeps what the other side cannot take); show a page of mitmproxy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h2.config
import h2.events
import h2.exceptions
from h2.errors import ErrorCodes
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http2 import (
    Http2Client,
    Http2Connection,
    Http2Server,
    StreamState,
)
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from proxy_addons.engine.layers import BadRequest, BadRequestHook
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import OF_THE_LAYERS, Late, Wait, said
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import HoldStream

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context

type Commands[T] = layer.CommandGenerator[T]

# Bytes that a peer may send on one stream before we say that we have handed them on. With 20 ms to
# a site this allows some 400 Mbit/s for one download.
WINDOW = 1 << 20
# Ended streams of which h2 knows how they ended, so that frames which cross a reset are passed over
# and end nothing. h2 itself keeps 65,536 for each connection.
CLOSED_STREAMS = 2048
_ENDED = 128  # ended streams, at most, of which our layers still know
_FRAME_HEAD = 9  # bytes, RFC 9113 4.1
_DATA = 0  # the type of DATA frames, RFC 9113 6.1


class _Connection(BufferedH2Connection):
    """Windows and heads of a size that fits memory; what is held is not acknowledged."""

    MAX_CLOSED_STREAMS = CLOSED_STREAMS

    def __init__(self, config: h2.config.H2Configuration, options: Any) -> None:
        super().__init__(config)
        self.local_settings.initial_window_size = WINDOW
        self.local_settings.max_concurrent_streams = options.http2_streams
        self.local_settings.max_header_list_size = options.head_bytes
        self.local_settings.acknowledge()
        # h2 sets it when the peer acknowledges a change, and for it there was none.
        self.decoder.max_header_list_size = options.head_bytes
        self._head_bytes: int = options.head_bytes
        self.held: set[int] = set()
        self._unacknowledged: dict[int, int] = {}

    def receive_data(self, data: bytes) -> list[h2.events.Event]:
        """Read frames.

        Raises:
            ProtocolError: also for a frame or head that is too large before all of it has come; h2
                waits for the whole frame, up to 16 MiB, and for 64 frames of a head.
        """
        found: list[h2.events.Event] = super().receive_data(data)
        pending = self.incoming_buffer
        if int.from_bytes(pending._data[:3]) > self.max_inbound_frame_size:  # noqa: SLF001 - no other way
            msg = "a frame that is too large"
            raise h2.exceptions.FrameTooLargeError(msg)
        parts = pending._headers_buffer  # noqa: SLF001 - no other way
        if parts and sum(len(part.data) for part in parts) > self._head_bytes:
            msg = "a head that is too large"
            raise h2.exceptions.DenialOfServiceError(msg)
        return found

    def unfinished(self) -> int | None:
        """What the bytes at the end of what has come belong to.

        Returns:
            The stream of a DATA frame; 0 for any other frame, or for a head; None: no bytes.
        """
        pending = self.incoming_buffer
        begun = pending._data  # noqa: SLF001 - no other way
        if not begun and not pending._headers_buffer:  # noqa: SLF001 - no other way
            return None
        if len(begun) < _FRAME_HEAD or begun[3] != _DATA:
            return 0
        return int.from_bytes(begun[5:_FRAME_HEAD]) & 0x7FFFFFFF

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


class _Paced(Http2Connection):
    """What both sides say of the bodies that they read, to those who watch the time.

    Waits of a stream have the key (side, number of the stream on its connection).
    """

    h2_conn: _Connection

    def watch(self) -> None:
        """Begin, with windows and limits of ours."""
        self.h2_conn = _Connection(self.h2_conf, self.context.options)
        self.pace = pace_of(self.context)
        self._reading: set[int] = set()  # streams of which more of a body is to come
        self._enough = _ENDED  # streams known, at which to look for ended ones

    def handle_h2_event(self, event: h2.events.Event) -> Commands[bool]:
        """Act on a frame."""
        done = yield from super().handle_h2_event(event)
        if isinstance(event, (h2.events.RequestReceived, h2.events.ResponseReceived)):
            assert event.stream_id is not None
            self.pace.end(Wait.FIRST_BYTE, (self, event.stream_id))
            if not event.stream_ended and not _is_quiet(event):
                self._reading.add(event.stream_id)
                self.await_data(event.stream_id)
        elif isinstance(event, h2.events.DataReceived):
            self.await_data(event.stream_id)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self._reading.discard(event.stream_id)
            for what in OF_THE_LAYERS:
                self.pace.end(what, (self, event.stream_id))
        return done

    def await_data(self, stream_id: int | None) -> None:
        """From now on the next byte of a body is awaited, unless the stream is held."""
        if stream_id in self._reading and stream_id not in self.h2_conn.held:
            self.pace.begin(Wait.STREAM, (self, stream_id))

    def forget_ended(self, known: dict[int, Any]) -> list[int]:
        """Forget streams that have ended (mitmproxy keeps most of them: its issue 4456).

        Only between two lots of frames: h2 knows the end of a stream before its events are handled.

        Args:
            known: what grows with the streams of this connection, by their number.

        Returns:
            Which ones; none while there are too few to look for.
        """
        if len(known) <= self._enough:
            return []
        ended = [each for each in known if self.is_closed(each)]
        for each in ended:
            self.streams.pop(each, None)
            self._reading.discard(each)
            self.h2_conn.held.discard(each)
        # So that looking costs little for each, however many are open.
        self._enough = 2 * (len(known) - len(ended)) + _ENDED
        return ended

    def hold(self, stream_id: int, *, on: bool) -> Commands[None]:
        """Let the peer send no more on a stream for now, or let it go on."""
        if on:
            self.h2_conn.held.add(stream_id)
            self.pace.end(Wait.STREAM, (self, stream_id))
            return
        self.h2_conn.let_go(stream_id)
        self.await_data(stream_id)
        if data := self.h2_conn.data_to_send():
            yield commands.SendData(self.conn, data)

    def reset(self, late: Late) -> Commands[str | None]:
        """Give up a stream that takes too long.

        Returns:
            Why, or None where it has ended meanwhile.
        """
        assert isinstance(late.key, tuple)
        stream_id = late.key[1]
        if self.streams.pop(stream_id, None) is None or self.is_closed(stream_id):
            return None
        self._reading.discard(stream_id)
        self.h2_conn.reset_stream(stream_id, ErrorCodes.CANCEL)
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())
        return said(late.what, self.pace.limit(late.what))


class Server(_Paced, Http2Server):
    """The side of a browser: requests in, answers out."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.watch()

    def swamped(self) -> dict[int, int]:
        """Bytes that wait, by stream, where any do."""
        return {each: self.h2_conn.waiting(each) for each in self.h2_conn.stream_buffers}

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, HoldStream):
            yield from self.hold(event.stream_id, on=event.on)
            return
        if isinstance(event, Late):
            if (problem := (yield from self.reset(event))) is not None:
                assert isinstance(event.key, tuple)
                broken = RequestProtocolError(event.key[1], problem, ErrorCode.CANCEL)
                yield ReceiveHttp(broken)
            return
        if isinstance(event, ResponseProtocolError) and event.code.http_status_code() is not None:
            # The codes that have a status make mitmproxy write a page.
            event = ResponseProtocolError(event.stream_id, event.message, ErrorCode.KILL)
        yield from super()._handle_event(event)
        if isinstance(event, events.DataReceived):
            self._look_at_what_is_unfinished()
            self.forget_ended(self.streams)

    def _look_at_what_is_unfinished(self) -> None:
        unfinished = self.h2_conn.unfinished()
        if unfinished:
            self.await_data(unfinished)
        if unfinished == 0:
            self.pace.begin(Wait.HEAD)
        else:
            self.pace.end(Wait.HEAD)

    def protocol_error(
        self, message: str, error_code: int = ErrorCodes.PROTOCOL_ERROR
    ) -> Commands[None]:
        """The client broke the protocol: leave a record, and end the connection."""
        problem = "a breach of the HTTP/2 protocol"
        yield BadRequestHook(BadRequest(self.context.client, problem, can_answer=False))
        yield from super().protocol_error(message, error_code)


class Client(_Paced, Http2Client):
    """The side of a server: requests out, answers in."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.watch()
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
                yield from self.hold(ours, on=event.on)
            return
        if isinstance(event, Late):
            if (problem := (yield from self.reset(event))) is not None:
                yield from self._tell(event, problem)
            return
        if (
            isinstance(event, HttpEvent)
            and not isinstance(event, RequestHeaders)
            and event.stream_id not in self.our_stream_id
            and event.stream_id not in self.stream_queue
        ):
            return  # of a stream that has ended and been forgotten; mitmproxy would begin another
        yield from super()._handle_event(event)
        if isinstance(event, events.DataReceived):
            self.await_data(self.h2_conn.unfinished())
            for each in self.forget_ended(self.their_stream_id):
                self.our_stream_id.pop(self.their_stream_id.pop(each), None)

    def _handle_event2(self, event: events.Event) -> Commands[None]:
        yield from super()._handle_event2(event)
        if (
            isinstance(event, RequestEndOfMessage)
            and self.streams.get(event.stream_id) is StreamState.EXPECTING_HEADERS
        ):
            self.pace.begin(Wait.FIRST_BYTE, (self, event.stream_id))

    def _tell(self, late: Late, problem: str) -> Commands[None]:
        """Tell the exchange that its server has taken too long."""
        assert isinstance(late.key, tuple)
        if late.what is Wait.FIRST_BYTE:
            problem = ConnectRefused(problem, "upstream-timeout")
        theirs = self.their_stream_id[late.key[1]]
        yield ReceiveHttp(ResponseProtocolError(theirs, problem, ErrorCode.GENERIC_SERVER_ERROR))


def _is_quiet(event: h2.events.RequestReceived | h2.events.ResponseReceived) -> bool:
    """Whether an answer may well have long pauses."""
    return any(
        name == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in event.headers or ()
    )


type Side = Server | Client
