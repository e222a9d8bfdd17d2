"""Salted hashes of lines, and of whose they are: what the trees of a segment are made of.

In: the salt of a segment, lines. Out: hashes of leaves.
Must never: give one salt for another's; let a hash be tried out against guesses once its salt is
gone.

A line says little that could not be guessed: whoever keeps its bare hash after it was erased could
try every person and every address. So each line's hash has a nonce of its own, made from the
segment's salt. A pack has the nonces of its own lines only; with the salt destroyed, nothing can be
tried any more, and all proofs still hold.

There are two trees: of the lines as they stand, and of whose they are, in the order of person and
time. In the second one the lines of a person stand together: with both neighbours shown, nobody can
have left one out.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from proxy_addons.accesslog.seal.merkle import leaf_hash

SALT: Final = 32
"""Octets of a salt, of a nonce and of a tag."""
_LINE, _PLACE, _TAGS = b"\1", b"\2", b"\3"
_NUMBER: Final = 8  # octets


class Salt:
    """The salt of one segment: `SALT` octets, a secret until it is destroyed."""

    __slots__ = ("_octets", "_tags")

    def __init__(self, octets: bytes) -> None:
        if len(octets) != SALT:
            raise ValueError(f"a salt has {SALT} octets, not {len(octets)}")
        self._octets = octets
        self._tags = hmac.digest(octets, _TAGS, "sha256")

    @property
    def octets(self) -> bytes:
        """As they are stored."""
        return self._octets

    @property
    def tag_key(self) -> bytes:
        """Makes tags of persons. Whoever has it can try names against tags, and nothing else."""
        return self._tags

    @property
    def tags_commitment(self) -> bytes:
        """What a manifest says of that key, so that nobody can show another in its place."""
        return hashlib.sha256(self._tags).digest()

    def of_line(self, index: int) -> bytes:
        """The nonce of a line.

        Args:
            index: of the line in its segment, from 0.
        """
        return hmac.digest(self._octets, _LINE + index.to_bytes(_NUMBER), "sha256")

    def of_place(self, index: int) -> bytes:
        """The nonce of the same line's leaf in the second tree."""
        return hmac.digest(self._octets, _PLACE + index.to_bytes(_NUMBER), "sha256")


def line_leaf(nonce: bytes, line: bytes) -> bytes:
    """The hash of a line's leaf.

    Args:
        nonce: `Salt.of_line`.
        line: its octets, without the newline.
    """
    return leaf_hash(nonce + line)


def tag_of(tag_key: bytes, who: str) -> bytes:
    """What stands for a person in the second tree of one segment."""
    return hmac.digest(tag_key, who.encode("utf-8", "surrogatepass"), "sha256")


def place_octets(tag: bytes, start: int, index: int) -> bytes:
    """The octets of a place (`Place.octets`), for those who make many."""
    return tag + start.to_bytes(_NUMBER) + index.to_bytes(_NUMBER)


def index_of(octets: bytes) -> int:
    """The index in a place's octets."""
    return int.from_bytes(octets[-_NUMBER:])


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Whose a line is, and when it began: a leaf of the second tree. They stand in this order.

    Attributes:
        tag: of the person (`tag_of`).
        start: microseconds since 1970.
        index: of the line in its segment.
    """

    tag: bytes
    start: int
    index: int

    def leaf(self, nonce: bytes) -> bytes:
        """Its hash.

        Args:
            nonce: `Salt.of_place`.
        """
        return leaf_hash(nonce + self.octets)

    @property
    def octets(self) -> bytes:
        """As they are hashed; these sort as the places do."""
        return place_octets(self.tag, self.start, self.index)

    @classmethod
    def parse(cls, octets: bytes) -> Place:
        """The place that octets stand for.

        Raises:
            ValueError: they stand for none.
        """
        if len(octets) != SALT + 2 * _NUMBER:
            raise ValueError("octets of another length")
        start, index = octets[SALT : SALT + _NUMBER], octets[SALT + _NUMBER :]
        return cls(octets[:SALT], int.from_bytes(start), int.from_bytes(index))
