"""The settings about people, frozen: how they are known, where what is known is kept, who may what.

In: nothing (settings/load.py fills these). Out: values for identity/, standing/, gate/ and portal/.
Must never: hold a secret in a `repr`: secrets come from environment variables that keys name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import AddressEntry, Endpoint, Network4or6

PROVIDERS = ("addresses", "kerberos", "basic")
"""Ways in which a client may be known, as `identity.order` names them."""

ROLES = ("line-manager", "information-security", "psd", "auditor", "operator")
"""Roles in the portal that groups give. Everybody who signs in is `staff` besides."""


@dataclass(frozen=True, slots=True)
class Kerberos:
    """`identity.kerberos`: SPNEGO (RFC 4559) with tickets for a key of ours.

    Attributes:
        keytab: file with the keys of the service principals; None: Kerberos is not used.
        service: the one principal whose tickets are taken, `HTTP/proxy.force.example@REALM`; None
            takes tickets for any key of the keytab.
        realms: realms whose people are taken, in capitals; the first is the force's own, whose
            people are known without it. Empty: the realm of the keytab's first key alone.
    """

    keytab: Path | None = None
    service: str | None = None
    realms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Basic:
    """`identity.basic`: names and passwords (RFC 7617).

    Attributes:
        check: `directory` (an LDAP bind) or `file` (argon2 hashes, for small sites).
        file: lines `name:hash` for `file`, made by `watchhouse password`; else None.
        realm: what the browser's prompt says.
        in_the_clear: whether passwords are taken over a listener without TLS from elsewhere than
            this machine.
        remember: seconds for which a proven password is not checked again.
    """

    check: str = "directory"
    file: Path | None = None
    realm: str = "Watchhouse"
    in_the_clear: bool = False
    remember: float = 300.0


@dataclass(frozen=True, slots=True)
class LoadBalancers:
    """`identity.load_balancers`: whose word on the client's address is taken.

    Attributes:
        proxy_protocol: networks whose connections must begin with a PROXY protocol header (v2).
        forwarded_for: networks whose requests say the client in `X-Forwarded-For`.
    """

    proxy_protocol: tuple[Network4or6, ...] = ()
    forwarded_for: tuple[Network4or6, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupProfile:
    """One entry of `identity.profiles`; the first whose groups a person is all in counts.

    Attributes:
        groups: common names of groups, as the directory spells them; compared without case.
        profile: id of the profile.
    """

    groups: tuple[str, ...]
    profile: str


@dataclass(frozen=True, slots=True)
class Identity:
    """`identity`: how people are known, and which profile they have.

    Attributes:
        addresses: who uses which client address.
        order: ways in which a client may be known, the first that does wins; of `PROVIDERS`.
        kerberos: see `Kerberos`.
        basic: see `Basic`.
        load_balancers: see `LoadBalancers`.
        profiles: profiles by group, in order.
        default_profile: of people who are proven and in none of these groups; None: the strictest.
        lifetime: seconds for which a connection counts as its person's after the sign-in.
    """

    addresses: tuple[AddressEntry, ...] = ()
    order: tuple[str, ...] = ("addresses",)
    kerberos: Kerberos = field(default_factory=Kerberos)
    basic: Basic = field(default_factory=Basic)
    load_balancers: LoadBalancers = field(default_factory=LoadBalancers)
    profiles: tuple[GroupProfile, ...] = ()
    default_profile: str | None = None
    lifetime: float = 43200.0

    @property
    def challenges(self) -> bool:
        """Whether clients may be asked to sign in."""
        return "kerberos" in self.order or "basic" in self.order


@dataclass(frozen=True, slots=True)
class Directory:
    """`directory`: the LDAP directory that knows people's groups.

    Attributes:
        servers: `ldap://host[:port]` or `ldaps://host[:port]`, tried in order; empty: no directory.
        start_tls: whether `ldap://` connections are upgraded (RFC 4511 4.14). Refused by settings/
            together with passwords when False, except on loopback.
        ca_file: PEM file that the servers' certificates are checked against; None: the system's.
        bind_dn: who reads the directory; None: anonymous.
        bind_password: from the variable that `directory.bind_password_env` names.
        base: under which people and groups are searched.
        group_base: under which groups count; None: under `base`. Whoever may make groups elsewhere
            cannot then copy the name of one that gives something.
        person_filter: finds a person; `{name}` stands for the escaped login name.
        name_attribute: holds the login name (`sAMAccountName`, `uid`).
        groups: `member-of-chain` (Active Directory answers nested groups itself) or `members`
            (groups are searched by their `member` attribute, level by level).
        display_attribute: the person's name for people.
        unit_attribute: unit or department.
        manager_attribute: holds the DN of the line manager.
        kind_attribute: says officer or staff.
        timeout: seconds for one question to one server.
        ttl: seconds for which an answer is fresh.
        stale: seconds for which an answer still counts while no server answers.
        page_size: entries for each page of an answer (RFC 2696).
    """

    servers: tuple[str, ...] = ()
    start_tls: bool = True
    ca_file: Path | None = None
    bind_dn: str | None = None
    bind_password: str | None = field(default=None, repr=False)
    base: str = ""
    group_base: str | None = None
    person_filter: str = "(&(objectClass=person)(sAMAccountName={name}))"
    name_attribute: str = "sAMAccountName"
    groups: str = "member-of-chain"
    display_attribute: str = "displayName"
    unit_attribute: str = "department"
    manager_attribute: str = "manager"
    kind_attribute: str = "employeeType"
    timeout: float = 5.0
    ttl: float = 300.0
    stale: float = 14400.0
    page_size: int = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """`standing`: where exemptions, withdrawals and portal sessions are kept.

    Attributes:
        url: SQLAlchemy URL of a PostgreSQL database, without a password; None: a SQLite file in the
            data folder.
        password: from the variable that `standing.password_env` names.
        stale: seconds after the last successful reading for which exemptions still count.
    """

    url: str | None = None
    password: str | None = field(default=None, repr=False)
    stale: float = 900.0


@dataclass(frozen=True, slots=True)
class Oidc:
    """`portal.oidc`: sign-in by OpenID Connect.

    Attributes:
        issuer: URL of the provider; None: not used.
        client_id: ours at the provider.
        client_secret: from the variable that `portal.oidc.client_secret_env` names.
        name_claim: claim of the ID token that holds the login name.
    """

    issuer: str | None = None
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)
    name_claim: str = "preferred_username"


@dataclass(frozen=True, slots=True)
class RoleGroups:
    """One entry of `portal.roles`: which groups have a role.

    Attributes:
        role: one of `ROLES`.
        groups: common names of groups, compared without case; being in any one is enough.
        people: login names that have it besides (small sites without a directory).
    """

    role: str
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Portal:
    """`portal`: who may sign in, and as what.

    Attributes:
        sign_in: ways to sign in, of `kerberos`, `oidc`, `accounts`; empty: nobody can.
        accounts: file of lines `name:hash` for `accounts`, made by `watchhouse password`.
        oidc: see `Oidc`.
        roles: who has which role.
        session: seconds after which a session ends whatever is done in it.
        idle: seconds without a request after which it ends.
    """

    sign_in: tuple[str, ...] = ()
    accounts: Path | None = None
    oidc: Oidc = field(default_factory=Oidc)
    roles: tuple[RoleGroups, ...] = ()
    session: float = 28800.0
    idle: float = 1800.0


@dataclass(frozen=True, slots=True)
class Egress:
    """One entry of `network.egress`: a way out of its own for one profile.

    Attributes:
        profile: whose requests go this way.
        source_address: local address that connections are made from; None: the system's choice.
        proxy: a parent proxy that is asked for a tunnel (CONNECT) to every server; None: direct.
        proxy_credentials: `user:password` for it, from an environment variable.
    """

    profile: str
    source_address: str | None = None
    proxy: Endpoint | None = None
    proxy_credentials: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`listen.certificate` and `listen.key`: what listeners with TLS show.

    Attributes:
        chain: PEM file, our certificate first; None: one of the inspection authority's, for the
            names in `names`.
        key: PEM file of its key; None with `chain`.
        names: host names and addresses that clients reach this gateway by (`listen.names`).
    """

    chain: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
