"""The gateway under test: the real command, as its own processes, in folders of its own.

In: changes to the default configuration. Out: addresses, curl, the log's records.
Must never: reach into the gateway's memory; what a test sees is what a user would.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from support.faketime import FAKETIME, wall_clock
from support.standing import grant
from support.written import default_settings, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]


class GatewayError(AssertionError):
    """The gateway did not start."""


class Gateway:
    """One running gateway.

    Args:
        folder: for its configuration and data.
        settings: merged into the default watchhouse.yaml.
        policy: replaces the default policy.yaml, if given.
        at: local time that the gateway is made to believe, `YYYY-MM-DD HH:MM:SS`.
        environ: added to its environment.
        index: a compiled category index to start with, so that it need not be compiled each time.
        exempt: people who have a live exemption for everything.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any] | None = None,
        *,
        policy: str | None = None,
        at: str | None = None,
        environ: Mapping[str, str] | None = None,
        index: Path | None = None,
        workers: int = 1,
        command: list[str] | None = None,
        exempt: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.data = folder / "data"
        self.config.mkdir(parents=True)
        self.data.mkdir()
        merged = merge(
            default_settings(),
            {
                "listen": {"proxy": "127.0.0.1:0", "portal": "127.0.0.1:0", "workers": workers},
                "categories_dir": str(ROOT / "categories"),
            },
        )
        if os.geteuid() == 0:
            # pytest's folders are root's alone; tests/rights tries other users.
            merged["run_as"] = "root"
        self.write_settings(merge(merged, settings or {}))
        (self.config / "policy.yaml").write_text(
            policy if policy is not None else (ROOT / "config/policy.yaml").read_text()
        )
        shutil.copytree(ROOT / "config/packs", self.config / "packs")
        if index is not None:
            shutil.copy2(index, self.data / "categories.index")
        month = timedelta(days=30)
        begins = datetime.now(UTC) - month
        for name in exempt:
            grant(self.data, name, begins=begins, ends=begins + 2 * month, now=begins)
        self._environ = {
            name: value for name, value in os.environ.items() if not name.startswith("WATCHHOUSE_")
        } | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        if at is not None:
            if FAKETIME is None:
                pytest.skip("needs faketime, to be at a certain time (Debian: faketime)")
            self._environ |= wall_clock(
                FAKETIME=f"@{at}", FAKETIME_DONT_RESET="1", TZ="Europe/London"
            )
        self._environ |= dict(environ or {})
        self._command = command or [sys.executable, "-c", _MAIN, "serve"]
        self.output = folder / "output"
        self.output.touch()

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write watchhouse.yaml (before the start, or before a reload)."""
        self.settings = dict(settings)
        (self.config / "watchhouse.yaml").write_text(write(self.settings))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it serves."""
        addresses = self.data / "run/addresses.json"
        addresses.unlink(missing_ok=True)
        self._file = self.output.open("ab")
        self.process = subprocess.Popen(
            [*self._command, "--config", str(self.config), "--data", str(self.data)],
            env=self._environ,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
        )
        if not wait:
            return
        until = time.monotonic() + 60
        while not addresses.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise GatewayError(self.output.read_text())
            time.sleep(0.02)
        found = json.loads(addresses.read_text())
        self.proxy: str = found["proxy"][0]
        self.portal: str = found["portal"][0]

    def stop(self) -> int:
        """Stop it as Ctrl-C does; 0 if it was never started."""
        if not hasattr(self, "process"):
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._file.close()
        return self.process.returncode

    @property
    def authority(self) -> Path:
        """The inspection authority's certificate."""
        return self.data / "ca/ca.pem"

    def curl(
        self,
        url: str,
        *arguments: str,
        timeout: float = 20,
        environ: Mapping[str, str] | None = None,
    ) -> Reply:
        """Fetch with the real curl through the gateway, trusting its authority."""
        done = subprocess.run(
            ["curl", "-sS", "--proxy", f"http://{self.proxy}", "--cacert", str(self.authority),
             "--max-time", str(timeout), "-D", "-", "-w", _WRITE_OUT, *arguments, url],
            capture_output=True, check=False, env={**os.environ, "NO_PROXY": "", **(environ or {})},
        )  # fmt: skip
        return Reply(done)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `watchhouse` command, as an operator at this machine would."""
        return subprocess.run(
            [sys.executable, "-c", _MAIN, *arguments,
             "--config", str(self.config), "--data", str(self.data)],
            env=self._environ, capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [
            int(pid)
            for pid in children.split()
            if b"proxy_addons.engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def records(
        self, at_least: int = 0, *, since: datetime | None = None, **wanted: object
    ) -> list[dict[str, Any]]:
        """Complete records of the access log that have the wanted values.

        Of what began at that time or later, where one is given: ports of clients come again. Waits
        a little for at least so many: the log is at most 200 ms behind. Without a wanted `event`
        none of what was still open when it was written: on a busy machine much lasts that long.
        """
        until = time.monotonic() + 5
        while True:
            everything = (
                json.loads(line)
                for file in sorted((self.data / "log/access").glob("*.jsonl"))
                for line in file.read_bytes().split(b"\n")[:-1]
            )
            found = [
                record
                for record in everything
                if all(record.get(name) == value for name, value in wanted.items())
                and ("event" in wanted or record["event"] != "open")
                and (since is None or datetime.fromisoformat(record["start"]) >= since)
            ]
            if len(found) >= at_least or time.monotonic() > until:
                return found
            time.sleep(0.02)


class Reply:
    """What curl got."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.error = done.stderr.decode(errors="replace").strip()
        self.exit = done.returncode
        head, _, figures = done.stdout.rpartition(b"\n@@")
        self.raw = head
        self.figures: dict[str, Any] = json.loads(figures) if figures else {}
        self.status = int(self.figures.get("response_code", 0))
        self.connect_status = int(self.figures.get("http_connect", 0))
        # Heads come one after another: CONNECT's, 100 Continue's, the answer's.
        self.headers: dict[str, str] = {}
        body = head
        while body.startswith(b"HTTP/"):
            block, _, body = body.partition(b"\r\n\r\n")
            _, *fields = block.decode("latin-1").split("\r\n")
            self.headers = {
                f.partition(":")[0].lower(): f.partition(":")[2].strip() for f in fields
            }
        self.body = body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def __repr__(self) -> str:
        return f"<Reply {self.status} exit={self.exit} {self.error} {self.text[:200]!r}>"


_WRITE_OUT = (
    '\n@@{"response_code":"%{response_code}","http_connect":"%{http_connect}",'
    '"size_download":%{size_download},"http_version":"%{http_version}"}'
)
_MAIN = "import sys; from proxy_addons.cli import main; sys.exit(main())"


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(base))
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged
