"""The process of the feeds: killed at any moment, stopped, without its parent."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from support.certificates import WebAuthority
from support.feeding import Log
from support.gateway import ROOT
from support.rsyslog import Rsyslog, port_apart
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "data")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Rsyslog]:
    authority = WebAuthority(tmp_path)
    leaf = authority.leaf("siem.test")
    with Rsyslog(tmp_path / "rsyslog", leaf, authority.file, port_apart()) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, receiver: Rsyslog) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("policy.yaml", "statement.md"):
        (folder / name).write_text((ROOT / "config" / name).read_text())
    tls = {"ca_file": str(tmp_path / "test-web-authority.pem"), "name": "siem.test"}
    both = {"from": "beginning", "records": 30}
    written = {
        "categories_dir": str(ROOT / "categories"),
        "feeds": [
            {"name": "siem", "kind": "syslog", "format": "rfc5424", "tls": tls, **both,
             "address": f"127.0.0.1:{receiver.port}", "timeout": 2},
            {"name": "lines", "kind": "file", "format": "ecs", "path": "out/log.ndjson", **both},
        ],
    }  # fmt: skip
    (folder / "watchhouse.yaml").write_text(yaml.safe_dump(written))
    return folder


def start(config: Path, log: Log) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "proxy_addons.accesslog.feeds"]
    return subprocess.Popen([*command, "--config", config, "--data", log.folder, "--with-parent"])


def numbers(log: Log) -> list[int]:
    file = log.folder / "out" / "log.ndjson"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["event"]["sequence"] for line in lines if line.endswith("}")]


def state(log: Log) -> dict[str, dict[str, object]]:
    told = json.loads((log.folder / "run" / "feeds.json").read_text())
    return {each["name"]: each for each in told["feeds"]}


@pytest.mark.parametrize("turns", [1, pytest.param(25, marks=pytest.mark.heavy)])
def test_killed_at_any_moment_nothing_is_lost(
    turns: int, config: Path, log: Log, receiver: Rsyslog
):
    chance = random.Random(11)
    for turn in range(turns):
        log.write(400)
        running = start(config, log)
        come_about(lambda before=turn * 400: len(numbers(log)) > before)
        time.sleep(chance.random() * 0.1)
        running.kill()
        running.wait()
    running = start(config, log)
    everything = range(1, 400 * turns + 1)
    try:
        come_about(lambda: len(numbers(log)) >= len(everything))
        come_about(lambda: {e.get("seq") for e in receiver.kept()} >= set(map(str, everything)))
        come_about((log.folder / "run" / "feeds.json").exists)
        come_about(lambda: state(log)["siem"]["lag_seconds"] == 0)
        assert state(log)["siem"]["status"] == "ok"
    finally:
        running.terminate()
    assert running.wait(10) == 0
    assert numbers(log) == list(everything)
    unmarked = [e["seq"] for e in receiver.kept() if "seq" in e and "resent" not in e]
    assert len(unmarked) == len(set(unmarked))


def test_it_ends_with_its_parent(config: Path, log: Log):
    code = (
        "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-m", "proxy_addons.accesslog.feeds", "--config", str(config),
               "--data", str(log.folder), "--with-parent"]  # fmt: skip
    log.plain.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", code, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        come_about((log.folder / "run" / "feeds.json").exists)
        parent.send_signal(signal.SIGKILL)
    come_about(lambda: _gone(child))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_bad_settings_start_nothing(config: Path, log: Log):
    (config / "watchhouse.yaml").write_text("feeds: [{name: a, kind: carrier-pigeon}]\n")
    running = start(config, log)
    assert running.wait(20) == 2
