"""Rules on how much is sent and on what is declared of what comes back, on both lanes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.http2 import Http2
from support.stage import answering, request_head

from proxy_addons.gate.held import Holding
from proxy_addons.gate.whole import Bodies

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from support.client import Client, Reply
    from support.stage import Script, Stage

ACCEPT = "Accept: application/json"
HOST = "allowed.test"
LIMIT = 5000
POLICY = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: officers}
  unrestricted: {description: key post holders, without_exemption: standard}
  withdrawn: {description: nobody, strictest: true}
rules:
  - {id: large, clause: x, reason: y, action: block, when: {upload_size: {over: 5kB}}}
  - {id: huge, clause: x, reason: y, action: block, when: {upload_size: {over: 1GB}}}
  - id: films
    clause: x
    reason: y
    action: block
    when: {content_type: [video/*, none], not: {url: allowed.test/ours}}
  - {id: rest, clause: x, reason: y, action: allow}
"""


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def stage(stage_with: Callable[..., Any]) -> Stage:
    made: Stage = await stage_with(policy=POLICY)
    return made


def taking(got: list[bytes]) -> Script:
    """Takes requests with a body, and answers them."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await request_head(reader)).lower()
            if "chunked" in head:
                got.append(await reader.readuntil(b"0\r\n\r\n"))
            else:
                (length,) = [x for x in head.split("\r\n") if x.startswith("content-length:")]
                got.append(await reader.readexactly(int(length.partition(":")[2])))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
            )

    return script


async def post(client: Client, size: int, *, chunked: bool, whole: bool = True) -> Reply:
    """Send a body of so many bytes; where it is not whole, its end never comes."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = "\r\n".join(["POST /up HTTP/1.1", f"Host: {HOST}", ACCEPT, length, "", ""])
    client.send(head.encode())
    for at in range(0, size, 999):
        piece = b"a" * min(999, size - at)
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await client.writer.drain()
    if chunked and whole:
        client.send(b"0\r\n\r\n")
    return await client.answer()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_what_is_too_large_reaches_no_site(stage: Stage, chunked: bool) -> None:
    got: list[bytes] = []
    await stage.secure_origin(HOST, script=taking(got))
    client = await stage.tunnel(HOST)
    assert (await post(client, LIMIT, chunked=chunked)).status == 200
    assert len(got) == 1
    reply = await post(client, LIMIT + 1, chunked=chunked)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "large")
    assert len(got) == 1
    first, second = await stage.end()
    assert (first["action"], first["rule"], first["findings"]) == ("allow", "rest", [])
    assert (second["action"], second["rule"]) == ("block", "large")
    assert second["findings"] == ["upload_size=5000"]


async def test_a_body_without_an_end_is_refused_as_soon_as_it_is_too_large(stage: Stage) -> None:
    got: list[bytes] = []
    await stage.secure_origin(HOST, script=taking(got))
    client = await stage.tunnel(HOST)
    reply = await post(client, LIMIT + 2000, chunked=True, whole=False)
    assert (reply.status, got) == (403, [])


async def test_over_http2(stage: Stage) -> None:
    got: list[bytes] = []
    await stage.secure_origin(HOST, script=taking(got))
    tunnel = await stage.tunnel(HOST, alpn=["h2"])
    client = Http2(tunnel.reader, tunnel.writer, client=True)
    for size, status in ((LIMIT, 200), (LIMIT + 1, 403)):
        stream = client.ask("/up", HOST, ("accept", "text/html"), method="POST", end=False)
        await client.send(stream, b"a" * size, end=True)
        assert (await client.answer(stream))[0] == status
    assert len(got) == 1
    await client.close()


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/film", ("Content-Type: video/mp4",), 403),
        ("/film", ("Content-Type: Video/MP4; codecs=x",), 403),
        ("/film", (), 403),
        ("/film", ("Content-Type: text/html", "Content-Type: video/mp4"), 403),
        ("/film", ("Content-Type: text/html",), 200),
        ("/ours/film", ("Content-Type: video/mp4",), 200),
    ],
)
async def test_declared_types(
    stage: Stage, path: str, fields: tuple[str, ...], status: int
) -> None:
    await stage.secure_origin(HOST, script=answering(b"<p>hello</p>", "200 OK", *fields))
    client = await stage.tunnel(HOST)
    for _ in range(2):
        reply = await client.get(path, f"Host: {HOST}", ACCEPT)
        assert reply.status == status
        if status == 403:
            assert json.loads(reply.body)["rule"] == "films"
            return
        assert reply.body == b"<p>hello</p>"


async def test_what_has_no_body_declares_nothing(stage: Stage) -> None:
    await stage.secure_origin(HOST, script=answering(b"", "304 Not Modified"))
    client = await stage.tunnel(HOST)
    assert (await client.get("/film", f"Host: {HOST}", ACCEPT)).status == 304


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_more_than_can_be_held_counts_as_more_than_any_rule_asks_about(
    stage_with: Callable[..., Any], chunked: bool
) -> None:
    stage: Stage = await stage_with(policy=POLICY.replace("over: 5kB", "over: 2GB"))
    before = stage.gate.bodies
    assert before is not None
    holding = Holding(largest=20_000, memory=1 << 20, disk=1 << 20)
    stage.gate.bodies = Bodies(stage.worker.examining._examiner, None, holding=holding)
    got: list[bytes] = []
    await stage.secure_origin(HOST, script=taking(got))
    client = await stage.tunnel(HOST)
    if not chunked:
        assert (await post(client, 90_000, chunked=False)).status == 200
        return
    assert (await post(client, 15_000, chunked=True)).status == 200
    reply = await post(client, 25_000, chunked=True, whole=False)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "large")
    assert len(got) == 1
    assert holding.bodies == 0
