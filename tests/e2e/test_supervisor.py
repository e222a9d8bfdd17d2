"""The supervisor: parts that die again and again, a stop at any moment, new settings."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.faults import plant
from support.names import NameServer
from support.scene import through

from proxy_addons.engine.authority import load_or_make, now_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from support.gateway import Gateway
    from support.web import Web


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until something has come about."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.02)


def test_a_worker_that_dies_at_its_start_is_not_started_in_a_tight_loop(
    start: Callable[..., Gateway], web: Web, tmp_path: Path
) -> None:
    fault = plant(tmp_path / "fault", "proxy_addons.gate.metrics:heartbeat")
    gateway = start(through(web), run=False, environ=fault)
    gateway.start(wait=False)
    until(lambda: "starting it again in 1 s" in gateway.output.read_text(), 30)
    said = gateway.output.read_text()
    assert said.count("worker-1 ended with status 1") <= 4
    assert "starting it again in 0.5 s" in said
    assert "secret-token" not in said
    began = time.monotonic()
    assert gateway.stop() == 0, "Ctrl-C ends the waiting too"
    assert time.monotonic() - began < 8


def test_settings_that_a_worker_cannot_run_with_end_the_gateway(
    start: Callable[..., Gateway], web: Web
) -> None:
    gateway = start(through(web), run=False)
    load_or_make(gateway.data / "ca", "Sample Police", now_utc())
    (gateway.data / "ca/ca.pem").write_text("no certificate")
    gateway.start(wait=False)
    assert gateway.process.wait(15) == 78, "systemd is told not to try again"
    said = gateway.output.read_text()
    assert "ca" in said
    assert "cannot be read" in said


@pytest.mark.root
def test_a_dead_name_server_does_not_hold_up_the_end(
    start: Callable[..., Gateway], closing: ExitStack
) -> None:
    dead = closing.enter_context(NameServer({}))
    dead.fault = "silent"
    gateway = start({"network": {"dns_servers": dead.address, "connect_timeout": 30}})
    asking = subprocess.Popen(
        ["curl", "-s", "--proxy", f"http://{gateway.proxy}", "http://www.gov.uk/"],
        stdout=subprocess.DEVNULL,
    )
    until(lambda: bool(dead.asked))
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 8
    assert "did not stop within" not in gateway.output.read_text()
    asking.wait(10)
    (record,) = gateway.records(1, host="www.gov.uk", event="transaction")
    assert record["error"] == "the gateway stopped"
