"""Checking what was signed: checkpoints, by the keys that count for each; witnesses; time-stamps.

In: the folder of the seals, the keys that whoever checks trusts. Out: checkpoints that hold, the
smallest first; what is wrong, file by file.
Must never: let a key count beyond its replacement; take a signature of a witness for the log's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.files import HALF
from proxy_addons.accesslog.seal.keychange import KEY_KIND, KeyChange, Keys
from proxy_addons.accesslog.seal.manifest import EntryError, parsed
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of, signatures_of
from proxy_addons.accesslog.seal.sealing import CHECKPOINT, CHECKPOINTS
from proxy_addons.accesslog.seal.stamping import STAMPS, Stamp, StampError, read_stamp, size_of
from proxy_addons.accesslog.seal.tiles import ENTRIES, WIDTH, TileError, entries_in, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from proxy_addons.accesslog.seal.notes import Verifier
    from proxy_addons.accesslog.seal.sealing import Seals
    from proxy_addons.accesslog.seal.stamping import StampCheck


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a witness has seen.

    Attributes:
        by: the witness.
        size: of the largest checkpoint that bears its signature; 0: none does.
        at: when it signed that, seconds since 1970.
    """

    by: Verifier
    size: int = 0
    at: int = 0


class NoteCheck:
    """The check of one log's checkpoints.

    Args:
        seals: the folder.
        given: keys of the log that whoever checks trusts.
        witnesses: keys of witnesses whose signatures are looked at.
        wrong: told a file, and what is wrong with it.

    Attributes:
        known: files that were looked at.
        left: what a seal that was cut short has left behind.
        keys: of the log, with those that replaced them.
        witnessed: what each witness has seen.
    """

    def __init__(
        self,
        seals: Seals,
        given: Collection[Verifier],
        witnesses: Collection[Verifier],
        wrong: Callable[[Path, str], None],
    ) -> None:
        self._seals = seals
        self._wrong = wrong
        self.known: set[Path] = set()
        self.left: list[Path] = []
        self.witnessed = {each: Witnessed(each) for each in witnesses}
        paths = sorted((seals.folder / CHECKPOINTS).glob("*/*"))
        self._paths = [path for path in paths if not path.name.endswith(HALF)]
        self._sizes = sorted(
            each.size
            for path in self._paths
            if (each := _said(path)) is not None and seals.signed(each.size) == path
        )
        self.keys = Keys(given, _changes(seals, self._sizes))

    def run(self) -> list[tuple[Path, Checkpoint]]:
        """Check them. Gives those that hold, the smallest first."""
        for place in self.keys.wrong:
            self._wrong(
                self._seals.folder, f"entry {place} replaces a key that was not in force then"
            )
        copy = self._seals.folder / CHECKPOINT
        found: list[tuple[Path, Checkpoint]] = []
        for path in self._paths:
            self.known.add(path)
            checkpoint = self._signed(path)
            if checkpoint is None:
                continue
            if self._seals.signed(checkpoint.size) != path:
                self._wrong(path, f"a checkpoint of {checkpoint.size} entries under another name")
            elif found and found[-1][1].origin != checkpoint.origin:
                self._wrong(path, f"a checkpoint of another log, {checkpoint.origin}")
            else:
                found.append((path, checkpoint))
        self.known.add(copy)
        if not copy.exists():
            if len(found) == 1:
                self.left.append(copy)  # the first was signed, and had not been shown yet
            else:
                self._wrong(copy, "there is no checkpoint")
        elif (shown := self._signed(copy)) is not None:
            self._copy(copy, shown, found)
        return found

    def _copy(self, path: Path, shown: Checkpoint, signed: list[tuple[Path, Checkpoint]]) -> None:
        """What others are shown is the last that was signed."""
        last = signed[-1][1] if signed else None
        if last is None or shown.size > last.size:
            self._wrong(self._seals.signed(shown.size), "is missing")
        if len(signed) > 1 and shown == signed[-2][1]:
            self.left.append(path)  # the next was signed, and had not been shown yet
        elif shown != last:
            self._wrong(path, f"is not the last that was signed, of {last.size if last else 0}")

    def _signed(self, path: Path) -> Checkpoint | None:
        try:
            note = path.read_bytes().decode()
            held = signatures_of(note, (*self.keys.all, *self.witnessed))
            checkpoint = Checkpoint.parse(parts_of(note)[0])
        except (OSError, UnicodeDecodeError, NoteError) as problem:
            self._wrong(path, f"not a checkpoint that holds: {problem}")
            return None
        by = {each.by for each in held if each.by.name == checkpoint.origin}
        needed = self.keys.needed(checkpoint.size, self._sizes)
        if needed == () or not by.intersection(self.keys.all if needed is None else needed):
            self._wrong(path, "not signed by any key that counts")
            return None
        if needed is not None and (absent := set(needed) - by):
            said = ", ".join(sorted(each.id.hex() for each in absent))
            self._wrong(path, f"a key was replaced before it, and {said} has not signed it too")
            return None
        for each in held:
            if each.by in self.witnessed and each.at is not None:
                seen = Witnessed(each.by, checkpoint.size, each.at)
                best = self.witnessed[each.by]
                if (seen.size, seen.at) > (best.size, best.at):
                    self.witnessed[each.by] = seen
        return checkpoint

    def fresh(self, size: int, oldest: float) -> None:
        """See that every witness has signed the last checkpoint, or has signed one lately.

        Args:
            size: of the last checkpoint.
            oldest: seconds since 1970; one that is older is not enough.
        """
        for each in self.witnessed.values():
            path = self._seals.signed(size)
            if not each.size:
                self._wrong(path, f"the witness {each.by.name} has signed no checkpoint at all")
            elif each.size != size and each.at < oldest:
                self._wrong(
                    path,
                    f"the witness {each.by.name} has not signed it, nor any lately: the last was"
                    f" that of {each.size} entries",
                )

    def stamps(self, checkpoints: list[tuple[Path, Checkpoint]], by: StampCheck) -> list[Stamp]:
        """Check the time-stamps. Gives those that hold, the smallest first."""
        texts = {checkpoint.size: str(checkpoint) for _, checkpoint in checkpoints}
        found = []
        for path in sorted((self._seals.folder / STAMPS).glob("*")):
            size = size_of(path)
            if size is None or path.name.endswith(HALF):
                continue  # a file of somebody else's; named as such
            self.known.add(path)
            if size not in texts:
                self._wrong(path, "is of a checkpoint that is not there, or does not hold")
                continue
            try:
                found.append(read_stamp(size, path.read_bytes(), texts[size], by))
            except (OSError, StampError) as problem:
                self._wrong(path, f"is no time-stamp of this checkpoint: {problem}")
        return sorted(found, key=lambda stamp: stamp.size)


def _said(path: Path) -> Checkpoint | None:
    """What a file says, whoever has signed it."""
    try:
        return Checkpoint.parse(parts_of(path.read_bytes().decode())[0])
    except (OSError, UnicodeDecodeError, NoteError):
        return None  # named when its signatures are looked at


def _changes(seals: Seals, sizes: list[int]) -> list[tuple[int, KeyChange]]:
    """The entries of keys in the largest log that can be read, each with its place.

    Nothing of it is believed for being there: a key counts because another one signed it in.
    """
    for size in reversed(sizes):
        found = []
        for number in range(-(-size // WIDTH)):
            width = min(WIDTH, size - number * WIDTH)
            try:
                bundle = _bundle(seals, number, width)
            except (OSError, TileError):
                break  # its fault is named with the tiles; a smaller log may say as much
            for place, entry in enumerate(bundle[:width], number * WIDTH):
                try:
                    if parsed(entry)["kind"] == KEY_KIND:
                        found.append((place, KeyChange.parse(entry)))
                except EntryError:
                    continue  # named with the entries
        else:
            return found
    return []


def _bundle(seals: Seals, number: int, width: int) -> list[bytes]:
    try:
        return entries_in((seals.folder / name_of(ENTRIES, number, width)).read_bytes())
    except OSError:
        # The full one has it too, if there is one.
        return entries_in((seals.folder / name_of(ENTRIES, number)).read_bytes())
