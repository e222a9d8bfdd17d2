"""One HTTP exchange: mitmproxy's, with early answers, and pages of ours where it shows its own.

In: HTTP events of one stream. Out: HTTP commands and hooks.
Must never: buffer a body that nobody reads; show a page of mitmproxy's; send on a request whose
head two readers could read differently.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from mitmproxy import flow as mitmproxy_flow
from mitmproxy.http import Request
from mitmproxy.net.http import url
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HTTPMode,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

from proxy_addons.addons.heads import ASKS_FOR_US, CHALLENGE, fault_of_head
from proxy_addons.addons.requests import RECORD, SENDING
from proxy_addons.addons.words import unquoted
from proxy_addons.engine.asking import Answered
from proxy_addons.engine.http1 import UNANSWERED, size_of
from proxy_addons.engine.layers import (
    BadRequest,
    BadRequestHook,
    UpstreamFailedHook,
)
from proxy_addons.engine.pace import Late, Wait
from proxy_addons.engine.sends import Sends
from proxy_addons.engine.watches import Watches
from proxy_addons.engine.websockets import WebSocketRelay
from proxy_addons.engine.wires import HoldStream

if TYPE_CHECKING:
    from mitmproxy.http import Message


type Commands[T] = layer.CommandGenerator[T]

_UNSAFE = re.compile(rb"[\x00\r\n]")  # RFC 9110 5.5; also a folded line (RFC 9112 5.2)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1


class Stream(Sends, Watches):
    """One HTTP exchange.

    Differs from mitmproxy's in this: a refusal is answered before the request's body has come, and
    that body is dropped; a server that cannot be reached or does not answer in HTTP, and a request
    that cannot be read, give a page of ours.
    """

    _asked_again = False

    def _handle_event(self, event: events.Event) -> Commands[None]:
        if isinstance(event, Late):
            if event.what is Wait.TRICKLE and event.key is self:
                yield from self._trickle()
            return
        if isinstance(event, Answered):
            if event.command is self._waiting:
                self._waiting = None
                yield from self._then(event.reply)
            elif event.command is self._body_waits:
                self._body_waits = None
                yield from self._body_then(event.reply)
            return
        yield from super()._handle_event(event)
        if (
            isinstance(event, RequestHeaders)
            and not event.end_stream
            and self.client_state == self.state_consume_request_body
            and self.flow.response is not None
        ):
            yield from self._answer_early()
        elif (
            isinstance(event, ResponseEndOfMessage)
            and self.client_state == self.state_stream_request_body
            and self.server_state == self.state_done
        ):
            # The server has answered before it had the whole request (413, for example). mitmproxy
            # keeps the end of the answer back until the request has ended.
            self.client_state = self.state_late_request_body
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        elif (
            isinstance(event, ResponseEndOfMessage)
            and self.client_state == self.state_pour_request_body
            and self.server_state == self.state_done
        ):
            # The same, of a body that is held: it has its answer, and is not sent the rest.
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
            yield from self._not_wanted()

    def state_late_request_body(self, event: events.Event) -> Commands[None]:
        """The server has answered; what still comes of the request goes to it all the same."""
        if isinstance(event, (RequestData, RequestEndOfMessage)):
            yield SendHttp(event, self.context.server)
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            self.flow.live = False
            yield DropStream(self.stream_id)

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

    # --- heads ----------------------------------------------------------------------------

    # Overrides mitmproxy's, which says what it is called with.
    def check_invalid(self, request: bool) -> Commands[bool]:
        """Whether a head must not be acted on; then all has been done that there is to do."""
        if request:
            problem = self._over_limits(self.flow.request) or self._fault_of_request()
            if problem is not None:
                yield from self._refuse(f"not a sound request: {problem}")
            return problem is not None
        assert self.flow.response is not None
        response = self.flow.response
        problem = self._over_limits(response) or _fault_of_fields(response)
        if problem is None and response.status_code == CHALLENGE:
            problem = ASKS_FOR_US
        if problem is not None:
            yield SendHttp(
                RequestProtocolError(self.stream_id, problem, ErrorCode.CANCEL), self.context.server
            )
            self.flow.response = None
            yield from self._answer_failure(f"not a sound HTTP response: {problem}")
        return problem is not None

    def _over_limits(self, message: Message) -> str | None:
        options = self.context.options
        if len(message.headers.fields) > options.head_fields:
            return f"more than {options.head_fields} header fields"
        if isinstance(message, Request):
            address = message.data
            if len(address.path) + len(address.authority) > options.url_bytes:
                return f"an address of more than {size_of(options.url_bytes)}"
        return None

    def _fault_of_request(self) -> str | None:
        request = self.flow.request
        data = request.data
        problem = fault_of_head(data.method, data.http_version, request.headers.fields)
        if problem is not None:
            return problem
        if request.data.scheme not in {b"http", b"https", b""}:
            return "a scheme other than http and https"
        if self.mode is HTTPMode.transparent:
            if request.data.method == b"CONNECT":
                return "a tunnel inside a tunnel"
        elif not request.data.host and not _names_a_host(request.host_header or ""):
            return "no host"
        return None

    def _refuse(self, problem: str) -> Commands[None]:
        """Answer a request that cannot be read; in HTTP/1 nothing is read after it."""
        client, stream_id = self.context.client, self.stream_id
        bad = BadRequest(client, problem, self.flow.request)
        yield BadRequestHook(bad)
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        answer = bad.answer
        if answer is None:
            yield SendHttp(ResponseProtocolError(stream_id, problem, ErrorCode.KILL), client)
        else:
            yield SendHttp(ResponseHeaders(stream_id, answer, end_stream=False), client)
            if answer.raw_content:
                yield SendHttp(ResponseData(stream_id, answer.raw_content), client)
            yield SendHttp(ResponseEndOfMessage(stream_id), client)
            if not self.flow.request.is_http2 or client.alpn != b"h2":
                yield commands.CloseConnection(client)
        yield DropStream(stream_id)

    # --- the server -----------------------------------------------------------------------

    def start_request_stream(self) -> Commands[None]:
        """Send the request on as its body comes; where that is looked at, once it is known."""
        if SENDING in self.flow.metadata:
            self.client_state = self.state_hold_request_body
            return
        # What comes of it while the server is being reached would pile up here.
        yield SendHttp(HoldStream(self.stream_id, on=True), self.context.client)
        reached = yield from self.make_server_connection()
        yield SendHttp(HoldStream(self.stream_id, on=False), self.context.client)
        if reached:
            yield SendHttp(
                RequestHeaders(self.stream_id, self.flow.request, end_stream=False),
                self.context.server,
            )
            self.client_state = self.state_stream_request_body
        elif self.client_state != self.state_drop_request_body:
            self.client_state = self.state_errored

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
        if self.server_state == self.state_watch_response_body:
            self._over_with()
        if (
            isinstance(event, ResponseProtocolError)
            and self.server_state == self.state_wait_for_response_headers
            and self.client_state
            in (self.state_done, self.state_stream_request_body, self.state_pour_request_body)
        ):
            if self.client_state == self.state_pour_request_body:
                if self._body_ended:
                    self.client_state = self.state_done
                yield from self._body_failed()
            if self._may_ask_again(event.message):
                yield from self._ask_again()
            else:
                yield from self._answer_failure(event.message)
            return
        if isinstance(event, ResponseProtocolError) and (
            self.client_state in (self.state_late_request_body, self.state_drop_request_body)
        ):
            # The answer is complete: the rest of the request is of no use to anybody.
            self.client_state = self.state_drop_request_body
            return
        yield from super().handle_protocol_error(event)

    def _may_ask_again(self, problem: str) -> bool:
        """Whether the server has only closed a connection that it had kept open for long enough.

        A browser would ask again itself (RFC 9112 9.3.1), but from us it gets an answer.
        """
        request, opened = self.flow.request, self.flow.server_conn.timestamp_start
        return (
            problem == UNANSWERED
            and not self._asked_again
            and request.method in _SAFE
            and self.client_state == self.state_done
            and not request.raw_content
            and not self.flow.metadata[RECORD].bytes_up  # nobody has kept what has gone on
            and not request.trailers
            and opened is not None
            and opened < request.timestamp_start
        )

    def _ask_again(self) -> Commands[None]:
        self._asked_again = True
        if (yield from self.make_server_connection()):
            headers = RequestHeaders(self.stream_id, self.flow.request, end_stream=True)
            yield SendHttp(headers, self.context.server)
            yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _answer_failure(self, problem: str) -> Commands[None]:
        """Answer with the page that an addon makes of the problem."""
        self.flow.error = mitmproxy_flow.Error(problem)  # it may carry its kind (ConnectRefused)
        self.server_state = self.state_errored
        yield UpstreamFailedHook(self.flow)
        if self.flow.response is None:
            # No page could be made: end the exchange without passing anything.
            self.flow.error = mitmproxy_flow.Error(mitmproxy_flow.Error.KILLED_MESSAGE)
        if (yield from self.check_killed(emit_error_hook=True)):
            return
        yield from self._answer_instead()

    def _answer_instead(self) -> Commands[None]:
        """Send an answer of ours, whatever the server still sends."""
        assert self.flow.response is not None
        self.flow.response.timestamp_start = time.time()
        # In these states mitmproxy ends the answer itself; else the body is still coming.
        complete = self.client_state in (self.state_done, self.state_consume_request_body)
        if not complete:
            self.client_state = self.state_drop_request_body
        yield from self.send_response()
        if not complete:
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        # Whatever the server still sends is passed over.
        self.server_state = self.state_errored

    # --- afterwards -----------------------------------------------------------------------

    def flow_done(self) -> Commands[None]:
        """Both sides have said all they had to say; a WebSocket goes on in its own layer."""
        if self.flow.websocket is None:
            yield from super().flow_done()
            return
        self.child_layer = WebSocketRelay(self.context, self.flow)
        self._handle_event = self.passthrough  # type: ignore[method-assign] # as mitmproxy does
        yield from self.child_layer.handle_event(events.Start())
        # Only now, as data may come with it.
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


def _names_a_host(authority: str) -> bool:
    try:
        url.parse_authority(authority, check=True)
    except ValueError:
        # The request in hand is refused: it does not say where it should go.
        return False
    return True


def _fault_of_fields(message: Message) -> str | None:
    """What is wrong with a message's fields, without quoting them; None when they are sound."""
    try:
        validate_headers(message)
    except ValueError as problem:
        # The message in hand is refused by the caller.
        return unquoted(str(problem))
    if _UNSAFE.search(b"\xff".join(value for _, value in message.headers.fields)):
        return "a line break or NUL in a header field"
    return None
