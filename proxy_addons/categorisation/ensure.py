"""Makes sure that there is an index of the lists as they are.

In: folders of lists, the index file. Out: an index file that fits the lists, compiled if need be.
Must never: leave traffic without an index because lists have become unreadable: the last good one
stays in force, and the caller is told to say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.categorisation.compiler import CompileReport, Progress, compile_index, nothing
from proxy_addons.categorisation.index import CategoryIndex
from proxy_addons.categorisation.report import CategoryError, CategoryIndexError
from proxy_addons.categorisation.sources import SourceFolders, fingerprint, locked, read_sources

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ensured:
    """An index that can be used.

    Attributes:
        index: it, open.
        report: of the compilation, None where none was needed.
        why: why it was compiled, or why not.
        stale: what keeps the index from fitting the lists, None when it fits. To be shown and
            logged as an error: the lists are newer than what is enforced.
    """

    index: CategoryIndex
    report: CompileReport | None
    why: str
    stale: str | None = None


def ensure_index(
    folders: SourceFolders,
    index_file: Path,
    *,
    force: bool = False,
    progress: Progress = nothing,
) -> Ensured:
    """Opens the index; compiles it first when there is none or the lists have changed.

    Several processes may call this at once: one compiles, the others wait for it.

    Args:
        folders: where the lists are.
        index_file: the index.
        force: compile in any case, and raise when that fails.
        progress: told what is being done.

    Raises:
        CategoryError: when there is no usable index and none can be made.
    """
    with locked(folders.lists_dir):
        _sweep(index_file)
        try:
            index = CategoryIndex.open(index_file)
            why = "asked for" if force else "the lists have changed"
        except CategoryIndexError as error:  # it is compiled anew, or the error below is raised
            index, why = None, str(error)
        try:
            trees = read_sources(folders)
            if index is not None and not force and fingerprint(trees) == index.fingerprint:
                return Ensured(index, None, "the lists have not changed")
            report = compile_index(trees, index_file, progress=progress)
        except CategoryError as error:
            if index is None or force:
                raise
            stale = f"the lists cannot be compiled, the last good index stays in force: {error}"
            return Ensured(index, None, "the last good index stays in force", stale=stale)
        return Ensured(CategoryIndex.open(index_file), report, why)


def _sweep(index_file: Path) -> None:
    """Removes what a killed compilation has left. Only one runs at a time: see `locked`."""
    for left in index_file.parent.glob(f".{index_file.name}.*.new"):
        left.unlink(missing_ok=True)
