"""Who is on a connection, request by request: what sticks to it, what does not, and what proves
nothing. Bytes by hand, real tokens, both lanes.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from support.client import Client
from support.force import BALANCER, HOST, NOWHERE, password_of, spilt
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.client import Reply
    from support.force import Force
    from support.gateway import Gateway
    from support.identity import Site
    from support.web import Web

ROWS = yaml.safe_load(
    (Path(__file__).parents[1] / "cases/identity_credentials.yaml").read_text("utf-8")
)
BLOCKED = "hotmail.com"  # for all but holders of an exemption
NEVER = "proves-nothing.gov.uk"
METHODS = ("GET", "CONNECT")


@pytest.fixture(scope="module", params=["relay", "generic"])
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    return sites[request.param]


class Line:
    """One connection to a gateway."""

    def __init__(self, client: Client, gateway: Gateway) -> None:
        self.client = client
        self._gateway = gateway
        self._begun = datetime.now(UTC)
        self.port: int = client.writer.get_extra_info("sockname")[1]

    async def get(self, host: str, login: str | None = None, *fields: str) -> Reply:
        """A plain request."""
        lines = [f"Host: {host}", *_login(login), *fields]
        return await self.client.get(f"http://{host}/", *lines)

    async def connect(self, host: str, login: str | None = None, *fields: str) -> Reply:
        """Ask for a tunnel."""
        return await self.client.connect_to(f"{host}:443", *_login(login), *fields)

    async def leave(self) -> None:
        """Close it; what was asked on it is then over for the gateway too."""
        self.client.close()
        with suppress(ConnectionError, ssl.SSLError):  # the gateway was quicker
            await self.client.writer.wait_closed()

    def records(self, count: int) -> list[dict[str, Any]]:
        """The closing records of this connection, by the time at which they began."""
        found = self._gateway.records(
            count, since=self._begun, event="transaction", client_port=self.port
        )
        return sorted(found, key=lambda record: record["seq"])

    def people(self, count: int) -> list[tuple[str | None, str]]:
        """Person and rule of each record."""
        return [(record["person"], record["rule"]) for record in self.records(count)]


def _login(login: str | None) -> list[str]:
    return [] if login is None else [f"Proxy-Authorization: {login}"]


@pytest.fixture
async def line(site: Site) -> AsyncIterator[Line]:
    client = await Client.connect(int(site.gateway.proxy.rpartition(":")[2]))
    opened = Line(client, site.gateway)
    yield opened
    await opened.leave()


async def another(site: Site, address: str = "127.0.0.1") -> Line:
    client = await Client.connect(int(site.gateway.proxy.rpartition(":")[2]), address)
    return Line(client, site.gateway)


def fresh(host: str) -> str:
    """A host that no other test asks for."""
    return f"{uuid4().hex[:12]}.{host}"


def basic(name: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password_of(name)}'.encode()).decode()}"


# --- what sticks --------------------------------------------------------------------------------


async def test_a_proof_by_ticket_holds_for_its_connection_and_for_no_other(
    line: Line, site: Site, force: Force
) -> None:
    hosts = [fresh("gov.uk") for _ in range(3)]
    assert (await line.get(hosts[0], force.negotiate("jane"))).status == 200
    assert (await line.get(hosts[1])).status == 200
    assert (await line.get(fresh(BLOCKED))).status == 403
    assert line.people(3) == [("jane", "business"), ("jane", "business"), ("jane", "webmail")]
    other = await another(site)
    assert (await other.get(hosts[2])).status == 407
    await other.leave()
    assert other.people(1) == [(None, "sign-in-required")]


async def test_a_password_counts_for_its_request_alone(line: Line) -> None:
    host = fresh("gov.uk")
    assert (await line.get(host, basic("zoë"))).status == 200
    assert (await line.get(host)).status == 407
    assert (await line.get(host, basic("boss"))).status == 200
    await line.leave()
    people = line.people(2)
    assert people[:2] == [("zoë", "business"), ("boss", "business")]


async def test_a_second_person_on_a_connection_takes_the_place_of_the_first(
    line: Line, force: Force
) -> None:
    assert (await line.get(fresh(BLOCKED), force.negotiate("jane"))).status == 403
    assert (await line.get(fresh(BLOCKED), force.negotiate("liv"))).status == 200
    assert (await line.get(fresh(BLOCKED))).status == 200
    assert (await line.get(fresh(BLOCKED), force.negotiate("jane"))).status == 403
    assert [name for name, _ in line.people(4)] == ["jane", "liv", "liv", "jane"]


async def test_credentials_that_fail_end_what_was_proven_before(
    line: Line, force: Force, web: Web
) -> None:
    assert (await line.get(fresh(BLOCKED), force.negotiate("liv"))).status == 200
    web.seen.clear()
    web.asked.clear()
    assert (await line.get(fresh(BLOCKED), "Negotiate YWJj")).status == 407
    assert (await line.get(fresh(BLOCKED))).status == 407
    assert web.hosts() == set()
    await line.leave()
    people = line.people(3)
    assert people == [
        ("liv", "unrestricted"), (None, "sign-in-failed"), (None, "sign-in-required"),
    ]  # fmt: skip


async def test_a_connect_that_was_asked_is_answered_on_the_same_connection(
    line: Line, site: Site, force: Force
) -> None:
    host = fresh(BLOCKED)
    asked = await line.connect(host)
    assert asked.status == 407
    assert "Negotiate" in asked.headers["proxy-authenticate"]
    assert (await line.connect(host, force.negotiate("liv"))).status == 200
    await line.client.start_tls(host, site.gateway.authority)
    assert (await line.client.get("/a", f"Host: {host}")).status == 200
    assert (await line.client.get("/b", f"Host: {host}")).status == 200
    await line.leave()
    assert line.people(2) == [("liv", "unrestricted")] * 2
    assert all(record["exemption"] == site.exemptions["liv"] for record in line.records(2))


async def test_credentials_inside_a_tunnel_change_nobody_and_go_no_further(
    line: Line, site: Site, force: Force, web: Web
) -> None:
    host = fresh("gov.uk")
    assert (await line.connect(host, force.negotiate("jane"))).status == 200
    await line.client.start_tls(host, site.gateway.authority)
    for login in (basic("liv"), force.negotiate("liv"), "Negotiate YWJj"):
        answer = await line.client.get(
            "/", f"Host: {host}", f"Proxy-Authorization: {login}", "Proxy-Connection: keep-alive"
        )
        assert answer.status == 200
    assert [name for name, _ in line.people(3)] == ["jane"] * 3
    sent = [each.headers for each in web.seen if each.host == host]
    assert len(sent) == 3
    assert not [name for head in sent for name in head if name.lower().startswith("proxy-")]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_behind_a_load_balancer_nothing_sticks(scheme: str, site: Site, force: Force) -> None:
    line = await another(site, BALANCER)
    host, said = fresh("gov.uk"), f"X-Forwarded-For: {NOWHERE}"
    ask = line.get if scheme == "http" else line.connect
    if scheme == "http":
        assert (await ask(host, force.negotiate("jane"), said)).status == 200
    else:
        assert (await ask(host, None, said)).status == 407
    assert (await ask(host, None, said)).status == 407
    await line.leave()


async def test_what_comes_by_another_proxy_has_to_prove_itself_each_time(
    line: Line, force: Force
) -> None:
    host, via = fresh("gov.uk"), "Via: 1.1 elsewhere"
    assert (await line.get(host, force.negotiate("jane"), via)).status == 200
    assert (await line.get(host, None, via)).status == 407


async def test_ten_failures_end_a_connection(line: Line) -> None:
    for number in range(10):
        answer = await line.get(fresh("gov.uk"), "Negotiate YWJj")
        assert answer.status == 407, number
    assert await line.client.ended() == b""
    assert line.people(10) == [(None, "sign-in-failed")] * 10


async def test_two_credentials_in_one_request_prove_nothing(
    line: Line, force: Force, web: Web
) -> None:
    host = fresh(BLOCKED)
    answer = await line.get(
        host, force.negotiate("jane"), f"Proxy-Authorization: {force.negotiate('liv')}"
    )
    assert answer.status in {400, 407}
    assert web.hosts() == set()


# --- what proves nothing ------------------------------------------------------------------------


def credentials(word: str, force: Force) -> str:
    """What a row sends."""
    if not word.startswith("<"):
        return word
    if word == "<elsewhere>":
        return force.negotiate("jane", "HTTP@elsewhere")
    if word == "<foreign>":
        return force.negotiate("ann")
    token = force.ticket("jane").token(f"HTTP@{HOST}")
    if word == "<cut off>":
        token = token[: len(token) // 2]
    elif word == "<changed>":
        token = token[:-9] + bytes([token[-9] ^ 1]) + token[-8:]
    return f"Negotiate {base64.b64encode(token).decode()}"


@dataclass
class Told:
    """What became of a row.

    Attributes:
        login: what was sent.
        answers: one for each connection.
        ports: of these connections.
    """

    login: str
    answers: list[Reply] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def told(site: Site, force: Force, shared_web: Web) -> dict[tuple[str, str], Told]:
    """All rows, sent at once."""

    async def send(row: dict[str, Any], method: str) -> Told:
        done = Told(credentials(row["send"], force))
        if row["send"].startswith("<replayed"):
            first = await another(site)
            assert (await first.get(f"first.{NEVER}", done.login)).status == 200
            await first.leave()
        for number in range(16 if "every" in row["send"] else 1):
            line = await another(site)
            ask = line.get if method == "GET" else line.connect
            done.answers.append(await ask(f"refused-{number}.{NEVER}", done.login))
            done.ports.append(line.port)
            await line.leave()
        return done

    async def send_all() -> dict[tuple[str, str], Told]:
        return {(row["row"], each): await send(row, each) for row in ROWS for each in METHODS}

    done = asyncio.run(send_all())
    contacted = {host for host in shared_web.hosts() if host.startswith("refused-")}
    assert contacted == set()
    sent = {
        each.login: each.login.partition(" ")[2].encode()
        for each in done.values()
        if len(each.login) > 18  # shorter ones may be anywhere
    }
    assert len(sent) > 10
    bodies = [answer.body for each in done.values() for answer in each.answers]
    wanted = sum(len(each.ports) for each in done.values())
    come_about(lambda: len(failures(site)) >= wanted)
    assert spilt(site.gateway, sent, bodies) == []
    return done


def failures(site: Site) -> dict[int, dict[str, Any]]:
    """Records of what `told` sent, by client port."""
    return {
        record["client_port"]: record
        for record in site.gateway.records(rule="sign-in-failed")
        if str(record["host"]).startswith("refused-")
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["row"])
def test_what_proves_nothing(
    row: dict[str, Any], method: str, told: dict[tuple[str, str], Told], site: Site
) -> None:
    done = told[row["row"], method]
    for answer in done.answers:
        assert answer.status == 407
        assert "Negotiate" in answer.headers["proxy-authenticate"]
    found = failures(site)
    records = [found[port] for port in done.ports]
    expected = {"action": "block", "person": None, "person_how": "unidentified", "status": 407}
    expected |= row["log"]
    for record in records:
        assert {name: record[name] for name in expected} == expected
    if "every" in row["send"]:
        assert {record["worker"] for record in records} == {1, 2}
