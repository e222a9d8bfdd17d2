"""What is sent in the relay lane, held until all of it has been looked at.

In: a body, as the lane reads it. Out: commands: a page where it is refused; else all of it to the
server, a piece at a time, as that takes it.
Must never: send a byte of a body of which it is not known yet what is in it; let a server have less
of one than the client has sent, as if that were all.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, layer

from proxy_addons.engine.asking import Ask
from proxy_addons.engine.kept import PIECE
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.relay.bodies import framed
from proxy_addons.engine.wires import Hold
from proxy_addons.gate.watching import ALL, DONE, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mitmproxy.connection import Connection

    from proxy_addons.engine.pace import Pace
    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.relay.exchange import Exchange
    from proxy_addons.engine.relay.servers import Servers
    from proxy_addons.engine.relay.ways import Way

type Commands = layer.CommandGenerator[None]


class Sends(layer.Layer):
    """The part of a relay that holds what is sent."""

    _desk: Desk
    _pace: Pace
    _servers: Servers
    _body_waits: Ask | None = None  # a body waits: for word of what is in it, for a disk, a server
    _body_then: Callable[[Any], Commands]

    def _hold_body(self, exchange: Exchange) -> Commands:
        """More came of a body of which nothing is sent on before it has been looked at."""
        sending, upload = exchange.sending, exchange.upload
        assert sending is not None
        found = sending.feed(upload.content, last=upload.done)
        if upload.done:
            self._pace.end(Wait.BODY, self)
        if found == WAIT:
            yield from self._ask_of_body(sending.settle(), partial(self._seen, exchange))
        elif found != ALL:
            exchange.rest = framed(upload, upload.content, last=upload.done)
            yield from self._seen(exchange, found)
        elif sending.behind:
            self._pace.end(Wait.BODY, self)
            yield from self._pause(exchange, on=True)
            yield from self._ask_of_body(sending.caught_up(), partial(self._room, exchange))
        else:
            self._pace.begin(Wait.BODY, self)

    def _ask_of_body(
        self,
        answer: Coroutine[Any, Any, Any],
        then: Callable[[Any], Commands],
        by: Connection | None = None,
    ) -> Commands:
        """Go on with `then` when there is an answer, unless the exchange has ended by then."""
        self._body_then = then
        self._body_waits = Ask(answer, aside=True, paced=by is not None, by=by)
        yield self._body_waits

    def _pause(self, exchange: Exchange, *, on: bool) -> Commands:
        """Read no more of the client for now; or go on."""
        if exchange.paused != on:
            exchange.paused = on
            yield Hold(self.context.client, exchange, on=on)

    def _room(self, exchange: Exchange, _: object) -> Commands:
        """There is room for more of a body."""
        yield from self._pause(exchange, on=False)
        self._pace.begin(Wait.BODY, self)
        yield from self._work()

    def _seen(self, exchange: Exchange, found: int) -> Commands:
        """It is known whether a body may be sent on, as far as it has come."""
        sending = exchange.sending
        assert sending is not None
        if found == DONE:
            if not exchange.rest and exchange.upload.done:
                exchange.rest = framed(exchange.upload, b"", last=True)
            yield from self._send(exchange)
            return
        data = self._desk.refused(exchange)
        yield commands.SendData(self.context.client, data)
        yield from self._complete(exchange)
        yield from self._work()

    def _pour_up(self, way: Way, exchange: Exchange) -> Commands:
        """What is held goes to the server, a piece at a time, as it takes it; then what follows."""
        sending = exchange.sending
        assert sending is not None
        held = sending.held
        if held is not None and exchange.sent < held.size:
            if held.size <= len(held.beginning):
                yield from self._poured_up(way, exchange, held.beginning)
                return
            if not exchange.upload.done:
                yield from self._pause(exchange, on=True)
            yield from self._ask_of_body(
                held.read(exchange.sent, PIECE),
                partial(self._poured_up, way, exchange),
                way.carrier,
            )
            return
        if exchange.rest:
            yield from self._servers.send(way, exchange.rest)
        yield from self._poured_out(exchange)
        yield from self._after_upload(exchange)
        yield from self._work()

    def _poured_up(self, way: Way, exchange: Exchange, piece: bytes | None) -> Commands:
        if way not in self._servers or not way.open:
            return  # the exchange has failed, or its connection says so next
        if piece is None:
            problem = "what was held cannot be read any more"
            yield from self._fail(exchange, ConnectRefused(problem, "upstream-failed"))
            yield from self._work()
            return
        exchange.sent += len(piece)
        yield from self._servers.send(way, framed(exchange.upload, piece))
        yield from self._pour_up(way, exchange)

    def _poured_out(self, exchange: Exchange) -> Commands:
        """Nothing more is held of a body."""
        self._body_waits = None
        if exchange.sending is not None:
            exchange.sending.close()
            exchange.sending, exchange.rest = None, b""
        yield from self._pause(exchange, on=False)

    # --- of the lane itself ---------------------------------------------------------------

    @abstractmethod
    def _work(self) -> Commands:
        """Do what can be done with what has come from the client."""

    @abstractmethod
    def _send(self, exchange: Exchange) -> Commands:
        """Send a request to its server."""

    @abstractmethod
    def _after_upload(self, exchange: Exchange) -> Commands:
        """All that has come of a body has gone on."""

    @abstractmethod
    def _complete(self, exchange: Exchange) -> Commands:
        """The answer has gone out whole."""

    @abstractmethod
    def _fail(self, exchange: Exchange, problem: str) -> Commands:
        """No answer can be had."""
