"""Paths of leaves that stand side by side: for one leaf RFC 6962; they hold for all sizes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.merkle import Leaves, ProofError, inclusion_proof, root_of
from proxy_addons.accesslog.seal.ranged import path_of, root_by_path

MANY = [hashlib.sha256(bytes([number])).digest() for number in range(70)]


@given(st.data())
def test_a_range_is_proved_where_it_stands_and_nowhere_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    first = data.draw(st.integers(0, size - 1))
    count = data.draw(st.integers(1, size - first))
    tree, root = Leaves(MANY[:size]), root_of(MANY[:size])
    leaves = MANY[first : first + count]
    path = path_of(tree.subtree, first, count, size)
    assert root_by_path(leaves, first, size, path) == root
    if count == 1:
        assert path == inclusion_proof(tree.subtree, first, size)
    others = [
        (leaves, first + 1, path),
        (leaves, first - 1, path),
        (leaves[:-1], first, path),
        (leaves[1:], first + 1, path),
        ([*leaves[:-1], bytes(32)], first, path),
        (leaves, first, [*path, bytes(32)]),
        (leaves, first, path[1:] if path else [bytes(32)]),
    ]
    for wrong in others:
        try:
            found = root_by_path(wrong[0], wrong[1], size, wrong[2])
        except ProofError:
            continue  # found
        assert found != root


def test_what_is_no_range() -> None:
    tree = Leaves(MANY)
    for first, count, size in ((0, 0, 5), (-1, 1, 5), (4, 2, 5)):
        with pytest.raises(ValueError, match="of a tree of 5"):
            path_of(tree.subtree, first, count, size)
    with pytest.raises(ProofError, match="no hash"):
        root_by_path(MANY[:1], 0, 2, [b"x"])
