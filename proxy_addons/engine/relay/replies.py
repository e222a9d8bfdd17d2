"""What a server answers in the relay lane: read as it comes, and passed on.

In: what has come of a server, as the lane hands it on. Out: commands: the answer, to the client;
the request once more, where a server has only closed a connection that was kept; or a page of a
failure.
Must never: take bytes for an answer to which nothing was asked; call an answer whole that is not.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy.proxy import commands

from proxy_addons.engine.http1 import UNANSWERED
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.relay.answer import AnswerError
from proxy_addons.engine.relay.watches import Watches

if TYPE_CHECKING:
    from mitmproxy.proxy import events, layer

    from proxy_addons.engine.relay.answer import Answer
    from proxy_addons.engine.relay.exchange import Exchange
    from proxy_addons.engine.relay.ways import Way

    type Commands = layer.CommandGenerator[None]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1


class Replies(Watches):
    """The part of a relay that reads answers."""

    _exchange: Exchange | None = None
    _in: bytes  # of the client, not used yet
    _over: bool  # nothing of the client is read any more

    def _from_server(self, way: Way, event: events.Event) -> Commands:
        yield from self._servers.through(way, event)
        yield from self._look(way)
        if self._in and not self._over:
            yield from self._work()

    def _look(self, way: Way) -> Commands:
        """Act on what has come out of a way."""
        exchange = self._exchange
        if self._reads_later(way, exchange):
            return
        if exchange is None or exchange.way is not way or exchange.answered or self._waiting:
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
            if self._waiting is None:
                yield from self._left(way, exchange)
            elif exchange.answer is not None and exchange.answer.done:
                yield from self._servers.close(way)

    def _reads_later(self, way: Way, exchange: Exchange | None) -> bool:
        """Whether what has come of an answer has to find its place before more of it is read."""
        return (
            self._waiting is not None
            and exchange is not None
            and exchange.way is way
            and exchange.answer is not None
            and not exchange.answer.done
        )

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
        if not (yield from self._pass_on(exchange, answer, passed, first=waited)):
            return
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
            passed = answer.end()
        except AnswerError as problem:
            yield from self._fail(exchange, str(problem))
            return
        if not (yield from self._pass_on(exchange, answer, passed, first=False)):
            return
        exchange.close = answer.close
        yield from self._complete(exchange)

    def _pass_on(
        self, exchange: Exchange, answer: Answer, passed: bytes, *, first: bool
    ) -> layer.CommandGenerator[bool]:
        """What has come goes out, as far as it may. False: the watch has it in hand."""
        if exchange.watch is not None:
            found = self._watched(exchange, answer, passed, first=first)
            if isinstance(found, int):
                yield from self._not_on(exchange, found)
                return False
            passed = found
        if passed:
            exchange.begun = True
            yield commands.SendData(self.context.client, passed)
        return True

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

    # --- of the lane itself ---------------------------------------------------------------

    @abstractmethod
    def _send_on(self, way: Way, exchange: Exchange) -> Commands:
        """Send a request on a connection that is there."""
