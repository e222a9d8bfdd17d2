"""A directory of the tests' own: OpenLDAP's slapd, on loopback, in a folder of the test's.

In: people, groups, a certificate. Out: a real server over ldap, ldaps and StartTLS.
Must never: touch the system's slapd or /etc/ldap, or survive its test.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy_addons.identity.link import ldap3  # it knows which warnings the import makes
from proxy_addons.settings import people
from support.program import Program
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

BASE = "dc=force,dc=test"
SERVICE, SERVICE_PASSWORD = f"cn=watchhouse,{BASE}", "reads the directory"
_ROOT, _ROOT_PASSWORD = f"cn=root,{BASE}", "changes the directory"
MOST_AT_ONCE = 50
"""Entries that the server gives in one piece: without paging a larger answer fails."""


@dataclass(frozen=True)
class Someone:
    """A person. `name` is both `uid` and, as Active Directory has it, `sAMAccountName`."""

    name: str
    password: str = "correct horse battery"
    display: str | None = None
    unit: str | None = None
    manager: str | None = None
    kind: str | None = None
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def dn(self) -> str:
        return f"uid={ldap3.utils.dn.escape_rdn(self.name)},ou=people,{BASE}"


PEOPLE = (
    Someone("jane", "jane's long password", "Jane Doe", "Major Crime", "boss", "officer"),
    Someone("zoë", "pässwörd: 雪が降る", "Zoë Ångström", "Contact Centre", "boss", "staff"),
    Someone("boss", "the boss: knows", "Bo Oss", "Major Crime", kind="officer"),
    Someone(r"odd*()\name", "an odd password", "Odd Name"),
    Someone("left", "left the force", more={"userAccountControl": ["514"]}),
    Someone("twice", "first of two"),
    Someone("twice-too", "second of two", more={"uid": ["twice-too", "twice"]}),
    Someone("jane  doe", "spaces in the name"),
    Someone("squared", "four is 2² or so"),
    Someone("deep", "at the bottom of it"),
)
CROWD = tuple(Someone(f"crowd-{number:03}", manager="boss") for number in range(120))
"""More of one manager's people than come in one piece."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Detectives": ("jane",),
    "Major Crime": ("Detectives", "boss"),
    "All Staff": ("Major Crime", "Contact Centre"),
    "Contact Centre": ("zoë",),
    "Circle A": ("Circle B", "jane"),
    "Circle B": ("Circle A",),
    "Empty": ("left",),
}
"""Members are people's or other groups' names."""

MANY_GROUPS = {f"Many {number:03}": ("boss",) for number in range(MOST_AT_ONCE + 20)}

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"

DEEP = {f"Deep {number}": (f"Deep {number - 1}" if number else "deep",) for number in range(40)}
"""Groups in groups, deeper than anybody means it."""

_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.141 NAME 'department' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
{tls}
allow bind_anon_cred
sizelimit size.soft={most} size.hard={most} size.pr={most} size.prtotal=unlimited
database mdb
maxsize 33554432
suffix {base}
rootdn {root}
rootpw "{root_password}"
directory {folder}/data
dbnosync
index objectClass,uid,sAMAccountName,member,manager eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact={service} read by anonymous none by * none
"""


def is_installed() -> bool:
    """Whether this machine has a slapd."""
    return shutil.which("slapd", path=_PLACES) is not None


class Slapd(Program):
    """A server; a context manager that starts and ends it.

    Args:
        folder: of its own.
        certificate: PEM file with key and chain (`WebAuthority.leaf`); None: no TLS.
        ca_file: what the certificate is to be checked by, for `settings`.
        host: name under which `ldap_url` and `ldaps_url` reach it.
        everybody: people it has.
        groups: group → names of members.

    Attributes:
        port: of ldap and StartTLS.
        tls_port: of ldaps.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Path | None = None,
        ca_file: Path | None = None,
        host: str = "localhost",
        everybody: Sequence[Someone] = PEOPLE,
        groups: Mapping[str, Sequence[str]] = GROUPS,
    ) -> None:
        self.folder = folder
        self.ca_file = ca_file
        self.host = host
        self.port, self.tls_port = _free_ports(2)
        self._certificate = certificate
        self._everybody = everybody
        self._groups = groups
        self._load()

    @property
    def ldap_url(self) -> str:
        return f"ldap://{self.host}:{self.port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://{self.host}:{self.tls_port}"

    def settings(self, **changes: Any) -> people.Directory:
        """Settings that reach it, by StartTLS if it has a certificate."""
        values: dict[str, Any] = {
            "servers": (self.ldap_url,),
            "start_tls": self._certificate is not None,
            "ca_file": self.ca_file,
            "bind_dn": SERVICE,
            "bind_password": SERVICE_PASSWORD,
            "base": BASE,
            "person_filter": "(&(objectClass=inetOrgPerson)(uid={name}))",
            "name_attribute": "uid",
            "groups": "members",
            "page_size": MOST_AT_ONCE,
        }
        return people.Directory(**(values | changes))

    def start(self) -> None:
        """Start it, or start it again with what it had."""
        urls = f"ldap://127.0.0.1:{self.port}/"
        if self._certificate is not None:
            urls += f" ldaps://127.0.0.1:{self.tls_port}/"
        conf = self.folder / "slapd.conf"
        self._process = subprocess.Popen(
            [_slapd(), "-d", "0", "-h", urls, "-f", str(conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        come_about(self._answers)

    def join(self, group: str, *names: str) -> None:
        """Put people or groups into a group."""
        members = [self._dn(name) for name in names]
        self._modify(_group_dn(group), {"member": [(ldap3.MODIFY_ADD, members)]})

    def leave(self, group: str, *names: str) -> None:
        """Take them out again (a group must keep one member)."""
        members = [self._dn(name) for name in names]
        self._modify(_group_dn(group), {"member": [(ldap3.MODIFY_DELETE, members)]})

    def change(self, name: str, attribute: str, *values: str) -> None:
        """Replace an attribute of a person."""
        self._modify(self._dn(name), {attribute: [(ldap3.MODIFY_REPLACE, list(values))]})

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "slapd has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _modify(self, dn: str, changes: Mapping[str, Any]) -> None:
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, _ROOT, _ROOT_PASSWORD, auto_bind=True, raise_exceptions=True
        )
        try:
            connection.modify(dn, changes)
        finally:
            connection.unbind()

    def _dn(self, name: str) -> str:
        if name in self._groups:
            return _group_dn(name)
        return next(each.dn for each in self._everybody if each.name == name)

    def _load(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir()
        tls = ""
        if self._certificate is not None:
            tls = (
                f"TLSCertificateFile {self._certificate}\n"
                f"TLSCertificateKeyFile {self._certificate}\nTLSVerifyClient never"
            )
        conf = self.folder / "slapd.conf"
        conf.write_text(
            _CONF.format(
                folder=self.folder,
                tls=tls,
                most=MOST_AT_ONCE,
                base=BASE,
                root=_ROOT,
                root_password=_ROOT_PASSWORD,
                service=SERVICE,
            )
        )
        ldif = self.folder / "data.ldif"
        ldif.write_text("\n\n".join("\n".join(entry) for entry in self._entries()) + "\n")
        subprocess.run(
            [_slapd("slapadd"), "-q", "-f", str(conf), "-l", str(ldif)],
            check=True,
            capture_output=True,
            timeout=60,
        )

    def _entries(self) -> Iterator[list[str]]:
        yield _entry(BASE, objectClass=["dcObject", "organization"], dc=["force"], o=["Force"])
        for unit in ("people", "groups"):
            yield _entry(f"ou={unit},{BASE}", objectClass=["organizationalUnit"], ou=[unit])
        yield _entry(
            SERVICE,
            objectClass=["organizationalRole", "simpleSecurityObject"],
            cn=["watchhouse"],
            userPassword=[SERVICE_PASSWORD],
        )
        # Each search in the tree names it as a place to look in besides, as AD's do.
        yield _entry(
            f"ou=elsewhere,{BASE}",
            objectClass=["referral", "extensibleObject"],
            ou=["elsewhere"],
            ref=[f"ldap://127.0.0.1:1/ou=elsewhere,{BASE}"],
        )
        for person in self._everybody:
            values: dict[str, Sequence[str]] = {
                "objectClass": ["inetOrgPerson", "extensibleObject"],
                "uid": [person.name],
                "sAMAccountName": [person.name],
                "cn": [person.display or person.name],
                "sn": [person.display or person.name],
                "userPassword": [person.password],
            }
            if person.display:
                values["displayName"] = [person.display]
            if person.unit:
                values["department"] = [person.unit]
            if person.kind:
                values["employeeType"] = [person.kind]
            if person.manager:
                values["manager"] = [self._dn(person.manager)]
            yield _entry(person.dn, **(values | dict(person.more)))
        for group, members in self._groups.items():
            yield _entry(
                _group_dn(group),
                objectClass=["groupOfNames"],
                cn=[group],
                member=[self._dn(name) for name in members],
            )


@dataclass
class Scripted:
    """A server of a few answers. `heard` is all that came."""

    port: int
    heard: bytearray = field(default_factory=bytearray)


@contextlib.contextmanager
def scripted(answer: Callable[[bytes], Iterable[bytes]]) -> Iterator[Scripted]:
    """A server that answers each message with pieces of its own choosing.

    Args:
        answer: gets what came in one piece; a `bytes` of its result is sent at once, the next when
            it is asked for, until the other side is gone.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        server = Scripted(listening.getsockname()[1])
        thread = threading.Thread(target=_follow, args=(listening, server, answer))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            assert not thread.is_alive()


def _follow(
    listening: socket.socket, server: Scripted, answer: Callable[[bytes], Iterable[bytes]]
) -> None:
    with contextlib.suppress(OSError):  # the end of the test
        while True:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):  # the other side has gone
                while message := connection.recv(65536):
                    server.heard += message
                    for piece in answer(message):
                        connection.sendall(piece)


def message_like(request: bytes, operation: bytes) -> bytes:
    """An LDAP message (RFC 4511 4.1.1) with the number of a request, both of short lengths."""
    number = request[2 : 4 + request[3]]
    return bytes((0x30, len(number) + len(operation))) + number + operation


def result(tag: int, code: int, said: str = "") -> bytes:
    """An operation that is but a result (RFC 4511 4.1.9)."""
    text = said.encode()
    body = bytes((0x0A, 1, code, 0x04, 0, 0x04, len(text))) + text
    return bytes((tag, len(body))) + body


@contextlib.contextmanager
def deaf_server() -> Iterator[int]:
    """The port of a server that takes connections and never says anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


def _group_dn(group: str) -> str:
    return f"cn={ldap3.utils.dn.escape_rdn(group)},ou=groups,{BASE}"


def _entry(dn: str, **attributes: Sequence[str]) -> list[str]:
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        lines += [_line(name, value) for value in values]
    return lines


def _line(name: str, value: str) -> str:
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _slapd(program: str = "slapd") -> str:
    found = shutil.which(program, path=_PLACES)
    assert found, "slapd is not installed (Debian: slapd)"
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
