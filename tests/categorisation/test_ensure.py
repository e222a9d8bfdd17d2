"""There is an index of the lists as they are, or the last good one, or an error."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import (
    CategoryError,
    CategoryIndex,
    SourceFolders,
    category_names,
    ensure_index,
    read_sources,
)
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place

GAMES = {"starter": {"games/domains": "a.test\n"}}


def test_first_start_compiles_and_second_does_not(place: Place) -> None:
    place.write(GAMES)
    first = ensure_index(place.folders, place.index_file)
    assert first.report is not None
    assert "there is no category index" in first.why
    second = ensure_index(place.folders, place.index_file)
    assert second.report is None
    assert second.stale is None
    assert not first.index.replaced()


@pytest.mark.parametrize(
    "change",
    [
        {"starter": {"games/domains": "a.test\nb.test\n"}},
        {"starter": {"games/domains": "b.test\n"}},  # of the same size
        {"starter": {"games/urls": "a.test/x\n"}},
        {"local": {"news/domains": "a.test\n"}},
        {"ut1": {"news/domains": "a.test\n"}},
        {"starter": {"games/description": "Games\n"}},
    ],
)
def test_a_change_of_the_lists_compiles(place: Place, change: dict[str, dict[str, str]]) -> None:
    ensure_index(place.write(GAMES).folders, place.index_file)
    place.write(change)
    os.utime(place.folders.categories_dir / "starter/games/domains", ns=(1, 1))
    ensured = ensure_index(place.folders, place.index_file)
    assert ensured.report is not None
    assert ensured.why == "the lists have changed"


def test_a_list_that_goes_compiles(place: Place) -> None:
    place.write(GAMES | {"local": {"news/domains": "a.test\n"}})
    assert ensure_index(place.folders, place.index_file).index.categories == {"games", "news"}
    (place.folders.categories_dir / "local/news/domains").unlink()
    assert ensure_index(place.folders, place.index_file).index.categories == {"games"}


def test_a_damaged_index_is_made_anew(place: Place) -> None:
    ensure_index(place.write(GAMES).folders, place.index_file)
    content = place.index_file.read_bytes()
    place.index_file.write_bytes(content[:-30])
    ensured = ensure_index(place.folders, place.index_file)
    assert ensured.report is not None
    assert "cut short" in ensured.why
    assert ensured.index.lookup(url_key("http://a.test/")) == {"games"}


def test_force_compiles_in_any_case(place: Place) -> None:
    ensure_index(place.write(GAMES).folders, place.index_file)
    assert ensure_index(place.folders, place.index_file, force=True).report is not None


def test_lists_that_become_unusable_leave_the_last_good_index_and_say_so(place: Place) -> None:
    ensure_index(place.write(GAMES).folders, place.index_file)
    place.write({"starter": {"games/domains": "*\n"}})
    ensured = ensure_index(place.folders, place.index_file)
    assert ensured.report is None
    assert ensured.stale is not None
    assert "no usable entry" in ensured.stale
    assert ensured.index.lookup(url_key("http://a.test/")) == {"games"}
    with pytest.raises(CategoryError, match="no usable entry"):
        ensure_index(place.folders, place.index_file, force=True)
    place.index_file.unlink()
    with pytest.raises(CategoryError, match="no usable entry"):
        ensure_index(place.folders, place.index_file)


def test_what_a_killed_compilation_left_is_removed(place: Place) -> None:
    ensure_index(place.write(GAMES).folders, place.index_file)
    left = place.index_file.with_name(f".{place.index_file.name}.12345.new")
    left.write_bytes(b"half")
    ensure_index(place.folders, place.index_file)
    assert not left.exists()


def test_a_data_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folders = SourceFolders(tmp_path, tmp_path / "file" / "lists")
    with pytest.raises(CategoryError, match="cannot be written"):
        ensure_index(folders, tmp_path / "categories.index")


def _ensure(folders: SourceFolders, index_file: Path) -> bool:
    return ensure_index(folders, index_file).report is not None


def test_of_several_processes_one_compiles(place: Place) -> None:
    place.write(GAMES)
    # Not forked: the test process has threads of its own.
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_ensure, place.folders, place.index_file) for _ in range(3)]
        assert sum(job.result() for job in jobs) == 1
    assert CategoryIndex.open(place.index_file).categories == {"games"}


def test_category_names_are_known_before_there_is_an_index(place: Place) -> None:
    place.write(GAMES | {"ut1": {"news/urls": ""}, "local": {"uncategorised/domains": "a.test\n"}})
    assert category_names(read_sources(place.folders)) == {"games", "news"}
