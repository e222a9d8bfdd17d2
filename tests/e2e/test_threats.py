"""Ways round the rules that docs/THREAT-MODEL.md says are closed, each tried on the real gateway.

Raw sockets where no client would send such a thing. What reached the small web is what got through.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import stat
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from support.gateway import Gateway
from support.names import NameServer
from support.scene import through
from support.waiting import PATIENCE

from proxy_addons.engine.authority import load_or_make, now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.certificates import WebAuthority
    from support.web import Web

END = "Connection: close\r\n\r\n"
SECONDS = 20  # for an answer; a gateway that says nothing fails the test


def connected(gateway: Gateway) -> socket.socket:
    host, _, port = gateway.proxy.rpartition(":")
    return socket.create_connection((host, int(port)), SECONDS)


def everything(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            got += data
    return got


def ask(gateway: Gateway, request: str) -> bytes:
    """The answer to raw octets on a fresh connection."""
    with connected(gateway) as sock:
        sock.sendall(request.encode("latin-1"))
        return everything(sock)


def inside(gateway: Gateway, connect: str, sni: str | None, request: str) -> bytes:
    """The answer to a request inside an inspected tunnel whose names need not agree."""
    trust = ssl.create_default_context(cafile=str(gateway.authority))
    trust.check_hostname = False  # the names are at odds on purpose
    with connected(gateway) as sock:
        sock.sendall(f"CONNECT {connect} HTTP/1.1\r\nHost: {connect}\r\n\r\n".encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        with trust.wrap_socket(sock, server_hostname=sni) as tunnel:
            tunnel.sendall(request.encode("latin-1"))
            return everything(tunnel)  # type: ignore[arg-type] # an SSLSocket is a socket


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# Each has one name that the policy allows and one that it refuses, in different places.
DISAGREEING = {
    "address and Host": "GET http://www.gov.uk/ HTTP/1.1\r\nHost: www.hotmail.com\r\n",
    "Host and address": "GET http://www.hotmail.com/ HTTP/1.1\r\nHost: www.gov.uk\r\n",
    "Host alone": "GET / HTTP/1.1\r\nHost: www.hotmail.com\r\n",
    "another spelling": "GET http://WWW.HotMail.COM./ HTTP/1.1\r\nHost: www.gov.uk\r\n",
}


@pytest.mark.parametrize("request_text", DISAGREEING.values(), ids=DISAGREEING)
def test_names_that_disagree_are_judged_by_the_strictest(
    request_text: str, standard: Gateway, web: Web
) -> None:
    answer = ask(standard, request_text + END)
    assert status(answer) == 403, answer
    assert b'details="rule webmail"' in answer
    assert web.hosts() == set()


# CONNECT, server name, Host
FRONTED = {
    "server name": ("www.gov.uk", "www.hotmail.com", "www.gov.uk"),
    "Host": ("www.gov.uk", "www.gov.uk", "www.hotmail.com"),
    "CONNECT": ("www.hotmail.com", "www.gov.uk", "www.gov.uk"),
    "no server name": ("www.hotmail.com", None, "www.hotmail.com"),
    "behind a bank's name": ("www.hotmail.com", "www.barclays.co.uk", "www.barclays.co.uk"),
    "behind a bank's tunnel": ("www.barclays.co.uk", "www.hotmail.com", "www.barclays.co.uk"),
}


@pytest.mark.parametrize("names", FRONTED.values(), ids=FRONTED)
def test_domain_fronting_is_judged_by_every_name(
    names: tuple[str, str | None, str], standard: Gateway, web: Web
) -> None:
    connect, sni, host = names
    answer = inside(standard, f"{connect}:443", sni, f"GET / HTTP/1.1\r\nHost: {host}\r\n{END}")
    assert status(answer) == 403, answer
    assert b'details="rule webmail"' in answer
    assert web.hosts() == set()


def test_an_absolute_address_inside_a_tunnel_is_one_more_name(standard: Gateway, web: Web) -> None:
    answer = inside(
        standard,
        "www.gov.uk:443",
        "www.gov.uk",
        f"GET https://www.hotmail.com/ HTTP/1.1\r\nHost: www.gov.uk\r\n{END}",
    )
    assert status(answer) == 403, answer
    assert web.hosts() == set()


def test_tls_and_tunnels_inside_tls_are_refused(standard: Gateway, web: Web) -> None:
    hello = "\x16\x03\x01\x00\x50\x01" + "\x00" * 80
    assert inside(standard, "tls.gov.uk:443", "tls.gov.uk", hello) == b""
    assert standard.records(1, host="tls.gov.uk")[0]["rule"] == "not-tls-in-tunnel"
    connect = f"CONNECT www.hotmail.com:443 HTTP/1.1\r\nHost: tunnel.gov.uk\r\n{END}"
    assert status(inside(standard, "tunnel.gov.uk:443", "tunnel.gov.uk", connect)) == 400
    assert standard.records(1, host="tunnel.gov.uk")[0]["rule"] == "bad-request"
    assert web.hosts() == set()


def test_plain_http_inside_a_tunnel_is_judged_like_any_request(standard: Gateway, web: Web) -> None:
    with connected(standard) as sock:
        sock.sendall(b"CONNECT www.gov.uk:443 HTTP/1.1\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        sock.sendall(f"GET / HTTP/1.1\r\nHost: www.hotmail.com\r\n{END}".encode())
        assert status(everything(sock)) == 403
    assert web.hosts() == set()


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x00\x0e8\x01\x02\x03",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ],
    ids=["SSH", "OpenVPN", "broken ClientHello"],
)
def test_a_tunnel_for_something_else_is_closed_and_recorded(
    octets: bytes, standard: Gateway, web: Web
) -> None:
    host = f"{octets.hex()[:16]}.gov.uk"
    with connected(standard) as sock:
        sock.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        sock.sendall(octets)
        assert everything(sock) == b""
    (record,) = standard.records(1, host=host)
    assert (record["action"], record["rule"]) == ("block", "not-tls-in-tunnel")
    assert web.hosts() == set()


SMUGGLED = "GET http://www.hotmail.com/ HTTP/1.1\r\nHost: www.hotmail.com\r\n" + END
AMBIGUOUS = {
    "two Hosts": "GET http://www.gov.uk/ HTTP/1.1\r\nHost: www.gov.uk\r\nHost: www.gov.uk\r\n",
    "length and chunked": "POST http://www.gov.uk/ HTTP/1.1\r\nHost: www.gov.uk\r\n"
    f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": "POST http://www.gov.uk/ HTTP/1.1\r\nHost: www.gov.uk\r\n"
    f"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde{SMUGGLED}",
    "unknown coding": "POST http://www.gov.uk/ HTTP/1.1\r\nHost: www.gov.uk\r\n"
    f"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "space before the colon": "GET http://www.gov.uk/ HTTP/1.1\r\nHost : www.gov.uk\r\n",
    "user name": "GET http://www.gov.uk@www.hotmail.com/ HTTP/1.1\r\nHost: www.gov.uk\r\n",
    "backslash": "GET http://www.gov.uk\\@www.hotmail.com/ HTTP/1.1\r\nHost: www.gov.uk\r\n",
    "HTTP/2 in the clear": "PRI * HTTP/2.0\r\n\r\nSM\r\n",
    "CONNECT with a path": "CONNECT www.gov.uk:443/x HTTP/1.1\r\nHost: www.gov.uk\r\n",
    "TLS to a port that speaks HTTP": "\x16\x03\x01\x00\x50\x01" + "\x00" * 80,
    "a head without end": "GET http://www.gov.uk/ HTTP/1.1\r\nX-Long: " + "x" * 300_000,
}


@pytest.mark.parametrize("request_text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(
    request_text: str, standard: Gateway, web: Web
) -> None:
    before = len(standard.records(rule="bad-request"))
    answer = ask(standard, request_text + END)
    assert status(answer) == 400, answer
    assert b"Proxy-Status: watchhouse" in answer
    assert b"mitmproxy" not in answer.lower()
    heads = answer.lower().count(b"\r\ncontent-length:")
    assert heads == 1, "one answer, then the connection ends"
    (record,) = standard.records(before + 1, rule="bad-request")[before:]
    assert (record["action"], record["status"], record["person"]) == ("block", 400, "pc1234")
    assert not web.seen
    assert not web.asked


def test_other_upgrades_than_websocket_are_taken_out(standard: Gateway, web: Web) -> None:
    reply = standard.curl(
        "http://www.gov.uk/",
        *("-H", "Connection: Upgrade, HTTP2-Settings", "-H", "Upgrade: h2c"),
        *("-H", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    )
    assert reply.status == 200, reply
    assert not {"Upgrade", "HTTP2-Settings"} & set(web.seen[-1].headers)


# --- where the gateway must not connect -----------------------------------------------------------

INSIDE = [
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "10.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_refused_in_every_spelling(
    address: str, standard: Gateway, web: Web
) -> None:
    for request in (f"GET http://{address}/ HTTP/1.1\r\n", f"CONNECT {address}:443 HTTP/1.1\r\n"):
        answer = ask(standard, f"{request}Host: {address}\r\n{END}")
        assert status(answer) == 403, answer
        assert b"destination_ip_prohibited" in answer
    assert not web.asked


def test_the_gateway_does_not_connect_to_itself(standard: Gateway, web: Web) -> None:
    for own in (standard.portal, standard.proxy):
        answer = ask(standard, f"GET http://{own}/ HTTP/1.1\r\nHost: {own}\r\n{END}")
        assert status(answer) == 403, answer
        assert b"is this gateway itself" in answer
    assert not web.asked


@pytest.mark.root
def test_a_name_that_leads_inside_is_refused_after_resolution(
    start: Callable[..., Gateway], name_server: Callable[[dict[str, list[str]]], str]
) -> None:
    """DNS rebinding: one inside address beside an outside one refuses the name."""
    names = {
        "rebound.example.org": ["127.0.0.1"],
        "both.example.org": ["192.0.2.1", "10.0.0.1"],
        "six.example.org": ["::ffff:169.254.169.254"],
        "teredo.example.org": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
        "alias.example.org": ["cname rebound.example.org"],
    }
    gateway = start({"network": {"dns_servers": name_server(names), "connect_timeout": 2}})
    for host in names:
        for scheme in ("http", "https"):
            reply = gateway.curl(f"{scheme}://{host}/")
            assert reply.status == 403, reply
            assert "destination_ip_prohibited" in reply.headers["proxy-status"]
        for record in gateway.records(2, host=host):
            assert (record["action"], record["rule"]) == ("block", "destination-denied")
            assert record["server_ip"] is None


@pytest.mark.root
def test_the_address_of_a_refused_site_is_refused_soon(
    start: Callable[..., Gateway], name_server: Callable[[dict[str, list[str]]], str]
) -> None:
    """Nobody ever reached the site: its address was looked up because its name was refused."""
    address = "192.0.2.7"  # nobody's
    names = {"www.hotmail.com": [address], "gov.uk": ["192.0.2.8"]}
    network = {"dns_servers": name_server(names), "connect_timeout": 0.2, "look_up_refused": True}
    gateway = start({"network": network, "listen": {"workers": 1}})
    assert gateway.curl(f"http://{address}/").status in {502, 504}, "no name of it is known yet"
    assert gateway.curl("http://www.hotmail.com/").status == 403
    deadline = time.monotonic() + PATIENCE
    while (reply := gateway.curl(f"http://{address}/")).status != 403:
        assert time.monotonic() < deadline, reply
    (record, *_) = gateway.records(1, host=address, action="block")
    assert (record["rule"], record["judged_host"]) == ("webmail", "www.hotmail.com")
    assert gateway.curl(f"https://{address}/").status == 403
    assert gateway.curl("http://192.0.2.8/").status in {502, 504}


@pytest.mark.parametrize("port", [22, 25, 80, 8443])
def test_tunnels_go_to_allowed_ports_only(port: int, standard: Gateway, web: Web) -> None:
    answer = ask(standard, f"CONNECT www.gov.uk:{port} HTTP/1.1\r\n{END}")
    assert status(answer) == 403, answer
    assert f"CONNECT to port {port}".encode() in answer
    assert not web.asked


# --- who asks -------------------------------------------------------------------------------------


def test_a_header_does_not_say_who_asks(standard: Gateway, web: Web) -> None:
    """127.0.0.2 is unrestricted; saying so is not being so."""
    reply = standard.curl(
        "http://www.hotmail.com/claims",
        *("-H", "X-Forwarded-For: 127.0.0.2"),
        *("-H", "Forwarded: for=127.0.0.2"),
        *("-H", "Proxy-Authorization: Basic ZGM1Njc4Og=="),
    )
    assert reply.status == 403
    (record,) = standard.records(1, url="http://www.hotmail.com/claims")
    assert (record["person"], record["person_how"]) == ("pc1234", "address")
    assert web.hosts() == set()


# --- servers that cannot prove who they are -------------------------------------------------------


@pytest.fixture
def liar() -> Iterator[Callable[[Path, bool], None]]:
    """An HTTPS server on 127.0.0.4:443 that shows the certificate it is given."""
    stopping = threading.Event()
    threads = []
    listener = socket.create_server(("127.0.0.4", 443))
    listener.settimeout(0.1)

    def serve(context: ssl.SSLContext) -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                with sock, context.wrap_socket(sock, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")

    def begin(leaf: Path, old: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf)
        if old:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        threads.append(threading.Thread(target=serve, args=(context,)))
        threads[-1].start()

    yield begin
    stopping.set()
    for thread in threads:
        thread.join()
    listener.close()


CASES_OF_LIARS = ("right", "another name", "expired", "unknown authority", "old TLS")


def host_of(case: str) -> str:
    return f"{case.replace(' ', '-').lower()}.example.org"


@pytest.fixture(scope="module")
def asking_liars(
    web_authority: WebAuthority, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], Gateway]]:
    """Gateways that find a name for each case at 127.0.0.4: one trusts the authority, one not."""
    with contextlib.ExitStack() as stack:
        names = NameServer({host_of(case): ["127.0.0.4"] for case in CASES_OF_LIARS})
        stack.enter_context(names)

        @cache
        def begin(trusted: bool) -> Gateway:
            settings: dict[str, Any] = {
                "network": {"dns_servers": names.address, "intranet": ["127.0.0.4"]},
                "tls": {"trusted_ca_file": str(web_authority.file)} if trusted else {},
            }
            folder = tmp_path_factory.mktemp("asking-liars") / "gateway"
            return stack.enter_context(Gateway(folder, settings, index=index))

        yield begin


@pytest.mark.root
@pytest.mark.parametrize(
    ("case", "trusted", "served"),
    [
        ("right", True, True),
        ("another name", True, False),
        ("expired", True, False),
        ("unknown authority", False, False),
        ("old TLS", True, False),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # the old version is what is tried
def test_a_server_must_prove_its_name(
    case: str,
    trusted: bool,
    served: bool,
    liar: Callable[[Path, bool], None],
    web_authority: WebAuthority,
    asking_liars: Callable[[bool], Gateway],
) -> None:
    liar(
        web_authority.leaf(
            "elsewhere.example.org" if case == "another name" else host_of(case),
            expired=case == "expired",
        ),
        case == "old TLS",
    )
    reply = asking_liars(trusted).curl(f"https://{host_of(case)}/")
    if served:
        assert (reply.status, reply.text) == (200, "secret"), reply
    else:
        assert reply.status == 502, reply
        error = "tls_protocol_error" if case == "old TLS" else "tls_certificate_error"
        assert error in reply.headers["proxy-status"]
        assert "secret" not in reply.text


# --- the authority --------------------------------------------------------------------------------


def test_the_authoritys_key_is_its_owners_alone(standard: Gateway) -> None:
    folder = standard.authority.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # the old versions are what is tried
@pytest.mark.parametrize(("version", "spoken"), [("TLSv1_1", False), ("TLSv1_2", True)])
def test_nothing_below_tls_1_2_is_spoken(version: str, spoken: bool, standard: Gateway) -> None:
    client = ssl.create_default_context(cafile=str(standard.authority))
    client.minimum_version = ssl.TLSVersion.TLSv1
    client.maximum_version = ssl.TLSVersion[version]
    client.set_ciphers("ALL:@SECLEVEL=0")
    with connected(standard) as sock:
        sock.sendall(b"CONNECT www.gov.uk:443 HTTP/1.1\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        # It is the other side that ends it: the client itself would speak the old version.
        ends = (
            contextlib.nullcontext() if spoken else pytest.raises(ssl.SSLError, match=r"EOF|ALERT")
        )
        with ends, client.wrap_socket(sock, server_hostname="www.gov.uk") as tunnel:
            assert tunnel.version() == "TLSv1.2"


# --- operators ------------------------------------------------------------------------------------


def not_started(gateway: Gateway) -> str:
    """Start it once more, expecting that it refuses; give what it says."""
    said = gateway.output.stat().st_size
    gateway.start(wait=False)
    code = gateway.process.wait(SECONDS)
    gateway.stop()
    assert code == 78, gateway.output.read_text()
    return gateway.output.read_text()[said:]


def test_two_gateways_do_not_share_a_port_or_a_data_folder(
    start: Callable[..., Gateway], web: Web, tmp_path: Path
) -> None:
    first, second = start(through(web)), start(through(web), run=False)
    own = second.settings
    second.write_settings({**own, "listen": {**own["listen"], "proxy": first.proxy}})
    assert f"cannot listen on {first.proxy}" in not_started(second)
    second.write_settings(own)
    second.data.rename(tmp_path / "moved")
    second.data.symlink_to(first.data)
    assert "another gateway uses the data folder" in not_started(second)
    assert first.curl("http://www.gov.uk/").status == 200, "the first one goes on"


@pytest.mark.parametrize("missing", ["ca.key", "ca.pem"])
def test_half_an_authority_is_not_made_whole_by_guessing(
    missing: str, start: Callable[..., Gateway], web: Web
) -> None:
    gateway = start(through(web), run=False)
    load_or_make(gateway.authority.parent, "Sample Police", now_utc())
    (gateway.authority.parent / missing).unlink()
    assert f"{missing} is not" in not_started(gateway)
    assert not (gateway.authority.parent / missing).exists()
