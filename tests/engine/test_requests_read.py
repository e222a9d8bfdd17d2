"""Requests that cannot be read, or could be read in two ways: a page of ours, and a record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.stage import answering
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


SECRET = "hunter2"
HOST = "Host: allowed.test\r\n"

# What is sent after a connection was made (or inside a tunnel), and what the record says.
EVERYWHERE = {
    "one word": (b"GET\r\n\r\n", "a request head that cannot be read"),
    "HTTP/0.9": (b"GET /\r\n\r\n", "a request head that cannot be read"),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 in the clear"),
    "unknown version": (f"GET / HTTP/9.9\r\n{HOST}\r\n", "a version of HTTP that is unknown"),
    "HTTP/2 in HTTP/1": (f"GET / HTTP/3.0\r\n{HOST}\r\n", "a version of HTTP that is unknown"),
    "method with a quote": (f'G"T / HTTP/1.1\r\n{HOST}\r\n', "a method that is no word"),
    "a field without a colon": (
        f"GET / HTTP/1.1\r\n{HOST}Cookie {SECRET}\r\n\r\n",
        "a request head that cannot be read",
    ),
    "a space before the colon": (
        f"GET / HTTP/1.1\r\n{HOST}Cookie : {SECRET}\r\n\r\n",
        "invalid header name",
    ),
    "two lengths": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "a request whose length is not clear",
    ),
    "length and chunks": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "message with both transfer-encoding and content-length headers",
    ),
    "chunks twice": (
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "a request whose length is not clear",
    ),
    "chunks, obfuscated": (
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "a request whose length is not clear",
    ),
    "chunks in HTTP/1.0": (
        f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "unexpected HTTP transfer-encoding",
    ),
    "a negative length": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
        "a request whose length is not clear",
    ),
    "NUL in a field": (f"GET / HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n", "a bare line end or"),
    "a lone CR in a field": (
        f"GET / HTTP/1.1\r\nX: a\rHost: blocked.test\r\n{HOST}\r\n",
        "a bare line end or",
    ),
    "bare line feeds": (f"GET / HTTP/1.1\n{HOST}\n", "a bare line end or"),
    "a bare line feed at the end": (f"GET / HTTP/1.1\r\n{HOST}\n", "a bare line end or"),
    "a length behind a form feed": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: \f2\r\n\r\nok",
        "a bare line end or a control character",
    ),
    "chunks behind a vertical tab": (
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
        "a bare line end or a control character",
    ),
    "a length that overflows": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 18446744073709551618\r\n\r\nok",
        "invalid content-length header",
    ),
    "tabs in the request line": (f"GET\t/\tHTTP/1.1\r\n{HOST}\r\n", "cannot be read"),
    "two spaces in the request line": (f"GET  / HTTP/1.1\r\n{HOST}\r\n", "cannot be read"),
    "a folded field": (f"GET / HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n", "a line break or NUL"),
    "a head without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * (300 << 10), "more than 256 kB"),
}
PLAIN = {
    "TLS": (bytes.fromhex("16030100050100000100"), "not an HTTP request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "no Host field"),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "no host"),
    "another scheme": (f"GET ftp://allowed.test/ HTTP/1.1\r\n{HOST}\r\n", "cannot be read"),
    "a user in the address": (
        f"GET http://me:{SECRET}@allowed.test/ HTTP/1.1\r\n{HOST}\r\n",
        "a request head that cannot be read",
    ),
    "only a user in the address": (
        f"GET http://{SECRET}@allowed.test/ HTTP/1.1\r\n{HOST}\r\n",
        "a request head that cannot be read",
    ),
    "CONNECT without a port": (b"CONNECT allowed.test HTTP/1.1\r\n\r\n", "cannot be read"),
    "CONNECT with a user": (
        f"CONNECT me:{SECRET}@allowed.test:443 HTTP/1.1\r\n\r\n",
        "a request head that cannot be read",
    ),
}
INSIDE = {
    "a tunnel inside a tunnel": (
        b"CONNECT blocked.test:443 HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        "a tunnel inside a tunnel",
    ),
}


def cases(*tables: dict[str, Any]) -> Any:
    return pytest.mark.parametrize(
        ("sent", "problem"),
        [pytest.param(*case, id=name) for table in tables for name, case in table.items()],
    )


async def check(stage: Stage, client: Any, sent: bytes | str, problem: str | None) -> None:
    client.send(sent)
    reply = await client.answer()
    assert reply.status == 400
    assert reply.headers["proxy-status"].startswith("watchhouse; error=http_request_error")
    assert reply.headers["connection"] == "close"
    assert "mitmproxy" not in (str(reply.headers) + reply.text).lower()
    assert await client.ended() == b"", "nothing is read after it"
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "bad-request")
    assert (record["status"], record["bytes_down"]) == (400, len(reply.body))
    assert record["id"] in reply.text
    assert problem is None or problem in record["error"]
    assert SECRET not in str(record) + str(reply.headers) + reply.text
    assert stage.roads.taken == [], "nothing may be contacted"


@cases(EVERYWHERE, PLAIN)
async def test_in_the_clear(stage: Stage, sent: bytes | str, problem: str | None) -> None:
    await check(stage, await stage.client(), sent, problem)


@cases(EVERYWHERE, INSIDE)
async def test_inside_an_inspected_tunnel(
    stage: Stage, sent: bytes | str, problem: str | None
) -> None:
    await check(stage, await stage.tunnel("allowed.test"), sent, problem)


@pytest.mark.parametrize("host", [f"Host: x\r\n{HOST}", f"Host: me:{SECRET}@allowed.test\r\n"])
async def test_a_clear_head_with_an_unclear_host(stage: Stage, host: str) -> None:
    """Where the request ends is known: the connection goes on."""
    client = await stage.tunnel("allowed.test")
    for _ in range(2):
        client.send(f"GET / HTTP/1.1\r\n{host}\r\n")
        reply = await client.answer()
        assert reply.status == 400
        assert SECRET not in reply.text
    records = await stage.end()
    assert [record["rule"] for record in records] == ["bad-request"] * 2
    assert SECRET not in str(records)
    assert stage.roads.taken == []


async def test_not_http_inside_tls(stage: Stage) -> None:
    """Without HTTP agreed on, what is not HTTP is refused by its first bytes."""
    client = await stage.tunnel("allowed.test", alpn=())
    client.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    assert await client.ended() == b""
    (record,) = await stage.end()
    assert (record["rule"], record["host"]) == ("not-tls-in-tunnel", "allowed.test")


async def test_empty_lines_before_a_request_are_passed_over(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    client.send(b"\r\n\r\nGET http://allowed.test/1 HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
    assert (await client.answer()).status == 200
    client.send(b"\r")
    await asyncio.sleep(0)
    client.send(b"\nGET http://allowed.test/2 HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
    assert (await client.answer()).status == 200
    assert len(await stage.end()) == 2


async def test_a_head_in_many_pieces(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    for byte in b"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n":
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.answer()).status == 200


async def test_head_is_answered_without_a_body(stage: Stage) -> None:
    client = await stage.client()
    client.send(f"HEAD / HTTP/1.1\r\n{HOST}{HOST}\r\n")
    reply = await client.answer("HEAD")
    assert (reply.status, int(reply.headers["content-length"]) > 100) == (400, True)
    assert await client.ended() == b""
    (record,) = await stage.end()
    assert record["bytes_down"] == 0


async def test_what_stands_behind_a_bad_request_is_not_read(stage: Stage) -> None:
    """Nobody knows where it begins."""
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    client.send(
        f"POST http://allowed.test/ HTTP/1.1\r\n{HOST}Content-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        f"GET http://allowed.test/smuggled HTTP/1.1\r\n{HOST}\r\n"
    )
    assert (await client.answer()).status == 400
    assert await client.ended() == b""
    assert len(await stage.end()) == 1
    assert stage.roads.taken == []


async def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering(b"passed"))
    client = await stage.client()
    for number, host in enumerate(("allowed.test", "blocked.test", "allowed.test")):
        client.send(f"GET http://{host}/{number} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    replies = [await client.answer() for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 403, 200]
    assert [record["url"][-1] for record in await stage.end()] == ["0", "1", "2"]


async def test_a_flood_behind_a_request_is_held_back(
    stage_with: Callable[..., Any], lane: str
) -> None:
    """What waits behind a slow answer must not pile up in memory."""
    stage = await stage_with()
    answer = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await answering()(reader, writer)

    await stage.origin("allowed.test", script=slow)
    client = await stage.client()
    one = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
    count = (8 << 20) // len(one)
    client.send(one)
    for _ in range(count // 1000):
        client.send(one * 1000)
    await until(lambda: stage.drivers)
    (driver,) = stage.drivers
    wire = driver._wires[driver.client]
    await until(lambda: not wire.transport.is_reading())
    layer = driver._layer._handle_event.__self__.layer
    waiting = layer._in if lane == "relay" else layer.connections[driver.client].buf
    assert 0 < len(waiting) < 1 << 20
    answer.set()
    for _ in range(50):
        assert (await client.answer()).status == 200
    client.reset()
