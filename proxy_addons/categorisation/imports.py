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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.expressions import ExpressionSet
from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.formats.convert import Files, convert, list_files
from proxy_addons.categorisation.formats.detect import detect
from proxy_addons.categorisation.formats.e2guardian import is_list as is_e2guardian
from proxy_addons.categorisation.formats.squidguard import NAMES as SQUIDGUARD_NAMES
from proxy_addons.categorisation.formats.squidguard import finish
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
from proxy_addons.categorisation.unpack import is_single, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.categorisation.compiler import Progress

_STORE = ".store"
_MOST_EXPRESSIONS = 10_000
_RAW = ".raw"
_ARCHIVE = re.compile(
    r"\.(?:(?:tar\.)?(?:gz|bz2|xz)|tar|tgz|tbz2?|txz|zip)\Z|\.(?:txt|list|lst|zone|rpz|hosts|conf)"
    r"(?:\.(?:gz|bz2|xz))?\Z",
    re.IGNORECASE,
)
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
        exceptions: usable lines by category that say what is not in it.
    """

    name: str
    folder: Path
    counts: Mapping[str, Mapping[Kind, int]]
    aliases: Mapping[str, str]
    problems: Problems
    ignored: tuple[str, ...]
    replaced: bool
    format: Format = Format.SQUIDGUARD
    exceptions: Mapping[str, int] = field(default_factory=dict)


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
        path: a folder, an archive, or one file (packed or not), see unpack.py.
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

    wanted = _Wanted(name, Format(format), category, very_restrictive)
    try:
        with locked(lists_dir):
            return _import(path, lists_dir, wanted, told)
    except OSError as error:  # nothing has changed
        raise CategoryImportError(
            f"{error.filename or lists_dir}: {error.strerror or error}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `import_lists` was asked for."""

    name: str
    format: Format
    category: str | None
    very_restrictive: bool


def _import(
    path: Path, lists_dir: Path, wanted: _Wanted, told: Callable[[int, int], None]
) -> ImportReport:
    target = lists_dir / wanted.name
    if target.exists() and not target.is_symlink():
        raise CategoryImportError(
            f"{target}: a folder that no import made is in the way: move it elsewhere"
        )
    replaced = target.is_symlink()
    store = lists_dir / _STORE
    store.mkdir(exist_ok=True)
    _sweep(lists_dir, store)
    work = Path(tempfile.mkdtemp(prefix=f"{wanted.name}.", dir=store))
    try:
        work.chmod(0o755)
        problems = Problems()
        written, ignored = _put_together(path, work, wanted, problems, told)
        try:
            root = list_root(work)
            tree = read_tree(wanted.name, root)
        except CategoryError as error:
            raise CategoryImportError(str(error).replace(str(work), str(path))) from error
        report = _report(tree, target, problems, ignored, replaced=replaced, written=written)
        _refuse_empty(path, report)
        link = store / f".{work.name}.link"
        link.symlink_to(root.relative_to(lists_dir))
        for folder in (*(each for each in work.rglob("*") if each.is_dir()), work, store):
            sync_folder(folder)
        link.replace(target)
        sync_folder(lists_dir)
    except BaseException:  # also Ctrl-C: what was there stays, nothing is left behind
        shutil.rmtree(work, ignore_errors=True)
        raise
    _sweep(lists_dir, store)
    return report


def _put_together(
    path: Path, work: Path, wanted: _Wanted, problems: Problems, told: Callable[[int, int], None]
) -> tuple[Format, tuple[str, ...]]:
    """Fills the folder of a new list; gives its format and the names that are not used."""
    written = wanted.format
    if written is Format.AUTO and not is_single(path):
        staging = Staging(work)
        unpack(path, staging, told)
        written = _by_names(work, staging)
        if written is not Format.SQUIDGUARD:
            _empty(work)
    elif written is Format.SQUIDGUARD:
        if is_single(path):
            raise CategoryImportError(
                f"{path}: one file is no list in squidGuard layout: say --format domains or another"
            )
        staging = Staging(work)
        unpack(path, staging, told)
    if written is Format.SQUIDGUARD:
        if wanted.category:
            raise CategoryImportError(
                f"{path}: squidGuard's layout has categories of its own: leave out --category"
            )
        finish(work, wanted.name, problems, very_restrictive=wanted.very_restrictive)
        return written, tuple(staging.ignored)
    raw = Staging(work / _RAW, all_kept=True)
    raw.folder.mkdir()
    unpack(path, raw, told)
    if written is Format.AUTO:
        try:
            written = detect(list_files(raw.folder))
        except CategoryImportError as error:
            raise CategoryImportError(f"{path}: {error}") from error
    files = Files(raw.folder, path.resolve(), wanted.name, wanted.category)
    if wanted.very_restrictive:
        raise CategoryImportError(
            f"{path}: read as {written}, which has no very restrictive expressions: "
            "leave out --very-restrictive"
        )
    ignored = convert(written, files, work, default_name, problems)
    shutil.rmtree(raw.folder)
    return written, (*raw.ignored, *ignored)


def _by_names(work: Path, staging: Staging) -> Format:
    """What the names of files say, before anything is read."""
    if any(is_e2guardian(name.rpartition("/")[2]) for name in staging.ignored):
        return Format.E2GUARDIAN
    if any(path.name in SQUIDGUARD_NAMES for path in work.rglob("*")):
        return Format.SQUIDGUARD
    return Format.AUTO


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _refuse_empty(path: Path, report: ImportReport) -> None:
    if any(sum(kinds.values()) for kinds in report.counts.values()):
        return
    problems = "".join(f"\n{line}" for line in report.problems.lines())
    raise CategoryImportError(f"{path}: no usable entry, read as {report.format}{problems}")


def _sweep(lists_dir: Path, store: Path) -> None:
    """Removes what no list names: former imports, and what a killed one left."""
    targets = [entry.readlink() for entry in lists_dir.iterdir() if entry.is_symlink()]
    used = {target.parts[1] for target in targets if len(target.parts) > 1}
    for entry in store.iterdir():
        if entry.is_symlink():
            entry.unlink()
        elif entry.name not in used:
            shutil.rmtree(entry, ignore_errors=True)


def _report(
    tree: ListTree,
    target: Path,
    problems: Problems,
    ignored: tuple[str, ...],
    *,
    replaced: bool,
    written: Format,
) -> ImportReport:
    problems.extend(tree.problems)
    counts: dict[str, Counter[Kind]] = {}
    exceptions: Counter[str] = Counter()
    patterns: set[str] = set()
    for file in tree.files:
        usable = 0
        for found, _ in read_entries(file, problems):
            usable += len(found)
            if file.kind is Kind.EXPRESSIONS:
                patterns.update(found)
                if len(patterns) > _MOST_EXPRESSIONS:
                    raise CategoryImportError(
                        f"{file.place}: more than {_MOST_EXPRESSIONS:,} expressions in one list: "
                        "each request would be searched for all of them"
                    )
        for category in file.categories:
            if file.excepts:
                exceptions[category] += usable
            else:
                counts.setdefault(category, Counter())[file.kind] += usable
    try:
        ExpressionSet(sorted(patterns))
    except ValueError as error:  # nothing has changed
        raise CategoryImportError(str(error)) from error
    return ImportReport(
        name=tree.name,
        folder=target,
        counts=counts,
        aliases=tree.aliases,
        problems=problems,
        ignored=(*ignored, *(str(item) for item in tree.ignored)),
        replaced=replaced,
        format=written,
        exceptions=exceptions,
    )
