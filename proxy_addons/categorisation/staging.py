"""Where an import is put together before it replaces anything.

In: files and links one by one, under the names that an archive or a folder gives them.
Out: a folder that holds the files worth keeping.
Must never: write outside its folder, follow a link while writing, or take what is not a list.

A name that tries to leave the folder refuses the whole import: who writes such an archive is not to
be trusted with the rest of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.report import CategoryImportError, quoted
from proxy_addons.categorisation.tree import EXCEPT

if TYPE_CHECKING:
    from typing import IO

MAX_FILE = 1 << 30  # octets
MAX_TOTAL = 4 << 30  # octets
MAX_ENTRIES = 20_000
_MAX_DEPTH = 8
_MAX_NAME = 512  # characters
_BLOCK = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")  # as a file of it begins; UTF-32 begins so too

_KEPT = {
    *(*Kind, *(kind + EXCEPT for kind in Kind), "domains.diff", "urls.diff"),
    *("very_restrictive_expression", "usage", "description", "global_usage"),
}
_LICENCES = ("licence", "license", "copying", "readme", "cc-by")  # lists must keep theirs


@dataclass(slots=True)
class Staging:
    """One import being put together.

    Attributes:
        folder: an empty folder.
        all_kept: keep files by any name, not only those of squidGuard's layout.
        ignored: names that are not list files, not kept.
    """

    folder: Path
    all_kept: bool = False
    ignored: list[str] = field(default_factory=list)
    _seen: set[PurePosixPath] = field(default_factory=set)
    _files: set[PurePosixPath] = field(default_factory=set)
    _links: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    _total: int = 0
    _count: int = 0

    def checked(self, name: str) -> PurePosixPath:
        """Gives a name as a path inside the folder; `.` for the folder itself.

        Raises:
            CategoryImportError: when it leaves the folder, or is no sensible name.
        """
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise CategoryImportError(f"more than {MAX_ENTRIES} entries: not a category list")
        if len(name) > _MAX_NAME or not name.isprintable() or "\\" in name:
            raise CategoryImportError(f"{quoted(name)}: not a sensible file name")
        path = PurePosixPath(name)
        if path.is_absolute():
            raise CategoryImportError(f"{quoted(name)}: an absolute path")
        if ".." in path.parts:
            raise CategoryImportError(f"{quoted(name)}: leaves the folder (..)")
        if len(path.parts) > _MAX_DEPTH:
            raise CategoryImportError(f"{quoted(name)}: more than {_MAX_DEPTH} folders deep")
        return path

    def add_file(self, path: PurePosixPath, source: IO[bytes], size: int | None) -> None:
        """Keeps a file, if it is one of a list.

        Args:
            path: where, see `checked`.
            source: its content.
            size: its octets; None: to its end.

        Raises:
            CategoryImportError: when it is too large, shorter than announced, named twice, or in an
                encoding that no list is read in.
        """
        if not self._wanted(path):
            return
        self._total += size or 0
        if (size or 0) > MAX_FILE or self._total > MAX_TOTAL:
            raise CategoryImportError(f"{quoted(str(path))}: too large ({size} octets)")
        self._new(path)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            self._copy(path, source, file, size)
            file.flush()
            os.fsync(file.fileno())
        self._files.add(path)

    def _copy(
        self, path: PurePosixPath, source: IO[bytes], file: IO[bytes], size: int | None
    ) -> None:
        done = 0
        while size is None or done < size:
            block = source.read(_BLOCK if size is None else min(size - done, _BLOCK))
            if not done and block.startswith(_UTF16) and not is_licence(path.name):
                raise CategoryImportError(
                    f"{quoted(str(path))}: written in UTF-16: convert it to UTF-8"
                )
            if not block and size is None:
                return
            if not block:
                raise CategoryImportError(f"{quoted(str(path))}: cut short")
            done += file.write(block)
            if done > MAX_FILE:
                raise CategoryImportError(f"{quoted(str(path))}: too large")

    def add_hard_link(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Keeps a second name of a file that has been kept.

        Raises:
            CategoryImportError: when the file is not there.
        """
        if not self._wanted(path):
            return
        if target not in self._files:
            raise CategoryImportError(f"{quoted(str(path))}: a link to a file that is not there")
        self._new(path)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(self.folder / target, self.folder / path)
        self._files.add(path)

    def add_link(self, path: PurePosixPath, target: str) -> None:
        """Notes a symbolic link (an alias). It is made by `finish`, when its target is known.

        Raises:
            CategoryImportError: when it leaves the folder, or its name is taken.
        """
        if PurePosixPath(target).is_absolute():
            raise CategoryImportError(f"{quoted(str(path))}: a link to an absolute path")
        parts = list(path.parent.parts)
        for part in PurePosixPath(target).parts:
            if part != "..":
                parts.append(part)
            elif parts:
                parts.pop()
            else:
                raise CategoryImportError(f"{quoted(str(path))}: a link that leaves the folder")
        self._new(path)
        self._links[path] = PurePosixPath(*parts)

    def finish(self) -> None:
        """Makes the links, and puts all on disk.

        Raises:
            CategoryImportError: when a file was to be written through a link.
        """
        for path in self._seen:
            if not self._links.keys().isdisjoint(path.parents):
                raise CategoryImportError(f"{quoted(str(path))}: would be written through a link")
        waiting = dict(self._links)
        while ready := [path for path in waiting if (self.folder / waiting[path]).exists()]:
            for path in ready:
                place = self.folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(os.path.relpath(self.folder / waiting.pop(path), place.parent))
        self.ignored += [f"{path} (a link to what is not kept)" for path in waiting]
        for folder, _, _ in os.walk(self.folder):
            sync_folder(Path(folder))

    def _wanted(self, path: PurePosixPath) -> bool:
        if self.all_kept or path.name in _KEPT or is_licence(path.name):
            return True
        self.ignored.append(str(path))
        return False

    def _new(self, path: PurePosixPath) -> None:
        if path in self._seen:
            raise CategoryImportError(f"{quoted(str(path))}: is there twice")
        self._seen.add(path)


def is_licence(name: str) -> bool:
    """Whether a file is one of those that a list's author wants kept with it."""
    return name.lower().startswith(_LICENCES)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
