"""Proofs of leaves that stand beside each other in a Merkle tree: audit paths, and their like.

In: what gives the hashes of a tree; hashes of leaves and a path. Out: a path; the root it leads to.
Must never: take a path of another place or size; leave over a step that was not used.

For one leaf a path is the audit path of RFC 6962 (2.1.1): hashes from the leaf's neighbour up. For
several it has, in the same order, the hashes of what is to the left and to the right of all of
them. Where the leaves stand is bound by the path: none can be left out between two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.merkle import (
    EMPTY,
    HASH,
    ProofError,
    inclusion_proof,
    node_hash,
    root_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.accesslog.seal.merkle import Subtree


def path_of(subtree: Subtree, first: int, count: int, size: int) -> list[bytes]:
    """The path of some leaves.

    Args:
        subtree: of the tree (`merkle.Subtree`), or of one that it is the beginning of.
        first: of the leaves, from 0.
        count: how many, at least one.
        size: leaves of the tree.

    Raises:
        ValueError: the tree has no such leaves.
    """
    if count < 1 or first < 0 or first + count > size:
        raise ValueError(f"leaves {first} to {first + count - 1} of a tree of {size}")
    if count == 1:
        return inclusion_proof(subtree, first, size)
    found: list[bytes] = []
    _gather(subtree, first, first + count, (0, size), found)
    return found[::-1]


def _gather(
    subtree: Subtree, first: int, end: int, within: tuple[int, int], found: list[bytes]
) -> None:
    """Hashes of what is beside leaves `first` to `end`, from the root down."""
    if first <= within[0] and within[1] <= end:
        return
    inside = []
    for side in _halves(*within):
        if side[1] <= first or end <= side[0]:
            found.append(_hash(subtree, *side))
        else:
            inside.append(side)
    for side in inside:
        _gather(subtree, first, end, side, found)


def _hash(subtree: Subtree, first: int, end: int) -> bytes:
    """The hash over leaves that are one part of a tree as RFC 6962 splits it."""
    if first == 0:
        return root_at(subtree, end)
    # Such a part begins at a multiple of its first perfect subtree, so that it is a tree by itself.
    return root_at(lambda level, index: subtree(level, index + (first >> level)), end - first)


def root_by_path(leaves: Sequence[bytes], first: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to.

    Args:
        leaves: hashes of leaves that stand beside each other.
        first: place of the first, from 0.
        size: leaves of the tree.
        path: as `path_of` gives it.

    Raises:
        ProofError: it is none for these places in a tree of this size.
    """
    end = first + len(leaves)
    if not leaves or first < 0 or end > size:
        if size == 0 and first == 0 and not leaves and not path:
            return EMPTY
        raise ProofError(f"there are no leaves {first} to {end - 1} in a tree of {size}")
    if any(len(step) != HASH for step in path):
        raise ProofError("a step of the path is no hash")
    steps = list(path)
    root = _climbed(leaves, first, (0, size), steps)
    if steps:
        raise ProofError("the path is too long")
    return root


def _climbed(
    leaves: Sequence[bytes], first: int, within: tuple[int, int], steps: list[bytes]
) -> bytes:
    if within[1] - within[0] == 1:
        return leaves[within[0] - first]
    sides = _halves(*within)
    beside = [side[1] <= first or first + len(leaves) <= side[0] for side in sides]
    found: list[bytes | None] = [None, None]
    for number, outside in enumerate(beside):
        if outside:
            if not steps:
                raise ProofError("the path is too short")
            found[number] = steps.pop()
    left, right = (
        done if done is not None else _climbed(leaves, first, side, steps)
        for done, side in zip(found, sides, strict=True)
    )
    return node_hash(left, right)


def _halves(first: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """How RFC 6962 splits leaves `first` to `end`: the left part is the largest power of two."""
    half = first + (1 << (end - first - 1).bit_length() - 1)
    return (first, half), (half, end)
