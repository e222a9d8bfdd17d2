"""The portal's answers, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer
from blockbuster import blockbuster_ctx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy_addons.gate import metricfiles, metrics
from proxy_addons.portal.app import make_app
from proxy_addons.portal.pac import PacError
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohttp import web

    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0
PAGES = ("/", "/proxy.pac", "/wpad.dat", "/ca", "/ca.pem", "/ca.der", "/metrics")


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """No handler may hold up the event loop."""
    with blockbuster_ctx("proxy_addons.portal"):
        yield


def settings_in(folder: Path, **overrides: str) -> Settings:
    """The default configuration with its data in `folder`; `listen_proxy` means `listen.proxy`."""
    given = {name.replace("_", ".", 1): value for name, value in overrides.items()}
    given = {"listen.workers": "2", **given, "data_dir": str(folder)}
    return load(ROOT / "config", overrides=given, environ={})


@asynccontextmanager
async def portal(settings: Settings) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(make_app(settings, clock=lambda: NOW))) as client:
        yield client


@pytest.fixture
def made_settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def authority(made_settings: Settings) -> x509.Certificate:
    """An authority in its folder. `ca.pem` holds the key as well: somebody's mistake."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Watchhouse <test> authority")])
    now = datetime.fromtimestamp(NOW, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    folder = made_settings.paths.ca_dir
    folder.mkdir(parents=True)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.pem").write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(secret)
    return certificate


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("path", [*PAGES, "/healthz", "/nothing"])
async def test_every_answer_is_guarded(made_settings: Settings, path: str):
    async with portal(made_settings) as client, client.get(path) as answer:
        headers = answer.headers
        assert "Server" not in headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        cached = "private, max-age=300" if path in {"/proxy.pac", "/wpad.dat"} else "no-store"
        assert headers["Cache-Control"] == cached
        body = await answer.read()
        assert b"PRIVATE" not in body
        if headers["Content-Type"].startswith("text/html"):
            assert made_settings.page.monitoring_notice in body.decode()
            assert b'<html lang="en-GB">' in body
            assert not re.search(rb"<script|<img|<form|\son\w+=", body)


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("path", PAGES)
async def test_head_has_the_headers_without_the_body(made_settings: Settings, path: str):
    async with portal(made_settings) as client:
        async with client.get(path) as whole:
            expected = {name: value for name, value in whole.headers.items() if name != "Date"}
        async with client.head(path) as answer:
            assert answer.status == 200
            assert await answer.read() == b""
            found = {name: value for name, value in answer.headers.items() if name != "Date"}
            assert found == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/proxy.pac", "/metrics"])
async def test_nothing_can_be_changed(made_settings: Settings, method: str, path: str):
    async with (
        portal(made_settings) as client,
        client.request(method, path, data=b"x" * 10_000) as answer,
    ):
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"
        assert "can only be read" in await answer.text()


async def test_an_unknown_page_is_not_echoed(made_settings: Settings):
    async with portal(made_settings) as client, client.get("/<b>x</b>?<script>") as answer:
        assert answer.status == 404
        text = await answer.text()
        assert "There is no such page" in text
        assert "<b>x" not in text
        assert "script" not in text


@pytest.mark.parametrize("path", ["/proxy.pac", "/wpad.dat"])
async def test_the_pac_file_names_the_listener(made_settings: Settings, path: str):
    async with portal(made_settings) as client:
        async with client.get(path, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/x-ns-proxy-autoconfig"
            text = await answer.text()
        assert '"proxies": ["127.0.0.1:8080"]' in text
        assert "evil" not in text


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("wpad.police.example", "wpad.police.example:3128"),
        ("wpad.police.example:8081", "wpad.police.example:3128"),
        ("[2001:db8::7]:8081", "[2001:db8::7]:3128"),
        # not valid: the address at which the connection arrived
        ("evil;DIRECT", "127.0.0.1:3128"),
        ("a b", "127.0.0.1:3128"),
        ("user:secret@wpad.police.example", "127.0.0.1:3128"),
        ("", "127.0.0.1:3128"),
    ],
)
async def test_a_wildcard_listener_is_named_as_the_client_reached_it(
    tmp_path: Path, host: str, expected: str
):
    settings = settings_in(tmp_path, listen_proxy="0.0.0.0:3128")
    sent = {"Host": host}
    async with portal(settings) as client, client.get("/proxy.pac", headers=sent) as answer:
        assert f'"proxies": ["{expected}"]' in await answer.text()


async def test_the_list_of_proxies_wins(tmp_path: Path):
    settings = settings_in(
        tmp_path, listen_proxy="0.0.0.0:3128", pac_proxies="wh1.example:8080, wh2.example:8080"
    )
    async with portal(settings) as client, client.get("/proxy.pac") as answer:
        assert '"proxies": ["wh1.example:8080", "wh2.example:8080"]' in await answer.text()


def test_a_list_with_a_fault_stops_the_portal_at_its_start(tmp_path: Path):
    settings = settings_in(tmp_path)
    settings = replace(settings, pac=replace(settings.pac, proxies=("x:1; DIRECT",)))
    with pytest.raises(PacError, match=r"pac\.proxies"):
        make_app(settings)


async def test_the_front_page_says_where_everything_is(tmp_path: Path):
    settings = settings_in(tmp_path, listen_portal="0.0.0.0:8081", listen_proxy="0.0.0.0:3128")
    host = {"Host": "wh.police.example:1"}
    async with portal(settings) as client, client.get("/", headers=host) as answer:
        text = await answer.text()
        port = client.port
    assert f"http://wh.police.example:{port}/proxy.pac" in text
    assert "curl --proxy http://wh.police.example:3128" in text
    for path in ("/ca", "/healthz", "/metrics", "/proxy.pac", "/wpad.dat", "/ca.pem", "/ca.der"):
        assert f'href="{path}"' in text
    assert settings.page.contact in text
    assert settings.page.organisation in text


async def test_the_authority_is_handed_out_without_its_key(
    made_settings: Settings, authority: x509.Certificate
):
    async with portal(made_settings) as client:
        async with client.get("/ca.pem") as answer:
            assert answer.headers["Content-Type"] == "application/x-pem-file"
            assert 'filename="watchhouse-ca.pem"' in answer.headers["Content-Disposition"]
            assert await answer.read() == authority.public_bytes(Encoding.PEM)
        async with client.get("/ca.der") as answer:
            assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
            assert await answer.read() == authority.public_bytes(Encoding.DER)
        for path in ("/ca.key", "/ca/ca.key", "/../ca/ca.key"):
            async with client.get(path) as answer:
                assert answer.status == 404


KEY_PATHS = [
    *("/ca.key", "/ca/ca.key", "/ca.pem/../ca.key", "//ca.key", "/ca.pem%00.key", "/ca.pem/ca.key"),
    *("/../ca/ca.key", "/ca/../../ca/ca.key", "/..%2fca%2fca.key", "/%2e%2e/ca/ca.key"),
    *("/..\\ca\\ca.key", "/ca.pem;/ca.key", "/ca.pem?file=ca.key", "/CA.KEY", "/ca.ke%79"),
    *("http://localhost/ca.key", "file:///{folder}/ca.key", "/{folder}/ca.key", "*", "ca.key"),
]


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("path", KEY_PATHS)
async def test_no_path_leads_to_the_key(made_settings: Settings, path: str):
    """As bytes, because a client would tidy the path up."""
    folder = str(made_settings.paths.ca_dir)
    lines = (made_settings.paths.ca_dir / "ca.key").read_bytes().splitlines()
    async with portal(made_settings) as client:
        port = client.server.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        target = path.replace("{folder}", folder)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1."), answer
    assert not [line for line in lines if line in answer]


async def test_a_link_in_the_place_of_the_certificate_gives_no_key_away(
    made_settings: Settings, authority: x509.Certificate
):
    del authority
    folder = made_settings.paths.ca_dir
    (folder / "ca.pem").unlink()
    (folder / "ca.pem").symlink_to("ca.key")
    lines = (folder / "ca.key").read_bytes().splitlines()[1:-1]
    async with portal(made_settings) as client:
        for path in ("/ca", "/ca.pem", "/ca.der", "/healthz", "/metrics"):
            async with client.get(path) as answer:
                body = await answer.read()
                assert answer.status == 503 or not path.startswith("/ca")
                assert not [line for line in lines if line in body]


async def test_the_authoritys_page_shows_what_to_compare(
    made_settings: Settings, authority: x509.Certificate
):
    async with portal(made_settings) as client, client.get("/ca") as answer:
        text = await answer.text()
    shown = re.search(r'<code class="fingerprint">(.*?)</code>', text)
    assert shown
    fingerprint = authority.fingerprint(hashes.SHA256()).hex(":").upper()
    assert shown[1].replace("<wbr>", "") == fingerprint
    assert "Watchhouse &lt;test&gt; authority" in text
    assert f"{authority.not_valid_after_utc:%B %Y}" in text


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----"])
@pytest.mark.parametrize("path", ["/ca", "/ca.pem", "/ca.der"])
async def test_without_an_authority_there_is_a_503(
    made_settings: Settings, path: str, content: bytes | None
):
    if content is not None:
        made_settings.paths.ca_dir.mkdir(parents=True)
        (made_settings.paths.ca_dir / "ca.pem").write_bytes(content)
    async with portal(made_settings) as client, client.get(path) as answer:
        assert answer.status == 503
        assert "inspection authority" in await answer.text()


async def test_health_is_told_with_its_reasons(made_settings: Settings):
    directory = metricfiles.prepare(made_settings.paths.run_dir)
    try:
        worker = metrics.start(0, directory)
        worker.heartbeat(now=NOW - 1, index_built=NOW - 3600, log_healthy=True, log_lag=0.02)
        async with portal(made_settings) as client, client.get("/healthz") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("application/json")
            found = json.loads(await answer.text())
    finally:
        metrics.stop()
    (one,) = found.pop("workers")
    assert one.pop("pid") > 0
    assert one == {
        "worker": 0,
        "up": True,
        "heartbeat_age_seconds": 1.0,
        "log_healthy": True,
        "log_lag_seconds": 0.02,
        "index_age_seconds": 3600.0,
    }
    assert found == {
        "status": "degraded",
        "portal": "up",
        "sealing": None,
        "feeds": [],
        "lists": [],
        "config_rejected": None,
        "alerts": {"status": "silent", "lag_seconds": None, "deliveries": []},
        "problems": [
            "1 of 2 workers are up",
            "the process of the alerts does not tell how it goes",
        ],
        "workers_expected": 2,
        "log_healthy": True,
        "index_age_seconds": 3600.0,
        "policy_version": made_settings.policy_version,
    }


async def test_health_without_workers_is_a_503(made_settings: Settings):
    async with portal(made_settings) as client, client.get("/healthz") as answer:
        assert answer.status == 503
        assert json.loads(await answer.text())["status"] == "down"


async def test_metrics_speak_both_dialects(made_settings: Settings):
    directory = metricfiles.prepare(made_settings.paths.run_dir)
    try:
        worker = metrics.start(0, directory)
        worker.count("block", 'a"\n\\rule')
        worker.flush()
        async with portal(made_settings) as client:
            async with client.get("/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=")
                text = await answer.text()
            assert 'watchhouse_requests_total{action="block",rule="a\\"\\n\\\\rule"} 1.0' in text
            accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
            async with client.get("/metrics", headers=accept) as answer:
                kind = answer.headers["Content-Type"]
                assert kind.startswith("application/openmetrics-text")
                assert (await answer.text()).endswith("# EOF\n")
    finally:
        metrics.stop()


async def test_a_defect_of_ours_is_a_plain_page(
    made_settings: Settings, caplog: pytest.LogCaptureFixture
):
    def broken_clock() -> float:
        raise RuntimeError("a defect")

    app = make_app(made_settings, clock=broken_clock)
    async with (
        TestClient(TestServer(app)) as client,
        client.get("/healthz?token=secret", headers={"Cookie": "secret"}) as answer,
    ):
        assert answer.status == 500
        assert "defect" not in await answer.text()
        assert "Server" not in answer.headers
    assert "healthz failed" in caplog.text
    assert "secret" not in caplog.text
