"""Merkle trees over SHA-256, as RFC 6962 (2.1) and RFC 9162 (2.1) have them.

In: hashes of leaves, or what gives the hash of a whole subtree. Out: roots; proofs that a leaf is
in a tree and that one tree is the beginning of another; whether such a proof holds.
Must never: believe a proof without having computed both roots; touch a disk.

A subtree here is perfect: it has 2**level leaves, and begins at a multiple of that. All that is
ever asked of a tree is made of such subtrees: what stores them (tiles.py) needs to know no more.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    type Subtree = Callable[[int, int], bytes]
    """Gives the hash of the `index`th subtree of 2**`level` leaves: subtree(level, index)."""

HASH: Final = 32
"""Octets of a hash."""
EMPTY: Final = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


class ProofError(ValueError):
    """A proof does not hold, or is none. The text says in which way."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of what stands above two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Growing:
    """The root of a tree that grows leaf by leaf, in memory for the logarithm of it.

    Attributes:
        size: leaves so far.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # of the perfect subtrees that it consists of, from the left

    def add(self, leaf: bytes) -> None:
        """One leaf more, by its hash."""
        size, peaks = self.size, self._peaks
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves so far."""
        if not self._peaks:
            return EMPTY
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over hashes of leaves."""
    tree = Growing()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


class Leaves:
    """All hashes of a tree that fits into memory, made as they are asked for.

    Args:
        leaves: hashes of its leaves.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]

    def __len__(self) -> int:
        return len(self._levels[0])

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of a subtree; see `Subtree`."""
        while len(self._levels) <= level:
            below = self._levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)  # what is left over has no pair yet
            self._levels.append([node_hash(left, right) for left, right in pairs])
        return self._levels[level][index]


def root_at(subtree: Subtree, size: int) -> bytes:
    """The root of a tree's first `size` leaves."""
    return _range(subtree, 0, size) if size else EMPTY


def _split(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def _range(subtree: Subtree, first: int, end: int) -> bytes:
    """The hash over leaves `first` to `end`, which are one tree as RFC 6962 splits it."""
    size = end - first
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtree(level, first >> level)
    half = _split(size)
    return node_hash(_range(subtree, first, first + half), _range(subtree, first + half, end))


def inclusion_proof(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """What proves that a leaf is in a tree (RFC 6962, 2.1.1), from the leaf's neighbour up.

    Args:
        subtree: of the tree, or of one that it is the beginning of.
        index: of the leaf, from 0.
        size: leaves of the tree.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of a tree of {size}")
    first, end = 0, size
    found = []
    while end - first > 1:
        half = first + _split(end - first)
        if index < half:
            found.append(_range(subtree, half, end))
            end = half
        else:
            found.append(_range(subtree, first, half))
            first = half
    return found[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of the tree that a proof speaks of (RFC 9162, 2.1.3.2).

    Args:
        leaf: hash of the leaf.
        index: of the leaf, from 0.
        size: leaves of the tree.
        proof: as `inclusion_proof` gives it.

    Raises:
        ProofError: it is none for a leaf at this place in a tree of this size.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    root = leaf
    for left, step in _climb(index, size - 1, _hashes(proof)):
        root = node_hash(step, root) if left else node_hash(root, step)
    return root


def _climb(place: int, last: int, steps: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
    """The steps of a proof from a node up, each with whether it stands to the left of the way.

    Args:
        place: of the node in its level, from 0.
        last: place of the last node of that level.
        steps: as many as it is to the root.

    Raises:
        ProofError: they are more, or fewer.
    """
    for step in steps:
        if last == 0:
            raise ProofError("the proof is too long")
        left = bool(place & 1) or place == last
        yield left, step
        while left and place and not place & 1:
            place >>= 1
            last >>= 1
        place >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is too short")


def consistency_proof(subtree: Subtree, old: int, new: int) -> list[bytes]:
    """What proves that a tree is the beginning of another (RFC 6962, 2.1.2).

    Args:
        subtree: of the larger tree.
        old: leaves of the smaller one; of none nothing has to be proved.
        new: leaves of the larger one.

    Raises:
        ValueError: the first is larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"from a tree of {old} to one of {new}")
    if old in {0, new}:
        return []
    first, end, whole = 0, new, True
    found = []
    while old != end:
        half = first + _split(end - first)
        if old <= half:
            found.append(_range(subtree, half, end))
            end = half
        else:
            found.append(_range(subtree, first, half))
            first, whole = half, False
    if not whole:
        found.append(_range(subtree, first, end))
    return found[::-1]


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree is the beginning of another (RFC 9162, 2.1.4.2).

    Args:
        old: leaves of the smaller tree.
        old_root: its root.
        new: leaves of the larger one.
        new_root: its root.
        proof: as `consistency_proof` gives it.

    Raises:
        ProofError: it is not, or the proof does not show it.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} cannot begin with one of {old}")
    if old in {0, new}:
        if proof or old_root != (new_root if old else EMPTY):
            raise ProofError("two trees of one size have different roots, or a proof of nothing")
        return
    steps = _hashes(proof)
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    if place:
        if not steps:
            raise ProofError("the proof is too short")
        begun, steps = steps[0], steps[1:]
    else:
        begun = old_root  # the smaller tree is perfect: it stands in the larger one as it is
    was = becomes = begun
    for left, step in _climb(place, last, steps):
        was = node_hash(step, was) if left else was
        becomes = node_hash(step, becomes) if left else node_hash(becomes, step)
    if was != old_root or becomes != new_root:
        raise ProofError("the larger tree does not begin with the smaller one")


def _hashes(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(step) != HASH for step in proof):
        raise ProofError("a step of the proof is no hash")
    return list(proof)
