"""A real gateway seals its log by itself, beside browsing, whatever befalls the keeper."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.scene import through
from support.segments import hours
from support.tsa import Tsa
from support.witness import WitnessCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

OFTEN = {"origin": "proxy.force.example/access-log", "seal_every": 1, "seal_after": 0}


def keeper_of(gateway: Gateway) -> int:
    """Process id of the keeper; 0 where there is none."""
    task = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
    for pid in task.read_text().split():
        try:
            if b"accesslog.keeper" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        except OSError:
            continue  # it has ended in the meantime
    return 0


def until[T](find: Callable[[], T], seconds: float = 20) -> T:
    """Wait until something is there."""
    limit = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.05)
    return found


def state(gateway: Gateway) -> dict[str, Any]:
    path = gateway.data / "run/keeper.json"
    return json.loads(path.read_text())["steps"] if path.exists() else {}


def known(gateway: Gateway, step: str) -> dict[str, Any]:
    found = state(gateway).get(step, {}).get("known", {})
    assert isinstance(found, dict)
    return found


@pytest.mark.heavy
def test_the_log_is_sealed_vouched_for_and_goes_on_when_the_keeper_is_killed(
    start: Callable[..., Gateway], web: Web, tmp_path: Path
) -> None:
    tsa, witness = Tsa(tmp_path / "tsa"), WitnessCommand(tmp_path / "witness")
    gateway = start(through(web), run=False)
    (gateway.config / "tsa.pem").write_bytes(tsa.root.read_bytes())
    settings = gateway.settings
    gateway.write_settings({**settings, "log": OFTEN})
    hours(gateway.data / "log/access", 2, 5)
    gateway.start()
    until(lambda: known(gateway, "seal-access").get("size") == 4)
    key = (gateway.data / "log/keys/seal.pub").read_text().strip()
    assert key.startswith("proxy.force.example/access-log+")

    # Killed, it is started again, and browsing knows nothing of it.
    first = keeper_of(gateway)
    workers = gateway.workers()
    os.kill(first, signal.SIGKILL)
    assert until(lambda: keeper_of(gateway) not in {0, first})
    assert "keeper ended with status -9; starting it again" in gateway.output.read_text()
    hours(gateway.data / "log/access", 3, 5)
    until(lambda: known(gateway, "seal-access").get("size") == 6)
    assert gateway.workers() == workers

    # New settings reach it: from now on others vouch for the log.
    with witness.serving(key) as witness_url, tsa.serving() as tsa_url:
        stamps = {"url": tsa_url, "certificate": "tsa.pem"}
        vouched = {"witnesses": f"{witness_url} {witness.key}", "timestamps": stamps}
        gateway.write_settings({**settings, "log": {**OFTEN, **vouched}})
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: known(gateway, "witnesses") and known(gateway, "timestamps"))
    verified = gateway.command("log", "verify", "--witness", witness.key)
    assert verified.returncode == 0, verified.stdout
    assert "witness.example/w1 has signed the first 6 entries" in verified.stdout
    assert "1 time-stamps, the last of 6 entries" in verified.stdout

    # By hand it goes too, and the key can be replaced while the keeper runs.
    rotated = until(lambda: _done(gateway, "log", "rotate-key", "--reason", "a test"))
    assert "the log has 7 entries" in rotated
    hours(gateway.data / "log/access", 4, 5)
    until(lambda: known(gateway, "seal-access").get("size") == 9)
    assert gateway.command("log", "verify").returncode == 0
    assert gateway.command("log", "verify", "--key", key).returncode == 0, "by the first key too"

    health = json.loads(gateway.curl(f"http://{gateway.portal}/healthz", "--noproxy", "*").body)
    assert health["sealing"]["size"] == 9
    assert health["sealing"]["last_timestamp"] is not None
    metrics = gateway.curl(f"http://{gateway.portal}/metrics", "--noproxy", "*").text
    assert "watchhouse_seal_size 9.0" in metrics
    last = keeper_of(gateway)
    assert gateway.stop() == 0
    until(lambda: not Path(f"/proc/{last}").exists())


def _done(gateway: Gateway, *arguments: str) -> str:
    """What a command says, once the keeper is not sealing in the same moment."""
    found = gateway.command(*arguments)
    return found.stdout if found.returncode == 0 else ""


def test_a_keeper_that_cannot_seal_keeps_nobody_from_browsing(
    start: Callable[..., Gateway], web: Web
) -> None:
    gateway = start(through(web), run=False)
    gateway.write_settings({**gateway.settings, "log": OFTEN})
    hours(gateway.data / "log/access", 1, 5)
    (gateway.data / "log/sealed").write_text("something else")
    gateway.start()
    until(lambda: state(gateway).get("seal-access", {}).get("failed", 0) > 1)
    assert gateway.curl("https://www.hotmail.com/").status == 403
    assert keeper_of(gateway)


def test_it_ends_with_a_supervisor_that_is_killed(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(through(web))
    keeper = until(lambda: keeper_of(gateway))
    gateway.process.kill()
    gateway.process.wait()
    until(lambda: not Path(f"/proc/{keeper}").exists())
