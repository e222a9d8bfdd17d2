"""The sides that ask who is there: Squid with its helpers, and the gateway.

In: the run's place, origin and realm. Out: running proxies that know clients in `KNOWN` by their
address and ask everybody else to sign in.
Must never: ask one side for more than the other. Both take tickets for any key of the one keytab,
and keep a replay cache of their own in the library's default way; both take a password from a file
and remember it; neither asks a directory.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

import yaml

from benchlib import cpu
from benchlib.gateway import Watchhouse
from benchlib.place import SideError
from benchlib.scenarios import SETTLE_SECONDS
from benchlib.side import ROOT, AbsentError
from benchlib.squid import Squid
from proxy_addons.identity.accounts import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchlib.origin import Origin
    from benchlib.place import Place
    from benchlib.realm import Realm
    from benchlib.side import Side

HELPER = Path("/usr/lib/squid/negotiate_kerberos_auth")
PASSWORD_HELPER = Path("/usr/lib/squid/basic_ncsa_auth")
NAME, PASSWORD = "person-0", "secret-of-nobody"
KNOWN, FIRST_KNOWN, FIRST_UNKNOWN = "127.7.0.0/16", "127.7.0.1", "127.8.0.1"
# A principal's name as either log has it, which no log has without a sign-in.
MARK = b"person-"
# Until a record must be in the log; what it promises is less, on a machine that is not overloaded.
LOG_SECONDS = 5.0

SQUID_ACCESS = """
auth_param negotiate program {helper} {arguments}
auth_param basic program {password_helper} {passwords}
acl known src {known}
acl signed_in proxy_auth REQUIRED
http_access allow known
http_access allow signed_in
http_access deny all
"""


def helper(realm: Realm) -> list[str]:
    """Squid's helper and its arguments.

    GSS_C_NO_NAME takes a ticket for any key of the keytab, as the gateway does by default; with a
    principal's name the helper costs more.
    """
    return [str(HELPER), "-k", str(realm.keytab), "-s", "GSS_C_NO_NAME"]


class SquidNegotiate(Squid):
    """Squid that asks for a ticket; its helpers are started as it needs them, as by default."""

    name = "squid"
    what = "as squid, with auth_param negotiate (negotiate_kerberos_auth) and basic"

    def __init__(self, place: Place, origin: Origin, realm: Realm) -> None:
        self._realm = realm
        super().__init__(place, origin, name=f"squid-{realm.study}")

    @override
    def installed(self) -> str:
        version = super().installed()
        if not HELPER.exists():
            raise AbsentError(f"this squid has no {HELPER} (apt-get install squid-openssl)")
        return version

    @override
    def access(self) -> str:
        program, *arguments = helper(self._realm)
        passwords = self.folder / "passwords"
        # MD5 as of old: it is checked once, and then remembered (credentialsttl, two hours).
        made = subprocess.run(
            ["openssl", "passwd", "-1", PASSWORD], capture_output=True, text=True, check=True
        )
        passwords.write_text(f"{NAME}:{made.stdout}", encoding="ascii")
        passwords.chmod(0o644)
        return SQUID_ACCESS.format(
            helper=program,
            arguments=" ".join(arguments),
            password_helper=PASSWORD_HELPER,
            passwords=passwords,
            known=KNOWN,
        )

    @override
    def environ(self) -> dict[str, str]:
        return self._realm.environ(self.name, self.user())


class WatchhouseNegotiate(Watchhouse):
    """The gateway with `identity.order: [addresses, kerberos, basic]`."""

    what = "as watchhouse, identity.order: [addresses, kerberos, basic]"

    def __init__(self, place: Place, origin: Origin, realm: Realm) -> None:
        name = f"watchhouse-{realm.study}"
        config = write_config(place.folder / f"{name}-config", realm.keytab)
        super().__init__(place, origin, name=name, config=config, environ=realm.environ(name))


def write_config(folder: Path, keytab: Path) -> Path:
    """The default configuration, but for who is known how.

    The address and the sign-in give the same profile, so that what is decided is the same.
    """
    shutil.copytree(ROOT / "config", folder)
    path = folder / "watchhouse.yaml"
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["identity"] = {
        "order": ["addresses", "kerberos", "basic"],
        "addresses": [{"network": KNOWN, "person": "Sample Person", "profile": "standard"}],
        "default_profile": "standard",
        "kerberos": {"keytab": str(keytab)},
        "basic": {"check": "file", "file": "passwords"},
    }
    set_password(folder / "passwords", NAME, PASSWORD)
    settings["categories_dir"] = str(ROOT / "categories")
    # JSON is YAML too.
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return folder


def login_by_password() -> str:
    """What a client says that signs in by name and password."""
    return "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode("ascii")


def spent(side: Side, work: Callable[[], int]) -> float:
    """CPU seconds for an operation, the mean of those that `work` does.

    Args:
        side: what does it.
        work: returns how many it has done.

    Raises:
        SideError: the side has ended, or its log has fewer records than operations.
    """
    logged = side.logged() or 0
    before = cpu.read(side.program.pid)
    done = work()
    time.sleep(SETTLE_SECONDS)
    limit = time.monotonic() + LOG_SECONDS
    while (missing := done - (side.logged() or 0) + logged) > 0 and time.monotonic() < limit:
        time.sleep(SETTLE_SECONDS)
    used = cpu.between(before, cpu.read(side.program.pid))
    side.program.check()
    if missing > 0:
        raise SideError(f"{side.name}: {missing} of {done} requests have no record in the log")
    return used / done


def signed_in(side: Side) -> int:
    """Records in a side's log that name somebody of the realm."""
    lines = 0
    for path in side.folder.glob(side.log_files or "-"):
        lines += sum(MARK in line for line in path.read_bytes().splitlines())
    return lines
