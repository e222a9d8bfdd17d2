"""Requests: what is read of them, what is sent on, and one record each."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from mitmproxy import http
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.addons.requests import facts_of, kind_of
from proxy_addons.gate.refusal import Kind

if TYPE_CHECKING:
    from support.stage import Stage

HOST = "Host: allowed.test"
TEXT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
SECRET = "hunter2"


def request(*, version: str = "HTTP/1.1", authority: bytes = b"", **more: object) -> http.Request:
    made = http.Request.make("GET", "http://allowed.test:8080/x?y=1")
    made.http_version = version
    made.data.authority = authority
    for name, value in more.items():
        setattr(made, name, value)
    return made


# --- facts ------------------------------------------------------------------------------------


def test_in_the_clear_the_address_and_the_host_are_two_names() -> None:
    made = request(headers=http.Headers(Host="other.test"))
    facts = facts_of(made, inside_tunnel=False)
    assert (facts.target_authority, facts.authority) == ("allowed.test:8080", "other.test")
    assert (facts.method, facts.path, facts.scheme) == ("GET", "/x?y=1", "http")


def test_an_ipv6_address_keeps_its_brackets() -> None:
    made = request(host="2001:db8::1", headers=http.Headers())
    facts = facts_of(made, inside_tunnel=False)
    assert (facts.target_authority, facts.authority) == ("[2001:db8::1]:8080", "")


def test_inside_a_tunnel_an_absolute_address_is_one_more_name() -> None:
    made = request(authority=b"third.test", headers=http.Headers(Host="other.test"))
    facts = facts_of(made, inside_tunnel=True)
    assert (facts.target_authority, facts.authority) == ("third.test", "other.test")


@pytest.mark.parametrize(
    ("authority", "host", "expected"),
    [
        (b"a.test", "b.test", ("b.test", "a.test")),
        (b"a.test", "", ("", "a.test")),
        (b"", "b.test", ("", "b.test")),
        (b"\xff.test", "", ("", "\\xff.test")),
    ],
)
def test_http2(authority: bytes, host: str, expected: tuple[str, str]) -> None:
    headers = http.Headers(Host=host) if host else http.Headers()
    made = request(version="HTTP/2.0", authority=authority, headers=headers)
    facts = facts_of(made, inside_tunnel=True)
    assert (facts.target_authority, facts.authority) == expected


def test_hosts_are_counted() -> None:
    headers = http.Headers([(b"Host", b"a.test"), (b"host", b"b.test")])
    facts = facts_of(request(headers=headers), inside_tunnel=True)
    assert (facts.authorities, facts.authority) == (2, "a.test")


def test_what_the_page_needs() -> None:
    headers = http.Headers(Accept="text/html", Sec_Fetch_Dest="image", Upgrade="WebSocket")
    facts = facts_of(request(headers=headers), inside_tunnel=True)
    assert (facts.accept, facts.fetch_dest, facts.upgrade) == ("text/html", "image", "websocket")


# --- fields of one hop ------------------------------------------------------------------------


async def test_what_reaches_a_server(stage: Stage) -> None:
    heads: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await request_head(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    await client.get(
        "http://ALLOWED.test.:80/a%7eb/../c?q=1", "Host: Allowed.Test", "Cookie: c=1",
        f"Proxy-Authorization: Basic {SECRET}", "Proxy-Connection: keep-alive",
        "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ", "Connection: Upgrade, HTTP2-Settings",
    )  # fmt: skip
    (head,) = heads
    head, _, via = head.partition("Via: 1.1 ")
    assert head == "GET /a%7eb/../c?q=1 HTTP/1.1\r\nHost: allowed.test\r\nCookie: c=1\r\n", (
        "the path as it was sent, the host in one spelling"
    )
    assert re.fullmatch("[0-9a-f]{20}\r\n\r\n", via), "and nothing of who we are"
    (record,) = await stage.end()
    assert record["url"] == "http://allowed.test/a%7eb/../c?q=1"


@pytest.mark.parametrize(
    ("secret", "inside"), [(secret, inside) for secret in range(5) for inside in (True, False)]
)
async def test_no_credential_is_in_any_record_or_page(
    secret: int, inside: bool, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    fields = [
        f"Authorization: Basic {SECRET}",
        f"Cookie: session={SECRET}",
        f"Proxy-Authorization: Basic {SECRET}",
        f"X-Api-Key: {SECRET}",
        f"Referer: http://me:{SECRET}@allowed.test/",
    ]
    client = await (stage.tunnel("allowed.test") if inside else stage.client())
    pages = []
    for host in ("allowed.test", "blocked.test"):  # one that fails, one that is refused
        url = "/x" if inside else f"http://{host}/x"
        reply = await client.get(url, f"Host: {host}", fields[secret])
        assert reply.status in {502, 403}
        pages.append(str(reply.headers) + reply.text)
    records = await stage.end()
    assert len(records) == 2
    assert SECRET not in str(records) + str(pages) + caplog.text


# --- one record each --------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["head", "waiting", "answer", "upload", "refused upload"])
@pytest.mark.parametrize("inside", [True, False])
async def test_a_client_that_leaves_in_the_middle(phase: str, inside: bool, stage: Stage) -> None:
    stage.streams_bodies()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        asked.set()
        if phase == "answer":
            writer.write(TEXT + b"Content-Length: 1000\r\n\r\n" + b"x" * 10)
        await reader.read()

    asked = asyncio.Event()
    host = "blocked.test" if phase == "refused upload" else "allowed.test"
    tls = stage.web.server_context() if inside else None
    await stage.origin("allowed.test", script=script, tls=tls)
    client = await (stage.tunnel("allowed.test") if inside else stage.client())
    method = "PUT" if "upload" in phase else "GET"
    head = f"{method} {'/x' if inside else f'http://{host}/x'} HTTP/1.1\r\nHost: {host}\r\n"
    if phase == "head":
        client.send(head)
        await asyncio.sleep(0.01)
    else:
        client.send(head + ("Content-Length: 100\r\n\r\nxxx" if method == "PUT" else "\r\n"))
        if phase == "refused upload":
            assert (await client.answer()).status == 403
        else:
            async with asyncio.timeout(5):
                await asked.wait()
        if phase == "answer":
            assert (await client.head()).status == 200
    client.reset()
    records = await stage.end()
    if phase == "head":
        rules = [record["rule"] for record in records]
        assert rules == (["tunnel-without-request"] if inside else [])
        return
    (record,) = records
    if phase == "refused upload":
        assert (record["action"], record["status"], record["error"]) == ("block", 403, None)
        return
    assert record["action"] == "allow"
    assert record["error"]
    assert record["status"] == (200 if phase == "answer" else None)
    assert record["bytes_down"] == (10 if phase == "answer" else 0)
    assert record["bytes_up"] == (3 if phase == "upload" else 0)


async def test_an_opening_record_has_the_counts_so_far(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(TEXT + b"Content-Length: 1000\r\n\r\n" + b"x" * 10)
        await reader.read()

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.head()
    await until(lambda: [t for t in stage.log._young.values() if t.bytes_down])
    (transaction,) = stage.log._young.values()
    assert (transaction.status, transaction.bytes_down) == (200, 10)
    client.reset()


async def test_expect_of_a_refused_request_is_answered_with_the_refusal(stage: Stage) -> None:
    """Nobody is told to send what is then thrown away."""
    client = await stage.client()
    client.send(
        "PUT http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nContent-Length: 5\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    assert (await client.answer()).status == 403


async def test_expect_of_an_allowed_request_is_answered_at_once(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    client.send(
        f"PUT http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 5\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    assert (await client.head()).status == 100
    client.send(b"12345")
    assert (await client.answer()).text == "hello"
    (record,) = await stage.end()
    assert (record["bytes_up"], record["status"]) == (5, 200)


@pytest.mark.parametrize("length", [True, False])
async def test_a_request_behind_a_refused_upload_is_neither_lost_nor_smuggled(
    length: bool, stage: Stage
) -> None:
    """What is inside the body stays there; what stands behind it is the next request."""
    await stage.origin("allowed.test", script=answering())
    inner = f"GET http://allowed.test/smuggled HTTP/1.1\r\n{HOST}\r\n\r\n"
    body = (
        f"Content-Length: {len(inner)}\r\n\r\n{inner}"
        if length
        else f"Transfer-Encoding: chunked\r\n\r\n{len(inner):x}\r\n{inner}\r\n0\r\n\r\n"
    )
    client = await stage.client()
    client.send(
        f"PUT http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n{body}"
        f"GET http://allowed.test/next HTTP/1.1\r\n{HOST}\r\n\r\n"
    )
    assert (await client.answer()).status == 403
    assert (await client.answer()).text == "hello"
    urls = [record["url"] for record in await stage.end()]
    assert urls == ["http://blocked.test/", "http://allowed.test/next"]


# --- kinds of failure -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Certificate verify failed: certificate has expired", Kind.UPSTREAM_CERTIFICATE),
        ("The remote server does not speak TLS.", Kind.UPSTREAM_TLS),
        ("OpenSSL Error([('SSL routines', '', 'x')])", Kind.UPSTREAM_TLS),
        ("the server closed the connection before it answered", Kind.UPSTREAM_RESPONSE),
        ("an answer that is not HTTP", Kind.UPSTREAM_RESPONSE),
        ("not a sound HTTP response: invalid header name", Kind.UPSTREAM_RESPONSE),
        ("HTTP/2 connection closed", Kind.UPSTREAM_RESPONSE),
        ("whatever else", Kind.UPSTREAM_FAILED),
    ],
)
def test_thekind_of_page(said: str, kind: Kind) -> None:
    assert kind_of(said) == kind
