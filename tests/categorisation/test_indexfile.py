"""A file that is not whole is refused, whatever is wrong with it."""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import CategoryIndex, CategoryIndexError, indexfile
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place


@pytest.fixture
def index_file(place: Place) -> Path:
    names = "".join(f"name{number}.test\n" for number in range(2000))
    place.write({"starter": {"games/domains": names, "news/urls": "example.com/a\n"}}).compiled()
    return place.index_file


def refused(path: Path, why: str) -> None:
    with pytest.raises(CategoryIndexError, match=why) as caught:
        CategoryIndex.open(path)
    assert str(path) in str(caught.value)
    assert "watchhouse categories compile" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "categories.index", "there is no category index")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CategoryIndexError, match="cannot be opened"):
        CategoryIndex.open(tmp_path / "folder")


@pytest.mark.parametrize("content", [b"", b"x", b"hello" * 1000, b"We love Marisa." + bytes(500)])
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "categories.index"
    path.write_bytes(content)
    refused(path, "no category index|cut short")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_anywhere(index_file: Path, share: float) -> None:
    content = index_file.read_bytes()
    cut = index_file.with_name("cut")
    cut.write_bytes(content[: int(len(content) * share)])
    refused(cut, "cut short|no category index")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_file_with_any_octet_changed(index_file: Path, share: float, change: int) -> None:
    content = bytearray(index_file.read_bytes())
    content[int(len(content) * share)] ^= change
    damaged = index_file.with_name("damaged")
    damaged.write_bytes(content)
    refused(damaged, "damaged|no category index|format|cut short")


def test_a_file_with_something_after_its_end(index_file: Path) -> None:
    content = index_file.read_bytes()
    index_file.write_bytes(content + bytes(10))
    refused(index_file, "cut short|no category index")
    trailer = content[-indexfile._TRAILER.size :]
    index_file.write_bytes(content + trailer)
    refused(index_file, "lengthened")


def test_a_file_of_another_format(index_file: Path) -> None:
    content = bytearray(index_file.read_bytes())
    content[-20:-16] = struct.pack("<I", indexfile.FORMAT + 1)
    index_file.write_bytes(content)
    refused(index_file, f"format {indexfile.FORMAT + 1}, this version reads")


def test_metadata_that_lacks_something(index_file: Path) -> None:
    opened = indexfile.open_index(index_file)
    meta = dict(opened.meta)
    del meta["sets"]
    indexfile.write_index(index_file, opened.trie, opened.values, meta)
    refused(index_file, "metadata")


def test_values_that_do_not_fit_the_trie(index_file: Path) -> None:
    opened = indexfile.open_index(index_file)
    indexfile.write_index(index_file, opened.trie, opened.values[:-1], opened.meta)
    refused(index_file, "parts disagree")


@pytest.mark.parametrize(("highest", "width"), [(0, 1), (255, 1), (256, 2), (65535, 2), (65536, 4)])
def test_the_width_of_values(highest: int, width: int) -> None:
    assert indexfile.value_width(highest) == width


@pytest.mark.parametrize("code", ["B", "H", "I"])
def test_values_of_each_width_come_back(index_file: Path, code: str) -> None:
    opened = indexfile.open_index(index_file)
    values = memoryview(array(code, opened.values))
    indexfile.write_index(index_file, opened.trie, values, opened.meta)
    index = CategoryIndex.open(index_file)
    assert index.lookup(url_key("http://name7.test/")) == {"games"}
    assert index.lookup(url_key("http://example.com/a")) == {"news"}


def test_a_failed_write_leaves_the_file_before_and_nothing_else(
    index_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = indexfile.open_index(index_file)
    content = index_file.read_bytes()
    before = sorted(index_file.parent.iterdir())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        indexfile.write_index(index_file, opened.trie, opened.values, opened.meta)
    assert index_file.read_bytes() == content
    assert sorted(index_file.parent.iterdir()) == before


def test_a_file_replaced_while_it_is_opened_is_opened_again(
    index_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = index_file.with_name("other")
    opened = indexfile.open_index(index_file)
    indexfile.write_index(other, opened.trie, opened.values, {**opened.meta, "version": "other"})
    real = zlib.crc32
    swapped = []

    def swap(*args: bytes) -> int:
        if not swapped:
            swapped.append(other.replace(index_file))
        return real(*args)

    monkeypatch.setattr(zlib, "crc32", swap)
    assert indexfile.open_index(index_file).meta["version"] == "other"
    assert swapped
