"""Kinds of value that name places on a network: addresses, ports, networks, hosts, proxies.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: resolve a name, or repeat credentials that somebody wrote into a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING

from proxy_addons.settings.kinds import Whole, text_of
from proxy_addons.settings.model import Endpoint, UpstreamProxy
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Scalar, describe
from proxy_addons.urlkey import UrlKeyError, host_key

if TYPE_CHECKING:
    from proxy_addons.settings.model import Network4or6
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_LAST_PORT = 65535
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Address:
    """`host:port`, an IPv6 host in brackets.

    Attributes:
        first_port: 0 where "any free port" makes sense, else 1.
        default_port: taken when none is written; None when one must be.
        names: whether the host may be a name.
    """

    first_port: int = 1
    default_port: int | None = None
    names: bool = True

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        what = "host" if self.names else "ip"
        port = ":port" if self.default_port is None else "[:port]"
        return f"{what}{port}, an IPv6 address in brackets"

    def read(self, node: Node, key: str, report: Report) -> Endpoint | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return self.parse(text)
        except ValueError as problem:
            # Not an address: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"found {quoted(text)}, {problem}; wanted {self.wanted}")
            return None

    def parse(self, text: str) -> Endpoint:
        """The address in a text.

        Raises:
            ValueError: it is none; the message continues "found …,".
        """
        if text.startswith("["):
            host, bracket, port = text[1:].partition("]")
            if not bracket or (port and not port.startswith(":")):
                msg = "whose bracket is not closed before the port"
                raise ValueError(msg)
            return Endpoint(_numeric(host, 6), self._port(port[1:]))
        host, _, port = text.partition(":")
        if ":" in port:
            msg = "which may be an IPv6 address without brackets"
            raise ValueError(msg)
        if host == "*":
            msg = "where * is no address: write 0.0.0.0 or [::] for all"
            raise ValueError(msg)
        try:
            return Endpoint(_numeric(host, 4), self._port(port))
        except _NotNumericError:
            # A name, where names may be.
            if not self.names:
                raise
            return Endpoint(_name(host), self._port(port))

    def _port(self, text: str) -> int:
        if not text and self.default_port is not None:
            return self.default_port
        if _PORT.fullmatch(text) is None or not self.first_port <= int(text) <= _LAST_PORT:
            msg = f"whose port is not a number from {self.first_port} to {_LAST_PORT}"
            raise ValueError(msg)
        return int(text)


@dataclass(frozen=True, slots=True)
class PacProxy:
    """A proxy as a PAC file hands it out: `host:port`, or `HTTPS host:port` for one by TLS."""

    wanted: str = "host:port or HTTPS host:port, an IPv6 address in brackets"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        how = "HTTPS " if text.startswith("HTTPS ") else ""
        try:
            return how + render(Address().parse(text.removeprefix(how)))
        except ValueError as problem:
            # Not an address: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"found {quoted(text)}, {problem}; wanted {self.wanted}")
            return None


def render(endpoint: Endpoint) -> str:
    """An endpoint as `host:port`, IPv6 in brackets."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """The URL of a parent proxy, without credentials.

    Attributes:
        variable: the key that names the environment variable with its credentials.
    """

    variable: str = "network.upstream_proxy_credentials_env"
    wanted: str = "http://host:port or https://host:port"

    def read(self, node: Node, key: str, report: Report) -> UpstreamProxy | None:
        """See `Kind.read`. No message repeats the value: it may hold credentials."""
        text = _unquotable_text(node)
        if text is None:
            report.add(node.place, key, f"is no text; wanted {self.wanted}")
            return None
        if "@" in text:
            hint = f"name an environment variable in {self.variable} instead"
            report.add(node.place, key, f"holds credentials; wanted {self.wanted}; {hint}")
            return None
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in {"http", "https"}:
            message = f"does not begin with http:// or https://; wanted {self.wanted}"
            report.add(node.place, key, message)
            return None
        try:
            return UpstreamProxy(scheme, Address().parse(rest.removesuffix("/")))
        except ValueError as problem:
            # Not an address: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"holds an address {problem}; wanted {self.wanted}")
            return None


@dataclass(frozen=True, slots=True)
class SecretVariable:
    """The name of an environment variable that holds a secret."""

    wanted: str = "the name of an environment variable"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. No message repeats the value: it may be the secret itself."""
        text = _unquotable_text(node)
        if text is None or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text, re.ASCII) is None:
            report.add(node.place, key, f"is no name of a variable; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class Net:
    """An IP network in CIDR notation, or a single address."""

    wanted: str = "an IP network such as 10.0.0.0/8 or fd00::/8"

    def read(self, node: Node, key: str, report: Report) -> Network4or6 | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            network = ip_network(text)
        except ValueError:
            # No network: reported, and the whole configuration is refused with it.
            report.add(
                node.place, key, f"found {quoted(text)}; wanted {self.wanted}{_masked(text)}"
            )
            return None
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            hint = "write the IPv4 network: mapped addresses are judged as their IPv4"
            report.add(node.place, key, f"found {quoted(text)}; {hint}")
            return None
        return network


@dataclass(frozen=True, slots=True)
class Host:
    """A host or domain name, meant with its subdomains; or an IP address."""

    wanted: str = "a domain such as example.org (its subdomains are meant as well)"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. The value is in canonical form (urlkey)."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        bare = text.removeprefix("*").removeprefix(".")
        if bare != text:
            hint = f"; write {quoted(bare)}" if bare else ""
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}{hint}")
            return None
        try:
            return host_key(text)
        except UrlKeyError as problem:
            # No host name: reported, and the whole configuration is refused with it.
            report.add(
                node.place, key, f"found {quoted(text)}, but {problem}; wanted {self.wanted}"
            )
            return None


@dataclass(frozen=True, slots=True)
class NetOrHost:
    """An entry of a list that holds networks and domains side by side."""

    wanted: str = "an IP network such as 10.0.0.0/8, or a domain such as police.example"

    def read(self, node: Node, key: str, report: Report) -> Network4or6 | str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if "/" in text or ":" in text or re.fullmatch(r"[0-9.]+", text):
            return Net().read(node, key, report)
        return Host().read(node, key, report)


@dataclass(frozen=True, slots=True)
class Ports:
    """A port, or a range of ports in quotes."""

    wanted: str = 'a port from 1 to 65535, or a range such as "1024-65535"'

    def read(self, node: Node, key: str, report: Report) -> tuple[int, int] | None:
        """See `Kind.read`. The range is (first, last), both included."""
        if isinstance(node, Scalar) and node.reads_as in {"integer", "text", "raw"}:
            first, dash, last = node.text.partition("-")
            # One port is a number, a range is a text: "443" in quotes is neither.
            if bool(dash) is (node.reads_as == "text") or node.reads_as == "raw":
                last = last if dash else first
                if _PORT.fullmatch(first) and _PORT.fullmatch(last):
                    ports = int(first), int(last)
                    if 1 <= ports[0] <= ports[1] <= _LAST_PORT:
                        return ports
        report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
        return None


PORT = Whole(1, _LAST_PORT)


class _NotNumericError(ValueError):
    """The host of an address is not an IP address."""


def _numeric(host: str, version: int) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError as problem:
        # The caller tries a name next, or reports it.
        msg = "whose host is not an IP address"
        raise _NotNumericError(msg) from problem
    if address.version != version:
        msg = "which holds an IPv4 address in brackets"
        raise ValueError(msg)
    return str(address)


def _name(host: str) -> str:
    try:
        return host_key(host)
    except UrlKeyError as problem:
        # Reported by the caller, and the whole configuration is refused with it.
        msg = f"whose host is not a name ({problem})"
        raise ValueError(msg) from problem


def _masked(text: str) -> str:
    """A hint for an address with bits beyond its mask."""
    try:
        return f"; did you mean {ip_interface(text).network}?"
    except ValueError:
        # Nothing near it: the message stands without a hint.
        return ""


def _unquotable_text(node: Node) -> str | None:
    """The text of a node that no message may quote; None when it holds none."""
    if isinstance(node, Scalar) and node.reads_as in {"text", "raw"} and node.text:
        return node.text
    return None
