"""What is sent is held until it has been looked at: nothing of what is refused reaches a site."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.http2 import Http2
from support.marked import TEXT, form, letter, note
from support.stage import request_head
from support.today import Day
from support.waiting import until

from proxy_addons.content import outgoing
from proxy_addons.content.outgoing import Sent
from proxy_addons.gate.held import Holding
from proxy_addons.gate.sending import Sending
from proxy_addons.gate.whole import Bodies

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Client, Reply
    from support.stage import Script, Stage

FORM = "Content-Type: multipart/form-data; boundary=xYz"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
ACCEPT = "Accept: application/json"
OFFICIAL = "OFFICIAL-SENSITIVE"
OTHER, PUBLIC, SHOP = "other.test", "allowed.test", "shop.test"
SETTINGS = {"content": {"force_domains": ["force.police.test"]}}


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def stage(stage_with: Callable[..., Any]) -> Stage:
    """The default policy, and a domain of the force."""
    made: Stage = await stage_with(SETTINGS)
    return made


def policy_of(*rules: str) -> str:
    """A policy of these rules; what they say nothing of is allowed."""
    everything = "{id: everything, clause: x, reason: y, action: allow}"
    return "\n".join(
        [
            "version: 1",
            "time_zone: Europe/London",
            "profiles:",
            "  standard: {description: officers}",
            "  unrestricted: {description: key post holders, without_exemption: standard}",
            "  withdrawn: {description: nobody, strictest: true}",
            "rules:",
            *(f"  - {rule}" for rule in (*rules, everything)),
            "",
        ]
    )


class Site:
    """What a site has got.

    Attributes:
        got: heads and bodies of requests.
        octets: all that came, also of a request that never ended.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.octets = b""

    def script(self) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head = await request_head(reader)
                self.octets += head.encode("latin-1")
                body = await self._body(reader, head.lower())
                self.got.append((head, body))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        return script

    async def _body(self, reader: asyncio.StreamReader, head: str) -> bytes:
        if "transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readline(), 16):
                body += await self._read(reader, size)
                await reader.readexactly(2)
            await reader.readexactly(2)
            return body
        for line in head.split("\r\n"):
            if line.startswith("content-length:"):
                return await self._read(reader, int(line.partition(":")[2]))
        return b""

    async def _read(self, reader: asyncio.StreamReader, size: int) -> bytes:
        found = await reader.readexactly(size)
        self.octets += found
        return found


def sent(record: dict[str, Any]) -> list[str]:
    """Of what was found, that which was sent."""
    return [each for each in record["findings"] if each.startswith(("marking=", "sends="))]


async def secure(stage: Stage, host: str) -> tuple[Site, Client]:
    site = Site()
    await stage.secure_origin(host, script=site.script())
    return site, await stage.tunnel(host)


async def post(
    client: Client, url: str, host: str, body: bytes, *fields: str, chunked: bool = False
) -> Reply:
    """Send a body, in pieces that are none of its own."""
    if chunked:
        pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"
        length = "Transfer-Encoding: chunked"
    else:
        sent, length = body, f"Content-Length: {len(body)}"
    head = "\r\n".join([f"POST {url} HTTP/1.1", f"Host: {host}", ACCEPT, length, *fields, "", ""])
    octets = head.encode() + sent
    for at in range(0, len(octets), 3000):
        client.send(octets[at : at + 3000])
        await client.writer.drain()
        await asyncio.sleep(0)
    return await client.answer()


IN_JSON = json.dumps({"name": "a", "data": base64.b64encode(letter(OFFICIAL)).decode()}).encode()
MARKED = {
    "a document in a form": (form(letter(OFFICIAL)), (FORM,)),
    "a text as it is": (note("RESTRICTED"), ("Content-Type: text/plain",)),
    "a text in a field": (urlencode({"a": note(OFFICIAL)}).encode(), (URLENCODED,)),
    "a document in JSON": (IN_JSON, (JSON,)),
    "a form that is packed": (
        gzip.compress(form(letter(OFFICIAL))),
        (FORM, "Content-Encoding: gzip"),
    ),
    "a name": (form(b"x", "Op Falcon OFFICIAL-SENSITIVE.bin"), (FORM,)),
    "a document of no type": (letter("RESTRICTED"), ()),
    "a long text": (note(OFFICIAL) + TEXT * 5000, ("Content-Type: application/octet-stream",)),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("shape", MARKED)
async def test_nothing_of_what_is_marked_reaches_a_site(
    stage: Stage, shape: str, chunked: bool
) -> None:
    body, fields = MARKED[shape]
    site, client = await secure(stage, OTHER)
    reply = await post(client, "/upload", OTHER, body, *fields, chunked=chunked)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "marked")
    assert site.octets == b""
    # The connection goes on.
    assert (await post(client, "/upload", OTHER, b"a=b", URLENCODED)).status == 200
    assert [body for _, body in site.got] == [b"a=b"]
    first, _ = await stage.end()
    assert (first["action"], first["rule"], first["status"]) == ("block", "marked", 403)
    assert sent(first) == [
        "marking=restricted" if b"RESTRICTED" in body or shape == "a document of no type"
        else "marking=official-sensitive"
    ]  # fmt: skip
    assert first["bytes_up"] == len(body)


ORDINARY = {
    "a form": (form(letter("OFFICIAL")), (FORM,)),
    "a search": (urlencode({"q": "what is a restricted breed"}).encode(), (URLENCODED,)),
    "JSON": (json.dumps({"a": ["Secret Santa", 1, None]}).encode(), (JSON,)),
    "a picture": (b"\x89PNG\r\n\x1a\n" + os.urandom(200_000), ("Content-Type: image/png",)),
    "nothing": (b"", (FORM,)),
    "bytes": (os.urandom(70_000), ()),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("shape", ORDINARY)
async def test_what_is_ordinary_arrives_as_it_was(stage: Stage, shape: str, chunked: bool) -> None:
    body, fields = ORDINARY[shape]
    site, client = await secure(stage, OTHER)
    for _ in range(2):
        reply = await post(client, "/upload", OTHER, body, *fields, chunked=chunked)
        assert (reply.status, reply.body) == (200, b"ok")
    assert [got for _, got in site.got] == [body, body]
    for record in await stage.end():
        assert (record["action"], record["error"], sent(record)) == ("allow", None, [])
        assert record["bytes_up"] == len(body)


async def test_what_is_marked_may_go_to_public_service(stage: Stage) -> None:
    body = form(letter(OFFICIAL))
    site, client = await secure(stage, PUBLIC)
    assert (await post(client, "/upload", PUBLIC, body, FORM)).status == 200
    assert [got for _, got in site.got] == [body]
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("allow", "marked-to-public-service")
    assert sent(record) == ["marking=official-sensitive"]


async def test_secret_goes_nowhere(stage: Stage) -> None:
    site, client = await secure(stage, PUBLIC)
    reply = await post(client, "/upload", PUBLIC, form(letter("TOP SECRET")), FORM)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "marked-above-restricted")
    assert site.octets == b""


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["standard", "unrestricted"])
@pytest.mark.parametrize("host", [PUBLIC, OTHER])
async def test_in_the_clear_nothing_marked_goes_anywhere(
    stage: Stage, host: str, address: str
) -> None:
    site = Site()
    await stage.origin(host, script=site.script())
    client = await stage.client(address)
    reply = await post(client, f"http://{host}/upload", host, form(letter(OFFICIAL)), FORM)
    rule = "marked-in-clear" if host == PUBLIC else "marked"
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, rule)
    assert site.octets == b""
    (record,) = await stage.end()
    assert (record["action"], record["rule"], record["clause"]) == ("block", rule, "Inf/27 2.10.1")


async def test_in_the_clear_it_is_refused_whatever_the_policy_says(
    stage_with: Callable[..., Any],
) -> None:
    stage = await stage_with(policy=policy_of())
    site = Site()
    await stage.origin(OTHER, script=site.script())
    await stage.secure_origin("secure.test", script=site.script())
    body = form(letter(OFFICIAL))
    reply = await post(await stage.client(), f"http://{OTHER}/a", OTHER, body, FORM)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "marked-in-clear")
    assert site.octets == b""
    client = await stage.tunnel("secure.test")
    assert (await post(client, "/a", "secure.test", body, FORM)).status == 200
    assert len(site.got) == 1


ADDRESS = "a.smith@force.police.test"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/join", urlencode({"email": ADDRESS}), URLENCODED),
        ("POST", "/join", json.dumps({"user": {"e-mail": ADDRESS}}), JSON),
        ("GET", "/join?" + urlencode({"email": ADDRESS}), "", ""),
        ("PUT", "/join", "protobuf\x0a\x19" + ADDRESS, ""),
    ],
    ids=["form", "json", "query", "bytes"],
)
async def test_an_address_of_the_force_is_asked_about(
    stage_with: Callable[..., Any], method: str, path: str, body: str, field: str
) -> None:
    policy = policy_of(
        "{id: force-address, clause: x, reason: y, action: coach,"
        " when: {categories: shopping, sends: force-address}}"
    )
    stage = await stage_with(SETTINGS, policy=policy)
    site, client = await secure(stage, SHOP)
    head = f"{method} {path} HTTP/1.1\r\nHost: {SHOP}\r\n{ACCEPT}\r\n"
    if field:
        head += f"{field}\r\n"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    client.send(f"{head}\r\n{body}")
    reply = await client.answer()
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "force-address")
    assert site.octets == b""
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("coach", "force-address")
    assert sent(record) == ["sends=force-address"]
    assert ADDRESS not in json.dumps(record["findings"])


@pytest.mark.parametrize(("query", "status"), [(f"?email={ADDRESS}", 403), ("?q=shoes", 200)])
async def test_what_is_refused_for_its_address_is_no_minute_of_personal_use(
    stage_with: Callable[..., Any], query: str, status: int
) -> None:
    policy = policy_of(
        "{id: force-address, clause: x, reason: y, action: block,"
        " when: {categories: shopping, sends: force-address}}"
    ).replace("rules:\n", "personal_use: {categories: [shopping]}\nrules:\n")
    stage = await stage_with(SETTINGS, policy=policy)
    day = stage.gate.people.today = Day()
    _, client = await secure(stage, SHOP)
    client.send(f"GET /join{query} HTTP/1.1\r\nHost: {SHOP}\r\nAccept: text/html\r\n\r\n")
    assert (await client.answer()).status == status
    (record,) = await stage.end()
    assert bool(record.get("counted")) == bool(day.counted) == (status == 200)


PERSONAL = policy_of(
    "{id: marked, clause: x, reason: y, action: block,"
    " when: {categories: shopping, marking: official-sensitive}}"
).replace("rules:\n", "personal_use: {categories: [shopping]}\nrules:\n")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form(letter(OFFICIAL)), 403),
        (form(letter("OFFICIAL")), 200),
        (b"", 200),
        (os.urandom(30_000), 200),
    ],
    ids=["marked", "ordinary", "none", "too large"],
)
async def test_what_is_refused_for_what_it_sends_is_no_minute_either(
    stage_with: Callable[..., Any], body: bytes, status: int
) -> None:
    stage = await stage_with(SETTINGS, policy=PERSONAL)
    if len(body) == 30_000:
        few_bytes(stage)
    day = stage.gate.people.today = Day()
    _, client = await secure(stage, SHOP)
    client.send(
        f"POST /a HTTP/1.1\r\nHost: {SHOP}\r\nAccept: text/html\r\n{FORM}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    client.send(body)
    assert (await client.answer()).status == status
    (record,) = await stage.end()
    assert bool(record.get("counted")) == bool(day.counted) == (status == 200)
    assert len(day.counted) <= 1


def few_bytes(stage: Stage) -> Bodies:
    """A worker that holds no more than 20 kB of a body."""
    before = stage.gate.bodies
    assert before is not None
    holding = Holding(largest=20_000, memory=1 << 20, disk=1 << 20)
    bodies = Bodies(stage.worker.examining._examiner, None, holding=holding)
    stage.gate.bodies = bodies
    return bodies


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_what_is_too_large_is_for_the_policy_to_judge(stage: Stage, chunked: bool) -> None:
    bodies = few_bytes(stage)
    body = os.urandom(90_000)
    site, client = await secure(stage, OTHER)
    reply = await post(client, "/upload", OTHER, body, chunked=chunked)
    assert (reply.status, reply.body) == (200, b"ok")
    assert [got for _, got in site.got] == [body]
    (record,) = await stage.end()
    assert (record["action"], sent(record)) == ("allow", ["sends=unread"])
    assert bodies.holding.memory_taken == bodies.holding.bodies == 0


async def test_what_is_too_large_is_refused_where_the_policy_says_so(
    stage_with: Callable[..., Any],
) -> None:
    rule = "{id: unread, clause: x, reason: y, action: block, when: {sends: unread}}"
    stage = await stage_with(policy=policy_of(rule))
    few_bytes(stage)
    site, client = await secure(stage, OTHER)
    body = os.urandom(90_000)
    reply = await post(client, "/upload", OTHER, body)
    assert (reply.status, json.loads(reply.body)["rule"]) == (403, "unread")
    assert site.octets == b""
    assert (await post(client, "/upload", OTHER, b"a=b", URLENCODED)).status == 200
    assert len(await stage.end()) == 2


async def test_a_failure_while_looking_lets_nothing_through(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(outgoing, "Upload", broken)
    site, client = await secure(stage, OTHER)
    reply = await post(client, "/upload", OTHER, b"a=b", URLENCODED)
    assert reply.status >= 400
    assert site.octets == b""
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")


async def test_a_worker_that_has_nothing_to_look_with_lets_nothing_through(stage: Stage) -> None:
    stage.gate.bodies = None
    site, client = await secure(stage, OTHER)
    assert (await post(client, "/upload", OTHER, b"a=b", URLENCODED)).status >= 400
    assert site.octets == b""
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")


async def test_who_waits_for_a_word_before_sending_gets_it(stage: Stage) -> None:
    """RFC 9110 10.1.1: the body of such a request comes when we say so, or not at all."""
    site, client = await secure(stage, OTHER)
    body = form(letter(OFFICIAL))
    client.send(
        f"POST /a HTTP/1.1\r\nHost: {OTHER}\r\n{FORM}\r\n{ACCEPT}\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    assert (await client.head()).status == 100
    client.send(body)
    assert (await client.answer()).status == 403
    assert site.octets == b""


async def test_what_comes_behind_waits_its_turn(stage: Stage) -> None:
    site, client = await secure(stage, OTHER)
    one = b"POST /1 HTTP/1.1\r\nHost: other.test\r\nContent-Length: 3\r\n\r\na=1"
    client.send(
        one + one.replace(b"1 HTTP", b"2 HTTP") + b"GET /3 HTTP/1.1\r\nHost: other.test\r\n\r\n"
    )
    for _ in range(3):
        assert (await client.answer()).status == 200
    assert [head.split()[1] for head, _ in site.got] == ["/1", "/2", "/3"]


async def test_a_client_that_leaves_while_it_is_looked_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> Sent:
        begun.set()
        await go.wait()
        return Sent()

    monkeypatch.setattr("proxy_addons.gate.whole.findings_of_body", slow)
    bodies = stage.gate.bodies
    assert bodies is not None
    site, client = await secure(stage, OTHER)
    client.send(f"POST /a HTTP/1.1\r\nHost: {OTHER}\r\nContent-Length: 3\r\n\r\na=b")
    async with asyncio.timeout(10):
        await begun.wait()
    assert bodies.holding.memory_taken == 3
    client.reset()
    await stage.quiet()
    go.set()
    (record,) = await stage.end()
    assert record["error"]
    assert site.octets == b""
    assert bodies.holding.memory_taken == bodies.holding.bodies == 0


@pytest.mark.parametrize("rest", ["zz\r\n", "3\r\nabcd\r\n"])
async def test_a_body_that_cannot_be_read_reaches_nobody(stage: Stage, rest: str) -> None:
    site, client = await secure(stage, OTHER)
    client.send(
        f"POST /a HTTP/1.1\r\nHost: {OTHER}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    )
    await asyncio.sleep(0.05)
    client.send(rest)
    reply = await client.ended()
    assert reply.startswith(b"HTTP/1.1 400 ") or not reply
    assert site.octets == b""
    (record,) = await stage.end()
    assert record["error"]


async def test_a_client_that_leaves_in_the_middle(stage: Stage) -> None:
    bodies = stage.gate.bodies
    assert bodies is not None
    site, client = await secure(stage, OTHER)
    client.send(f"POST /a HTTP/1.1\r\nHost: {OTHER}\r\nContent-Length: 9\r\n\r\nabc")
    await until(lambda: bodies.holding.memory_taken == 3)
    client.reset()
    (record,) = await stage.end()
    assert record["error"]
    assert record["bytes_up"] == 3
    assert site.octets == b""
    assert bodies.holding.memory_taken == bodies.holding.bodies == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_a_large_body_goes_on_as_it_was(stage: Stage, chunked: bool) -> None:
    """Beyond a megabyte it is held in a file, and goes on in pieces."""
    bodies = stage.gate.bodies
    assert bodies is not None
    body = form(letter("OFFICIAL") + os.urandom(5 << 20))
    site, client = await secure(stage, OTHER)
    reply = await post(client, "/upload", OTHER, body, FORM, chunked=chunked)
    assert (reply.status, reply.body) == (200, b"ok")
    assert [got for _, got in site.got] == [body]
    assert (await post(client, "/upload", OTHER, b"a=b", URLENCODED)).status == 200
    await stage.end()
    await until(lambda: bodies.holding.bodies == bodies.holding.disk_taken == 0)


async def test_a_server_that_answers_before_it_has_all(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await reader.readexactly(100)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await writer.drain()
        await asyncio.sleep(60)

    await stage.secure_origin(OTHER, script=script)
    client = await stage.tunnel(OTHER)
    reply = await post(client, "/upload", OTHER, os.urandom(30 << 20))
    assert (reply.status, reply.body) == (413, b"big")
    client.close()
    bodies = stage.gate.bodies
    assert bodies is not None
    await stage.end()
    await until(lambda: bodies.holding.bodies == bodies.holding.disk_taken == 0)


async def test_a_server_that_cannot_be_reached(stage: Stage) -> None:
    client = await stage.tunnel(OTHER)
    for body in (b"a=b", os.urandom(2 << 20)):
        reply = await post(client, "/upload", OTHER, body)
        assert reply.status == 502
    await stage.end()
    bodies = stage.gate.bodies
    assert bodies is None or bodies.holding.bodies == 0


async def test_an_end_that_comes_while_it_waits_for_the_disk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes on; nobody waits for a disk that nothing is to be written to any more."""
    monkeypatch.setattr(Sending, "behind", property(lambda _: True))
    never = asyncio.Event()

    async def caught_up(_: Sending) -> None:
        await never.wait()

    site, client = await secure(stage, OTHER)
    assert (await post(client, "/a", OTHER, b"a=1", URLENCODED)).status == 200
    monkeypatch.setattr(Sending, "caught_up", caught_up)
    for marking, status in ((OFFICIAL, 403), ("OFFICIAL", 200), ("OFFICIAL", 200)):
        body = form(letter(marking))
        head = f"POST /a HTTP/1.1\r\nHost: {OTHER}\r\n{FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
        # As one piece: its end is there before anything could be held back.
        client.send(head.encode() + body)
        assert (await client.answer()).status == status
    assert len(site.got) == 3


async def test_a_request_without_a_body_by_http2_counts_at_once(
    stage_with: Callable[..., Any],
) -> None:
    stage = await stage_with(SETTINGS, policy=PERSONAL)
    day = stage.gate.people.today = Day()
    site = Site()
    await stage.secure_origin(SHOP, script=site.script())
    tunnel = await stage.tunnel(SHOP, alpn=("h2",))
    client = Http2(tunnel.reader, tunnel.writer, client=True)
    stream = client.ask("/", SHOP, ("accept", "text/html"))
    assert (await client.answer(stream))[0] == 200
    await client.close()
    (record,) = await stage.end()
    assert record["counted"] is True
    assert len(day.counted) == 1


@pytest.mark.parametrize("length", [True, False], ids=["length", "none"])
async def test_over_http2(stage: Stage, connect: Callable[..., Any], length: bool) -> None:
    site = Site()
    await stage.secure_origin(OTHER, script=site.script())
    client: Http2 = await connect(OTHER)
    for marking, status in ((OFFICIAL, 403), ("OFFICIAL", 200)):
        body = form(letter(marking))
        said = [
            ("content-type", "multipart/form-data; boundary=xYz"),
            ("accept", "application/json"),
        ]
        if length:
            said.append(("content-length", str(len(body))))
        stream = client.ask("/upload", OTHER, *said, method="POST", end=False)
        await client.send(stream, body, end=True)
        assert (await client.answer(stream))[0] == status
    assert [got for _, got in site.got] == [form(letter("OFFICIAL"))]
    await client.close()


async def test_a_second_word_for_what_a_body_is_makes_it_unread(stage: Stage) -> None:
    """Which of the two a site goes by is not known."""
    _, client = await secure(stage, OTHER)
    await post(client, "/a", OTHER, form(letter(OFFICIAL)), "Content-Type: text/plain", FORM)
    (record,) = await stage.end()
    assert "sends=unread" in record["findings"]


async def test_a_request_with_a_body_is_not_asked_for_another_part(stage: Stage) -> None:
    """It could not be sent again: what follows it would be taken for its body."""
    site, client = await secure(stage, OTHER)
    client.send(
        f"GET /a.png HTTP/1.1\r\nHost: {OTHER}\r\nRange: bytes=5-\r\nContent-Length: 3\r\n\r\na=b"
    )
    await client.answer()
    assert [body for _, body in site.got] == [b"a=b"]
