"""Trees of which some leaves are shown: they lead to the root, and nothing else does."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from proxy_addons.accesslog.seal.merkle import EMPTY, Leaves, ProofError, leaf_hash, root_of
from proxy_addons.accesslog.seal.partial import read, root_of_parts, written

NONCES = [bytes([n]) * 32 for n in range(70)]
ALL = [leaf_hash(each + b"line") for each in NONCES]


def root_with(octets: bytes, size: int) -> tuple[bytes, list[int]]:
    """The root, and the leaves that are shown."""
    reader, parts, shown = io.BytesIO(octets), [], []
    for at, level, value, more in read(reader, size, 4):
        shown += [at] if level < 0 else []
        parts.append((max(level, 0), leaf_hash(value + more) if level < 0 else value))
    assert not reader.read()
    return root_of_parts(parts), shown


@given(size=some.integers(1, 70), data=some.data())
def test_shown_leaves_lead_to_the_root_and_no_others_do(size: int, data: some.DataObject) -> None:
    tree = Leaves(ALL[:size])
    numbers = data.draw(some.sets(some.integers(0, size - 1)))
    alone = data.draw(some.sets(some.integers(0, size - 1))) - numbers
    octets = written(tree.subtree, size, {n: NONCES[n] + b"line" for n in numbers}, alone)
    root = root_of(ALL[:size])
    assert root_with(octets, size) == (root, sorted(numbers))
    assert [hashed in octets for hashed in (ALL[n] for n in alone)] == [True] * len(alone)
    at = data.draw(some.integers(0, len(octets) - 1))
    for wrong in (
        octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :],
        octets[:at],
        octets[:at] + octets[at + 1 :],
    ):
        try:
            found = root_with(wrong, size)
        except (ProofError, AssertionError):
            continue  # found
        # An octet 0 and an octet 1 before a hash differ in what the hash is of.
        assert found[0] != root


def test_what_cannot_be() -> None:
    tree = Leaves(ALL[:5])
    assert (written(tree.subtree, 0, {}), root_of_parts([])) == (b"", EMPTY)
    for number in (-1, 5, 9):
        with pytest.raises((ValueError, IndexError)):
            written(tree.subtree, 5, {number: b""}, [number, 7])
    for octets in (b"", b"\3" + bytes(32), b"\5" + bytes(32), b"\1" + bytes(33)):
        with pytest.raises(ProofError):
            root_with(octets, 5)
    with pytest.raises(ProofError, match="does not begin at 1"):
        root_of_parts([(0, ALL[0]), (1, ALL[1])])
