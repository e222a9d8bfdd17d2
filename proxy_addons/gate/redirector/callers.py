"""Who asks, as far as a line of Squid's says it: a name that Squid authenticated, an address.

In: the file of people (`watchhouse decide --people`), the settings' addresses. Out: a `Person`.
Must never: take the name in DNS for a proof of anything, or give an exempt profile: whether there
is a live exemption cannot be known here.

The file is squidGuard's `src` blocks in our form: the first entry that fits counts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from proxy_addons.gate.people import person_of
from proxy_addons.gate.redirector.entries import entries_of
from proxy_addons.policy.model import Person
from proxy_addons.policy.people import canonical_name
from proxy_addons.policy.states import as_given
from proxy_addons.settings.entries import PROFILE
from proxy_addons.settings.kinds import Fields, ListOf, Located, Named, Text
from proxy_addons.settings.netkinds import Net
from proxy_addons.settings.problems import Report, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.identity.addresses import AddressMap
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.model import Network4or6
    from proxy_addons.settings.tree import Node

BY_SQUID = "squid"
_REMEMBERED = 16_384  # clients, by address and name


@dataclass(frozen=True, slots=True)
class Entry:
    """Some people, and their profile.

    Attributes:
        names: canonical names that Squid authenticates; None: whatever the name, or without one.
        networks: of clients; None: from anywhere.
        profile: theirs.
    """

    names: frozenset[str] | None
    networks: tuple[Network4or6, ...] | None
    profile: str


@dataclass(frozen=True, slots=True)
class _Entry:
    wanted: str = "a table with the keys names or networks or both, and profile"

    def read(self, node: Node, key: str, report: Report) -> tuple[Entry, Located] | None:
        fields = Fields(node, key, report, self.wanted)
        name = Text("the name of a person, as Squid authenticates it")
        names = fields.take("names", ListOf(name, one=True, least=1), None)
        nets: ListOf[Network4or6] = ListOf(Net(), one=True, least=1)
        networks = fields.take("networks", nets, None)
        profile = fields.need("profile", Named(PROFILE), None)
        fields.done()
        if profile is None:
            return None
        try:
            known = None if names is None else frozenset(map(canonical_name, names))
        except ValueError as problem:
            # The file is refused: an entry for nobody would be passed by in silence.
            report.add(node.place, f"{key}.names", str(problem))
            return None
        return Entry(known, networks, profile.text), profile


def read_people(path: Path, policy: Policy) -> tuple[Entry, ...]:
    """The entries of a file of people.

    Raises:
        SettingsError: anything is wrong with it; every problem with file, line and key.
    """
    report = Report()
    entries = entries_of(path, "people", _Entry(), report)
    for _, profile in entries:
        if profile.text not in policy.profiles:
            hint = nearest(profile.text, policy.profiles)
            report.add(profile.place, profile.key, f"policy.yaml has no such profile{hint}")
    report.raise_if_any()
    return tuple(entry for entry, _ in entries)


class Callers:
    """Who the clients behind Squid are.

    Args:
        entries: of the file of people, in order.
        addresses: of the settings; they count where no entry fits.
        policy: in force.
    """

    def __init__(self, entries: tuple[Entry, ...], addresses: AddressMap, policy: Policy) -> None:
        self._entries = entries
        self._addresses = addresses
        self._policy = policy
        self._states = as_given(())
        self._by_network = any(entry.networks is not None for entry in entries)
        self._known: dict[tuple[str, str | None], Person] = {}
        self._people: dict[tuple[str | None, str, str], Person] = {}

    def person(self, client: str, name: str | None) -> Person:
        """Who it is; somebody unknown has the strictest profile.

        Args:
            client: address.
            name: canonical, as Squid authenticated it; None for nobody.
        """
        person = self._known.get((client, name))
        if person is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()  # those who are there are looked up anew
            person = self._known[client, name] = self._look_up(client, name)
        return person

    def _look_up(self, client: str, name: str | None) -> Person:
        known = self._addresses.person(client)
        profile = self._profile(client, name) or known.profile
        if name is not None:
            return self._made(name, BY_SQUID, profile)
        return self._made(known.name, known.how, profile)

    def _made(self, name: str | None, how: str, profile: str) -> Person:
        """One object for all that nothing tells apart: clients come by the thousand."""
        person = self._people.get((name, how, profile))
        if person is None:
            if len(self._people) >= _REMEMBERED:
                self._people.clear()
            person = Person(name, how, self._without(profile), states=self._states)
            self._people[name, how, profile] = person
        return person

    def _profile(self, client: str, name: str | None) -> str | None:
        """Of the first entry that fits; None where none does."""
        address: IPv4Address | IPv6Address | None = None
        if self._by_network:
            with suppress(ValueError):  # no address: entries for networks are passed by
                address = ip_address(client)
            address = getattr(address, "ipv4_mapped", None) or address
        for entry in self._entries:
            if entry.names is not None and name not in entry.names:
                continue
            if entry.networks is not None and not any(
                address is not None and address in network for network in entry.networks
            ):
                continue
            return entry.profile
        return None

    def _without(self, profile: str) -> str:
        """The profile without an exemption, as the gate gives it to somebody who has none."""
        held = person_of(
            "-", BY_SQUID, profile, policy=self._policy, snapshot=None, age=0.0, stale=0.0, now=0.0
        )
        return held.person.profile
