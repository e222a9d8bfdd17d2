"""Atoms: conditions on the address, the person, the client and its program, each met as a whole.

In: the atoms that a policy's rules name; the facts of a request, as they become known.
Out: tokens, which `Facts.atoms` holds: of the atoms that rules name, what is known of each.
Must never: say that an atom is met, or not met, where that is not known; look at what no rule asks.

Of each atom there are four tokens. `+`: it is met. `-`: it is not. `?+`: it may be, `?-`: it may be
not, as far as is known. Rules that allow look for the first two, all others for the latter too.

Not known are: the path, while a tunnel is opened; the program (`User-Agent`), where nobody has said
it; the person, where nobody has proven who they are: then they are not known to be any, and not
known not to be one. What stands in a rule for people whose profile is the strictest (access is
withdrawn) opens nothing: of them nothing counts but against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.urlkey.texts import expression_text, folded, request_text, without_common_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from proxy_addons.policy.model import Person
    from proxy_addons.urlkey import UrlKey

    type Search = Callable[[str], bool]
    type Compile = Callable[[str], Search]

URL: Final = "url"
URL_MATCHES: Final = "url_matches"
PERSONS: Final = "persons"
GROUPS: Final = "groups"
CLIENTS: Final = "clients"
PORTS: Final = "ports"
USER_AGENT: Final = "user_agent"
ATOM_KINDS: Final = frozenset({URL, URL_MATCHES, PERSONS, GROUPS, CLIENTS, PORTS, USER_AGENT})

_NONE: Final = frozenset[str]()
_REMEMBERED: Final = 4096  # clients, programs: they come back
_LONGEST: Final = 512  # characters of a `User-Agent` that is remembered

type Value = str | tuple[int, int] | IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Atom:
    """One condition as a rule has it: any one of its values is enough.

    Attributes:
        kind: of `ATOM_KINDS`.
        values: prefix texts (urlkey/texts.py), expressions, canonical names, folded groups,
            networks, or ranges of ports with both ends.
    """

    kind: str
    values: tuple[Value, ...]

    def token(self, sign: str) -> str:
        """The token that says `+`, `-`, `?+` or `?-` of it."""
        return f"{sign}{self.kind} {' '.join(map(str, self.values))}"


def meant(atom: Atom, *, negated: bool, strict: bool) -> frozenset[str]:
    """The tokens of which any one makes a leaf hold.

    Args:
        atom: of the leaf.
        negated: whether it must not be met.
        strict: whether the rule does not allow.
    """
    sign = "-" if negated else "+"
    return frozenset(atom.token(each) for each in ((sign, f"?{sign}") if strict else (sign,)))


class _Sides(NamedTuple):
    """What can be known of one atom, as tokens.

    Attributes:
        met: it is met.
        unmet: it is not.
        open: it may be met, and may be not.
        may: it may be met: known, but of somebody for whom nothing counts but against them.
        may_not: it may be not met.
    """

    met: frozenset[str]
    unmet: frozenset[str]
    open: frozenset[str]
    may: frozenset[str]
    may_not: frozenset[str]

    def of(self, *, met: bool | None) -> frozenset[str]:
        if met is None:
            return self.open
        return self.met if met else self.unmet


def _sides(atom: Atom) -> _Sides:
    met, unmet, may, may_not = (atom.token(sign) for sign in ("+", "-", "?+", "?-"))
    return _Sides(
        frozenset({met}),
        frozenset({unmet}),
        frozenset({may, may_not}),
        frozenset({may}),
        frozenset({may_not}),
    )


class Guard(NamedTuple):
    """What else a rule asks for that names an atom: where that is not met, the atom is not asked.

    Attributes:
        hosts: None: any.
        categories: None: any.
    """

    hosts: frozenset[str] | None
    categories: frozenset[str] | None


class Atoms:
    """The atoms of a policy.

    Args:
        guards: atom → what the rules that name it ask for besides.
        compiled: makes a matcher of an expression.
        strictest: the profile of people of whom nothing counts but against them.
    """

    def __init__(
        self,
        guards: Mapping[Atom, Collection[Guard]],
        compiled: Compile,
        strictest: str,
    ) -> None:
        self._strictest = strictest
        sides = {atom: _sides(atom) for atom in guards}

        def of(kind: str) -> list[tuple[Atom, _Sides]]:
            return [(atom, side) for atom, side in sides.items() if atom.kind == kind]

        self._persons = [(frozenset(atom.values), side) for atom, side in of(PERSONS)]
        self._groups = [(frozenset(atom.values), side) for atom, side in of(GROUPS)]
        self.groups = frozenset(
            value for names, _ in self._groups for value in names if isinstance(value, str)
        )
        self._ports = [(_ranges(atom.values), side) for atom, side in of(PORTS)]
        self._clients = [(_networks(atom.values), side) for atom, side in of(CLIENTS)]
        self._agents = [
            ([compiled(each) for each in _texts(atom.values)], side)
            for atom, side in of(USER_AGENT)
        ]
        self._patterns = [
            ([compiled(each) for each in _texts(atom.values)], side, tuple(guards[atom]))
            for atom, side in of(URL_MATCHES)
        ]
        self._elsewhere, self._by_host = _hosts_of(of(URL))
        self._of_port: dict[int, frozenset[str]] = {}
        self._of_client: dict[str | None, frozenset[str]] = {}
        self._of_agent: dict[str | None, frozenset[str]] = {}

    def about(self, client: str | None, user_agent: str | None) -> frozenset[str]:
        """What is known by whom a request comes from.

        Args:
            client: numeric address of the client; None: not known.
            user_agent: what it says of its program, "" nothing; None: not known yet.
        """
        found = _NONE
        if self._clients:
            found = self._remembered(self._of_client, client, self._client)
        if self._agents:
            found |= self._remembered(self._of_agent, user_agent, self._agent)
        return found

    def of_person(self, person: Person, profile: str) -> frozenset[str]:
        """What is known by who asks.

        Args:
            person: who.
            profile: that applies.
        """
        if not self._persons and not self._groups:
            return _NONE
        # Proven names are canonical; those that a command is given may be spelt otherwise.
        name: Collection[str] | None = None if person.name is None else (person.name.casefold(),)
        counts = profile != self._strictest
        return _NONE.union(
            *(_who(values, side, name, counts=counts) for values, side in self._persons),
            *(_who(values, side, person.groups, counts=counts) for values, side in self._groups),
        )

    def of_key(
        self, key: UrlKey, hosts: frozenset[str], categories: frozenset[str]
    ) -> frozenset[str]:
        """What is known by an address.

        Args:
            key: the address; without a path, that is not known yet.
            hosts: of those that rules name, those that it is or is under.
            categories: of the address.
        """
        found = self._elsewhere
        if self._by_host:
            bare = key.host if key.is_address else without_common_label(key.host)
            here = self._by_host.get(bare)
            if here is not None:
                found = _by_prefix(here, key, request_text(key, bare))
        if self._ports:
            ports = self._of_port.get(key.port)
            if ports is None:
                ports = self._of_port[key.port] = self._port(key.port)
            found |= ports
        if self._patterns:
            found |= self._matching(key, hosts, categories)
        return found

    def _matching(
        self, key: UrlKey, hosts: frozenset[str], categories: frozenset[str]
    ) -> frozenset[str]:
        """What expressions say. One that no rule asks about, for such an address, costs nothing."""
        found = _NONE
        texts: Sequence[str] = ()
        for searches, side, guards in self._patterns:
            if not any(
                (guard.hosts is None or not guard.hosts.isdisjoint(hosts))
                and (guard.categories is None or not guard.categories.isdisjoint(categories))
                for guard in guards
            ):
                continue
            if not key.path:
                found |= side.open
                continue
            texts = texts or _texts_of(key)
            met = any(search(text) for search in searches for text in texts)
            found |= side.of(met=met)
        return found

    def _port(self, port: int) -> frozenset[str]:
        return _NONE.union(
            *(
                side.of(met=any(first <= port <= last for first, last in ranges))
                for ranges, side in self._ports
            )
        )

    def _client(self, client: str | None) -> frozenset[str]:
        address = None if client is None else _address(client)
        if address is None:
            return _NONE.union(*(side.open for _, side in self._clients))
        return _NONE.union(
            *(
                side.of(met=any(address in network for network in networks))
                for networks, side in self._clients
            )
        )

    def _agent(self, user_agent: str | None) -> frozenset[str]:
        if user_agent is None:
            return _NONE.union(*(side.open for _, side in self._agents))
        return _NONE.union(
            *(
                side.of(met=any(search(user_agent) for search in searches))
                for searches, side in self._agents
            )
        )

    @staticmethod
    def _remembered(
        known: dict[str | None, frozenset[str]],
        said: str | None,
        ask: Callable[[str | None], frozenset[str]],
    ) -> frozenset[str]:
        found = known.get(said)
        if found is None:
            found = ask(said)
            if said is None or len(said) <= _LONGEST:
                if len(known) >= _REMEMBERED:
                    known.clear()
                known[said] = found
        return found


class _Host(NamedTuple):
    """What prefixes say of the addresses of one host.

    Attributes:
        others: of the atoms that name other hosts only.
        here: the others' prefixes, with what they say.
    """

    others: frozenset[str]
    here: tuple[tuple[tuple[str, ...], _Sides], ...]


def _hosts_of(atoms: Sequence[tuple[Atom, _Sides]]) -> tuple[frozenset[str], dict[str, _Host]]:
    """What prefixes say of hosts that none of them names, and of each of the others."""
    texts = {atom: _texts(atom.values) for atom, _ in atoms}
    hosts = {host_of_text(text) for each in texts.values() for text in each}
    found = {}
    for host in hosts:
        here, others = [], _NONE
        for atom, side in atoms:
            prefixes = tuple(text for text in texts[atom] if host_of_text(text) == host)
            if prefixes:
                here.append((prefixes, side))
            else:
                others |= side.unmet
        found[host] = _Host(others, tuple(here))
    return _NONE.union(*(side.unmet for _, side in atoms)), found


def _by_prefix(host: _Host, key: UrlKey, text: str) -> frozenset[str]:
    found = host.others
    for prefixes, side in host.here:
        met = True if text.startswith(prefixes) else False if key.path else None
        found |= side.of(met=met)
    return found


def host_of_text(text: str) -> str:
    """The host of a prefix text: `example.com` of `com.example./a`."""
    host = text.partition("/")[0]
    return host[1:-2] if host.startswith("[") else ".".join(host[:-1].split(".")[::-1])


def _texts_of(key: UrlKey) -> Sequence[str]:
    """What expressions are searched in: as the address is spelt, and as prefixes compare it."""
    text = expression_text(key)
    plain = key.host + folded(key.path, f"?{key.query}" if key.query else "")
    return (text,) if plain == text else (text, plain)


def _who(
    values: frozenset[Value], side: _Sides, names: Collection[str] | None, *, counts: bool
) -> frozenset[str]:
    """What is known of a person by their names.

    Args:
        values: the names that a rule has.
        side: the atom's.
        names: the person's; None: not known.
        counts: whether it may open anything.
    """
    if names is None:
        return side.may_not
    met = not values.isdisjoint(names)
    if counts:
        return side.of(met=met)
    return side.may if met else side.may_not


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None  # no address (a Unix socket, say): it is in no network that is known
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _texts(values: Iterable[Value]) -> list[str]:
    return [each for each in values if isinstance(each, str)]


def _ranges(values: Iterable[Value]) -> list[tuple[int, int]]:
    return [each for each in values if isinstance(each, tuple)]


def _networks(values: Iterable[Value]) -> list[IPv4Network | IPv6Network]:
    return [each for each in values if isinstance(each, IPv4Network | IPv6Network)]
