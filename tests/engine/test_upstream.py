"""Servers that fail at every stage: a page of ours before the answer has begun, a record always."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import WebAuthority, tls_with
from support.room import reset
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine import driver
from proxy_addons.engine.outcomes import ConnectRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.stage import Script, Stage


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


HOST = "Host: allowed.test"
SECRET = b"Set-Cookie: session=hunter2"
JSON = "Accept: application/json"


def saying(answer: bytes, *, then: str = "close") -> Script:
    """A script that reads a request's head and answers with just these bytes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(answer)
        await writer.drain()
        if then == "stay":
            await reader.read()
        elif then == "reset":
            await asyncio.sleep(0.01)  # the bytes arrive first
            reset(writer)

    return script


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


# What the server does, what the page says (error of Proxy-Status), and what the record says.
BEFORE_THE_ANSWER: dict[str, tuple[Any, int, str, str]] = {
    "no such name": (ConnectRefused("the name does not resolve", "upstream-name"),
                     502, "dns_error", "the name does not resolve"),
    "refused": (ConnectRefused("connection refused", "upstream-failed"),
                502, "destination_unavailable", "connection refused"),
    "too slow to connect": (ConnectRefused("no connection within 10 s", "upstream-timeout"),
                            504, "connection_timeout", "no connection within 10 s"),
    "leaves without a word": (saying(b""), 502, "", "before it answered"),
    "resets": (saying(b"", then="reset"), 502, "", "before it answered"),
    "leaves in the head": (saying(b"HTTP/1.1 200 OK\r\n" + SECRET + b"\r\n"),
                           502, "", "in the middle of its answer's head"),
    "garbage": (saying(b"\x00\x01 garbage " + SECRET + b"\r\n\r\n", then="stay"),
                502, "", "an answer that is not HTTP"),
    "a bad status": (saying(b"HTTP/1.1 2x0 OK\r\n\r\n", then="stay"), 502, "", "not HTTP"),
    "a bad field": (saying(b"HTTP/1.1 200 OK\r\n" + SECRET.replace(b":", b" :") + b"\r\n\r\n"),
                    502, "", "not a sound HTTP response: invalid header name"),
    "a field without a colon": (saying(b"HTTP/1.1 200 OK\r\nhunter2\r\n\r\n"), 502, "", "not HTTP"),
    "length and chunks": (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                                 b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                          502, "", "both transfer-encoding and content-length"),
    "two lengths": (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                           b"Content-Length: 4\r\n\r\nabcd"),
                    502, "", "not HTTP"),
    "asks us to sign in": (saying(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="hunter2"'
                                  b"\r\nContent-Length: 0\r\n\r\n"), 502, "", "(407)"),
    "NUL in a field": (saying(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
                       502, "", "a line break or NUL"),
    "a lone CR in a field": (saying(b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n"),
                             502, "", "a line break or NUL"),
    "a head without end": (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (300 << 10), then="stay"),
                           502, "", "more than 256 kB"),
    "hints without end": (saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3), 502, "", "before it"),
}  # fmt: skip


def failing() -> Any:
    return pytest.mark.parametrize(
        ("script", "status", "error", "said"),
        [pytest.param(*case, id=name) for name, case in BEFORE_THE_ANSWER.items()],
    )


async def place(stage: Stage, script: Any, tls: ssl.SSLContext | None = None) -> None:
    if callable(script):
        await stage.origin("allowed.test", script=script, tls=tls)
    else:
        stage.roads.places["allowed.test"] = script


def expect(record: dict[str, Any], reply: Any, status: int, error: str, said: str) -> None:
    assert reply.status == status
    assert f"watchhouse; error={error}" in reply.headers["proxy-status"]
    assert "mitmproxy" not in (str(reply.headers) + reply.text).lower()
    assert (record["action"], record["rule"], record["status"]) == ("allow", "business", status)
    assert record["bytes_down"] == len(reply.body)
    assert said in record["error"]
    for text in (str(record), reply.text, str(reply.headers)):
        assert "hunter2" not in text, "what a server said may hold a cookie"


@failing()
async def test_a_get(stage: Stage, script: Any, status: int, error: str, said: str) -> None:
    await place(stage, script)
    client = await stage.client()
    reply = await client.get("http://allowed.test/", HOST)
    stage.roads.places["allowed.test"] = await stage.origin(script=answering())
    assert (await client.get("http://allowed.test/again", HOST)).text == "hello", "goes on"
    first, second = await stage.end()
    expect(first, reply, status, error, said)
    assert (second["status"], second["error"]) == (200, None)


@failing()
async def test_an_upload(stage: Stage, script: Any, status: int, error: str, said: str) -> None:
    """The rest of the body is read over, and the connection goes on."""
    stage.streams_bodies()
    await place(stage, script)
    client = await stage.client()
    client.send(
        f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 100000\r\n\r\n" + "x" * 50
    )
    reply = await client.answer()
    client.send("x" * 99950)
    stage.roads.places["allowed.test"] = await stage.origin(script=answering())
    assert (await client.get("http://allowed.test/again", HOST)).text == "hello"
    first, second = await stage.end()
    expect(first, reply, status, error, said)
    assert first["bytes_up"] <= 100000
    assert (second["status"], second["error"]) == (200, None)


@failing()
async def test_inside_a_tunnel(
    stage: Stage, script: Any, status: int, error: str, said: str
) -> None:
    await place(stage, script, stage.web.server_context())
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST)
    (record,) = await stage.end()
    expect(record, reply, status, error, said)


async def test_what_a_server_says_as_a_proxy_does_not_reach_the_client(stage: Stage) -> None:
    """A browser would take it for ours, and answer it to us."""
    fields = ('Proxy-Authenticate: Basic realm="x"', "Proxy-Authentication-Info: x", "X-Kept: y")
    await stage.origin("allowed.test", script=answering(b"hello", "401 Unauthorized", *fields))
    client = await stage.client()
    reply = await client.get("http://allowed.test/", HOST)
    assert (reply.status, reply.headers["x-kept"]) == (401, "y")
    assert not [name for name in reply.headers if name.startswith("proxy-auth")]


async def test_a_client_that_leaves_while_the_page_is_made(stage: Stage) -> None:
    stage.roads.places["allowed.test"] = None
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: stage.roads.taken)
    client.reset()
    (record,) = await stage.end()
    assert (record["action"], record["status"]) == ("allow", None)
    assert "client" in record["error"].lower()


# --- certificates -----------------------------------------------------------------------------


@pytest.fixture
def bad_certificates(
    web_authority: WebAuthority, tmp_path: Path
) -> dict[str, tuple[ssl.SSLContext, str]]:
    stranger = WebAuthority(tmp_path, "A Stranger")
    return {
        "expired": (tls_with(web_authority.leaf("allowed.test", expired=True)), "expired"),
        "of another name": (tls_with(web_authority.leaf("other.test")), "hostname mismatch"),
        "of a wider wildcard": (tls_with(web_authority.leaf("*.test.test")), "hostname mismatch"),
        "of a partial wildcard": (tls_with(web_authority.leaf("a*.test")), "hostname mismatch"),
        "by a stranger": (tls_with(stranger.leaf("allowed.test")), "certificate"),
    }


@pytest.mark.parametrize(
    "which",
    ["expired", "of another name", "of a wider wildcard", "of a partial wildcard", "by a stranger"],
)
async def test_a_certificate(
    which: str, stage: Stage, bad_certificates: dict[str, tuple[ssl.SSLContext, str]]
) -> None:
    context, said = bad_certificates[which]
    await stage.origin("allowed.test", script=answering(), tls=context)
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST, JSON)
    assert reply.status == 502
    assert "upstream-certificate" in reply.text
    (record,) = await stage.end()
    assert record["error"].startswith("Certificate verify failed: ")
    assert said in record["error"]
    assert (record["action"], record["status"]) == ("allow", 502)


async def test_the_gateways_own_authority_is_not_trusted_of_servers(stage: Stage) -> None:
    """Otherwise a stolen leaf of ours, or a loop, would pass for any site."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = stage.web.folder / "ours.pem"
    contexts = stage.worker._contexts
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - here alone
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = contexts._leaf_key
    certificate = contexts._authority.leaf("allowed.test", key.public_key(), contexts._now())
    leaf.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context.load_cert_chain(leaf)
    await stage.origin("allowed.test", script=answering(), tls=context)
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST, JSON)
    assert (reply.status, "upstream-certificate" in reply.text) == (502, True)


async def test_a_server_that_does_not_speak_tls(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    await stage.origin("allowed.test", script=script)
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST, JSON)
    assert reply.status == 502
    assert "upstream-tls" in reply.text
    (record,) = await stage.end()
    assert record["error"] == "The remote server does not speak TLS."


async def test_a_server_of_old_tls_only(stage: Stage, web_authority: WebAuthority) -> None:
    context = tls_with(web_authority.leaf("allowed.test"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    await stage.origin("allowed.test", script=answering(), tls=context)
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST, JSON)
    assert (reply.status, "upstream-tls" in reply.text) == (502, True)
    (record,) = await stage.end()
    assert "TLS" in record["error"]


async def test_a_server_that_never_answers_the_handshake(stage_with: Callable[..., Any]) -> None:
    """TCP stands and nothing comes: a limit, not the idle time of ten minutes."""
    stage = await stage_with({"network": {"connect_timeout": 0.1}})
    await stage.origin("allowed.test", script=silent)
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/", HOST, JSON)
    assert reply.status == 504
    (record,) = await stage.end()
    assert record["error"] == "no answer within 0.1 s"


# --- in the middle ----------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e8\r\n"]
)
async def test_a_server_that_leaves_in_the_body(stage: Stage, framing: str, then: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{framing}"
    body = head.encode() + b"x" * 500
    await stage.origin("allowed.test", script=saying(body, then=then))
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    reply = await client.head()
    assert reply.status == 200
    rest = await client.ended()
    assert rest.count(b"x") == 500
    assert b"mitmproxy" not in rest
    (record,) = await stage.end()
    assert (record["status"], record["bytes_down"]) == (200, 500)
    assert record["error"]


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"5\r\nhelloX\r\n", b"-5\r\n", b"5;" + b"e" * (300 << 10)]
)
async def test_chunks_that_cannot_be_read(stage: Stage, chunk: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = head + b"5\r\nhello\r\n" + chunk
    await stage.origin("allowed.test", script=saying(body, then="stay"))
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    if (await client.head()).status == 200:
        assert not (await client.ended()).endswith(b"0\r\n\r\n"), "it must not look complete"
    else:
        client.close()  # it was seen before anything had passed: the answer is a page
    (record,) = await stage.end()
    assert "HTTP/1 protocol error" in record["error"]
    assert len(record["error"]) < 100


async def test_an_answer_before_the_whole_request(stage: Stage) -> None:
    """413 and the like: the whole answer arrives, though the body is still being sent."""
    stage.streams_bodies()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(
            b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntoo\r\n0\r\n\r\n"
        )
        await asyncio.sleep(0.01)

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 100\r\n\r\nx")
    reply = await client.answer()
    assert (reply.status, reply.body) == (413, b"too")
    (driver,) = stage.drivers
    await until(lambda: len(driver._wires) == 1)  # the server has closed
    client.send(b"x" * 99)
    stage.roads.places["allowed.test"] = await stage.origin(script=answering())
    assert (await client.get("http://allowed.test/again", HOST)).text == "hello"
    first, _ = await stage.end()
    assert (first["status"], first["error"], first["bytes_down"]) == (413, None, 3)


async def test_an_answer_before_the_whole_request_that_the_server_reads_all_the_same(
    stage: Stage,
) -> None:
    stage.streams_bodies()
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        got.append(await reader.readexactly(100))
        await answering()(reader, writer)

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 100\r\n\r\nx")
    assert (await client.answer()).text == "early"
    client.send(b"x" * 99)
    assert (await client.get("http://allowed.test/again", HOST)).text == "hello"
    assert got == [b"x" * 100]
    assert [record["status"] for record in await stage.end()] == [200, 200]


# --- what servers may do ----------------------------------------------------------------------


@pytest.mark.parametrize("informational", ["100 Continue", "102 Processing", "103 Early Hints"])
async def test_informational_answers_are_not_the_answer(stage: Stage, informational: str) -> None:
    answer = (
        f"HTTP/1.1 {informational}\r\nLink: </x>\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    await stage.origin("allowed.test", script=saying(answer.encode(), then="stay"))
    client = await stage.client()
    reply = await client.get("http://allowed.test/", HOST)
    assert (reply.status, reply.text) == (200, "ok")
    assert (await stage.end())[0]["status"] == 200


async def test_trailers_are_passed_over(stage: Stage) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
    )
    await stage.origin("allowed.test", script=saying(answer, then="stay"))
    client = await stage.client()
    assert (await client.get("http://allowed.test/", HOST)).text == "hello"
    assert (await stage.end())[0]["error"] is None


async def test_trailers_of_a_request_are_passed_over(stage: Stage) -> None:
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        got.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(
        f"POST http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhi\r\n0\r\nHost: blocked.test\r\n\r\n"
    )
    assert (await client.answer()).text == "ok"
    assert got == [b"2\r\nhi\r\n0\r\n\r\n"]


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 5"])
async def test_a_client_of_http_1_0_gets_no_chunks(stage: Stage, framing: str) -> None:
    body = "5\r\nhello\r\n0\r\n\r\n" if "chunked" in framing else "hello"
    answer = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}"
    await stage.origin("allowed.test", script=saying(answer.encode(), then="stay"))
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.0\r\n{HOST}\r\n\r\n")
    reply = await client.head()
    assert "transfer-encoding" not in reply.headers
    assert await client.ended() == b"hello"
    (record,) = await stage.end()
    assert (record["bytes_down"], record["error"]) == (5, None)


async def test_folded_fields_of_an_answer_are_put_on_one_line(stage: Stage) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\nContent-Length: 2\r\n\r\nok"
    await stage.origin("allowed.test", script=saying(answer, then="stay"))
    client = await stage.client()
    assert (await client.get("http://allowed.test/", HOST)).headers["x-long"] == "one two"


async def test_bytes_that_nobody_asked_for_end_the_connection(stage: Stage) -> None:
    """They would be taken for the answer to the next request, of this person or another."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted")
        ended.append(await reader.read())

    ended: list[bytes] = []
    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    assert (await client.get("http://allowed.test/", HOST)).text == "first"
    await until(lambda: ended)
    await stage.origin("allowed.test", script=answering(b"second"))
    assert (await client.get("http://allowed.test/", HOST)).text == "second"


async def test_connections_that_have_ended_are_let_go(stage: Stage, lane: str) -> None:
    client = await stage.client()
    for number in range(40):
        await stage.origin(
            f"{number}.allowed.test", script=answering(b"x", "200 OK", "Connection: close")
        )
        reply = await client.get(f"http://{number}.allowed.test/", f"Host: {number}.allowed.test")
        assert reply.status == 200
    (driver,) = stage.drivers
    layer = driver._layer._handle_event.__self__.layer  # type: ignore[union-attr]
    if lane == "relay":
        assert len(layer._servers._ways) == 0
        assert len(layer._servers._sources) == 0
        return
    assert len(layer.connections) < 16
    assert len(layer._ways) < 16
    assert len(layer.streams) == 0


async def test_a_connection_that_the_server_has_grown_tired_of(stage: Stage) -> None:
    """It is closed just when the next request is sent: that request is sent once more."""

    async def tired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
        asked.append(await request_head(reader))

    asked: list[str] = []
    await stage.origin("allowed.test", script=tired)
    client = await stage.client()
    assert (await client.get("http://allowed.test/1", HOST)).text == "first"
    assert (await client.get("http://allowed.test/2", HOST)).text == "first"
    assert len(stage.roads.taken) == 2
    assert asked[0].startswith("GET /2 ")
    records = await stage.end()
    assert [(record["status"], record["error"]) for record in records] == [(200, None)] * 2


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_may_have_been_done_is_not_asked_for_again(stage: Stage, method: str) -> None:
    async def tired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
        await request_head(reader)

    await stage.origin("allowed.test", script=tired)
    client = await stage.client()
    assert (await client.get("http://allowed.test/1", HOST)).text == "first"
    assert (await client.get("http://allowed.test/2", HOST, method=method)).status == 502
    assert len(stage.roads.taken) == 1


async def test_a_request_with_a_body_is_not_asked_for_again(stage: Stage) -> None:
    """Its body has gone: asked again it would say a length, and nothing would follow."""

    async def tired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
        await request_head(reader)
        await reader.readexactly(3)

    await stage.origin("allowed.test", script=tired)
    client = await stage.client()
    assert (await client.get("http://allowed.test/1", HOST)).text == "first"
    client.send(f"GET http://allowed.test/2 HTTP/1.1\r\n{HOST}\r\nContent-Length: 3\r\n\r\na=b")
    assert (await client.answer()).status == 502
    assert len(stage.roads.taken) == 1


async def test_a_server_that_closes_again_and_again(stage: Stage) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        if len(stage.roads.taken) == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
            await request_head(reader)

    await stage.origin("allowed.test", script=once)
    client = await stage.client()
    assert (await client.get("http://allowed.test/1", HOST)).text == "first"
    assert (await client.get("http://allowed.test/2", HOST)).status == 502
    assert len(stage.roads.taken) == 2, "once more, not for ever"


async def test_once_more_even_when_the_clock_is_set_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    """By the clock each new connection would be older than the request."""
    monkeypatch.setattr(driver, "time", SimpleNamespace(time=lambda: 1.0))
    await stage.origin("allowed.test", script=saying(b""))
    client = await stage.client()
    assert (await client.get("http://allowed.test/", HOST)).status == 502
    assert len(stage.roads.taken) == (1 if lane == "relay" else 2), "the relay asks no clock"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_server_that_closes_does_not_close_the_client(stage: Stage, version: str) -> None:
    answer = (
        f"HTTP/{version} 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\n"
        "Content-Length: 5\r\n\r\nhello"
    )
    await stage.origin("allowed.test", script=saying(answer.encode(), then="stay"))
    client = await stage.client()
    for _ in range(3):
        reply = await client.get("http://allowed.test/", HOST)
        assert reply.text == "hello"
        assert "connection" not in reply.headers
        assert "keep-alive" not in reply.headers
    assert len(stage.roads.taken) == 3, "no second request on a connection that is to be closed"


async def test_a_body_that_ends_with_the_connection(stage: Stage) -> None:
    await stage.origin("allowed.test", script=saying(b"HTTP/1.1 200 OK\r\n\r\nhello"))
    client = await stage.client()
    reply = await client.get("http://allowed.test/", HOST)
    assert reply.text == "hello"
    (record,) = await stage.end()
    assert (record["bytes_down"], record["error"]) == (5, None)


async def test_a_connection_is_used_again(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    for _ in range(3):
        assert (await client.get("http://allowed.test/", HOST)).status == 200
    assert len(stage.roads.taken) == 1
