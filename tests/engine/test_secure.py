"""The proxy reached by TLS, and through load balancers: as quiet, bounded and strict as by TCP."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.balancer import header
from support.client import Client, client_context, client_hello
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine.authority import now_utc
from proxy_addons.engine.listening import ensure_leaf
from proxy_addons.engine.wires import Guest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

    type Begin = Callable[..., Any]

HOST = "Host: allowed.test"
TLS = {"listen": {"proxy_tls": "127.0.0.1:0", "names": ["127.0.0.1", "proxy.test"]}}
BALANCER = "127.0.0.9"
BALANCED = {"identity": {"load_balancers": {"proxy_protocol": [f"{BALANCER}/32"]}}}
LOTS = 4 * 1024 * 1024


both_lanes = pytest.mark.parametrize("lane", ["relay", "generic"])


@pytest.fixture
async def stage(stage_with: Begin) -> Stage:
    made: Stage = await stage_with(TLS)
    return made


def settle_for(stage: Stage, **limits: float) -> None:
    """Other limits from now on."""
    worker = stage.worker
    worker.settings = replace(worker.settings, limits=replace(worker.settings.limits, **limits))
    stage.gate.basis = replace(stage.gate.basis, settings=worker.settings)


async def quiet(stage: Stage) -> None:
    """Nothing is counted for anybody any more, and nothing was complained of by asyncio."""
    await until(lambda: not len(stage.gate.clients))
    assert not stage.errors


# --- requests -----------------------------------------------------------------------------------


@both_lanes
async def test_requests_in_the_clear_inspected_and_refused(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering(b"plain"))
    client = await stage.secure_client()
    tls = client.certificate
    assert tls.selected_alpn_protocol() == "http/1.1"
    assert tls.version() == "TLSv1.3"
    for _ in range(2):
        assert (await client.get("http://allowed.test/", HOST)).body == b"plain"
    (driver,) = stage.drivers
    assert isinstance(driver.client, Guest)
    assert driver.client.secure
    assert stage.worker._visitors[driver.client].secure
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 403
    await stage.secure_origin("allowed.test", script=answering(b"inspected"))
    inside = await stage.secure_client()
    assert (await inside.connect_to("allowed.test:443")).status == 200
    await inside.start_tls("allowed.test", stage.authority)
    assert (await inside.get("/", HOST)).body == b"inspected"
    records = await stage.end()
    assert [record["handling"] for record in records] == ["plain"] * 3 + ["inspected"]


@both_lanes
async def test_a_large_body_each_way(stage: Stage) -> None:
    got: list[int] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        got.append(len(await reader.readexactly(LOTS)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LOTS + b"x" * LOTS)
        await writer.drain()

    await stage.origin("allowed.test", script=origin)
    client = await stage.secure_client()
    client.send(f"POST http://allowed.test/ HTTP/1.1\r\n{HOST}\r\nContent-Length: {LOTS}\r\n\r\n")
    client.send(b"y" * LOTS)
    answer = await client.answer()
    assert (got, len(answer.body)) == ([LOTS], LOTS)


@both_lanes
async def test_a_client_that_takes_slowly_holds_the_server(stage: Stage) -> None:
    sent: list[int] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * LOTS))
        for _ in range(16 * 64):
            writer.write(b"x" * (LOTS // 64))
            sent.append(LOTS // 64)
            await writer.drain()

    await stage.origin("allowed.test", script=origin)
    client = await stage.secure_client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: any(driver._pressure for driver in stage.drivers))
    (driver,) = stage.drivers
    held = [
        wire.transport.get_write_buffer_size()
        for wire in driver._wires.values()
        if wire.connection is driver.client
    ]
    assert held[0] < 1024 * 1024
    assert sum(sent) < 16 * LOTS
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len((await client.answer()).body) == 16 * LOTS


# --- spliced tunnels ----------------------------------------------------------------------------


@both_lanes
async def test_a_spliced_tunnel_is_never_joined(stage: Stage) -> None:
    """Its socket carries TLS of ours: bytes put on it as they are would be nonsense."""
    await stage.secure_origin("bank.test", script=answering(b"z" * LOTS))
    client = await stage.secure_client()
    assert (await client.connect_to("bank.test:443")).status == 200
    await client.start_tls("bank.test", stage.web.file)
    for _ in range(2):
        assert len((await client.get("/", "Host: bank.test")).body) == LOTS
        assert all(driver._joined is None for driver in stage.drivers)
    client.close()
    (record,) = await stage.end()
    assert (record["handling"], record.get("error")) == ("spliced", None)
    assert record["bytes_down"] > 2 * LOTS


async def test_each_direction_of_a_tunnel_can_end_by_itself(stage: Stage) -> None:
    """The server has said all; the client still speaks, and is heard."""
    heard: list[bytes] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"bank.test")
        writer.write(b"all I have to say")
        writer.write_eof()
        heard.append(await reader.read())

    await stage.origin("bank.test", script=origin)
    authority = stage.authority

    def play() -> bytes:
        context = client_context(authority)
        with (
            socket.create_connection(("127.0.0.1", stage.secure_port)) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(b"CONNECT bank.test:443 HTTP/1.1\r\nHost: bank.test:443\r\n\r\n")
            assert tls.recv(1000).startswith(b"HTTP/1.1 200 ")
            tls.sendall(client_hello("bank.test"))
            got = b""
            while data := tls.recv(1000):
                got += data
            tls.sendall(b"and now I")
            tls.sendall(b" too")
            return got

    assert await asyncio.to_thread(play) == b"all I have to say"
    await until(lambda: heard)
    assert heard[0].endswith(b"and now I too")


# --- ends ---------------------------------------------------------------------------------------


@both_lanes
@pytest.mark.parametrize("how", ["leave", "reset", "abort", "shut", "eof"])
async def test_however_it_ends_nothing_is_left(stage: Stage, how: str) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.secure_client()
    assert (await client.get("http://allowed.test/", HOST)).status == 200
    (driver,) = stage.drivers
    if how == "leave":
        client.close()
    elif how == "reset":
        client.reset()
    elif how == "eof":  # of TCP, without a word in TLS
        client.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    elif how == "shut":
        driver.shut()
        assert await client.ended() == b""
    else:
        driver.abort("a test")
    await stage.quiet()
    await quiet(stage)


# --- handshakes that come to nothing ------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "TLS: http request"),
        (b"CONNECT allowed.test:443 HTTP/1.1\r\n\r\n", "TLS: "),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + b"\xff" * 20, "TLS: "),
        (bytes(100), "TLS: "),
    ],
)
async def test_what_is_no_handshake_is_one_line(
    stage: Stage, sent: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            client = await Client.connect(stage.secure_port)
            client.send(sent)
            assert b"HTTP/" not in await client.ended()
            client.close()
        await quiet(stage)
    (line,) = [record for record in caplog.records if "of no use" in record.getMessage()]
    assert words in line.getMessage()
    assert not line.exc_info
    assert not stage.drivers


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_old_versions_and_clients_that_do_not_trust_us(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    for context in (
        client_context(stage.authority, (), ssl.TLSVersion.TLSv1_1),
        client_context(stage.web.file),
    ):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(
                "127.0.0.1", stage.secure_port, ssl=context, server_hostname="127.0.0.1"
            )
    await until(lambda: "of no use" in caplog.text)
    await quiet(stage)
    assert "Traceback" not in caplog.text


async def test_a_handshake_has_its_time_and_counts_among_the_clients_connections(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    settle_for(stage, handshake_timeout=60.0, client_connections=2)
    waiting = [await Client.connect(stage.secure_port) for _ in range(2)]
    await until(lambda: stage.gate.clients["127.0.0.1"].connections == 2)
    third = await Client.connect(stage.secure_port)
    assert await third.ended() == b"", "no plain text on a listener with TLS"
    plain = await Client.connect(stage.port)
    assert (await plain.head()).status == 503, "it counts on all listeners"
    for client in (third, plain, *waiting):
        client.close()
    await until(lambda: not stage.gate.clients["127.0.0.1"].connections)
    settle_for(stage, handshake_timeout=0.05)
    slow = await Client.connect(stage.secure_port)
    slow.send(client_hello("127.0.0.1")[:40])
    assert await slow.ended() == b""
    slow.close()
    assert "not agreed on in time" in caplog.text
    stage.gate.turned_away()
    await quiet(stage)


# --- the certificate ----------------------------------------------------------------------------


async def test_a_new_certificate_is_shown_from_the_next_connection_on(stage: Stage) -> None:
    first = await stage.secure_client()
    seen = first.certificate.getpeercert(binary_form=True)
    assert not await asyncio.to_thread(ensure_leaf, stage.settings, now_utc()), "it is good"
    leaf = stage.settings.paths.listening_leaf
    await asyncio.to_thread(leaf.write_bytes, b"half a file")
    shown = stage.worker._shown
    assert shown is not None
    await stage.worker._look_at_certificate(shown)
    second = await stage.secure_client(sni="proxy.test")
    assert second.certificate.getpeercert(binary_form=True) == seen, "the last good one"
    assert await asyncio.to_thread(ensure_leaf, stage.settings, now_utc())
    await stage.worker._look_at_certificate(shown)
    third = await stage.secure_client()
    assert third.certificate.getpeercert(binary_form=True) != seen
    await stage.origin("allowed.test", script=answering())
    assert (await first.get("http://allowed.test/", HOST)).status == 200, "it goes on"


# --- load balancers -----------------------------------------------------------------------------


@pytest.fixture
async def balanced(stage_with: Begin) -> Stage:
    made: Stage = await stage_with({**TLS, **BALANCED})
    await made.origin("allowed.test", script=answering())
    return made


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("client_ip", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"])
async def test_the_client_that_a_balancer_names_is_the_client(
    balanced: Stage, secure: bool, client_ip: str
) -> None:
    port = balanced.secure_port if secure else balanced.port
    client = await Client.connect(port, BALANCER)
    client.send(header(client_ip, 50123, checked=True))
    if secure:
        await client.start_tls("127.0.0.1", balanced.authority)
    assert (await client.get("http://allowed.test/", HOST)).status == 200
    (driver,) = balanced.drivers
    visitor = balanced.worker._visitors[driver.client]
    expected = client_ip.removeprefix("::ffff:")
    assert (visitor.client_ip, visitor.client_port) == (expected, 50123)
    assert (visitor.balancer, visitor.secure) == (BALANCER, secure)
    assert balanced.gate.clients[expected].connections == 1
    assert balanced.gate.clients[BALANCER].connections == 0
    client.close()
    (record,) = await balanced.logged(1)
    assert record["client_ip"] == expected
    await balanced.quiet()
    await quiet(balanced)


async def test_the_person_is_the_clients_not_the_balancers(stage_with: Begin) -> None:
    people = [
        {"network": "192.0.2.7/32", "person": "pc1", "profile": "standard"},
        {"network": f"{BALANCER}/32", "person": "balancer", "profile": "unrestricted"},
    ]
    load_balancers = {"proxy_protocol": [f"{BALANCER}/32"]}
    stage = await stage_with({"identity": {"addresses": people, "load_balancers": load_balancers}})
    client = await Client.connect(stage.port, BALANCER)
    client.send(header("192.0.2.7"))
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 403
    client.close()
    (record,) = await stage.logged(1)
    assert record["person"] == "pc1"


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"GET http://allowed.test/ HTTP/1.1\r\n\r\n", "no PROXY protocol header"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", "version 1"),
        (header(family=0x31), "something else than TCP"),
        (b"", "no PROXY protocol header in time"),
        (header()[:20], "no PROXY protocol header in time"),
    ],
)
async def test_a_balancer_without_a_sound_header_is_closed(
    balanced: Stage, secure: bool, sent: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    settle_for(balanced, handshake_timeout=0.1 if "in time" in words else 60.0)
    client = await Client.connect(balanced.secure_port if secure else balanced.port, BALANCER)
    client.send(sent)
    assert await client.ended() == b""
    client.close()
    assert words in caplog.text
    assert not balanced.drivers
    await quiet(balanced)


async def test_from_elsewhere_a_header_is_no_header(balanced: Stage) -> None:
    client = await balanced.client()
    client.send(header("192.0.2.7"))
    client.send("GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
    assert (await client.answer()).status == 400
    client.close()
    (record,) = await balanced.logged(1)
    assert (record["client_ip"], record["rule"]) == ("127.0.0.1", "bad-request")


@pytest.mark.parametrize("secure", [False, True])
async def test_a_balancers_own_checks(balanced: Stage, secure: bool) -> None:
    """It comes and goes, says LOCAL and goes, or says LOCAL and asks for something."""
    port = balanced.secure_port if secure else balanced.port
    for sent in (b"", header(command=0x20)):
        client = await Client.connect(port, BALANCER)
        client.send(sent)
        client.close()
    client = await Client.connect(port, BALANCER)
    client.send(header(command=0x20))
    if secure:
        await client.start_tls("127.0.0.1", balanced.authority)
    assert (await client.get("http://allowed.test/", HOST)).status == 200
    client.close()
    records = await balanced.end()
    assert [record["client_ip"] for record in records] == [BALANCER]
    await quiet(balanced)


async def test_limits_are_of_the_real_client(balanced: Stage) -> None:
    settle_for(balanced, client_connections=2)

    async def come(client_ip: str) -> Client:
        client = await Client.connect(balanced.port, BALANCER)
        client.send(header(client_ip))
        return client

    first = [await come("192.0.2.7") for _ in range(2)]
    await until(lambda: balanced.gate.clients["192.0.2.7"].connections == 2)
    third = await come("192.0.2.7")
    assert (await third.head()).status == 503
    other = await come("192.0.2.8")
    assert (await other.get("http://allowed.test/", HOST)).status == 200
    for client in (*first, third, other):
        client.close()
    await balanced.quiet()
    balanced.gate.turned_away()
    (turned_away,) = [each for each in await balanced.logged(2) if each["status"] == 503]
    assert turned_away["client_ip"] == "192.0.2.7"
    await quiet(balanced)
