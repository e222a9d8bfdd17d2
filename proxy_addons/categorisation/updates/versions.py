"""The versions of lists that are kept, and which of them is in force.

In: lists as imports leave them. Out: versions by name and time; a list put in force in one step.
Must never: leave a list half replaced, remove the version in force, or take the word of a file for
what is in force: the link that the compiler follows says so.

    lists/ut1 -> .store/ut1.20261123T021500Z/…      what is in force (imports.py)
    lists/.history/ut1/20261123T021500Z/            a version: version.json, list/…
    lists/.history/ut1/state.json                   what is held, pinned, known of the source

Files of a version and of the list in force are hard links of each other: a version costs what
differs. Version ids are the times (UTC) at which they came.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.categorisation.report import CategorySourceError, quoted
from proxy_addons.categorisation.sources import locked
from proxy_addons.categorisation.staging import sync_folder
from proxy_addons.categorisation.tree import is_valid_name, list_root
from proxy_addons.categorisation.updates.files import digest_of_tree, link_tree, put

if TYPE_CHECKING:
    from pathlib import Path

HISTORY: Final = ".history"
INCOMING: Final = ".incoming"
_STORE: Final = ".store"
_LIST, _ABOUT = "list", "version.json"
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a list.

    Attributes:
        id: when it came, e.g. `20261123T021500Z`.
        place: where from; empty: imported by hand.
        digest: of all its files.
        entries: distinct entries.
        size: octets that were fetched.
        reasons: why it was held back, as `Reason.as_json` gives them.
    """

    id: str
    place: str = ""
    digest: str = ""
    entries: int = 0
    size: int = 0
    reasons: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one list.

    Attributes:
        lists_dir: where imported lists are.
        name: of the list.
    """

    lists_dir: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.lists_dir / HISTORY / self.name

    def all(self) -> tuple[Version, ...]:
        """All that are kept, oldest first; what is damaged is left out."""
        if not self.folder.is_dir():
            return ()
        ids = sorted(each.name for each in self.folder.iterdir() if _ID.fullmatch(each.name))
        return tuple(found for found in map(self._read, ids) if found is not None)

    def _read(self, version: str) -> Version | None:
        try:
            data = json.loads((self.folder / version / _ABOUT).read_text(encoding="utf-8"))
            return Version(**{**data, "id": version, "reasons": tuple(data["reasons"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None  # not usable: it is not offered; the list in force does not need it

    def get(self, version: str) -> Version:
        """One version.

        Raises:
            CategorySourceError: there is none; the text says which there are.
        """
        known = {each.id: each for each in self.all()}
        if version not in known:
            there = ", ".join(known) or "none"
            raise CategorySourceError(
                f"{self.name} has no version {quoted(version)}; there are: {there}"
            )
        return known[version]

    def find(self, version: str | None) -> Version | None:
        """One version; None when there is none of that id."""
        return next((each for each in self.all() if each.id == version), None)

    def unchanged(self, version: str) -> Version:
        """One version, when its files are as they came.

        Raises:
            CategorySourceError: there is none, or somebody has changed a file of it.
        """
        found = self.get(version)
        try:
            same = digest_of_tree(self.folder / version / _LIST) == found.digest
        except OSError as error:  # what is in force stays
            raise CategorySourceError(
                f"{error.filename or self.folder}: cannot be read: {error.strerror}"
            ) from error
        if not same:
            raise CategorySourceError(
                f"{self.name}: the files of version {version} were changed since it came; take "
                "another one, or import the list anew"
            )
        return found

    def tree(self, version: str) -> Path:
        """The folder whose folders are the categories of a version.

        Raises:
            CategorySourceError: it cannot be read.
        """
        return list_root(self.folder / version / _LIST)

    def store_in_force(self) -> Path | None:
        """The folder in the store that holds the list in force; None when there is no list."""
        link = self.lists_dir / self.name
        if not link.is_symlink():
            return None
        parts = link.readlink().parts
        usable = len(parts) > 1 and parts[0] == _STORE and ".." not in parts
        return self.lists_dir / _STORE / parts[1] if usable else None

    def in_force(self) -> str | None:
        """The version in force; None when there is no list, or one that was imported by hand."""
        store = self.store_in_force()
        version = "" if store is None else store.name.removeprefix(f"{self.name}.")
        return version if _ID.fullmatch(version) else None

    def add(self, imported: Path, version: Version, now: datetime) -> Version:
        """Keeps a version.

        Args:
            imported: the folder of an import; it is moved.
            version: what is known of it; its id and digest are given here.
            now: when it came.

        Raises:
            OSError: it is not kept.
        """
        half = imported.with_name(f"{imported.name}.version")
        half.mkdir()
        imported.rename(half / _LIST)
        kept = replace(version, id=self._free(now), digest=digest_of_tree(half / _LIST))
        return self._added(half, kept)

    def keep_in_force(self, work: Path) -> str | None:
        """Keeps the list in force where no version has it yet: it was imported by hand.

        Args:
            work: a folder on the same disk.

        Returns:
            The version that has it; None when there is no list.

        Raises:
            OSError: it is not kept.
        """
        store, version = self.store_in_force(), self.in_force()
        if store is None or not store.is_dir():
            return None
        if version is not None and (self.folder / version).is_dir():
            return version
        digest = digest_of_tree(store)
        for each in self.all():
            if each.digest == digest:
                return each.id
        half = work / "by-hand"
        half.mkdir()
        link_tree(store, half / _LIST)
        came = datetime.fromtimestamp(store.stat().st_mtime, UTC)
        return self._added(half, Version(self._free(came), digest=digest)).id

    def _added(self, half: Path, version: Version) -> Version:
        put(half / _ABOUT, json.dumps(asdict(version), indent=1, sort_keys=True))
        self.folder.mkdir(parents=True, exist_ok=True)
        half.rename(self.folder / version.id)
        sync_folder(self.folder)
        return version

    def _free(self, moment: datetime) -> str:
        first = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        number, found = 1, first
        while (self.folder / found).exists():
            number += 1
            found = f"{first}-{number}"
        return found

    def put_in_force(self, version: str) -> None:
        """Makes a version the list in force, in one step. The index is another matter.

        Raises:
            CategorySourceError: it cannot be; the list in force stays.
        """
        target = self.lists_dir / self.name
        if target.exists() and not target.is_symlink():
            raise CategorySourceError(
                f"{target}: a folder that no import made is in the way: move it elsewhere"
            )
        try:
            with locked(self.lists_dir):
                if self.in_force() == version:
                    return
                store = self.lists_dir / _STORE
                store.mkdir(exist_ok=True)
                place = store / f"{self.name}.{version}"
                shutil.rmtree(place, ignore_errors=True)  # of one that was cut short
                link_tree(self.folder / version / _LIST, place)
                link = store / f".{place.name}.link"
                link.unlink(missing_ok=True)
                link.symlink_to(list_root(place).relative_to(self.lists_dir))
                sync_folder(store)
                link.replace(target)
                sync_folder(self.lists_dir)
        except OSError as error:  # the list in force stays
            raise CategorySourceError(
                f"{error.filename or target}: {error.strerror or error}"
            ) from error

    def take_out(self) -> None:
        """Take the list out of force: it was put there as the first of its name, and wrongly."""
        with locked(self.lists_dir):
            (self.lists_dir / self.name).unlink(missing_ok=True)
            sync_folder(self.lists_dir)

    def forget(self, version: str) -> None:
        """Remove a version that is not in force."""
        if version != self.in_force() and _ID.fullmatch(version):
            shutil.rmtree(self.folder / version, ignore_errors=True)

    def prune(self, keep: int, spared: frozenset[str]) -> None:
        """Remove the oldest versions beyond a number; see also `tidy`.

        Args:
            keep: how many stay.
            spared: versions that stay whatever their number.
        """
        spared |= {self.in_force() or ""}
        others = [each.id for each in self.all() if each.id not in spared]
        for version in others[: max(0, len(others) - max(0, keep - len(spared)))]:
            self.forget(version)
        self.tidy()

    def tidy(self) -> None:
        """Remove what the store holds without need: of versions before, and of killed updates.

        Raises:
            CategorySourceError: the folder cannot be written.
        """
        with locked(self.lists_dir):
            used = self.store_in_force()
            store = self.lists_dir / _STORE
            for link in store.glob(f".{self.name}.*.link"):
                link.unlink(missing_ok=True)
            for entry in store.glob(f"{self.name}.*"):
                old = _ID.fullmatch(entry.name.removeprefix(f"{self.name}."))
                if old and entry != used:
                    shutil.rmtree(entry, ignore_errors=True)


def known_names(lists_dir: Path) -> tuple[str, ...]:
    """The lists that have a history."""
    folder = lists_dir / HISTORY
    if not folder.is_dir():
        return ()
    return tuple(sorted(each.name for each in folder.iterdir() if is_valid_name(each.name)))
