"""HTTP/1 on both sides: mitmproxy's reading and writing, with limits, and answers of ours.

In: bytes of one connection. Out: HTTP events, as mitmproxy's layers have them.
Must never: hold a head without end in memory; show a page of mitmproxy's; end in an exception for
what a peer sent; put a peer's bytes into an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from h11._readers import ChunkedReader
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server, make_body_reader

from proxy_addons.engine.layers import BadRequest, BadRequestHook, carrier
from proxy_addons.engine.wires import Hold, HoldStream

if TYPE_CHECKING:
    from h11._receivebuffer import ReceiveBuffer
    from mitmproxy.http import Response
    from mitmproxy.proxy.layers.http._base import HttpEvent

type Commands[T] = layer.CommandGenerator[T]

# Bytes of a request's or answer's head. The URL alone may have 64 KiB (urlkey/), and servers are
# known to set many cookies; browsers give up at 256 kB.
HEAD_LIMIT = 256 * 1024
# Bytes of further requests that may wait behind one that is being answered.
_PIPELINE_LIMIT = 64 * 1024
UNANSWERED = "the server closed the connection before it answered"
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101


class _ChunkedReader:
    """Reads a chunked body; passes over trailer fields, which RFC 9110 6.5.1 allows.

    mitmproxy raises for trailers in HTTP/1, and has no limit on the line of a chunk.
    """

    def __init__(self, reader: ChunkedReader) -> None:
        self._reader = reader

    def __call__(self, buffer: Any) -> Any:
        event = self._reader(buffer)
        if event is None and len(buffer) > HEAD_LIMIT:
            msg = "a chunk's head without end"
            raise h11.RemoteProtocolError(msg)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event

    def read_eof(self) -> Any:
        return self._reader.read_eof()


def _strip_hop(response: Response) -> None:
    """Take out what concerns the server's connection, not the client's (RFC 9110 7.6.1)."""
    # RFC 9112 2.3: a proxy answers in its own version.
    response.data.http_version = b"HTTP/1.1"
    headers = response.headers
    for name in ("connection", "keep-alive", "proxy-connection"):
        if name in headers:
            del headers[name]


def _unfold(response: Response) -> None:
    """Put folded fields on one line, as RFC 9112 5.2 has a proxy do."""
    fields = response.headers.fields
    if any(b"\r\n " in value for _, value in fields):
        response.headers.fields = tuple(
            (name, value.replace(b"\r\n ", b" ")) for name, value in fields
        )


def _too_long(head: list[bytearray] | None, buffer: ReceiveBuffer) -> bool:
    """Whether a head, complete or still coming, is over the limit.

    Both are looked at: the limit must not depend on how the bytes were cut into pieces.
    """
    if head is None:
        return len(buffer) > HEAD_LIMIT
    return sum(map(len, head)) + 2 * len(head) > HEAD_LIMIT  # line ends are two bytes


def _reader(size: int | None) -> Any:
    reader = make_body_reader(size)
    return _ChunkedReader(reader) if isinstance(reader, ChunkedReader) else reader


class Server(Http1Server):
    """The side of a browser: requests in, answers out."""

    _held = False

    def send(self, event: HttpEvent) -> Commands[None]:
        """Send an answer; a failure that no page of ours tells of ends the connection."""
        if isinstance(event, HoldStream):
            yield Hold(self.conn, (self, "body"), on=event.on)
            return
        if isinstance(event, ResponseHeaders):
            self._suit(event.response)
        if isinstance(event, ResponseProtocolError):
            if self.conn.state & ConnectionState.CAN_WRITE:
                yield commands.CloseConnection(self.conn)
            return
        yield from super().send(event)

    def _suit(self, response: Response) -> None:
        """A client of HTTP/1.0 knows no chunks (RFC 9112 7.1): there the connection ends it."""
        assert self.request is not None
        if (
            self.request.data.http_version == b"HTTP/1.0"
            and "transfer-encoding" in response.headers
        ):
            del response.headers["transfer-encoding"]
            response.headers["connection"] = "close"

    def read_headers(self, event: events.ConnectionEvent) -> Commands[None]:
        """Read a request's head."""
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.conn)
            return
        head = self.buf.maybe_extract_lines()
        while head is not None and not head:
            head = self.buf.maybe_extract_lines()  # RFC 9112 2.2: empty lines before a request
        if _too_long(head, self.buf):
            yield from self._refuse("a request head of more than 256 kB")
            return
        if head is None:
            if len(self.buf) > 1 and self.buf.is_next_line_obviously_invalid_request_line():
                # No method begins so: TLS, or another protocol, to a port that speaks HTTP.
                yield from self._refuse("not an HTTP request")
            return
        self.request = None
        try:
            self.request = http1.read_request_head([bytes(line) for line in head])
            size = http1.expected_http_body_size(self.request)
        except ValueError:
            # mitmproxy's words quote the client, who may have sent a password: ours do not.
            yield from self._refuse(
                "a request head that cannot be read"
                if self.request is None
                else "a request whose length is not clear"
            )
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.body_reader = _reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def _refuse(self, problem: str) -> Commands[None]:
        """Answer with a page of ours, and read nothing more."""
        bad = BadRequest(self.context.client, problem, self.request)
        yield BadRequestHook(bad)
        if bad.answer is not None and self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.SendData(self.conn, http1.assemble_response(bad.answer))  # type: ignore[no-untyped-call] # of mitmproxy
        yield commands.CloseConnection(self.conn)
        self.state = self.done

    def wait(self, event: events.Event) -> Commands[None]:
        """Keep what comes behind a request that is being answered, up to a limit."""
        if (
            isinstance(event, events.DataReceived)
            and len(self.buf) > _PIPELINE_LIMIT
            and not self._held
        ):
            self._held = True
            yield Hold(self.conn, (self, "pipeline"), on=True)
        yield from super().wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands[None]:
        """A request or its answer is complete."""
        if response and self._held:
            self._held = False
            yield Hold(self.conn, (self, "pipeline"), on=False)
        yield from super().mark_done(request=request, response=response)


class Client(Http1Client):
    """The side of a server: requests out, answers in."""

    _last = False  # whether the server closes after the answer that is being read

    def send(self, event: HttpEvent) -> Commands[None]:
        """Send a request."""
        if isinstance(event, HoldStream):
            yield Hold(carrier(self.context), (self, "body"), on=event.on)
            return
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands[None]:
        """Read an answer's head, passing over those that only announce another (1xx)."""
        if isinstance(event, events.ConnectionClosed):
            yield from self._left()
            return
        if self.request is None:
            # Nothing was asked: what comes now would be taken for the answer to the next request.
            yield commands.CloseConnection(self.conn)
            return
        while True:
            head = self.buf.maybe_extract_lines()
            if _too_long(head, self.buf):
                yield from self._broken("an answer's head of more than 256 kB")
                return
            if head is None:
                return
            if not head:
                continue
            try:
                response = http1.read_response_head([bytes(line) for line in head])
                size = http1.expected_http_body_size(self.request, response)
                _unfold(response)
            except ValueError:
                yield from self._broken("an answer that is not HTTP")
                return
            if response.status_code in _INFORMATIONAL and response.status_code != _SWITCHING:
                continue  # the client was told to go on already; hints are only hints
            break
        self.response = response
        if response.status_code != _SWITCHING:
            self._last = http1.connection_close(  # type: ignore[no-untyped-call] # of mitmproxy
                response.http_version, response.headers
            )
            _strip_hop(response)
        assert self.stream_id is not None
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response, size == 0))
        self.body_reader = _reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands[None]:
        """A request or its answer is complete."""
        yield from super().mark_done(request=request, response=response)
        if self.state == self.read_headers and self.request is None and self._last:
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def _left(self) -> Commands[None]:
        if self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.CloseConnection(self.conn)
        if self.stream_id:
            problem = (
                "the server closed the connection in the middle of its answer's head"
                if self.buf
                else UNANSWERED
            )
            yield ReceiveHttp(
                ResponseProtocolError(self.stream_id, problem, ErrorCode.GENERIC_SERVER_ERROR)
            )

    def _broken(self, problem: str) -> Commands[None]:
        assert self.stream_id is not None
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(
            ResponseProtocolError(self.stream_id, problem, ErrorCode.GENERIC_SERVER_ERROR)
        )
