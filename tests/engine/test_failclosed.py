"""A handler that raises, at every hook and through the whole engine: refused and recorded."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from mitmproxy.connection import Server
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow
from mitmproxy.tls import TlsData
from support.client import client_hello
from support.faults import SECRET, failing
from support.scene import a_client
from support.stage import answering
from support.waiting import until

from proxy_addons.addons.requests import RECORD, Requests
from proxy_addons.addons.tunnels import Tunnels
from proxy_addons.addons.visitors import Visitors
from proxy_addons.addons.websockets import WebSockets
from proxy_addons.engine.failclosed import FailClosed
from proxy_addons.engine.layers import BadRequest, Refuse
from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.protocols import Protocols
from proxy_addons.engine.tuning import ForkingContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

HOST = "Host: allowed.test"


@pytest.fixture
def fail_in(
    stage_with: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Callable[..., Any]:
    """A stage on which a method raises; it must be replaced before the hook table is made."""

    async def begin(owner: type, name: str) -> Stage:
        monkeypatch.setattr(owner, name, failing)
        caplog.set_level(logging.ERROR)
        # The relay lane calls no hooks for requests: tests/engine/relay tries it.
        stage: Stage = await stage_with({"network": {"relay_lane": False}})
        await stage.origin("allowed.test", script=answering())
        return stage

    return begin


@pytest.fixture(autouse=True)
def _nothing_is_quoted(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert SECRET not in caplog.text, "an exception's text may hold what a client sent"


async def test_when_a_client_connects(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Visitors, "client_connected")
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert await client.ended() == b""
    assert stage.roads.taken == []
    assert await stage.end() == []


async def test_at_connect(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Tunnels, "http_connect")
    client = await stage.client()
    reply = await client.connect_to("allowed.test:443")
    assert (reply.status, "proxy_internal_error" in reply.headers["proxy-status"]) == (503, True)
    (record,) = await stage.end()
    assert (record["action"], record["rule"], record["status"]) == ("block", "undecided", 503)
    assert record["error"] == "RuntimeError"


@pytest.mark.parametrize("inside", [False, True])
async def test_at_a_request(fail_in: Callable[..., Any], *, inside: bool) -> None:
    stage = await fail_in(Requests, "requestheaders")
    client = await (stage.tunnel("allowed.test") if inside else stage.client())
    reply = await client.get("/" if inside else "http://allowed.test/", HOST)
    assert reply.status == 503
    assert SECRET not in reply.text
    (record,) = await stage.end()
    assert (record["action"], record["rule"], record["status"]) == ("block", "undecided", 503)
    assert (record["bytes_down"], record["content_type"]) == (
        len(reply.body),
        "text/html; charset=utf-8",
    )
    assert stage.roads.taken == []


async def test_at_an_upload(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Requests, "requestheaders")
    client = await stage.client()
    client.send(f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 10\r\n\r\nxxx")
    assert (await client.answer()).status == 503
    assert len(await stage.end()) == 1


@pytest.mark.parametrize("name", ["responseheaders", "response"])
async def test_at_the_answer(fail_in: Callable[..., Any], name: str) -> None:
    stage = await fail_in(Requests, name)
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    got = await client.ended()
    if name == "responseheaders":
        assert got == b"", "nothing of the answer passes"
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")
    assert record["error"] == "undecided (RuntimeError)"


async def test_at_a_failed_server(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Requests, "upstream_failed")
    stage.roads.places["allowed.test"] = ConnectRefused("refused", "upstream-failed")
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert await client.ended() == b""
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")


async def test_at_a_bad_request(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Requests, "bad_request")
    client = await stage.client()
    client.send(b"GET / HTTP/9.9\r\n\r\n")
    assert await client.ended() == b""


async def test_at_the_choice_of_a_protocol(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Protocols, "next_layer")
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert await client.ended() == b""
    assert stage.roads.taken == []


@pytest.mark.parametrize("name", ["tls_start_client", "tls_established_client"])
async def test_at_the_clients_tls(fail_in: Callable[..., Any], name: str) -> None:
    stage = await fail_in(Protocols, name)
    client = await stage.client()
    await client.connect_to("allowed.test:443")
    if name == "tls_start_client":
        client.send(client_hello("allowed.test"))
    else:
        with suppress(OSError):  # in TLS 1.3 the client may think for a moment that it stands
            await client.start_tls("allowed.test", stage.authority)
        client.send(f"GET / HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.ended()
    (record,) = await stage.end()
    assert record["rule"] == "tunnel-without-request"
    assert stage.roads.taken == []


async def test_at_the_servers_tls(fail_in: Callable[..., Any]) -> None:
    """No server is spoken to in TLS whose certificate would not be checked."""
    stage = await fail_in(Protocols, "tls_start_server")
    await stage.secure_origin("allowed.test", script=answering())
    client = await stage.tunnel("allowed.test")
    assert (await client.get("/", HOST)).status == 502
    (record,) = await stage.end()
    assert (record["action"], record["status"]) == ("allow", 502)


async def test_at_the_end_of_a_splice(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Protocols, "splice_end")
    await stage.secure_origin("bank.test", script=answering())
    client = await stage.client()
    await client.connect_to("bank.test:443")
    await client.start_tls("bank.test", stage.web.file)
    assert (await client.get("/", "Host: bank.test")).status == 200
    client.close()
    (record,) = await stage.end()
    assert record["kind"] == "tunnel"
    assert record["bytes_down"] > 0


async def test_when_a_client_leaves(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Visitors, "client_disconnected")
    stage.roads.places["allowed.test"] = None
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: stage.roads.taken)
    client.reset()
    (record,) = await stage.end()
    assert "still open when the gateway stopped" in record["error"], "it is not lost"


async def test_at_the_end_of_a_websocket(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(WebSockets, "websocket_end")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    await stage.origin(
        "allowed.test",
        script=upgrading,
    )
    client = await stage.client()
    reply = await client.get(
        "http://allowed.test/", HOST, "Upgrade: websocket", "Connection: Upgrade", key,
        "Sec-WebSocket-Version: 13",
    )  # fmt: skip
    assert reply.status == 101
    client.send(bytes.fromhex("888000000000"))
    await client.ended()
    (record,) = await stage.end()
    assert record["kind"] == "websocket"
    assert record["error"]


async def upgrading(reader: Any, writer: Any) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    await reader.read()


# --- what stands for a refusal ----------------------------------------------------------------


@pytest.fixture
def refuse(stage: Stage, caplog: pytest.LogCaptureFixture) -> FailClosed:
    caplog.set_level(logging.CRITICAL)
    return FailClosed(stage.gate, stage.worker._visitors)


def context() -> ForkingContext:
    return ForkingContext(a_client(), EngineOptions())


def test_a_choice_becomes_the_end(refuse: FailClosed) -> None:
    choice = NextLayer(context())
    refuse("next_layer", choice, RuntimeError())
    assert isinstance(choice.layer, Refuse)


@pytest.mark.parametrize("hook", ["tls_start_client", "tls_start_server"])
def test_tls_becomes_none(refuse: FailClosed, hook: str) -> None:
    made = context()
    data = TlsData(made.client, made, ssl_conn=object())  # type: ignore[arg-type]
    refuse(hook, data, RuntimeError())
    assert data.ssl_conn is None


@pytest.mark.parametrize("hook", ["tls_established_client", "tls_failed_client"])
def test_tls_that_stands_already_cannot_be_taken_back(refuse: FailClosed, hook: str) -> None:
    made = context()
    with pytest.raises(TypeError):
        refuse(hook, TlsData(made.client, made), RuntimeError())


@pytest.mark.parametrize("hook", ["websocket_start", "websocket_message"])
async def test_a_message_of_a_websocket_cannot_be_taken_back(
    refuse: FailClosed, stage: Stage, hook: str
) -> None:
    """mitmproxy would relay it all the same: the caller closes."""
    flow = tflow.twebsocketflow()
    flow.live = True
    visitors = stage.worker._visitors
    visitors.client_connected(flow.client_conn)
    record = flow.metadata[RECORD] = stage.log.begin(kind="websocket")
    visitors[flow.client_conn].open[flow.id] = record
    with pytest.raises(TypeError, match="cannot be broken off"):
        refuse(hook, flow, RuntimeError(SECRET))
    assert (record.finished, record.action, record.rule) == (True, "block", "undecided")


def test_a_server_becomes_an_error(refuse: FailClosed) -> None:
    data = ServerConnectionHookData(Server(address=("allowed.test", 443)), a_client())
    refuse("server_connect", data, RuntimeError(SECRET))
    assert isinstance(data.server.error, ConnectRefused)
    assert (str(data.server.error), data.server.error.kind) == (
        "undecided (RuntimeError)",
        "undecided",
    )


def test_a_client_becomes_an_error(refuse: FailClosed) -> None:
    client = a_client()
    refuse("client_connected", client, RuntimeError(SECRET))
    assert client.error == "undecided (RuntimeError)"


@pytest.mark.parametrize("data", [None, object(), BadRequest(a_client(), "x")])
def test_of_what_is_not_known_the_caller_closes(refuse: FailClosed, data: object) -> None:
    with pytest.raises(TypeError, match="no refusal known"):
        refuse("bad_request", data, RuntimeError())


def test_what_failed_and_where_is_reported(
    refuse: FailClosed, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        try:
            failing()
        except RuntimeError as problem:
            refuse("client_connected", a_client(), problem)
    said = caplog.records[-1].getMessage()
    assert said.startswith("a handler of client_connected failed (RuntimeError at faults.py:")
