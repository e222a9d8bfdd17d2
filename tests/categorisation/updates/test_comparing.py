"""Comparing: the same figures as sets would give, whatever the sides are."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import CategorySourceError
from proxy_addons.categorisation.updates import comparing
from proxy_addons.categorisation.updates.comparing import Difference, compare
from proxy_addons.categorisation.updates.sides import Side, side_of_folder, side_of_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

    from proxy_addons.categorisation.updates.sides import Batch

type Entries = list[tuple[str, frozenset[str]]]

CATEGORIES = st.frozensets(st.sampled_from("abc"), min_size=1)
ENTRIES = st.lists(st.tuples(st.sampled_from([f"test.s{n}." for n in range(9)]), CATEGORIES))


def side(entries: Entries) -> Side:
    def batches() -> Iterator[Batch]:
        for text, categories in entries:
            yield False, categories, [text]

    return Side("side", batches)


def union(entries: Entries) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for text, categories in entries:
        found[text] |= categories
    return found


@settings(max_examples=50)
@given(old=ENTRIES, new=ENTRIES)
@example(old=[("test.s1.", frozenset("a"))], new=[("test.s1.", frozenset("b"))])
def test_as_sets_would_say(old: Entries, new: Entries) -> None:
    with tempfile.TemporaryDirectory() as work:
        found = compare(side(old), side(new), Path(work))
    before, after = union(old), union(new)
    assert found.whole.before == len(before)
    assert found.whole.after == len(after)
    assert found.whole.added == len(after.keys() - before.keys())
    assert found.whole.removed == len(before.keys() - after.keys())
    for category in "abc":
        was = {text for text, each in before.items() if category in each}
        now = {text for text, each in after.items() if category in each}
        if not was | now:
            assert category not in found.categories
            continue
        amounts = found.categories[category]
        assert (amounts.before, amounts.after) == (len(was), len(now))
        assert (amounts.added, amounts.removed) == (len(now - was), len(was - now))
        shown = {comparing.readable(text) for text in now - was}
        assert set(amounts.examples_added) <= shown
        assert len(amounts.examples_added) == min(5, len(shown))
    moved = {
        (left, come)
        for text in before.keys() & after.keys()
        for left in before[text] - after[text]
        for come in after[text] - before[text]
    }
    assert set(found.moved) == moved
    assert found.is_empty == (before == after)


def test_a_side_that_is_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(comparing, "_IN_MEMORY", 10)
    many: Entries = [(f"test.s{number}.", frozenset("a")) for number in range(2000)]
    found = compare(side(many), side(many[1:]), tmp_path)
    assert (found.whole.removed, found.whole.examples_removed) == (1, ("s0.test",))


def test_trees_and_indexes_say_the_same(place: Place) -> None:
    place.write(
        {
            "starter": {
                "a/domains": "x.test\n10.1.2.3\nbroken..name\n",
                "a/urls": "x.test/p?q=1\n",
                "b/expressions": "/banner\\d/\n",
                "b/domains": "x.test\n",
            }
        }
    )
    place.compiled()
    tree = side_of_folder("starter", place.folders.categories_dir / "starter")
    index = side_of_index(place.index_file)
    assert compare(tree, index, place.root).is_empty
    found: Difference = compare(Side("none", lambda: iter(())), index, place.root)
    assert found.whole.after == 4
    assert set(found.categories["a"].examples_added) == {"x.test", "10.1.2.3", "x.test/p?q=1"}
    assert set(found.categories["b"].examples_added) == {"x.test", "/banner\\\\d/"}


def test_exceptions_are_a_category_of_their_own(place: Place) -> None:
    place.write(
        {
            "starter": {"a/domains": "x.test\n"},
            "other": {"a/domains": "x.test\n", "a/domains.except": "y.x.test\n"},
        }
    )
    old = side_of_folder("starter", place.folders.categories_dir / "starter")
    new = side_of_folder("other", place.folders.lists_dir / "other")
    found = compare(old, new, place.root)
    assert found.categories["a"].added == 0
    assert found.categories["a (exceptions)"].examples_added == ("y.x.test",)
    place.compiled()
    assert compare(new, side_of_index(place.index_file), place.root).is_empty


def test_a_side_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        raise OSError(5, "Input/output error", "list/a/domains")
        yield

    with pytest.raises(CategorySourceError, match="list/a/domains: cannot be compared: Input"):
        compare(Side("broken", broken), side([]), tmp_path)
