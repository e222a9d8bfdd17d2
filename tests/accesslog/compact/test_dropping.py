"""Rows of erased lines are in no Parquet file, whatever moment the power goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from accesslog.compact.test_compacting import LATER, compacted, names, rows_of, three
from accesslog.compact.test_compacting import sealed as seal_all
from support.erasing import erased

from proxy_addons.accesslog.compact import dropping
from proxy_addons.accesslog.compact.dropping import Dropped, drop
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.seal.sealing import Seals

if TYPE_CHECKING:
    from pathlib import Path

AT = LATER + 40 * 86400


def dropped(folder: Path) -> Dropped:
    return drop(Seals(folder / "seals"), folder / "parquet")


@pytest.mark.parametrize("most", [0, 500], ids=["sorted anew", "in their order"])
def test_rows_go_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(dropping, "_MOST_RUNS", most)
    expected = three(tmp_path)
    seal_all(tmp_path)
    compacted(tmp_path)
    first, second, _ = sorted({each[0] for each in expected})
    erased(tmp_path, {first: None, second: frozenset({0, 4, 5, 29})}, now=AT)
    assert dropped(tmp_path) == Dropped(1, 34)
    left = [
        each
        for each in expected
        if each[0] != first and not (each[0] == second and each[1] in {0, 4, 5, 29})
    ]
    assert rows_of(tmp_path) == left
    (name,) = names(tmp_path)
    assert [path.name for path in (tmp_path / "parquet/days").iterdir()] == [name.split("/")[1]]
    order = duckdb.execute(
        "SELECT coalesce(person, client_ip), epoch_us(start), segment, line FROM read_parquet(?)",
        [str(tmp_path / "parquet" / name)],
    ).fetchall()
    assert order == sorted(order)
    assert dropped(tmp_path) == Dropped(0, 0)
    # Made anew, the files are the same.
    (tmp_path / "parquet/index.json").unlink()
    assert compacted(tmp_path).problems == ()
    assert rows_of(tmp_path) == left
    erased(tmp_path, {second: frozenset({7})}, now=AT)
    assert dropped(tmp_path) == Dropped(1, 1)
    assert rows_of(tmp_path) == [each for each in left if each[:2] != (second, 7)]


def test_a_file_of_which_nothing_remains_goes(tmp_path: Path) -> None:
    expected = three(tmp_path)
    seal_all(tmp_path)
    compacted(tmp_path)
    erased(tmp_path, {each[0]: None for each in expected}, now=AT)
    assert dropped(tmp_path) == Dropped(1, 90)
    assert names(tmp_path) == []
    assert not list((tmp_path / "parquet/days").iterdir())
    assert compacted(tmp_path).problems == ()


def test_cut_short_before_the_index_it_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = three(tmp_path)
    seal_all(tmp_path)
    compacted(tmp_path)
    erased(tmp_path, {expected[0][0]: frozenset({1})}, now=AT)

    def cut(*_: object) -> None:
        raise OSError("the power goes")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "write", cut)
        with pytest.raises(OSError, match="the power goes"):
            dropped(tmp_path)
    assert rows_of(tmp_path) == expected
    assert dropped(tmp_path) == Dropped(1, 1)
    assert rows_of(tmp_path) == [each for each in expected if each[:2] != (expected[0][0], 1)]
    compacted(tmp_path)
    assert len(list((tmp_path / "parquet/days").iterdir())) == 1
