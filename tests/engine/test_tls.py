"""The quick TLS layers: what is inside arrives whole, in order, and only after the handshake."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from OpenSSL import SSL
from support.certificates import WebAuthority, tls_with

from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.tls import QuickTls, ServerTls, let_go
from proxy_addons.engine.tuning import ForkingContext

if TYPE_CHECKING:
    from pathlib import Path

NAME = "allowed.test"


class Inner(layer.Layer):
    """Says what it is told, and sends what a test has it send."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.heard: list[bytes] = []
        self.events: list[events.Event] = []
        self.replies: list[str | None] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.events.append(event)
        if isinstance(event, events.Start):
            self.replies.append((yield commands.OpenConnection(self.context.server)))
        elif isinstance(event, events.DataReceived):
            self.heard.append(event.data)
        elif isinstance(event, Send):
            yield commands.SendData(self.context.server, event.data)

    @property
    def text(self) -> bytes:
        return b"".join(self.heard)


class Send(events.Event):
    def __init__(self, data: bytes) -> None:
        self.data = data


class Talk:
    """A ServerTls in memory, with Python's own TLS as the server."""

    def __init__(self, context: ssl.SSLContext, trust: Path, name: str = NAME) -> None:
        client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
        around = ForkingContext(client, EngineOptions())  # type: ignore[arg-type]
        self.server = around.server = Server(address=(name, 443))
        self.layer = ServerTls(around)
        self.inner = self.layer.child_layer = Inner(around)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        ours = SSL.Context(SSL.TLS_CLIENT_METHOD)
        ours.set_verify(SSL.VERIFY_PEER, None)
        ours.load_verify_locations(str(trust))
        self.ours = SSL.Connection(ours)
        self.ours.set_connect_state()
        self.ours.set_tlsext_host_name(name.encode())
        self.closes = 0
        self.logs: list[str] = []

    def give(self, event: events.Event) -> None:
        """Hand the layer an event; do what it asks."""
        waiting = [event]
        while waiting:
            for command in self.layer.handle_event(waiting.pop(0)):
                if isinstance(command, commands.SendData):
                    self.incoming.write(command.data)
                elif isinstance(command, commands.OpenConnection):
                    self.server.state = ConnectionState.OPEN
                    waiting.append(events.OpenConnectionCompleted(command, None))
                elif isinstance(command, commands.StartHook):
                    command.args()[0].ssl_conn = self.ours
                    waiting.append(events.HookCompleted(command))
                elif isinstance(command, commands.CloseConnection):
                    self.closes += 1
                elif isinstance(command, commands.Log):
                    self.logs.append(command.message)

    def feed(self, data: bytes) -> None:
        self.give(events.DataReceived(self.server, data))

    def shake(self) -> Talk:
        self.give(events.Start())
        for _ in range(10):
            with suppress(ssl.SSLWantReadError, ssl.SSLError):
                self.peer.do_handshake()
            if data := self.outgoing.read():
                self.feed(data)
        return self

    @property
    def completed(self) -> str | None:
        """The error with which the inner layer was told of the connection."""
        (reply,) = self.inner.replies
        return reply


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def good(web: WebAuthority) -> ssl.SSLContext:
    return tls_with(web.leaf(NAME))


SIZES = st.lists(st.sampled_from([1, 100, 16383, 16384, 16385, 65536, 200_000]), max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(down=SIZES, up=SIZES, cut=st.integers(1, 70_000), older=st.booleans())
def test_all_arrives_whole_and_in_order(
    web: WebAuthority, down: list[int], up: list[int], cut: int, *, older: bool
) -> None:
    context = tls_with(web.leaf(NAME))
    if older:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    talk = Talk(context, web.file).shake()
    assert talk.completed is None
    assert talk.inner.heard == [], "nothing of the handshake"
    said = b""
    for number, size in enumerate(down):
        piece = bytes([number]) * size
        said += piece
        talk.peer.write(piece)
        sealed = talk.outgoing.read()
        for start in range(0, len(sealed), cut):
            talk.feed(sealed[start : start + cut])
        assert talk.inner.text == said
    for number, size in enumerate(up):
        piece = bytes([number]) * size
        talk.give(Send(piece))
        heard = b""
        while len(heard) < size:
            heard += talk.peer.read(65536)
        assert heard == piece


def test_nothing_large_stays_behind(web: WebAuthority, good: ssl.SSLContext) -> None:
    """A BIO keeps what it has grown to, for as long as the connection stands."""
    talk = Talk(good, web.file).shake()
    largest = 0
    write = talk.incoming.write

    def noting(data: Any) -> int:
        nonlocal largest
        largest = max(largest, len(data))
        return write(data)

    talk.incoming = SimpleSink(noting)  # type: ignore[assignment]
    talk.give(Send(b"x" * 1_000_000))
    assert 0 < largest < 17_000, "sealed piece by piece"


class SimpleSink:
    def __init__(self, write: Any) -> None:
        self.write = write


def test_an_end_is_told_once_and_after_the_data(web: WebAuthority, good: ssl.SSLContext) -> None:
    talk = Talk(good, web.file).shake()
    talk.peer.write(b"last words")
    with suppress(ssl.SSLWantReadError):
        talk.peer.unwrap()
    talk.feed(talk.outgoing.read() + b"\x17\x03\x03\x00\x05hello")
    talk.give(events.ConnectionClosed(talk.server))
    told = [
        e
        for e in talk.inner.events
        if isinstance(e, (events.DataReceived, events.ConnectionClosed))
    ]
    assert [type(e) for e in told] == [events.DataReceived, events.ConnectionClosed]
    assert talk.inner.text == b"last words"
    assert not talk.server.state & ConnectionState.CAN_READ


@pytest.mark.parametrize("flipped", [0, 5, 20])
def test_what_is_not_sealed_well_is_not_handed_on(
    web: WebAuthority, good: ssl.SSLContext, flipped: int
) -> None:
    talk = Talk(good, web.file).shake()
    talk.peer.write(b"good")
    first = talk.outgoing.read()
    talk.peer.write(b"forged")
    second = bytearray(talk.outgoing.read())
    second[flipped] ^= 1
    talk.feed(first + bytes(second))
    talk.peer.write(b"more")
    talk.feed(talk.outgoing.read())
    assert talk.inner.text == b"good"
    assert any(said.startswith("TLS Error") for said in talk.logs)


def test_a_certificate_of_a_stranger(tmp_path: Path, good: ssl.SSLContext) -> None:
    talk = Talk(good, WebAuthority(tmp_path, "Another").file).shake()
    assert talk.completed is not None
    assert talk.completed.startswith("Certificate verify failed: ")
    assert talk.closes == 1
    assert not talk.server.timestamp_tls_setup


def test_a_server_that_speaks_no_tls(web: WebAuthority, good: ssl.SSLContext) -> None:
    talk = Talk(good, web.file)
    talk.give(events.Start())
    talk.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert talk.completed == "The remote server does not speak TLS."
    assert talk.inner.heard == []


def test_a_server_of_old_tls_only(web: WebAuthority, good: ssl.SSLContext) -> None:
    talk = Talk(good, web.file)
    talk.give(events.Start())
    talk.feed(b"\x15\x03\x01\x00\x02\x02\x46")  # its alert: protocol_version (RFC 8446 6.2)
    assert talk.completed is not None
    assert "cannot agree on a TLS version" in talk.completed


def test_a_server_that_leaves_in_the_middle(web: WebAuthority, good: ssl.SSLContext) -> None:
    talk = Talk(good, web.file)
    talk.give(events.Start())
    talk.give(events.ConnectionClosed(talk.server))
    assert talk.completed == "connection closed"


def test_the_short_way_waits_for_what_the_layer_waits_for(
    web: WebAuthority, good: ssl.SSLContext
) -> None:
    """While a hook is unanswered, events queue up behind it as in any layer of mitmproxy."""
    talk = Talk(good, web.file).shake()
    assert isinstance(talk.layer, QuickTls)
    talk.layer._paused = layer.Paused(commands.Command(), iter(()))  # type: ignore[arg-type,assignment]
    talk.peer.write(b"waits")
    talk.feed(talk.outgoing.read())
    assert talk.inner.heard == []


def test_what_has_been_let_go_does_nothing_more(web: WebAuthority, good: ssl.SSLContext) -> None:
    """OpenSSL's part is gone at once; what still comes for it is passed over."""
    talk = Talk(good, web.file).shake()
    talk.peer.write(b"late")
    late = talk.outgoing.read()
    let_go(talk.layer)
    assert talk.layer.tls is None
    sent = talk.incoming.pending
    talk.feed(late)
    talk.give(Send(b"never"))
    talk.give(events.ConnectionClosed(talk.server))
    assert talk.inner.heard == []
    assert talk.incoming.pending == sent
    assert isinstance(talk.inner.events[-1], events.ConnectionClosed)
