"""Sealing: segments that were ended become entries of the signed log.

In: the folder of the segments, the folder of the seals, a key. Out: for each segment a compressed
copy, its salt and an entry; one signed checkpoint over all of them.
Must never: sign a log that does not go on where the last checkpoint ended; sign two different logs
of one size; count a segment twice; touch a segment.

Each step is durable before the next begins, and whatever was not signed is made anew:
    the compressed copy → its salt → entries, tiles → the checkpoint by its size → the checkpoint
So the power may go at any moment: what is there then is what the last checkpoint says, and segments
that wait for the next time.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.erasure import ERASURE_KIND, Erasure, states_of
from proxy_addons.accesslog.seal.files import make_folder, put
from proxy_addons.accesslog.seal.keychange import KEY_KIND, KeyChange
from proxy_addons.accesslog.seal.manifest import KIND, Manifest, parsed
from proxy_addons.accesslog.seal.merkle import EMPTY
from proxy_addons.accesslog.seal.notes import (
    Checkpoint,
    NoteError,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.onesegment import Job, keep, manifest_of
from proxy_addons.accesslog.seal.salted import SALT
from proxy_addons.accesslog.seal.tiles import TileError, Tiles
from proxy_addons.accesslog.segment import (
    SegmentName,
    hour_of,
    segments_in,
)
from proxy_addons.accesslog.unpacked import PACKED, packed_in, rest_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from proxy_addons.accesslog.seal.notes import Signer
    from proxy_addons.accesslog.seal.packing import Counted

    type AtOnce = Callable[[Callable[[Job], Counted], Iterable[Job]], Iterable[Counted]]
    """`map`, or what does the same with several at a time."""

CHECKPOINT: Final = "checkpoint"
CHECKPOINTS: Final = "checkpoints"
LOCK: Final = "lock"
KEPT: Final = ".kept"
_WRITABLE: Final = 0o222


class SealError(Exception):
    """Nothing was sealed. The text says why, and what to do."""


class Seals:
    """The folder of the seals.

    Args:
        folder: its path.

    Attributes:
        folder: the same.
        tiles: of the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tiles = Tiles(folder)

    def packed(self, name: SegmentName) -> Path:
        """Where the compressed copy of a segment is."""
        return packed_in(self.folder, name)

    def salt(self, name: SegmentName) -> Path:
        """Where its salt is."""
        day = name.hour
        return self.folder / "salts" / day[:4] / day[4:6] / day[6:8] / f"{name}.salt"

    def rest(self, name: SegmentName, number: int) -> tuple[Path, Path]:
        """Where the lines are that an erasure of it has left, and what proves them.

        Args:
            name: of the segment.
            number: how many erasures it has had.
        """
        lines = rest_in(self.folder, name, number)
        return lines, lines.with_name(lines.name.removesuffix(PACKED) + KEPT)

    def signed(self, size: int) -> Path:
        """Where the signed checkpoint of a size is."""
        return self.folder / CHECKPOINTS / f"{size // 1000:06d}" / f"{size:09d}"

    def note(self) -> str:
        """The last signed checkpoint; "" before there is one.

        It is the largest of those that are kept by their size: `checkpoint` is a copy of it, for
        others to read, and may be one behind where the power went in between.

        Raises:
            OSError: it cannot be read.
        """
        kept = sorted(path for path in (self.folder / CHECKPOINTS).glob("*/*") if _is_size(path))
        return kept[-1].read_text(encoding="utf-8") if kept else ""

    def last(self, signer: Signer) -> Checkpoint:
        """What the last checkpoint says, if this key has signed it.

        Raises:
            SealError: it is damaged, gone, or somebody else's.
            OSError: it cannot be read.
        """
        note, copy = self.note(), self.folder / CHECKPOINT
        if not note:
            if copy.exists():
                raise SealError(f"{self.folder / CHECKPOINTS} has lost what was signed. {_LOOK}")
            return Checkpoint(signer.name, 0, EMPTY)
        found = self._held(note, signer)
        if copy.exists():
            shown = self._held(copy.read_text(encoding="utf-8", errors="replace"), signer)
            if shown.size > found.size:
                raise SealError(f"{self.folder / CHECKPOINTS} has lost what was signed. {_LOOK}")
        return found

    def show(self) -> None:
        """Make the copy for others the last checkpoint, where the power went before it was.

        Raises:
            OSError: it could not be written.
        """
        note, copy = self.note().encode(), self.folder / CHECKPOINT
        if note and not (copy.exists() and copy.read_bytes() == note):
            put(copy, note)

    def _held(self, note: str, signer: Signer) -> Checkpoint:
        try:
            checkpoint = Checkpoint.parse(parts_of(note)[0])
            held = signatures_of(note, [signer.verifier])
        except NoteError as problem:
            raise SealError(f"{self.folder}: a checkpoint is damaged: {problem}. {_LOOK}") from (
                problem
            )
        if not held or checkpoint.origin != signer.name:
            raise SealError(
                f"{self.folder}: a checkpoint was not signed with the key of {signer.name}. {_LOOK}"
            )
        return checkpoint

    def manifests(self, size: int) -> Iterator[tuple[int, Manifest]]:
        """The entries of segments, each with its place in the log.

        Raises:
            TileError: they cannot be read.
            EntryError: they are damaged.
        """
        for place, entry in self.tiles.entries(size):
            if parsed(entry)["kind"] == KIND:
                yield place, Manifest.parse(entry)

    def known(self, signer: Signer) -> dict[SegmentName, Manifest]:
        """What the signed log says of each segment.

        Raises:
            SealError: it is not what was signed.
            OSError: it cannot be read.
        """
        manifests = Known(self, self.last(signer)).manifests
        named = ((SegmentName.parse(name), each) for name, each in manifests.items())
        return {name: each for name, each in named if name is not None}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold what only one process may hold at a time.

        Raises:
            SealError: another one does.
            OSError: the lock cannot be had.
        """
        make_folder(self.folder)
        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise SealError(f"{self.folder} is being sealed by another process") from problem
            yield
        finally:
            os.close(descriptor)


_LOOK: Final = "Nothing was sealed; `watchhouse log verify` says what was changed."


def _is_size(path: Path) -> bool:
    """Whether a file is a checkpoint that is kept: not half of one, nothing of somebody else's."""
    return path.name.isdecimal() and path.parent.name.isdecimal()


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of it.

    Attributes:
        checkpoint: the one in force now.
        manifests: of the segments that were sealed just now.
        waiting: segments that have not ended, or not in order: they are sealed later.
    """

    checkpoint: Checkpoint
    manifests: tuple[Manifest, ...] = ()
    waiting: tuple[SegmentName, ...] = ()


def seal(
    access: Path,
    seals: Seals,
    signer: Signer,
    *,
    now: float,
    entropy: Callable[[int], bytes],
    software: str,
    at_once: AtOnce = map,
) -> Sealed:
    """Seal all segments that have ended and are not sealed yet.

    Args:
        access: the folder of the segments.
        seals: the folder of the seals.
        signer: whose log it is.
        now: seconds since 1970.
        entropy: gives secret octets.
        software: version, for the manifests.
        at_once: compresses segments: `map`, or that of a pool of processes, for several at a time.

    Raises:
        SealError: what is there is not what was signed; nothing was done.
        OSError: something could not be read or written; what was sealed before still is.
    """
    with seals.locked():
        before = seals.last(signer)
        seals.show()
        known = Known(seals, before)
        known.in_force(signer)
        ready, waiting = _ready(access, known, now)
        jobs = [
            Job(path, seals.packed(name), seals.salt(name), entropy(SALT)) for name, path in ready
        ]
        manifests = [
            known.add(manifest_of(path, name, found, known, now, software))
            for (name, path), found in zip(ready, at_once(keep, jobs), strict=True)
        ]
        if not manifests:
            return Sealed(before, waiting=waiting)
        size = seals.tiles.append(before.size, [each.entry() for each in manifests])
        checkpoint = Checkpoint(signer.name, size, seals.tiles.root(size))
        note = note_of(str(checkpoint), [signer.sign(str(checkpoint))]).encode()
        put(seals.signed(size), note)
        seals.show()
        return Sealed(checkpoint, tuple(manifests), waiting)


class Known:
    """What is sealed already.

    Args:
        seals: the folder of the seals.
        checkpoint: the last one.

    Attributes:
        checkpoint: the one by which it is known.
        manifests: by the names of their segments.
        erasures: in their order.
        states: of segments from which anything was erased, by name.

    Raises:
        SealError: the tiles are not those that were signed.
    """

    def __init__(self, seals: Seals, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.compare(seals)
        try:
            entries = [entry for _, entry in seals.tiles.entries(checkpoint.size)]
            kinds = [parsed(entry)["kind"] for entry in entries]
            manifests = [
                Manifest.parse(entry)
                for entry, kind in zip(entries, kinds, strict=True)
                if kind == KIND
            ]
            changes = [
                KeyChange.parse(entry)
                for entry, kind in zip(entries, kinds, strict=True)
                if kind == KEY_KIND
            ]
            self.erasures = [
                Erasure.parse(entry)
                for entry, kind in zip(entries, kinds, strict=True)
                if kind == ERASURE_KIND
            ]
        except (TileError, ValueError) as problem:
            raise SealError(f"{problem}. {_LOOK}") from problem
        self.states = states_of(self.erasures)
        self.manifests: dict[str, Manifest] = {}
        self.last_seq: dict[int, int] = {}
        self.last_name: dict[int, str] = {}
        self._key = changes[-1].key if changes else None
        for each in manifests:
            self.add(each)

    @classmethod
    def by(cls, seals: Seals, checkpoint: Checkpoint, held: Known | None) -> Known:
        """What is known by a checkpoint; `held` itself where that is its own.

        A year's entries are not parsed again for each of some hundred erasures; that the tiles are
        those that were signed is looked at again.

        Raises:
            SealError: the tiles are not those that were signed.
        """
        if held is None or held.checkpoint != checkpoint:
            return cls(seals, checkpoint)
        held.compare(seals)
        return held

    def compare(self, seals: Seals) -> None:
        """See that the tiles are those that were signed.

        Raises:
            SealError: they are not.
        """
        seals.tiles.forget()
        try:
            if seals.tiles.root(self.checkpoint.size) != self.checkpoint.root:
                raise SealError(f"{seals.folder}: the tiles are not what was signed. {_LOOK}")
        except (TileError, ValueError) as problem:
            raise SealError(f"{problem}. {_LOOK}") from problem

    def in_force(self, signer: Signer) -> None:
        """See that a key was not replaced.

        Raises:
            SealError: it was.
        """
        if self._key is not None and signer.verifier != self._key:
            raise SealError(
                f"the key of {signer.name} was replaced, and the log goes on with"
                f" {self._key.id.hex()} only. Nothing was sealed; put that key back."
            )

    def add(self, manifest: Manifest) -> Manifest:
        """Count one more; gives it back."""
        worker = manifest.worker
        self.manifests[manifest.name] = manifest
        self.last_seq[worker] = max(self.last_seq.get(worker, 0), manifest.last_seq)
        self.last_name[worker] = max(self.last_name.get(worker, ""), manifest.name)
        return manifest


def _ready(
    access: Path, known: Known, now: float
) -> tuple[list[tuple[SegmentName, Path]], tuple[SegmentName, ...]]:
    """Segments to be sealed, in the order of their names, and those that still wait."""
    ready, waiting = [], []
    hour = hour_of(now)
    for name, path in segments_in(access):
        if str(name) in known.manifests:
            continue
        ended = not path.stat().st_mode & _WRITABLE
        if ended and name.hour <= hour:
            ready.append((name, path))
        else:
            waiting.append(name)
    return ready, tuple(waiting)
