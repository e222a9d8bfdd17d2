"""Imports a category list into the data folder.

In: an archive or a folder in squidGuard layout. Out: `<lists>/<name>/`, complete, and a report.
Must never: replace a good list by half a one. `<lists>/<name>` is a link to a folder in
`<lists>/.store/`; a new import is put together beside it, read once as the compiler will read it,
and then takes its place in one step.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.reading import read_entries
from proxy_addons.categorisation.report import (
    CategoryError,
    CategoryImportError,
    Problems,
    quoted,
)
from proxy_addons.categorisation.sources import locked
from proxy_addons.categorisation.staging import Staging, sync_folder
from proxy_addons.categorisation.tree import (
    LOCAL,
    STARTER,
    ListTree,
    is_valid_name,
    list_root,
    read_tree,
)
from proxy_addons.categorisation.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.categorisation.compiler import Progress
    from proxy_addons.categorisation.entries import Kind

_STORE = ".store"
_ARCHIVE = re.compile(r"\.(?:tar|tar\.gz|tgz)\Z", re.IGNORECASE)
_DATE = re.compile(r"[-_.]?\d{4}[-_.]?\d{2}[-_.]?\d{2}\Z")
_UNUSABLE = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        name: the list's name.
        folder: where it is.
        counts: usable lines by category and kind of entry (aliases have those of what they name).
        aliases: alias category to the folder it points at.
        problems: lines and files that are not used.
        ignored: names that are not list files.
        replaced: whether there was a list of that name.
        format: how it was written.
    """

    name: str
    folder: Path
    counts: Mapping[str, Mapping[Kind, int]]
    aliases: Mapping[str, str]
    problems: Problems
    ignored: tuple[str, ...]
    replaced: bool
    format: Format = Format.SQUIDGUARD


def default_name(path: Path) -> str:
    """Gives the name that a list gets from its file: `ut1` for `ut1-2026-08-17.tar.gz`.

    A date at the end is left out, so that next month's import replaces this one.
    """
    stem = _DATE.sub("", _ARCHIVE.sub("", path.resolve().name.lower()))
    return _UNUSABLE.sub("-", stem).strip("-_")


def import_lists(
    path: Path,
    lists_dir: Path,
    *,
    name: str | None = None,
    format: Format = Format.AUTO,  # noqa: A002 - what the command line and sources.yaml call it
    category: str | None = None,
    very_restrictive: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Imports a list; one of the same name is replaced.

    Args:
        path: a `.tar`, `.tar.gz` or `.tgz` file, or a folder.
        lists_dir: where imported lists are.
        name: the list's name, see `default_name`.
        format: how it is written; AUTO finds out.
        category: what its entries are filed under, where the format has no categories of its own
            (default: the name of each file, without a date).
        very_restrictive: also take the files `very_restrictive_expression` of squidGuard lists.
        progress: told what is being done.

    Raises:
        CategoryImportError: when it is refused; nothing has changed then.
    """
    name = default_name(path) if name is None else name
    if not is_valid_name(name) or name in {LOCAL, STARTER}:
        raise CategoryImportError(
            f"{quoted(name)} cannot name an imported list: give another with --name "
            f"(letters, digits, - and _; not {STARTER} or {LOCAL})"
        )
    if not path.exists():
        raise CategoryImportError(f"{path}: there is no such file or folder")

    def told(done: int, total: int) -> None:
        if progress is not None:
            progress("unpacking", done, total)

    if format not in {Format.AUTO, Format.SQUIDGUARD} or category or very_restrictive:
        raise CategoryImportError(f"the format {format} and its options come with the next commit")
    try:
        with locked(lists_dir):
            return _import(path, lists_dir, name, told)
    except OSError as error:  # nothing has changed
        raise CategoryImportError(
            f"{error.filename or lists_dir}: {error.strerror or error}"
        ) from error


def _import(
    path: Path, lists_dir: Path, name: str, told: Callable[[int, int], None]
) -> ImportReport:
    target = lists_dir / name
    if target.exists() and not target.is_symlink():
        raise CategoryImportError(
            f"{target}: a folder that no import made is in the way: move it elsewhere"
        )
    replaced = target.is_symlink()
    store = lists_dir / _STORE
    store.mkdir(exist_ok=True)
    _sweep(lists_dir, store)
    work = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=store))
    try:
        work.chmod(0o755)
        staging = Staging(work)
        unpack(path, staging, told)
        try:
            root = list_root(work)
            tree = read_tree(name, root)
        except CategoryError as error:
            raise CategoryImportError(str(error).replace(str(work), str(path))) from error
        report = _report(tree, target, staging, replaced=replaced)
        _refuse_empty(path, report)
        link = store / f".{work.name}.link"
        link.symlink_to(root.relative_to(lists_dir))
        sync_folder(store)
        link.replace(target)
        sync_folder(lists_dir)
    except BaseException:  # also Ctrl-C: what was there stays, nothing is left behind
        shutil.rmtree(work, ignore_errors=True)
        raise
    _sweep(lists_dir, store)
    return report


def _refuse_empty(path: Path, report: ImportReport) -> None:
    if any(sum(kinds.values()) for kinds in report.counts.values()):
        return
    problems = "".join(f"\n{line}" for line in report.problems.lines())
    raise CategoryImportError(
        f"{path}: no usable entry in the layout <category>/{{domains,urls,expressions}}{problems}"
    )


def _sweep(lists_dir: Path, store: Path) -> None:
    """Removes what no list names: former imports, and what a killed one left."""
    targets = [entry.readlink() for entry in lists_dir.iterdir() if entry.is_symlink()]
    used = {target.parts[1] for target in targets if len(target.parts) > 1}
    for entry in store.iterdir():
        if entry.is_symlink():
            entry.unlink()
        elif entry.name not in used:
            shutil.rmtree(entry, ignore_errors=True)


def _report(tree: ListTree, target: Path, staging: Staging, *, replaced: bool) -> ImportReport:
    problems = Problems()
    problems.extend(tree.problems)
    counts: dict[str, Counter[Kind]] = {}
    for file in tree.files:
        usable = sum(len(found) for found, _ in read_entries(file, problems))
        for category in file.categories:
            counts.setdefault(category, Counter())[file.kind] += usable
    return ImportReport(
        name=tree.name,
        folder=target,
        counts=counts,
        aliases=tree.aliases,
        problems=problems,
        ignored=(*staging.ignored, *(str(item) for item in tree.ignored)),
        replaced=replaced,
    )
