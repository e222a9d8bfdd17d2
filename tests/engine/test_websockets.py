"""WebSockets: relayed frame by frame, counted, and one record however they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.stage import request_head
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", KEY, "Sec-WebSocket-Version: 13")
FINAL, TEXT, BINARY, CLOSE, PING = 0x80, 1, 2, 8, 9


def frame(kind: int, data: bytes = b"", *, masked: bool = True) -> bytes:
    """A frame; from a client it is masked, here with zeros."""
    length = len(data)
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes([kind, bit | length])
    elif length < 65536:
        head = bytes([kind, bit | 126]) + length.to_bytes(2)
    else:
        head = bytes([kind, bit | 127]) + length.to_bytes(8)
    return head + (bytes(4) if masked else b"") + data


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A frame as it came, unmasked."""
    async with asyncio.timeout(5):
        kind, length = await reader.readexactly(2)
        masked, length = length & 0x80, length & 0x7F
        if length > 125:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
        mask = await reader.readexactly(4) if masked else bytes(4)
        data = await reader.readexactly(length)
    return kind, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


class Peer:
    """The server's end."""

    def __init__(self, answer: str = "101 Switching Protocols", *fields: str) -> None:
        self.answer = answer
        self.fields = fields or ("Upgrade: websocket", "Connection: Upgrade", ACCEPT)
        self.here = asyncio.Event()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.head = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = await request_head(reader)
        writer.write("\r\n".join([f"HTTP/1.1 {self.answer}", *self.fields, "", ""]).encode())
        self.here.set()
        await asyncio.get_running_loop().create_future()


@pytest.fixture
def begin(stage: Stage) -> Callable[..., Any]:
    async def start(peer: Peer, *, inside: bool = False) -> Client:
        tls = stage.web.server_context() if inside else None
        await stage.origin("allowed.test", script=peer, tls=tls)
        client = await (stage.tunnel("allowed.test") if inside else stage.client())
        url = "/ws?q=1" if inside else "http://allowed.test/ws?q=1"
        reply = await client.get(url, "Host: allowed.test", *UPGRADE)
        assert reply.status == 101
        return client

    return start


@pytest.mark.parametrize("inside", [True, False])
async def test_frames_pass_both_ways(inside: bool, stage: Stage, begin: Callable[..., Any]) -> None:
    peer = Peer()
    client = await begin(peer, inside=inside)
    assert "Upgrade: websocket" in peer.head
    client.send(frame(FINAL | TEXT, b"hello"))
    assert await read_frame(peer.reader) == (FINAL | TEXT, b"hello")
    peer.writer.write(frame(FINAL | BINARY, b"\0" * 70_000, masked=False))
    got = 0
    while got < 70_000:  # it may be cut into frames
        got += len((await read_frame(client.reader))[1])
    client.send(frame(FINAL | PING, b"there?"))
    assert await read_frame(peer.reader) == (FINAL | PING, b"there?")
    client.send(frame(FINAL | CLOSE, b"\x03\xe8"))
    assert await read_frame(peer.reader) == (FINAL | CLOSE, b"\x03\xe8")
    await client.ended()
    (record,) = await stage.end()
    assert (record["kind"], record["status"]) == ("websocket", 101)
    assert (record["bytes_up"], record["bytes_down"]) == (5, 70_000)
    assert record["url"].endswith("://allowed.test/ws?q=1")
    assert record["handling"] == ("inspected" if inside else "plain")
    assert record["error"] is None


async def test_a_message_without_end_is_not_collected(
    stage: Stage, begin: Callable[..., Any]
) -> None:
    """Each piece arrives before the message is whole."""
    peer = Peer()
    client = await begin(peer)
    client.send(frame(BINARY, b"first"))
    assert await read_frame(peer.reader) == (BINARY, b"first")
    for _ in range(3):
        client.send(frame(0, b"x" * 1000))
        assert await read_frame(peer.reader) == (0, b"x" * 1000)
    # Half a frame arrives too.
    client.send(frame(0, b"y" * 1000)[:600])
    assert set((await read_frame(peer.reader))[1]) == {ord("y")}
    client.reset()
    (record,) = await stage.end()
    assert 3500 < record["bytes_up"] < 4005


async def test_text_in_pieces_stays_text(begin: Callable[..., Any]) -> None:
    """A character may be cut in two."""
    peer = Peer()
    client = await begin(peer)
    text = "Grüße".encode()
    client.send(frame(TEXT, text[:3]))
    client.send(frame(FINAL, text[3:]))
    kinds, got = [], b""
    while not kinds or not kinds[-1] & FINAL:
        kind, data = await read_frame(peer.reader)
        kinds.append(kind)
        got += data
    assert (kinds[0] & 0x0F, got.decode()) == (TEXT, "Grüße")


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("how", ["close", "reset", "nonsense"])
async def test_an_end_without_words(
    who: str, how: str, stage: Stage, begin: Callable[..., Any]
) -> None:
    peer = Peer()
    client = await begin(peer)
    client.send(frame(FINAL | TEXT, b"hello"))
    await read_frame(peer.reader)
    side = client.writer if who == "client" else peer.writer
    if how == "close":
        side.close()
    elif how == "reset":
        side.transport.abort()
    else:
        side.write(b"\xff" * 20)
    await client.ended() if who == "server" else None
    (record,) = await stage.end()
    assert (record["kind"], record["bytes_up"]) == ("websocket", 5)
    assert record["action"] == "allow"


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ("101 Switching Protocols", ("Upgrade: h2c", "Connection: Upgrade")),
        ("101 Switching Protocols", ("Connection: Upgrade",)),
    ],
)
async def test_another_protocol_is_not_switched_to(
    answer: str, fields: tuple[str, ...], stage: Stage
) -> None:
    peer = Peer(answer, *fields)
    await stage.origin("allowed.test", script=peer)
    client = await stage.client()
    client.send(
        "\r\n".join(["GET http://allowed.test/ HTTP/1.1", "Host: allowed.test", *UPGRADE, "", ""])
    )
    await until(peer.here.is_set)
    peer.writer.write(b"whatever the server wants to say")
    assert b"whatever" not in await client.ended()
    assert len(await stage.end()) == 1


async def test_a_refused_websocket_reaches_nobody(stage: Stage) -> None:
    client = await stage.client()
    reply = await client.get("http://blocked.test/ws", "Host: blocked.test", *UPGRADE)
    assert reply.status == 403
    assert stage.roads.taken == []


async def test_a_server_that_declines(stage: Stage) -> None:
    await stage.origin("allowed.test", script=Peer("426 Upgrade Required", "Content-Length: 0"))
    client = await stage.client()
    reply = await client.get("http://allowed.test/ws", "Host: allowed.test", *UPGRADE)
    assert reply.status == 426
    (record,) = await stage.end()
    assert (record["kind"], record["status"]) == ("http", 426)
