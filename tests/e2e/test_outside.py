"""A real site outside, by its ordinary client: pip asks its package index through a real gateway.

No parent proxy, no name server and no authority of the tests' own: what the gateway meets is what
is out there. Where pip reaches no index by itself, the tests are skipped, with what pip said.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.gateway import ROOT

from proxy_addons.gate.destinations import Destinations
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway

pytestmark = pytest.mark.outside

PIP = [sys.executable, "-m", "pip"]
WANTED = "six==1.17.0"  # small, in pure Python, and finished

# What would bring another proxy into play, or keep pip from asking an index.
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PIP_PROXY"}
_OTHER_SOURCES = {"PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"}
# What would have pip trust others than the gateway's authority.
_CERTIFICATES = {
    "PIP_CERT", "PIP_TRUSTED_HOST", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
}  # fmt: skip


def configured(name: str) -> str | None:
    """What this machine's pip is configured with, the more particular section first."""
    listed = subprocess.run(
        [*PIP, "config", "list"], capture_output=True, text=True, check=False, cwd="/"
    )
    values = dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)
    for section in (":env:", "download", "install", "global"):
        if value := values.get(f"{section}.{name}"):
            return value.strip("'\"")
    return None


def download(
    folder: Path, *options: str, without: set[str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Have pip download from this machine's index, and from nowhere else.

    Args:
        folder: for what is downloaded.
        options: of pip.
        without: environment variables that it is not to see, in capitals.
        seconds: that it may take.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    without = without | _PROXIES | _OTHER_SOURCES
    environment = {name: value for name, value in os.environ.items() if name.upper() not in without}
    environment["PIP_CONFIG_FILE"] = os.devnull
    if index := configured("index-url"):
        environment["PIP_INDEX_URL"] = index
    return subprocess.run(
        [*PIP, "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
         "--no-input", "--retries", "1", "--only-binary", ":all:", "-d", str(folder), *options,
         WANTED],
        env=environment, cwd=folder.parent, capture_output=True, text=True, check=False,
        timeout=seconds,
    )  # fmt: skip


def obstacle() -> str | None:
    """Why a gateway with its default settings has to refuse this machine's index; None: it passes.

    The rule for addresses inside is what keeps a browser off internal systems; it stays as it is.
    """
    if (configured("no-index") or "0").lower() not in {"0", "false", "no", "off"}:
        return "pip is told to use no index"
    index = urlsplit(configured("index-url") or "")
    if not index.hostname:
        return None
    if index.scheme != "https" or (index.port or 443) != 443:
        return "pip's index is not reached by https on port 443"
    network = load(ROOT / "config", environ={}).network
    destinations = Destinations(network.deny_destinations, network.intranet_networks)
    for *_, address in socket.getaddrinfo(index.hostname, 443, type=socket.SOCK_STREAM):
        if why := destinations.refusal(str(address[0]), 443):
            return why
    return None


@pytest.fixture
def directly(tmp_path: Path) -> Path:
    """The file as pip gets it without the gateway."""
    folder = tmp_path / "directly"
    certificates = configured("cert")
    options = ("--cert", certificates) if certificates else ()
    try:
        if why := obstacle():
            pytest.skip(why)
        done = download(folder, *options, without=set(), seconds=20)
    except (OSError, subprocess.TimeoutExpired) as problem:
        pytest.skip(f"pip reaches no package index from here: {type(problem).__name__}")
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        pytest.skip(f"pip reaches no package index from here: {said}")
    (wheel,) = folder.iterdir()
    return wheel


def test_a_package_index_by_its_ordinary_client(
    directly: Path, start: Callable[..., Gateway], tmp_path: Path
) -> None:
    packager = {"network": "127.0.0.0/8", "person": "Sample Person", "profile": "packagers"}
    gateway = start({"identity": {"addresses": [packager]}})
    done = download(
        tmp_path / "through", "--proxy", f"http://{gateway.proxy}",
        "--cert", str(gateway.authority), without=_CERTIFICATES, seconds=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "through").iterdir()
    assert wheel.read_bytes() == directly.read_bytes()

    records = gateway.records(2, kind="https", status=200)
    assert records == gateway.records(), "nothing was refused, spliced or lost"
    for record in records:
        assert record["action"] == "allow"
        assert (record["handling"], record["method"]) == ("inspected", "GET")
        assert record["url"].startswith(f"https://{record['host']}/")
        assert record["sni"] == record["host"]
        assert ip_address(record["server_ip"])
        assert (record["server_port"], record["error"]) == (443, None)
    assert records[0]["rule"] == "everything-else"
    assert records[-1]["rule"] == "software-for-packagers", "a wheel is software"
    assert records[0]["url"].endswith("/six/"), "first the list of versions"
    assert records[-1]["url"].endswith(wheel.name), "last the file"
    assert records[-1]["bytes_down"] == wheel.stat().st_size


def test_pip_refuses_what_the_gateway_signs_unless_told_to_trust_it(
    directly: Path, start: Callable[..., Gateway], tmp_path: Path
) -> None:
    """So that the download above was really inspected, and really verified."""
    del directly
    gateway = start({})
    done = download(
        tmp_path / "through", "--proxy", f"http://{gateway.proxy}",
        without=_CERTIFICATES, seconds=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "certificate verify failed" in (done.stdout + done.stderr).lower()
    for record in gateway.records(1):
        assert (record["kind"], record["rule"]) == ("connect", "tunnel-without-request")
        assert "does not trust" in record["error"], "the log says why nothing came of it"
