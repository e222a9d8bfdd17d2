"""Limits on what one client address has open, and on a worker's memory, on the real engine."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

from support.client import Client, client_hello
from support.stage import Stage, answering, request_head
from support.waiting import until

from proxy_addons.engine import memory
from proxy_addons.engine import worker as module
from proxy_addons.engine.memory import MIB
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from support.certificates import WebAuthority

HOST = "Host: allowed.test"
URL = "http://allowed.test/"


# --- one client address -----------------------------------------------------------------------


async def test_a_connection_too_many_is_closed_and_a_flood_leaves_one_record(
    stage_with: Callable[..., Any],
) -> None:
    stage: Stage = await stage_with({"limits": {"client_connections": 2}})
    await stage.origin("allowed.test", script=answering())
    clients = [await stage.client() for _ in range(2)]
    for client in clients:
        assert (await client.get(URL, HOST)).status == 200
    for _ in range(5):
        refused = await stage.client()
        assert (await refused.ended())[:12] in {b"HTTP/1.1 503", b""}
    other = await stage.client("127.0.0.2")
    assert (await other.get(URL, HOST)).status == 200, "another client has its own"
    stage.worker._sweep()
    stage.worker._sweep()
    clients[0].close()
    await until(lambda: len(stage.drivers) == 2)
    late = await stage.client()
    assert (await late.get(URL, HOST)).status == 200, "one that ended makes room"
    records = await stage.end()
    (flood,) = [each for each in records if each["rule"] == "overloaded"]
    assert flood["error"] == "5 connections closed: more than 2 of one client address"
    assert (flood["client_ip"], flood["person"]) == ("127.0.0.1", "pc1234")
    assert (flood["action"], flood["status"]) == ("block", 503)
    assert len(stage.gate.clients) == 0


async def test_a_tunnel_too_many_is_refused(stage_with: Callable[..., Any]) -> None:
    stage: Stage = await stage_with({"limits": {"client_tunnels": 2}})
    await stage.origin("bank.test", script=answering())
    for _ in range(2):
        client = await stage.client()
        assert (await client.connect_to("bank.test:443")).status == 200
    third = await stage.client()
    answer = await third.connect_to("bank.test:443", "Accept: text/html")
    assert answer.status == 503
    assert "<html" in answer.text
    assert (await (await stage.client("127.0.0.2")).connect_to("bank.test:443")).status == 200
    client.close()
    await until(lambda: stage.gate.clients["127.0.0.1"].tunnels == 1)
    assert (await third.connect_to("bank.test:443")).status == 200, "on the same connection too"
    records = await stage.end()
    (refused,) = [each for each in records if each["rule"] == "overloaded"]
    assert (refused["kind"], refused["host"], refused["status"]) == ("connect", "bank.test", 503)
    assert refused["error"] == "more than 2 tunnels of one client address"


async def test_a_handshake_too_many_is_refused_and_a_finished_one_makes_room(
    stage_with: Callable[..., Any],
) -> None:
    stage: Stage = await stage_with({"limits": {"client_handshakes": 1}})
    await stage.secure_origin("allowed.test", script=answering())
    await stage.origin("bank.test", script=answering())
    inspected, spliced, plain = [await stage.client() for _ in range(3)]
    for host, client in (("allowed", inspected), ("bank", spliced), ("allowed", plain)):
        other = await stage.client()
        assert (await client.connect_to(f"{host}.test:443")).status == 200
        assert (await other.connect_to("allowed.test:443")).status == 503
        if client is inspected:
            await client.start_tls("allowed.test", stage.authority)
        elif client is spliced:
            client.send(client_hello("bank.test"))
        else:
            await client.get("/", HOST)
        await until(lambda: stage.gate.clients["127.0.0.1"].handshakes == 0)
    assert stage.gate.clients["127.0.0.1"].tunnels == 3
    records = await stage.end()
    refused = [each["error"] for each in records if each["rule"] == "overloaded"]
    assert refused == ["more than 1 unfinished handshakes of one client"] * 3
    assert len(stage.gate.clients) == 0


# --- memory -----------------------------------------------------------------------------------


def use(stage: Stage, part: float) -> None:
    """Let the worker use a part of its limit."""
    stage.worker._look_at_memory(int(stage.worker._shedding.limit * part))


async def test_short_of_memory_nothing_new_is_taken_on_and_what_runs_goes_on(
    stage_with: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nla")
        await go.wait()
        writer.write(b"te")

    stage: Stage = await stage_with({"limits": {"worker_memory": 200}})
    await stage.origin("allowed.test", "bank.test", script=slow)
    running, plain, connecting, tunnel, bank = [await stage.client() for _ in range(5)]
    running.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert (await running.head()).status == 200
    await tunnel.connect_to("allowed.test:443")
    await tunnel.start_tls("allowed.test", stage.authority)
    await bank.connect_to("bank.test:443")
    with caplog.at_level(logging.INFO, "watchhouse"):
        use(stage, 1.01)
        use(stage, 1.02)
    assert [record.getMessage() for record in caplog.records] == [
        "202 MiB of memory used, the limit is 200: new requests are refused"
    ]
    refused = await plain.get(URL, HOST, "Accept: text/html")
    assert refused.status == 503
    assert "<html" in refused.text
    assert (await connecting.connect_to("allowed.test:443")).status == 503
    assert (await tunnel.get("/", HOST)).status == 503
    bank.send(client_hello("bank.test"))
    assert await bank.ended() == b""
    go.set()
    assert await running.reader.readexactly(4) == b"late", "what is in progress goes on"
    use(stage, 0.95)
    assert (await plain.get(URL, HOST)).status == 503, "not until it is well below"
    use(stage, 0.89)
    assert (await plain.get(URL, HOST)).status == 200
    records = await stage.end()
    overloaded = [each for each in records if each["rule"] == "overloaded"]
    assert sorted(each["kind"] for each in overloaded) == [
        "connect",
        "connect",
        "http",
        "http",
        "https",
    ]
    assert {each["error"] for each in overloaded} == {
        "this worker uses more than 200 MiB of memory"
    }
    assert not stage.worker._stop.is_set()


async def test_when_it_grows_on_all_the_same_the_worker_ends(
    stage_with: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    stage: Stage = await stage_with({"limits": {"worker_memory": 200}})
    with caplog.at_level(logging.ERROR):
        use(stage, 1.3)
    assert caplog.messages == [
        "260 MiB of memory used, the limit is 200: this worker ends, another will begin"
    ]
    assert stage.worker._stop.is_set()
    assert stage.gate.overloaded, "meanwhile nothing new is taken on"


async def test_housekeeping_looks_at_the_memory_that_is_really_used(stage: Stage) -> None:
    stage.worker._shedding.limit = await asyncio.to_thread(memory.used) - 10 * MIB
    await stage.worker._house_keeping()
    assert stage.gate.overloaded
    stage.worker._shedding.limit *= 100
    await stage.worker._house_keeping()
    assert stage.gate.overloaded is None


async def test_a_worker_that_ends_for_want_of_memory_drains_and_says_so_with_its_status(
    tmp_path: Path,
    small_index: Path,
    web_authority: WebAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = await asyncio.to_thread(Stage, tmp_path, small_index, web_authority)
    await asyncio.to_thread(stage.log.start)
    stage.worker._connector = stage.roads  # type: ignore[assignment]
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    await stage.origin("allowed.test", script=slow)
    stage.socket.setblocking(False)  # noqa: FBT003 - as the socket module has it
    monkeypatch.setattr(module, "_HOUSEKEEPING", 0.01)
    await asyncio.to_thread(migrate, stage.settings.standing, stage.settings.paths)
    running = asyncio.ensure_future(stage.worker.run(None, None))
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: stage.roads.taken)
    stage.worker._shedding.limit = MIB
    await until(lambda: stage.socket.fileno() < 0)
    assert not running.done()
    go.set()
    assert (await client.answer()).text == "late"
    assert await running == module.EXIT_MEMORY != module.EXIT_CONFIGURATION
    client.close()
    gc.unfreeze()
    for server in stage._servers:
        server.close()


async def test_a_new_limit_is_in_force_after_a_reload(stage: Stage) -> None:
    assert isinstance(await stage.client(), Client)
    config = stage.settings.paths.config_dir / "watchhouse.yaml"
    text = config.read_text()
    assert "worker_memory: auto" in text
    config.write_text(text.replace("worker_memory: auto", "worker_memory: 177"))
    stage.worker.take(await asyncio.to_thread(stage.worker.prepare))
    assert stage.worker._shedding.limit == 177 * MIB
