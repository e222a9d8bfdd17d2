"""What is open when access is withdrawn, or an exemption ends: ended and recorded, on any lane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.client import client_hello
from support.http2 import Http2
from support.stage import answering, request_head, snapshot_of
from support.waiting import until

from proxy_addons.engine import worker as module
from proxy_addons.standing import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

EXEMPT = "127.0.0.2"  # dc5678, who has an exemption for everything
BLOCKED = "blocked.test"  # webmail
HOST = f"Host: {BLOCKED}"
SEEN: dict[str, Any] = {}


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that begins, and goes on for as long as anybody waits."""
    await request_head(reader)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nbegun"
    )
    await reader.read()


async def websocket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_head(reader)
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    await reader.read()


UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


async def download(stage: Stage) -> Client:
    await stage.origin(BLOCKED, script=endless)
    client = await stage.client(EXEMPT)
    client.send(f"GET http://{BLOCKED}/x HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.reader.readuntil(b"begun")
    return client


async def inside(stage: Stage) -> Client:
    await stage.secure_origin(BLOCKED, script=endless)
    client = await tunnelled(stage)
    client.send(f"GET /x HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.reader.readuntil(b"begun")
    return client


async def frames(stage: Stage) -> Client:
    await stage.origin(BLOCKED, script=websocket)
    client = await stage.client(EXEMPT)
    assert (await client.get(f"http://{BLOCKED}/ws", HOST, *UPGRADE)).status == 101
    return client


async def streams(stage: Stage) -> Client:
    await stage.secure_origin(BLOCKED, script=endless)
    client = await tunnelled(stage, "h2")
    side = Http2(client.reader, client.writer, client=True)
    side.h2.send_headers(
        1,
        [(":method", "GET"), (":scheme", "https"), (":authority", BLOCKED), (":path", "/x")],
        end_stream=True,
    )
    side.flush()
    await until(lambda: side.body[1] == b"begun")
    SEEN["side"] = side
    return client


async def tunnelled(stage: Stage, alpn: str = "http/1.1") -> Client:
    client = await stage.client(EXEMPT)
    assert (await client.connect_to(f"{BLOCKED}:443")).status == 200
    await client.start_tls(BLOCKED, stage.authority, alpn=(alpn,))
    return client


@pytest.mark.parametrize("begin", [download, inside, frames, streams])
async def test_what_may_not_be_any_more_ends(stage: Stage, begin: Callable[..., Any]) -> None:
    client = await begin(stage)
    stage.worker.reconsider()
    assert stage.drivers, "nothing has changed yet"
    stage.standing.snapshot = EMPTY
    stage.worker.reconsider()
    if begin is streams:
        await SEEN.pop("side").close()
    else:
        await client.ended()
    (record,) = await stage.end()
    assert record["error"].startswith("access withdrawn: now refused by ")
    assert (record["action"], record["exemption"]) == ("allow", "EX-dc5678")
    assert stage.standing.used == ["EX-dc5678"]


async def test_a_request_between_the_change_and_the_look_saves_nothing_that_is_open(
    stage: Stage,
) -> None:
    """It is refused for who they are now; the stream that was opened before ends all the same."""
    await streams(stage)
    side = SEEN.pop("side")
    stage.standing.snapshot = EMPTY
    stream = side.ask("/y", BLOCKED)
    assert (await side.answer(stream))[0] == 403
    stage.worker.reconsider()
    await side.over()
    await side.close()
    opened, refused = sorted(await stage.end(), key=lambda record: record["start"])
    assert opened["error"].startswith("access withdrawn: now refused by ")
    assert (refused["action"], refused["exemption"]) == ("block", None)


async def test_a_tunnel_that_nobody_looks_into_ends_too(stage: Stage) -> None:
    """With the strictest profile, banks are refused."""
    await stage.origin("bank.test", script=lambda reader, _writer: reader.read())
    client = await stage.client()
    await client.connect_to("bank.test:443")
    client.send(client_hello("bank.test"))
    await until(lambda: stage.drivers and stage.drivers[0]._joined is not None)
    stage.standing.snapshot = snapshot_of(withdrawn=["pc1234"])
    stage.worker.reconsider()
    await client.ended()
    (record,) = await stage.end()
    assert (record["kind"], record["person"]) == ("tunnel", "pc1234")
    assert record["error"] == "access withdrawn: now refused by withdrawn"


async def test_what_everybody_may_goes_on(stage: Stage) -> None:
    await stage.origin("allowed.test", script=endless)
    client = await stage.client(EXEMPT)
    client.send("GET http://allowed.test/x HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
    await client.reader.readuntil(b"begun")
    stage.standing.snapshot = EMPTY
    stage.worker.reconsider()
    await asyncio.sleep(0.02)
    assert stage.drivers
    client.close()
    (record,) = await stage.end()
    assert (record["rule"], record["action"]) == ("unrestricted", "allow")
    assert "withdrawn" not in record["error"]


async def test_the_next_request_is_judged_for_who_it_is_now(stage: Stage) -> None:
    await stage.secure_origin(BLOCKED, script=answering())
    client = await tunnelled(stage)
    assert (await client.get("/", HOST)).text == "hello"
    stage.standing.snapshot = snapshot_of(everything=["dc5678"], withdrawn=["dc5678"])
    assert (await client.get("/", HOST)).status == 403
    first, second = await stage.end()
    assert (first["profile"], first["exemption"]) == ("unrestricted", "EX-dc5678")
    assert (second["profile"], second["exemption"]) == ("withdrawn", None)


async def test_what_cannot_be_judged_anew_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await download(stage)

    def fail(_visitor: object) -> str:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(stage.gate, "reconsider", fail)
    stage.worker.reconsider()
    await client.ended()
    (record,) = await stage.end()
    assert record["error"] == "undecided (RuntimeError)"


async def test_once_a_second_it_is_looked_after(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes by the clock, or in the directory, says nothing of it."""
    monkeypatch.setattr(module, "_HOUSEKEEPING", 0.01)
    keeper = asyncio.ensure_future(stage.worker._keep_house())
    client = await download(stage)
    stage.standing.snapshot = EMPTY
    await client.ended()
    keeper.cancel()
    (record,) = await stage.end()
    assert "access withdrawn" in record["error"]
