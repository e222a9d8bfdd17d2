"""Target: what a server answers, on both lanes.

Whatever it says: no part fails, the client reads an answer that is whole or plainly broken off, and
nothing that the server said in answer to one request is taken for the answer to the next.

In: what a server says to the first request. Out: nothing, or a finding.
Must never: reach a network.
"""

from __future__ import annotations

import hashlib
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import h11
from support.memory import Gateway, Outcome, Reached

from fuzzlib.pieces import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LANES = {"relay": True, "generic": False}
_SECOND = b"the answer to the second request"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def seeds() -> list[bytes]:
    """Answers of every form, sound and not."""
    return [
        _HEAD + b"Content-Length: 5\r\n\r\nhello",
        _HEAD + b"Content-Length: 5\r\n\r\nhello" + _HEAD + b"Content-Length: 3\r\n\r\nbad",
        _HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n",
        _HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        _HEAD + b"Connection: close\r\n\r\nto the end",
        b"HTTP/1.0 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + _HEAD + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _HEAD + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nxx",
        b"HTTP/1.1 302 Found\r\nLocation: http://blocked.test/\r\nContent-Length: 0\r\n\r\n",
        _HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        _HEAD + b"X: a\r\n folded\r\nContent-Length: 1\r\n\r\nx",
        b"ICY 200 OK\r\n\r\n",
    ]


def words() -> list[bytes]:
    """What answers are made of, and what parsers differ on."""
    return [
        *(b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Content-Length: +5\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"chunked, gzip"),
        *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Set-Cookie: a=b\r\n"),
        *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b"\x0b", b"\xff", b";"),
        *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff\r\n", b"HTTP/1.1 200 OK\r\n"),
        *(
            b"HTTP/1.0 ",
            b"HTTP/2.0 ",
            b"100",
            b"101",
            b"199",
            b"204",
            b"205",
            b"304",
            b"407",
            b"999",
        ),
        _HEAD + b"Content-Length: 3\r\n\r\nbad",
    ]


def check(data: bytes) -> None:
    """Both lanes; said at once and in pieces."""
    if not data:
        return
    # Not for secrets: the same bytes are cut the same way.
    random = Random(hashlib.sha256(data).digest())  # noqa: S311 - it has to repeat itself
    pieces = cut(data, random)
    method = ("GET", "GET", "HEAD", "POST")[len(data) % 4]
    decided = []
    for lane in _LANES:
        for said in ([data], pieces):
            outcome = _run(lane, method, said)
            assert not outcome.said, outcome.said
            _client_reads(outcome, method)
            decided.append([(r["action"], r["rule"], r["url"]) for r in outcome.records])
    assert all(
        each == decided[0][: len(each)] or each[: len(decided[0])] == decided[0] for each in decided
    ), decided


_say: dict[str, Any] = {}


def _run(lane: str, method: str, said: Sequence[bytes]) -> Outcome:
    _say["pieces"], _say["asked"] = said, 0
    body = "Content-Length: 2\r\n\r\nok" if method == "POST" else "\r\n"
    first = f"{method} http://allowed.test/1 HTTP/1.1\r\nHost: allowed.test\r\n{body}"
    second = "GET http://allowed.test/2 HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
    return _gateway(lane).run([first.encode(), second.encode()])


@cache
def _gateway(lane: str) -> Gateway:
    return Gateway(_answer, {"network": {"relay_lane": _LANES[lane]}})


def _answer(reached: Reached, say: Callable[[bytes | None], None]) -> None:
    """The first request gets what is tried, the second what is known."""
    heads = bytes(reached.got).count(b"HTTP/1.1\r\n")
    told: int = reached.note or 0
    while told < heads:
        told += 1
        reached.note = told
        if _say["asked"] == 0:
            for piece in _say["pieces"]:
                say(piece)
            if len(_say["pieces"][0]) % 2:
                say(None)  # half of them close then
        else:
            say(_HEAD + b"Content-Length: %d\r\n\r\n" % len(_SECOND) + _SECOND)
        _say["asked"] += 1


def _client_reads(outcome: Outcome, method: str) -> None:
    """Two answers, one, or the beginning of one; never another after the first."""
    left = outcome.got
    for place, asked in enumerate((method, "GET")):
        client = h11.Connection(h11.CLIENT, 1 << 20)
        client.send(h11.Request(method=asked, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(left)
        if not left or outcome.closed:
            client.receive_data(b"")
        body = bytearray()
        status = 0
        try:
            while not isinstance(event := client.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(
                    event, h11.ConnectionClosed
                ):
                    return  # broken off, or a protocol that HTTP does not know
        except h11.RemoteProtocolError:
            assert outcome.closed or status == 0, "what the client got is no HTTP"
            return
        if place == 1 and status == 200:
            assert bytes(body) == _SECOND, f"the second request got {bytes(body)[:80]!r}"
        left = client.trailing_data[0]
    assert not left, f"after both answers came {left[:80]!r}"
