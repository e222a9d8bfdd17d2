"""The relay lane's layer: reads requests of one client connection, asks the gate, passes bodies on.

In: events of the client's connection, in the clear or out of its TLS, and of servers.
Out: commands; requests and answers with heads written anew.
Must never: send on a byte of a request that the gate has not passed; read a request that is not
ordinary (the generic lane does, from its first byte on); leave a record open behind an exchange.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.proxy.mode_specs import UpstreamMode

from proxy_addons.addons.heads import facts_of_head, fault_of_head
from proxy_addons.addons.observing import observe
from proxy_addons.addons.requests import kind_of
from proxy_addons.addons.words import unquoted
from proxy_addons.engine.asking import Answered, Ask
from proxy_addons.engine.http1 import UNANSWERED
from proxy_addons.engine.httplayer import Http
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Late, Wait, said
from proxy_addons.engine.relay.answer import Answer, AnswerError
from proxy_addons.engine.relay.bodies import BodyError, body_of
from proxy_addons.engine.relay.desk import refusal
from proxy_addons.engine.relay.exchange import Exchange
from proxy_addons.engine.relay.heads import read_request
from proxy_addons.engine.relay.servers import Servers
from proxy_addons.engine.tuning import pace_of
from proxy_addons.engine.wires import Hold
from proxy_addons.gate.facts import Course, Verdict

if TYPE_CHECKING:
    from mitmproxy.proxy.context import Context

    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.relay.heads import RequestHead
    from proxy_addons.engine.relay.ways import Way
    from proxy_addons.gate.facts import RequestFacts

type Commands = layer.CommandGenerator[None]

# An absolute-form target (RFC 9112 3.2.2) as browsers write it; others are for the generic lane.
_ABSOLUTE = re.compile(r"http://([^/?#@\\]+)(/.*)", re.IGNORECASE)
_TUNNEL = re.compile(r"[^/?#@\\]+:[0-9]{1,5}")  # RFC 9110 9.3.6
_END = b"\r\n\r\n"
# Bytes of further requests that may wait behind one that is being answered.
_PIPELINE_LIMIT = 64 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _Asked(NamedTuple):
    """A request that is about to be decided.

    Attributes:
        head: as the client sent it.
        path: path and query; "" of a tunnel.
        facts: what the gate is told of it.
    """

    head: RequestHead
    path: str
    facts: RequestFacts


class Relay(layer.Layer):
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
        self._exchange: Exchange | None = None
        self._asked: _Asked | None = None  # a request that waits for word of who sends it
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
                yield commands.CloseConnection(client)
            elif (way := self._servers.of(event)) is not None:
                yield from self._from_server(way, event)
        else:
            yield from self._time(event)

    def _time(self, event: events.Event) -> Commands:
        """The beginning, something that took too long, or word of who sends a request."""
        if isinstance(event, Answered):
            asked, self._asked = self._asked, None
            if asked is not None and not self._over:
                yield from self._decide(asked, event.reply)
                yield from self._work()
            elif isinstance(event.reply, Verdict) and event.reply.transaction is not None:
                event.reply.transaction.finish(error="the client left before it was answered")
        elif isinstance(event, Late):
            exchange = self._exchange
            if exchange is not None and event.key is exchange:
                why = said(event.what, self._pace.limit(event.what))
                yield from self._fail(exchange, ConnectRefused(why, "upstream-timeout"))
                yield from self._work()
        elif isinstance(event, events.Start) and self._mode is HTTPMode.upstream:
            mode = self.context.client.proxy_mode
            assert isinstance(mode, UpstreamMode)
            self.context.server.via = (mode.scheme, mode.address)

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
            elif exchange.way is not None and exchange.way.opening:
                return
            else:
                yield from self._upload(exchange)

    # --- requests -------------------------------------------------------------------------

    def _read_head(self) -> layer.CommandGenerator[bool]:
        """Take up the next request. False when its head has not come whole."""
        data = self._in
        while data.startswith(b"\r\n"):
            data = data[2:]  # RFC 9112 2.2: empty lines before a request
        options = self.context.options
        end = data.find(_END)
        if end < 0:
            if len(data) <= options.head_bytes and _may_become_ordinary(data):
                self._pace.begin(Wait.HEAD)
                return False
            yield from self._give_way(Http(self.context, self._mode))
            return True
        self._pace.end(Wait.HEAD)
        end += len(_END)
        head = read_request(data[:end]) if end <= options.head_bytes else None
        if (
            head is None
            or len(head.fields) > options.head_fields
            or len(head.target) > options.url_bytes
            or fault_of_head(head.method.encode(), b"HTTP/1.1", head.fields) is not None
        ):
            yield from self._give_way(Http(self.context, self._mode))
        elif head.method == "CONNECT":
            if self._inside or head.length or not _TUNNEL.fullmatch(head.target):
                yield from self._give_way(Http(self.context, self._mode))
            else:
                self._in = data[end:]
                yield from self._connect(head)
        elif self._inside and head.target.startswith("/"):
            self._in = data[end:]
            yield from self._begin(head, "", head.target)
        elif not self._inside and (found := _ABSOLUTE.fullmatch(head.target)) is not None:
            self._in = data[end:]
            yield from self._begin(head, *found.groups())
        else:
            yield from self._give_way(Http(self.context, self._mode))
        return True

    def _begin(self, head: RequestHead, authority: str, path: str) -> Commands:
        """Have a request decided, and send it on or answer it."""
        facts = facts_of_head(
            head.fields,
            method=head.method,
            scheme="https" if self._inside and self.context.server.tls else "http",
            path=path,
            target_authority=authority,
            to_us=not self._inside,
        )
        asked = _Asked(head, path, facts)
        if self._inside:
            yield from self._decide(asked, None)
        else:
            yield from self._sign_in(asked)

    def _sign_in(self, asked: _Asked) -> Commands:
        """Outside tunnels: find out who sends a request before it is decided."""
        found = self._desk.sign_in(self.context.client, asked.facts)
        if found is None or isinstance(found, Verdict):
            yield from self._decide(asked, found)
        else:
            self._asked = asked
            yield Ask(found)

    def _decide(self, asked: _Asked, refused: Verdict | None) -> Commands:
        """Who sends a request is known, or it is refused for that, or answered by the gate."""
        client, facts = self.context.client, asked.facts
        if facts.method == "CONNECT":
            yield from self._tunnel(asked, refused or self._desk.decide(client, facts))
            return
        found = refused or self._desk.act(client, facts)
        if found is None or isinstance(found, Verdict):
            yield from self._decided(asked, found or self._desk.decide(client, facts))
        else:
            self._asked = asked
            yield Ask(found)

    def _decided(self, asked: _Asked, verdict: Verdict) -> Commands:
        """A request is decided: send it on or answer it."""
        head, path, facts = asked.head, asked.path, asked.facts
        transaction = verdict.transaction
        assert transaction is not None
        upload = body_of(head.length, exact=True)
        exchange = Exchange(facts, transaction, upload, close=head.close or verdict.close)
        self._exchange = exchange
        self._desk.open(self.context.client, exchange)
        if verdict.course is not Course.PASS:
            answer = refusal(verdict, facts, close=exchange.close)
            yield commands.SendData(self.context.client, answer)
            yield from self._complete(exchange)
            return
        host = None
        if not self._inside:
            bare = f"[{verdict.host}]" if ":" in verdict.host else verdict.host
            host = bare if verdict.port == 80 else f"{bare}:{verdict.port}"
        exchange.head = self._desk.written(
            self.context.client, head, path, host, absolute=self._mode is HTTPMode.upstream
        )
        exchange.address = (verdict.host, verdict.port)
        if self._in and not upload.done:
            # What is there of the body is read before anybody is asked to take it.
            try:
                exchange.head += self._take(exchange, self._in)
            except BodyError as problem:
                yield from self._fail(exchange, ConnectRefused(str(problem), "bad-request"))
                return
        yield from self._send(exchange)

    def _connect(self, head: RequestHead) -> Commands:
        """A tunnel is asked for: have it decided."""
        facts = facts_of_head(
            head.fields,
            method="CONNECT",
            scheme="",
            path="",
            target_authority=head.target,
            to_us=True,
        )
        yield from self._sign_in(_Asked(head, "", facts))

    def _tunnel(self, asked: _Asked, verdict: Verdict) -> Commands:
        """A tunnel is decided: refuse it, or see what comes inside it."""
        context = self.context
        if verdict.course is not Course.PASS:
            assert verdict.transaction is not None
            close = asked.head.close or verdict.close
            yield commands.SendData(context.client, refusal(verdict, asked.facts, close=close))
            verdict.transaction.finish()
            observe(verdict.transaction)
            if close:
                yield from self._leave()
            return
        context.server.address = (verdict.host, verdict.port)
        child: layer.Layer = (
            HttpUpstreamProxy.make(context, send_connect=True)[0]
            if self._mode is HTTPMode.upstream
            else layer.NextLayer(context)
        )
        self._pace.begin(Wait.HANDSHAKE)
        yield commands.SendData(context.client, _ESTABLISHED)
        yield from self._give_way(child)

    # --- to the server --------------------------------------------------------------------

    def _send(self, exchange: Exchange) -> Commands:
        """Send a request to its server, on a connection that is there or a new one."""
        options = self.context.options
        exchange.answer = Answer(
            exchange.facts.method, options.head_bytes, options.head_fields, close=exchange.close
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
        yield from self._after_upload(exchange)

    def _upload(self, exchange: Exchange) -> Commands:
        """More of a request's body has come."""
        data, self._in = self._in, b""
        try:
            passed = self._take(exchange, data)
        except BodyError as problem:
            yield from self._fail(exchange, ConnectRefused(str(problem), "bad-request"))
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

    # --- from the server ------------------------------------------------------------------

    def _from_server(self, way: Way, event: events.Event) -> Commands:
        yield from self._servers.through(way, event)
        yield from self._look(way)
        if self._in and not self._over:
            yield from self._work()

    def _look(self, way: Way) -> Commands:
        """Act on what has come out of a way."""
        exchange = self._exchange
        if exchange is None or exchange.way is not way or exchange.answered:
            if way.received or way.ended:
                # Nothing was asked: it would be taken for the answer to the next request.
                way.received.clear()
                yield from self._servers.close(way)
            return
        if way.error is not None:
            yield from self._fail(exchange, way.error)
            return
        if way.open and not way.used:
            way.used = True
            yield from self._send_on(way, exchange)
        if way.received:
            data = way.received[0] if len(way.received) == 1 else b"".join(way.received)
            way.received.clear()
            yield from self._answered(way, exchange, data)
        if way.ended and not exchange.answered and way in self._servers:
            yield from self._left(way, exchange)

    def _answered(self, way: Way, exchange: Exchange, data: bytes) -> Commands:
        """Bytes of an answer came."""
        answer, transaction = exchange.answer, exchange.transaction
        assert answer is not None
        waited = answer.head is None
        try:
            passed = answer.feed(data)
        except AnswerError as problem:
            text = f"not a sound HTTP response: {problem}" if waited else str(problem)
            yield from self._fail(exchange, ConnectRefused(text, "upstream-response"))
            return
        head = answer.head
        if head is None:
            return
        if waited:
            self._pace.end(Wait.FIRST_BYTE, exchange)
            transaction.status = head.status
            transaction.content_type = head.content_type
            if peer := way.carrier.peername:
                transaction.server_ip, transaction.server_port = peer[0], peer[1]
        transaction.bytes_down = answer.count
        if passed:
            exchange.begun = True
            yield commands.SendData(self.context.client, passed)
        if answer.done:
            exchange.close = answer.close
            yield from self._complete(exchange)
        elif not (head.content_type or "").lower().startswith("text/event-stream"):
            self._pace.begin(Wait.BODY, exchange)  # events may have long pauses

    def _left(self, way: Way, exchange: Exchange) -> Commands:
        """A server sends no more."""
        answer = exchange.answer
        assert answer is not None
        yield from self._servers.close(way)
        if not answer.begun:
            if self._may_ask_again(exchange):
                self._pace.end(Wait.FIRST_BYTE, exchange)
                yield from self._send(exchange)
            else:
                yield from self._fail(exchange, UNANSWERED)
            return
        try:
            answer.end()
        except AnswerError as problem:
            yield from self._fail(exchange, str(problem))
            return
        exchange.close = answer.close
        yield from self._complete(exchange)

    @staticmethod
    def _may_ask_again(exchange: Exchange) -> bool:
        """Whether the server has only closed a connection that it had kept open for long enough.

        A browser would ask again itself (RFC 9112 9.3.1), but from us it gets an answer.
        """
        return (
            not exchange.fresh
            and exchange.facts.method in _SAFE
            and exchange.upload.done
            and exchange.upload.count == 0
        )

    # --- ends -----------------------------------------------------------------------------

    def _complete(self, exchange: Exchange) -> Commands:
        """The answer has gone out whole."""
        exchange.begun = exchange.answered = True
        self._pace.end(Wait.BODY, exchange)
        self._desk.finish(self.context.client, exchange, None)
        answer, way = exchange.answer, exchange.way
        if answer is not None and answer.last and way is not None and way in self._servers:
            yield from self._servers.close(way)
        if exchange.upload.done:
            yield from self._next(exchange)

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


def _may_become_ordinary(data: bytes) -> bool:
    """Whether the beginning of a head can be that of an ordinary one.

    If not, the generic lane need not wait for its end, which may never come.
    """
    return data[:1].isalpha() and data.count(b"\n") == data.count(b"\r\n")
