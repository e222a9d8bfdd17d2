"""Checking the tiles of a log: which of them, and which entries, are not what was signed.

In: the folder of the tiles, the size and the root that were signed. Out: the entries, as far as
they can be read; what is wrong, file by file.
Must never: blame a tile for what is wrong with an entry, as long as the signed root says which.

Entries make hashes, hashes make the root. Whoever changed one of the two has left the other, and
the root tells which: what still leads to it is as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.merkle import HASH, Leaves, leaf_hash, root_of
from proxy_addons.accesslog.seal.tiles import ENTRIES, WIDTH, TileError, Tiles, entries_in, name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEIGHT: Final = 8


class TileCheck:
    """The check of one log's tiles.

    Args:
        folder: where `tile/` is.
        size: entries that are signed.
        root: of them, as signed.
        wrong: told a file, and what is wrong with it.

    Attributes:
        known: files that were looked at.
    """

    def __init__(
        self, folder: Path, size: int, root: bytes, wrong: Callable[[Path, str], None]
    ) -> None:
        self._folder = folder
        self._size = size
        self._root = root
        self._wrong = wrong
        self.known: set[Path] = set()

    def run(self) -> list[bytes]:
        """Check them. Gives the entries, up to the first bundle that cannot be read."""
        bundles = self._bundles()
        entries = [entry for bundle in bundles if bundle is not None for entry in bundle]
        hashes = [leaf_hash(entry) for entry in entries]
        as_signed = None not in bundles and root_of(hashes) == self._root
        if as_signed:
            self._against(hashes)
        else:
            self._by_themselves(bundles)
        return entries

    def _octets(self, level: int | str, number: int, width: int) -> bytes | None:
        path = self._folder / name_of(level, number, width)
        self.known.add(path)
        try:
            return path.read_bytes()
        except OSError as problem:
            self._wrong(path, f"cannot be read: {problem.strerror}")
            return None

    def _widths(self, hashes: int) -> list[int]:
        """Of the tiles that so many hashes fill."""
        full, rest = divmod(hashes, WIDTH)
        return [WIDTH] * full + [rest] * bool(rest)

    def _bundles(self) -> list[list[bytes] | None]:
        found: list[list[bytes] | None] = []
        for number, width in enumerate(self._widths(self._size)):
            octets = self._octets(ENTRIES, number, width)
            self._narrower(ENTRIES, number, width, octets)
            entries = None
            if octets is not None:
                path = self._folder / name_of(ENTRIES, number, width)
                try:
                    entries = entries_in(octets)
                except TileError as problem:
                    self._wrong(path, str(problem))
                if entries is not None and len(entries) != width:
                    self._wrong(path, f"{len(entries)} entries instead of {width}")
                    entries = entries[:width] if len(entries) > width else None
            found.append(entries)
        return found

    def _against(self, leaves: list[bytes]) -> None:
        """The entries are what was signed: so is each tile that they make, and no other."""
        level, hashes = 0, leaves
        while hashes:
            above = []
            for number, width in enumerate(self._widths(len(hashes))):
                made = hashes[number * WIDTH : number * WIDTH + width]
                octets = self._octets(level, number, width)
                self._narrower(level, number, width, b"".join(made))
                if octets is not None and octets != b"".join(made):
                    path = self._folder / name_of(level, number, width)
                    self._wrong(path, "is not what the entries make of it")
                if width == WIDTH:
                    above.append(Leaves(made).subtree(_HEIGHT, 0))
            level, hashes = level + 1, above

    def _by_themselves(self, bundles: list[list[bytes] | None]) -> None:
        """Entries were changed: the tiles say which, if they lead to the signed root."""
        try:
            whole = Tiles(self._folder).root(self._size) == self._root
        except TileError as problem:
            self._wrong(self._folder, f"neither entries nor hashes are as signed: {problem}")
            whole = False
        for number, width in enumerate(self._widths(self._size)):
            octets = self._octets(0, number, width)
            self._narrower(0, number, width, octets)
            bundle = bundles[number]
            if octets is None or bundle is None:
                continue
            for place, entry in enumerate(bundle):
                if leaf_hash(entry) != octets[place * HASH : (place + 1) * HASH]:
                    at = f"entry {number * WIDTH + place} of the log"
                    self._wrong(
                        self._folder / name_of(ENTRIES, number, width), f"{at} is not as hashed"
                    )
                    if not whole:
                        self._wrong(
                            self._folder / name_of(0, number, width), f"{at}, or its hash, is not"
                        )
        for level, hashes in self._levels():
            for number, width in enumerate(self._widths(hashes)):
                self._narrower(level, number, width, self._octets(level, number, width))

    def _levels(self) -> list[tuple[int, int]]:
        """Levels above the first, with how many hashes they have."""
        found, level, hashes = [], 1, self._size // WIDTH
        while hashes:
            found.append((level, hashes))
            level, hashes = level + 1, hashes // WIDTH
        return found

    def _narrower(self, level: int | str, number: int, width: int, whole: bytes | None) -> None:
        """Tiles of smaller trees, which were kept: they are how the one that counts begins."""
        full = self._folder / name_of(level, number)
        folder = full.with_name(full.name + ".p")
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not path.name.isdecimal() or not 0 < int(path.name) < width:
                continue
            octets = self._octets(level, number, int(path.name))
            if octets is None or whole is None:
                continue
            if not whole.startswith(octets) or not _holds(level, octets, int(path.name)):
                self._wrong(path, "is not how the tile that counts begins")


def _holds(level: int | str, octets: bytes, width: int) -> bool:
    """Whether a tile has as many hashes, or entries, as its name says."""
    if level != ENTRIES:
        return len(octets) == width * HASH
    try:
        return len(entries_in(octets)) == width
    except TileError:
        return False  # it ends in the middle of one
