"""Reads the files of an import and writes them as our own layout.

In: a folder of files in one format. Out: `<category>/{domains,hosts,urls,expressions}[.except]`.
Must never: write a line that it has not read as an entry.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.formats import adblock, e2guardian, hosts, plain, rpz
from proxy_addons.categorisation.formats.base import Entry, Format
from proxy_addons.categorisation.formats.ladder import standing
from proxy_addons.categorisation.report import CategoryImportError, Problems, quoted
from proxy_addons.categorisation.staging import is_licence
from proxy_addons.categorisation.tree import EXCEPT, UNCATEGORISED, is_valid_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    type Reader = Callable[[Path, str, Problems], Iterator[Entry]]

_READERS: dict[Format, Reader] = {
    Format.DOMAINS: plain.read,
    Format.HOSTS: hosts.read,
    Format.ADBLOCK: adblock.read,
    Format.RPZ: rpz.read,
}
_HELD = 1 << 16  # lines written together
_MOST_CATEGORIES = 2000
_NAMED = 3  # of files that are not used


def list_files(folder: Path) -> list[Path]:
    """The files of an import that may be lists, in order of their names."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(here, name) for name in files if not name.startswith(".") and not is_licence(name)
        ]
    return sorted(path for path in found if path.is_file())


@dataclass(frozen=True, slots=True)
class Files:
    """Files to be read.

    Attributes:
        folder: where they are.
        given: where they were before they were copied.
        name: of the list, for reports.
        category: what entries are filed under; None: by file.
    """

    folder: Path
    given: Path
    name: str
    category: str | None


def convert(
    written: Format,
    files: Files,
    work: Path,
    category_of: Callable[[Path], str],
    problems: Problems,
) -> tuple[str, ...]:
    """Reads files and writes them anew.

    Args:
        written: how they are written.
        files: them.
        work: the folder that they are written to.
        category_of: what a file's entries are filed under by its name.
        problems: where lines that are not used are noted.

    Returns:
        Files that are not used, and why.

    Raises:
        CategoryImportError: when a file is refused as a whole.
        OSError: when a file cannot be read or written.
    """
    if files.category is not None:
        _checked(files.category, "--category")
    out = _Output(work)
    ignored: tuple[str, ...] = ()
    if written is Format.E2GUARDIAN:
        ignored = _e2guardian(files, problems, out)
    else:
        groups: dict[str, list[tuple[Path, str]]] = {}
        for path in list_files(files.folder):
            place = f"{files.name}/{path.relative_to(files.folder)}"
            filed = files.category or _checked(category_of(path), place)
            groups.setdefault(filed, []).append((path, place))
        for filed, group in groups.items():
            for found in _of_group(written, group, problems):
                out.add(filed, found)
    out.finish()
    for path in files.folder.rglob("*"):
        kept = work / path.name
        if is_licence(path.name) and path.is_file() and not path.is_symlink() and not kept.is_dir():
            path.replace(kept)
    return ignored


def _of_group(
    written: Format, group: list[tuple[Path, str]], problems: Problems
) -> Iterator[Entry]:
    """The entries of the files of one category."""
    read = _READERS[written]
    entries = chain.from_iterable(read(path, place, problems) for path, place in group)
    if written is not Format.ADBLOCK:  # the others mean their entries as the index does
        return entries
    strong = chain.from_iterable(adblock.read_strong(path, place) for path, place in group)
    return standing(strong, entries, partial(_left_out, "", problems))


def _e2guardian(files: Files, problems: Problems, out: _Output) -> tuple[str, ...]:
    root, name = files.folder.resolve(), files.name
    found_files = list_files(root)
    folders = sorted({path.parent for path in found_files if e2guardian.is_list(path.name)})
    urls = 0
    prefixes = _prefixes(root, folders)
    for folder, prefix in zip(folders, prefixes, strict=True):
        read = partial(
            e2guardian.read, folder, root, files.given, place=name, category=files.category
        )
        categories: set[str] = set()
        exceptions: list[Entry] = []
        left_out = partial(_left_out, name, problems)
        for found in standing(read(problems=Problems()), read(problems=problems), left_out):
            urls += found.kind is Kind.URLS
            if found.excepts:
                exceptions.append(found)
            else:
                categories.add(_checked(prefix + found.category, found.place))
                out.add(prefix + found.category, found)
        if categories:
            first, *further = sorted(categories)
            for found in exceptions:
                out.add(first, found)
            for kind in {found.kind for found in exceptions}:
                out.share(first, kind, further)
    others = [
        str(path.relative_to(root))
        for path in found_files
        if path.parent in folders and not e2guardian.is_list(path.name)
    ]
    return tuple(_said(name, others, urls))


def _prefixes(root: Path, folders: list[Path]) -> list[str]:
    """What categories begin with: groups stay apart, as an exception is one in its own only."""
    if len(folders) == 1:
        return [""]
    names = [e2guardian.category_name(str(folder.relative_to(root))) for folder in folders]
    if len(set(names)) < len(names):
        raise CategoryImportError(
            "folders whose names differ in nothing that a category has: import them one by one"
        )
    return [f"{name}-" if name else "" for name in names]


def _said(name: str, others: list[str], urls: int) -> Iterator[str]:
    """What is not used as it was meant, beside single lines."""
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield (
            f"{name}: {len(others)} files not used, by their names no lists of sites: "
            f"{', '.join(others[:_NAMED])}{more}"
        )
    if urls:
        yield (
            f"{name}: {urls} URLs hold for their own host, where E2Guardian takes hosts below it "
            "too, and as the beginning of a path, where it wants a whole step of one"
        )


def _left_out(place: str, problems: Problems, found: Entry) -> None:
    why = f"a stronger rule of the same list says otherwise: {quoted(found.line)}"
    problems.add(found.place or place, found.number, why)


def _checked(category: str, place: str) -> str:
    if not is_valid_name(category) or category == UNCATEGORISED:
        raise CategoryImportError(
            f"{place}: {quoted(category)} cannot name a category: give one with --category "
            f"(letters, digits, - and _; not {UNCATEGORISED})"
        )
    return category


class _Output:
    """The files being written, a few lines of each held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[tuple[str, Kind, bool], list[str]] = {}
        self._count = 0
        self._categories: set[str] = set()
        self._paths: set[Path] = set()
        self._shared: list[tuple[str, str, str]] = []

    def add(self, category: str, found: Entry) -> None:
        """Adds an entry.

        Raises:
            CategoryImportError: when there are too many categories.
        """
        if category not in self._categories:
            self._categories.add(category)
            if len(self._categories) > _MOST_CATEGORIES:
                raise CategoryImportError(f"more than {_MOST_CATEGORIES} categories: not a list")
        self._held.setdefault((category, found.kind, found.excepts), []).append(found.line)
        self._count += 1
        if self._count >= _HELD:
            self._write()

    def share(self, category: str, kind: Kind, others: Iterable[str]) -> None:
        """Makes the exceptions of a category those of others too."""
        self._shared += [(category, kind + EXCEPT, other) for other in others]

    def finish(self) -> None:
        """Puts all on disk."""
        self._write()
        for category, name, other in self._shared:
            (self._folder / other / name).symlink_to(f"../{category}/{name}")
        for path in sorted(self._paths):
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def _write(self) -> None:
        for (category, kind, excepts), lines in self._held.items():
            path = self._folder / category / (kind + EXCEPT if excepts else kind)
            path.parent.mkdir(exist_ok=True)
            self._paths.add(path)
            with path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                file.writelines(f"{line}\n" for line in lines)
        self._held.clear()
        self._count = 0
