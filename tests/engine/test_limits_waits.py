"""Limits of time on the real engine: heads, handshakes, first bytes, bodies that keep us waiting.

The looks at the waits are the tests' own, at seconds of their own: no test sleeps.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.client import client_hello
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine.pace import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Script, Stage

HOST = "Host: allowed.test"
URL = "http://allowed.test/"
LIMITS = {
    "head_timeout": 30, "handshake_timeout": 15, "first_byte_timeout": 120, "body_timeout": 60,
}  # fmt: skip
EVER = 1e6
SMALL = 32 * 1024


@pytest.fixture(params=["relay lane", "generic lane"])
async def both(request: pytest.FixtureRequest, stage_with: Callable[..., Any]) -> Stage:
    """A stage; every test of it is run on either lane."""
    relay = request.param == "relay lane"
    return await stage_with({"network": {"relay_lane": relay}, "limits": LIMITS})


def look(stage: Stage, *seconds: float) -> None:
    """Look at the waits of all connections at these seconds."""
    for second in seconds:
        for driver in stage.drivers:
            driver.sweep(second)


async def waits(stage: Stage, what: Wait) -> None:
    """Until some connection waits so."""
    await until(
        lambda: any(each is what for driver in stage.drivers for each, _ in driver._pace._since)
    )


def open_still(stage: Stage) -> bool:
    """Whether the connections are open, and have not been ended just now."""
    return bool(stage.drivers) and all(driver._why is None for driver in stage.drivers)


def waited_for(stage: Stage) -> set[Wait]:
    return {each for driver in stage.drivers for each, _ in driver._pace._since}


# --- heads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
async def test_a_request_head_that_takes_too_long_ends_the_connection(
    both: Stage, tls: bool
) -> None:
    await both.secure_origin("allowed.test", script=answering())
    client = await both.tunnel("allowed.test") if tls else await both.client()
    client.send("GET / HTTP/1.1\r\nHo")
    await waits(both, Wait.HEAD)
    look(both, 0.0, 20.0)
    client.send("st: allo")  # a byte now and then does not help
    await asyncio.sleep(0.01)
    look(both, 29.9)
    assert open_still(both)
    look(both, 30.0)
    assert await client.ended() == b""
    (record,) = await both.end()
    assert (record["rule"], record["action"]) == ("bad-request", "block")
    assert record["error"] == "a request head that took more than 30 s"
    assert record["status"] is None, "no answer was given"


async def test_a_head_in_time_and_a_connection_that_is_idle_are_left_alone(both: Stage) -> None:
    await both.origin("allowed.test", script=answering())
    client = await both.client()
    look(both, 0.0, 10.0)
    client.send(f"GET {URL} HTTP/1.1\r\n")
    await waits(both, Wait.HEAD)
    look(both, 20.0, 40.0)
    client.send(f"{HOST}\r\n\r\n")
    assert (await client.answer()).status == 200
    look(both, 60.0, EVER, 2 * EVER)
    assert (await client.get(URL, HOST)).status == 200, "idle it may be until idle_timeout"
    assert [record["status"] for record in await both.end()] == [200, 200]


# --- handshakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [b"", client_hello("allowed.test")[:40], client_hello("allowed.test")],
    ids=["nothing", "half a hello", "a hello"],
)
async def test_a_handshake_that_takes_too_long_ends_the_tunnel(both: Stage, sent: bytes) -> None:
    client = await both.client()
    await client.connect_to("allowed.test:443")
    client.send(sent)
    await waits(both, Wait.HANDSHAKE)
    if len(sent) > 40:
        assert await client.reader.readexactly(3), "the handshake has begun"
    look(both, 0.0, 14.9)
    assert open_still(both)
    look(both, 15.0)
    await client.ended()
    (record,) = await both.end()
    assert record["rule"] == "tunnel-without-request"
    assert record["error"] == "no TLS within 15 s of CONNECT"
    assert both.roads.taken == []


@pytest.mark.parametrize("what", ["inspected", "spliced", "plain"])
async def test_a_handshake_in_time_is_none_any_more(both: Stage, what: str) -> None:
    async def taking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    await both.origin("bank.test", script=taking)
    await both.origin("allowed.test", script=answering())
    client = await both.client()
    await client.connect_to("bank.test:443" if what == "spliced" else "allowed.test:443")
    look(both, 0.0)
    if what == "inspected":
        await client.start_tls("allowed.test", both.authority)
    elif what == "spliced":
        client.send(client_hello("bank.test"))
        await until(lambda: both.roads.taken)
    else:
        await client.get("/", HOST)
    await until(lambda: both.gate.clients["127.0.0.1"].handshakes == 0)
    look(both, EVER, 2 * EVER)
    assert open_still(both)
    await both.end()


# --- the first byte of an answer --------------------------------------------------------------


def begun(answer: bytes = b"") -> Script:
    """An origin that begins an answer, and never goes on."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(answer)
        await reader.read()

    return script


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 103 \r\n\r\n"])
@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_does_not_answer_in_time(both: Stage, tls: bool, answer: bytes) -> None:
    make = both.secure_origin if tls else both.origin
    await make("allowed.test", script=begun(answer))
    client = await both.tunnel("allowed.test") if tls else await both.client()
    client.send(f"GET {'/' if tls else URL} HTTP/1.1\r\n{HOST}\r\nAccept: text/html\r\n\r\n")
    await waits(both, Wait.FIRST_BYTE)
    look(both, 0.0, 119.9)
    assert waited_for(both) == {Wait.FIRST_BYTE}
    look(both, 120.0)
    reply = await client.answer()
    assert reply.status == 504
    assert "<html" in reply.text
    await make("allowed.test", script=answering())
    assert (await client.get("/" if tls else URL, HOST)).status == 200, "the next one goes on"
    first, second = await both.end()
    assert (first["status"], first["action"], first["rule"]) == (504, "allow", "business")
    assert first["error"] == "no answer within 120 s"
    assert (second["status"], second["error"]) == (200, None)


async def test_the_time_counts_from_the_end_of_the_request(both: Stage) -> None:
    both.streams_bodies()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await reader.readexactly(10)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    await both.origin("allowed.test", script=script)
    client = await both.client()
    client.send(f"PUT {URL} HTTP/1.1\r\n{HOST}\r\nContent-Length: 10\r\n\r\n12345")
    await until(lambda: both.roads.taken)
    await waits(both, Wait.BODY)
    look(both, 0.0, 50.0)
    client.send("67890")
    assert (await client.answer()).text == "hello"
    look(both, 51.0, EVER)
    assert open_still(both)
    await both.end()


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head", ["Content-Length: 10", "Transfer-Encoding: chunked", "Connection: close"]
)
async def test_an_answer_that_stops_in_its_body(both: Stage, head: str) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{head}\r\n\r\n".encode())
        piece = b"3\r\nabc\r\n" if "chunked" in head else b"abc"
        writer.write(piece)
        await go.wait()
        writer.write(piece)
        await reader.read()

    await both.origin("allowed.test", script=script)
    client = await both.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert (await client.head()).status == 200
    await client.reader.readuntil(b"abc")
    await waits(both, Wait.BODY)
    look(both, 0.0, 59.9)
    go.set()
    await client.reader.readuntil(b"abc")
    look(both, 60.0, 100.0, 119.9)
    assert open_still(both), "each byte begins the time anew"
    look(both, 120.0)
    await client.ended()
    (record,) = await both.end()
    assert (record["status"], record["bytes_down"]) == (200, 6)
    assert record["error"] == "no byte of a body for 60 s"


async def test_an_upload_that_stops_in_its_body(both: Stage) -> None:
    both.streams_bodies()
    await both.origin("allowed.test", script=begun())
    client = await both.client()
    client.send(f"PUT {URL} HTTP/1.1\r\n{HOST}\r\nContent-Length: 10\r\n\r\n123")
    await until(lambda: any(len(driver._wires) == 2 for driver in both.drivers))
    await waits(both, Wait.BODY)
    look(both, 0.0, 59.9)
    assert open_still(both)
    look(both, 60.0)
    await client.ended()
    (record,) = await both.end()
    assert record["bytes_up"] == 3
    assert record["error"] == "no byte of a body for 60 s"


async def test_a_body_of_a_refused_request_that_stops(both: Stage) -> None:
    client = await both.client()
    client.send(
        "PUT http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nContent-Length: 9\r\n\r\n1"
    )
    assert (await client.answer()).status == 403
    if both.drivers:
        await waits(both, Wait.BODY)
        look(both, 0.0, 60.0)
    await client.ended()
    (record,) = await both.end()
    assert (record["rule"], record["status"]) == ("webmail", 403)


async def test_server_sent_events_may_be_quiet(both: Stage) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n"
    await both.origin("allowed.test", script=begun(head))
    client = await both.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.reader.readuntil(b"data: 1\n\n")
    look(both, 0.0, EVER, 2 * EVER)
    assert open_still(both)
    await both.end()


async def test_a_client_that_takes_its_time_over_a_download_is_not_a_slow_server(
    both: Stage,
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n")
        for _ in range(32):
            writer.write(b"x" * (1 << 20))
            await writer.drain()

    await both.origin("allowed.test", script=script)
    client = await both.client()
    client.writer.get_extra_info("socket").setsockopt(1, 8, SMALL)  # SOL_SOCKET, SO_RCVBUF
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: any(driver._pressure for driver in both.drivers))
    look(both, 0.0, EVER, 2 * EVER)
    assert open_still(both)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert (await client.head()).status == 200
    assert len(await client.reader.readexactly(33554432)) == 33554432
    (record,) = await both.end()
    assert (record["bytes_down"], record["error"]) == (33554432, None)


async def test_nothing_is_left_of_waits_when_exchanges_are_over(both: Stage) -> None:
    go = asyncio.Event()

    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_head(reader)
            await reader.readexactly(6)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nabc"
            )
            await go.wait()
            go.clear()
            writer.write(b"def")

    await both.origin("allowed.test", script=in_pieces)
    client = await both.client()
    for _ in range(2):
        client.send(f"PUT {URL} HTTP/1.1\r\n")
        await waits(both, Wait.HEAD)
        client.send(f"{HOST}\r\nContent-Length: 6\r\n\r\n123")
        await waits(both, Wait.BODY)
        client.send("456")
        await client.head()
        assert await client.reader.readexactly(3) == b"abc"
        await waits(both, Wait.BODY)
        go.set()
        assert await client.reader.readexactly(3) == b"def"
        await until(lambda: not waited_for(both))
    look(both, 0.0, EVER)
    assert open_still(both)
    await both.end()
