"""What is compared: lists and indexes as streams of entries with their categories.

In: a list in its folder, an index file, or a place that a person names. Out: entries in batches.
Must never: hold all entries at once; change what it reads.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.imports import import_lists
from proxy_addons.categorisation.indexfile import open_index
from proxy_addons.categorisation.reading import read_entries
from proxy_addons.categorisation.report import CategorySourceError, Problems, quoted
from proxy_addons.categorisation.tree import list_root, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.categorisation.tree import ListTree

type Batch = tuple[bool, frozenset[str], list[str]]
"""Whether they are expressions; their categories; index texts, or patterns."""

_STEP: Final = 1 << 14  # entries in a batch of an index
EXCEPTIONS: Final = " (exceptions)"
"""After a category's name: what a list says is not in it."""
_INDEX_END: Final = b"WatchhouseCatIdx"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: how it is shown.
        batches: gives its entries, each time from the beginning.
    """

    name: str
    batches: Callable[[], Iterator[Batch]]


def side_of_tree(name: str, tree: ListTree) -> Side:
    """The entries of a list. Lines that mean nothing are left out, as by the compiler."""

    def batches() -> Iterator[Batch]:
        for file in tree.files:
            categories = frozenset(_named(each, excepts=file.excepts) for each in file.categories)
            for found, _ in read_entries(file, Problems()):
                yield file.kind is Kind.EXPRESSIONS, categories, found

    return Side(name, batches)


def side_of_folder(name: str, folder: Path) -> Side:
    """The entries of a list in squidGuard layout.

    Raises:
        CategorySourceError: it cannot be read.
    """
    return side_of_tree(name, read_tree("compared", list_root(folder)))


def side_of_index(path: Path) -> Side:
    """The entries of a compiled index, those of all lists together.

    Raises:
        CategoryIndexError: it cannot be used.
    """
    opened = open_index(path)
    labels = [
        _named(str(category), excepts=excepts) for _, category, excepts in opened.meta["labels"]
    ]
    sets = [frozenset(labels[place] for place in item[1]) for item in opened.meta["sets"][1:]]
    patterns: list[list[Any]] = opened.meta["expressions"]

    def batches() -> Iterator[Batch]:
        for block in batched(opened.trie.iteritems(), _STEP):
            by_set: dict[int, list[str]] = {}
            for text, number in block:
                by_set.setdefault(opened.values[number], []).append(text)
            for value, texts in by_set.items():
                yield False, sets[value - 1], texts
        for pattern, places in patterns:
            yield True, frozenset(labels[place] for place in places), [pattern]

    return Side(path.name, batches)


@contextmanager
def side_of_path(path: Path, work: Path) -> Iterator[Side]:
    """A side that a person names: a folder, an index file, or anything that can be imported.

    Args:
        path: it.
        work: where an archive is unpacked, for as long as the block runs.

    Raises:
        CategoryError: it cannot be read as any of them.
    """
    if not path.exists():
        raise CategorySourceError(f"{quoted(str(path))}: there is no such file or folder")
    if path.is_dir() and read_tree("compared", list_root(path)).files:
        yield side_of_folder(path.name, path)
    elif path.is_file() and is_index(path):
        yield side_of_index(path)
    else:
        work.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=work, prefix="compared.") as folder:
            report = import_lists(path, work / folder, name="compared")
            yield side_of_folder(path.name, report.folder)


def _named(category: str, *, excepts: bool) -> str:
    return category + EXCEPTIONS if excepts else category


def is_index(path: Path) -> bool:
    """Whether a file is a compiled index, whole or damaged."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_INDEX_END)))
        return file.read() == _INDEX_END
