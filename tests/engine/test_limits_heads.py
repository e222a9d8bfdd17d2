"""Limits of size on heads, at their boundaries, on either lane; and clients that drop or flood."""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.client import client_hello
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine.connector import Connector
from proxy_addons.engine.outcomes import ConnectFailed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from support.stage import Stage

URL = "http://allowed.test"
LIMITS = {"head_bytes": 8192, "head_fields": 20, "url_bytes": 1000}


@pytest.fixture(params=["relay lane", "generic lane"])
async def both(request: pytest.FixtureRequest, stage_with: Callable[..., Any]) -> Stage:
    """A stage; every test of it is run on either lane."""
    relay = request.param == "relay lane"
    made: Stage = await stage_with({"network": {"relay_lane": relay}, "limits": LIMITS})
    return made


def head_of(size: int) -> str:
    """A request of so many bytes, its empty line not counted."""
    begin = f"GET {URL}/ HTTP/1.1\r\nHost: allowed.test\r\nX-Long: "
    return f"{begin}{'x' * (size - len(begin) - 2)}\r\n\r\n"


def request_of(path: str = "/", fields: int = 1) -> str:
    more = "".join(f"X-{number}: 1\r\n" for number in range(fields - 1))
    return f"GET {URL}{path} HTTP/1.1\r\nHost: allowed.test\r\n{more}\r\n"


LONGEST = 1000 - len("allowed.test:80")
REQUESTS = {
    "a head": (head_of(8192), head_of(8193), "8 kB"),
    "its fields": (request_of(fields=20), request_of(fields=21), "20"),
    "its address": (request_of("/" + "x" * (LONGEST - 30)), request_of("/" + "x" * 1000), "1000"),
}


@pytest.mark.parametrize(("fits", "too_much", "said"), REQUESTS.values(), ids=REQUESTS)
async def test_requests_within_and_over_the_limit(
    both: Stage, fits: str, too_much: str, said: str
) -> None:
    await both.origin("allowed.test", script=answering())
    client = await both.client()
    client.send(fits)
    assert (await client.answer()).status == 200
    client.send(too_much.replace("\r\n\r\n", "\r\nAccept: text/html\r\n\r\n"))
    reply = await client.answer()
    assert reply.status == 400
    assert await client.ended() == b"", "nothing is read after it"
    good, bad = await both.end()
    assert good["rule"] == "business"
    assert (bad["rule"], bad["action"], bad["status"]) == ("bad-request", "block", 400)
    assert said in bad["error"]
    assert len(both.roads.taken) == 1


def answer_of(size: int) -> bytes:
    begin = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Long: "
    return f"{begin}{'x' * (size - len(begin) - 2)}\r\n\r\nhello".encode()


def answer_with(fields: int) -> bytes:
    more = "".join(f"X-{number}: 1\r\n" for number in range(fields - 1))
    return f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{more}\r\nhello".encode()


ANSWERS = {
    "a head": (answer_of(8192), answer_of(8193), "8 kB"),
    "its fields": (answer_with(20), answer_with(21), "20"),
}


@pytest.mark.parametrize(("fits", "too_much", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_answers_within_and_over_the_limit(
    both: Stage, fits: bytes, too_much: bytes, said: str
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await request_head(reader)).split(" ")[1]
            writer.write(fits if path == "/fits" else too_much)

    await both.origin("allowed.test", script=script)
    client = await both.client()
    assert (await client.get(f"{URL}/fits", "Host: allowed.test")).text == "hello"
    refused = await client.get(f"{URL}/too-much", "Host: allowed.test")
    assert refused.status == 502
    good, bad = await both.end()
    assert good["error"] is None
    assert (bad["rule"], bad["status"]) == ("business", 502)
    assert said in bad["error"]


# --- clients that drop, descriptors that are spent ---------------------------------------------


@pytest.mark.parametrize("leaves", ["close", "reset"])
@pytest.mark.parametrize("cut", [0, 1, 40, 100_000])
async def test_a_client_that_drops_in_its_handshake_leaves_one_record_and_no_line_in_the_journal(
    both: Stage, cut: int, leaves: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await both.client()
    await client.connect_to("allowed.test:443")
    client.send(client_hello("allowed.test")[:cut])
    if cut > 1000:
        await client.reader.readexactly(3)
    with caplog.at_level(logging.WARNING):
        getattr(client, leaves)()
        await both.quiet()
    assert caplog.records == []
    (record,) = await both.end()
    assert record["rule"] == "tunnel-without-request"


async def test_a_client_that_has_gone_before_it_is_taken_leaves_nothing(
    both: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Its socket no longer knows whose it was."""
    both._listener.close()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", both.port)) as gone:
            gone.sendall(b"CONNECT allowed.test:443 HTTP/1.1\r\n")
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    both._listener = both.worker.listen(both.socket)
    await both.origin("allowed.test", script=answering())
    with caplog.at_level(logging.WARNING):
        client = await both.client()
        assert (await client.get(f"{URL}/", "Host: allowed.test")).status == 200
    assert caplog.records == []
    assert len(await both.end()) == 1


def test_what_a_request_needs_is_read_before_the_first_one() -> None:
    """When it comes there may be no descriptor to open a file with."""
    late = "'encodings.idna', 'cryptography.hazmat.backends.openssl.backend'"
    program = f"import sys, proxy_addons.engine.worker; assert {{{late}}} <= set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_a_client_that_drops_before_it_says_anything_leaves_nothing(
    both: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (await both.client()).close()
        (await both.client()).reset()
        await both.quiet()
    assert caplog.records == []
    assert await both.end() == []


@contextmanager
def no_descriptor() -> Iterator[None]:
    """This process can open nothing more; what other tests have left is not collected meanwhile."""
    gc.collect()
    gc.disable()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gc.enable()
        for each in taken:
            os.close(each)


async def test_no_descriptor_for_a_server_is_said_to_be_load_not_the_servers_fault(
    both: Stage,
) -> None:
    connector = Connector(Numbers(), lambda *_: None, 5.0, None)  # type: ignore[arg-type]
    both.worker._connector.connect = connector.connect  # type: ignore[method-assign]
    client = await both.client()
    await until(lambda: both.drivers)
    with no_descriptor():
        reply = await client.get(f"{URL}/", "Host: allowed.test", "Accept: text/html")
    assert reply.status == 503
    await both.origin("allowed.test", script=answering())
    (record,) = await both.end()
    assert (record["status"], record["action"]) == (503, "allow")
    assert os.strerror(errno.EMFILE) in record["error"]


class Numbers:
    """Every name has one address."""

    def known(self, _host: str) -> None:
        pass

    async def addresses(self, _host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


async def test_of_two_addresses_too() -> None:
    """The library that tries several addresses makes one error of theirs."""

    class Two:
        def known(self, _host: str) -> None:
            pass

        async def addresses(self, _host: str) -> tuple[str, ...]:
            return ("127.0.0.1", "127.0.0.2")

    connector = Connector(Two(), lambda *_: None, 5.0, None)  # type: ignore[arg-type]
    with no_descriptor(), pytest.raises(ConnectFailed) as caught:
        await connector.connect("allowed.test", 80)
    assert caught.value.reason.kind == "overloaded"
