"""What rules change arrives at the site, in both lanes and protocols; redirects never go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import tls_with
from support.gateway import ROOT
from support.http2 import Http2, speaking
from support.marked import form, letter
from support.stage import request_head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from support.stage import Script, Stage

POLICY = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: Staff.}
  unrestricted: {description: Posts., without_exemption: standard}
  withdrawn: {description: Nobody., strictest: true}
rules:
  - {id: tenant, clause: A, reason: R., action: modify, when: {hosts: allowed.test},
     set_headers: {X-Tenant: force.test}, remove_headers: Referer, set_query: {safe: active}}
  - {id: marked, clause: A, reason: R., action: block, when: {marking: official-sensitive}}
  - {id: pinned, clause: A, reason: R., action: splice, when: {hosts: pinned.test}}
  - {id: old, clause: A, reason: R., action: redirect, to: "https://new.test/?was={url}",
     when: {hosts: old.test}}
  - {id: rest, clause: A, reason: R., action: allow}
"""
OURS = ("header:X-Tenant@tenant", "no-header:Referer@tenant", "query:safe@tenant")
MINE = ("x-tenant: mine", "X-TENANT: mine too", "Referer: http://secret.test/", "X-Mine: stays")
FORM = "Content-Type: multipart/form-data; boundary=xYz"


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def stage(stage_with: Callable[..., Any]) -> Stage:
    """The policy above."""
    made: Stage = await stage_with(policy=POLICY)
    return made


def noting(heads: list[str], answer: str = "200 OK") -> Script:
    """A site that keeps the heads that it gets."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await request_head(reader)
            for line in head.lower().split("\r\n"):
                if line.startswith("content-length:"):
                    await reader.readexactly(int(line.partition(":")[2]))
            heads.append(head)
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nok".encode())

    return script


def as_changed(head: str, target: str) -> None:
    """The head that a site got has the changes, and none of the client's own."""
    line, *fields = head.split("\r\n")
    assert line.split(" ")[1] == target
    names = [field.partition(":")[0].lower() for field in fields]
    assert [field for field in fields if field.lower().startswith("x-tenant:")] == [
        "X-Tenant: force.test"
    ]
    assert "referer" not in names
    assert "X-Mine: stays" in fields


@pytest.mark.parametrize("inside", [True, False])
async def test_a_request_arrives_changed(inside: bool, stage: Stage):
    heads: list[str] = []
    if inside:
        await stage.secure_origin("allowed.test", script=noting(heads))
        client, before = await stage.tunnel("allowed.test"), ""
    else:
        await stage.origin("allowed.test", script=noting(heads))
        client, before = await stage.client(), "http://allowed.test"
    for path, target in (
        ("/find?q=a%20b&safe=off", "/find?q=a%20b&safe=active"),
        ("/", "/?safe=active"),
    ):
        assert (await client.get(before + path, "Host: allowed.test", *MINE)).status == 200
        as_changed(heads.pop(), target)
    assert (await client.get(f"{before}/", "Host: allowed.test", "X-Mine: stays")).status == 200
    as_changed(heads.pop(), "/?safe=active")
    records = await stage.end()
    assert [record["url"].partition(".test")[2] for record in records] == [
        "/find?q=a%20b&safe=off", "/", "/",
    ]  # fmt: skip
    for record in records:
        assert tuple(record["changed"]) == OURS
        assert "force.test" not in str(record)


async def test_another_site_gets_nothing_of_it(stage: Stage):
    heads: list[str] = []
    await stage.origin("other.test", script=noting(heads))
    client = await stage.client()
    assert (await client.get("http://other.test/a?safe=off", "Host: other.test", *MINE)).status
    assert "mine too" in heads[0]
    assert heads[0].startswith("GET /a?safe=off ")
    assert "force" not in heads[0]
    (record,) = await stage.end()
    assert record["changed"] == []


async def test_a_body_that_was_held_arrives_behind_a_changed_head(stage: Stage):
    heads: list[str] = []
    await stage.secure_origin("allowed.test", script=noting(heads))
    client = await stage.tunnel("allowed.test")

    async def send(body: bytes) -> int:
        length = f"Content-Length: {len(body)}"
        lines = ["POST /up HTTP/1.1", "Host: allowed.test", FORM, length, *MINE, "", ""]
        client.send("\r\n".join(lines).encode() + body)
        status: int = (await client.answer()).status
        return status

    assert await send(form(letter("nothing"))) == 200
    as_changed(heads.pop(), "/up?safe=active")
    assert await send(form(letter("OFFICIAL-SENSITIVE"))) == 403
    assert heads == []
    passed, refused = await stage.end()
    assert tuple(passed["changed"]) == OURS
    assert (refused["rule"], refused["changed"]) == ("marked", [])


async def test_an_upgrade_to_websocket_is_changed(stage: Stage):
    heads: list[str] = []
    await stage.secure_origin("allowed.test", script=noting(heads, "403 No"))
    client = await stage.tunnel("allowed.test")
    reply = await client.get(
        "/ws", "Host: allowed.test", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *MINE,
    )  # fmt: skip
    assert reply.status == 403
    as_changed(heads[0], "/ws?safe=active")
    assert "Upgrade: websocket" in heads[0]


@pytest.mark.parametrize("origin", ["http/1.1", "h2"])
async def test_over_http_2(origin: str, stage: Stage, connect: Callable[..., Any]):
    heads: list[str] = []
    got: list[tuple[str, str]] = []

    async def take(side: Http2, stream_id: int) -> None:
        await side.until(lambda: stream_id in side.ended)
        got.extend(side.headers[stream_id].items())
        side.respond(stream_id, ("content-length", "0"), end=True)

    if origin == "h2":
        context = tls_with(stage.web.leaf("allowed.test"))
        context.set_alpn_protocols(["h2"])
        await stage.origin("allowed.test", script=speaking(take), tls=context)
    else:
        await stage.secure_origin("allowed.test", script=noting(heads))
    client = await connect()
    stream_id = client.ask(
        "/find?safe=off",
        "allowed.test",
        ("x-tenant", "mine"),
        ("referer", "x"),
        ("x-mine", "stays"),
    )
    assert (await client.answer(stream_id))[0] == 200
    if origin == "h2":
        told = dict(got)
        assert told[":path"] == "/find?safe=active"
        assert (told["x-tenant"], told["x-mine"]) == ("force.test", "stays")
        assert "referer" not in told
    else:
        line, *fields = heads[0].split("\r\n")
        assert line.split(" ")[1] == "/find?safe=active"
        assert [each for each in fields if each.lower().startswith("x-tenant")] == [
            "X-Tenant: force.test"
        ]


@pytest.mark.parametrize("inside", [True, False])
async def test_a_redirect_contacts_nobody(inside: bool, stage: Stage):
    client = await (stage.tunnel("old.test") if inside else stage.client())
    before = "" if inside else "http://old.test"
    reply = await client.get(f"{before}/a?b=c", "Host: old.test")
    scheme = "https" if inside else "http"
    assert reply.status == 302
    assert (
        reply.headers["location"] == f"https://new.test/?was={scheme}%3A%2F%2Fold.test%2Fa%3Fb%3Dc"
    )
    assert reply.headers["cache-control"] == "no-store"
    lines = [f"POST {before}/a HTTP/1.1", "Host: old.test", "Content-Length: 3", "", "a=b"]
    client.send("\r\n".join(lines))
    assert (await client.answer()).status == 303
    records = await stage.end()
    assert stage.roads.taken == []
    assert [(each["action"], each["rule"], each["status"]) for each in records] == [
        ("redirect", "old", 302), ("redirect", "old", 303),
    ]  # fmt: skip


async def test_a_tunnel_is_spliced_by_rule(stage: Stage):
    heads: list[str] = []
    await stage.secure_origin("pinned.test", script=noting(heads))
    client = await stage.client()
    assert (await client.connect_to("pinned.test:443")).status == 200
    await client.start_tls("pinned.test", stage.web.file)  # the site's own certificate
    assert (await client.get("/a", "Host: pinned.test")).status == 200
    client.close()
    (record,) = await stage.end()
    assert (record["handling"], record["rule"]) == ("spliced", "rest")


# --- packs --------------------------------------------------------------------------------------

PACKS = """
  - pack: tenant-restrictions
    with:
      tenants: [a.test, b.test]
      directory: id-1
      consumer_accounts: restrict-msa
      google_domains: force.test
      dropbox_teams: dbtid-1
  - pack: safe-search
"""
ARRIVE = {
    "login.microsoftonline.com": [
        "Restrict-Access-To-Tenants: a.test,b.test",
        "Restrict-Access-Context: id-1",
    ],
    "login.live.com": ["sec-Restrict-Tenant-Access-Policy: restrict-msa"],
    "accounts.google.com": ["X-GoogApps-Allowed-Domains: force.test"],
    "www.dropbox.com": ["X-Dropbox-allowed-Team-Ids: dbtid-1"],
    "www.youtube.com": ["YouTube-Restrict: Strict"],
    "www.google.co.uk": "safe=active",
    "www.bing.com": "adlt=strict",
    "duckduckgo.com": "kp=1",
}


async def test_what_packs_set_arrives(stage_with: Callable[..., Any]):
    """Whatever the client says itself, at the top of the default policy."""
    default = (ROOT / "config/policy.yaml").read_text()
    stage: Stage = await stage_with(policy=default.replace("\nrules:\n", f"\nrules:{PACKS}", 1))
    heads: list[str] = []
    await stage.secure_origin(*ARRIVE, script=noting(heads))
    for host, gets in ARRIVE.items():
        client = await stage.tunnel(host)
        if isinstance(gets, list):
            mine = [f"{each.partition(':')[0].upper()}: mine" for each in gets]
            assert (await client.get("/", f"Host: {host}", *mine)).status == 200
            fields = heads.pop().split("\r\n")
            for each in gets:
                name = each.partition(":")[0].lower()
                assert [field for field in fields if field.lower().startswith(f"{name}:")] == [each]
        else:
            path = f"/search?q=a&{gets.partition('=')[0]}=off"
            assert (await client.get(path, f"Host: {host}")).status == 200
            assert heads.pop().startswith(f"GET /search?q=a&{gets} HTTP/1.1\r\n")
        client.close()
    assert all(record["changed"] for record in await stage.end())
