"""Lists and indexes for the tests of this room."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import CategoryIndex, SourceFolders, compile_index, read_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # list ("starter", "local" or a name) -> "category/file" -> content
    type Lists = Mapping[str, Mapping[str, str]]


class Place:
    """Folders of lists, and an index of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = SourceFolders(root / "categories", root / "data" / "lists")
        self.index_file = root / "data" / "categories.index"

    def write(self, lists: Lists) -> Place:
        for name, files in lists.items():
            own = name in {"starter", "local"}
            folder = (self.folders.categories_dir if own else self.folders.lists_dir) / name
            for file, content in files.items():
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode("utf-8", "surrogateescape"))
        return self

    def compiled(self) -> CategoryIndex:
        compile_index(read_sources(self.folders), self.index_file)
        return CategoryIndex.open(self.index_file)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Empty folders."""
    return Place(tmp_path)


@pytest.fixture
def index_of(place: Place) -> Callable[[Lists], CategoryIndex]:
    """Compiles lists given as text and opens the index."""
    return lambda lists: place.write(lists).compiled()


@pytest.fixture(scope="session")
def ut1_archive() -> Path:
    """The UT1 archive: WATCHHOUSE_UT1, or the newest beside the repository."""
    named = os.environ.get("WATCHHOUSE_UT1")
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    found = [Path(named)] if named else sorted(data.glob("ut1-*.tar.gz"))
    if not found or not found[-1].is_file():
        pytest.skip(
            f"no UT1 archive: its licence keeps it out of this repository. Put one at {data} "
            "or name one in WATCHHOUSE_UT1"
        )
    return found[-1]
