"""Squid with ssl_bump, in the ways it is usually run.

In: the run's place and origin. Out: a running Squid with its own throw-away authority.
Must never: cache, which would spare it the way to the origin that the others go.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import pki
from benchlib.place import SideError
from benchlib.side import PATH, AbsentError, Side, plain_environment

if TYPE_CHECKING:
    from benchlib.origin import Origin
    from benchlib.place import Place, Program

SQUID_CONFIGURATION = """
# The log, the store and the helpers are Squid's defaults; nothing is cached, so that each request
# reaches the origin as it does through the other sides.
http_port {host}:{port} ssl-bump generate-host-certificates=on tls-cert={folder}/ca.pem
sslcrtd_program {certgen} -s {folder}/certificates -M 4MB
{bump}
tls_outgoing_options cafile={origin_ca}
{access}
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

    def access(self) -> str:
        """Who may use it, in its own words."""
        return "http_access allow all"

    def environ(self) -> dict[str, str]:
        """Its environment, and that of its helpers."""
        return plain_environment()

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
                bump=self.bump.format(splice_host=origin.splice_host),
                access=self.access(),
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
        return place.start(self.name, command, proxy=True, environ=self.environ())

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
    what = "as squid, with ssl_bump peek at step 1, then splice or bump by the SNI"
    bump = (
        "acl hello at_step SslBump1\nacl spliced ssl::server_name {splice_host}\n"
        "ssl_bump peek hello\nssl_bump splice spliced\nssl_bump bump all"
    )
    splices = True


class SquidRsa(Squid):
    """Squid with a 2048-bit RSA authority, as most instructions make it."""

    name = "squid-rsa"
    what = "as squid, with an RSA-2048 authority"
    key_kind = "rsa"
