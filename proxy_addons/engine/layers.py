"""Our own protocol layers on mitmproxy's: HTTP with our failure pages, splice, refusal.

In: mitmproxy's events. Out: mitmproxy's commands, and three hooks of our own.
Must never: buffer a body that nobody reads; show a page of mitmproxy's where ours belongs; relay a
tunnel that was not spliced by a verdict.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitmproxy import flow as mitmproxy_flow
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import (
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseProtocolError,
)

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow
    from mitmproxy.proxy.context import Context

type Commands[T] = layer.CommandGenerator[T]


@dataclass
class UpstreamFailedHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """The server of an allowed request could not be reached. An addon sets `flow.response`."""

    flow: HTTPFlow


@dataclass
class SpliceEndHook(commands.StartHook):  # type: ignore[no-untyped-call] # of mitmproxy
    """A spliced tunnel has ended."""

    tunnel: Tunnel
    blocking = False


OWN_HOOKS = ("upstream_failed", "splice_end")


@dataclass(slots=True)
class Tunnel:
    """A spliced tunnel: what was relayed, and how it ended.

    Attributes:
        record: the gate's open record of it, opaque to the engine.
        bytes_up: bytes from the client.
        bytes_down: bytes from the server.
        server_ip: address connected to, or None.
        error: why it failed, or None.
    """

    record: Any
    bytes_up: int = 0
    bytes_down: int = 0
    server_ip: str | None = None
    server_port: int | None = None
    error: str | None = None


class Stream(HttpStream):
    """One HTTP exchange.

    Differs from mitmproxy's in three things: a refusal is answered before the request's body has
    come, that body is then dropped, and a server that cannot be reached gives a page of ours.
    """

    def _handle_event(self, event: events.Event) -> Commands[None]:
        yield from super()._handle_event(event)
        if (
            isinstance(event, RequestHeaders)
            and not event.end_stream
            and self.client_state == self.state_consume_request_body
            and self.flow.response is not None
        ):
            yield from self._answer_early()

    def _answer_early(self) -> Commands[None]:
        """Send the refusal while the request's body may still be coming."""
        assert self.flow.response is not None
        self.flow.response.timestamp_start = time.time()
        self.client_state = self.state_drop_request_body
        yield from self.send_response()
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def state_drop_request_body(self, event: events.Event) -> Commands[None]:
        """The answer has gone out; what still comes of the request is read and forgotten."""
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            self.flow.live = False
            yield DropStream(self.stream_id)

    def start_request_stream(self) -> Commands[None]:
        """Send the request on as its body comes."""
        if not (yield from self.make_server_connection()):
            if self.flow.response is not None and self.server_state == self.state_done:
                self.client_state = self.state_drop_request_body
                yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
            else:
                self.client_state = self.state_errored
            return
        yield SendHttp(
            RequestHeaders(self.stream_id, self.flow.request, end_stream=False),
            self.context.server,
        )
        self.client_state = self.state_stream_request_body

    def make_server_connection(self) -> Commands[bool]:
        """Get a connection to the server; where there is none, answer with a page of ours."""
        request = self.flow.request
        connection, error = yield GetHttpConnection(
            (request.host, request.port),
            request.scheme == "https",
            self.flow.server_conn.via,
            self.flow.server_conn.transport_protocol,
        )
        if not error:
            self.context.server = self.flow.server_conn = connection
            return True
        yield from self._answer_failure(error)
        return False

    # Overrides mitmproxy's, which says what it is called with.
    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> Commands[None]:
        """A peer broke off. Before the answer has begun, ours says so instead of mitmproxy's."""
        if (
            isinstance(event, ResponseProtocolError)
            and self.server_state == self.state_wait_for_response_headers
            and self.client_state in (self.state_done, self.state_stream_request_body)
        ):
            streaming = self.client_state == self.state_stream_request_body
            if (yield from self._answer_failure(event.message)) and streaming:
                self.client_state = self.state_drop_request_body
                yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
            return
        yield from super().handle_protocol_error(event)

    def _answer_failure(self, problem: str) -> Commands[bool]:
        """Answer with the page that an addon makes of the problem. False when there is none."""
        self.flow.error = mitmproxy_flow.Error(problem)  # it may carry its kind (ConnectRefused)
        self.server_state = self.state_errored
        yield UpstreamFailedHook(self.flow)
        if (yield from self.check_killed(emit_error_hook=True)):
            return False
        if self.flow.response is None:
            # No page could be made: end the exchange without passing anything.
            self.flow.error = mitmproxy_flow.Error(mitmproxy_flow.Error.KILLED_MESSAGE)
            yield from self.check_killed(emit_error_hook=True)
            return False
        self.flow.response.timestamp_start = time.time()
        yield from self.send_response()
        return True


class Http(HttpLayer):
    """mitmproxy's HTTP layer, with our `Stream` for each exchange."""

    def make_stream(self, stream_id: int) -> Commands[None]:
        """A stream begins."""
        self.streams[stream_id] = Stream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())


class Splice(layer.Layer):
    """A tunnel relayed as it is, encrypted end to end; only its bytes are counted."""

    def __init__(self, context: Context, tunnel: Tunnel) -> None:
        super().__init__(context)
        self.tunnel = tunnel
        self._over = False

    def _handle_event(self, event: events.Event) -> Commands[None]:
        client, server, tunnel = self.context.client, self.context.server, self.tunnel
        if isinstance(event, events.DataReceived):
            if self._over:
                return
            if event.connection == client:
                tunnel.bytes_up += len(event.data)
                yield commands.SendData(server, event.data)
            else:
                tunnel.bytes_down += len(event.data)
                yield commands.SendData(client, event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._closed(event)
        elif isinstance(event, events.Start):
            error = yield commands.OpenConnection(server)
            if error:
                tunnel.error = error
                yield from self._end()
                yield commands.CloseConnection(client)
            elif server.peername:
                tunnel.server_ip, tunnel.server_port = server.peername[0], server.peername[1]

    def _closed(self, event: events.ConnectionClosed) -> Commands[None]:
        client, server = self.context.client, self.context.server
        if self._over:
            return
        if (client.state | server.state) & ConnectionState.CAN_READ:
            # One side has said all it had to say; the other may still be talking.
            other = server if event.connection == client else client
            yield commands.CloseTcpConnection(other, half_close=True)
            return
        for connection in (server, client):
            if connection.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(connection)
        yield from self._end()

    def _end(self) -> Commands[None]:
        self._over = True
        yield SpliceEndHook(self.tunnel)


class Refuse(layer.Layer):
    """The end of a connection that nothing may come of: close it, read nothing more."""

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


__all__ = ["OWN_HOOKS", "Http", "Refuse", "Splice", "Stream", "Tunnel"]
