"""What is sent in the generic lane, held until all of it has been looked at.

In: HTTP events of a request's body. Out: commands and a hook: a page where it is refused; else all
of it to the server, a piece at a time, as that takes it.
Must never: send a byte of a body of which it is not known yet what is in it.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
)

from proxy_addons.addons.requests import SENDING
from proxy_addons.engine.asking import Ask
from proxy_addons.engine.kept import PIECE
from proxy_addons.engine.layers import BodyRefusedHook, carrier
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.wires import HoldStream
from proxy_addons.gate.watching import ALL, REFUSED, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mitmproxy.connection import Connection

    from proxy_addons.gate.sending import Sending

type Commands[T] = layer.CommandGenerator[T]

_UNSEEN = "what is sent could not be looked at"
_ANSWERED = "answered before all was sent"
_LOST = "what was held cannot be read any more"


class Sends(HttpStream):
    """The part of an exchange that holds what is sent."""

    _body_waits: Ask | None = None  # a body waits: for word of what is in it, a disk, a server
    _body_then: Callable[[Any], Commands[None]]
    _body_ended = False  # all of it has come
    _body_gone = 0  # bytes of what is held that the server has
    _body_rest = b""  # what came behind that
    _body_behind: list[events.Event]  # and since

    @property
    def _sending(self) -> Sending:
        sending: Sending = self.flow.metadata[SENDING]
        return sending

    def state_hold_request_body(self, event: events.Event) -> Commands[None]:
        """The request's body comes, and is held until it has been looked at."""
        if isinstance(event, RequestTrailers):
            self.flow.request.trailers = event.trailers
            return
        data = event.data if isinstance(event, RequestData) else b""
        self._body_ended = not isinstance(event, RequestData)
        if data:
            assert callable(self.flow.request.stream)
            self.flow.request.stream(data)  # it counts
        sending = self._sending
        found = sending.feed(data, last=self._body_ended)
        if found != ALL and self._body_waits is not None:
            # It waits for a disk, but is no longer waited for: this may have been its end.
            self._body_waits = None
            yield from self._room(None)
        if found == WAIT:
            yield from self._ask_of_body(sending.settle(), self._seen)
        elif found != ALL:
            self._body_rest = data
            yield from self._seen(found)
        elif sending.behind and self._body_waits is None:
            yield SendHttp(HoldStream(self.stream_id, on=True), self.context.client)
            yield from self._ask_of_body(sending.caught_up(), self._room)

    def _ask_of_body(
        self,
        answer: Coroutine[Any, Any, Any],
        then: Callable[[Any], Commands[None]],
        by: Connection | None = None,
    ) -> Commands[None]:
        """Go on with `then` when there is an answer, unless the exchange has ended by then."""
        self._body_then = then
        self._body_waits = Ask(answer, aside=True, paced=by is not None, by=by, owner=self)
        yield self._body_waits

    def _room(self, _: object) -> Commands[None]:
        """There is room for more of a body."""
        yield SendHttp(HoldStream(self.stream_id, on=False), self.context.client)

    def _seen(self, found: int) -> Commands[None]:
        """It is known whether a body may be sent on, as far as it has come."""
        if self._body_ended:
            self.client_state = self.state_done
        if found == REFUSED:
            yield from self._body_refused()
            return
        self._body_behind = []
        if not self._body_ended:
            self.client_state = self.state_pour_request_body
            yield SendHttp(HoldStream(self.stream_id, on=True), self.context.client)
        if not (yield from self.make_server_connection()):
            yield from self._body_failed()
            return
        headers = RequestHeaders(self.stream_id, self.flow.request, end_stream=not self._body_comes)
        yield SendHttp(headers, self.context.server)
        self.client_state = self.state_pour_request_body
        yield from self._pour_up()

    @property
    def _body_comes(self) -> bool:
        """Whether there is anything behind the head."""
        return bool(
            self._sending.held is not None
            or self._body_rest
            or not self._body_ended
            or self.flow.request.trailers
        )

    def _body_refused(self) -> Commands[None]:
        yield BodyRefusedHook(self.flow)
        self._body_over()
        if (yield from self.check_killed(emit_error_hook=True)):
            return
        if self.flow.response is None:
            yield from self._answer_failure(ConnectRefused(_UNSEEN, "undecided"))
        elif self._body_ended:
            self.flow.response.timestamp_start = time.time()
            yield from self.send_response()
        else:
            yield from self._answer_early()

    def state_pour_request_body(self, event: events.Event) -> Commands[None]:
        """What is held goes to the server; what comes meanwhile waits."""
        self._body_behind.append(event)  # few: the client is held meanwhile
        yield from ()

    def _pour_up(self) -> Commands[None]:
        """What is held goes to the server, a piece at a time, as it takes it; then what follows."""
        held = self._sending.held
        if held is not None and self._body_gone < held.size:
            if held.size <= len(held.beginning):
                yield from self._poured_up(held.beginning)
            else:
                piece = held.read(self._body_gone, PIECE)
                yield from self._ask_of_body(piece, self._poured_up, carrier(self.context))
            return
        if self._body_rest:
            data = RequestData(self.stream_id, self._body_rest)
            yield SendHttp(data, self.context.server)
        self._body_over()
        self.client_state = self.state_stream_request_body
        if self._body_ended:
            self._body_behind.append(RequestEndOfMessage(self.stream_id))
        else:
            yield SendHttp(HoldStream(self.stream_id, on=False), self.context.client)
        for event in self._body_behind:
            yield from self.client_state(event)

    def _poured_up(self, piece: bytes | None) -> Commands[None]:
        if self.client_state != self.state_pour_request_body:
            return  # the exchange has failed meanwhile
        if piece is None:
            self._body_over()
            problem = RequestProtocolError(self.stream_id, _LOST, ErrorCode.CANCEL)
            yield SendHttp(problem, self.context.server)
            self.client_state = self.state_done
            yield from self._answer_failure(ConnectRefused(_LOST, "upstream-failed"))
            return
        self._body_gone += len(piece)
        yield SendHttp(RequestData(self.stream_id, piece), self.context.server)
        yield from self._pour_up()

    def _not_wanted(self) -> Commands[None]:
        """The server has answered before it had all of it."""
        problem = RequestProtocolError(self.stream_id, _ANSWERED, ErrorCode.CANCEL)
        yield SendHttp(problem, self.context.server)
        yield from self._body_failed()
        if self._body_ended:
            self.client_state = self.state_done
            self.flow.live = False
            yield DropStream(self.stream_id)
        else:
            self.client_state = self.state_drop_request_body

    def _body_failed(self) -> Commands[None]:
        """The server gets no more of it."""
        self._body_over()
        if not self._body_ended:
            yield SendHttp(HoldStream(self.stream_id, on=False), self.context.client)

    def _body_over(self) -> None:
        """Nothing more is held of what is sent."""
        self._body_waits = None
        sending: Sending | None = self.flow.metadata.pop(SENDING, None)
        if sending is not None:
            sending.close()

    # --- of the exchange itself -----------------------------------------------------------

    @abstractmethod
    def state_drop_request_body(self, event: events.Event) -> Commands[None]:
        """The answer has gone out; what still comes of the request is read and forgotten."""

    @abstractmethod
    def _answer_early(self) -> Commands[None]:
        """Send the refusal while the request's body may still be coming."""

    @abstractmethod
    def _answer_failure(self, problem: str) -> Commands[None]:
        """Answer with the page that an addon makes of the problem."""
