"""A police force in small: its Kerberos realm, directory, people, exemptions and gateways.

In: a folder, the small web. Out: real parts on loopback (KDC, slapd), gateways that use them.
Must never: put a secret where a gateway might find it but in the variables that settings name.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from proxy_addons.settings.model import Paths
from proxy_addons.standing.actor import INFORMATION_SECURITY, PSD, Actor
from proxy_addons.standing.exemption import Wanted
from proxy_addons.standing.register import Register
from proxy_addons.standing.store import open_store
from proxy_addons.standing.withdrawals import Withdrawals
from support.gateway import ROOT, Gateway, Reply, merge
from support.kdc import OTHER, REALM, Kdc, Ticket
from support.ldap import BASE, SERVICE, SERVICE_PASSWORD, Slapd, Someone
from support.postgres import PASSWORD as DATABASE_PASSWORD
from support.scene import through
from support.standing import ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.settings.people import Standing
    from proxy_addons.standing.store import Store
    from support.web import Web

HOST = "localhost"
"""What people's browsers know the gateway as, so that tickets are for HTTP/localhost."""

PEOPLE = (
    Someone("jane", "jane: a long password", "Jane Doe", "Major Crime", "boss", "officer"),
    Someone("boss", ":the boss:knows::", "Bo Oss", "Major Crime", kind="officer"),
    Someone("zoë", "pässwörd: 雪が降る€", "Zoë Ångström", "Contact Centre", "boss", "staff"),
    Someone("fay", "union of officers", "Fay Rep", "Contact Centre", "boss"),
    Someone("pat", "packs the software", "Pat Ackager", "ICT", "boss"),
    Someone("guessed", "nobody guesses this", "Gus Essed", "ICT", "boss"),
    Someone("mallory", "another's password", "Mal Lory", "ICT", "boss"),
    # Holders of posts that may be unrestricted.
    Someone("olga", "no exemption at all", "Olga Without"),
    Someone("liv", "a live exemption", "Liv Live"),
    Someone("eddie", "an old exemption", "Eddie Expired"),
    Someone("rhea", "a revoked exemption", "Rhea Revoked"),
    Someone("lara", "a later exemption", "Lara Later"),
    Someone("thea", "threats by name", "Thea Threats"),
    Someone("wanda", "withdrawn and exempt", "Wanda Withdrawn"),
    Someone("cat", "one category", "Cat Egory", "Contact Centre"),
    # Withdrawn and given back by tests that measure it.
    Someone("wendy", "comes and goes", "Wendy Goes", "Major Crime", "boss"),
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "All Staff": ("jane", "boss", "zoë", "cat", "Police Federation", "ICT Packagers"),
    "Police Federation": ("Representatives North",),
    "Representatives North": ("fay",),
    "ICT Packagers": ("pat",),
    "Unrestricted Posts": ("olga", "liv", "eddie", "rhea", "lara", "thea", "wanda"),
}
STRANGER = ("ghost", "in the realm alone")
"""Somebody with a ticket whom the directory does not know."""
FOREIGNER = ("ann", "of another realm")
"""Somebody of a realm that is trusted by the KDC but not by the gateway."""

KIOSK, CELLS, BALANCER, SPEAKS_PROXY, NOWHERE = (
    "127.0.0.7",
    "127.0.0.8",
    "127.0.0.5",
    "127.0.0.6",
    "127.0.0.9",
)
"""Addresses: of a kiosk, of a custody suite, of two load balancers, of nothing."""

_PROFILES = """
  federation:
    description: Representatives of the Federation and of Unison.
  packager:
    description: ICT packagers.
"""
_POLITICS = """
  - id: federation-politics
    clause: Inf/27 2.10.1
    reason: Representatives may reach political sites.
    action: allow
    when:
      profiles: federation
      categories: politics
"""
_DOWNLOADS = """
  - id: packager-downloads
    clause: Inf/27 2.10.1
    reason: Packagers may download software.
    action: allow
    when:
      profiles: packager
      categories: software-download
"""


def policy() -> str:
    """The policy that comes with Watchhouse, with two profiles more."""
    text = (ROOT / "config/policy.yaml").read_text("utf-8")
    for before, added in (
        ("  withdrawn:\n    description:", _PROFILES.lstrip("\n")),
        ("  - id: software-download\n", _DOWNLOADS.lstrip("\n") + "\n"),
        ("  - id: politics\n", _POLITICS.lstrip("\n") + "\n"),
    ):
        assert text.count(before) == 1, before
        text = text.replace(before, added + before)
    return text


class Force:
    """Kerberos and a directory, with everybody in them. A context manager.

    Args:
        folder: of its own.
        web: what gateways lead to; its authority signs the directory's certificate.
    """

    def __init__(self, folder: Path, web: Web) -> None:
        self.web = web
        self.kdc = Kdc(folder / "kdc")
        self.slapd = Slapd(
            folder / "slapd",
            certificate=web.authority.leaf(HOST),
            ca_file=web.authority.file,
            everybody=PEOPLE,
            groups=GROUPS,
        )
        self._tickets: dict[str, Ticket] = {}
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as closing:
            closing.enter_context(self.kdc)
            closing.enter_context(self.slapd)
            self.keytab = self.kdc.keytab(f"HTTP/{HOST}")
            self.other_keytab = self.kdc.keytab("HTTP/elsewhere")
            people = [(each.name, each.password) for each in PEOPLE if each.name.isascii()]
            self.kdc.admin(
                REALM, *(f'addprinc -pw "{word}" {name}' for name, word in [*people, STRANGER])
            )
            self.kdc.add(*FOREIGNER, realm=OTHER)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def ticket(self, name: str) -> Ticket:
        """A person's ticket; they sign in to their computer once."""
        if name not in self._tickets:
            realm, word = REALM, dict([FOREIGNER, STRANGER]).get(name)
            if name == FOREIGNER[0]:
                realm = OTHER
            self._tickets[name] = self.kdc.kinit(name, word or password_of(name), realm=realm)
        return self._tickets[name]

    def negotiate(self, name: str, service: str = f"HTTP@{HOST}") -> str:
        """A fresh value of `Proxy-Authorization`, as a browser sends it."""
        return f"Negotiate {base64.b64encode(self.ticket(name).token(service)).decode()}"

    def settings(self, lane: str, **more: Any) -> dict[str, Any]:
        """Settings of a gateway of this force; `more` is merged in.

        It listens in the clear and by TLS, and the PAC file names both by the name HOST.
        """
        clear, secure = free_ports(2)
        values = through(
            self.web,
            listen={
                "proxy": f"127.0.0.1:{clear}",
                "proxy_tls": f"127.0.0.1:{secure}",
                "names": [HOST, "127.0.0.1"],
            },
            identity={
                "order": ["addresses", "kerberos", "basic"],
                "addresses": [
                    {"network": f"{KIOSK}/32", "person": "kiosk-3", "profile": "standard"},
                    {"network": f"{CELLS}/32", "person": "cells-1", "profile": "withdrawn"},
                ],
                "kerberos": {"keytab": str(self.keytab), "realms": [REALM]},
                "basic": {"check": "directory", "realm": "The Force"},
                "profiles": [
                    {"groups": ["Unrestricted Posts"], "profile": "unrestricted"},
                    {"groups": ["police federation"], "profile": "federation"},
                    {"groups": ["All Staff", "ICT Packagers"], "profile": "packager"},
                ],
                "default_profile": "standard",
                "load_balancers": {
                    "proxy_protocol": [f"{SPEAKS_PROXY}/32"],
                    "forwarded_for": [f"{BALANCER}/32"],
                },
            },
            directory={
                "servers": [self.slapd.ldap_url],
                "ca_file": str(self.slapd.ca_file),
                "bind_dn": SERVICE,
                "bind_password_env": "FORCE_DIRECTORY_PASSWORD",
                "base": BASE,
                "person_filter": "(&(objectClass=inetOrgPerson)(uid={name}))",
                "name_attribute": "uid",
                "groups": "members",
                "timeout": 2,
                "page_size": 50,
            },
        )
        values["network"]["relay_lane"] = lane == "relay"
        values["tls"]["http2"] = True
        return merge(values, more)

    @property
    def environ(self) -> dict[str, str]:
        """What a gateway needs in its environment."""
        return {name: value for name, value in self.kdc.environ.items() if name != "KRB5CCNAME"} | {
            "FORCE_DIRECTORY_PASSWORD": SERVICE_PASSWORD,
            "FORCE_DATABASE_PASSWORD": DATABASE_PASSWORD,
        }

    def gateway(
        self, folder: Path, settings: Mapping[str, Any], index: Path, **more: Any
    ) -> Gateway:
        """A gateway that has not been started."""
        environ = self.environ | more.pop("environ", {})
        return Gateway(folder, settings, policy=policy(), index=index, environ=environ, **more)

    def curl(
        self,
        gateway: Gateway,
        url: str,
        *arguments: str,
        ticket: Ticket | None = None,
        proxy: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Reply:
        """Fetch with the real curl, as a person whose tickets are in a cache.

        Args:
            gateway: whose authority is trusted.
            url: what to fetch.
            arguments: of curl's.
            ticket: the cache; None: an empty one.
            proxy: as `--proxy` takes it; None: the gateway's clear port by name.
            environ: added to curl's environment.
        """
        place = proxy or f"http://{HOST}:{gateway.proxy.rpartition(':')[2]}"
        words = ["--ipv4", "--proxy", place, "--proxy-cacert", str(gateway.authority), *arguments]
        kerberos = (ticket or self.kdc).environ
        return gateway.curl(url, *words, environ=kerberos | dict(environ or {}))

    def secrets(self) -> dict[str, bytes]:
        """What must never be found anywhere, by what it is."""
        found: dict[str, bytes] = {}
        words = [(each.name, each.password) for each in PEOPLE]
        words += [STRANGER, FOREIGNER, ("", SERVICE_PASSWORD), ("", DATABASE_PASSWORD)]
        for name, word in words:
            pair = f"{name}:{word}".encode()
            found[f"{name}'s password"] = word.encode()
            found[f"{name}'s password, quoted"] = quote(word, safe="").encode()
            found[f"{name}'s password, escaped"] = word.encode("unicode_escape")
            found[f"{name}'s password, in Basic"] = base64.b64encode(pair).rstrip(b"=")[:-1]
        found["the keytab"] = self.keytab.read_bytes()
        found["the keytab, in base64"] = base64.b64encode(self.keytab.read_bytes())[8:-8]
        listed = subprocess.run(
            ["klist", "-ekK", str(self.keytab)], capture_output=True, text=True, check=True
        ).stdout
        for number, key in enumerate(re.findall(r"\(0x([0-9a-f]+)\)", listed)):
            found[f"key {number}"] = bytes.fromhex(key)
            found[f"key {number}, in hexadecimal"] = key.encode()
        assert any(name.startswith("key ") for name in found), listed
        return found


# Base64 of how a SPNEGO or Kerberos token begins: 0x60 0x82, or 0x60 and a short length.
_TOKEN = re.compile(rb"YI[HIJK][A-Za-z0-9+/]{60}")


def spilt(
    gateway: Gateway,
    secrets: Mapping[str, bytes],
    pages: Iterable[bytes] = (),
    *,
    metrics: bool = True,
) -> list[str]:
    """Where a secret, or what looks like a client's token, has come out of a gateway.

    Looked through: all files of the data folder, what the processes said, `pages`, and the metrics
    where the portal can be reached.
    """
    texts = {"a page": b"\n".join(pages), "the output": gateway.output.read_bytes()}
    if metrics:
        address = f"http://{gateway.portal}/metrics"
        with build_opener(ProxyHandler({})).open(address, timeout=20) as reply:
            texts["the metrics"] = reply.read()
    for path in sorted(gateway.data.rglob("*")):
        own = gateway.config / path.name  # of which processes read a copy (engine/reload)
        copied = own.is_file() and path.is_file() and own.read_bytes() == path.read_bytes()
        if path.is_file() and path.name != "categories.index" and not copied:
            texts[str(path.relative_to(gateway.data))] = path.read_bytes()
    assert any(name.startswith("log/") for name in texts), sorted(texts)
    found = [
        f"{what} in {where}"
        for where, text in texts.items()
        for what, secret in secrets.items()
        if secret in text
    ]
    return found + [f"a token in {where}" for where, text in texts.items() if _TOKEN.search(text)]


# --- standing facts -----------------------------------------------------------------------------

_WHY = "for tests of what an exemption opens"
SECURITY = Actor("security", frozenset({INFORMATION_SECURITY}), "accounts")
SECOND = Actor("second", frozenset({INFORMATION_SECURITY, PSD}), "accounts")


@dataclass
class Registers:
    """The store of a gateway, and steps in its registers at any time that a test likes."""

    store: Store
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def exempt(self, person: str, *, begins: float, ends: float, **what: Any) -> str:
        """An exemption that two people agree on; its reference.

        Args:
            person: whose.
            begins: days from now; when that is past, it was asked for then.
            ends: days from now.
            what: of `Wanted`; everything, if not given.
        """
        start = self.now + timedelta(days=begins)
        asked = min(self.now, start) - timedelta(minutes=1)
        register = self._register(asked)
        wanted = Wanted(
            person=person,
            why=_WHY,
            begins=start,
            ends=self.now + timedelta(days=ends),
            **(what or {"everything": True}),
        )
        made = register.request(SECURITY, wanted)
        return register.approve(SECOND, made.reference, seen=made.revision).reference

    def revoke(self, reference: str) -> None:
        """End an exemption."""
        register = self._register(self.now)
        seen = register.get(reference).revision
        register.revoke(SECOND, reference, seen=seen, why="the operation has ended")

    def withdraw(self, person: str) -> str:
        """Withdraw somebody's access; the reference."""
        return self._withdrawals.withdraw(SECOND, person, "for tests of withdrawals").reference

    def lift(self, person: str) -> None:
        """Give it back."""
        self._withdrawals.lift(SECOND, person, "for tests of withdrawals")

    def version(self) -> int:
        """The store's version, which every change raises."""
        return self.store.version()

    @property
    def _withdrawals(self) -> Withdrawals:
        return Withdrawals(self.store)

    def _register(self, now: datetime) -> Register:
        return Register(
            self.store, categories=None, by_name_only={"malware", "phishing"}, zone=UTC,
            clock=lambda: now,
        )  # fmt: skip


@contextlib.contextmanager
def registers(gateway: Gateway, standing: Standing) -> Iterator[Registers]:
    """The registers of a gateway, which need not have been started yet."""
    paths = Paths(gateway.config, ROOT / "categories", gateway.data)
    store = open_store(standing, paths)
    ready(standing, paths)
    try:
        yield Registers(store)
    finally:
        store.close()


def everybodys_exemptions(held: Registers) -> dict[str, str]:
    """What PEOPLE's names promise; reference by person."""
    given = {
        "liv": held.exempt("liv", begins=-1, ends=30),
        "eddie": held.exempt("eddie", begins=-30, ends=-1),
        "rhea": held.exempt("rhea", begins=-1, ends=30),
        "lara": held.exempt("lara", begins=1, ends=30),
        "thea": held.exempt(
            "thea", begins=-1, ends=30, everything=True, categories=frozenset({"malware"})
        ),
        "wanda": held.exempt("wanda", begins=-1, ends=30),
        "cat": held.exempt("cat", begins=-1, ends=30, categories=frozenset({"webmail"})),
    }
    held.revoke(given["rhea"])
    held.withdraw("wanda")
    return given


def password_of(name: str) -> str:
    """What somebody signs in with."""
    return next(each.password for each in PEOPLE if each.name == name)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
