"""Compiles an index as it would be with another version of a list, without putting it in force.

In: the lists in force, a list in place of one of them. Out: an index file in a folder of its own.
Must never: change the lists or the index in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.categorisation.compiler import Progress, compile_index, nothing
from proxy_addons.categorisation.index import CategoryIndex
from proxy_addons.categorisation.sources import read_sources
from proxy_addons.categorisation.tree import list_root, read_tree

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.categorisation.sources import SourceFolders


def index_with(
    folders: SourceFolders, name: str, folder: Path, work: Path, progress: Progress = nothing
) -> CategoryIndex:
    """Compiles all lists, with another in place of one.

    Args:
        folders: where the lists in force are.
        name: of the list that it would replace, or join.
        folder: the other list, in squidGuard layout.
        work: an empty folder; what is in it has to stay for as long as the index is used.
        progress: told what is being done.

    Raises:
        CategoryError: it cannot be read, or not compiled.
    """
    trees = {tree.name: tree for tree in read_sources(folders)}
    trees[name] = read_tree(name, list_root(folder))
    target = work / "categories.index"
    compile_index(tuple(trees.values()), target, progress=progress)
    return CategoryIndex.open(target)
