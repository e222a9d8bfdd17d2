"""Some leaves of a Merkle tree, and the hashes of all that is beside them: one run of octets.

In: what gives the hashes of a tree, and what is shown of some leaves. Out: octets that say the
whole tree from the left; what such octets say.
Must never: say of a leaf that is not shown more than a hash.

From the left to the right: an octet 1 and what is shown of a leaf (a nonce, and whatever belongs to
it); or an octet n and the hash of 2**(n-1) leaves, which begin at a multiple of that; an octet 0 is
that of one leaf too. A tree of which nothing is hidden, and one of which single leaves were erased,
are written in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.merkle import EMPTY, HASH, ProofError, node_hash

if TYPE_CHECKING:
    import io
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from proxy_addons.accesslog.seal.merkle import Subtree

SHOWN = 1
_ONE = 0  # a leaf that is not shown


def written(
    subtree: Subtree, size: int, shown: Mapping[int, bytes], alone: Collection[int] = ()
) -> bytes:
    """The octets of a tree.

    Args:
        subtree: of the tree (`merkle.Subtree`).
        size: leaves of it.
        shown: what is shown, by the number of the leaf.
        alone: leaves that are not shown, and whose hashes stand by themselves.

    Raises:
        ValueError: the tree has no such leaves.
    """
    stops = sorted({*shown, *alone, size})
    if not 0 <= stops[0] <= stops[-1] == size:
        raise ValueError(f"leaves {stops[0]} to {stops[-1]} of a tree of {size}")
    made, at = [], 0
    for stop in stops:
        while at < stop:
            level = _largest(at, stop)
            made.append(bytes([level + 1 if level else _ONE]) + subtree(level, at >> level))
            at += 1 << level
        if stop in shown:
            made.append(bytes([SHOWN]) + shown[stop])
            at += 1
        elif stop < size:
            made.append(bytes([_ONE]) + subtree(0, stop))
            at += 1
    return b"".join(made)


def _largest(at: int, stop: int) -> int:
    """The level of the largest subtree that begins at a leaf and ends before another."""
    fits = (stop - at).bit_length() - 1
    return min(fits, (at & -at).bit_length() - 1) if at else fits


def read(octets: io.BytesIO, size: int, width: int) -> Iterator[tuple[int, int, bytes, bytes]]:
    """The parts of a tree: first leaf, level (-1: one that is shown), hash or nonce, what follows.

    Args:
        octets: of the tree, and perhaps of more behind it.
        size: leaves.
        width: octets that follow the nonce of a leaf that is shown.

    Raises:
        ProofError: there are not as many leaves.
    """
    at = 0
    while at < size:
        flag, value = octets.read(1), octets.read(HASH)
        more = octets.read(width) if flag == bytes([SHOWN]) else b""
        if len(value) != HASH or (flag == bytes([SHOWN]) and len(more) != width):
            raise ProofError("it ends too early")
        level = -1 if flag[0] == SHOWN else max(flag[0] - 1, 0)
        yield at, level, value, more
        at += 1 << max(level, 0)
    if at != size:
        raise ProofError(f"a part of it goes on behind the {size} leaves of the tree")


def root_of_parts(parts: Iterable[tuple[int, bytes]]) -> bytes:
    """The root of a tree.

    Args:
        parts: level and hash of each, from the left.

    Raises:
        ProofError: a part begins where none of its size does.
    """
    peaks: list[tuple[int, bytes]] = []  # of perfect subtrees, each smaller than the one before
    at = 0
    for level, octets in parts:
        if at % (1 << level):
            raise ProofError(f"a part of {1 << level} leaves does not begin at {at}")
        at += 1 << level
        peak = level, octets
        while peaks and peaks[-1][0] == peak[0]:
            peak = peak[0] + 1, node_hash(peaks.pop()[1], peak[1])
        peaks.append(peak)
    if not peaks:
        return EMPTY
    root = peaks.pop()[1]
    while peaks:
        root = node_hash(peaks.pop()[1], root)
    return root
