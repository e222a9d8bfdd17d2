"""From lists to an index: what is counted, reported, and left alone."""

from __future__ import annotations

import errno
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.categorisation import (
    CategoryIndex,
    CategorySourceError,
    compile_index,
    read_sources,
)
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from conftest import Place


def test_lines_that_cannot_be_used_are_counted_and_named(place: Place) -> None:
    place.write(
        {
            "starter": {
                "games/domains": "good.test\n*.test\nhttp://x.test\n\n# c\na b\nx..y\ngood2.test",
                "news/urls": "good.test/a\ngood.test:80/a\n",
                "adverts/expressions": "ok\n(\n",
                "Spiel & Spaß/domains": "lost.test\n",
            }
        }
    )
    report = compile_index(read_sources(place.folders), place.index_file)
    assert report.entries == 3
    assert report.expressions == 1
    lines = list(report.problems.lines())
    assert len(report.problems) == 7
    assert [line.split(": ")[0] for line in lines] == [
        "starter/Spiel & Spaß",
        "starter/adverts/expressions:2",
        "starter/games/domains:2",
        "starter/games/domains:3",
        "starter/games/domains:6",
        "starter/games/domains:7",
        "starter/news/urls:2",
    ]
    index = CategoryIndex.open(place.index_file)
    assert index.skipped == 7
    assert index.lookup(url_key("http://good2.test/")) == {"games"}


def test_equal_files_fill_all_their_categories(place: Place) -> None:
    same = "same.test\nother.test\n"
    index = place.write(
        {
            "ut1": {"redirector/domains": same, "strict_redirector/domains": same},
            "starter": {"anonymisers/domains": same, "games/urls": same},
        }
    ).compiled()
    assert index.lookup(url_key("http://x.same.test/")) == {
        "redirector",
        "strict_redirector",
        "anonymisers",
    }
    assert index.lookup(url_key("http://same.test/")) >= {"games"}
    assert index.counts["redirector"] == 2
    assert index.entries == 4


def test_repeated_entries_count_once(place: Place) -> None:
    index = place.write(
        {"starter": {"games/domains": "a.test\nA.test.\na.test\n", "x/domains": "b.test\n"}}
    ).compiled()
    assert index.counts == {"games": 1, "x": 1}


def test_many_different_sets_of_categories(place: Place) -> None:
    """More than 256 sets need wider values."""
    names = [f"n{number}.test" for number in range(600)]
    files = {
        f"c{bit}/domains": "".join(f"{name}\n" for n, name in enumerate(names, 1) if n >> bit & 1)
        for bit in range(10)
    }
    index = place.write({"starter": files}).compiled()
    for number, name in enumerate(names, 1):
        expected = {f"c{bit}" for bit in range(10) if number >> bit & 1}
        assert index.lookup(url_key(f"http://{name}/")) == expected


def test_the_version_is_that_of_the_content(place: Place) -> None:
    place.write({"starter": {"games/domains": "a.test\n"}})
    first = place.compiled()
    assert place.compiled().version == first.version
    place.write({"starter": {"games/domains": "b.test\n"}})
    second = place.compiled()
    assert second.version != first.version
    place.write({"starter": {"games/domains": ""}, "local": {"games/domains": "b.test\n"}})
    assert place.compiled().version not in {first.version, second.version}


@pytest.mark.parametrize("content", ["", "# nothing\n\n", "*.test\n"])
def test_lists_without_a_usable_entry_are_no_index(place: Place, content: str) -> None:
    index = place.write({"starter": {"games/domains": "a.test\n"}}).compiled()
    place.write({"starter": {"games/domains": content}})
    with pytest.raises(CategorySourceError, match="no usable entry"):
        compile_index(read_sources(place.folders), place.index_file)
    assert not index.replaced()


def test_no_list_at_all_is_an_error(place: Place) -> None:
    with pytest.raises(CategorySourceError, match="watchhouse categories import"):
        read_sources(place.folders)


def test_a_full_disk_leaves_the_index_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    index = place.write({"starter": {"games/domains": "a.test\n"}}).compiled()

    def full(**_options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(CategorySourceError, match=r"No space left.*has not changed"):
        compile_index(read_sources(place.folders), place.index_file)
    assert not index.replaced()


def test_a_list_that_vanishes_is_an_error(place: Place) -> None:
    trees = read_sources(place.write({"starter": {"games/domains": "a.test\n"}}).folders)
    (place.folders.categories_dir / "starter/games/domains").unlink()
    with pytest.raises(CategorySourceError, match="games/domains"):
        compile_index(trees, place.index_file)


def test_progress_and_report(place: Place) -> None:
    place.write({"starter": {"games/domains": "a.test\n" * 100}})
    told: dict[str, tuple[int, int]] = {}
    ticks = iter([100.0, 103.5])
    report = compile_index(
        read_sources(place.folders),
        place.index_file,
        progress=lambda stage, done, total: told.update({stage: (done, total)}),
        clock=lambda: next(ticks),
    )
    assert list(told) == ["reading", "building", "filing", "writing"]
    assert all(done == total for done, total in told.values())
    assert report.seconds == 3.5
    assert report.size == place.index_file.stat().st_size
    assert report.categories == 1
    assert report.peak_memory > 1_000_000
    assert CategoryIndex.open(place.index_file).built.timestamp() == 100.0


def test_only_expressions_are_an_index_too(place: Place) -> None:
    index = place.write({"starter": {"adverts/expressions": "/banner/\n"}}).compiled()
    assert index.lookup(url_key("http://a.test/banner/")) == {"adverts"}
    assert index.lookup(url_key("http://a.test/")) == frozenset()


def test_a_local_entry_also_in_other_lists_keeps_both_meanings(place: Place) -> None:
    lists = {"starter": {"games/domains": "a.test\n"}, "local": {"news/domains": "a.test\n"}}
    index = place.write(lists).compiled()
    assert index.lookup(url_key("http://a.test/")) == {"news"}
    assert {(m.source, m.category, m.counts) for m in index.explain(url_key("http://a.test/"))} == {
        ("starter", "games", False),
        ("local", "news", True),
    }
