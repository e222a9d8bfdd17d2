"""The limit of a head holds however its bytes were cut into pieces on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseProtocolError

from proxy_addons.engine import http1
from proxy_addons.engine.layers import BadRequestHook
from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.tuning import ForkingContext

HEAD_BYTES = EngineOptions().head_bytes
FIELDS = b"X-Long: " + b"x" * (HEAD_BYTES + 1)
# Where the head is cut: in one piece; the last piece tiny; two pieces each below the limit.
CUTS = [(), (HEAD_BYTES,), (HEAD_BYTES // 2,)]


def context() -> ForkingContext:
    client = Client(
        peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), state=ConnectionState.OPEN
    )
    made = ForkingContext(client, EngineOptions())
    made.server = Server(address=("www.gov.uk", 80))
    made.server.state = ConnectionState.OPEN
    return made


def pieces(whole: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    edges = [0, *cuts, len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("cuts", CUTS)
def test_a_request_head_over_the_limit(cuts: tuple[int, ...]) -> None:
    made = context()
    side = http1.Server(made)
    said = list(side.handle_event(events.Start()))
    whole = b"GET http://www.gov.uk/ HTTP/1.1\r\n" + FIELDS + b"\r\n\r\n"
    for piece in pieces(whole, cuts):
        said += side.handle_event(events.DataReceived(made.client, piece))
    (hook,) = [each for each in said if isinstance(each, BadRequestHook)]
    assert "256 kB" in hook.data.problem
    assert not [each for each in said if isinstance(each, ReceiveHttp)], "it goes no further"


@pytest.mark.parametrize("cuts", CUTS)
def test_an_answer_head_over_the_limit(cuts: tuple[int, ...]) -> None:
    made = context()
    side = http1.Client(made)
    said = list(side.handle_event(events.Start()))
    side.request = http.Request.make("GET", "http://www.gov.uk/")
    side.stream_id = 1
    whole = b"HTTP/1.1 200 OK\r\n" + FIELDS + b"\r\n\r\n"
    for piece in pieces(whole, cuts):
        said += side.handle_event(events.DataReceived(made.server, piece))
    received = [each.event for each in said if isinstance(each, ReceiveHttp)]
    assert received
    assert all(isinstance(each, ResponseProtocolError) for each in received)
