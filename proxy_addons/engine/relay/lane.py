"""The relay lane's layer: what comes of one client connection, in order, from request to answer.

In: events of the client's connection, in the clear or out of its TLS, and of servers.
Out: commands; requests and answers with heads written anew.
Must never: send on a byte of a request that the gate has not passed; read a request that is not
ordinary (the generic lane does, from its first byte on); leave a record open behind an exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import UpstreamMode

from proxy_addons.addons.requests import kind_of
from proxy_addons.addons.words import unquoted
from proxy_addons.engine.asking import Answered
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Late, Wait, said
from proxy_addons.engine.relay.answer import Answer
from proxy_addons.engine.relay.asks import Asks
from proxy_addons.engine.relay.bodies import BodyError, body_of
from proxy_addons.engine.relay.replies import Replies
from proxy_addons.engine.relay.sends import Sends
from proxy_addons.engine.relay.servers import Servers
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import Hold
from proxy_addons.gate.facts import Verdict

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context

    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.relay.exchange import Exchange
    from proxy_addons.engine.relay.ways import Way

type Commands = layer.CommandGenerator[None]

# Bytes of further requests that may wait behind one that is being answered.
_PIPELINE_LIMIT = 64 * 1024


class Relay(Asks, Sends, Replies):
    """The relay of one client connection.

    Args:
        context: of the connection.
        desk: what relays share.
        mode: transparent inside a tunnel; else regular, or upstream with a parent proxy.
    """

    def __init__(self, context: Context, desk: Desk, mode: HTTPMode) -> None:
        super().__init__(context)
        self._desk = desk
        self._mode = mode
        self._inside = mode is HTTPMode.transparent
        self._pace = pace_of(context)
        self._servers = Servers(context, inside=self._inside)
        self._in = b""  # of the client, not used yet
        self._held = False
        self._over = False  # nothing of the client is read any more

    # --- events ---------------------------------------------------------------------------

    def _handle_event(self, event: events.Event) -> Commands:
        client = self.context.client
        if isinstance(event, events.DataReceived) and event.connection is client:
            if not self._over:
                self._in = self._in + event.data if self._in else event.data
                yield from self._work()
        elif isinstance(event, events.Wakeup):
            yield from self._servers.woken(event)
        elif isinstance(event, (events.ConnectionEvent, events.CommandCompleted)):
            if isinstance(event, events.ConnectionClosed) and event.connection is client:
                self._over = True
                if self._exchange is not None:
                    self._exchange.let_go()
                    if self._exchange.sending is not None:
                        self._exchange.sending.close()
                yield commands.CloseConnection(client)
            elif (way := self._servers.of(event)) is not None:
                yield from self._from_server(way, event)
        else:
            yield from self._time(event)

    def _time(self, event: events.Event) -> Commands:
        """The beginning, something that took too long, or word of who sends a request."""
        if isinstance(event, Answered) and event.command.aside:
            yield from self._go_on_with(event)
        elif isinstance(event, Answered):
            asked, self._asked = self._asked, None
            if asked is not None and not self._over:
                yield from self._decide(asked, event.reply)
                yield from self._work()
            elif isinstance(event.reply, Verdict) and event.reply.transaction is not None:
                event.reply.transaction.finish(error="the client left before it was answered")
        elif isinstance(event, Late):
            exchange = self._exchange
            if exchange is None or event.key is not exchange:
                return
            if event.what is Wait.TRICKLE:
                yield from self._trickle(exchange)
            else:
                why = said(event.what, self._pace.limit(event.what))
                yield from self._fail(exchange, ConnectRefused(why, "upstream-timeout"))
                yield from self._work()
        elif isinstance(event, events.Start) and self._mode is HTTPMode.upstream:
            mode = self.context.client.proxy_mode
            assert isinstance(mode, UpstreamMode)
            self.context.server.via = (mode.scheme, mode.address)

    def _go_on_with(self, event: Answered) -> Commands:
        """Word of a body or an answer; or that has ended meanwhile, or the client has left."""
        if self._over:
            return
        if event.command is self._waiting:
            self._waiting = None
            yield from self._then(event.reply)
        elif event.command is self._body_waits:
            self._body_waits = None
            yield from self._body_then(event.reply)

    def _work(self) -> Commands:
        """Do what can be done with what has come from the client."""
        while self._in and not self._over and self._asked is None:
            exchange = self._exchange
            if exchange is None:
                if not (yield from self._read_head()):
                    return
            elif exchange.upload.done:
                if len(self._in) > _PIPELINE_LIMIT and not self._held:
                    self._held = True
                    yield Hold(self.context.client, self, on=True)
                return
            elif self._body_waits is not None or (
                exchange.way is not None and exchange.way.opening
            ):
                return
            else:
                yield from self._upload(exchange)

    # --- to the server --------------------------------------------------------------------

    def _send(self, exchange: Exchange) -> Commands:
        """Send a request to its server, on a connection that is there or a new one."""
        options = self.context.options
        exchange.answer = Answer(
            exchange.facts.method,
            options.head_bytes,
            options.head_fields,
            close=exchange.close,
            watched=exchange.watch is not None,
        )
        exchange.way = self._servers.kept(exchange.address)
        exchange.fresh = exchange.way is None
        if exchange.way is not None:
            yield from self._send_on(exchange.way, exchange)
            return
        exchange.way = self._servers.reach(exchange.address)
        # What comes of its body while the server is being reached would pile up. Without one
        # nothing is held, so that a client that leaves is noticed.
        yield from self._servers.start(exchange.way, hold=not exchange.upload.done)
        yield from self._look(exchange.way)

    def _send_on(self, way: Way, exchange: Exchange) -> Commands:
        yield from self._servers.send(way, exchange.head)
        if exchange.sending is not None:
            yield from self._pour_up(way, exchange)
        else:
            yield from self._after_upload(exchange)

    def _upload(self, exchange: Exchange) -> Commands:
        """More of a request's body has come."""
        data, self._in = self._in, b""
        try:
            passed = self._take(exchange, data)
        except BodyError as problem:
            yield from self._fail(exchange, ConnectRefused(str(problem), "bad-request"))
            return
        if exchange.sending is not None:
            yield from self._hold_body(exchange)
            return
        way = exchange.way
        if passed and way is not None and way.open:
            yield from self._servers.send(way, passed)
        yield from self._after_upload(exchange)

    def _take(self, exchange: Exchange, data: bytes) -> bytes:
        """Take the body's part of what came; the rest waits."""
        passed, rest = exchange.upload.feed(data)
        if not exchange.answered:
            exchange.transaction.bytes_up = exchange.upload.count
        assert rest is not None, "asked for exactly"
        self._in = rest
        return passed

    def _after_upload(self, exchange: Exchange) -> Commands:
        if not exchange.upload.done:
            self._pace.begin(Wait.BODY, self)
            return
        if exchange.upload.count:
            self._pace.end(Wait.BODY, self)
        if not exchange.begun:
            self._pace.begin(Wait.FIRST_BYTE, exchange)
        elif exchange.answered and self._exchange is exchange:
            yield from self._next(exchange)

    # --- ends -----------------------------------------------------------------------------

    def _complete(self, exchange: Exchange) -> Commands:
        """The answer has gone out whole."""
        exchange.begun = exchange.answered = True
        self._over_with(exchange)
        self._desk.finish(self.context.client, exchange, None)
        answer, way = exchange.answer, exchange.way
        # A server that answers before it has all of what is held is not sent the rest.
        last = exchange.sending is not None or (answer is not None and answer.last)
        if last and way is not None and way in self._servers:
            yield from self._servers.close(way)
        yield from self._poured_out(exchange)
        if exchange.upload.done:
            yield from self._next(exchange)

    def _over_with(self, exchange: Exchange) -> None:
        """Nothing more goes out of an answer."""
        self._waiting = None
        exchange.let_go()
        for what in (Wait.BODY, Wait.TRICKLE):
            self._pace.end(what, exchange)

    def _next(self, exchange: Exchange) -> Commands:
        """An exchange is over: what follows can be taken up."""
        self._exchange = None
        if exchange.close:
            yield from self._leave()
        elif self._held:
            self._held = False
            yield Hold(self.context.client, self, on=False)

    def _fail(self, exchange: Exchange, problem: str) -> Commands:
        """No answer can be had: give the page that says so, or break off what has begun."""
        self._pace.end(Wait.FIRST_BYTE, exchange)
        way = exchange.way
        if way is not None and way in self._servers:
            yield from self._servers.close(way)
        if exchange.begun:
            self._over_with(exchange)
            yield from self._poured_out(exchange)
            # The client sees by the connection's end that its answer is not whole.
            self._desk.finish(self.context.client, exchange, unquoted(problem))
            self._exchange = None
            yield from self._leave()
            return
        kind = getattr(problem, "kind", None) or kind_of(problem)
        if kind == "bad-request":
            # Where this request ends, and the next begins, is not known.
            exchange.upload = body_of(0)
            exchange.close = True
        exchange.answer = None
        data = self._desk.failure(self.context.client, exchange, kind, unquoted(problem))
        yield commands.SendData(self.context.client, data)
        yield from self._complete(exchange)

    def _leave(self) -> Commands:
        """End the client's connection; what was sent goes out first."""
        self._over = True
        self._in = b""
        yield commands.CloseConnection(self.context.client)

    def _give_way(self, successor: layer.Layer) -> Commands:
        """Another layer goes on with this connection, and with what has come of it.

        The generic lane, with the request in hand from its first byte; or what is in a tunnel.
        """
        yield from self._servers.close_all()
        data, self._in = self._in, b""
        self._over = True
        self._handle_event = successor.handle_event  # type: ignore[method-assign] # as mitmproxy does
        yield from successor.handle_event(events.Start())
        if data:
            yield from successor.handle_event(events.DataReceived(self.context.client, data))
