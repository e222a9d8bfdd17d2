"""The PAC file: which requests a browser sends to which of our proxies.

In: the settings, and the `host:port` of each proxy as a browser reaches it.
Out: the JavaScript of `/proxy.pac` and `/wpad.dat`; the logic is in pac.js, the values stand above.
Must never: end in DIRECT, or put a value into the script that is not JSON-encoded.
"""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.urlkey import UrlKeyError, authority_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.settings.model import Endpoint, Network4or6, Settings

CONTENT_TYPE = "application/x-ns-proxy-autoconfig"

_SCRIPT = (Path(__file__).parent / "pac.js").read_text("utf-8")

# Literal addresses that a browser reaches by itself: the gateway would refuse to connect to them.
_LOCAL_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",  # loopback
        "10.0.0.0/8",  # private (RFC 1918)
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # link-local (RFC 3927)
        "::1/128",  # loopback
        "fc00::/7",  # unique local (RFC 4193)
        "fe80::/10",  # link-local
    )
)

_PROXY = re.compile(
    r"(?P<secure>HTTPS )?(?P<at>(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5}))"
)


class PacError(ValueError):
    """A proxy address that must not get into a PAC file. The portal does not hand the file out."""


def is_wildcard(endpoint: Endpoint) -> bool:
    """Whether a listener is bound to every address of the machine."""
    try:
        return ip_address(endpoint.host).is_unspecified
    except ValueError:  # a name
        return endpoint.host in {"", "*"}


def host_and_port(host: str, port: int) -> str:
    """The two as one, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(header: str | None) -> str | None:
    """The host that a Host header names, canonical; None where it names none that is valid.

    Args:
        header: as the client sent it.
    """
    if not header:
        return None
    try:
        host, _ = authority_key(header, 80)
    except UrlKeyError:
        # The caller then goes by the address of the connection; the request itself goes on.
        return None
    return host


def proxies_of(settings: Settings, reached_at: str) -> tuple[str, ...]:
    """The proxies to name, as `host:port`, or `HTTPS host:port` where they are reached by TLS.

    Args:
        settings: `pac.proxies`; else the first of `listen.proxy_tls` and of `listen.proxy`, by the
            first of `listen.names` (Kerberos needs the name that its principal has).
        reached_at: host at which this client reaches this machine; used for a wildcard listener
            where no name is set.
    """
    if settings.pac.proxies:
        return settings.pac.proxies
    listen = settings.listen
    names = listen.certificate.names

    def at(end: Endpoint) -> str:
        host = names[0] if names else reached_at if is_wildcard(end) else end.host
        return host_and_port(host, end.port)

    # Passwords are not asked for in the clear, so that who cannot do TLS loses nothing but them.
    return (*(f"HTTPS {at(end)}" for end in listen.proxy_tls[:1]), at(listen.proxy[0]))


def _network(network: Network4or6) -> dict[str, Any]:
    packed = network.network_address.packed
    if isinstance(network, IPv4Network):
        length = network.prefixlen
    else:
        length, mapped = network.prefixlen, network.network_address.ipv4_mapped
        if mapped is not None and length >= 96:
            # The script reads mapped addresses as IPv4 ones.
            packed, length = mapped.packed, length - 96
    groups = [int.from_bytes(packed[i : i + 2]) for i in range(0, len(packed), 2)]
    return {"groups": groups, "length": length}


def script(settings: Settings, proxies: Sequence[str]) -> str:
    """The PAC file.

    Args:
        settings: for the names and networks of the intranet.
        proxies: `host:port` or `HTTPS host:port` of each proxy; at least one.

    Returns:
        ECMAScript 3, ASCII only in its values.

    Raises:
        PacError: a proxy is neither.
    """
    hosts: list[str] = []
    secure: list[str] = []
    plain: list[str] = []
    for proxy in proxies:
        match = _PROXY.fullmatch(proxy)
        if match is None or not 0 < int(match["port"]) < 65536:
            msg = (
                f"pac.proxies: {proxy!r} is not host:port with a port from 1 to 65535, nor that "
                "behind HTTPS and a space"
            )
            raise PacError(msg)
        (secure if match["secure"] else plain).append(match["at"])
        hosts.append(match["host"].lower().strip("[]"))
    if not hosts:
        raise PacError("pac.proxies: there is no proxy to name")
    config = {
        "secure": secure,
        "proxies": plain,
        # The gateway and its portal themselves are reached directly.
        "hosts": sorted(set(hosts)),
        "names": [name.lower().strip(".") for name in settings.network.intranet_names],
        "networks": [
            _network(network) for network in (*_LOCAL_NETWORKS, *settings.network.intranet_networks)
        ],
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in config.items()]
    return "var CONFIG = {\n" + ",\n".join(lines) + "\n};\n\n" + _SCRIPT
