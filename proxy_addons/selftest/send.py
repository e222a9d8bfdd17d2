"""One row, sent: over the wire, and what came back.

In: a row, the proxy. Out: what was observed. Must never: judge it; leave a connection behind.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from proxy_addons.selftest import http2
from proxy_addons.selftest.hello import made
from proxy_addons.selftest.observed import Observed, answers_in
from proxy_addons.selftest.stream import Plain, collect
from proxy_addons.selftest.table import filled
from proxy_addons.selftest.tls13 import Tls13, TlsRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.selftest.origin import Origin
    from proxy_addons.selftest.stream import Stream
    from proxy_addons.selftest.table import Row

OFFERED_OTHER = "HTTP/2 was not agreed on"
_CLOSING = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are sent.

    Attributes:
        proxy: host and port.
        names: for the placeholders of the table.
        source: the local address to come from where a row names none; "" for any.
        origin: ours, where there is one.
        patience: seconds to wait for an answer.
        grace: seconds to wait for more than was expected.
        used: local ports that rows came from. None is used again: records are told apart by them.
    """

    proxy: tuple[str, int]
    names: Mapping[str, str]
    source: str = ""
    origin: Origin | None = None
    patience: float = 10.0
    grace: float = 0.3
    used: set[int] = field(default_factory=set)


def send(row: Row, place: Place) -> Observed:
    """Send a row, and wait for what comes of it.

    Raises:
        OSError: the proxy cannot be reached.
    """
    if row.prelude is not None:
        _prelude(row.prelude, place)
    if place.origin is not None:
        place.origin.take()  # what the prelude brought
        place.origin.answer = row.answer
    seen = Observed()
    plain = Plain(place.proxy, row.source or place.source, place.patience, place.used)
    seen.ports.append(plain.port)
    place.used.add(plain.port)
    try:
        _converse(row, place, plain, seen)
    finally:
        plain.close()
    if place.origin is not None:
        seen.origin, seen.requests = place.origin.take()
    return seen


def _converse(row: Row, place: Place, plain: Plain, seen: Observed) -> None:
    if (row.tunnel or row.connect) and not _tunnel(row, place, plain, seen):
        return
    stream: Stream = plain
    if row.tls is not None:
        hello = replace(
            row.tls,
            names=tuple(filled(name, place.names) for name in row.tls.names),
        )
        message, records, secret = made(hello)
        try:
            tls = Tls13(plain, message, records, secret, patience=place.patience, size=hello.pieces)
        except TlsRefusedError as refused:
            # What the row may be about: said in what was observed.
            seen.tls = str(refused)
            seen.ended = "closed" in seen.tls or "alert" in seen.tls
            seen.silent = "no answer" in seen.tls
            return
        seen.alpn = tls.alpn
        stream = tls
        if row.after:
            tls.send_handshake(made(hello)[0])
    if row.h2:
        _http2(row, place, stream, seen)
        return
    data = filled(row.data, place.names).encode("latin-1")
    stream.send(data, row.pieces)
    if row.half:
        plain.end_sending()
    _read(row, place, stream, seen)


def _tunnel(row: Row, place: Place, plain: Plain, seen: Observed) -> bool:
    """Ask for a tunnel; whether there is one now."""
    authority = filled(row.tunnel, place.names)
    head = (
        filled(row.connect, place.names)
        if row.connect
        else (f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
    )
    plain.send(head.encode("latin-1"))
    wanted = ("CONNECT",)
    got, ended = collect(
        plain,
        lambda data: bool(answers_in(data, wanted, ended=False)[0]),
        place.patience,
        0.0 if row.tls is not None or row.data else place.grace,
    )
    answers, rest = answers_in(got, wanted, ended=ended)
    seen.rest, seen.ended = rest, ended
    if not answers:
        seen.silent = not ended
        return False
    seen.tunnel = answers[0]
    if seen.tunnel.status != 200:
        seen.answers = answers
        return False
    return not ended


def _http2(row: Row, place: Place, stream: Stream, seen: Observed) -> None:
    if seen.alpn != "h2":
        seen.tls = OFFERED_OTHER
        return
    names = place.names
    requests = [
        (
            tuple((filled(name, names), filled(value, names)) for name, value in head),
            None if body is None else filled(body, names),
        )
        for head, body in row.h2
    ]
    seen.answers, seen.ended = http2.exchange(stream, requests, place.patience)
    seen.silent = not seen.answers and not seen.ended


def _read(row: Row, place: Place, stream: Stream, seen: Observed) -> None:
    more = "refused" in row.want and "passed" not in row.want
    expected = max(row.passed + more, 1) if not row.closes else 1 << 30

    def enough(data: bytes) -> bool:
        return len(answers_in(data, row.methods, ended=False)[0]) >= expected

    # Where the connection must end, an answer may come a while before that.
    grace = place.grace if {"closed", "cut"}.isdisjoint(row.want) else max(place.grace, _CLOSING)
    got, seen.ended = collect(stream, enough, place.patience, grace)
    seen.answers, seen.rest = answers_in(got, row.methods, ended=seen.ended)
    if row.methods == ("CONNECT",) and seen.answers and seen.answers[0].status == 200:
        seen.tunnel, *seen.answers = seen.answers
    seen.silent = not got and not seen.ended


def _prelude(prelude: tuple[str, str], place: Place) -> None:
    """A request that goes before, from an address of its own."""
    source, data = prelude
    plain = Plain(place.proxy, source, place.patience)
    try:
        plain.send(filled(data, place.names).encode("latin-1"))
        until = time.monotonic() + place.patience
        while plain.receive(until):
            pass
    finally:
        plain.close()
