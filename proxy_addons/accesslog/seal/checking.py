"""Checking the whole log of the seals: every byte that was changed, taken away or put in is named.

In: the folder of the seals, the keys that count; the folder of the segments, as far as these are
still there. Out: what is wrong, file by file.
Must never: believe one part of the log because of another that was not checked; change anything;
end at the first fault.

Everything is made anew from the lines and compared with what was signed: lines with their salt make
the trees of a segment, these its entry, entries make the tiles, tiles the root of each checkpoint,
and that is signed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.checkingnotes import NoteCheck
from proxy_addons.accesslog.seal.checkingrest import RestCheck
from proxy_addons.accesslog.seal.checkingtiles import TileCheck
from proxy_addons.accesslog.seal.erasure import ERASURE_KIND, Erasure, states_of
from proxy_addons.accesslog.seal.files import HALF
from proxy_addons.accesslog.seal.keychange import KEY_KIND, KeyChange
from proxy_addons.accesslog.seal.manifest import KIND, EntryError, Manifest, parsed
from proxy_addons.accesslog.seal.packing import Counted, count
from proxy_addons.accesslog.seal.salted import SALT, Salt
from proxy_addons.accesslog.seal.sealing import LOCK, Seals
from proxy_addons.accesslog.seal.stamping import StampCheck
from proxy_addons.accesslog.seal.tiles import TileError
from proxy_addons.accesslog.segment import SegmentName, counted_bytes
from proxy_addons.accesslog.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from proxy_addons.accesslog.seal.checkingnotes import Witnessed
    from proxy_addons.accesslog.seal.notes import Checkpoint, Verifier
    from proxy_addons.accesslog.seal.stamping import Stamp

_BLOCK: Final = 1 << 20
_SALTED: Final = frozenset({"root", "places", "tags"})
_OF_LINES: Final = {each.name for each in fields(Counted)} - {"packed_sha256"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was signed.

    Attributes:
        path: of the file.
        what: is wrong with it.
    """

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at.

    Attributes:
        size: entries that are signed.
        segments: whose lines were looked at.
        records: lines of these.
        faults: all that is wrong; none: the log is as it was signed.
        left: files of attempts that were cut short; nothing counts them. The next seal puts them
            right.
        witnessed: what each witness that was named has seen.
        stamps: time-stamps that hold.
    """

    size: int
    segments: int
    records: int
    faults: tuple[Fault, ...]
    left: tuple[Path, ...]
    witnessed: tuple[Witnessed, ...] = ()
    stamps: tuple[Stamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Others:
    """What others vouch for, and is looked at.

    Attributes:
        witnesses: their keys. Each must have signed the last checkpoint, or one since `oldest`.
        oldest: seconds since 1970.
        demanded: whether it is a fault where they have not.
        stamps: what time-stamps are checked with.
    """

    witnesses: tuple[Verifier, ...] = ()
    oldest: float = 0.0
    demanded: bool = True
    stamps: StampCheck = field(default_factory=StampCheck)


NOBODY: Final = Others()


def check(
    seals: Seals,
    keys: Collection[Verifier],
    *,
    access: Path | None = None,
    seen: Checkpoint | None = None,
    day: str = "",
    others: Others = NOBODY,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Checked:
    """Check a log.

    Args:
        seals: its folder.
        keys: that sign it; keys that replaced them, or that they replaced, are found in the log.
        access: the folder of the segments; those that are still there are compared.
        seen: a checkpoint that somebody has kept: the log must still begin with it. Without one it
            cannot be known whether the end of a log was taken away with all that belongs to it.
        day: `20261121`: look at the lines of this day's segments only; "": at all.
        others: what witnesses and time-stamps are checked with.
        told: how many segments were looked at, of how many.
    """
    return _Check(seals, keys, access, seen, day, others, told).run()


class _Check:
    def __init__(
        self,
        seals: Seals,
        keys: Collection[Verifier],
        access: Path | None,
        seen: Checkpoint | None,
        day: str,
        others: Others,
        told: Callable[[int, int], None],
    ) -> None:
        self._seals = seals
        self._others_vouch = others
        self._access = access
        self._seen = seen
        self._day = day
        self._told = told
        self._faults: list[Fault] = []
        self._left: list[Path] = []
        self._known: set[Path] = {seals.folder / LOCK}
        self._size = self._segments = self._records = 0
        self._rest = RestCheck(seals, access, {}, self._wrong)
        self._notes = NoteCheck(seals, keys, others.witnesses, self._wrong)

    def run(self) -> Checked:
        self._seals.tiles.forget()
        checkpoints = self._notes.run()
        stamps = self._notes.stamps(checkpoints, self._others_vouch.stamps)
        self._known |= self._notes.known
        self._left += self._notes.left
        if checkpoints:
            self._size = checkpoints[-1][1].size
            tiles = TileCheck(self._seals.folder, self._size, checkpoints[-1][1].root, self._wrong)
            entries = tiles.run()
            self._known |= tiles.known
            self._roots(checkpoints)
            self._still_there()
            manifests = self._manifests(entries)
            self._chain(manifests)
            self._lines(manifests)
            if self._others_vouch.demanded:
                self._notes.fresh(self._size, self._others_vouch.oldest)
        elif self._seen is not None and self._seen.size:
            self._wrong(
                self._seals.folder, f"{self._seen.size} entries were signed once: all are gone"
            )
        self._others()
        left = tuple(sorted(self._left))
        return Checked(
            self._size,
            self._segments,
            self._records,
            tuple(self._faults),
            left,
            tuple(self._notes.witnessed.values()),
            tuple(stamps),
        )

    def _wrong(self, path: Path, what: str) -> None:
        self._faults.append(Fault(path, what))

    # --- what was signed --------------------------------------------------------------------

    def _roots(self, checkpoints: list[tuple[Path, Checkpoint]]) -> None:
        for path, checkpoint in checkpoints:
            try:
                if self._seals.tiles.root(checkpoint.size) != checkpoint.root:
                    self._wrong(path, "the tiles have another root than was signed")
            except TileError as problem:
                self._wrong(path, f"its root cannot be made: {problem}")

    def _still_there(self) -> None:
        """What was seen before is how the log begins now."""
        seen, folder = self._seen, self._seals.folder
        if seen is None:
            return
        if seen.size > self._size:
            self._wrong(folder, f"had {seen.size} entries once, and has {self._size} now")
            return
        try:
            if self._seals.tiles.root(seen.size) != seen.root:
                self._wrong(
                    folder, f"its first {seen.size} entries are not those that were seen once"
                )
        except TileError as problem:
            self._wrong(folder, f"its first {seen.size} entries cannot be read: {problem}")

    def _octets(self, path: Path) -> bytes | None:
        self._known.add(path)
        try:
            return path.read_bytes()
        except OSError as problem:
            self._wrong(path, f"cannot be read: {problem.strerror}")
            return None

    # --- segments ---------------------------------------------------------------------------

    def _manifests(self, entries: list[bytes]) -> list[Manifest]:
        found, erasures = [], []
        for place, entry in enumerate(entries):
            try:
                kind = parsed(entry)["kind"]
                if kind == KIND:
                    found.append(Manifest.parse(entry))
                elif kind == KEY_KIND:
                    KeyChange.parse(entry)
                elif kind == ERASURE_KIND:
                    erasures.append(Erasure.parse(entry))
            except EntryError as problem:
                self._wrong(self._seals.folder, f"entry {place} of the log: {problem}")
        self._rest.states |= states_of(erasures)
        return found

    def _chain(self, manifests: list[Manifest]) -> None:
        """Each segment once, and each goes on where its worker's last one ended."""
        names: set[str] = set()
        last: dict[int, int] = {}
        for each in manifests:
            path = self._seals.folder / each.name
            if each.name in names:
                self._wrong(path, "is sealed twice")
            names.add(each.name)
            if each.after_seq != last.get(each.worker):
                self._wrong(path, f"is said to follow record {each.after_seq}, and does not")
            last[each.worker] = max(last.get(each.worker, 0), each.last_seq)

    def _lines(self, manifests: list[Manifest]) -> None:
        wanted = [each for each in manifests if _day(each).startswith(self._day)]
        for done, manifest in enumerate(wanted):
            self._told(done, len(wanted))
            name = SegmentName.parse(manifest.name)
            if name is None:
                self._wrong(self._seals.folder / manifest.name, "is no name of a segment")
                continue
            if manifest.name in self._rest.states:
                self._segments += 1
                self._records += self._rest.segment(name, manifest)
                continue
            self._segment(name, manifest)
        self._told(len(wanted), len(wanted))
        self._rest.paths()
        self._known |= self._rest.known
        for manifest in manifests:
            if (name := SegmentName.parse(manifest.name)) is not None:
                self._known |= {self._seals.packed(name), self._seals.salt(name)}

    def _segment(self, name: SegmentName, manifest: Manifest) -> None:
        packed, kept = self._seals.packed(name), self._seals.salt(name)
        self._segments += 1
        octets = self._octets(kept)
        if octets is not None and len(octets) != SALT:
            self._wrong(kept, f"{len(octets)} octets instead of {SALT}")
            octets = None
        salt = Salt(octets if octets is not None else bytes(SALT))
        digest = hashlib.sha256()
        try:
            found = count(unpacked(packed, digest), salt)
        except OSError as problem:
            self._wrong(packed, f"cannot be read: {getattr(problem, 'strerror', None) or problem}")
            return
        self._records += found.records
        if digest.hexdigest() != manifest.packed_sha256:
            self._wrong(packed, "is not the file that was sealed")
        for each in sorted(_OF_LINES):
            if each not in _SALTED:
                self._compare(packed, each, found, manifest)
            elif octets is None:
                continue  # without the salt nobody can say
            elif found.sha256 != manifest.sha256:
                self._compare(packed, each, found, manifest)
            elif getattr(found, each) != getattr(manifest, each):
                self._wrong(kept, f"is not the salt that it was sealed with ({each})")
        self._original(manifest)

    def _compare(self, path: Path, what: str, found: Counted, manifest: Manifest) -> None:
        here, sealed = getattr(found, what), getattr(manifest, what)
        if what == "missing":  # the manifest also has those before its first record
            sealed = tuple(each for each in sealed if each[0] > found.first_seq)
        if here != sealed:
            self._wrong(path, f"{what}: {here!r} in the lines, {sealed!r} in the seal")

    def _original(self, manifest: Manifest) -> None:
        """The segment itself, where it is still there."""
        if self._access is None or not (path := self._access / manifest.name).exists():
            return
        digest = hashlib.sha256()
        try:
            left = counted_bytes(path)
            with path.open("rb") as file:
                while left and (block := file.read(min(_BLOCK, left))):
                    digest.update(block)
                    left -= len(block)
        except OSError as problem:
            self._wrong(path, f"cannot be read: {problem.strerror}")
            return
        if digest.hexdigest() != manifest.sha256:
            self._wrong(path, "is not what was sealed of it")

    def _others(self) -> None:
        """Files that no entry speaks of."""
        for path in sorted(self._seals.folder.rglob("*")):
            if path.is_dir() or path in self._known:
                continue
            if path.name.endswith(HALF) or self._never_signed(path):
                self._left.append(path)
            else:
                self._wrong(path, "is in no entry of the log")

    def _never_signed(self, path: Path) -> bool:
        """Whether an attempt to seal left it behind that was cut short before it was signed."""
        parts = path.relative_to(self._seals.folder).parts
        if parts[0] in {"segments", "salts"} and len(parts) == 5:
            name = SegmentName.parse(path.name.removesuffix(".gz").removesuffix(".salt"))
            # Its segment is still there, and waits to be sealed.
            return (
                name is not None
                and path in {self._seals.packed(name), self._seals.salt(name)}
                and self._access is not None
                and (self._access / str(name)).exists()
            )
        if parts[0] == "rest" and len(parts) == 5:
            return self._rest.next(path)
        return parts[0] == "tile"


def _day(manifest: Manifest) -> str:
    name = SegmentName.parse(manifest.name)
    return name.hour[:8] if name is not None else ""
