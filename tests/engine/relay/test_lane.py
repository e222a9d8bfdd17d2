"""The relay lane on the real engine: what it hands over, what it refuses, what it keeps apart."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.faults import SECRET, failing
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine.outcomes import ConnectRefused
from proxy_addons.engine.relay import asks, desk
from proxy_addons.engine.relay.answer import Answer
from proxy_addons.engine.relay.desk import Desk
from proxy_addons.engine.relay.lane import Relay
from proxy_addons.gate.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

HOST = "Host: allowed.test"
GET = f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n"


def layer_of(stage: Stage) -> Any:
    """The layer that serves the only connection in the clear."""
    (driver,) = stage.drivers
    return driver._layer._handle_event.__self__.layer  # type: ignore[union-attr]


def relays(stage: Stage) -> bool:
    """Whether the only connection is still served by the relay lane."""
    layer = layer_of(stage)
    assert isinstance(layer, Relay)
    handler: Any = layer._handle_event
    return handler.__self__ is layer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


# --- which lane -------------------------------------------------------------------------------


async def test_the_ordinary_stays(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    for url in ("http://allowed.test/", "http://blocked.test/", "http://allowed.test/again"):
        await client.get(url, f"Host: {url.split('/')[2]}")
        assert relays(stage)


UNUSUAL = {
    "HTTP/1.0": f"GET http://allowed.test/ HTTP/1.0\r\n{HOST}\r\nConnection: keep-alive\r\n\r\n",
    "a word before the body": f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n"
    "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    "no path": f"GET http://allowed.test HTTP/1.1\r\n{HOST}\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNUSUAL.values(), ids=UNUSUAL.keys())
async def test_the_unusual_is_handed_over_and_answered(stage: Stage, sent: str) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    assert (await client.get("http://allowed.test/first", HOST)).text == "hello"
    client.send(sent)
    reply = await client.head()
    if reply.status == 100:
        reply = await client.head()
    assert reply.status == 200
    assert await client.reader.readexactly(5) == b"hello"
    assert not relays(stage)
    records = await stage.end()
    assert [record["status"] for record in records] == [200, 200]
    assert len({record["id"] for record in records}) == 2


async def test_the_unusual_is_judged_like_the_rest(stage: Stage) -> None:
    client = await stage.client()
    client.send("GET http://blocked.test/ HTTP/1.0\r\nHost: blocked.test\r\n\r\n")
    assert (await client.answer()).status == 403
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "webmail")
    assert stage.roads.taken == []


async def test_what_comes_bit_by_bit_is_the_same(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    for byte in GET + "\r\n":
        client.send(byte)
        await client.writer.drain()
        await asyncio.sleep(0)
    assert (await client.answer()).text == "hello"
    assert len(await stage.end()) == 1


# --- one request after the other --------------------------------------------------------------


async def test_requests_sent_at_once_are_answered_in_turn(stage: Stage) -> None:
    seen: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await request_head(reader)).split(" ")[1]
            seen.append(path)
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode())

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(
        "".join(
            f"GET http://{host}.test/{number} HTTP/1.1\r\nHost: {host}.test\r\n\r\n"
            for number, host in enumerate(["allowed", "blocked", "allowed", "allowed"])
        )
    )
    replies = [await client.answer() for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 403, 200, 200]
    assert [replies[number].text for number in (0, 2, 3)] == ["/0", "/2", "/3"]
    assert seen == ["/0", "/2", "/3"], "the refused one reached nobody"
    assert len(await stage.end()) == 4


async def test_a_body_is_not_read_as_a_request(stage: Stage) -> None:
    """What is refused may have a body that looks like the next request."""
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    body = GET + "\r\n"
    head = "PUT http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n"
    client.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}")
    assert (await client.answer()).status == 403
    client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n")
    assert (await client.answer()).status == 403
    assert (await client.get("http://allowed.test/", HOST)).text == "hello"
    assert len(await stage.end()) == 3
    assert len(stage.roads.taken) == 1


async def test_a_request_behind_chunks_is_the_next_one(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    post = "POST http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n"
    client.send(f"{post}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n{GET}\r\n")
    assert (await client.answer()).status == 403
    assert (await client.answer()).text == "hello"
    assert len(await stage.end()) == 2


async def test_servers_are_kept_apart(stage: Stage) -> None:
    """One connection of a client for two hosts: each gets its own server."""
    for name in ("one", "two"):
        await stage.origin(f"{name}.allowed.test", script=answering(name.encode()))
    client = await stage.client()
    for name in ("one", "two", "one", "two"):
        reply = await client.get(f"http://{name}.allowed.test/", f"Host: {name}.allowed.test")
        assert reply.text == name
    assert len(stage.roads.taken) == 2, "and keeps it"


async def test_a_malformed_upload_gets_a_page(stage: Stage) -> None:
    stage.streams_bodies()
    await stage.origin("allowed.test", script=silent)
    client = await stage.client()
    client.send(f"{GET.replace('GET', 'POST')}Transfer-Encoding: chunked\r\n\r\n")
    await until(lambda: stage.roads.taken)
    client.send("zz\r\n")
    reply = await client.answer()
    assert (reply.status, reply.headers["connection"]) == (400, "close")
    (record,) = await stage.end()
    assert "a chunk that cannot be read" in record["error"]
    assert (record["action"], record["status"]) == ("allow", 400)


async def test_an_upload_malformed_from_the_start_reaches_nobody(stage: Stage) -> None:
    client = await stage.client()
    post = GET.replace("GET", "POST")
    client.send(f"{post}Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n")
    assert (await client.answer()).status == 400
    assert await client.ended() == b""
    (record,) = await stage.end()
    assert (record["action"], record["status"]) == ("allow", 400), "however it was cut"
    assert stage.roads.taken == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_pages_of_ours(stage: Stage, method: str) -> None:
    client = await stage.client()
    reply = await client.get("http://blocked.test/", "Host: blocked.test", method=method)
    length = int(reply.headers["content-length"])
    assert (reply.status, len(reply.body)) == (403, 0 if method == "HEAD" else length)
    reply = await client.get("http://blocked.test/", "Host: blocked.test", "Connection: close")
    assert reply.headers["connection"] == "close"
    assert await client.ended() == b""
    first, second = await stage.end()
    assert (first["bytes_down"], second["bytes_down"]) == (
        0 if method == "HEAD" else length,
        length,
    )


# --- what fails -------------------------------------------------------------------------------


@pytest.fixture
def fail_in(
    stage_with: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Callable[..., Any]:
    """A stage on which a part of the relay lane, or what it asks, raises."""

    async def begin(owner: Any, name: str) -> Stage:
        caplog.set_level(logging.ERROR)
        stage: Stage = await stage_with()
        await stage.origin("allowed.test", script=answering())
        monkeypatch.setattr(owner, name, failing)
        return stage

    return begin


@pytest.fixture(autouse=True)
def _nothing_is_quoted(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert SECRET not in caplog.text, "an exception's text may hold what a client sent"


@pytest.mark.parametrize("inside", [False, True])
async def test_the_gate_fails_at_a_request(fail_in: Callable[..., Any], *, inside: bool) -> None:
    stage = await fail_in(Gate, "request")
    client = await (stage.tunnel("allowed.test") if inside else stage.client())
    reply = await client.get("/" if inside else "http://allowed.test/", HOST)
    assert (reply.status, "proxy_internal_error" in reply.headers["proxy-status"]) == (503, True)
    (record,) = await stage.end()
    assert (record["action"], record["rule"], record["status"]) == ("block", "undecided", 503)
    assert record["error"] == "RuntimeError"
    assert stage.roads.taken == []


async def test_the_gate_fails_at_a_tunnel(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Gate, "connect")
    client = await stage.client()
    assert (await client.connect_to("allowed.test:443")).status == 503
    assert (await client.get("http://allowed.test/", HOST)).text == "hello", "no tunnel is left"
    first, second = await stage.end()
    assert (first["action"], first["rule"]) == ("block", "undecided")
    assert (second["kind"], second["action"]) == ("http", "allow")


BEFORE = [
    (asks, "read_request"), (asks, "fault_of_head"), (asks, "facts_of_head"),
    (desk, "forward_fields"), (Desk, "written"), (Desk, "open"), (Relay, "_send"),
    (Gate, "undecided"),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name"), BEFORE)
async def test_the_lane_fails_before_anything_is_sent(
    owner: Any, name: str, fail_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends; a record that was open says so."""
    stage = await fail_in(owner, name)
    if name == "undecided":
        monkeypatch.setattr(Gate, "request", failing)
    client = await stage.client()
    client.send(GET + "\r\n")
    assert await client.ended() == b""
    assert stage.roads.taken == []
    for record in await stage.end():
        assert record["error"]


@pytest.mark.parametrize(("owner", "name"), [(Answer, "feed"), (desk, "observe")])
async def test_the_lane_fails_at_an_answer(
    owner: Any, name: str, fail_in: Callable[..., Any]
) -> None:
    stage = await fail_in(owner, name)
    client = await stage.client()
    client.send(GET + "\r\n")
    got = await client.ended()
    if name == "feed":
        assert got == b"", "nothing of the answer passes"
    assert len(await stage.end()) == 1


async def test_the_page_of_a_failure_fails(fail_in: Callable[..., Any]) -> None:
    stage = await fail_in(Gate, "upstream_failed")
    stage.roads.places["allowed.test"] = ConnectRefused("refused", "upstream-failed")
    client = await stage.client()
    client.send(GET + "\r\n")
    assert await client.ended() == b""
    (record,) = await stage.end()
    assert record["error"]


# --- ends -------------------------------------------------------------------------------------


async def left_during(stage: Stage, client: Client) -> dict[str, Any]:
    await until(lambda: stage.roads.taken)
    client.close()
    (record,) = await stage.end()
    found: dict[str, Any] = record
    return found


async def test_a_client_that_leaves_while_its_server_is_reached(stage: Stage) -> None:
    stage.roads.places["allowed.test"] = None
    client = await stage.client()
    client.send(GET + "\r\n")
    record = await left_during(stage, client)
    assert record["error"] == "the client closed the connection"


async def test_a_client_that_leaves_in_the_middle_of_its_upload(stage: Stage) -> None:
    stage.streams_bodies()
    await stage.origin("allowed.test", script=silent)
    client = await stage.client()
    client.send(f"{GET.replace('GET', 'PUT')}Content-Length: 10\r\n\r\nxxx")
    record = await left_during(stage, client)
    assert (record["status"], record["error"]) == (None, "the client closed the connection")


async def test_a_first_byte_that_does_not_come(stage_with: Callable[..., Any]) -> None:
    stage = await stage_with({"limits": {"first_byte_timeout": 1}})

    await stage.origin("allowed.test", script=silent)
    client = await stage.client()
    client.send(GET + "\r\n")
    await until(lambda: stage.roads.taken)
    (driver,) = stage.drivers
    await until(lambda: layer_of(stage)._pace._since)
    driver.sweep(100.0)
    driver.sweep(102.0)
    reply = await client.answer()
    assert reply.status == 504
    (record,) = await stage.end()
    assert (record["status"], record["error"]) == (504, "no answer within 1 s")
