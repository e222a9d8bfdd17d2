"""Target: the request path of both lanes.

Whatever a client sends: no part fails, cutting the bytes otherwise changes nothing, a server reads
exactly the requests that were allowed, a blocked host is never reached, the client reads an answer
for each record, and both lanes do the same.

In: a byte that chooses the way (plain proxy, or inside a tunnel), then what the client sends.
Out: nothing, or a finding. Must never: reach a network.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import h11
from support.memory import Gateway, Outcome

from fuzzlib.origin import answer, reading
from fuzzlib.pieces import cut
from proxy_addons.urlkey import UrlKeyError, authority_key

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAYS = (None, "allowed.test", "blocked.test", None)  # CONNECT first, or not
_LANES = {"relay": True, "generic": False}
# What a lane may write in its own way: all that concerns one connection alone.
_ESTABLISHED = re.compile(rb"HTTP/1\.[01] 200 Connection established\r\n\r\n")
_UNUSUAL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te"}


def seeds() -> list[bytes]:
    """Requests in every form, sound and not."""
    plain = (
        b"GET http://allowed.test/a?b HTTP/1.1\r\nHost: allowed.test\r\nAccept: */*\r\n\r\n",
        b"GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        b"GET http://allowed.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        (
            b"POST http://allowed.test/p HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 5\r\n"
            b"\r\nhello"
            b"GET http://allowed.test/2 HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
        ),
        (
            b"POST http://allowed.test/p HTTP/1.1\r\nHost: allowed.test\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            b"3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
            b"HEAD http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n"
        ),
        (
            b"POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://blocked.test/ HTTP/1.1\r\n\r\n"
        ),
        b"GET http://allowed.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        (
            b"GET http://u:p@allowed.test:80/ HTTP/1.1\r\nHost: allowed.test:80\r\nCookie: a=b\r\n"
            b"Proxy-Authorization: Basic eDp5\r\nConnection: close, x\r\nX: y\r\n\r\n"
        ),
        b"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nHost: blocked.test\r\n\r\n",
        b"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: a\r\n folded\r\n\r\n",
        (
            b"GET http://allowed.test/ws HTTP/1.1\r\nHost: allowed.test\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
        (
            b"POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\n\r\nok"
        ),
        (
            b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n"
            b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
        ),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"TRACE http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nMax-Forwards: 0\r\n\r\n",
    )
    inside = (
        (
            b"GET /a HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
            b"GET /b HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
        ),
        b"GET / HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        (
            b"POST /p HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\n\r\nabc"
            b"GET /x HTTP/1.1\r\nHost: blocked.test\r\n\r\n"
        ),
        b"GET http://blocked.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
    )
    return [
        *(b"\0" + each for each in plain),
        *(bytes((way,)) + each for each in inside for way in (1, 2)),
    ]


def words() -> list[bytes]:
    """What requests are made of, and what parsers differ on."""
    names = (b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"Upgrade")
    values = (b"allowed.test", b"blocked.test", b"5", b"+5", b"0x5", b"5, 5", b"chunked", b"close")
    return [
        *(name + b": " + value + b"\r\n" for name in names for value in values),
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"\r\n\r\n",
            b" ",
            b"\t",
            b":",
            b"\0",
            b"\x0b",
            b"\x85",
            b"\xa0",
            b";",
        ),
        *(
            b"chunked, identity",
            b"identity",
            b"xchunked",
            b"Chunked",
            b"\tchunked",
            b"gzip, chunked",
        ),
        *(
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"HTTP/2.0",
            b"HTTP/1.2",
            b"HTTP/0.9",
            b"http/1.1",
            b"HTTP/1.1 x",
        ),
        *(b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"OPTIONS * ", b"FOO ", b"get ", b"PRI "),
        *(
            b"0\r\n\r\n",
            b"0\r\n",
            b"5\r\nhello\r\n",
            b"ffffffffffffffff\r\n",
            b"-1\r\n",
            b"05;a=b\r\n",
        ),
        *(
            b"http://",
            b"https://",
            b"ftp://",
            b"//",
            b"@",
            b"/../",
            b"%2e%2e/",
            b"\\",
            b"#",
            b"?",
            b"*",
        ),
        *(
            b"blocked.test",
            b"allowed.test",
            b"BLOCKED.test.",
            b"bank.test",
            b"%62locked.test",
            b":80",
        ),
        *(
            b"keep-alive",
            b"websocket",
            b"h2c",
            b"100-continue",
            b"Keep-Alive: x\r\n",
            b"TE: trailers",
        ),
        b"GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
    ]


def check(data: bytes) -> None:
    """Both lanes, whole and in pieces."""
    if not data:
        return
    way, sent = _WAYS[data[0] % len(_WAYS)], data[1:]
    head = [f"CONNECT {way}:443 HTTP/1.1\r\nHost: {way}:443\r\n\r\n".encode()] if way else []
    # Not for secrets: the same bytes are cut the same way.
    random = Random(hashlib.sha256(data).digest())  # noqa: S311 - it has to repeat itself
    pieces = cut(sent, random)
    found, runs = {}, {}
    for lane in _LANES:
        gateway = _gateway(lane)
        whole = gateway.run([*head, sent])
        _sound(whole, way)
        in_pieces = gateway.run([*head, *pieces])
        _sound(in_pieces, way)
        found[lane], runs[lane] = _effect(whole), whole
        assert found[lane] == _effect(in_pieces), _difference(
            f"{lane}: cut otherwise, it is another", found[lane], _effect(in_pieces)
        )
    if any(_broke_off(outcome) for outcome in runs.values()):
        # What is not as it should be ends the connection, in one lane sooner than in the other.
        # One that cannot read what the other can refuses it: nothing is compared from there.
        for mine, theirs in zip(*(effect[0] for effect in found.values()), strict=False):
            if "bad-request" in (mine[1], theirs[1]):
                break
            assert mine[:2] == theirs[:2], _difference(
                "the lanes differ", found["relay"], found["generic"]
            )
        return
    assert found["relay"] == found["generic"], _difference(
        "the lanes differ", found["relay"], found["generic"]
    )


@cache
def _gateway(lane: str) -> Gateway:
    return Gateway(answer, {"network": {"relay_lane": _LANES[lane]}})


def _broke_off(outcome: Outcome) -> bool:
    """Whether a request was allowed and did not come to its end, or could not be read."""
    return any(
        r["rule"] == "bad-request" or (r["action"] == "allow" and r["error"] is not None)
        for r in outcome.records
    )


# --- what must hold of each run -------------------------------------------------------------------


def _sound(outcome: Outcome, way: str | None) -> None:
    assert not outcome.said, outcome.said
    allowed = [r for r in outcome.records if r["action"] == "allow" and r["kind"] != "tunnel"]
    asked = []
    for reached in outcome.reached:
        assert not _is_blocked(reached.host), "a blocked host was connected to"
        server = reading(reached)
        # RFC 9110 5.5 lets a proxy send on other octets than text; h11 does not read all of them.
        assert not server.broken or _UNUSUAL.search(reached.got), (
            f"a server cannot read what reached it: {server.broken}"
        )
        asked += server.asked
    for each in asked:
        # HTTP/1.0 need not name one; then it was judged by where the connection leads.
        host = each.host.decode("latin-1")
        assert not (host and _is_blocked(host)), "a request for a blocked host arrived"
        assert b"proxy-authorization" not in dict(each.fields), "proxy credentials were sent on"
    assert len(asked) <= len(allowed), "a server reads more requests than were allowed"
    _client_reads(outcome, way)


def _is_blocked(host: str) -> bool:
    """Whether a host must not be reached: blocked, or one that has no single meaning."""
    try:
        key, _ = authority_key(host, 80)
    except UrlKeyError:
        return True
    return key == "blocked.test" or key.endswith(".blocked.test")


def _client_reads(outcome: Outcome, way: str | None) -> None:
    """The client reads a whole answer for each record that says so, and nothing else."""
    left = outcome.got
    assert way is None or _ESTABLISHED.match(left), "no tunnel"
    for record in outcome.records:
        left = _without_tunnel(left)
        if record["status"] is None:
            continue
        if not left and outcome.closed and record["action"] == "block":
            continue  # a body that cannot be read ended the connection before the page went out
        left = _one_answer(left, record)
    left = _without_tunnel(left)
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert left in (b"", interim), f"what is no answer to any request: {left[:100]!r}"


def _without_tunnel(said: bytes) -> bytes:
    """What follows the answer to a CONNECT, where that comes first."""
    established = _ESTABLISHED.match(said)
    return said[established.end() :] if established else said


def _one_answer(said: bytes, record: dict[str, Any]) -> bytes:
    client = h11.Connection(h11.CLIENT)
    # A refusal of CONNECT is an answer like any other.
    method = "HEAD" if record["method"] == "HEAD" else "GET"
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(said)
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA, f"half an answer: {said[:200]!r}"
        if isinstance(event, h11.Response):
            assert event.status_code == record["status"], "an answer that is not the record's"
    rest: bytes = client.trailing_data[0]
    return rest


# --- what is compared -----------------------------------------------------------------------------


def _effect(outcome: Outcome) -> Any:
    """What was decided, recorded and sent on; of requests whose end never came, the decision."""
    records = [
        (r["action"], r["rule"])
        # What cannot be read may be known for that before its first line is complete.
        + (() if r["rule"] == "bad-request" else (r["kind"], r["method"], r["url"], r["host"]))
        + ((r["status"], r["bytes_up"]) if r["error"] is None and r["action"] == "allow" else ())
        for r in outcome.records
    ]
    asked = [
        (
            reached.host,
            reached.port,
            each.method,
            each.target,
            # `Via` has the gateway's own pseudonym in it.
            sorted(
                (name, value if name != b"via" else value.partition(b" ")[0])
                for name, value in each.fields
                if name not in _HOP
            ),
            bytes(each.body),
        )
        # On how many connections is each lane's own business.
        for reached in outcome.reached
        for each in reading(reached).asked
        if each.complete
    ]
    return records, asked


def _difference(what: str, one: Sequence[Any], other: Sequence[Any]) -> str:
    parts = [
        f"{a!r}\n  {b!r}"
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip([*mine, None], [*theirs, None], strict=False)
        if a != b
    ]
    return f"{what}:\n  " + "\n  ".join(parts)
