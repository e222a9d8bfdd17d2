"""What comes back in the generic lane, kept back until it has been looked at.

In: HTTP events of an answer. Out: commands and a hook: what may go out of it, when it may; a page,
or a broken transfer, where it is refused.
Must never: let go of more than may go; leave a client without a byte for longer than it waits.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from proxy_addons.addons.requests import RECORD, WATCH, WRITTEN
from proxy_addons.engine.asking import Ask
from proxy_addons.engine.kept import PIECE, Kept, few_of
from proxy_addons.engine.layers import BodyRefusedHook
from proxy_addons.engine.outcomes import CUT_OFF, ConnectRefused
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import HoldStream
from proxy_addons.gate.answerhead import answer_head_of
from proxy_addons.gate.watching import AGAIN, ALL, DONE, REFUSED, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mitmproxy.http import Response

    from proxy_addons.gate.watching import Watch

type Commands[T] = layer.CommandGenerator[T]

_MOST_HELD = 16 * 1024 * 1024  # bytes of an answer to a client that could not tell it was cut off
_MOST_PASSED_OVER = 1024 * 1024  # bytes of an answer that is read and not wanted


class Watches(HttpStream):
    """The part of an exchange that keeps answers back."""

    _watch: Watch | None = None
    _kept: Kept
    _sent_head = False
    _came = _gone = _keep = 0  # bytes of a watched answer that came, and that went; to be kept
    _data = b""  # what came last of it
    _ended = False  # all of it has come
    _whole = False  # all of it has to be looked at
    _waiting: Ask | None = None  # an answer waits: for word of what is in it, for a disk
    _then: Callable[[Any], Commands[None]]
    _behind: list[events.Event]  # what has come since

    # Overrides mitmproxy's, which says what it is called with.
    def start_response_stream(self) -> Commands[None]:
        """Pass the answer on as it comes; where it is watched, no sooner than it may go."""
        watch: Watch | None = self.flow.metadata.get(WATCH)
        response = self.flow.response
        assert response is not None
        if watch is None:
            yield from super().start_response_stream()
            return
        size = expected_http_body_size(self.flow.request, response)
        length = size if size is not None and size >= 0 else None
        keep = watch.begin(answer_head_of(response.status_code, response.headers.fields, length))
        if keep == DONE:
            yield from super().start_response_stream()
            return
        self._watch, self._kept = watch, Kept()
        self._came, self._behind, self._whole = 0, [], False
        if keep in {REFUSED, AGAIN}:
            yield from self._not_on(keep)
            return
        if length is None and self.flow.request.http_version == "HTTP/1.1":
            # So the client can tell that it has all of it, and that it has not where it is cut off.
            response.headers["transfer-encoding"] = "chunked"
        self.server_state = self.state_watch_response_body

    def state_watch_response_body(self, event: events.Event) -> Commands[None]:
        """The answer's body comes, and is looked at."""
        response, watch = self.flow.response, self._watch
        assert response is not None
        assert watch is not None
        if isinstance(event, ResponseTrailers):
            response.trailers = event.trailers
            return
        if self._waiting is not None:
            self._behind.append(event)  # few: the server is held meanwhile
            return
        self._take(event, response, watch)
        keep = watch.feed(self._data, last=self._ended)
        if keep in {REFUSED, AGAIN}:
            yield from self._not_on(keep, done=self._ended)
            return
        if watch.held is not None:
            if not self._whole:
                self._gone, self._kept, self._whole = self._kept.gone, Kept(), True
            yield from self._held_back(watch, keep)
            return
        if keep != DONE and self._must_be_held_whole(response):
            keep = ALL
            if self._kept.size > _MOST_HELD:
                yield from self._give_up("more than can be looked at for a client of HTTP/1.0")
                return
        yield from self._let_go(keep)
        if keep == DONE:
            self.server_state = self.state_stream_response_body
            if not isinstance(event, ResponseData):
                yield from self.state_stream_response_body(event)

    def _take(self, event: events.Event, response: Response, watch: Watch) -> None:
        self._data = data = event.data if isinstance(event, ResponseData) else b""
        self._ended = not isinstance(event, ResponseData)
        if data:
            assert callable(response.stream)
            response.stream(data)  # it counts
            self._came += len(data)
            if watch.held is None:
                self._kept.put(data, len(data))

    def _held_back(self, watch: Watch, keep: int) -> Commands[None]:
        """What has come is in the watch's hands: wait for more, for its word, or give it out."""
        pace, response = pace_of(self.context), self.flow.response
        assert response is not None
        if (
            self.context.options.trickle_after
            and not pace.waits(Wait.TRICKLE, self)
            and not self._must_be_held_whole(response)
        ):
            pace.begin(Wait.TRICKLE, self)
        if keep == WAIT:
            yield from self._ask(watch.settle(), self._settled)
        elif keep == ALL:
            if watch.behind:
                yield from self._hold_server(on=True)
                yield from self._ask(watch.caught_up(), self._caught_up)
        elif keep != DONE and self._must_be_held_whole(response):
            self._over_with()
            yield from self._give_up("more than can be looked at for a client of HTTP/1.0")
        else:
            self._keep = keep
            yield from self._hold_server(on=True)
            yield from self._pour()

    def _hold_server(self, *, on: bool) -> Commands[None]:
        if not self._ended:
            yield SendHttp(HoldStream(self.stream_id, on=on), self.context.server)

    def _ask(
        self,
        answer: Coroutine[Any, Any, Any],
        then: Callable[[Any], Commands[None]],
        *,
        paced: bool = False,
    ) -> Commands[None]:
        """Go on with `then` when there is an answer, unless the exchange has ended by then."""
        self._then = then
        self._waiting = Ask(answer, aside=True, paced=paced, owner=self)
        yield self._waiting

    def _go_on(self) -> Commands[None]:
        """Take up what has come meanwhile."""
        while self._behind and self._waiting is None:
            yield from self.server_state(self._behind.pop(0))

    def _caught_up(self, _: object) -> Commands[None]:
        """There is room for more of an answer."""
        yield from self._hold_server(on=False)
        yield from self._go_on()

    def _settled(self, found: int) -> Commands[None]:
        """It is known what is in an answer."""
        if found == REFUSED:
            yield from self._not_on(found, done=True)
            return
        self._keep = DONE
        yield from self._pour()

    def _trickle(self) -> Commands[None]:
        """The client has waited for long: it gets some bytes, so that it goes on waiting."""
        watch = self._watch
        if watch is None or watch.held is None:
            return
        pace_of(self.context).begin(Wait.TRICKLE, self)
        yield from self._give(few_of(watch.held, self._gone, self.context.options.trickle_bytes))

    def _give(self, data: bytes) -> Commands[None]:
        """Something of what is held goes out, behind the head."""
        yield from self._send_head()
        if data:
            self._gone += len(data)
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def _pour(self) -> Commands[None]:
        """What is held goes out, a piece at a time, as the client takes it."""
        pace_of(self.context).end(Wait.TRICKLE, self)
        watch = self._watch
        assert watch is not None
        assert watch.held is not None
        if self._gone < watch.held.size:
            piece = watch.held.read(self._gone, PIECE)
            yield from self._ask(piece, self._poured, paced=True)
            return
        # What came last may have had no room among what was held.
        rest = self._data[len(self._data) - (self._came - watch.held.size) :]
        watch.let_go()
        yield from self._send_head()
        if rest:
            self._kept.put(rest, len(rest))
        yield from self._let_go(self._keep)
        if self._keep == DONE:
            self._watch = None
            self.server_state = self.state_stream_response_body
            if self._ended:
                yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))
                return
        yield from self._hold_server(on=False)
        yield from self._go_on()

    def _poured(self, piece: bytes | None) -> Commands[None]:
        if piece is None:
            self._over_with()
            problem = "what was kept back cannot be read any more"
            if self._sent_head:
                broken = ResponseProtocolError(self.stream_id, problem, ErrorCode.KILL)
                yield from super().handle_protocol_error(broken)
            else:
                yield from self._give_up(problem)
            return
        yield from self._give(piece)
        yield from self._pour()

    def _over_with(self) -> None:
        """Nothing more goes out of an answer that was watched."""
        self._waiting = None
        self._behind = []
        pace_of(self.context).end(Wait.TRICKLE, self)
        if self._watch is not None:
            self._watch.let_go()

    def _must_be_held_whole(self, response: Response) -> bool:
        """Whether the client could not tell a broken transfer from a whole one (HTTP/1.0)."""
        version = self.flow.request.http_version
        return version == "HTTP/1.0" and "content-length" not in response.headers

    def _give_up(self, problem: str) -> Commands[None]:
        yield SendHttp(
            RequestProtocolError(self.stream_id, problem, ErrorCode.CANCEL), self.context.server
        )
        yield from self._answer_failure(ConnectRefused(problem, "upstream-response"))

    def _let_go(self, keep: int) -> Commands[None]:
        data = self._kept.let_go(keep)
        if data or keep == DONE:
            yield from self._send_head()
        if data:
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def _send_head(self) -> Commands[None]:
        if self._sent_head:
            return
        self._sent_head = True
        assert self.flow.response is not None
        yield SendHttp(
            ResponseHeaders(self.stream_id, self.flow.response, end_stream=False),
            self.context.client,
        )

    def _not_on(self, found: int, *, done: bool = False) -> Commands[None]:
        """What came back does not go out.

        It is refused, and there is a page for that, or what has begun is broken off; or something
        else is asked for in its place.
        """
        if found == AGAIN and not self._sent_head:
            self.server_state = self.state_pass_over
            if done:
                yield from self._ask_for_another_part()
            return
        self._over_with()
        yield SendHttp(
            RequestProtocolError(self.stream_id, CUT_OFF, ErrorCode.CANCEL), self.context.server
        )
        if self._sent_head:
            if self._whole:
                self.flow.metadata[RECORD].bytes_down = self._gone
            problem = ResponseProtocolError(self.stream_id, CUT_OFF, ErrorCode.KILL)
            yield from super().handle_protocol_error(problem)
            return
        yield BodyRefusedHook(self.flow)
        yield from self._answer_instead()

    def state_pass_over(self, event: events.Event) -> Commands[None]:
        """The rest of an answer that is not wanted: read, so that the connection can be used."""
        if isinstance(event, ResponseData):
            self._kept.put(b"", len(event.data))
            if self._kept.size > _MOST_PASSED_OVER:
                yield from self._give_up("much more than was asked for")
        elif isinstance(event, ResponseEndOfMessage):
            yield from self._ask_for_another_part()

    def _ask_for_another_part(self) -> Commands[None]:
        request = self.flow.request
        request.headers.fields = self.flow.metadata[WRITTEN]()
        self.flow.response = None
        self.server_state = self.state_wait_for_response_headers
        if (yield from self.make_server_connection()):
            headers = RequestHeaders(self.stream_id, request, end_stream=True)
            yield SendHttp(headers, self.context.server)
            yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    # --- of the exchange itself -----------------------------------------------------------

    @abstractmethod
    def _answer_failure(self, problem: str) -> Commands[None]:
        """Answer with the page that an addon makes of the problem."""

    @abstractmethod
    def _answer_instead(self) -> Commands[None]:
        """Send an answer of ours, whatever the server still sends."""
