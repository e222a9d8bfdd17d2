"""The listener between real sockets: without descriptors, with clients that have too many."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import until

from proxy_addons.engine import listener as module
from proxy_addons.engine.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Greeting(asyncio.Protocol):
    """Greets, and notes who came."""

    def __init__(self, came: list[Any]) -> None:
        self.came = came

    def connection_made(self, transport: Any) -> None:
        self.came.append(transport)
        transport.write(b"hello")


@pytest.fixture
def came() -> Iterator[list[Any]]:
    transports: list[Any] = []
    yield transports
    for transport in transports:
        transport.abort()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        yield sock


async def connected(sock: socket.socket) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003 - as the socket module has it
    await asyncio.get_running_loop().sock_connect(client, sock.getsockname())
    return client


async def said(client: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            got += data
            if got == b"hello":
                break
    client.close()
    return got


def make(
    sock: socket.socket, came: list[Any], admits: Callable[[str, int], bool] = lambda *_: True
) -> Listener:
    return Listener(sock, lambda _: Greeting(came), admits)  # type: ignore[arg-type,return-value]


async def test_connections_are_taken_until_it_is_closed(
    listening: socket.socket, came: list[Any]
) -> None:
    listener = make(listening, came)
    clients = [await connected(listening) for _ in range(100)]  # more than it takes at once
    assert [await said(client) for client in clients] == [b"hello"] * 100
    assert listener.is_serving()
    listener.close()
    listener.close()
    late = await connected(listening)  # the kernel still queues them: for the next worker
    await asyncio.sleep(0)
    assert len(came) == 100
    assert not listener.is_serving()
    late.close()


async def test_a_client_with_too_many_is_told_and_closed(
    listening: socket.socket, came: list[Any]
) -> None:
    asked: list[tuple[str, int]] = []

    def admits(address: str, port: int) -> bool:
        asked.append((address, port))
        return len(asked) > 1

    listener = make(listening, came, admits)
    client = await connected(listening)
    name = client.getsockname()
    head, _, body = (await said(client)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Content-Length: %d" % len(body) in head
    assert asked == [name]
    assert await said(await connected(listening)) == b"hello"
    listener.close()


async def test_without_a_descriptor_it_waits_and_goes_on(
    listening: socket.socket,
    came: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.02)
    loop = asyncio.get_running_loop()
    problems: list[Any] = []
    loop.set_exception_handler(lambda _, context: problems.append(context))
    clients = [await connected(listening) for _ in range(5)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.dup(0)
    os.close(highest)
    with caplog.at_level(logging.ERROR):
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
        try:
            listener = make(listening, came)
            await until(lambda: len(caplog.records) == 3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [await said(client) for client in clients] == [b"hello"] * 5
    lines = {record.getMessage() for record in caplog.records}
    assert lines == {"no connection can be taken for now: Too many open files"}
    assert len(caplog.records) < 10, "one line a pause, not one for each client"
    assert not any(record.exc_info for record in caplog.records)
    assert problems == []
    listener.close()


async def test_it_can_be_closed_while_it_waits(
    listening: socket.socket, came: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    listener = make(listening, came)
    listener._pause(OSError(24, "Too many open files"))
    listener.close()
    client = await connected(listening)
    await asyncio.sleep(0.03)
    assert came == []
    client.close()


async def test_a_connection_that_cannot_be_begun_ends_and_the_next_is_taken(
    listening: socket.socket, came: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def fail(_address: object) -> Any:
        calls.append(1)
        if len(calls) == 1:
            msg = "quoting a password"
            raise RuntimeError(msg)
        return Greeting(came)

    listener = Listener(listening, fail, lambda *_: True)
    with caplog.at_level(logging.ERROR):
        assert await said(await connected(listening)) == b""
        assert await said(await connected(listening)) == b"hello"
    (record,) = caplog.records
    assert record.getMessage().startswith("a connection could not be begun (RuntimeError at ")
    assert not record.exc_info
    listener.close()
