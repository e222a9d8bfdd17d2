"""Cuts bytes into pieces.

In: bytes, a random generator. Out: pieces that make up the same. Must never: leave one out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_AT_MOST = 40


def cut(data: bytes, random: Random) -> list[bytes]:
    """Some pieces, or, of short bytes, sometimes each alone."""
    if len(data) < 2:
        return [data] if data else []
    if len(data) <= _AT_MOST and random.random() < 0.2:
        return [bytes((octet,)) for octet in data]
    count = random.randint(1, min(_AT_MOST, len(data) - 1, random.choice((1, 3, 10, 40))))
    places = sorted(random.sample(range(1, len(data)), count))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
