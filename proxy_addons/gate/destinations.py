"""Which addresses the gateway must not connect to (`network.deny_destinations`).

In: a numeric address and port, after name resolution (or as a literal in a URL).
Out: why it is refused, or None.
Must never: resolve a name, or let an address pass because it is spelt as an IPv4-mapped IPv6 one.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy_addons.settings.model import Endpoint, Network4or6
    from proxy_addons.urlkey import UrlKey

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to know them, not to listen there
_REMEMBERED = 4096  # addresses; a gateway meets some thousands of servers in an hour

# 64:ff9b::/96 and ::ffff:0:0:0/96, before the four octets of the IPv4 address.
_PREFIXES = frozenset(
    {bytes.fromhex("0064ff9b0000000000000000"), bytes.fromhex("0000000000000000ffff0000")}
)


def embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself.

    Sources: RFC 4291 2.5.5.2 (mapped), RFC 6052 (NAT64 well-known prefix), RFC 3056 (6to4),
    RFC 7915 (IPv4-translated). Teredo (RFC 4380), local-use NAT64 and IPv4-compatible addresses are
    denied as networks.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.packed[:12] in _PREFIXES:
        return IPv4Address(address.packed[12:])
    return address


def is_local(address: str) -> bool:
    """Whether a numeric address is one of this machine's: only to those can a socket be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            # Somebody else's address (or none that this machine can use at all).
            return False
    return True


class Destinations:
    """The check made on every address just before it is connected to.

    Args:
        deny: networks that are refused.
        intranet: networks that are allowed although `deny` holds them.
        own: listeners of this gateway; connecting to them would be a loop. One on a wildcard
            address is reached by every address of the machine.
        local: whether an address is one of this machine's.
    """

    def __init__(
        self,
        deny: Iterable[Network4or6],
        intranet: Iterable[Network4or6],
        own: Iterable[Endpoint] = (),
        local: Callable[[str], bool] = is_local,
    ) -> None:
        self._deny = tuple(deny)
        self._intranet = tuple(intranet)
        self._own: dict[int, set[str]] = {}  # by port
        for endpoint in own:
            self._own.setdefault(endpoint.port, set()).add(endpoint.host)
        self._local = local
        self._known: LRUCache[str, str | None] = LRUCache(_REMEMBERED)

    def refusal_of(self, key: UrlKey) -> str | None:
        """Why a host must not be connected to, as far as that is seen before it is resolved.

        `localhost` and what is below it mean the machine that asks (RFC 6761 6.3): here that is the
        gateway, and behind a parent proxy, which resolves names itself, the parent.
        """
        if key.is_address:
            return self.refusal(key.host, key.port)
        if key.host == "localhost" or key.host.endswith(".localhost"):
            return f"{key.host} is the machine that connects"
        return None

    def refusal(self, address: str, port: int) -> str | None:
        """Why this address must not be connected to; None when it may be.

        Args:
            address: numeric IPv4 or IPv6 address. Anything else is refused.
            port: 1 to 65535.
        """
        if port in self._own and self._is_own(address, self._own[port]):
            return f"{address} port {port} is this gateway itself"
        try:
            return self._known[address]
        except KeyError:
            why = self._known[address] = self._judge(address)
            return why

    def _is_own(self, text: str, listeners: set[str]) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False  # refused right after, as no address
        anywhere = not _WILDCARDS.isdisjoint(listeners)
        return any(
            # Connecting to a wildcard address reaches this machine.
            str(form) in listeners or form.is_unspecified or (anywhere and self._local(str(form)))
            for form in (address, embedded_ipv4(address))
        )

    def _judge(self, text: str) -> str | None:
        try:
            address = ip_address(text)
        except ValueError:
            # What is no address cannot be judged: the connection in hand is refused.
            return f"{text!r} is not an address"
        for form in dict.fromkeys((address, embedded_ipv4(address))):
            if any(form in network for network in self._intranet):
                continue
            for network in self._deny:
                if form in network:
                    return f"{text} is in {network}, which network.deny_destinations refuses"
        return None
