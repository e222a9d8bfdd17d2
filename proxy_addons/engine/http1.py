"""HTTP/1 on both sides: mitmproxy's reading and writing, with limits, and answers of ours.

In: bytes of one connection. Out: HTTP events, as mitmproxy's layers have them.
Must never: hold a head without end in memory; show a page of mitmproxy's; end in an exception for
what a peer sent; put a peer's bytes into an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import (
    Http1Client,
    Http1Connection,
    Http1Server,
    make_body_reader,
)

from proxy_addons.engine.framing import InChunks, frame
from proxy_addons.engine.layers import BadRequest, BadRequestHook, carrier
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Late, Wait, said
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import Hold, HoldStream

if TYPE_CHECKING:
    from mitmproxy.connection import Connection
    from mitmproxy.http import Response
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layers.http._base import HttpEvent

type Commands[T] = layer.CommandGenerator[T]

# Bytes of further requests that may wait behind one that is being answered.
_PIPELINE_LIMIT = 64 * 1024
UNANSWERED = "the server closed the connection before it answered"
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101
# Where readers differ on where a line ends, or what stands around a word (RFC 9112 2.2): line feeds
# and carriage returns by themselves, and controls that some programs take for white space.
_UNCLEAR = re.compile(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REQUEST_LINE = re.compile(rb"[^ \t]+ [^ \t]+ [^ \t]+")  # RFC 9112 3: single spaces


class _Heads(ReceiveBuffer):
    """h11's buffer, which also keeps the head that was taken out last as it was sent.

    The lines that h11 makes of it do not show how they ended.
    """

    head = bytearray()

    def _extract(self, count: int) -> bytearray:
        self.head = super()._extract(count)
        return self.head


def size_of(count: int) -> str:
    """A number of bytes for people."""
    return f"{count >> 10} kB" if count % 1024 == 0 else f"{count} bytes"


def is_quiet(response: Response) -> bool:
    """Whether an answer may well have long pauses: server-sent events (WHATWG HTML 9.2)."""
    kind: str = response.headers.get("content-type", "")
    return kind.lower().startswith("text/event-stream")


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


def _too_long(head: list[bytearray] | None, buffer: ReceiveBuffer, limit: int) -> bool:
    """Whether a head, complete or still coming, is over the limit.

    Both are looked at: the limit must not depend on how the bytes were cut into pieces.
    """
    if head is None:
        return len(buffer) > limit
    return sum(map(len, head)) + 2 * len(head) > limit  # line ends are two bytes


class _Paced(Http1Connection):
    """What both sides say of the bodies that they read, to those who watch the time.

    Attributes:
        quiet: whether the body that is read may well have long pauses.
    """

    quiet = False

    def watch(self, wire: Connection) -> None:
        """Begin, with the connection on the network, by which the driver knows it."""
        self.pace = pace_of(self.context)
        self.limit: int = self.context.options.head_bytes
        self.wire = wire
        # A client that has other exchanges as well does not lose those for a slow server.
        alone = wire is self.context.client or self.context.client.alpn != b"h2"
        self.body: tuple[Wait, object] = (
            (Wait.BODY, wire) if alone else (Wait.STREAM, (self, "body"))
        )

    def read_body(self, event: events.Event) -> Commands[None]:
        """Read a body: the next byte of it is awaited from now on."""
        yield from super().read_body(event)
        if (
            self.state == self.read_body
            and self.conn.state & ConnectionState.CAN_READ
            and not self.quiet
        ):
            self.pace.begin(*self.body)
        else:
            self.pace.end(*self.body)

    def reader(self, size: int | None) -> Any:
        """Reads a body of a size; None is one in chunks."""
        reader = make_body_reader(size)
        return InChunks(reader, self.limit) if isinstance(reader, ChunkedReader) else reader


class Server(_Paced, Http1Server):
    """The side of a browser: requests in, answers out."""

    _held = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.watch(context.client)
        self.buf: _Heads = _Heads()

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
        if _too_long(head, self.buf, self.limit):
            yield from self._refuse(f"a request head of more than {size_of(self.limit)}")
            return
        if head is None:
            if len(self.buf) > 1 and self.buf.is_next_line_obviously_invalid_request_line():
                # No method begins so: TLS, or another protocol, to a port that speaks HTTP.
                yield from self._refuse("not an HTTP request")
            elif self.buf:
                self.pace.begin(Wait.HEAD)
            return
        self.pace.end(Wait.HEAD)
        self.request = None
        if _UNCLEAR.search(self.buf.head):
            yield from self._refuse("a bare line end or a control character in a request head")
            return
        if not _REQUEST_LINE.fullmatch(head[0]):
            yield from self._refuse("a request head that cannot be read")
            return
        try:
            self.request = http1.read_request_head([bytes(line) for line in head])
            size = http1.expected_http_body_size(self.request)
        except (ValueError, IndexError):
            # mitmproxy's words quote the client, who may have sent a password: ours do not.
            yield from self._refuse(
                "a request head that cannot be read"
                if self.request is None
                else "a request whose length is not clear"
            )
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.body_reader = self.reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def _refuse(self, problem: str) -> Commands[None]:
        """Answer with a page of ours, and read nothing more."""
        self.pace.end(Wait.HEAD)
        bad = BadRequest(self.context.client, problem, self.request)
        yield BadRequestHook(bad)
        if bad.answer is not None and self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.SendData(self.conn, http1.assemble_response(bad.answer))  # type: ignore[no-untyped-call] # of mitmproxy
        yield commands.CloseConnection(self.conn)
        self.state = self.done

    def make_pipe(self) -> Commands[None]:
        """What follows is not HTTP to us: a tunnel, in which TLS is now awaited, or a WebSocket."""
        assert self.request is not None
        if self.request.data.method == b"CONNECT":
            self.pace.begin(Wait.HANDSHAKE)
        yield from super().make_pipe()

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


class Client(_Paced, Http1Client):
    """The side of a server: requests out, answers in."""

    _last = False  # whether the server closes after the answer that is being read

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.watch(carrier(context))

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, Late):
            yield from self._late(event)
        else:
            yield from super()._handle_event(event)

    def send(self, event: HttpEvent) -> Commands[None]:
        """Send a request."""
        if isinstance(event, HoldStream):
            yield Hold(self.wire, (self, "body"), on=event.on)
            return
        if isinstance(event, RequestHeaders) and not event.end_stream:
            frame(event.request)
        yield from super().send(event)
        if isinstance(event, RequestEndOfMessage) and self.state == self.read_headers:
            self.pace.begin(Wait.FIRST_BYTE, (self, self.stream_id))
        elif isinstance(event, RequestProtocolError):
            self.pace.end(Wait.FIRST_BYTE, (self, self.stream_id))

    def _late(self, event: Late) -> Commands[None]:
        """The server has not answered, or not gone on, in time."""
        if (event.what, event.key) == self.body and self.state == self.read_body:
            yield from self._broken(said(event.what, self.pace.limit(event.what)))
        elif self.state == self.read_headers and event.key == (self, self.stream_id):
            problem = said(Wait.FIRST_BYTE, self.pace.limit(Wait.FIRST_BYTE))
            yield from self._broken(ConnectRefused(problem, "upstream-timeout"))

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
            if _too_long(head, self.buf, self.limit):
                yield from self._broken(f"an answer's head of more than {size_of(self.limit)}")
                return
            if head is None:
                return
            if not head:
                continue
            try:
                response = http1.read_response_head([bytes(line) for line in head])
                size = http1.expected_http_body_size(self.request, response)
                _unfold(response)
            except (ValueError, IndexError):  # IndexError: mitmproxy's, of an empty line
                yield from self._broken("an answer that is not HTTP")
                return
            if response.status_code in _INFORMATIONAL and response.status_code != _SWITCHING:
                continue  # the client was told to go on already; hints are only hints
            break
        self.response = response
        self.pace.end(Wait.FIRST_BYTE, (self, self.stream_id))
        self.quiet = is_quiet(response)
        if response.status_code != _SWITCHING:
            self._last = http1.connection_close(  # type: ignore[no-untyped-call] # of mitmproxy
                response.http_version, response.headers
            )
            _strip_hop(response)
        assert self.stream_id is not None
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response, size == 0))
        self.body_reader = self.reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands[None]:
        """A request or its answer is complete."""
        yield from super().mark_done(request=request, response=response)
        if self.state == self.read_headers and self.request is None and self._last:
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def _left(self) -> Commands[None]:
        self.pace.end(Wait.FIRST_BYTE, (self, self.stream_id))
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
        self.pace.end(Wait.FIRST_BYTE, (self, self.stream_id))
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(
            ResponseProtocolError(self.stream_id, problem, ErrorCode.GENERIC_SERVER_ERROR)
        )
