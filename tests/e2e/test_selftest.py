"""`watchhouse selftest`: a good gateway passes, and one with holes does not."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.scene import through

from proxy_addons.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway
    from support.web import Web

ALLOW_ALL = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: Everybody, strictest: true}
rules:
  - {id: everything, clause: none, reason: No rule., action: allow}
"""


def options(gateway: Gateway, *more: str) -> list[str]:
    return [
        *("selftest", "--config", str(gateway.config), "--data", str(gateway.data)),
        *("--listen-proxy", gateway.proxy, "--listen-portal", gateway.portal, *more),
    ]


def in_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_gateway_passes(
    start: Callable[..., Gateway], web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = start(through(web))
    code, report = in_json(capsys, *options(gateway))
    holes = [row for row in report["rows"] if row["outcome"] == "HOLE"]
    assert not holes
    assert code == 0
    assert report["ok"] > 300
    assert {row["why"] for row in report["rows"] if row["outcome"] == "not run"} >= {
        "needs a name server of ours"
    }
    assert (report["blocked_host"], report["client_ip"]) == ("malware.test", "127.0.0.1")
    # What PSD is told is what is in the log.
    ports = {port for row in report["rows"] for port in row["client_ports"]}
    named = {reference for row in report["rows"] for reference in row["references"]}
    assert len(named) > 300
    records = gateway.records(len(named), action="block")
    assert named <= {record["id"] for record in records}
    assert {record["client_port"] for record in records} <= ports
    assert not [host for host in web.hosts() if host != "watchhouse-selftest.invalid"]


def test_an_origin_of_its_own(
    start: Callable[..., Gateway], capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    gateway = start({"network": {"intranet": ["127.0.0.1/32"]}})
    name = f"127.0.0.1:{free_port}"
    # An address: no name server is asked, which may be slow.
    arguments = ["--origin", name, "--allowed-host", "127.0.0.1"]
    arguments += ["--only", "smuggling by chunks", "--only", "controls"]
    code, report = in_json(capsys, *options(gateway, *arguments))
    assert code == 0, [row for row in report["rows"] if row["outcome"] == "HOLE"]
    ran = {row["name"] for row in report["rows"] if row["outcome"] == "ok"}
    assert {"a chunk extension", "a chunk size with 0x", "an allowed site is reached"} <= ran
    assert main(options(start({}), *arguments)) == 2
    assert "should be allowed, but is refused: 403" in capsys.readouterr().err


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_gateway_that_allows_everything_has_holes(
    start: Callable[..., Gateway], web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = start(through(web, identity={"addresses": []}), policy=ALLOW_ALL)
    assert main(options(gateway)) == 2
    assert "name one with --blocked-host" in capsys.readouterr().err
    arguments = ["--blocked-host", "www.hotmail.com", "--only", "fronting inside tunnels"]
    assert main(options(gateway, *arguments)) == 1
    said = capsys.readouterr().out
    assert "HOLE    fronting inside tunnels: tunnel and server name are allowed" in said
    assert "In the access log these are no browsing" in said


def test_another_proxy_has_holes(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    """The small web's own proxy passes everything on; no configuration is read for it."""
    arguments = ["--proxy", f"127.0.0.1:{web.parent}", "--blocked-host", "www.hotmail.com"]
    groups = ["--only", "fronting inside tunnels", "--only", "versions and methods"]
    code, report = in_json(capsys, "selftest", *arguments, *groups, "--patience", "2")
    assert code == 1
    assert report["holes"] > 20
    found = {row["name"]: row["outcome"] for row in report["rows"]}
    assert found["tunnel and server name are allowed"] == found["HTTP/1.0"] == "HOLE"


def test_what_cannot_be_run_is_no_success(
    standard: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    assert main(options(standard, "--only", "smugling by chunks")) == 2
    assert "did you mean smuggling by chunks?" in capsys.readouterr().err
    assert main(options(standard, "--proxy", f"127.0.0.1:{free_port}")) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert main(options(standard, "--data", str(tmp_path))) == 2
    assert capsys.readouterr().err
    assert main(options(standard, "--allowed-host", "www.hotmail.com")) == 2
    assert "should be allowed, but is refused" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["selftest", "--proxy", "nowhere"])
