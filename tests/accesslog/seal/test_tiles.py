"""A log in tiles: what was written is what is read, whatever the steps in which it grew."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.files import HALF
from proxy_addons.accesslog.seal.merkle import (
    EMPTY,
    check_consistency,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_by_inclusion,
    root_of,
)
from proxy_addons.accesslog.seal.tiles import LARGEST, TileError, Tiles, name_of


def entry(number: int) -> bytes:
    return b"entry %d" % number * (number % 5)


def grown(folder: Path, steps: list[int]) -> tuple[Tiles, int]:
    tiles, size = Tiles(folder), 0
    for step in steps:
        size = tiles.append(size, [entry(size + number) for number in range(step)])
    return tiles, size


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1234067, 256, "tile/1/x001/x234/067"),
        ("entries", 1000, 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_names_are_those_of_the_specification(
    level: int | str, number: int, width: int, path: str
) -> None:
    assert name_of(level, number, width) == path


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 17, 255, 256, 257, 600]), max_size=5), st.data())
def test_what_is_written_is_what_is_read(steps: list[int], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        tiles, size = grown(Path(folder), steps)
        assert size == sum(steps)
        expected = [entry(number) for number in range(size)]
        leaves = [leaf_hash(each) for each in expected]
        tiles = Tiles(Path(folder))
        assert list(tiles.entries(size)) == list(enumerate(expected))
        assert tiles.root(size) == root_of(leaves)
        old = data.draw(st.integers(0, size))
        assert tiles.root(old) == root_of(leaves[:old])
        first = data.draw(st.integers(0, size))
        assert [place for place, _ in tiles.entries(size, first)] == list(range(first, size))
        proof = consistency_proof(lambda level, index: tiles.subtree(level, index, size), old, size)
        check_consistency(old, tiles.root(old), size, tiles.root(size), proof)
        if size:
            index = data.draw(st.integers(0, size - 1))
            path = inclusion_proof(
                lambda level, place: tiles.subtree(level, place, size), index, size
            )
            assert root_by_inclusion(leaves[index], index, size, path) == root_of(leaves)


def test_a_log_of_seventy_thousand_has_the_tiles_of_the_specification(tmp_path: Path) -> None:
    """The example of tlog-tiles: by level, 273 full ones and one of 112; one and 17; one of 1."""
    tiles, size = grown(tmp_path, [70_000])
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    hashes = {name for name in names if "entries" not in name}
    expected = {name_of(0, number) for number in range(273)}
    expected |= {name_of(0, 273, 112), name_of(1, 0), name_of(1, 1, 17), name_of(2, 0, 1)}
    assert hashes == expected
    assert (tmp_path / "tile/0/000").stat().st_size == 8192
    assert tiles.root(size) == root_of(leaf_hash(entry(number)) for number in range(size))


def test_a_log_without_entries(tmp_path: Path) -> None:
    assert Tiles(tmp_path).root(0) == EMPTY
    assert list(Tiles(tmp_path).entries(0)) == []


def test_what_was_never_signed_is_written_over(tmp_path: Path) -> None:
    tiles, size = grown(tmp_path, [300])
    tiles.append(size, [b"never signed"] * 500)
    assert tiles.append(size, [b"signed"]) == 301
    expected = [*(entry(number) for number in range(300)), b"signed"]
    again = Tiles(tmp_path)
    assert [each for _, each in again.entries(301)] == expected
    assert again.root(301) == root_of(map(leaf_hash, expected))


def test_an_attempt_that_was_cut_short_is_in_nobodys_way(tmp_path: Path) -> None:
    half = tmp_path / (name_of("entries", 0, 3) + HALF)
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    _, size = grown(tmp_path, [3])
    assert [each for _, each in Tiles(tmp_path).entries(size)] == [entry(0), entry(1), entry(2)]
    assert not half.exists()


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    for name, damage in (
        ("tile/0/001.p/44", b"short"),
        ("tile/entries/001.p/44", b"\xff\xffshort"),
        ("tile/entries/001.p/44", b"\0"),
        ("tile/entries/001.p/44", b"\0\1a"),
        ("tile/entries/001.p/44", b"\0\1a" * 44),
        ("tile/entries/000", None),
        ("tile/0/000", None),
        ("tile/1/000.p/1", None),
    ):
        folder = tmp_path / "log"
        _, size = grown(folder, [300])
        path = folder / name
        if damage is None:
            path.unlink()
        else:
            path.chmod(0o600)
            path.write_bytes(damage)
        with pytest.raises(TileError, match=name):
            _read(Tiles(folder), size)
        shutil.rmtree(folder)


def _read(tiles: Tiles, size: int) -> None:
    """All of it, also what the root does not need."""
    tiles.root(size)
    tiles.subtree(0, 0, size)
    list(tiles.entries(size))


def test_an_entry_that_is_too_long(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    with pytest.raises(ValueError, match="octets"):
        tiles.append(0, [b"x" * (LARGEST + 1)])
    assert not list(tmp_path.iterdir())
    assert tiles.append(0, [b"x" * LARGEST]) == 1
