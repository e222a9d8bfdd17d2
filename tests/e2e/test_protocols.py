"""Protocols through the real gateway: HTTP/1.1 and 2, WebSocket, server-sent events, IPv6."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import websockets
from support.scene import through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.certificates import WebAuthority
    from support.gateway import Gateway
    from support.web import Web

MEGABYTE = 1 << 20


def test_a_body_each_way(version: str, speaking: Gateway, web: Web, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * (5 * MEGABYTE))
    reply = speaking.curl("https://www.gov.uk/echo/up", version, "--data-binary", f"@{upload}")
    assert reply.text == f"got {5 * MEGABYTE}", reply
    assert reply.figures["http_version"] == version.removeprefix("--http")
    record = speaking.records(1, url="https://www.gov.uk/echo/up")[-1]
    assert record["bytes_up"] == 5 * MEGABYTE
    reply = speaking.curl(f"https://www.gov.uk/bytes/{5 * MEGABYTE}", version)
    assert len(reply.body) == 5 * MEGABYTE
    assert web.seen[-1].version == (1, 1)


@pytest.fixture
def http2_origin(web_authority: WebAuthority, tmp_path: Path) -> Iterator[None]:
    """A real nghttpd, which speaks HTTP/2 only, on 127.0.0.2 port 443."""
    leaf = web_authority.leaf("h2.example.org")
    (tmp_path / "index.html").write_text("from nghttpd")
    process = subprocess.Popen(
        ["nghttpd", "--address=127.0.0.2", f"--htdocs={tmp_path}", "443", str(leaf), str(leaf)]
    )
    until = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.2", 443)) == 0:
                break
        assert time.monotonic() < until, "nghttpd does not listen"
        time.sleep(0.02)
    yield
    process.terminate()
    process.wait()


@pytest.mark.root
def test_http2_on_both_sides(
    start: Callable[..., Gateway], web_authority: WebAuthority, http2_origin: None,
    name_server: Callable[[dict[str, list[str]]], str],
) -> None:  # fmt: skip
    """Without a parent: name resolution by the tests' own server, then HTTP/2 to nghttpd."""
    del http2_origin
    gateway = start(
        {
            "network": {
                "dns_servers": name_server({"h2.example.org": ["127.0.0.2"]}),
                "intranet": ["127.0.0.2/32"],
            },
            "tls": {"trusted_ca_file": str(web_authority.file), "http2": True},
        }
    )
    reply = gateway.curl("https://h2.example.org/", "--http2")
    assert (reply.text, reply.figures["http_version"]) == ("from nghttpd", "2"), reply
    record = gateway.records(1, host="h2.example.org")[0]
    assert (record["server_ip"], record["server_port"]) == ("127.0.0.2", 443)


def test_ipv6_client(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(
        through(web, identity={"addresses": [
            {"network": "::1/128", "person": "six", "profile": "unrestricted"}]}),
    )  # fmt: skip
    gateway.stop()
    gateway.write_settings(
        {**gateway.settings, "listen": {**gateway.settings["listen"], "proxy": "[::1]:0"}}
    )
    gateway.start()
    assert gateway.proxy.startswith("[::1]:")
    assert gateway.curl("https://www.gov.uk/").status == 200
    record = gateway.records(1, host="www.gov.uk")[0]
    assert (record["client_ip"], record["person"]) == ("::1", "six")


async def test_a_websocket(standard: Gateway, web: Web) -> None:
    del web
    trust = ssl.create_default_context(cafile=str(standard.authority))
    async with websockets.connect(
        "wss://www.gov.uk/ws/wss", ssl=trust, proxy=f"http://{standard.proxy}"
    ) as socket:
        for word in ("one", "two"):
            await socket.send(word)
            assert await socket.recv() == f"echo {word}"
        await socket.send(b"\0" * 100_000)
        assert await socket.recv() == b"\0" * 100_000
    record = standard.records(1, kind="websocket")[-1]
    assert record["url"] == "https://www.gov.uk/ws/wss"
    assert record["status"] == 101
    assert record["bytes_up"] == 100_006
    assert record["bytes_down"] == 100_016


async def test_a_refused_websocket(standard: Gateway, web: Web) -> None:
    trust = ssl.create_default_context(cafile=str(standard.authority))
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            "wss://www.hotmail.com/ws/x", ssl=trust, proxy=f"http://{standard.proxy}"
        )
    assert refused.value.response.status_code == 403
    assert web.hosts() == set()


@pytest.mark.alone
async def test_server_sent_events_stream(version: str, speaking: Gateway, web: Web) -> None:
    """Each event arrives when it is sent, not when the stream ends."""
    del web
    process = await asyncio.create_subprocess_exec(
        "curl", "-sN", version, "--proxy", f"http://{speaking.proxy}",
        "--cacert", str(speaking.authority), "https://www.gov.uk/slow/10",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    delays = []
    while line := await process.stdout.readline():
        if line.startswith(b"data:"):
            delays.append(time.time() - float(line.split()[2]))
    await process.wait()
    assert len(delays) == 10
    assert sum(delay < 0.5 for delay in delays) >= 8, delays


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_statuses_pass(status: int, standard: Gateway, web: Web) -> None:
    del web
    assert standard.curl(f"https://www.gov.uk/status/{status}").status == status
    assert standard.records(1, status=status)


def test_head(standard: Gateway, web: Web) -> None:
    del web
    for url, status, length in (
        ("https://www.hotmail.com/", 403, 1000),
        ("https://www.gov.uk/", 200, 50),
    ):
        reply = standard.curl(url, "--head", "-o", "/dev/null")
        assert (reply.status, reply.figures["size_download"]) == (status, 0)
        assert int(reply.headers["content-length"]) > length


def test_a_refused_upload_is_answered_at_once(
    version: str, speaking: Gateway, web: Web, tmp_path: Path
) -> None:
    """Nobody has to send a large file to be told that it may not be sent."""
    upload = tmp_path / "upload"
    with upload.open("wb") as file:
        file.truncate(200 * MEGABYTE)
    reply = speaking.curl("https://www.hotmail.com/", version, "-T", str(upload))
    assert reply.status == 403
    record = speaking.records(1, method="PUT", host="www.hotmail.com")[-1]
    assert record["bytes_down"] == len(reply.body)
    assert web.hosts() == set()


def test_keep_alive_after_a_refused_upload(standard: Gateway, web: Web, tmp_path: Path) -> None:
    """The same connection goes on: the refused body is read over, not taken for a request."""
    del web
    upload = tmp_path / "upload"
    upload.write_bytes(b"GET /smuggled HTTP/1.1\r\nHost: www.gov.uk\r\n\r\n" * 10)
    reply = standard.curl(
        "http://www.hotmail.com/a", "-T", str(upload), "-H", "Expect:",
        "--next", "-sS", "--proxy", f"http://{standard.proxy}", "http://www.gov.uk/after",
    )  # fmt: skip
    assert reply.exit == 0, reply
    assert b"/after" in reply.raw
    assert not standard.records(0, url="http://www.gov.uk/smuggled")


def test_a_long_download_keeps_memory_flat(standard: Gateway, web: Web) -> None:
    del web
    (worker,) = standard.workers()

    def resident() -> int:
        status = Path(f"/proc/{worker}/status").read_text()
        return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])

    before = resident()
    reply = standard.curl(f"https://www.gov.uk/bytes/{300 * MEGABYTE}", "-o", "/dev/null")
    assert reply.figures["size_download"] == 300 * MEGABYTE
    assert resident() - before < 60_000, "kB; the download must not be held in memory"


def test_an_upstream_that_hangs_up_gets_a_page_of_ours(standard: Gateway, web: Web) -> None:
    del web
    reply = standard.curl("http://www.gov.uk/hangup/x")
    assert reply.status == 502
    assert "watchhouse" in reply.headers["proxy-status"]
    assert "mitmproxy" not in reply.raw.decode().lower()
    record = standard.records(1, url="http://www.gov.uk/hangup/x")[0]
    assert (record["action"], record["status"]) == ("allow", 502)
    assert record["error"]
    assert record["id"] in reply.text
