"""All requests of one profile as a space, and the part of it that each rule matches.

In: a compiled policy, a profile. Out: formulas (search.py) of what requests can be.
Must never: leave out a request that can be: a rule that matches it would be called unreachable.

What a request is of several things that exclude each other (its address, method, port, client,
person, the time) is one variable; what can be there side by side (categories, states, findings,
groups, expressions that match) is one each, categories that all rules treat alike together one.
All is known of a request but, perhaps, who asks. States are taken as free of each other, although
on-duty and off-duty never hold together, and so are expressions.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.policy import atoms
from proxy_addons.policy.atoms import host_of_text
from proxy_addons.policy.compiled import host_and_parents
from proxy_addons.policy.conditions import (
    CATEGORIES,
    FINDINGS,
    HOSTS,
    METHODS,
    PROFILES,
    STATE,
    TIME,
    All,
    Leaf,
)
from proxy_addons.policy.measures import implied
from proxy_addons.policy.search import FALSE, TRUE, Every, In, Some, Variables
from proxy_addons.policy.timespaces import BANK_HOLIDAY, Reading
from proxy_addons.urlkey.texts import without_common_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from proxy_addons.policy.atoms import Atom
    from proxy_addons.policy.compiled import Policy, Rule
    from proxy_addons.policy.conditions import Condition
    from proxy_addons.policy.search import Formula
    from proxy_addons.policy.timespaces import TimeCondition

_UNPROVEN, _SOMEBODY = 0, 1  # persons whom no rule names
_TUNNEL = "CONNECT"
_UNKNOWN = ("groups are known", None)
_LAST_PORT = 65_535


class Address(NamedTuple):
    """What rules can tell of an address.

    Attributes:
        hosts: that rules name, and that it is or is under.
        texts: prefixes that rules name, and that it begins with.
    """

    hosts: frozenset[str]
    texts: frozenset[str]


_PLAIN: Final[tuple[object, ...]] = ("", frozenset(), Address(frozenset(), frozenset()))
"""What no rule names: a method, the networks of a client or the ranges of a port, an address."""


class Kinds[T]:
    """What a request is one of.

    Args:
        variables: of the space.
        each: what there is, each different to rules.
    """

    def __init__(self, variables: Variables, each: Iterable[T]) -> None:
        self.each = tuple(dict.fromkeys(each))
        self._variables = variables
        self._number = variables.new(len(self.each))

    def where(self, holds: Callable[[T], bool]) -> In:
        """It is one of which something holds."""
        numbers = (number for number, each in enumerate(self.each) if holds(each))
        return self._variables.within(self._number, numbers)

    def without(self) -> Formula:
        """It is one that no rule names, if there is such a one."""
        plain = [number for number, each in enumerate(self.each) if each in _PLAIN]
        return self._variables.within(self._number, plain) if plain else TRUE


class Space:
    """All requests of one profile.

    Args:
        policy: the compiled policy.
        profile: of its profiles.

    Attributes:
        variables: of which its formulas speak.
        requests: holds for all requests there can be.
    """

    def __init__(self, policy: Policy, profile: str) -> None:
        self.variables = Variables()
        self._profile = profile
        self._strictest = profile == policy.strictest_profile
        self._free: dict[tuple[str, object], int] = {}
        leaves = [leaf for rule in policy.rules for leaf in leaves_of(rule)]
        named = [leaf.atom for leaf in leaves if leaf.atom is not None]

        def values(kind: str) -> list[atoms.Value]:
            return [value for atom in named if atom.kind == kind for value in atom.values]

        times = [leaf.time for leaf in leaves if leaf.time is not None]
        self._readings = self._kinds(_readings(policy, times).values())
        methods = {name for leaf in leaves if leaf.kind == METHODS for name in leaf.meant}
        self._methods = self._kinds(["", _TUNNEL, *sorted(methods)])
        people = sorted({str(value) for value in values(atoms.PERSONS)})
        self._people = self._kinds([_UNPROVEN, _SOMEBODY, *people])
        self._clients = self._kinds(_clients(values(atoms.CLIENTS)))
        self._ports = self._kinds(_ports(values(atoms.PORTS)))
        hosts = {name for leaf in leaves if leaf.kind == HOSTS for name in leaf.meant}
        self._addresses = self._kinds(_addresses(hosts, set(map(str, values(atoms.URL)))))
        self._alike = _alike(leaves)
        self._unproven = self._people.where(lambda each: each == _UNPROVEN)
        self._groups_unknown = self._variable(_UNKNOWN)
        found = sorted({name for leaf in leaves if leaf.kind == FINDINGS for name in leaf.meant})
        # Of somebody who is not known nobody knows the groups.
        follows = [(self._unproven, self._groups_unknown)]
        follows += [
            (self._variable((FINDINGS, one)), self._variable((FINDINGS, other)))
            for one, other in implied(found)
        ]
        self.requests: Formula = Every(
            tuple(Some((self.variables.negated(one), other)) for one, other in follows)
        )

    def part(self, rule: Rule) -> Formula:
        """The requests that a rule matches."""
        also = () if rule.also is None else (self._part(rule.also),)
        return Every((*(self._leaf(leaf) for leaf in plain_leaves(rule)), *also))

    def bare(self, rule: Rule) -> Formula:
        """The requests that have as little as may be beyond what a rule names."""
        leaves = list(leaves_of(rule))
        kinds = {leaf.kind for leaf in leaves}
        own = {key for leaf in leaves for key in self._keys(leaf)}
        free = (
            self.variables.within(number, [0])
            for key, number in self._free.items()
            if key not in own and key != _UNKNOWN
        )
        one = (
            TRUE if {HOSTS, atoms.URL} & kinds else self._addresses.without(),
            TRUE if METHODS in kinds else self._methods.without(),
            TRUE if atoms.CLIENTS in kinds else self._clients.without(),
            TRUE if atoms.PORTS in kinds else self._ports.without(),
        )
        return Every((*free, *one))

    def times(self, rule: Rule) -> Formula:
        """When a rule could match, whatever else is asked for."""
        top = () if rule.time is None else (self._time(rule.time),)
        return Every(top if rule.also is None else (*top, self._part(rule.also, only=TIME)))

    def _part(self, condition: Condition, only: str = "") -> Formula:
        if isinstance(condition, Leaf):
            return TRUE if only and condition.kind != only else self._leaf(condition)
        parts = tuple(self._part(each, only) for each in condition.parts)
        return Every(parts) if isinstance(condition, All) else Some(parts)

    def _leaf(self, leaf: Leaf) -> Formula:
        if leaf.atom is not None:
            return self._atom(leaf, leaf.atom)
        if leaf.kind == TIME:
            assert leaf.time is not None
            return self._time(leaf.time)
        if leaf.kind == PROFILES:
            return TRUE if (self._profile in leaf.meant) is not leaf.negated else FALSE
        if leaf.kind == METHODS:
            return self._methods.where(lambda each: _method(leaf, each))
        met: Formula
        if leaf.kind == HOSTS:
            met = self._addresses.where(lambda each: not leaf.meant.isdisjoint(each.hosts))
        else:
            met = self._any(leaf)
        return self.variables.negated(met) if leaf.negated else met

    def _atom(self, leaf: Leaf, atom: Atom) -> Formula:
        values = frozenset(atom.values)
        unknown: Formula = FALSE
        met: Formula
        if atom.kind == atoms.PERSONS:
            met, unknown = self._people.where(lambda each: each in values), self._unproven
        elif atom.kind == atoms.GROUPS:
            unknown = self._groups_unknown
            met = Every((self._any(leaf), self.variables.negated(unknown)))
        elif atom.kind == atoms.CLIENTS:
            met = self._clients.where(lambda each: not values.isdisjoint(each))
        elif atom.kind == atoms.PORTS:
            met = self._ports.where(lambda each: not values.isdisjoint(each))
        elif atom.kind == atoms.URL:
            met = self._addresses.where(lambda each: not values.isdisjoint(each.texts))
        else:
            met = self._any(leaf)
        if atom.kind in {atoms.PERSONS, atoms.GROUPS} and self._strictest and not leaf.strict:
            return FALSE
        if not leaf.negated:
            return met
        unmet = self.variables.negated(met)
        return unmet if leaf.strict else Every((unmet, self.variables.negated(unknown)))

    def _time(self, time: TimeCondition) -> In:
        return self._readings.where(time.holds)

    def _any(self, leaf: Leaf) -> Formula:
        return Some(tuple(self._variable(key) for key in self._keys(leaf)))

    def _keys(self, leaf: Leaf) -> Iterator[tuple[str, object]]:
        """The variables that a leaf looks at, of what can be there side by side."""
        if leaf.kind == CATEGORIES:
            yield from dict.fromkeys((CATEGORIES, self._alike[name]) for name in sorted(leaf.meant))
        elif leaf.kind in {STATE, FINDINGS}:
            yield from ((leaf.kind, name) for name in sorted(leaf.meant))
        elif leaf.kind in {atoms.GROUPS, atoms.URL_MATCHES, atoms.USER_AGENT}:
            assert leaf.atom is not None
            yield from ((leaf.kind, value) for value in leaf.atom.values)

    def _variable(self, key: tuple[str, object]) -> In:
        """That something is there."""
        number = self._free.get(key)
        if number is None:
            number = self._free[key] = self.variables.new(2)
        return self.variables.within(number, [1])

    def _kinds[T](self, each: Iterable[T]) -> Kinds[T]:
        return Kinds(self.variables, each)


def plain_leaves(rule: Rule) -> Iterator[Leaf]:
    """The plain conditions of a rule in the form of the others."""
    plain = (
        (PROFILES, rule.profiles),
        (CATEGORIES, rule.categories),
        (HOSTS, rule.hosts),
        (METHODS, rule.methods),
        (STATE, rule.states),
        *((FINDINGS, wanted.meant) for wanted in rule.findings),
    )
    for kind, meant in plain:
        if meant is not None:
            yield Leaf(kind, (), meant)
    if rule.time is not None:
        yield Leaf(TIME, (), time=rule.time)


def leaves_of(rule: Rule) -> Iterator[Leaf]:
    """All conditions of a rule."""
    yield from plain_leaves(rule)
    if rule.also is not None:
        yield from rule.also.leaves()


def _method(leaf: Leaf, method: str) -> bool:
    if leaf.negated and method == _TUNNEL and _TUNNEL not in leaf.meant:
        return leaf.strict
    return (method in leaf.meant) is not leaf.negated


def _readings(policy: Policy, times: Sequence[TimeCondition]) -> dict[tuple[bool, ...], Reading]:
    """One reading for every way in which conditions on the time can hold together."""
    minutes = {0}.union(*(space.boundaries for space in policy.time_spaces.values()))
    pairs = {
        (today, yesterday)
        for weekday in range(7)
        for today in (weekday, BANK_HOLIDAY)
        for yesterday in ((weekday - 1) % 7, BANK_HOLIDAY)
    }
    spaces = list(dict.fromkeys(space for time in times for space in time.spaces))
    minutes = minutes.union(*(space.boundaries for space in spaces))
    found: dict[tuple[bool, ...], Reading] = {}
    for pair in sorted(pairs):
        for minute in sorted(minutes):
            now = Reading(*pair, minute)
            found.setdefault(tuple(space.holds(now) for space in spaces), now)
    return found


def _clients(values: Iterable[atoms.Value]) -> Iterator[frozenset[atoms.Value]]:
    """The networks, of those that rules name, in which a client can be."""
    networks = {each for each in values if isinstance(each, IPv4Network | IPv6Network)}
    yield frozenset()
    for network in sorted(networks, key=str):
        within = {each for each in networks if _is_within(network, each)}
        inner = [each for each in networks - {network} if _is_within(each, network)]
        # Where its parts together are all of it, nobody is in it alone.
        if [network] != list(_collapsed(inner)):
            yield frozenset(within)


def _collapsed(networks: Collection[IPv4Network | IPv6Network]) -> Iterable[object]:
    # All within one network, and so of one version.
    return collapse_addresses(networks)  # type: ignore[type-var]


def _is_within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _ports(values: Iterable[atoms.Value]) -> Iterator[frozenset[atoms.Value]]:
    """The ranges, of those that rules name, in which a port can be."""
    ranges = {each for each in values if isinstance(each, tuple)}
    edges = {1} | {edge for first, last in ranges for edge in (first, last + 1)}
    for port in sorted(edges):
        if port <= _LAST_PORT:
            yield frozenset(each for each in ranges if each[0] <= port <= each[1])


def _addresses(hosts: Collection[str], texts: Collection[str]) -> Iterator[Address]:
    """What rules can tell of addresses."""
    of_texts = {host_of_text(text) for text in texts}
    yield Address(frozenset(), frozenset())
    for host in sorted({*hosts, *of_texts}):
        above = frozenset(host_and_parents(host)) & frozenset(hosts)
        bare = without_common_label(host)
        here = {text for text in texts if host_of_text(text) == bare}
        root = frozenset(text for text in here if text.endswith("./"))
        yield Address(above, root)
        if not (":" in host or host.rpartition(".")[2].isdigit()):
            yield Address(above, frozenset())  # of a host below it
        for text in sorted(here):
            yield Address(above, frozenset(each for each in here if text.startswith(each)))


def _alike(leaves: Sequence[Leaf]) -> dict[str, int]:
    """Category → a number that it shares with all that the same conditions name."""
    named: dict[str, list[int]] = {}
    for number, leaf in enumerate(leaves):
        if leaf.kind == CATEGORIES:
            for name in leaf.meant:
                named.setdefault(name, []).append(number)
    numbers: dict[tuple[int, ...], int] = {}
    return {name: numbers.setdefault(tuple(where), len(numbers)) for name, where in named.items()}
