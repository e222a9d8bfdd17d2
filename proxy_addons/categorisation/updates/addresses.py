"""Which addresses a fetch may be led to.

In: names and addresses as they turn up while something is fetched. Out: them, or a refusal.
Must never: let a source on the Internet lead the gateway to a machine inside (a redirect, or a name
that resolves to one): what is inside may trust the gateway's address.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult


class InsideError(OSError):
    """An address inside, which the source must not lead to."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet (IANA's special-purpose registries)."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_global and not found.is_multicast


class Watched(AbstractResolver):
    """Resolves names, and remembers or refuses addresses inside.

    Attributes:
        target: the host that is asked for; others are proxies, which the settings name.
        public_only: whether addresses inside are refused.
        inside: whether a target had one so far.
    """

    def __init__(self) -> None:
        self.target = ""
        self.public_only = False
        self.inside = False
        self._inner = ThreadedResolver()

    def aim(self, host: str, *, public_only: bool) -> None:
        """Say which host is asked for next; an address is judged at once.

        Raises:
            InsideError: it is an address inside, and only public ones are allowed.
        """
        self.target, self.public_only = host, public_only
        try:
            ip_address(host.partition("%")[0])
        except ValueError:
            return  # a name: it is judged when it is resolved
        self._judge([host])

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        found = await self._inner.resolve(host, port, family)
        if host == self.target:
            self._judge([each["host"] for each in found])
        return found

    async def close(self) -> None:
        """See `AbstractResolver`."""
        await self._inner.close()

    def _judge(self, addresses: list[str]) -> None:
        if all(map(is_public, addresses)):
            return
        self.inside = True
        if self.public_only:
            raise InsideError(f"{self.target} has an address that is not one of the Internet")
