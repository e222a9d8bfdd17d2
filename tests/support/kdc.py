"""A real MIT Kerberos: two realms that trust each other, on loopback, in a folder of its own.

In: a folder. Out: principals, keytabs, ticket caches, tokens as a browser sends them.
Must never: read or write /etc/krb5.conf, or use a port or a cache of the machine's own.

All of Kerberos on the client's side follows `KRB5_CONFIG`: programs get it through `client`, the
test's own process through `inside`. Requires krb5-kdc, krb5-admin-server and krb5-user.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REALM = "FORCE.EXAMPLE"
OTHER = "OTHER.EXAMPLE"
SPNEGO = "1.3.6.1.5.5.2"

# Debian keeps the server's programs where a plain user's path does not lead.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")


def missing() -> str | None:
    """What this machine lacks for a KDC and for whoever takes its tickets, or None."""
    if importlib.util.find_spec("gssapi") is None:
        return "needs the package gssapi (scripts/test builds it, with gcc and libkrb5-dev)"
    lacking = [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]
    return f"needs {', '.join(lacking)} (Debian: krb5-kdc, krb5-user)" if lacking else None


class Kdc:
    """One krb5kdc for two realms. A context manager: runs inside `with`.

    Args:
        folder: for its databases, keys and log; made if it is not there.
        clockskew: seconds that clocks may differ, for clients and acceptors with this
            configuration; Kerberos' own default is 300.
    """

    def __init__(self, folder: Path, *, clockskew: int = 300) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self.config = folder / "krb5.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.write_config(clockskew=clockskew)
        _write_profile(folder, self.port)
        # The caches of the test's process and of programs it starts: never the machine's own.
        (folder / "rcache").mkdir(exist_ok=True)

    def write_config(self, *, clockskew: int = 300) -> None:
        """Write krb5.conf (anew)."""
        realms = "\n".join(
            f"    {realm} = {{\n        kdc = 127.0.0.1:{self.port}\n    }}"
            for realm in (REALM, OTHER)
        )
        self.config.write_text(
            f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    clockskew = {clockskew}
    default_ccache_name = FILE:{self.folder}/no-such-cache
    udp_preference_limit = 1

[realms]
{realms}

[domain_realm]
    .other.example = {OTHER}
""",
            encoding="ascii",
        )

    @property
    def environ(self) -> dict[str, str]:
        """What makes a program use this Kerberos."""
        return {
            "KRB5_CONFIG": str(self.config),
            "KRB5RCACHEDIR": str(self.folder / "rcache"),
            "KRB5CCNAME": f"FILE:{self.folder}/no-such-cache",
        }

    @contextmanager
    def inside(self) -> Iterator[Self]:
        """Make the test's own process use this Kerberos.

        Each call into Kerberos reads the environment anew, so that this may be undone.
        """
        before = {name: os.environ.get(name) for name in self.environ}
        os.environ.update(self.environ)
        try:
            yield self
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def __enter__(self) -> Self:
        for realm in (REALM, OTHER):
            self._run("kdb5_util", "-r", realm, "create", "-s", "-P", "master")
        # Either realm's people may ask the other for tickets.
        for giving, taking in ((REALM, OTHER), (OTHER, REALM)):
            name = f"krbtgt/{taking}@{giving}"
            self.admin(giving, f"addprinc -pw trust {name}")
            self.admin(taking, f"addprinc -pw trust {name}")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # the server -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it (again), and wait until it answers."""
        with (self.folder / "kdc.output").open("ab") as output:
            self._process = subprocess.Popen(
                [_program("krb5kdc"), "-n", "-r", REALM, "-r", OTHER],
                env=self._server_environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        limit = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                said = (self.folder / "kdc.output").read_text(errors="replace")
                assert self._process.poll() is None, said
                assert time.monotonic() < limit, said
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kill it; nobody gets a ticket until `start`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    # principals and keys --------------------------------------------------------------------------

    def add(self, name: str, password: str, *, realm: str = REALM) -> None:
        """Add a person."""
        self.admin(realm, f'addprinc -pw "{password}" "{name}@{realm}"')

    def keytab(self, *services: str, realm: str = REALM, path: Path | None = None) -> Path:
        """Make the keytab of services (`HTTP/proxy.force.example`), which are added if need be."""
        self._made += 1
        path = path or self.folder / f"{self._made}.keytab"
        commands = []
        for service in services:
            commands.append(f"addprinc -randkey {service}@{realm}")
            commands.append(f"ktadd -k {path} -norandkey {service}@{realm}")
        self.admin(realm, *commands)
        assert path.exists(), services
        return path

    def new_key(self, service: str, *, realm: str = REALM) -> None:
        """Give a service a new key, as a changed password does: keytabs go out of date."""
        self.admin(realm, f"change_password -randkey {service}@{realm}")

    def admin(self, realm: str, *commands: str) -> str:
        """Give kadmin.local commands; what it says."""
        return self._run("kadmin.local", "-r", realm, stdin="\n".join(commands) + "\n")

    # clients --------------------------------------------------------------------------------------

    def kinit(
        self,
        name: str,
        password: str,
        *,
        realm: str = REALM,
        lifetime: str = "10h",
        options: tuple[str, ...] = (),
    ) -> Ticket:
        """Sign a person in: a ticket cache of their own.

        Args:
            name: login name.
            password: theirs.
            realm: theirs.
            lifetime: `10h`, `5s`.
            options: of kinit, besides: `-f` for tickets that may be delegated.
        """
        self._made += 1
        ticket = Ticket(self, self.folder / f"{self._made}.ccache")
        words = ("-l", lifetime, *options, f"{name}@{realm}")
        self._run("kinit", *words, stdin=password + "\n", environ=ticket.environ)
        return ticket

    def client(self, ticket: Ticket) -> dict[str, str]:
        """The whole environment of a client program: curl, Chromium."""
        return os.environ | ticket.environ

    # ----------------------------------------------------------------------------------------------

    @property
    def _server_environ(self) -> dict[str, str]:
        return (
            os.environ
            | self.environ
            | {"PATH": _PATH, "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}
        )

    def _run(
        self, program: str, *words: str, stdin: str = "", environ: dict[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            [_program(program), *words],
            env=self._server_environ | (environ or {}),
            input=stdin,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{program} {words}: {done.stderr}{done.stdout}"
        return done.stdout


class Ticket:
    """A person's ticket cache.

    Attributes:
        path: the cache.
        environ: what makes a program use it, with the rest of this Kerberos.
    """

    def __init__(self, kdc: Kdc, path: Path) -> None:
        self.path = path
        self.environ = kdc.environ | {"KRB5CCNAME": f"FILE:{path}"}
        self._kdc = kdc

    def token(
        self, service: str = "HTTP@proxy.force.example", *, mech: str = SPNEGO, flags: int = 0
    ) -> bytes:
        """A fresh token for a service, as a browser would put it behind `Negotiate`.

        Asks the KDC the first time, then takes the service's ticket from the cache.

        Args:
            service: `HTTP@host`.
            mech: OID; SPNEGO as browsers have it, or plain Kerberos.
            flags: of `gssapi.RequirementFlag`, besides mutual authentication.
        """
        return self.handshake(service, mech=mech, flags=flags)[1]

    def handshake(
        self, service: str = "HTTP@proxy.force.example", *, mech: str = SPNEGO, flags: int = 0
    ) -> tuple[object, bytes]:
        """The client's context besides, which checks the acceptor's answer with `step`."""
        import gssapi  # noqa: PLC0415 - only tests that make tokens themselves need it

        spnego = gssapi.OID.from_int_seq(mech)
        with self._kdc.inside():
            context = gssapi.SecurityContext(
                name=gssapi.Name(service, gssapi.NameType.hostbased_service),
                creds=gssapi.Credentials(
                    usage="initiate", store={"ccache": f"FILE:{self.path}"}, mechs=[spnego]
                ),
                mech=spnego,
                flags=gssapi.RequirementFlag.mutual_authentication | flags,
                usage="initiate",
            )
            token = context.step()
        assert token is not None
        return context, token


def _free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return int(tcp.getsockname()[1])


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is not installed"
    return found


def _write_profile(folder: Path, port: int) -> None:
    realms = "\n".join(
        f"""    {realm} = {{
        database_name = {folder}/{realm}.db
        key_stash_file = {folder}/{realm}.stash
        acl_file = {folder}/no.acl
        kdc_listen = 127.0.0.1:{port}
        kdc_tcp_listen = 127.0.0.1:{port}
        max_life = 24h
        max_renewable_life = 7d
        supported_enctypes = aes256-cts:normal aes128-cts:normal
    }}"""
        for realm in (REALM, OTHER)
    )
    (folder / "kdc.conf").write_text(
        f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}

[realms]
{realms}

[logging]
    kdc = FILE:{folder}/kdc.log
    default = FILE:{folder}/kdc.log
""",
        encoding="ascii",
    )
