"""E2Guardian's lists: a folder of files whose names say what they do.

    [local]banned{site,siteip,url,regexpurl}list[withbypass]     entries
    [local]{exception,grey}{site,siteip,url,regexpurl}list       exceptions to all of them

An exception wins over every entry of its folder, a local list over one that is not local. `grey` is
an exception too: it says that a site is not refused for what it is.

    .Include<file>             the lines of another file stand here
    #listcategory: "name"      the category of the lines that follow in this file
    #time: ...                 when the file holds: the policy says that, a list cannot

In: a folder. Out: entries by category; what has no equal here, counted by what it is.
Must never: read a file outside the folder, or go round in a circle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.categorisation.entries import EntryError, Kind
from proxy_addons.categorisation.formats.base import Entry, entry, numbered, too_long
from proxy_addons.categorisation.report import Problems, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = re.compile(
    r"(?P<local>local)?(?P<what>banned|exception|grey)(?P<of>siteip|site|regexpurl|url)list"
    r"(?:withbypass)?"
)
_KINDS = {
    "site": Kind.DOMAINS,
    "siteip": Kind.DOMAINS,
    "url": Kind.URLS,
    "regexpurl": Kind.EXPRESSIONS,
}
_INCLUDE = re.compile(r"\.Include\s*<([^>]*)>\s*(?:#.*)?", re.IGNORECASE)
_CATEGORY = re.compile(r"#\s?listcategory:", re.IGNORECASE)
_TIME = re.compile(r"#time:\s*[0-9].*", re.IGNORECASE)
_NOTE = re.compile(r"\s#.*")
_RANGE = re.compile(r"[0-9a-fA-F:.]+(?:/[0-9.]+|-[0-9a-fA-F:.]+)", re.ASCII)
_UNUSABLE = re.compile(r"[^a-z0-9_-]+")
_SQUIDGUARD = {"domains", "urls", "expressions"}  # files in a folder that is their category
_DEEPEST = 8


def is_list(name: str) -> bool:
    """Whether a file is one of E2Guardian's lists of sites, by its name."""
    return _FILE.fullmatch(name) is not None


def category_name(text: str) -> str:
    """Gives `banned-sites` for `Banned Sites`."""
    return _UNUSABLE.sub("-", text.lower()).strip("-_")[:64]


def read(
    folder: Path, root: Path, given: Path, *, place: str, category: str | None, problems: Problems
) -> Iterator[Entry]:
    """Yields what the lists in one folder come to; an exception has no category: it is to all.

    Args:
        folder: one that holds files by these names.
        root: the folder that nothing may be read out of.
        given: where the root was before it was copied: `.Include` names files there.
        place: how reports name the root.
        category: file all under this one.
        problems: where lines that are not used are noted.

    Raises:
        OSError: when a file cannot be read.
    """
    reader = _Reader(root, given, place, category, problems)
    for path in sorted(folder.iterdir()):
        known = _FILE.fullmatch(path.name)
        if known and path.is_file():
            excepts = known["what"] != "banned"
            use = _Use(_KINDS[known["of"]], excepts, known["local"] is not None)
            yield from reader.file(path.resolve(), use, ())


class _Use(NamedTuple):
    kind: Kind
    excepts: bool
    strong: bool


@dataclass(slots=True)
class _Reader:
    root: Path
    given: Path
    place: str
    category: str | None
    problems: Problems
    read: set[tuple[Path, _Use]] = field(default_factory=set)

    def file(self, path: Path, use: _Use, above: tuple[Path, ...]) -> Iterator[Entry]:
        if (path, use) in self.read:
            return  # it says the same a second time, and a file included twice twice as often
        self.read.add((path, use))
        place = f"{self.place}/{path.relative_to(self.root)}"
        category = self._of_file(path)
        timed = False
        for number, line in numbered(path):
            try:
                too_long(line)
                if line.startswith("#"):
                    category = self._named(line) or category
                    if _TIME.fullmatch(line):
                        timed = use.excepts
                        self._timed(use)
                    continue
                if not line:
                    continue
                included = _INCLUDE.fullmatch(line)
                if included is not None and not timed:
                    inner = self._included(path, included[1], (*above, path))
                    yield from self.file(inner, use, (*above, path))
                    continue
                yield self._entry(line, number, use, timed=timed)._replace(
                    place=place, category="" if use.excepts else category
                )
            except EntryError as error:  # this line is not used, and said so
                self.problems.add(place, number, str(error))

    def _of_file(self, path: Path) -> str:
        if self.category:
            return self.category
        inside = path.relative_to(self.root)
        if path.name in _SQUIDGUARD and len(inside.parts) > 1:
            return category_name(path.parent.name) or "listed"
        return category_name(path.name.removesuffix("list")) or "listed"

    def _named(self, line: str) -> str:
        found = _CATEGORY.match(line)
        return category_name(line[found.end() :]) if found and not self.category else ""

    @staticmethod
    def _timed(use: _Use) -> None:
        if use.excepts:
            raise EntryError("#time, which a list cannot say: the exceptions below it are not used")
        raise EntryError("#time, which a list cannot say: the entries hold always, see time spaces")

    def _included(self, path: Path, written: str, above: tuple[Path, ...]) -> Path:
        """The file that an `.Include` names.

        Raises:
            EntryError: when it is outside, not there, or included already.
        """
        shown = quoted(written)
        name = written.strip().removeprefix("__LISTDIR__/")
        if "\0" in name or not name:
            raise EntryError(f".Include of no file: {shown}")
        if Path(name).is_absolute():
            if not Path(name).is_relative_to(self.given):
                raise EntryError(f".Include of a file outside the list: {shown}")
            places = [self.root / Path(name).relative_to(self.given)]
        else:
            places = [path.parent / name, self.root / name]
        for place in places:
            try:
                found = place.resolve(strict=True)
            except (OSError, RuntimeError):  # the next place, or the error below
                continue
            if not found.is_relative_to(self.root):
                raise EntryError(f".Include of a file outside the list: {shown}")
            if not found.is_file():
                raise EntryError(f".Include of what is no file: {shown}")
            if found in above:
                raise EntryError(f".Include in a circle: {shown}")
            if len(above) > _DEEPEST:
                raise EntryError(f".Include more than {_DEEPEST} files deep: {shown}")
            return found
        raise EntryError(f".Include of a file that is not there: {shown}")

    @staticmethod
    def _entry(line: str, number: int, use: _Use, *, timed: bool) -> Entry:
        if timed:
            raise EntryError("an exception that holds at times, which a list cannot say")
        if use.kind is Kind.EXPRESSIONS:
            written = line
        else:
            written = _NOTE.sub("", line)
            if written.startswith("**") or written.lower() in {"*ip", "*ips"}:
                raise EntryError(f"a blanket entry, which the policy says: {quoted(written)}")
            if _RANGE.fullmatch(written):
                raise EntryError(f"a range of addresses: {quoted(written)}")
        return entry(use.kind, written, number, excepts=use.excepts, strong=use.strong)
