"""People known by the address of their client (`identity.addresses`).

In: the numeric address that a connection comes from. Out: a `Person`.
Must never: trust a header, or give an unknown address anything but the strictest profile.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from proxy_addons.policy.model import Person
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.settings.model import AddressEntry

BY_ADDRESS = "address"
UNIDENTIFIED = "unidentified"

_REMEMBERED = 8192  # client addresses; people come back, and reading an address costs its time


class AddressMap:
    """Who uses which client address; the most specific network that contains it wins.

    Args:
        entries: networks with their people.
        strictest_profile: the profile of everybody else.

    Raises:
        ValueError: a network is given twice, or a name is none; settings/ refuses that with file
            and line.
    """

    __slots__ = ("_by_length", "_known", "_nobody")

    def __init__(self, entries: Iterable[AddressEntry], strictest_profile: str) -> None:
        self._known: dict[str, Person] = {}
        self._nobody = Person(None, UNIDENTIFIED, strictest_profile)
        # (IP version, prefix length) → network as a number without its host bits → person.
        found: dict[tuple[int, int], dict[int, Person]] = {}
        for entry in entries:
            network = entry.network
            people = found.setdefault((network.version, network.prefixlen), {})
            number = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            if number in people:
                msg = f"the network {network} is given twice"
                raise ValueError(msg)
            people[number] = Person(canonical_name(entry.person), BY_ADDRESS, entry.profile)
        self._by_length = {
            version: [
                (length, found[each, length])
                for each, length in sorted(found, reverse=True)
                if each == version
            ]
            for version in (4, 6)
        }

    def person(self, client_ip: str) -> Person:
        """Who uses a client address.

        Args:
            client_ip: numeric IPv4 or IPv6 address. An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2),
                as a listener on `[::]` sees IPv4 clients, is its IPv4 address.

        Returns:
            The person; for an address that is unknown, or is none, an unidentified one with the
            strictest profile.
        """
        person = self._known.get(client_ip)
        if person is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()  # those who are there are read anew, at once
            person = self._known[client_ip] = self._look_up(client_ip)
        return person

    def _look_up(self, client_ip: str) -> Person:
        try:
            address = ip_address(client_ip)
        except ValueError:
            # Not an address (a Unix socket, say): nobody is known there. The request is judged
            # by the strictest profile.
            return self._nobody
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for length, people in self._by_length[address.version]:
            person = people.get(number >> (address.max_prefixlen - length))
            if person is not None:
                return person
        return self._nobody
