"""What is valid in a configuration and less safe than it may look: for `watchhouse check`.

In: loaded settings. Out: a key and a sentence for each.
Must never: stop a start (an operator may have reasons), or warn of the configuration as it comes.
"""

from __future__ import annotations

import stat
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from proxy_addons.settings.model import Network, Network4or6, Settings

# Where services live that were never meant to be reached through a tunnel that nobody looks into.
_ODD_PORTS = {22: "remote logins", 25: "mail", 53: "name service", 445: "file shares",
              3389: "remote desktops"}  # fmt: skip
_ITSELF: tuple[Network4or6, ...] = (
    ip_network("169.254.0.0/16"),
    ip_network("127.0.0.0/8"),
    ip_network("::1/128"),
)


def insecure(settings: Settings, wanted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What deserves a second look.

    Args:
        settings: as loaded.
        wanted: the networks that are denied by default.

    Yields:
        A dotted key and a sentence.
    """
    yield from _destinations(settings.network, [ip_network(each) for each in wanted])
    yield from _listeners(settings)


def _destinations(network: Network, wanted: list[Network4or6]) -> Iterator[tuple[str, str]]:
    if left_out := _not_covered(wanted, network.deny_destinations):
        few = ", ".join(map(str, left_out[:3])) + (", …" if len(left_out) > 3 else "")
        yield "network.deny_destinations", f"leaves out {few}: a name could lead there"
    for exempt in network.intranet_networks:
        held = next((each for each in _ITSELF if not _not_covered([each], [exempt])), None)
        if held is not None:
            message = f"{exempt} holds {held}: this machine itself, or a cloud's secrets"
            yield "network.intranet", message
    for port, service in _ODD_PORTS.items():
        if port in network.allow_ports:
            yield "network.allow_ports", f"{port} is for {service}, which no rule can look into"


def _listeners(settings: Settings) -> Iterator[tuple[str, str]]:
    listen = settings.listen
    hosts = [endpoint.host for endpoint in (*listen.proxy, *listen.proxy_tls)]
    for key, endpoint in (
        *(("listen.proxy", each) for each in listen.proxy),
        *(("listen.proxy_tls", each) for each in listen.proxy_tls),
    ):
        host = endpoint.host
        if _address(host, "is_unspecified"):
            message = (
                f"{host} is every address of this machine: whoever reaches any of them may browse. "
                "Name the inner address, or let the firewall keep others out"
            )
            yield key, message
    if all(_address(host, "is_loopback") for host in hosts):
        return
    for entry in settings.identity.addresses:
        if entry.network.is_loopback:
            message = (
                f"{entry.network} is {entry.person}: programs on this machine browse as that "
                "person. The sample entries are for a trial only"
            )
            yield "identity.addresses", message


def open_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Files and folders of the configuration that everybody on the machine may change."""
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError:
            # Not there, or not to be looked at: whoever reads it says so.
            continue
        if mode & stat.S_IWOTH and not (path.is_dir() and mode & stat.S_ISVTX):
            yield path, f"everybody on this machine may change it: chmod o-w {path}"


def readable_secrets(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Files of keys and password hashes that others than the gateway's user may read."""
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError:
            # Not there, or not to be looked at: whoever reads it says so.
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield path, f"everybody on this machine may read it: chmod o-rw {path}"


def _address(host: str, what: str) -> bool:
    try:
        return bool(getattr(ip_address(host), what))
    except ValueError:
        # A name: where it leads is not known here.
        return False


def _not_covered(wanted: Iterable[Network4or6], given: Iterable[Network4or6]) -> list[Network4or6]:
    given = list(given)
    four = list(collapse_addresses(each for each in given if isinstance(each, IPv4Network)))
    six = list(collapse_addresses(each for each in given if isinstance(each, IPv6Network)))

    def covered(each: Network4or6) -> bool:
        if isinstance(each, IPv4Network):
            return any(each.subnet_of(other) for other in four)
        return any(each.subnet_of(other) for other in six)

    return [each for each in wanted if not covered(each)]
