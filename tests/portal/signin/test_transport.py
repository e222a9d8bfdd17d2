"""Over which ways a session may travel, over real sockets and by cases."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer, make_mocked_request
from support.certificates import WebAuthority
from support.portal import own_address, settings_for

from proxy_addons.portal.app import make_app
from proxy_addons.portal.signin import onward
from proxy_addons.portal.signin.transport import base_url, client_address, is_own, is_safe

if TYPE_CHECKING:
    from pathlib import Path


class Transport(asyncio.Transport):
    """What a connection says of itself."""

    def __init__(self, peer: object, *, tls: bool = False) -> None:
        super().__init__({"peername": peer, "ssl_object": object() if tls else None})


def asked(peer: object = ("127.0.0.1", 1), *, tls: bool = False, **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", "/", headers=named, transport=Transport(peer, tls=tls))


@pytest.mark.parametrize(
    ("peer", "tls", "safe", "address"),
    [
        (("127.0.0.1", 1), False, True, "127.0.0.1"),
        (("127.8.0.1", 1), False, True, "127.8.0.1"),
        (("::1", 1, 0, 0), False, True, "::1"),
        (("::ffff:127.0.0.1", 1, 0, 0), False, True, "127.0.0.1"),
        (("10.0.0.7", 1), False, False, "10.0.0.7"),
        (("10.0.0.7", 1), True, True, "10.0.0.7"),
        (("::ffff:10.0.0.7", 1, 0, 0), False, False, "10.0.0.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), False, False, "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::1", 1, 0, 0), True, True, "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), False, False, "fe80::/64"),
        (None, False, False, "?"),
        ("/run/socket", False, False, "?"),
    ],
)
def test_which_connections_are_safe(peer: object, tls: bool, safe: bool, address: str):
    request = asked(peer, tls=tls)
    assert is_safe(request) is safe
    assert client_address(request) == address


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"Origin": "https://portal.example"}, True),
        ({"Origin": "https://PORTAL.example"}, True),
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "none"}, True),
        ({"Origin": "https://portal.example:444"}, False),
        ({"Origin": "https://portal.example.evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://portal.example"}, False),
        ({"Sec_Fetch_Site": "same-site"}, False),
    ],
)
def test_which_posts_are_ours(headers: dict[str, str], own: bool):
    assert is_own(asked(Host="portal.example", **headers)) is own


@pytest.mark.parametrize(
    ("host", "tls", "base"),
    [
        ("portal.example", True, "https://portal.example"),
        ("localhost:8081", False, "http://localhost:8081"),
        ("[::1]:8081", False, "http://[::1]:8081"),
        ("a b", False, None),
        ("", False, None),
    ],
)
def test_where_the_browser_reached_us(host: str, tls: bool, base: str | None):
    assert base_url(asked(tls=tls, Host=host)) == base


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/exemptions", "/exemptions"),
        ("/exemptions/EX-2026-0001/approve", "/exemptions/EX-2026-0001/approve"),
        ("/exemptions?show=live&unit=Major+Crime", "/exemptions?show=live&unit=Major+Crime"),
        ("/withdraw?person=zo%C3%AB", "/withdraw?person=zo%C3%AB"),
        (None, "/you"),
        ("//evil.example", "/you"),
        ("/\\evil.example", "/you"),
        ("/%2f%2fevil.example", "/you"),
        ("https://evil.example", "/you"),
        ("/a\r\nSet-Cookie: x=y", "/you"),
        ("/a\n", "/you"),
        ("/a?x=<script>", "/you"),
        ("/sign-in", "/you"),
        ("/sign-out/everywhere", "/you"),
        ("/confirm?next=/confirm", "/you"),
        ("/" + "a" * 400, "/you"),
    ],
)
def test_where_somebody_may_be_led(path: str | None, safe: str):
    assert onward.safe(path) == safe


async def test_from_another_address_it_takes_tls(tmp_path: Path):
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    settings = await asyncio.to_thread(settings_for, tmp_path)
    app = await asyncio.to_thread(make_app, settings)
    (tmp_path / "ca").mkdir()
    authority = await asyncio.to_thread(WebAuthority, tmp_path / "ca")
    leaf = await asyncio.to_thread(authority.leaf, "portal.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.check_hostname = False
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the tests' authority gives no key ids
    async with TestServer(app, host=address) as clear, ClientSession() as session:
        async with session.get(clear.make_url("/sign-in")) as answer:
            assert answer.status == 403
            assert "needs a secure connection" in await answer.text()
            assert "Set-Cookie" not in answer.headers
        async with session.get(clear.make_url("/proxy.pac")) as answer:
            assert answer.status == 200
        for path in ("/you", "/exemptions"):
            async with session.get(clear.make_url(path), allow_redirects=False) as answer:
                assert answer.status == 403
        async with session.post(clear.make_url("/sign-in"), data={"name": "jane"}) as answer:
            assert answer.status == 403
    app = await asyncio.to_thread(make_app, settings)
    secure = TestServer(app, host=address, scheme="https")
    await secure.start_server(ssl=context)
    connector = TCPConnector(ssl=trusting)
    try:
        async with (
            ClientSession(connector=connector) as session,
            session.get(secure.make_url("/sign-in")) as answer,
        ):
            assert answer.status == 200
            assert answer.cookies["__Host-watchhouse-form"]["secure"]
    finally:
        await secure.close()
