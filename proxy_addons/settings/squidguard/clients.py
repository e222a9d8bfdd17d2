"""Whose rules hold for which clients: squidGuard's sources as profiles.

In: sources. Out: for addresses, and for users at addresses, a chain of sources.
Must never: give anybody another source than squidGuard would: the first that fits, at the moment.

A source may hold at some times only; then those after it count. So what belongs to a client is a
chain: sources that may fit, in order, up to the first that always does and does not `continue`.
Each chain is a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    collapse_addresses,
    summarize_address_range,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.settings.squidguard.model import Source

type Chain = tuple[str, ...]
_LAST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Clients:
    """Who has which chain.

    Attributes:
        networks: of clients whose user says nothing, or who have none; those of nobody left out.
        users: names, networks (None: everywhere) and the chain, in order: the first that fits.
        chains: all of them, in order; the empty one, of everybody else, is not among them.
    """

    networks: tuple[tuple[IPv4Network, Chain], ...]
    users: tuple[tuple[tuple[str, ...], tuple[IPv4Network, ...] | None, Chain], ...]
    chains: tuple[Chain, ...]


def clients_of(sources: Iterable[Source]) -> Clients:
    """Find the chains."""
    usable = [source for source in sources if source.is_used and not source.unknown]
    cells = _cells(usable)
    networks = [
        (network, chain)
        for first, last in cells
        if (chain := _chain(usable, first, None))
        for network in _networks(first, last)
    ]
    merged = _merged(networks)
    users = _users(usable, cells)
    chains = dict.fromkeys(chain for _, chain in merged)
    chains |= dict.fromkeys(chain for _, _, chain in users if chain)
    return Clients(tuple(merged), tuple(users), tuple(chains))


def _cells(sources: list[Source]) -> list[tuple[int, int]]:
    """Ranges within which all addresses are in the same sources, over all there are."""
    starts = {0}
    for source in sources:
        for first, last in source.ranges or ():
            starts |= {int(first), int(last) + 1}
    ordered = sorted(start for start in starts if start <= _LAST)
    return list(zip(ordered, [*(start - 1 for start in ordered[1:]), _LAST], strict=True))


def _chain(sources: list[Source], address: int, user: str | None) -> Chain:
    chain = []
    for source in sources:
        if source.ranges is not None and not any(
            int(first) <= address <= int(last) for first, last in source.ranges
        ):
            continue
        if source.users is not None and user not in source.users:
            continue
        chain.append(source.name)
        if not source.timed.space and not source.goes_on:
            break
    return tuple(chain)


def _networks(first: int, last: int) -> Iterable[IPv4Network]:
    return summarize_address_range(IPv4Address(first), IPv4Address(last))


def _merged(networks: list[tuple[IPv4Network, Chain]]) -> list[tuple[IPv4Network, Chain]]:
    """The same with as few networks as may be."""
    by_chain: dict[Chain, list[IPv4Network]] = {}
    for network, chain in networks:
        by_chain.setdefault(chain, []).append(network)
    return [
        (network, chain)
        for chain, all_of in by_chain.items()
        for network in collapse_addresses(all_of)
    ]


def _users(
    sources: list[Source], cells: list[tuple[int, int]]
) -> list[tuple[tuple[str, ...], tuple[IPv4Network, ...] | None, Chain]]:
    """Users who are named anywhere, by what holds for them where."""
    named = dict.fromkeys(user for source in sources for user in source.users or ())
    alike: dict[tuple[tuple[tuple[int, int], Chain], ...], list[str]] = {}
    for user in named:
        where = tuple((cell, _chain(sources, cell[0], user)) for cell in cells)
        alike.setdefault(where, []).append(user)
    found: list[tuple[tuple[str, ...], tuple[IPv4Network, ...] | None, Chain]] = []
    for where, names in alike.items():
        at: dict[Chain, list[IPv4Network]] = {}
        for (first, last), chain in where:
            at.setdefault(chain, []).extend(_networks(first, last))
        # What holds nearly everywhere is said last, without networks.
        last_of_all = max(at, key=lambda chain: sum(each.num_addresses for each in at[chain]))
        for chain, networks in at.items():
            if chain != last_of_all:
                merged = tuple(network for network, _ in _merged([(n, chain) for n in networks]))
                found.append((tuple(names), merged, chain))
        found.append((tuple(names), None, last_of_all))
    return found
