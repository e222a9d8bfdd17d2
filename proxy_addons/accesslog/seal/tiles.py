"""Tiles: a Merkle log in files, as C2SP's tlog-tiles has it.

In: entries, one after the other. Out: files `tile/<level>/<number>`, `tile/entries/<number>`;
hashes of subtrees, and entries, read out of them.
Must never: change a hash or an entry that a signed checkpoint counts; read past the size it is
told.

A tile has up to 256 hashes: those of level 0 are of leaves, each one above is the root of a full
tile below. Only the last tile of a level is partial, and has its width in its name, so that a
larger one stands beside it and takes nothing away. Whoever wants to copy or serve the log can do so
with these files as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.merkle import HASH, Leaves, leaf_hash, root_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WIDTH: Final = 256
"""Hashes of a full tile, and entries of a full bundle."""
LARGEST: Final = 0xFFFF
"""Octets of an entry, at most."""
_HEIGHT: Final = 8
ENTRIES: Final = "entries"


class TileError(Exception):
    """A tile or a bundle is missing, or is not what it should be. The text names the file."""


def name_of(level: int | str, number: int, width: int = WIDTH) -> str:
    """The path of a tile: `tile/0/x001/x234/067.p/12`.

    Args:
        level: of hashes; `entries` for a bundle.
        number: of the tile in its level, from 0.
        width: hashes in it.
    """
    parts = []
    rest = number
    while True:
        rest, part = divmod(rest, 1000)
        parts.append(f"{part:03d}")
        if not rest:
            break
    parts = [*(f"x{part}" for part in parts[:0:-1]), parts[0]]
    tail = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(parts)}{tail}"


def entries_in(bundle: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        TileError: it ends in the middle of one.
    """
    found, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2])
        entry = bundle[at + 2 : at + 2 + length]
        if len(entry) != length or len(bundle) - at < 2:
            raise TileError("it ends in the middle of an entry")
        found.append(entry)
        at += 2 + length
    return found


class Tiles:
    """The tiles of one log.

    Args:
        folder: where `tile/` is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[tuple[int, int], Leaves] = {}

    def forget(self) -> None:
        """Read everything from the disk again."""
        self._read.clear()

    # --- reading ----------------------------------------------------------------------------

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries, out of the tiles.

        Raises:
            TileError: one that this needs is missing or damaged.
        """
        return root_at(lambda level, index: self.subtree(level, index, size), size)

    def subtree(self, level: int, index: int, size: int) -> bytes:
        """The hash of a perfect subtree (`merkle.Subtree`) of the tree of the first `size` entries.

        Raises:
            TileError: as for `root`.
        """
        tiled, within = divmod(level, _HEIGHT)
        number, place = divmod(index << within, WIDTH)
        return self._tile(tiled, number, size).subtree(within, place >> within)

    def _tile(self, level: int, number: int, size: int) -> Leaves:
        """The hashes of a tile, as many as a tree of this size has."""
        hashes = size >> (level * _HEIGHT)  # of that level
        width = min(WIDTH, hashes - number * WIDTH)
        found = self._read.get((level, number))
        if found is None or len(found) < width:
            octets = self._octets(level, number, width)
            if len(octets) % HASH or len(octets) < width * HASH:
                raise TileError(f"{self._folder / name_of(level, number, width)}: wrong length")
            hashed = [octets[at : at + HASH] for at in range(0, len(octets), HASH)]
            found = self._read[level, number] = Leaves(hashed)
        return found

    def _octets(self, level: int | str, number: int, width: int) -> bytes:
        """Of the partial tile of that width, or of the full one."""
        for each in dict.fromkeys((width, WIDTH)):
            try:
                return (self._folder / name_of(level, number, each)).read_bytes()
            except OSError as problem:
                if each == WIDTH or not isinstance(
                    problem, (FileNotFoundError, NotADirectoryError)
                ):
                    # Nothing can be said of the log without it.
                    path = self._folder / name_of(level, number, width)
                    raise TileError(f"{path}: {problem.strerror}") from problem
        raise AssertionError(width)

    def entries(self, size: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from `first` on, each with its place; each is what its hash says.

        Raises:
            TileError: a bundle or a tile is missing or damaged.
        """
        for number in range(first // WIDTH, -(-size // WIDTH)):
            width = min(WIDTH, size - number * WIDTH)
            bundle = self._bundle(number, width)
            for place, entry in enumerate(bundle[:width], number * WIDTH):
                if place < first:
                    continue
                if leaf_hash(entry) != self.subtree(0, place, size):
                    path = self._folder / name_of(ENTRIES, number, width)
                    raise TileError(f"{path}: entry {place} of the log is not what was hashed")
                yield place, entry

    def _bundle(self, number: int, width: int) -> list[bytes]:
        path = self._folder / name_of(ENTRIES, number, width)
        try:
            found = entries_in(self._octets(ENTRIES, number, width))
        except TileError as problem:
            raise TileError(f"{path}: {problem}") from problem
        if len(found) < width:
            raise TileError(f"{path}: {len(found)} entries instead of {width}")
        return found

    # --- writing ----------------------------------------------------------------------------

    def append(self, size: int, entries: Sequence[bytes]) -> int:
        """Write entries behind those that count.

        What stands there beyond `size` was never signed, and is written over.

        Args:
            size: entries that count.
            entries: new ones.

        Returns:
            The new size. It counts once it has been signed.

        Raises:
            TileError: what is there cannot be read.
            OSError: it could not be written; what counted still does.
            ValueError: an entry is too long.
        """
        if any(len(entry) > LARGEST for entry in entries):
            raise ValueError(f"an entry of more than {LARGEST} octets")
        self._read.clear()
        number = size // WIDTH
        before = self._bundle(number, size % WIDTH)[: size % WIDTH] if size % WIDTH else []
        everything = [*before, *entries]
        for at in range(0, len(everything), WIDTH):
            bundle = everything[at : at + WIDTH]
            data = b"".join(len(entry).to_bytes(2) + entry for entry in bundle)
            put(self._folder / name_of(ENTRIES, number + at // WIDTH, len(bundle)), data)
        self._hashes(0, size, [leaf_hash(entry) for entry in entries])
        self._read.clear()
        return size + len(entries)

    def _hashes(self, level: int, count: int, new: list[bytes]) -> None:
        """Write hashes of one level behind the `count` that it has, and what that makes above."""
        if not new:
            return
        number, have = divmod(count, WIDTH)
        before = self._octets(level, number, have)[: have * HASH] if have else b""
        hashes = [before[at : at + HASH] for at in range(0, len(before), HASH)] + new
        above = []
        for at in range(0, len(hashes), WIDTH):
            tile = hashes[at : at + WIDTH]
            put(self._folder / name_of(level, number + at // WIDTH, len(tile)), b"".join(tile))
            if len(tile) == WIDTH:
                above.append(Leaves(tile).subtree(_HEIGHT, 0))
        self._hashes(level + 1, number, above)
