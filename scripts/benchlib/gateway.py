"""Watchhouse itself, as `scripts/run` starts it.

In: the run's place and origin, settings that differ from the default configuration.
Out: a running gateway: supervisor, portal and workers.
Must never: pass a setting that this version does not know, or leave out a rule or the log.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import cpu
from benchlib.place import free_port
from benchlib.side import ROOT, AbsentError, Side, plain_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchlib.origin import Origin
    from benchlib.place import Place, Program


@cache
def known_settings() -> frozenset[str]:
    """Every key that this version's settings know."""
    sys.path.append(str(ROOT))
    from proxy_addons.settings.table import SETTINGS

    return frozenset(setting.name for setting in SETTINGS)


class Watchhouse(Side):
    """The gateway with the default configuration, on one worker.

    Args:
        place: where it is started.
        origin: what it is to reach.
        name: its name in this run, where there is another one.
        settings: dotted keys and values beyond those of the default configuration.
        cores: the cores it may run on, where they are not the proxies' usual one.
        config: folder of its configuration; None for the default one.
        environ: what else its environment has.
    """

    name = "watchhouse"
    what = "default policy with all rules, access log, one worker; supervisor and portal counted"
    log_files = "log/access/*.jsonl"
    log_is_prompt = True
    splices = True
    differs: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        place: Place,
        origin: Origin,
        *,
        name: str | None = None,
        settings: Mapping[str, str] | None = None,
        cores: set[int] | None = None,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings, self._cores = {**self.differs, **(settings or {})}, cores
        self._config, self._environ = config or ROOT / "config", environ or {}
        super().__init__(place, origin, name=name)

    @property
    @override
    def ca_file(self) -> Path:
        return self.folder / "ca" / "ca.pem"

    @override
    def installed(self) -> str:
        sys.path.append(str(ROOT))
        try:
            found = importlib.util.find_spec("proxy_addons.engine.supervisor")
        except ModuleNotFoundError:
            found = None  # the side is left out, and the run says so
        if found is None:
            raise AbsentError("proxy_addons has no supervisor yet")
        if unknown := sorted(set(self._settings) - known_settings()):
            raise AbsentError(f"this version has no setting {', '.join(unknown)}")
        return described()

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        host, port = self.address
        settings = {
            "listen.proxy": f"{host}:{port}",
            "listen.portal": f"{host}:{free_port()}",
            "listen.workers": "1",
            "network.allow_ports": f"{origin.https_port},{origin.bulk_port}",
            # The origin is on loopback, which the gateway would refuse.
            "network.intranet": "127.0.0.0/8",
            "tls.trusted_ca_file": str(origin.ca_file),
            "tls.never_inspect.hosts": origin.splice_host,
            **self._settings,
        }
        environ = {**plain_environment(), **self._environ} | {
            "WATCHHOUSE_" + key.upper().replace(".", "_"): value for key, value in settings.items()
        }
        environ["PYTHONPATH"] = str(ROOT)
        run = "import sys; from proxy_addons.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", run, "serve"]
        command += ["--config", str(self._config), "--data", str(self.folder)]
        return place.start(self.name, command, proxy=True, environ=environ, cores=self._cores)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return cpu.with_argument(self.program.pid, "proxy_addons.engine.worker")


class WatchhouseGeneric(Watchhouse):
    """The same without the relay lane: every request goes through mitmproxy's own HTTP layers."""

    name = "watchhouse-generic"
    what = "as watchhouse, network.relay_lane: false"
    differs: ClassVar[dict[str, str]] = {"network.relay_lane": "false"}


@cache
def described() -> str:
    """The version by git: the last tag or commit, and whether anything is not committed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    return made.stdout.strip() or "not from a git checkout"
