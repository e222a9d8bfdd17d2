"""What is asked in the relay lane: the head of a request is read, and the gate decides it.

In: what has come of a client, as the lane hands it on; word of who sends a request. Out: commands:
a refusal; the request's exchange, to be sent on; a tunnel; or another layer, which goes on with it.
Must never: take up a request that is not ordinary (the generic lane does, from its first byte on);
begin an exchange that the gate has not decided.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy

from proxy_addons.addons.heads import facts_of_head, fault_of_head
from proxy_addons.addons.observing import observe
from proxy_addons.engine.asking import Ask
from proxy_addons.engine.httplayer import Http
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.relay.bodies import BodyError, body_of
from proxy_addons.engine.relay.desk import refusal
from proxy_addons.engine.relay.exchange import Exchange
from proxy_addons.engine.relay.heads import read_request
from proxy_addons.gate.facts import Course, Verdict

if TYPE_CHECKING:
    from proxy_addons.engine.pace import Pace
    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.relay.heads import RequestHead
    from proxy_addons.gate.facts import RequestFacts

type Commands = layer.CommandGenerator[None]

# An absolute-form target (RFC 9112 3.2.2) as browsers write it; others are for the generic lane.
_ABSOLUTE = re.compile(r"http://([^/?#@\\]+)(/.*)", re.IGNORECASE)
_TUNNEL = re.compile(r"[^/?#@\\]+:[0-9]{1,5}")  # RFC 9110 9.3.6
_END = b"\r\n\r\n"
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Asked(NamedTuple):
    """A request that is about to be decided.

    Attributes:
        head: as the client sent it.
        path: path and query; "" of a tunnel.
        facts: what the gate is told of it.
    """

    head: RequestHead
    path: str
    facts: RequestFacts


class Asks(layer.Layer):
    """The part of a relay that reads requests and has them decided."""

    _desk: Desk
    _pace: Pace
    _mode: HTTPMode
    _inside: bool  # a tunnel
    _in: bytes  # of the client, not used yet
    _asked: Asked | None = None  # a request that waits for word of who sends it
    _exchange: Exchange | None = None

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
        asked = Asked(head, path, facts)
        if self._inside:
            yield from self._decide(asked, None)
        else:
            yield from self._sign_in(asked)

    def _sign_in(self, asked: Asked) -> Commands:
        """Outside tunnels: find out who sends a request before it is decided."""
        found = self._desk.sign_in(self.context.client, asked.facts)
        if found is None or isinstance(found, Verdict):
            yield from self._decide(asked, found)
        else:
            self._asked = asked
            yield Ask(found)

    def _decide(self, asked: Asked, refused: Verdict | None) -> Commands:
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

    def _decided(self, asked: Asked, verdict: Verdict) -> Commands:
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
        exchange.watch = verdict.watch
        exchange.written = partial(
            self._desk.written,
            self.context.client,
            head,
            path,
            host,
            absolute=self._mode is HTTPMode.upstream,
            watch=verdict.watch,
            changes=verdict.changes,
        )
        exchange.head = exchange.written()
        exchange.address = (verdict.host, verdict.port)
        if verdict.sending is not None and not upload.done:
            exchange.sending = verdict.sending
            self._pace.begin(Wait.BODY, self)
            return  # what is there of the body is taken up next
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
        yield from self._sign_in(Asked(head, "", facts))

    def _tunnel(self, asked: Asked, verdict: Verdict) -> Commands:
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

    # --- of the lane itself ---------------------------------------------------------------

    @abstractmethod
    def _send(self, exchange: Exchange) -> Commands:
        """Send a request to its server."""

    @abstractmethod
    def _take(self, exchange: Exchange, data: bytes) -> bytes:
        """Take the body's part of what came; the rest waits."""

    @abstractmethod
    def _complete(self, exchange: Exchange) -> Commands:
        """The answer has gone out whole."""

    @abstractmethod
    def _fail(self, exchange: Exchange, problem: str) -> Commands:
        """No answer can be had."""

    @abstractmethod
    def _leave(self) -> Commands:
        """End the client's connection."""

    @abstractmethod
    def _give_way(self, successor: layer.Layer) -> Commands:
        """Another layer goes on with this connection."""


def _may_become_ordinary(data: bytes) -> bool:
    """Whether the beginning of a head can be that of an ordinary one.

    If not, the generic lane need not wait for its end, which may never come.
    """
    return data[:1].isalpha() and data.count(b"\n") == data.count(b"\r\n")
