"""Which names an address lately stood for."""

from __future__ import annotations

import pytest

from proxy_addons.gate import resolved as module
from proxy_addons.gate.resolved import LIFETIME, Resolved


class Clock:
    """Monotonic seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wanted() -> list[None]:
    return []


@pytest.fixture
def resolved(clock: Clock, wanted: list[None]) -> Resolved:
    return Resolved(clock, on_wanted=lambda: wanted.append(None))


def test_names_of_an_address_refused_ones_first(resolved: Resolved) -> None:
    resolved.remember("a.test", ["192.0.2.1", "2001:db8::1"])
    resolved.remember("b.test", ["192.0.2.1"], refused=True)
    assert resolved.names("192.0.2.1") == ("b.test", "a.test")
    assert resolved.names("2001:db8::1") == ("a.test",)
    assert resolved.names("192.0.2.2") == ()


def test_addresses_are_those_of_url_keys(resolved: Resolved) -> None:
    resolved.remember("a.test", ["::ffff:192.0.2.1", "2001:DB8:0::1"])
    assert resolved.names("192.0.2.1") == resolved.names("2001:db8::1") == ("a.test",)


def test_an_address_is_no_name_of_itself(resolved: Resolved) -> None:
    resolved.remember("192.0.2.1", ["192.0.2.1"])
    assert resolved.names("192.0.2.1") == ()


def test_names_are_forgotten_one_by_one(resolved: Resolved, clock: Clock) -> None:
    resolved.remember("a.test", ["192.0.2.1"])
    clock.now = LIFETIME / 2
    resolved.remember("b.test", ["192.0.2.1"])
    clock.now = LIFETIME
    assert resolved.names("192.0.2.1") == ("b.test",)
    clock.now = LIFETIME * 2
    assert resolved.names("192.0.2.1") == ()


def test_made_up_names_do_not_push_out_refused_ones(
    resolved: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NAMES", 3)
    resolved.remember("refused.test", ["192.0.2.1"], refused=True)
    for number in range(9):
        resolved.remember(f"n{number}.test", ["192.0.2.1"])
    assert resolved.names("192.0.2.1") == ("refused.test", "n6.test", "n7.test", "n8.test")


def test_a_refused_name_is_wanted_once_in_a_while(
    resolved: Resolved, wanted: list[None], clock: Clock
) -> None:
    for _ in range(3):
        resolved.refused("a.test")
    resolved.refused("b.test")
    assert len(wanted) == 2
    assert [resolved.next_wanted() for _ in range(3)] == ["a.test", "b.test", None]
    resolved.refused("a.test")
    assert resolved.next_wanted() is None
    clock.now = LIFETIME
    resolved.refused("a.test")
    assert resolved.next_wanted() == "a.test"


def test_the_queue_is_bounded(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    for name in ("a.test", "b.test", "c.test"):
        resolved.refused(name)
    assert [resolved.next_wanted() for _ in range(3)] == ["a.test", "b.test", None]
    resolved.refused("c.test")
    assert resolved.next_wanted() == "c.test", "what found no room may come again"


def test_where_nobody_looks_nothing_is_kept(clock: Clock) -> None:
    resolved = Resolved(clock)
    resolved.refused("a.test")
    assert resolved.next_wanted() is None
