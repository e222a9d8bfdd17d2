"""Kinds of value of few settings: client addresses and their people; a number or a word.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: accept the same client network twice: the order of a list is no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.settings.kinds import Fields, ListOf, Located, Named, Pattern, Text, whole_number
from proxy_addons.settings.netkinds import Net
from proxy_addons.settings.tree import Scalar, describe

if TYPE_CHECKING:
    from proxy_addons.settings.model import Network4or6
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

# Lists from elsewhere use underscores; our own ids do not.
CATEGORY = Pattern(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", "a category id such as social-networks")
PROFILE = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "a profile id such as standard")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `identity.addresses`, its profile not yet checked.

    Attributes:
        network: the client's network.
        person: who uses it.
        profile: the profile of that person.
        place: where it was written.
        key: its dotted key.
    """

    network: Network4or6
    person: str
    profile: Located
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class _OneEntry:
    wanted: str = "a table with the keys network, person and profile"

    def read(self, node: Node, key: str, report: Report) -> Entry | None:
        fields = Fields(node, key, report, self.wanted)
        network = fields.need("network", Net(), None)
        person = fields.need("person", Text("the name of a person"), "")
        profile = fields.need("profile", Named(PROFILE), None)
        fields.done()
        if network is None or not person or profile is None:
            return None
        return Entry(network, person, profile, node.place, key)


@dataclass(frozen=True, slots=True)
class AddressEntries:
    """`identity.addresses`: a list of networks with their people."""

    wanted: str = "a list of tables with the keys network, person and profile"

    def read(self, node: Node, key: str, report: Report) -> tuple[Entry, ...] | None:
        """See `Kind.read`."""
        entries = ListOf(_OneEntry()).read(node, key, report)
        networks: dict[Network4or6, Entry] = {}
        people: dict[str, Entry] = {}
        for entry in entries or ():
            first = networks.setdefault(entry.network, entry)
            if first is not entry:
                message = f"the network {entry.network} is given twice, first at {first.place}"
                report.add(entry.place, f"{entry.key}.network", message)
            first = people.setdefault(entry.person, entry)
            if first.profile.text != entry.profile.text:
                message = (
                    f"gives {entry.person} the profile {entry.profile.text}, but {first.place}"
                    f" gives {first.profile.text}; a person has one profile"
                )
                report.add(entry.profile.place, entry.profile.key, message)
        return entries


@dataclass(frozen=True, slots=True)
class NumberOr:
    """A whole number within bounds, both included, or a word, for which 0 stands."""

    word: str
    first: int
    last: int

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return f"a whole number from {self.first} to {self.last}, or {self.word}"

    def read(self, node: Node, key: str, report: Report) -> int | None:
        """See `Kind.read`."""
        if isinstance(node, Scalar) and node.text == self.word:
            return 0
        number = whole_number(node)
        if number is not None and self.first <= number <= self.last:
            return number
        report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
        return None
