"""Mutations of known inputs, the same ones for the same seed.

In: seeds, words, a random generator. Out: inputs without end.
Must never: use randomness of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

_LONGEST = 1 << 16
_ODD = bytes((0, 0x20, 0x25, 0x2E, 0x7F, 0x80, 0xFF, 0x0A, 0x0D))


def mutated(data: bytes, others: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """An input with one to eight changes.

    Args:
        data: what is changed.
        others: what pieces are taken from.
        words: pieces that mean something.
        random: where chance comes from.
    """
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = random.randrange(len(changed) + 1)
        end = min(len(changed), at + random.choice((1, 1, 2, 4, 16, 64)))
        match random.randrange(8):
            case 0:
                del changed[at:end]
            case 1:
                changed[at:at] = changed[at:end]
            case 2 if words:
                changed[at:at] = random.choice(words)
            case 3 if words:
                changed[at:end] = random.choice(words)
            case 4:
                other = random.choice(others)
                begin = random.randrange(len(other) + 1)
                changed[at:end] = other[begin : begin + random.choice((1, 4, 16, 64, 256))]
            case 5 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 6 if at < len(changed):
                changed[at] = (changed[at] + random.choice((-1, 1))) % 256
            case _:
                changed[at:at] = bytes((random.choice(_ODD),))
    return bytes(changed[:_LONGEST])


def inputs(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> Iterator[bytes]:
    """The seeds, then mutations of them without end."""
    yield from seeds
    while True:
        yield mutated(random.choice(seeds), seeds, words, random)
