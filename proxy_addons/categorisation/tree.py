"""One category list in squidGuard layout: `<category>/{domains,hosts,urls,expressions}`.

Beside each of these there may be one that ends in `.except`.

In: a folder. Out: which files belong to which categories, descriptions, and what is not used.
Must never: follow a link out of the folder, read what is no regular file, or take policy from a
list (`usage` and `global_usage` are read as descriptions only).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.categorisation.descriptions import read_descriptions
from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.report import CategorySourceError, Problem, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

UNCATEGORISED = "uncategorised"  # in local overrides: the entry has no category at all
LOCAL = "local"
STARTER = "starter"
EXCEPT = ".except"  # after a list file's name: what is not in the category

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_MAX_DEPTH = 4  # of categories within categories (Shalla's lists have two)


_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class ListFile:
    """One file of entries.

    Attributes:
        path: the file itself, links resolved.
        place: how reports name it: `<list>/<category>/<file>`.
        kind: what its lines are.
        categories: the categories it fills; more than one where aliases point at it.
        excepts: its lines are what is not in these categories, whatever broader lines say.
    """

    path: Path
    place: str
    kind: Kind
    categories: tuple[str, ...]
    excepts: bool = False


@dataclass(frozen=True, slots=True)
class ListTree:
    """One list.

    Attributes:
        name: `starter`, `local`, or the name of an import.
        files: its files, in order of their places.
        aliases: alias category to the folder it points at, e.g. `mail` to `forums`.
        descriptions: one line for each category that has one.
        ignored: files that are there and not used, and why.
        problems: what ought to be put right.
    """

    name: str
    files: tuple[ListFile, ...]
    aliases: Mapping[str, str]
    descriptions: Mapping[str, str]
    ignored: tuple[Problem, ...]
    problems: tuple[Problem, ...]

    @property
    def categories(self) -> frozenset[str]:
        """All categories that the list has files for."""
        return frozenset(
            category for file in self.files if not file.excepts for category in file.categories
        )


def is_valid_name(name: str) -> bool:
    """Whether a text may name a category or a list."""
    return _NAME.fullmatch(name) is not None


def list_root(folder: Path) -> Path:
    """Finds the folder that holds the categories: the given one, or the only folder in it.

    Archives usually wrap their categories (`blacklists/`, `BL/`).

    Raises:
        CategorySourceError: when the folder is itself one category, or cannot be read.
    """
    try:
        if _has_lists(folder):
            raise CategorySourceError(
                f"{folder}: holds domains, urls or expressions itself: "
                "give the folder above it, whose folders are the categories"
            )
        inner = [entry for entry in _folders(folder) if not entry.is_symlink()]
        if (
            len(inner) == 1
            and not _has_lists(inner[0])
            and any(map(_has_lists, _folders(inner[0])))
        ):
            return inner[0]
    except OSError as error:  # nothing is imported or compiled
        raise CategorySourceError(f"{folder}: cannot be read: {error.strerror}") from error
    return folder


def read_tree(name: str, folder: Path) -> ListTree:
    """Finds the files of a list.

    Args:
        name: name of the list; `local` may have the category `uncategorised`.
        folder: what `list_root` gave.

    Raises:
        CategorySourceError: when the folder cannot be read.
    """
    return _Reader(name, folder).read()


def _folders(folder: Path) -> list[Path]:
    return sorted(
        entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_dir()
    )


def _has_lists(folder: Path) -> bool:
    return any((folder / f"{kind}{end}").is_file() for kind in _KINDS for end in ("", EXCEPT))


class _Reader:
    """Walks one list; collects what it finds."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.found: dict[tuple[Path, Kind, bool], tuple[str, set[str]]] = {}
        self.aliases: dict[str, str] = {}
        self.ignored: list[Problem] = []
        self.problems: list[Problem] = []

    def read(self) -> ListTree:
        try:
            self.root = self.folder.resolve(strict=True)
            # Folders before links to them: a file is reported under its own name, not an alias's.
            walked = sorted(
                self._walk(self.folder, ()), key=lambda item: (item[0].is_symlink(), item)
            )
            for folder, parts in walked:
                self._category(folder, parts)
            # An alias may be named after something else than it holds: UT1's mail is its forums.
            descriptions = read_descriptions(self.folder) | {
                alias: f"the same entries as {target}" for alias, target in self.aliases.items()
            }
        except OSError as error:  # nothing is compiled; the index in force stays
            raise CategorySourceError(
                f"{error.filename or self.folder}: cannot be read: {error.strerror}"
            ) from error
        files = [
            ListFile(path, place, kind, tuple(sorted(categories)), excepts)
            for (path, kind, excepts), (place, categories) in self.found.items()
        ]
        listed = {category for file in files if not file.excepts for category in file.categories}
        self.problems += [
            Problem(
                file.place, 0, "exceptions to nothing: the list has no entries in this category"
            )
            for file in files
            if listed.isdisjoint(file.categories)
        ]
        return ListTree(
            name=self.name,
            files=tuple(sorted(files, key=lambda file: file.place)),
            aliases=self.aliases,
            descriptions=descriptions,
            ignored=tuple(self.ignored),
            problems=tuple(self.problems),
        )

    def _walk(self, folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[Path, tuple[str, ...]]]:
        for inner in sorted(folder.iterdir()):
            if inner.name.startswith("."):
                continue
            if inner.is_symlink() and not self._stays_inside(inner):
                continue
            if not inner.is_dir():
                continue
            here = (*parts, inner.name)
            if _has_lists(inner):
                yield inner, here
            if not inner.is_symlink() and len(here) < _MAX_DEPTH:
                yield from self._walk(inner, here)

    def _stays_inside(self, link: Path) -> bool:
        place = f"{self.name}/{link.relative_to(self.folder)}"
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
            self.problems.append(Problem(place, 0, "a link that leads nowhere: remove it"))
            return False
        if not target.is_relative_to(self.root):
            self.problems.append(
                Problem(place, 0, "a link that leaves the list: copy what it points at instead")
            )
            return False
        return True

    def _category(self, folder: Path, parts: tuple[str, ...]) -> None:
        category = "-".join(parts).lower()
        place = f"{self.name}/{'/'.join(parts)}"
        if not is_valid_name(category):
            why = f"not a category's name: use letters, digits, - and _: {quoted(category)}"
            self.problems.append(Problem(place, 0, why))
            return
        if category == UNCATEGORISED and self.name != LOCAL:
            why = f"{UNCATEGORISED} means no category, which only local overrides may say"
            self.problems.append(Problem(place, 0, why))
            return
        if folder.is_symlink():
            self.aliases[category] = str(folder.resolve().relative_to(self.root))
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            self._file(folder / entry.name, f"{place}/{entry.name}", category)

    def _file(self, path: Path, place: str, category: str) -> None:
        kind = _KINDS.get(path.name.removesuffix(EXCEPT))
        excepts = path.name.endswith(EXCEPT)
        if kind is None:
            if path.name == "very_restrictive_expression":
                why = "not used: they refuse very much; take them with --very-restrictive"
                self.ignored.append(Problem(place, 0, why))
            elif path.name not in {"usage", "description"} and not path.is_dir():
                self.ignored.append(Problem(place, 0, "not used: no list file by its name"))
            return
        if excepts and self.name == LOCAL:
            why = f"local entries win as they are: write {UNCATEGORISED}, or the right category"
            self.problems.append(Problem(place, 0, why))
            return
        if path.is_symlink() and not self._stays_inside(path):
            return
        if not path.is_file():
            self.problems.append(Problem(place, 0, "not a regular file: replace it"))
            return
        _, categories = self.found.setdefault((path.resolve(), kind, excepts), (place, set()))
        categories.add(category)
