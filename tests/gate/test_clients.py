"""Tallies: what a client address has open is counted once, and nothing is left when it has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy_addons.gate.clients import Clients, Tally
from proxy_addons.gate.facts import Visitor
from proxy_addons.settings.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits(
    head_bytes=1, head_fields=1, url_bytes=1, head_timeout=1, first_byte_timeout=1,
    body_timeout=1, handshake_timeout=1, http2_streams=1, worker_memory=1,
    client_connections=3, client_handshakes=1, client_tunnels=2,
)  # fmt: skip


@pytest.fixture
def clients() -> Clients:
    return Clients(lambda: LIMITS)


def visitor(address: str = "192.0.2.1", port: int = 1) -> Visitor:
    return Visitor(address, port, None, None)  # type: ignore[arg-type]


def test_a_client_may_have_as_many_connections_as_the_limit_says(clients: Clients) -> None:
    for port in range(3):
        assert clients.admits("192.0.2.1", port)
        clients.came(visitor())
    assert not clients.admits("192.0.2.1", 7)
    assert not clients.admits("192.0.2.1", 8)
    assert clients.admits("192.0.2.2", 9), "another client has its own"
    assert clients.turned_away() == [("192.0.2.1", 8, 2)]
    assert clients.turned_away() == [], "each is told of once"


def test_a_connection_that_ends_makes_room(clients: Clients) -> None:
    all_of_them = [visitor() for _ in range(3)]
    for each in all_of_them:
        clients.came(each)
    clients.left(all_of_them[0])
    assert clients.admits("192.0.2.1", 1)


def test_who_was_turned_away_is_still_told_of_when_all_have_left(clients: Clients) -> None:
    all_of_them = [visitor() for _ in range(3)]
    for each in all_of_them:
        clients.came(each)
    clients.admits("192.0.2.1", 5)
    for each in all_of_them:
        clients.left(each)
    assert clients.turned_away() == [("192.0.2.1", 5, 1)]
    assert len(clients) == 0


def test_tunnels_and_handshakes_have_limits_of_their_own(clients: Clients) -> None:
    first, second, third = visitor(), visitor(), visitor()
    for each in (first, second, third):
        clients.came(each)
    clients.tunnelled(first)
    why = clients.too_many(second)
    assert why is not None
    assert "handshakes" in why
    assert clients.too_many(visitor("192.0.2.2")) is None
    clients.agreed(first)
    clients.agreed(first)  # told twice (TLS, then a request): counted once
    assert clients.too_many(second) is None
    clients.tunnelled(second)
    clients.agreed(second)
    why = clients.too_many(third)
    assert why is not None
    assert "tunnels" in why
    assert clients["192.0.2.1"] == Tally(3, 2, 0)
    clients.left(first)
    assert clients.too_many(third) is None


def test_a_client_with_a_tunnel_may_ask_again_on_the_same_connection(clients: Clients) -> None:
    """After an answer that was not a tunnel; what it had is not counted against itself."""
    first, second = visitor(), visitor()
    clients.came(first)
    clients.came(second)
    clients.tunnelled(first)
    clients.tunnelled(first)
    assert clients["192.0.2.1"].tunnels == 1
    assert clients.too_many(first) is None


class Comings(RuleBasedStateMachine):
    """Whatever happens in whatever order, the tallies are those of the visitors that are here."""

    def __init__(self) -> None:
        super().__init__()
        self.clients = Clients(lambda: LIMITS)
        self.here: list[Visitor] = []

    @rule(address=st.sampled_from(["a", "b"]))
    def come(self, address: str) -> None:
        if self.clients.admits(address, 1):
            self.here.append(visitor(address))
            self.clients.came(self.here[-1])

    @precondition(lambda self: self.here)
    @rule(data=st.data(), what=st.sampled_from(["tunnelled", "agreed", "left"]))
    def happen(self, data: st.DataObject, what: str) -> None:
        who = data.draw(st.sampled_from(range(len(self.here))))
        act: Callable[[Visitor], None] = getattr(self.clients, what)
        act(self.here[who])
        if what == "left":
            del self.here[who]

    @rule()
    def tell(self) -> None:
        self.clients.turned_away()

    @invariant()
    def counted(self) -> None:
        for address in ("a", "b"):
            mine = [each for each in self.here if each.client_ip == address]
            tally = self.clients[address]
            assert tally.connections == len(mine) <= LIMITS.client_connections
            assert tally.tunnels == sum(each.tunnel for each in mine)
            assert tally.handshakes == sum(each.half_open for each in mine)

    def teardown(self) -> None:
        self.clients.turned_away()
        for each in self.here:
            self.clients.left(each)
        assert len(self.clients) == 0


TestComings = Comings.TestCase
