"""Signing in over the wire, on both lanes: challenges, waiting for an answer, and leaving."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.signin import basic, signing_in
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine import asking
from proxy_addons.identity.proof import Proof, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.signin import SigningIn
    from support.stage import Stage

    from proxy_addons.identity.proof import Outcome

__all__ = ["signing_in"]

URL = "http://allowed.test/x"
HOST = "Host: allowed.test"
TICKET = "Proxy-Authorization: Negotiate AAAA"
SECRET = "hunter2"


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def stage(stage_with: Callable[..., Any], signing_in: SigningIn) -> Stage:
    made: Stage = await stage_with({"identity": signing_in.identity("kerberos", "basic")})
    return made


class Slow:
    """An acceptor whose answers the test gives."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def accept(self, _token: bytes) -> Outcome:
        self.asked += 1
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def prove(self) -> None:
        self.answer.set_result(Proof("jane", "kerberos"))


@pytest.fixture
async def slow(stage: Stage) -> Slow:
    stage.gate.signing_in.kerberos = made = Slow()  # in the loop
    return made


def field(login: str) -> str:
    return f"Proxy-Authorization: {login}"


async def challenged(client: Any) -> list[str]:
    """Read a challenge; what it offers."""
    async with asyncio.timeout(20):
        raw = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        lines = raw.split("\r\n")
        assert lines[0] == "HTTP/1.1 407 Proxy Authentication Required"
        fields = [line.partition(": ")[::2] for line in lines[1:] if line]
        length = next(int(value) for name, value in fields if name.lower() == "content-length")
        assert SECRET.encode() not in raw.encode() + await client.reader.readexactly(length)
    return [value for name, value in fields if name == "Proxy-Authenticate"]


OFFERS = ["Negotiate", 'Basic realm="Watchhouse", charset="UTF-8"']


async def test_a_ticket_on_a_connection(stage: Stage, signing_in: SigningIn) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert await challenged(client) == OFFERS
    first = await client.get(URL, HOST, field(signing_in.negotiate()))
    again = await client.get(URL, HOST)
    assert (first.text, again.text) == ("hello", "hello")
    first, second = await stage.end()
    for record in (first, second):
        assert (record["person"], record["person_how"]) == ("jane", "kerberos")
        assert record["rule"] == "business"


async def test_a_tunnel_is_its_owners(stage: Stage, signing_in: SigningIn) -> None:
    """Also after a challenge on the same connection; inside nobody is asked, or listened to."""
    heads: list[str] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await request_head(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    await stage.secure_origin("allowed.test", script=origin)
    client = await stage.client()
    client.send(f"CONNECT allowed.test:443 HTTP/1.1\r\n{HOST}\r\n\r\n")
    assert await challenged(client) == OFFERS
    reply = await client.connect_to("allowed.test:443", field(signing_in.negotiate()))
    assert reply.status == 200
    await client.start_tls("allowed.test", stage.authority)
    inside = (
        field(basic("joe", SECRET)),
        field(signing_in.negotiate()),
        "X-Forwarded-For: 1.1.1.1",
    )
    for more in ((), inside[:1], inside[1:]):
        assert (await client.get("/", HOST, *more)).text == "hello"
    assert "proxy-authorization" not in "".join(heads).lower()
    assert SECRET not in "".join(heads)
    records = await stage.end()
    assert [(record["person"], record["kind"]) for record in records] == [("jane", "https")] * 3


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_wrong_password(stage: Stage, method: str) -> None:
    client = await stage.client()
    target = URL if method == "GET" else "allowed.test:443"
    for _ in range(2):
        client.send(
            f"{method} {target} HTTP/1.1\r\n{HOST}\r\n{field(basic('joe', SECRET))}\r\n\r\n"
        )
        assert await challenged(client) == OFFERS
    for record in await stage.end():
        assert (record["rule"], record["status"]) == ("sign-in-failed", 407)
        assert (record["person"], record["claimed"]) == (None, "joe")
        assert SECRET not in str(record)
    assert not stage.roads.taken


async def test_a_challenge_that_nobody_answers(stage: Stage) -> None:
    client = await stage.client()
    client.send(f"POST {URL} HTTP/1.1\r\n{HOST}\r\nContent-Length: 4\r\n\r\nbody")
    assert await challenged(client) == OFFERS
    client.send(f"HEAD {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
    assert "407" in head
    (record,) = await stage.end()
    assert (record["rule"], record["host"]) == ("sign-in-required", "allowed.test")
    assert "2 times" in record["error"]


async def test_after_ten_failures_the_connection_ends(stage: Stage) -> None:
    client = await stage.client()
    for _ in range(10):
        client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{field('Negotiate AAAA')}\r\n\r\n")
        await challenged(client)
    assert await client.ended() == b""
    assert len(await stage.end()) == 10


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((field("Negotiate AAAA"), field(basic())), 400),
        ((field(basic()), "proxy-authorization: x"), 400),
        ((f"Authorization: {basic()}",), 407),
        ((f"Proxy-Authorization : {basic()}",), 400),
        ((field("Basic " + "A" * 20_000),), 407),
    ],
)
async def test_odd_heads(stage: Stage, fields: tuple[str, ...], status: int) -> None:
    client = await stage.client()
    client.send("\r\n".join([f"GET {URL} HTTP/1.1", HOST, *fields, "", ""]))
    assert (await client.reader.readline()).split()[1] == str(status).encode()
    assert not stage.roads.taken


# --- waiting for an answer ------------------------------------------------------------------


async def test_nothing_is_decided_before_the_answer(stage: Stage, slow: Slow) -> None:
    """Requests that follow wait; their order, and a body that comes meanwhile, are kept."""
    heads: list[str] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await request_head(reader))
            if heads[-1].startswith("POST"):
                heads.append((await reader.readexactly(6)).decode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % len(heads))

    await stage.origin("allowed.test", script=origin)
    client = await stage.client()
    client.send(f"POST {URL} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\nContent-Length: 6\r\n\r\nbo")
    await until(lambda: slow.asked)
    client.send(f"diesGET {URL}2 HTTP/1.1\r\n{HOST}\r\n\r\n")
    await asyncio.sleep(0.02)
    assert not stage.roads.taken
    other = await stage.client()
    assert (await other.get(URL, HOST, field(basic()))).status == 200, "others are not held up"
    heads.clear()
    slow.prove()
    assert (await client.answer()).text == "2"
    assert (await client.answer()).text == "3"
    assert heads[1] == "bodies"
    assert slow.asked == 1
    records = await stage.end()
    assert [record["person"] for record in records] == ["joe", "jane", "jane"]


async def test_a_tunnel_waits_too(stage: Stage, slow: Slow) -> None:
    await stage.secure_origin("allowed.test", script=answering())
    client = await stage.client()
    client.send(f"CONNECT allowed.test:443 HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\n\r\n")
    await until(lambda: slow.asked)
    slow.prove()
    assert (await client.answer("CONNECT")).status == 200
    await client.start_tls("allowed.test", stage.authority)
    assert (await client.get("/", HOST)).text == "hello"


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_is_waited_for_no_longer(
    stage: Stage, slow: Slow, how: str
) -> None:
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\n\r\n")
    await until(lambda: slow.asked)
    getattr(client, how)()
    await until(lambda: slow.cancelled)
    assert await stage.end() == [], "nothing was decided"
    assert not stage.roads.taken


async def test_a_client_that_does_not_wait_is_not_read_without_end(
    stage: Stage, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_EARLY_LIMIT", 1000)
    length = 30 << 20
    got = 0

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await request_head(reader)
        while got < length:
            got += len(await reader.read(1 << 20))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    await stage.origin("allowed.test", script=origin)
    client = await stage.client()
    client.send(f"POST {URL} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\nContent-Length: {length}\r\n\r\n")
    await until(lambda: slow.asked)
    client.send(b"x" * length)
    (driver,) = stage.drivers
    wire = driver._wires[driver.client]
    await until(lambda: not wire.transport.is_reading())
    await asyncio.sleep(0.05)
    assert client.writer.transport.get_write_buffer_size() > length / 2
    slow.prove()
    assert (await client.answer()).text == "done"
    assert got == length


class Failing:
    """An acceptor with a fault."""

    async def accept(self, _token: bytes) -> Outcome:
        await asyncio.sleep(0)
        raise RuntimeError(SECRET)


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_fault_refuses(
    stage: Stage, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await stage.origin("allowed.test", script=answering())
    stage.gate.signing_in.kerberos = Failing()
    client = await stage.client()
    target = URL if method == "GET" else "allowed.test:443"
    client.send(f"{method} {target} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\n\r\n")
    reply = await client.answer()
    assert reply.status == 503
    assert (await client.get(URL, HOST, field(basic()))).status == 200, "the connection goes on"
    first, _ = await stage.end()
    assert (first["rule"], first["action"], first["person"]) == ("undecided", "block", None)
    assert SECRET not in capsys.readouterr().err + reply.text + str(first)


@pytest.mark.parametrize(("kind", "status"), [("busy", 503), ("skew", 407)])
async def test_what_comes_of_a_rejection(stage: Stage, slow: Slow, kind: str, status: int) -> None:
    client = await stage.client()
    slow.answer.set_result(Rejection(kind, "in words of ours", "jane"))
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\n\r\n")
    assert (await client.reader.readline()).split()[1] == str(status).encode()
    record = (await stage.end())[0]
    assert (record["person"], record["claimed"]) == (None, "jane")
    assert record["error"] == "in words of ours"
    assert record["rule"] == ("sign-in-unavailable" if status == 503 else "sign-in-failed")


async def test_a_stop_ends_the_waiting(stage: Stage, slow: Slow) -> None:
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{TICKET}\r\n\r\n")
    await until(lambda: slow.asked)
    stage.drivers[0].abort("the gateway stopped")
    assert await client.ended() == b""
    await until(lambda: slow.cancelled)
