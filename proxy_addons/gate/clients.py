"""How much each client address has open at this worker, and what is too much.

In: connections, tunnels and their ends. Out: whether one more may be; who was turned away.
Must never: count anything twice, or remember an address that has nothing open.

An address is one IPv4 or IPv6 address. Each worker counts for itself: the kernel spreads the
connections of a client over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.gate.facts import Visitor
    from proxy_addons.settings.model import Limits


@dataclass(slots=True)
class Tally:
    """What one client address has open.

    Attributes:
        connections: its connections.
        tunnels: those with an accepted CONNECT.
        handshakes: those of them in which TLS is not yet agreed on.
        turned_away: connections closed since this was last told of.
        port: the client's port of the last of them.
    """

    connections: int = 0
    tunnels: int = 0
    handshakes: int = 0
    turned_away: int = 0
    port: int = 0


class Clients:
    """Tallies by client address.

    Args:
        limits: gives the limits in force.
        many: whether an address stands for many clients (a load balancer), and has no limit.
    """

    def __init__(
        self, limits: Callable[[], Limits], many: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._limits = limits
        self._many = many
        self._tallies: dict[str, Tally] = {}
        self._turned_away: set[str] = set()

    def __getitem__(self, address: str) -> Tally:
        """What an address has open; nothing is kept of one that has nothing."""
        return self._tallies.get(address) or Tally()

    def __len__(self) -> int:
        return len(self._tallies)

    def admits(self, address: str, port: int) -> bool:
        """Whether one more connection may be; one that may not is counted as turned away."""
        tally = self._tallies.get(address)
        if tally is None or tally.connections < self._limits().client_connections:
            return True
        if self._many(address):
            return True
        tally.turned_away += 1
        tally.port = port
        self._turned_away.add(address)
        return False

    def turned_away(self) -> list[tuple[str, int, int]]:
        """Address, last port and number of the connections turned away since the last call."""
        found = []
        for address in self._turned_away:
            tally = self._tallies[address]
            found.append((address, tally.port, tally.turned_away))
            tally.turned_away = 0
            if not tally.connections:
                del self._tallies[address]
        self._turned_away.clear()
        return found

    def came(self, visitor: Visitor) -> None:
        """A connection was taken in."""
        self._tallies.setdefault(_counted_as(visitor), Tally()).connections += 1

    def hold(self, address: str, by: int) -> None:
        """A connection is being made (a handshake with the gateway itself), or no longer is.

        Args:
            address: of the client.
            by: 1 when it begins, from when on it counts among the client's; -1 when it is over.
        """
        tally = self._tallies.setdefault(address, Tally())
        tally.connections += by
        if not tally.connections and not tally.turned_away:
            del self._tallies[address]

    def left(self, visitor: Visitor) -> None:
        """It has ended, and with it what it had open."""
        self.agreed(visitor)
        tally = self._tallies[_counted_as(visitor)]
        tally.connections -= 1
        tally.tunnels -= visitor.tunnel
        visitor.tunnel = False
        if not tally.connections and not tally.turned_away:
            del self._tallies[_counted_as(visitor)]

    def too_many(self, visitor: Visitor) -> str | None:
        """Why a further tunnel must not be; None when it may."""
        if visitor.shared:
            return None
        tally, limits = self[_counted_as(visitor)], self._limits()
        if tally.tunnels - visitor.tunnel >= limits.client_tunnels:
            return f"more than {limits.client_tunnels} tunnels of one client address"
        if tally.handshakes - visitor.half_open >= limits.client_handshakes:
            return f"more than {limits.client_handshakes} unfinished handshakes of one client"
        return None

    def tunnelled(self, visitor: Visitor) -> None:
        """Its CONNECT was accepted; TLS inside is awaited."""
        tally = self._tallies.setdefault(_counted_as(visitor), Tally())
        tally.tunnels += not visitor.tunnel
        tally.handshakes += not visitor.half_open
        visitor.tunnel = visitor.half_open = True

    def agreed(self, visitor: Visitor) -> None:
        """TLS is agreed on inside its tunnel, or something else than TLS was recognised."""
        if visitor.half_open:
            visitor.half_open = False
            self._tallies[_counted_as(visitor)].handshakes -= 1


def _counted_as(visitor: Visitor) -> str:
    """The address that a connection counts for: its client may be another with each request."""
    return visitor.counted_as or visitor.client_ip
