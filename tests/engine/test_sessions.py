"""TLS sessions with servers: resumed where that is safe, and nowhere else."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from OpenSSL import SSL
from support.certificates import WebAuthority, tls_with
from support.client import client_context
from support.stage import request_head

from proxy_addons.engine import sessions as under_test
from proxy_addons.engine.sessions import Place, Sessions, Watch

if TYPE_CHECKING:
    from support.stage import Script, Stage

pytestmark = pytest.mark.usefixtures("little_to_collect")

HERE = Place("allowed.test", 443, "allowed.test", (b"http/1.1",))
OTHERS = [
    HERE._replace(host="192.0.2.1"),
    HERE._replace(port=8443),
    HERE._replace(name="other.test"),
    HERE._replace(offers=()),
    HERE._replace(offers=(b"h2", b"http/1.1")),
]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Servers:
    """Connects a client of ours to Python's TLS, in memory, as the layers do."""

    def __init__(self, web: WebAuthority) -> None:
        self.clock = Clock()
        self.sessions = Sessions(self.clock)
        self.ours = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.ours.set_verify(SSL.VERIFY_PEER, None)
        self.ours.load_verify_locations(str(web.file))
        self.theirs = tls_with(web.leaf("allowed.test"))

    def connect(self, place: Place = HERE, *, look: bool = True) -> ssl.SSLObject:
        """A connection that ends at once, with no word of parting."""
        connection = SSL.Connection(self.ours)
        connection.set_connect_state()
        self.sessions.begin(connection, place)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = self.theirs.wrap_bio(incoming, outgoing, server_side=True)
        watch = connection.get_app_data()
        assert isinstance(watch, Watch)
        for step in (connection.do_handshake, server.do_handshake) * 4:
            with suppress(SSL.WantReadError, ssl.SSLWantReadError):
                step()
            with suppress(SSL.WantReadError):
                incoming.write(connection.bio_read(65536))
            if data := outgoing.read():
                connection.bio_write(data)
        watch.stands(connection)
        if look:
            with suppress(SSL.WantReadError):
                connection.recv(1)
            watch.look(connection)
        return server

    def resumed(self, place: Place = HERE) -> bool:
        reused = self.connect(place).session_reused
        assert reused is not None
        gc.collect()  # a connection that is gone must not take its session with it
        return reused


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("sessions"))


@pytest.fixture
def servers(web: WebAuthority) -> Servers:
    return Servers(web)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_connection_resumes(servers: Servers, version: ssl.TLSVersion) -> None:
    servers.theirs.minimum_version = servers.theirs.maximum_version = version
    assert [servers.resumed() for _ in range(4)] == [False, True, True, True]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("other", OTHERS)
def test_nowhere_else(servers: Servers, other: Place, version: ssl.TLSVersion) -> None:
    """Resuming, nobody looks at a certificate: what was checked is the name it was begun under."""
    servers.theirs.minimum_version = servers.theirs.maximum_version = version
    assert not servers.resumed()
    assert not servers.resumed(other)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_check_is_good_for_an_hour_however_often_it_is_resumed(
    servers: Servers, version: ssl.TLSVersion
) -> None:
    servers.theirs.minimum_version = servers.theirs.maximum_version = version
    assert not servers.resumed()
    for now in (2000.0, 3000.0, 4599.0):
        servers.clock.now = now
        assert servers.resumed()
    servers.clock.now = 4600.0
    assert not servers.resumed()
    servers.clock.now = 8199.0
    assert servers.resumed()


def test_a_ticket_is_used_once(servers: Servers) -> None:
    """RFC 8446 C.4: else whoever sees it twice knows that the two are of one origin."""
    servers.connect()
    servers.theirs.num_tickets = 0
    assert servers.resumed(), "with the one that came"
    assert not servers.resumed(), "no other has come since"


def test_without_a_ticket_nothing_is_kept(servers: Servers) -> None:
    servers.theirs.num_tickets = 0
    servers.connect()
    known = servers.sessions._known[HERE]
    assert known.sessions == []


def test_the_youngest_check_is_used_first_and_few_are_kept(servers: Servers) -> None:
    for number in range(12):
        servers.clock.now = 1000.0 + number
        servers.sessions.keep(HERE, b"", servers.clock.now)
    servers.sessions.keep(HERE, b"", 1.0)
    kept = servers.sessions._known[HERE].sessions
    assert [each.checked for each in kept] == [1004.0 + n for n in range(8)]


def test_what_is_not_used_is_forgotten_first(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_PLACES", 3)
    for port in (1, 2, 3):
        servers.connect(HERE._replace(port=port))
    assert servers.resumed(HERE._replace(port=1))
    servers.connect(HERE._replace(port=4))
    assert len(servers.sessions._known) == 3
    assert servers.resumed(HERE._replace(port=1))
    assert not servers.resumed(HERE._replace(port=2))


def test_a_session_that_cannot_be_read_is_only_a_longer_handshake(servers: Servers) -> None:
    servers.sessions.keep(HERE, b"no session", None)
    assert not servers.resumed()
    assert servers.resumed()


def test_a_server_that_no_longer_takes_it_is_checked_anew(
    servers: Servers, web: WebAuthority
) -> None:
    servers.connect()
    servers.clock.now = 2000.0
    servers.theirs = tls_with(web.leaf("allowed.test"))
    assert not servers.resumed()
    servers.clock.now = 5000.0
    assert servers.resumed(), "it was checked at 2000"


def test_after_a_failure_nothing_is_used_again(servers: Servers) -> None:
    servers.connect()
    connection = SSL.Connection(servers.ours)
    servers.sessions.begin(connection, HERE._replace(port=1))
    connection.get_app_data().failed()  # type: ignore[no-untyped-call, attr-defined]
    assert servers.resumed(), "of another place it says nothing"
    servers.sessions.forget(HERE)
    assert not servers.resumed()


@pytest.mark.parametrize(("curve", "classical"), [("prime256v1", False), ("X25519", True)])
def test_what_kind_of_key_exchange_a_server_chose(
    servers: Servers, curve: str, classical: bool
) -> None:
    if curve != "X25519":
        servers.theirs.set_ecdh_curve(curve)
    servers.connect()
    assert servers.sessions._known[HERE].classical is classical
    assert servers.resumed(), "and so the next is offered that"


# --- through the gateway ----------------------------------------------------------------------


def noting(seen: list[Any]) -> Script:
    """A script that notes whether TLS was resumed, answers once and closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        seen.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    return script


@pytest.mark.parametrize("version", VERSIONS)
async def test_through_the_gateway(stage: Stage, version: ssl.TLSVersion) -> None:
    seen: list[Any] = []
    context = tls_with(stage.web.leaf("allowed.test", "other.test"))
    context.minimum_version = context.maximum_version = version
    await stage.origin("allowed.test", "other.test", script=noting(seen), tls=context)
    for host in ("allowed.test", "allowed.test", "other.test", "allowed.test"):
        client = await stage.tunnel(host)
        assert (await client.get("/", f"Host: {host}")).text == "hi"
        client.reset()
        await stage.quiet()
    assert seen == [False, True, False, True]


async def test_a_name_for_which_the_certificate_is_not_good_stays_refused(stage: Stage) -> None:
    """The server would resume the session of its other name."""
    seen: list[Any] = []
    context = tls_with(stage.web.leaf("allowed.test"))
    await stage.origin("allowed.test", "other.test", script=noting(seen), tls=context)
    for host, status in (("allowed.test", 200), ("other.test", 502), ("other.test", 502)):
        client = await stage.tunnel(host)
        assert (await client.get("/", f"Host: {host}")).status == status, host
    assert seen == [False]


# --- with browsers ----------------------------------------------------------------------------


async def test_a_browser_resumes_with_us(stage: Stage) -> None:
    """In TLS 1.3, where the ticket comes after the handshake."""
    await stage.secure_origin("allowed.test", script=noting([]))
    context = client_context(stage.authority)

    def browse(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
        with socket.create_connection(("127.0.0.1", stage.port), 5) as sock:
            sock.sendall(b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n")
            sock.recv(1000)
            with context.wrap_socket(
                sock, server_hostname="allowed.test", session=session
            ) as inside:
                inside.sendall(b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
                assert inside.recv(1000).startswith(b"HTTP/1.1 200 ")
                assert inside.version() == "TLSv1.3"
                return inside.session, bool(inside.session_reused)

    session, reused = await asyncio.to_thread(browse, None)
    assert not reused
    _, reused = await asyncio.to_thread(browse, session)
    assert reused
