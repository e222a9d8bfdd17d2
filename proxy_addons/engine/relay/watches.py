"""What comes back in the relay lane, kept back until it has been looked at.

In: an answer, as the lane reads it. Out: commands: what may go out of it, when it may; a page, or a
broken transfer, where it is refused.
Must never: let go of more than may go; leave a client without a byte for longer than it waits.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, layer

from proxy_addons.engine.asking import Ask
from proxy_addons.engine.kept import PIECE, Kept, few_of
from proxy_addons.engine.outcomes import CUT_OFF, ConnectRefused
from proxy_addons.engine.pace import Wait
from proxy_addons.engine.wires import Hold
from proxy_addons.gate.answerhead import answer_head_of
from proxy_addons.gate.watching import AGAIN, ALL, DONE, REFUSED, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from proxy_addons.engine.pace import Pace
    from proxy_addons.engine.relay.answer import Answer
    from proxy_addons.engine.relay.desk import Desk
    from proxy_addons.engine.relay.exchange import Exchange
    from proxy_addons.engine.relay.servers import Servers
    from proxy_addons.engine.relay.ways import Way

type Commands = layer.CommandGenerator[None]

_HELD = -5  # what has come of an answer is in its watch's hands
_POUR = -6  # and may go now


class Watches(layer.Layer):
    """The part of a relay that keeps answers back."""

    _desk: Desk
    _pace: Pace
    _servers: Servers
    _waiting: Ask | None = None  # an answer waits: for word of what is in it, for a disk
    _then: Callable[[Any], Commands]

    @staticmethod
    def _watched(exchange: Exchange, answer: Answer, passed: bytes, *, first: bool) -> bytes | int:
        """Have what has come looked at. Gives what may go on now; or `REFUSED`, or `AGAIN`."""
        watch, head = exchange.watch, answer.head
        assert watch is not None
        assert head is not None
        if first:
            if answer.done and watch.passes(head.status, head.fields, answer.content):
                exchange.watch = None
                return passed
            length = head.length if head.length >= 0 else None
            keep = watch.begin(answer_head_of(head.status, head.fields, length))
            if keep == DONE:
                exchange.watch = None
                return passed
            exchange.kept = Kept()
            if keep in {REFUSED, AGAIN, WAIT}:
                return keep
        kept = exchange.kept
        if kept is not None:
            kept.put(passed, len(answer.content))
        keep = watch.feed(answer.content, last=answer.done)
        if watch.held is not None and kept is not None:
            exchange.gone, exchange.kept = kept.gone, None
        if keep in {REFUSED, AGAIN, WAIT}:
            return keep
        if watch.held is not None:
            exchange.keep = keep
            return _HELD if keep == ALL else _POUR
        assert kept is not None
        if keep == DONE:
            exchange.watch = exchange.kept = None
        return kept.let_go(keep)

    def _not_on(self, exchange: Exchange, found: int) -> Commands:
        """What came back does not go out.

        It is refused, and there is a page for that, or what has begun is broken off; or something
        else is asked for in its place.
        """
        if found in {WAIT, _HELD, _POUR}:
            yield from self._held_back(exchange, found)
            return
        if found == AGAIN and not exchange.begun:
            answer, way = exchange.answer, exchange.way
            assert answer is not None
            assert way is not None
            if way in self._servers and (answer.last or not answer.done):
                yield from self._servers.close(way)
            exchange.kept = None
            exchange.head = exchange.written()
            yield from self._send(exchange)
            return
        if exchange.begun:
            if exchange.watch is not None and exchange.watch.held is not None:
                exchange.transaction.bytes_down = exchange.gone
            yield from self._fail(exchange, CUT_OFF)
            return
        way = exchange.way
        if way is not None and way in self._servers:
            yield from self._servers.close(way)
        data = self._desk.refused(exchange)
        exchange.answer = None
        yield commands.SendData(self.context.client, data)
        yield from self._complete(exchange)

    def _held_back(self, exchange: Exchange, found: int) -> Commands:
        """What has come is in the watch's hands: wait for more, for its word, or give it out."""
        watch = exchange.watch
        assert watch is not None
        if self.context.options.trickle_after and not self._pace.waits(Wait.TRICKLE, exchange):
            self._pace.begin(Wait.TRICKLE, exchange)
        if found == _HELD and not watch.behind:
            self._pace.begin(Wait.BODY, exchange)
            return
        # What takes time now is ours to answer for, not the server's.
        self._pace.end(Wait.BODY, exchange)
        if found == WAIT:
            yield from self._ask(watch.settle(), partial(self._settled, exchange))
            return
        assert exchange.way is not None
        yield Hold(exchange.way.carrier, self, on=True)
        if found == _HELD:
            yield from self._ask(watch.caught_up(), partial(self._caught_up, exchange))
        else:
            yield from self._pour(exchange)

    def _ask(
        self,
        answer: Coroutine[Any, Any, Any],
        then: Callable[[Any], Commands],
        *,
        paced: bool = False,
    ) -> Commands:
        """Go on with `then` when there is an answer, unless the exchange has ended by then."""
        self._then = then
        self._waiting = Ask(answer, aside=True, paced=paced)
        yield self._waiting

    def _caught_up(self, exchange: Exchange, _: object) -> Commands:
        """There is room for more of an answer."""
        way = exchange.way
        assert way is not None
        yield Hold(way.carrier, self, on=False)
        self._pace.begin(Wait.BODY, exchange)
        yield from self._look(way)
        yield from self._work()

    def _settled(self, exchange: Exchange, found: int) -> Commands:
        """It is known what is in an answer."""
        if found == REFUSED:
            yield from self._not_on(exchange, found)
            yield from self._work()
        else:
            yield from self._pour(exchange)

    def _trickle(self, exchange: Exchange) -> Commands:
        """The client has waited for long: it gets some bytes, so that it goes on waiting."""
        watch, answer = exchange.watch, exchange.answer
        if watch is None or watch.held is None or answer is None:
            return
        self._pace.begin(Wait.TRICKLE, exchange)
        few = few_of(watch.held, exchange.gone, self.context.options.trickle_bytes)
        yield from self._give(exchange, answer.framed(few) if few else b"", len(few))

    def _give(self, exchange: Exchange, data: bytes, size: int) -> Commands:
        """Something of what is held goes out, behind the head."""
        assert exchange.answer is not None
        if not exchange.begun:
            exchange.begun = True
            data = exchange.answer.opening + data
        exchange.gone += size
        if data:
            yield commands.SendData(self.context.client, data)

    def _pour(self, exchange: Exchange) -> Commands:
        """What is held goes out, a piece at a time, as the client takes it."""
        self._pace.end(Wait.TRICKLE, exchange)
        watch = exchange.watch
        assert watch is not None
        assert watch.held is not None
        if exchange.gone < watch.held.size:
            piece = watch.held.read(exchange.gone, PIECE)
            yield from self._ask(piece, partial(self._poured, exchange), paced=True)
            return
        yield from self._go_on(exchange, watch.held.size)
        yield from self._work()

    def _poured(self, exchange: Exchange, piece: bytes | None) -> Commands:
        if piece is None:
            problem = "what was kept back cannot be read any more"
            yield from self._fail(exchange, ConnectRefused(problem, "upstream-failed"))
            yield from self._work()
            return
        assert exchange.answer is not None
        yield from self._give(exchange, exchange.answer.framed(piece), len(piece))
        yield from self._pour(exchange)

    def _go_on(self, exchange: Exchange, size: int) -> Commands:
        """All that was held has gone out; so many bytes they were."""
        answer, way, watch = exchange.answer, exchange.way, exchange.watch
        assert answer is not None
        assert way is not None
        assert watch is not None
        watch.let_go()
        # What came last may have had no room among what was held.
        rest = answer.content[len(answer.content) - (answer.count - size) :]
        framed = answer.framed(rest, last=answer.done)
        if exchange.keep == DONE or answer.done:
            exchange.let_go()
            yield from self._give(exchange, framed, len(rest))
        else:
            exchange.kept = Kept()
            exchange.kept.put(framed, len(rest))
            yield from self._give(exchange, exchange.kept.let_go(exchange.keep), 0)
        yield Hold(way.carrier, self, on=False)
        if answer.done:
            exchange.close = answer.close
            yield from self._complete(exchange)
        else:
            self._pace.begin(Wait.BODY, exchange)
            yield from self._look(way)

    # --- of the lane itself ---------------------------------------------------------------

    @abstractmethod
    def _work(self) -> Commands:
        """Do what can be done with what has come from the client."""

    @abstractmethod
    def _send(self, exchange: Exchange) -> Commands:
        """Send a request to its server."""

    @abstractmethod
    def _look(self, way: Way) -> Commands:
        """Act on what has come out of a way."""

    @abstractmethod
    def _complete(self, exchange: Exchange) -> Commands:
        """The answer has gone out whole."""

    @abstractmethod
    def _fail(self, exchange: Exchange, problem: str) -> Commands:
        """No answer can be had."""
