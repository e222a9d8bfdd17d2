"""The sides of the comparison: what each is, how it is started, whom its clients must trust.

In: the run's place and origin. Out: running proxies. A side that is not installed raises
`AbsentError`, and the run goes on without it and says so.
Must never: tune one side and not the others. docs/performance.md lists every setting and why.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import pki
from benchlib.logs import LineCount
from benchlib.place import Place, Program, SideError, free_port

if TYPE_CHECKING:
    from benchlib.origin import Origin

ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin"


class AbsentError(Exception):
    """This side cannot be measured here; the message says what is missing."""


class Side(ABC):
    """One proxy, running.

    Attributes:
        name: as in the report and for `--only`.
        what: how it is run, in a few words.
        log_files: pattern of its access log's files in its folder, one line a record.
        log_is_prompt: it promises that what it has answered is in its log 0.2 s later.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    log_files: ClassVar[str | None] = None
    log_is_prompt: ClassVar[bool] = False

    def __init__(self, place: Place, origin: Origin) -> None:
        self.folder = place.subfolder(self.name, self.user())
        self.address = ("127.0.0.1", free_port())
        self.version = self.installed()
        self.program = self.start(place, origin)
        self.program.await_port(self.address)
        if not self.ca_file.exists():
            raise SideError(f"{self.name} made no {self.ca_file}: {self.program.last_words()}")
        self._log = LineCount(self.folder, self.log_files) if self.log_files else None

    def logged(self) -> int | None:
        """Records in its access log up to now; None without one."""
        return self._log.total() if self._log else None

    @property
    @abstractmethod
    def ca_file(self) -> Path:
        """The authority that its clients must trust."""

    @abstractmethod
    def installed(self) -> str:
        """Its version.

        Raises:
            AbsentError: it is not installed.
        """

    @abstractmethod
    def start(self, place: Place, origin: Origin) -> Program:
        """Start it, listening at `self.address`."""

    def user(self) -> str | None:
        """The user that it drops to, where it does."""
        return None


class Mitmdump(Side):
    """Stock mitmdump, without addons of ours."""

    name = "mitmdump"
    what = "mitmdump -q, no addons"

    @property
    @override
    def ca_file(self) -> Path:
        return self.folder / "mitmproxy-ca-cert.pem"

    @override
    def installed(self) -> str:
        try:
            return metadata.version("mitmproxy")
        except metadata.PackageNotFoundError as error:
            raise AbsentError("mitmproxy is not installed in this Python") from error

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        host, port = self.address
        options = ["-q", "--listen-host", host, "--listen-port", str(port)]
        settings = {
            "confdir": self.folder,
            "ssl_verify_upstream_trusted_ca": origin.ca_file,
        }
        for key, value in settings.items():
            options += ["--set", f"{key}={value}"]
        run = "from mitmproxy.tools.main import mitmdump; mitmdump()"
        command = [sys.executable, "-c", run, *options]
        return place.start(self.name, command, proxy=True, environ=plain_environment())


SQUID_CONFIGURATION = """
# The log, the store and the helpers are Squid's defaults; nothing is cached, so that each request
# reaches the origin as it does through the other sides.
http_port {host}:{port} ssl-bump generate-host-certificates=on tls-cert={folder}/ca.pem
sslcrtd_program {certgen} -s {folder}/certificates -M 4MB
{bump}
tls_outgoing_options cafile={origin_ca}
http_access allow all
cache deny all
workers 1
pid_filename {folder}/squid.pid
access_log daemon:{folder}/access.log squid
cache_log {folder}/cache.log
coredump_dir {folder}
visible_hostname squid.bench.test
shutdown_lifetime 0 seconds
pinger_enable off
"""


class Squid(Side):
    """Squid with ssl_bump and a P-256 authority (its leaves take over the authority's kind)."""

    name = "squid"
    what = "ssl_bump bump all, P-256 authority, one worker, access log"
    log_files = "access.log"
    key_kind: ClassVar[str] = "ec"
    bump: ClassVar[str] = "ssl_bump bump all"

    @property
    @override
    def ca_file(self) -> Path:
        return self.folder / "trust.pem"

    @override
    def user(self) -> str | None:
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "proxy" if os.geteuid() == 0 and "proxy" in names else None

    @override
    def installed(self) -> str:
        output = subprocess.run(
            [self._program(), "-v"], capture_output=True, text=True, check=True
        ).stdout
        if "--enable-ssl-crtd" not in output:
            raise AbsentError(
                "this squid was built without OpenSSL (apt-get install squid-openssl)"
            )
        return output.split("Version", 1)[1].split()[0]

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        key, certificate = pki.authority("Watchhouse bench Squid authority", self.key_kind)
        pki.write(self.folder / "ca.pem", key, certificate)
        pki.write(self.ca_file, certificate).chmod(0o644)
        if user := self.user():
            shutil.chown(self.folder / "ca.pem", user)
        certgen = Path("/usr/lib/squid/security_file_certgen")
        certificates = self.folder / "certificates"
        made = subprocess.run(
            [certgen, "-c", "-s", certificates, "-M", "4MB"],
            capture_output=True,
            text=True,
            check=False,
            user=self.user(),
        )
        if made.returncode:
            raise SideError(f"security_file_certgen: {made.stdout}{made.stderr}")
        host, port = self.address
        (self.folder / "squid.conf").write_text(
            SQUID_CONFIGURATION.format(
                folder=self.folder,
                host=host,
                port=port,
                certgen=certgen,
                origin_ca=origin.ca_file,
                bump=self.bump,
            )
        )
        command: list[str | Path] = [
            self._program(),
            "--foreground",
            "-f",
            self.folder / "squid.conf",
        ]
        # A service name of its own keeps it apart from a Squid that runs on this machine.
        command += ["-n", "bench" + self.name.replace("-", "")]
        return place.start(self.name, command, proxy=True, environ=plain_environment())

    @staticmethod
    def _program() -> str:
        program = shutil.which("squid", path=PATH)
        if program is None:
            raise AbsentError("not installed (apt-get install squid-openssl)")
        return program


class SquidPeek(Squid):
    """Squid as it must be run to decide by SNI: it looks at the ClientHello before it bumps.

    It then reaches the server first and takes over what its certificate says, as mitmproxy does.
    """

    name = "squid-peek"
    what = "as squid, with ssl_bump peek at step 1, then bump (it sees the SNI)"
    bump = "acl hello at_step SslBump1\nssl_bump peek hello\nssl_bump bump all"


class SquidRsa(Squid):
    """Squid with a 2048-bit RSA authority, as most instructions make it."""

    name = "squid-rsa"
    what = "as squid, with an RSA-2048 authority"
    key_kind = "rsa"


class Watchhouse(Side):
    """The gateway as `scripts/run` starts it, with the default configuration, on one worker."""

    name = "watchhouse"
    what = "default policy with all rules, access log, one worker; supervisor and portal counted"
    log_files = "log/access/*.jsonl"
    log_is_prompt = True

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
        described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        made = subprocess.run(described, capture_output=True, text=True, check=False)
        return made.stdout.strip() or "not from a git checkout"

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        host, port = self.address
        environ = plain_environment() | {
            "PYTHONPATH": str(ROOT),
            "WATCHHOUSE_LISTEN_PROXY": f"{host}:{port}",
            "WATCHHOUSE_LISTEN_PORTAL": f"{host}:{free_port()}",
            "WATCHHOUSE_LISTEN_WORKERS": "1",
            "WATCHHOUSE_NETWORK_ALLOW_PORTS": str(origin.https_port),
            # The origin is on loopback, which the gateway would refuse.
            "WATCHHOUSE_NETWORK_INTRANET": "127.0.0.0/8",
            "WATCHHOUSE_TLS_TRUSTED_CA_FILE": str(origin.ca_file),
        }
        run = "import sys; from proxy_addons.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", run, "serve"]
        command += ["--config", str(ROOT / "config"), "--data", str(self.folder)]
        return place.start(self.name, command, proxy=True, environ=environ)


SIDES: dict[str, type[Side]] = {
    side.name: side for side in (Mitmdump, Squid, SquidPeek, SquidRsa, Watchhouse)
}


def plain_environment() -> dict[str, str]:
    """The environment without what scripts/bench added, and without settings of a gateway."""
    ours = ("PYTHON", "WATCHHOUSE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
