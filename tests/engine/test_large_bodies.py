"""Bodies that go to files until they have been looked at, and trickle meanwhile; both lanes."""

from __future__ import annotations

import asyncio
import gzip
import os
from typing import TYPE_CHECKING, Any

import pytest
from engine.test_whole_bodies import (
    CLEAN,
    FOUND,
    HOST,
    JSON,
    URL,
    all_given_back,
    holding_of,
    lane,
    scanned_by,
)
from support.stage import request_head
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Script, Stage

__all__ = ["lane"]
LARGE = b"%PDF-1.7\n" + os.urandom(3 << 20)


def sent(how: str, data: bytes = LARGE) -> Script:
    """A script that answers once, framed so."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        body, fields = data, ""
        if how == "encoded":
            body, fields = gzip.compress(body, 1), "Content-Encoding: gzip\r\n"
        if how == "chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 100_000):
                piece = body[start : start + 100_000]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            writer.write(b"0\r\n\r\n")
        else:
            length = "" if how == "until close" else f"Content-Length: {len(body)}\r\n"
            writer.write(f"HTTP/1.1 200 OK\r\n{fields}{length}\r\n".encode() + body)
        await writer.drain()

    return script


def look(stage: Stage, *seconds: float) -> None:
    """Look at the waits of all connections at these seconds."""
    for second in seconds:
        for driver in stage.drivers:
            driver.sweep(second)


@pytest.mark.parametrize("how", ["of a length", "chunked", "until close", "encoded"])
async def test_a_large_body_comes_through_as_it_was(stage: Stage, how: str) -> None:
    scanner = scanned_by(stage, CLEAN)
    scanner.go.set()
    holding = holding_of(stage)
    await stage.origin("allowed.test", script=sent(how))
    reply = await (await stage.client()).get(URL, HOST)
    body = gzip.decompress(reply.body) if how == "encoded" else reply.body
    assert (reply.status, body == LARGE) == (200, True)
    assert [each == LARGE for each in scanner.seen] == [True]
    await until(lambda: all_given_back(holding))
    (record,) = await stage.end()
    assert (record["action"], record["error"]) == ("allow", None)


@pytest.mark.parametrize("how", ["of a length", "chunked"])
@pytest.mark.parametrize("said", [CLEAN, FOUND], ids=["clean", "found"])
async def test_who_waits_for_long_gets_a_little(stage: Stage, how: str, said: Any) -> None:
    scanner = scanned_by(stage, said)
    holding = holding_of(stage)
    await stage.origin("allowed.test", script=sent(how))
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{JSON}\r\n\r\n")
    await until(lambda: bool(scanner.seen))
    look(stage, 0, 9.9)
    await asyncio.sleep(0)
    assert not client.reader._buffer, "it has not waited for long"  # type: ignore[attr-defined]
    look(stage, *range(10, 60))
    reply = await client.head()
    assert reply.status == 200
    await until(lambda: bool(client.reader._buffer))  # type: ignore[attr-defined]
    assert len(client.reader._buffer) < 100, "it gets bytes, not the body"  # type: ignore[attr-defined]
    scanner.go.set()
    if said is FOUND:
        rest = await client.ended()
        assert len(rest) < 100
        assert not rest.endswith(b"0\r\n\r\n"), "no client takes it for complete"
    elif how == "chunked":
        assert await client._chunks() == LARGE
    else:
        assert await client.reader.readexactly(len(LARGE)) == LARGE
    await until(lambda: all_given_back(holding))
    (record,) = await stage.end()
    assert (record["action"], record["virus"]) == (
        ("block", said.virus) if said is FOUND else ("allow", None)
    )


async def test_over_http2_a_refusal_resets_the_stream_alone(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    scanner = scanned_by(stage, FOUND)
    await stage.secure_origin("allowed.test", script=sent("of a length"))
    client = await connect()
    asked = client.ask("/large")
    await until(lambda: bool(scanner.seen))
    look(stage, 0, 10, 20, 30, 40)
    await client.until(lambda: client.body[asked])
    assert len(client.body[asked]) < 100
    scanner.go.set()
    await client.until(lambda: asked in client.reset)
    assert asked not in client.ended
    await client.close()
