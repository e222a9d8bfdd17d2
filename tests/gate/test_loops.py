"""Loops: what is said of us in `Via`, and knowing it again."""

from __future__ import annotations

import re

import pytest

from proxy_addons.gate.loops import Loops

SECRET = b"s" * 32


class Clock:
    """Monotonic seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def loops(secret: bytes = SECRET, name: str | None = None, clock: Clock | None = None) -> Loops:
    return Loops(secret, name, clock or Clock())


def test_our_own_is_known_by_every_worker() -> None:
    said = loops().via(http2=False).decode()
    assert re.fullmatch("1[.]1 [0-9a-f]{20}", said)
    assert loops().is_ours(said), "another worker, with the same secret"
    assert loops().is_ours(f"1.0 other, {said} (a comment), 2 more".upper())
    assert not loops(b"t" * 32).is_ours(said), "another gateway"


def test_the_protocol_received_is_named() -> None:
    assert loops().via(http2=True).startswith(b"2 ")


def test_the_pseudonym_changes_and_the_old_one_is_known() -> None:
    clock = Clock()
    ours = loops(clock=clock)
    first = ours.via(http2=False)
    clock.now = 599.0
    assert ours.via(http2=False) == first
    clock.now = 600.0
    assert ours.via(http2=False) != first
    assert ours.is_ours(first.decode())


def test_a_fixed_pseudonym() -> None:
    ours = loops(name="Force-7")
    assert ours.via(http2=False) == b"1.1 force-7"
    assert ours.is_ours("1.1 FORCE-7")
    assert not ours.is_ours("1.1 force-77")


@pytest.mark.parametrize(
    "via", ["", ",", "1.1", "1.1 squid", "1.1 " + "0" * 20, "1.1 \udcff", "é é", "1.1 " + "a" * 21]
)
def test_what_is_not_ours(via: str) -> None:
    assert not loops().is_ours(via)


def test_more_proxies_than_any_way_has_are_a_loop() -> None:
    assert not loops().is_ours(", ".join(["1.1 a"] * 100))
    assert loops().is_ours(", ".join(["1.1 a"] * 101))
