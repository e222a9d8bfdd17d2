"""The lists that make up an index, and whether they have changed.

In: `categories/` (starter and local lists) and the folder of imported lists.
Out: the lists in order, and a fingerprint over them.
Must never: let a folder without lists pass for one: an empty index would allow what lists refuse.
"""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.categorisation.report import CategorySourceError
from proxy_addons.categorisation.tree import LOCAL, STARTER, ListTree, is_valid_name, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceFolders:
    """Where lists come from.

    Attributes:
        categories_dir: holds `starter/` (lists that come with Watchhouse) and `local/` (overrides).
        lists_dir: imported lists, a folder each.
    """

    categories_dir: Path
    lists_dir: Path


def read_sources(folders: SourceFolders) -> tuple[ListTree, ...]:
    """Finds all lists: starter, imported ones by name, local.

    Raises:
        CategorySourceError: when there is no list at all, or one cannot be read.
    """
    found = [(STARTER, folders.categories_dir / STARTER)]
    try:
        if folders.lists_dir.is_dir():
            found += sorted(
                (entry.name, entry)
                for entry in folders.lists_dir.iterdir()
                if is_valid_name(entry.name) and entry.name not in {STARTER, LOCAL}
            )
    except OSError as error:  # nothing is compiled; the index in force stays
        raise CategorySourceError(
            f"{folders.lists_dir}: cannot be read: {error.strerror}"
        ) from error
    found.append((LOCAL, folders.categories_dir / LOCAL))
    trees = tuple(read_tree(name, folder) for name, folder in found if folder.is_dir())
    if not any(tree.files for tree in trees):
        raise CategorySourceError(
            f"no category list in {folders.categories_dir} or {folders.lists_dir}: "
            "import one with: watchhouse categories import PATH"
        )
    return trees


def category_names(trees: tuple[ListTree, ...]) -> frozenset[str]:
    """All categories that the lists have, for checking a policy before there is an index."""
    names = frozenset[str]().union(*(tree.categories for tree in trees))
    return names - {"uncategorised"}


def fingerprint(trees: tuple[ListTree, ...]) -> str:
    """Says in a short text which files with which sizes and times make up the lists.

    Raises:
        CategorySourceError: when a file has gone.
    """
    digest = hashlib.blake2b(digest_size=16)
    for tree in trees:
        digest.update(repr((tree.name, sorted(tree.descriptions.items()))).encode())
        for file in tree.files:
            try:
                status = file.path.stat()
            except OSError as error:  # nothing is compiled; the index in force stays
                raise CategorySourceError(
                    f"{file.path}: cannot be read: {error.strerror}"
                ) from error
            digest.update(
                repr((file.place, file.categories, status.st_size, status.st_mtime_ns)).encode()
            )
    return digest.hexdigest()


@contextmanager
def locked(lists_dir: Path) -> Iterator[None]:
    """Holds off other processes that import or compile, for as long as the block runs.

    Raises:
        CategorySourceError: when the folder cannot be made or written.
    """
    try:
        lists_dir.mkdir(parents=True, exist_ok=True)
        lock = (lists_dir / ".lock").open("a")
    except OSError as error:  # nothing is imported or compiled
        raise CategorySourceError(f"{lists_dir}: cannot be written: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
