"""A whole gateway that root starts on low ports, and that runs as a user without rights."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.gateway import Gateway
from support.reach import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

_SERVE = ["-c", "import sys; from proxy_addons.cli import main; sys.exit(main())", "serve"]


@pytest.fixture
def make(public: Path) -> Iterator[Callable[..., Gateway]]:
    made: list[Gateway] = []

    def make(**settings: Any) -> Gateway:
        (stage := public / f"stage-{len(made)}").mkdir()
        listen = {"proxy": "127.0.0.9:81", "portal": "127.0.0.9:82"}
        gateway = Gateway(
            public / f"gateway-{len(made)}",
            {"listen": listen, "run_as": "nobody"} | settings,
            command=[*opened(stage), sys.executable, *_SERVE],
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        if hasattr(gateway, "process"):
            gateway.stop()


def refused(gateway: Gateway) -> str:
    """What a gateway says that does not start."""
    gateway.start(wait=False)
    assert gateway.process.wait(30) == 78
    gateway.stop()
    return " ".join(gateway.output.read_text().split())


def processes(gateway: Gateway) -> dict[int, str]:
    """Command lines of the supervisor and all that it started, by process id."""
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        number: Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        for number in (pid, *map(int, children))
    }


def test_no_process_stays_root(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.start()
    limit = time.monotonic() + 20
    while not (gateway.data / "run/keeper.json").exists():  # it starts when the others serve
        assert time.monotonic() < limit, "the keeper did not start"
        time.sleep(0.05)
    found = processes(gateway)
    assert len(found) == 4, found
    for pid in found:
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4
        assert status["Groups"].split() == ["65534"]
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert "Max core file size        0                    0" in (
            Path(f"/proc/{pid}/limits").read_text()
        )
        # proc(5): a process that is not dumpable has its files owned by root.
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
    reply = gateway.curl("http://www.hotmail.com/")
    assert (reply.status, "webmail" in reply.text) == (403, True), reply
    (record,) = gateway.records(1, rule="webmail")
    assert record["action"] == "block"

    modes = {
        path.relative_to(gateway.data).as_posix(): (
            f"{stat.S_IMODE(found.st_mode):o}", found.st_uid, found.st_gid
        )
        for path in [gateway.data, *gateway.data.rglob("*")]
        if (found := path.lstat())
    }  # fmt: skip
    assert {owner for _, *owners in modes.values() for owner in owners} == {65534}
    assert {name: modes[name][0] for name in (".", "ca", "ca/ca.key", "log", "log/access")} == {
        ".": "750", "ca": "700", "ca/ca.key": "600", "log": "750", "log/access": "750"
    }  # fmt: skip
    open_to_others = {name: mode for name, (mode, *_) in modes.items() if int(mode, 8) & 0o027}
    assert open_to_others == {}, "the group reads, others nothing"

    # What everybody on the network may ask says neither who asked nor for what.
    for path in ("/", "/metrics", "/healthz", "/proxy.pac", "/ca"):
        with urllib.request.urlopen(f"http://{gateway.portal}{path}") as answer:
            told = answer.read().decode().lower()
        assert not [word for word in ("sample person", "hotmail", "127.0.0.1") if word in told]

    # The key is in its file alone: not in what was said, recorded, counted or given as an argument.
    secret = (gateway.data / "ca/ca.key").read_bytes().splitlines()[1:-1]
    said = gateway.output.read_bytes() + "".join(processes(gateway).values()).encode()
    for path in gateway.data.rglob("*"):
        if path.is_file() and path.name not in {"ca.key", "categories.index"}:
            said += path.read_bytes()
    assert not [line for line in secret if line in said]

    # Nobody else's user, and nobody's group neither, gets at the key.
    for user in (["--reuid=65533", "--regid=65533"], ["--reuid=65533", "--regid=65534"]):
        done = subprocess.run(
            ["setpriv", *user, "--clear-groups", "cat", gateway.data / "ca/ca.key"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "Permission denied" in done.stderr

    # A worker that dies has a successor, who needs no root to read the key and to listen.
    (worker,) = gateway.workers()
    os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + 15
    while gateway.curl("http://www.hotmail.com/", timeout=2).status != 403:
        assert time.monotonic() < until
    assert gateway.workers() != [worker]
    # Nor does a reload.
    version = record["policy_version"]
    policy = gateway.config / "policy.yaml"
    policy.write_text(policy.read_text() + "# changed\n")
    gateway.process.send_signal(signal.SIGHUP)
    while gateway.records(1, rule="webmail")[-1]["policy_version"] == version:
        assert time.monotonic() < until, gateway.output.read_text()
        gateway.curl("http://www.hotmail.com/", timeout=2)
    assert gateway.stop() == 0


def test_what_the_user_could_not_use_stops_the_start(make: Callable[..., Gateway]) -> None:
    gateway = make()
    (gateway.data / "lists").mkdir()
    said = refused(gateway)
    assert f"{gateway.data} cannot be written by nobody (run_as)" in said
    assert f"chown -R nobody:nogroup {gateway.data}" in said
    os.chown(gateway.data, 65534, 65534)
    said = refused(gateway)
    assert f"{gateway.data}/lists belongs to root, but the gateway runs as nobody" in said
    (gateway.data / "lists").rmdir()
    policy = gateway.config / "policy.yaml"
    policy.chmod(0o600)
    said = refused(gateway)
    assert f"{policy} cannot be read by nobody (run_as)" in said
    assert "chgrp nogroup" in said
    assert not (gateway.data / "ca").exists(), "nothing was made"


def test_a_user_that_is_not_there_stops_the_start(make: Callable[..., Gateway]) -> None:
    assert "no user or group no-such-user" in refused(make(run_as="no-such-user"))


def test_root_on_purpose_is_warned_of(make: Callable[..., Gateway]) -> None:
    gateway = make(run_as="root")
    (gateway.data / "ca").mkdir()
    (gateway.data / "ca/ca.pem").touch()
    said = refused(gateway)
    assert "running as root" in said
    assert "adduser --system --group watchhouse" in said
    assert "ca.key is not" in said, "it would have gone on"
