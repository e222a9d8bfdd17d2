"""A segment of which some lines are shown: what its two trees say.

In: its manifest, lines, what proves them. Out: lines and places that were sealed so.
Must never: give a line or a place whose root is not that of the manifest.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.merkle import leaf_hash
from proxy_addons.accesslog.seal.partial import read, root_of_parts
from proxy_addons.accesslog.seal.salted import Place

if TYPE_CHECKING:
    from proxy_addons.accesslog.seal.manifest import Manifest

_PLACE: Final = 48  # octets


def shown(
    manifest: Manifest, octets: bytes, kept: bytes
) -> tuple[dict[int, bytes], dict[int, Place]]:
    """Lines and places of a segment that are shown, by their numbers.

    Args:
        manifest: of the segment.
        octets: of the lines.
        kept: what proves them (seal/partial.py).

    Raises:
        ValueError: they are not what was sealed.
    """
    *left, rest = octets.split(b"\n")
    left.reverse()
    reader = io.BytesIO(kept)
    lines: dict[int, bytes] = {}
    places: dict[int, Place] = {}
    parts = []
    for at, level, value, _ in read(reader, manifest.records, 0):
        if level < 0:
            if not left:
                raise ValueError(f"line {at} is missing")
            lines[at] = left.pop()
        parts.append((0, leaf_hash(value + lines[at])) if level < 0 else (level, value))
    if root_of_parts(parts).hex() != manifest.root:
        raise ValueError("lines that were not sealed so")
    parts = []
    for at, level, value, more in read(reader, manifest.records, _PLACE):
        if level < 0:
            places[at] = Place.parse(more)
        parts.append((0, leaf_hash(value + more)) if level < 0 else (level, value))
    if root_of_parts(parts).hex() != manifest.places:
        raise ValueError("places that were not sealed so")
    if left or rest or reader.read():
        raise ValueError("more lines or proofs than belong there")
    return lines, places


def left_out(places: dict[int, Place], size: int, low: Place, high: Place) -> str:
    """What is wrong with a run of places: they stand beside each other, between two others."""
    if not places:
        return "no places are shown"
    numbers = sorted(places)
    run = [places[number] for number in numbers]
    if numbers != list(range(numbers[0], numbers[-1] + 1)) or run != sorted(run):
        return "places that do not stand beside each other"
    begins = numbers[0] == 0 or run[0] < low
    ends = numbers[-1] == size - 1 or run[-1] >= high
    return "" if begins and ends else "a neighbour is missing"
