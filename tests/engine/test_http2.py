"""HTTP/2 on either side: pages, records, breaches of the protocol, and peers that read slowly."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sized
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import tls_with
from support.http2 import Http2, speaking
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine import http2 as ours
from proxy_addons.engine import httplayer
from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

pytestmark = pytest.mark.usefixtures("little_to_collect")

MEGABYTE = 1 << 20
PIECE = b"x" * 65536
HOST = "Host: allowed.test"
# What may wait for one slow stream: the high-water mark, a window, and what is on its way.
BIG = 8 * MEGABYTE
HUGE = 20 * MEGABYTE  # more than all buffers of the kernel between two sockets
BOUND = httplayer._HIGH + ours.WINDOW + MEGABYTE


async def http2_origin(stage: Stage, part: Any, **more: Any) -> None:
    context = tls_with(stage.web.leaf("allowed.test"))
    context.set_alpn_protocols(["h2"])
    await stage.origin("allowed.test", script=speaking(part, **more), tls=context)


async def hello(side: Http2, stream_id: int) -> None:
    await side.until(lambda: stream_id in side.ended)
    side.respond(stream_id, ("content-length", "5"))
    await side.send(stream_id, b"hello", end=True)


def layers_of(stage: Stage) -> Any:
    """The innermost HTTP layer of the only connection."""
    (driver,) = stage.drivers
    # Any of its layers: the garbage collector knows them all by the client they serve.
    found = [
        each
        for each in gc.get_objects()
        if isinstance(each, httplayer.Http)
        and "context" in vars(each)  # else of an ended connection, taken apart
        and each.context.client is driver.client
    ]
    return max(found, key=lambda each: len(each.context.layers))


# --- pages and records ------------------------------------------------------------------------


async def test_many_requests_at_once(stage: Stage, connect: Callable[..., Any]) -> None:
    await stage.secure_origin("allowed.test", script=answering())
    client = await connect()
    streams = [client.ask(f"/{number}") for number in range(20)]
    refused = client.ask("/", "blocked.test")
    for stream_id in streams:
        assert await client.answer(stream_id) == (200, b"hello")
    status, body = await client.answer(refused)
    assert (status, b"webmail" in body) == (403, True)
    await client.close()
    records = await stage.end()
    assert sorted(r["url"] for r in records if r["status"] == 200) == sorted(
        f"https://allowed.test/{number}" for number in range(20)
    )
    (block,) = [record for record in records if record["action"] == "block"]
    assert (block["rule"], block["sni"]) == ("webmail", "allowed.test")
    assert len(records) == 21


async def test_a_refused_upload_is_answered_at_once(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    client = await connect("blocked.test")
    stream_id = client.ask("/", "blocked.test", method="PUT", end=False)
    status, body = await client.answer(stream_id)
    assert (status, b"webmail" in body) == (403, True)
    await client.send(stream_id, PIECE, end=True)
    again = client.ask("/again", "blocked.test")
    assert (await client.answer(again))[0] == 403, "the connection goes on"
    await client.close()
    records = await stage.end()
    assert [record["bytes_down"] for record in records] == [len(body), len(client.body[again])]
    assert stage.roads.taken == []


async def test_a_body_is_no_request_to_a_server_of_http_1(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    """In HTTP/2 a body needs no length. Sent on as it is, it would be a request nobody judged."""
    smuggled = b"GET / HTTP/1.1\r\nHost: blocked.test\r\n\r\n"
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await request_head(reader)
        assert "Transfer-Encoding: chunked\r\n" in head
        while size := int(await reader.readline(), 16):
            got.append(await reader.readexactly(size + 2))
        got.append(await reader.readexactly(2))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        got.append(await reader.read())

    await stage.secure_origin("allowed.test", script=script)
    client = await connect()
    stream = client.ask("/upload", method="POST", end=False)
    await client.send(stream, smuggled, end=True)
    assert await client.answer(stream) == (200, b"ok")
    await client.close()
    await until(lambda: len(got) == 3)
    assert got == [smuggled + b"\r\n", b"\r\n", b""]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_server_that_fails(method: str, stage: Stage, connect: Callable[..., Any]) -> None:
    stage.streams_bodies()
    stage.roads.places["allowed.test"] = ConnectRefused("connection refused", "upstream-failed")
    client = await connect()
    stream_id = client.ask(
        "/", "allowed.test", ("accept", "application/json"), method=method, end=method == "GET"
    )
    status, body = await client.answer(stream_id)
    assert (status, b"upstream-failed" in body) == (502, True)
    if method == "PUT":
        await client.send(stream_id, b"x" * 1000, end=True)
    await stage.secure_origin("allowed.test", script=answering())
    assert await client.answer(client.ask()) == (200, b"hello"), "a failure is not remembered"
    await client.close()
    first, second = await stage.end()
    assert (first["status"], first["error"]) == (502, "connection refused")
    assert (second["status"], second["error"]) == (200, None)


async def test_a_server_that_leaves_in_the_body(stage: Stage, connect: Callable[..., Any]) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
        writer.write(head + b"x" * 50)
        await writer.drain()

    await stage.secure_origin("allowed.test", script=script)
    client = await connect()
    stream_id = client.ask()
    await client.answer(stream_id)
    assert stream_id in client.reset, "it must not look complete"
    assert client.body[stream_id] == b"x" * 50
    await client.close()
    (record,) = await stage.end()
    assert (record["status"], record["bytes_down"]) == (200, 50)
    assert record["error"]


@pytest.mark.parametrize(
    ("path", "authority", "more", "why"),
    [
        # The authority went unjudged: servers differ on which of the two counts.
        ("https://allowed.test/", "blocked.test", (), "not a path from the root"),
        ("http:/", "allowed.test", (), "not a path from the root"),
        ("x", "allowed.test", (), "not a path from the root"),
        ("/", "allowed.test", (("transfer-encoding", "chunked"),), None),
        ("/", "allowed.test", (("host", "blocked.test"),), None),
        ("/#x", "allowed.test", (), "the request target contains #: write %23"),
    ],
)
async def test_requests_that_cannot_be_read(
    path: str, authority: str, more: tuple[tuple[str, str], ...], why: str | None,
    stage: Stage, connect: Callable[..., Any],
) -> None:  # fmt: skip
    client = await connect()
    stream_id = client.ask(path, authority, *more)
    await client._task if why is None else None
    if why is not None:
        status, body = await client.answer(stream_id)
        assert status == 400
        assert b"mitmproxy" not in body
    await client.close()
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "bad-request")
    assert record["error"] == (why or "a breach of the HTTP/2 protocol")
    assert stage.roads.taken == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        bytes.fromhex("000004 08 00 00000001 00000000"),  # a window opened by nothing
        bytes.fromhex("000001 00 01 00000001 78"),  # a body before its head
    ],
)
async def test_a_breach_of_the_protocol_leaves_a_record(sent: bytes, stage: Stage) -> None:
    client = await stage.tunnel("allowed.test", alpn=("h2",))
    preface = b"" if sent.startswith(b"GET") else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    client.send(preface + bytes.fromhex("000000 04 00 00000000") * bool(preface) + sent)
    assert b"mitmproxy" not in await client.ended()
    (record,) = await stage.end()
    assert (record["rule"], record["host"]) == ("bad-request", "allowed.test")
    assert record["error"] == "a breach of the HTTP/2 protocol"


async def test_a_client_that_resets_its_request(stage: Stage, connect: Callable[..., Any]) -> None:
    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request_head(reader)
        asked.set()
        await reader.read()
        left.set()

    asked, left = asyncio.Event(), asyncio.Event()
    await stage.secure_origin("allowed.test", script=script)
    client = await connect()
    stream_id = client.ask()
    async with asyncio.timeout(5):
        await asked.wait()
        client.h2.reset_stream(stream_id, 8)
        client.flush()
        await left.wait()
    await stage.secure_origin("allowed.test", script=answering())
    assert await client.answer(client.ask()) == (200, b"hello")
    await client.close()
    first, second = await stage.end()
    assert (first["status"], first["error"]) == (None, "stream reset by client (CANCEL)")
    assert second["error"] is None


async def test_http2_to_the_server(stage: Stage, connect: Callable[..., Any]) -> None:
    await http2_origin(stage, hello)
    client = await connect()
    for _ in range(3):
        assert await client.answer(client.ask()) == (200, b"hello")
    assert len(stage.roads.taken) == 1
    one = await stage.tunnel("allowed.test", alpn=("http/1.1",))
    stage.roads.places["allowed.test"] = await stage.origin(
        script=answering(), tls=stage.web.server_context()
    )
    assert (await one.get("/", HOST)).text == "hello"
    await client.close()
    assert [record["status"] for record in await stage.end()] == [200] * 4


# --- slow readers -----------------------------------------------------------------------------


async def pouring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with far more than anybody should keep."""
    head = await request_head(reader)
    if " /small" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")
        return
    size = BIG
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()


async def pouring2(side: Http2, stream_id: int) -> None:
    if side.headers[stream_id][":path"].startswith("/small"):
        await hello(side, stream_id)
        return
    side.respond(stream_id)
    await side.send(stream_id, b"x" * (BIG), end=True)


@pytest.mark.parametrize("server", ["http/1.1", "h2"])
async def test_a_client_that_opens_no_window(
    server: str, stage: Stage, connect: Callable[..., Any]
) -> None:
    """A browser that pauses a download must not fill the gateway's memory, nor stop the rest."""
    if server == "h2":
        await http2_origin(stage, pouring2)
    else:
        await stage.secure_origin("allowed.test", script=pouring)
    client = await connect()
    client.opens = False
    big = client.ask("/big")
    await client.until(lambda: len(client.body[big]) == 65535)
    layer = layers_of(stage)
    side = layer.connections[layer.context.client]
    await until(lambda: layer._held)
    for number in range(3):
        small = client.ask(f"/small/{number}")
        client.opens = True
        client.h2.increment_flow_control_window(1000)
        client.flush()
        assert (await client.answer(small))[0] == 200, "one that is held holds no other up"
        client.opens = False
    assert side.h2_conn.waiting(big) < BOUND
    client.opens = True
    client.open(big)
    client.h2.increment_flow_control_window(60000)
    client.flush()
    status, body = await client.answer(big)
    assert (status, len(body)) == (200, BIG)
    assert layer._held == {}
    await client.close()
    records = await stage.end()
    assert max(record["bytes_down"] for record in records) == BIG
    assert [record["error"] for record in records] == [None] * 4


async def test_a_server_that_opens_no_window(stage: Stage, connect: Callable[..., Any]) -> None:
    """An upload over a slow line must not fill the gateway's memory."""
    stage.streams_bodies()
    sides: list[Http2] = []

    async def sink(side: Http2, stream_id: int) -> None:
        sides.append(side)
        await side.until(lambda: stream_id in side.ended)
        side.respond(stream_id)
        await side.send(stream_id, str(len(side.body[stream_id])).encode(), end=True)

    await http2_origin(stage, sink, opens=False)
    size = BIG
    client = await connect()
    stream_id = client.ask("/", method="PUT", end=False)
    sending = asyncio.ensure_future(client.send(stream_id, b"x" * size, end=True))
    await until(lambda: sides and sides[0].body)
    layer = layers_of(stage)
    await until(lambda: layer._held)
    assert not sending.done()
    (server,) = layer._ways
    speaker = layer._ways[server].speaker.child_layer
    assert max(speaker.swamped().values()) < BOUND
    sides[0].opens = True
    sides[0].open(1)
    await sending
    assert await client.answer(stream_id) == (200, str(size).encode())
    assert layer._held == {}
    await client.close()
    (record,) = await stage.end()
    assert record["bytes_up"] == size


async def test_an_upload_to_a_slow_server_stops_no_other_exchange(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    stage.streams_bodies()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await request_head(reader)
        if head.startswith("PUT"):
            arrived.append(1)
            await wanted.wait()
            size = int(head.lower().partition("content-length:")[2].split()[0])
            await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

    arrived: list[int] = []
    wanted = asyncio.Event()
    await stage.secure_origin("allowed.test", script=script)
    client = await connect()
    slow = client.ask(
        "/slow", "allowed.test", ("content-length", str(HUGE)), method="PUT", end=False
    )
    sending = asyncio.ensure_future(client.send(slow, b"x" * HUGE, end=True))
    await until(lambda: arrived)
    (driver,) = stage.drivers
    await until(lambda: driver._full)
    for number in range(5):
        assert await client.answer(client.ask(f"/{number}")) == (200, b"hello")
    assert driver._full, "it is still slow"
    assert not sending.done()
    wires = driver._wires.values()
    assert max(wire.transport.get_write_buffer_size() for wire in wires) < BOUND
    wanted.set()
    assert await client.answer(slow) == (200, b"hello")
    await sending
    assert not driver._full
    await client.close()
    records = await stage.end()
    assert sorted(record["bytes_up"] for record in records) == [0] * 5 + [HUGE]


async def test_an_upload_that_waits_for_its_server(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    """While the server is being reached, no more than a window is taken in."""
    stage.streams_bodies()
    stage.roads.places["allowed.test"] = None
    client = await connect()
    stream_id = client.ask("/", method="PUT", end=False)
    sending = asyncio.ensure_future(client.send(stream_id, b"x" * (8 * MEGABYTE)))
    await until(lambda: stage.roads.taken)
    await until(lambda: client.h2.local_flow_control_window(stream_id) == 0)
    assert not sending.done()
    sending.cancel()


async def test_a_held_stream_that_is_reset_is_let_go(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    await stage.secure_origin("allowed.test", script=pouring)
    client = await connect()
    client.opens = False
    big = client.ask("/big")
    layer = None
    await client.until(lambda: len(client.body[big]) == 65535)
    layer = layers_of(stage)
    await until(lambda: layer._held)
    client.h2.reset_stream(big, 8)
    client.flush()
    await until(lambda: not layer._held)
    client.opens = True
    client.h2.increment_flow_control_window(65535)
    client.flush()
    assert (await client.answer(client.ask("/small")))[0] == 200


async def test_windows_are_of_a_size_that_fits_memory(connect: Callable[..., Any]) -> None:
    client = await connect()
    await client.until(lambda: client.h2.remote_settings.initial_window_size != 65535)
    assert client.h2.remote_settings.initial_window_size == ours.WINDOW
    assert client.h2.remote_settings.max_concurrent_streams == 100


# --- what ended requests leave behind ---------------------------------------------------------


def kept() -> Counter[str]:
    """Objects that the gateway keeps, by type; and how many entries its layers' stores have."""
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        module = str(kind.__module__)  # not always text
        # Clocks that were taken back lie in asyncio's queue, up to a hundred, until it clears them.
        if module.startswith(("proxy_addons.", "mitmproxy.", "OpenSSL.")) or (
            isinstance(each, asyncio.TimerHandle) and not each.cancelled()
        ):
            found[kind.__qualname__] += 1
        if isinstance(each, (httplayer.Http, ours.Server, ours.Client, ours._Connection)):
            for name, value in vars(each).items():
                if isinstance(value, Sized):
                    found[f"{kind.__qualname__}.{name}"] += len(value)
    return found


@pytest.mark.parametrize("inner", ["http/1.1", "h2"])
async def test_ended_requests_leave_nothing_behind(
    inner: str, stage: Stage, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = 10
    # h2 keeps how the last ones ended: here so few that it has reached its bound at the beginning.
    monkeypatch.setattr(ours._Connection, "MAX_CLOSED_STREAMS", at_once)
    monkeypatch.setattr(ours, "_ENDED", at_once)
    if inner == "h2":
        await http2_origin(stage, hello)
    else:
        await stage.secure_origin("allowed.test", script=answering())
    client = await connect()

    async def ask(count: int) -> None:
        for _ in range(count // at_once):
            streams = [client.ask(f"/{number}") for number in range(at_once)]
            for stream_id in streams:
                assert await client.answer(stream_id) == (200, b"hello")

    await ask(100)
    before = kept()
    assert before["Server"] > 0
    await ask(600)
    # What is on its way of the last requests, and what waits to be looked at: no part of the 600.
    grown = {kind: more for kind, more in (kept() - before).items() if more > 8 * at_once}
    assert grown == {}


async def test_the_tls_of_ended_connections_does_not_wait_for_the_collector(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    await stage.secure_origin("allowed.test", script=answering())
    client = await connect()
    gc.collect()
    gc.disable()
    try:
        for number in range(40):
            assert await client.answer(client.ask(f"/{number}")) == (200, b"hello")
        layers = [each for each in gc.get_objects() if isinstance(each, ServerTls)]
        alive = sum(getattr(each, "tls", None) is not None for each in layers)
    finally:
        gc.enable()
    assert len(stage.roads.taken) == 40, "one connection for each"
    assert alive <= 2 * httplayer._KEPT
