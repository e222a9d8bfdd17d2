"""Kinds of value of the settings about people: group lists, roles, ways out, addresses of servers.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: repeat a value that may hold a password in a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy_addons.policy.people import canonical_name
from proxy_addons.settings.entries import PROFILE
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    ListOf,
    Located,
    Named,
    Pattern,
    Text,
    text_of,
)
from proxy_addons.settings.netkinds import Address, Proxy, SecretVariable
from proxy_addons.settings.people import ROLES
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Scalar, describe

if TYPE_CHECKING:
    from proxy_addons.settings.model import UpstreamProxy
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

REALM = Pattern(r"[A-Z0-9][A-Z0-9.-]*", "a Kerberos realm in capitals such as FORCE.EXAMPLE")
SERVICE = Pattern(
    r"[A-Za-z]+/[A-Za-z0-9.-]+(@[A-Z0-9.-]+)?",
    "a service principal such as HTTP/proxy.force.example@FORCE.EXAMPLE",
)
ATTRIBUTE = Pattern(r"[A-Za-z][A-Za-z0-9-]*", "the name of an attribute such as sAMAccountName")
GROUP = Text("the common name of a group")


@dataclass(frozen=True, slots=True)
class LoginName:
    """The login name of a person, in canonical form."""

    wanted: str = "a login name"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return canonical_name(text)
        except ValueError as problem:
            # No name: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"found {quoted(text)}; {problem}")
            return None


@dataclass(frozen=True, slots=True)
class LdapUrl:
    """`ldap://host[:port]` or `ldaps://host[:port]`."""

    wanted: str = "ldap://host, ldap://host:port or the same with ldaps://"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. No message repeats the value: it may hold credentials."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        scheme, separator, rest = text.partition("://")
        rest = rest.removesuffix("/")
        if not separator or scheme not in {"ldap", "ldaps"} or not rest or set(rest) & set("@/? "):
            report.add(node.place, key, f"is not the address of a directory; wanted {self.wanted}")
            return None
        try:
            Address(default_port=636 if scheme == "ldaps" else 389).parse(rest)
        except ValueError as problem:
            # As above.
            report.add(node.place, key, f"holds an address {problem}; wanted {self.wanted}")
            return None
        return f"{scheme}://{rest}"


@dataclass(frozen=True, slots=True)
class PersonFilter:
    """An LDAP filter (RFC 4515) that holds `{name}` once or more, and balanced brackets."""

    wanted: str = 'an LDAP filter with {name}, such as "(uid={name})"'

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        depth, sound = 0, text.startswith("(") and text.endswith(")") and "{name}" in text
        for char in text:
            depth += {"(": 1, ")": -1}.get(char, 0)
            sound = sound and depth >= 0
        if not sound or depth or re.search(r"[{}]", text.replace("{name}", "")):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class ListenName:
    """A host name or numeric address by which clients reach this gateway."""

    wanted: str = "a host name such as proxy.force.example, or an IP address"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            bare = f"[{text}]" if ":" in text else text
            return Address(default_port=443).parse(bare).host
        except ValueError:
            # No name: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The URL of a PostgreSQL database, without a password."""

    wanted: str = "postgresql://user@host:port/database, without a password"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. No message repeats the value: it may hold a password."""
        text = node.text if isinstance(node, Scalar) and node.reads_as in {"text", "raw"} else ""
        try:
            parts = urlsplit(text)
            password, host = parts.password, parts.hostname
            _ = parts.port
        except ValueError:
            # Not a URL: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"is no URL; wanted {self.wanted}")
            return None
        if password is not None or "password=" in parts.query:
            hint = "name an environment variable in standing.password_env instead"
            report.add(node.place, key, f"holds a password; wanted {self.wanted}; {hint}")
            return None
        local = host is None and "host=" in parts.query  # a Unix socket
        if parts.scheme != "postgresql" or not (host or local) or len(parts.path) < 2:
            report.add(node.place, key, f"is no such address; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class SiteUrl:
    """The URL of a site that browsers are sent to: an OpenID provider, the portal.

    Without query and fragment, as OpenID Connect Discovery 1.0, 2 has it.
    """

    wanted: str = "https://host/path of the OpenID provider (http only on this machine)"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            own = parts.hostname in {"localhost", "127.0.0.1", "::1"}
            sound = parts.scheme == "https" or (parts.scheme == "http" and own)
            sound = sound and bool(parts.hostname) and "@" not in parts.netloc
        except ValueError:
            sound = False  # reported below
        if not sound or parts.query or parts.fragment:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text.removesuffix("/")


@dataclass(frozen=True, slots=True)
class GroupProfileSource:
    """One entry of `identity.profiles`, its profile not yet checked."""

    groups: tuple[str, ...]
    profile: Located


@dataclass(frozen=True, slots=True)
class GroupProfileKind:
    """One entry of `identity.profiles`."""

    wanted: str = "a table with the keys groups and profile"

    def read(self, node: Node, key: str, report: Report) -> GroupProfileSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        groups = fields.need("groups", ListOf(GROUP, one=True, least=1), None)
        profile = fields.need("profile", Named(PROFILE), None)
        fields.done()
        if not groups or profile is None:
            return None
        return GroupProfileSource(groups, profile)


@dataclass(frozen=True, slots=True)
class RoleSource:
    """One entry of `portal.roles`."""

    role: str
    groups: tuple[str, ...]
    people: tuple[str, ...]
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class RoleKind:
    """One entry of `portal.roles`."""

    wanted: str = "a table with the keys role, groups and people"

    def read(self, node: Node, key: str, report: Report) -> RoleSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        role = fields.need("role", Choice(ROLES), "")
        groups = fields.take("groups", ListOf(GROUP, one=True), ())
        people = fields.take("people", ListOf(LoginName(), one=True), ())
        fields.done()
        if not role:
            return None
        if not groups and not people:
            report.add(node.place, key, "gives the role to nobody; wanted groups or people")
            return None
        return RoleSource(role, groups or (), people or (), node.place, key)


@dataclass(frozen=True, slots=True)
class EgressSource:
    """One entry of `network.egress`, its profile and secret not yet checked."""

    profile: Located
    source_address: str | None
    proxy: UpstreamProxy | None
    credentials_env: str | None
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class EgressKind:
    """One entry of `network.egress`."""

    wanted: str = "a table with the keys profile, source_address, proxy and proxy_credentials_env"

    def read(self, node: Node, key: str, report: Report) -> EgressSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        profile = fields.need("profile", Named(PROFILE), None)
        source = fields.take("source_address", _SourceAddress(), None)
        proxy = fields.take("proxy", Proxy("proxy_credentials_env"), None)
        variable = fields.take("proxy_credentials_env", SecretVariable(), None)
        written = any(fields.node(name) is not None for name in ("source_address", "proxy"))
        fields.done()
        if profile is None:
            return None
        if not written:
            report.add(node.place, key, "names no way out; wanted source_address or proxy")
        if proxy is not None and proxy.scheme != "http":
            message = "a way out of its own is reached in the clear only; wanted http://host:port"
            report.add(node.place, f"{key}.proxy", message)
        if variable is not None and proxy is None:
            message = "given without proxy, whose credentials they would be"
            report.add(node.place, f"{key}.proxy_credentials_env", message)
        return EgressSource(profile, source, proxy, variable, node.place, key)


@dataclass(frozen=True, slots=True)
class _SourceAddress:
    """A numeric address of this machine."""

    wanted: str = "an IP address of this machine"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            bare = f"[{text}]:0" if ":" in text else f"{text}:0"
            return Address(first_port=0, names=False).parse(bare).host
        except ValueError:
            # No address: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
