"""`X-Forwarded-For`: the client that a load balancer speaks for.

In: the field's value, the networks of load balancers that are believed.
Out: the client's address. Must never: believe an entry that none of them has written.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from proxy_addons.settings.model import Network4or6

# Some balancers add the client's port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
_WITH_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15}))(?::[0-9]{1,5})?")


class ForwardedError(ValueError):
    """Nobody can be told from it. The request in hand is refused; the text quotes nothing."""


def speaks_for_others(address: str, balancers: Sequence[Network4or6]) -> bool:
    """Whether an address is that of a load balancer whose word is taken."""
    if not balancers:
        return False
    try:
        return _within(_read(address), balancers)
    except ValueError:
        return False  # not an address (a Unix socket, say): no balancer of ours


def client_of(value: str, balancers: Sequence[Network4or6]) -> str:
    """The client's address: the last that is not a balancer's own.

    What stands before it was written by the client, and is not even read.

    Args:
        value: all fields, joined with commas in their order.
        balancers: networks whose word is taken.

    Raises:
        ForwardedError: there is none, or it is no address.
    """
    for entry in reversed(value.split(",")):
        text = entry.strip(" \t")
        try:
            address = _read(text)
        except ValueError as problem:
            msg = "X-Forwarded-For of a load balancer that is missing or holds no address"
            raise ForwardedError(msg) from problem
        if not _within(address, balancers):
            return str(address)
    msg = "X-Forwarded-For of a load balancer that names no client"
    raise ForwardedError(msg)


def _read(text: str) -> IPv4Address | IPv6Address:
    if (match := _WITH_PORT.fullmatch(text)) is not None:
        text = match[1] or match[2]
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            msg = "an address with a zone"
            raise ValueError(msg)
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network4or6]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
