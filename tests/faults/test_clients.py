"""Clients that drop in the middle of a handshake, and more clients than there are descriptors."""

from __future__ import annotations

import asyncio
import ssl
import struct
import sys
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support import procfs
from support.client import client_hello
from support.evidence import sound_log
from support.gateway import _MAIN
from support.load import Load
from support.scene import through
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart

AT_A_TIME = 40
POINTS = ("connected", "in-connect", "after-connect", "in-hello", "after-hello", "after-reply")
MUCH = 40 << 20  # bytes that a worker may keep of all these: its caches, and Python's own
RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.heavy)])
def test_clients_that_drop_in_the_middle_of_a_handshake(
    count: int, start: Callable[..., Gateway], web: Web
) -> None:
    """Nothing is left of them: no record open, no descriptor, no traceback."""
    gateway = start(through(web))
    (worker,) = gateway.workers()
    asyncio.run(drop(gateway, 60))  # what is made once has been made
    come_about(lambda: connections(gateway) == 0)
    before = procfs.descriptors(worker), procfs.resident(worker)
    with Load(gateway.proxy, clients=2) as load:
        asyncio.run(drop(gateway, count))
        load.wait(5)
    come_about(lambda: connections(gateway) == 0)
    come_about(lambda: procfs.descriptors(worker) <= before[0])
    assert procfs.resident(worker) < before[1] + MUCH
    assert gateway.workers() == [worker], "it is still the same one"
    assert set(load.counts()) == {200}, "others were served meanwhile"
    gateway.stop()
    said = gateway.output.read_text()
    assert "Traceback" not in said
    assert "crashed" not in said
    # A tunnel that was accepted leaves one record, whatever became of it.
    dropped = [r for r in sound_log(gateway) if r["method"] == "CONNECT"]
    assert len(dropped) == accepted_of(60) + accepted_of(count)
    assert {r["rule"] for r in dropped} == {"tunnel-without-request"}
    assert not [r for r in dropped if r["error"] == "still open when the gateway stopped"]


def accepted_of(count: int) -> int:
    """How many of so many clients get as far as an accepted CONNECT."""
    return sum(number % len(POINTS) >= POINTS.index("after-connect") for number in range(count))


async def drop(gateway: Gateway, count: int) -> None:
    """Clients that each leave at one of the points, half of them with a reset."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> None:
        async with places:
            await leave_at(gateway, POINTS[number % len(POINTS)], reset=number // len(POINTS) % 2)

    await asyncio.gather(*(one(number) for number in range(count)))


async def leave_at(gateway: Gateway, point: str, *, reset: int) -> None:
    host, _, port = gateway.proxy.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    connect = b"CONNECT www.gov.uk:443 HTTP/1.1\r\nHost: www.gov.uk:443\r\n\r\n"
    with suppress(ConnectionError):
        stage = POINTS.index(point)
        writer.write(connect if stage > 1 else connect[: stage * 30])
        if stage > 1:
            await reader.readuntil(b"\r\n\r\n")
        hello = client_hello("www.gov.uk")
        if stage > 2:
            writer.write(hello if stage > 3 else hello[:100])
        if stage > 4:
            await reader.read(100)  # the middle of the gateway's own flight
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(1, 13, RESET)  # SOL_SOCKET, SO_LINGER: a reset in place of an end
            writer.transport.abort()
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


def connections(gateway: Gateway) -> int:
    """Client connections that are open, as the gateway's own metrics have it."""
    with urllib.request.urlopen(f"http://{gateway.portal}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return round(
        sum(
            float(line.split()[-1])
            for line in lines
            if "open_connections" in line and line[0] != "#"
        )
    )


def test_more_clients_than_descriptors(start: Callable[..., Gateway], web: Web) -> None:
    """The worker neither dies nor turns in circles; it serves again when some have gone."""
    few = ["sh", "-c", 'ulimit -n 90; exec "$@"', "sh", sys.executable, "-c", _MAIN, "serve"]
    gateway = start(through(web) | {"limits": {"client_connections": 500}}, command=few)
    (worker,) = gateway.workers()
    assert gateway.curl("http://www.gov.uk/before").status == 200
    host, _, port = gateway.proxy.rpartition(":")
    waiting = asyncio.run(exhaust(host, int(port), worker))
    assert waiting, "the descriptors were used up"
    assert gateway.workers() == [worker]
    come_about(lambda: gateway.curl("http://www.gov.uk/after").status == 200)
    said = gateway.output.read_text()
    assert "Traceback" not in said
    # What was asked before was let through as well, and had no descriptor for the site.
    (record,) = gateway.records(1, url="http://www.gov.uk/after", status=200)
    assert record["action"] == "allow"


async def exhaust(host: str, port: int, worker: int) -> bool:
    """Hold more connections than the worker has descriptors, and look at what it does."""
    open_ones = [await asyncio.open_connection(host, port) for _ in range(150)]
    for _, writer in open_ones:
        writer.write(b"GET http://www.gov.uk/held HTTP/1.1\r\nHost: www.gov.uk\r\n\r\n")
    await asyncio.sleep(1)  # it notices that it cannot take more
    used = procfs.descriptors(worker)
    before = procfs.cpu(worker)
    await asyncio.sleep(3)  # a time over which to count its processor time
    spent = procfs.cpu(worker) - before
    for _, writer in open_ones:
        writer.close()
    assert spent < 1.5, f"{spent} s of 3 s: it turns in circles"
    return used >= 80
