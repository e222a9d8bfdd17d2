"""Trees and their proofs, by the vectors of RFC 6962's own implementation and by properties."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.merkle import (
    EMPTY,
    Growing,
    Leaves,
    ProofError,
    check_consistency,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    root_by_inclusion,
    root_of,
)

# certificate-transparency's merkle_tree_test: entries, and the root of each beginning of them.
ENTRIES = [
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
MANY = [leaf_hash(str(number).encode()) for number in range(300)]

SIZES = st.integers(1, len(MANY))


def mth(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 2.1, word by word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_vectors(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert root_at(Leaves(LEAVES).subtree, size).hex() == ROOTS[size - 1]


def test_a_tree_without_leaves() -> None:
    assert root_of([]) == root_at(Leaves([]).subtree, 0) == EMPTY == Growing().root()
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# From the same place: leaf, size, path.
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_paths_of_the_vectors(index: int, size: int, path: list[str]) -> None:
    proof = inclusion_proof(Leaves(LEAVES).subtree, index, size)
    assert [step.hex() for step in proof] == path
    assert root_by_inclusion(LEAVES[index], index, size, proof).hex() == ROOTS[size - 1]


STEPS = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "steps"), STEPS)
def test_consistency_of_the_vectors(old: int, new: int, steps: list[str]) -> None:
    proof = consistency_proof(Leaves(LEAVES).subtree, old, new)
    assert [step.hex() for step in proof] == steps
    check_consistency(old, bytes.fromhex(ROOTS[old - 1]), new, bytes.fromhex(ROOTS[new - 1]), proof)


@given(SIZES)
def test_a_root_is_that_of_the_definition(size: int) -> None:
    assert root_of(MANY[:size]) == root_at(Leaves(MANY).subtree, size) == mth(MANY[:size])


@given(SIZES, st.data())
def test_a_leaf_is_proved_at_its_place_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(Leaves(MANY).subtree, index, size)
    root = mth(MANY[:size])
    assert root_by_inclusion(MANY[index], index, size, proof) == root
    other = data.draw(st.integers(0, len(MANY) - 1).filter(lambda each: each != index))
    assert not _holds(MANY[other], index, size, proof, root)
    assert not _holds(MANY[index], other, size, proof, root)
    changed = _changed(proof, data)
    assert not _holds(MANY[index], index, size, changed, root)


def _holds(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    try:
        return root_by_inclusion(leaf, index, size, proof) == root
    except ProofError:
        return False


def _changed(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """A step more, fewer, another, or two in another order."""
    steps = list(proof)
    kind = data.draw(st.sampled_from(["more", "fewer", "other", "swapped", "short"]))
    place = data.draw(st.integers(0, max(0, len(steps) - 1)))
    if kind == "more" or not steps or (kind == "swapped" and len(steps) < 2):
        steps.insert(place, MANY[0])
    elif kind == "fewer":
        del steps[place]
    elif kind == "other":
        steps[place] = leaf_hash(steps[place])
    elif kind == "short":
        steps[place] = steps[place][:-1]
    else:
        steps[0], steps[-1] = steps[-1], steps[0]
    return steps


@given(SIZES, st.data())
def test_a_tree_is_the_beginning_of_a_larger_one(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(Leaves(MANY).subtree, old, new)
    check_consistency(old, mth(MANY[:old]), new, mth(MANY[:new]), proof)
    old_root, new_root = mth(MANY[:old]), mth(MANY[:new])
    wrong = [
        (old, EMPTY, new, new_root, proof),
        (old, old_root, new, EMPTY, proof),
        (new + 1, old_root, new, new_root, proof),
        (old, old_root, new, new_root, _changed(proof, data)),
    ]
    if old > 1:
        wrong.append((old, mth([*MANY[1:old], MANY[0]]), new, new_root, proof))
    for each in wrong:
        with pytest.raises(ProofError):
            check_consistency(*each)


def test_from_a_tree_without_leaves_nothing_has_to_be_proved() -> None:
    check_consistency(0, EMPTY, 5, mth(MANY[:5]), [])
    with pytest.raises(ProofError):
        check_consistency(0, MANY[0], 5, mth(MANY[:5]), [])
    with pytest.raises(ProofError):
        check_consistency(0, EMPTY, 5, mth(MANY[:5]), [MANY[0]])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="leaf"):
        inclusion_proof(Leaves(MANY).subtree, index, size)
    with pytest.raises(ProofError):
        root_by_inclusion(MANY[0], index, size, [])
    with pytest.raises(ValueError, match="tree"):
        consistency_proof(Leaves(MANY).subtree, size + 1, size)
