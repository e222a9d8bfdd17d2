"""Ways in: the proxy by TLS, and behind a real HAProxy. Ways out: another proxy for one profile.

The clients are real: curl, and Chromium on a PAC file that says HTTPS.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from support.browser import chromium, tab, trusting_home
from support.gateway import Gateway, merge
from support.haproxy import PATH, Haproxy
from support.running import IDENTITY
from support.scene import through, working_time

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from support.web import Web

    type Addresses = dict[str, list[str]]

TLS = {
    "listen": {
        "proxy_tls": "127.0.0.1:0",
        "portal_tls": "127.0.0.1:0",
        "names": ["localhost", "127.0.0.1"],
    }
}
BALANCER = "127.0.0.9"
SITES = ["http://www.gov.uk/", "https://www.gov.uk/", "https://www.barclays.co.uk/"]


def addresses(gateway: Gateway) -> Addresses:
    found: Addresses = json.loads((gateway.data / "run/addresses.json").read_text())
    return found


def curl(proxy: str, url: str, gateway: Gateway, web: Web, *more: str) -> tuple[str, str]:
    """Status and complaint of a real curl; both authorities are trusted, where spliced or not."""
    trusted = gateway.folder / "both.pem"
    trusted.write_bytes(gateway.authority.read_bytes() + web.authority.file.read_bytes())
    done = subprocess.run(
        ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "--max-time", "20",
         "--proxy", proxy, "--proxy-cacert", str(gateway.authority),
         "--cacert", str(trusted), *more, url],
        capture_output=True, check=False, text=True, env={**os.environ, "NO_PROXY": ""},
    )  # fmt: skip
    return done.stdout, done.stderr.strip()


@pytest.fixture(scope="module")
def by_tls(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    settings = merge(through(shared_web, identity=IDENTITY), TLS)
    settings["identity"] = {**IDENTITY, "load_balancers": {"proxy_protocol": [f"{BALANCER}/32"]}}
    folder = tmp_path_factory.mktemp("by-tls")
    with Gateway(folder, settings, index=index, workers=2) as gateway:
        yield gateway


@pytest.mark.parametrize("url", SITES)
def test_curl_reaches_the_proxy_by_tls(by_tls: Gateway, web: Web, url: str) -> None:
    proxy = f"https://{addresses(by_tls)['proxy_tls'][0]}"
    assert curl(proxy, url, by_tls, web) == ("200", "")
    assert web.hosts() == {url.split("/")[2]}


def test_a_refusal_by_tls_is_the_same_page(by_tls: Gateway, web: Web) -> None:
    port = addresses(by_tls)["proxy_tls"][0].rpartition(":")[2]
    proxy = f"https://localhost:{port}"
    assert curl(proxy, "https://www.hotmail.com/", by_tls, web) == ("403", "")
    assert not web.hosts()


def test_a_client_that_does_not_trust_us_sends_nothing(by_tls: Gateway, web: Web) -> None:
    proxy = f"https://{addresses(by_tls)['proxy_tls'][0]}"
    other = ("--proxy-cacert", str(web.authority.file))
    status, problem = curl(proxy, SITES[0], by_tls, web, *other)
    assert status == "000"
    assert "certificate" in problem.lower()
    assert not web.hosts()


def test_the_portal_by_tls(by_tls: Gateway) -> None:
    found = addresses(by_tls)
    url = f"https://{found['portal_tls'][0]}/proxy.pac"
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", str(by_tls.authority), url],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    secure, plain = (found[name][0].rpartition(":")[2] for name in ("proxy_tls", "proxy"))
    assert f'"secure": ["localhost:{secure}"]' in done.stdout
    assert f'"proxies": ["localhost:{plain}"]' in done.stdout


@pytest.mark.skipif(not shutil.which("haproxy", path=PATH), reason="haproxy is not installed")
def test_behind_a_real_haproxy(by_tls: Gateway, web: Web, tmp_path: Path) -> None:
    found = addresses(by_tls)
    backends = {"plain": found["proxy"][0], "tls": found["proxy_tls"][0]}
    with Haproxy(tmp_path, backends, BALANCER) as haproxy:
        for name, scheme in (("plain", "http"), ("tls", "https")):
            proxy = f"{scheme}://127.0.0.1:{haproxy.ports[name]}"
            for url in SITES[:2]:
                # curl's own address is 127.0.0.3: what HAProxy tells of, not its own.
                client = ("--interface", "127.0.0.3")
                assert curl(proxy, url, by_tls, web, *client) == ("200", "")
        mine = by_tls.records(4, client_ip="127.0.0.3")
    assert [record["person"] for record in mine] == ["ps9999"] * 4
    assert not by_tls.records(client_ip=BALANCER)
    output = by_tls.output.read_text()
    assert "of no use: no PROXY" not in output, "its checks are no failures"
    assert "Traceback" not in output
    # Past the balancer, from its address: nobody can say who it is, and nothing is answered.
    direct = ("--interface", BALANCER)
    assert curl(f"http://{found['proxy'][0]}", SITES[0], by_tls, web, *direct)[0] == "000"


@pytest.mark.browser
async def test_chromium_with_https_in_the_pac(
    shared_web: Web, index: Path, tmp_path: Path, closing: ExitStack
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = merge(
        through(shared_web, identity=IDENTITY),
        {
            **TLS,
            "listen": {"proxy_tls": f"127.0.0.1:{port}", "names": ["localhost"]},
            "pac": {"proxies": [f"HTTPS localhost:{port}"]},  # it has no other way
        },
    )
    gateway = closing.enter_context(
        Gateway(tmp_path / "gateway", settings, index=index, at=working_time("10:30:00"))
    )
    home = trusting_home(tmp_path / "home", gateway.authority, shared_web.authority.file)
    pac = f"http://{gateway.portal}/proxy.pac"
    async with (
        async_api.async_playwright() as playwright,
        chromium(playwright, home, pac) as browser,
        tab(browser) as officer,
    ):
        for url in ("http://www.police.uk/", "https://www.police.uk/", SITES[2]):
            assert (await officer.open(url)).status == 200
        assert (await officer.open("https://www.hotmail.com/inbox")).status == 403
        assert await officer.heading() == "This page is not available"
    assert "Traceback" not in gateway.output.read_text()


def test_one_profile_leaves_through_another_proxy(web: Web, start: Any) -> None:
    """Plain HTTP too is tunnelled; whoever has another profile does not get there at all."""
    entry = {
        "profile": "standard",
        "proxy": f"http://127.0.0.1:{web.parent}",
        "proxy_credentials_env": "EXIT_LOGIN",
    }
    settings = {
        "network": {"egress": [entry], "look_up_refused": False, "connect_timeout": 2},
        "tls": {"trusted_ca_file": str(web.authority.file)},
        "identity": IDENTITY,
    }
    gateway = start(settings, environ={"EXIT_LOGIN": "exit:secret word"})
    proxy = f"http://{gateway.proxy}"
    for url in SITES:
        assert curl(proxy, url, gateway, web) == ("200", "")
    assert [asked.line for asked in web.asked] == [
        "CONNECT www.gov.uk:80 HTTP/1.1",
        "CONNECT www.gov.uk:443 HTTP/1.1",
        "CONNECT www.barclays.co.uk:443 HTTP/1.1",
    ]
    assert {asked.authorization for asked in web.asked} == {"Basic ZXhpdDpzZWNyZXQgd29yZA=="}
    web.asked.clear()
    # A name that nobody knows: on the usual way it is looked up here, and not found (in time).
    other = ("--interface", "127.0.0.3")
    status, _ = curl(proxy, "http://unknown-7f3a.police.uk/", gateway, web, *other)
    assert status in {"502", "504"}
    assert web.asked == []
    assert curl(proxy, "http://unknown-7f3a.police.uk/", gateway, web)[0] == "200"
    assert len(web.asked) == 1
    output = gateway.output.read_text()
    assert "secret" not in output
    assert "secret" not in json.dumps(gateway.records(5))


def test_a_reload_shows_a_certificate_for_new_names(web: Web, start: Any) -> None:
    settings = merge(through(web, identity=IDENTITY), TLS)
    gateway = start(settings)
    found = addresses(gateway)
    host, _, port = found["proxy_tls"][0].rpartition(":")

    def named() -> set[str]:
        shown = ssl.get_server_certificate((host, int(port))).encode()
        extensions = x509.load_pem_x509_certificate(shown).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(name.value) for name in names}

    assert named() == {"localhost", "127.0.0.1"}
    settings["listen"] = {**gateway.settings["listen"], "names": ["proxy.test"]}
    gateway.write_settings({**gateway.settings, **settings})
    gateway.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while named() != {"proxy.test"}:
        assert time.monotonic() < deadline, gateway.output.read_text()
        time.sleep(0.1)
    assert "a new certificate is shown" in gateway.output.read_text()
