"""Lines out of the sealed log, and what proves them.

In: the folder of the seals, which lines, whose and when a pack is to be complete for. Out: lines as
they stand, `proofs.json`, entries of the log.
Must never: give a line that is not what was sealed; say of lines that they are complete when one is
missing; give a salt, or a nonce of a line that is withheld.

What is given of the log are its entries from the one before the period on, to its end: entries
stand in the order of sealing, so that no segment with a record of the period can be elsewhere, also
a late one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.seal.erasing import remaining_of
from proxy_addons.accesslog.seal.manifest import KIND, EntryError, Manifest, parsed
from proxy_addons.accesslog.seal.merkle import Leaves
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.ranged import path_of
from proxy_addons.accesslog.seal.salted import Place, Salt, tag_of
from proxy_addons.accesslog.seal.sealing import Known, SealError
from proxy_addons.accesslog.seal.tiles import TileError
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.pack.about import PackError, Redactions, Whole
from proxy_addons.audit.store import At

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from proxy_addons.accesslog.seal.remaining import Remaining
    from proxy_addons.accesslog.seal.sealing import Seals

_KEY = "key"
_TURNED = "Look with `watchhouse log verify` before anything is given out."


@dataclass(frozen=True, slots=True)
class Line:
    """One line of evidence.

    Attributes:
        at: where it stands.
        octets: without the newline.
        withheld: whether only its hash is given.
    """

    at: At
    octets: bytes
    withheld: bool

    @property
    def record(self) -> dict[str, Any]:
        """What it says."""
        return record_of(self.octets)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sealed log gives.

    Attributes:
        lines: in the order of their segments.
        proofs: as `proofs.json` has them.
        entries: texts of files under `log/`, by name.
        manifests: of the segments of the period, or of the lines.
        gaps: runs of records that are in no segment, in words.
        checkpoint: what all rests on.
        erased: segments of the period from which lines were erased: nothing is proved of others.
    """

    lines: tuple[Line, ...]
    proofs: dict[str, Any]
    entries: dict[str, bytes]
    manifests: tuple[Manifest, ...]
    gaps: tuple[str, ...]
    checkpoint: Checkpoint
    erased: tuple[str, ...] = ()


def stamp(moment: datetime) -> str:
    """A moment as records write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def gather(
    seals: Seals, ats: Iterable[At], whole: Whole | None, redactions: Redactions
) -> Gathered:
    """Read lines and prove them.

    Args:
        seals: the folder of the seals.
        ats: which lines.
        whole: what they are to be all of; None: nothing is said about what is not given.
        redactions: what is withheld.

    Raises:
        PackError: a line is not sealed yet, lines are missing, or the log is not what was signed.
    """
    try:
        return _Gathering(seals, ats, whole, redactions).run()
    except (OSError, TileError, EntryError, NoteError, zlib.error) as problem:
        # Nothing has been written: no pack is better than one that does not hold.
        raise PackError(f"the sealed log cannot be read: {problem}. {_TURNED}") from problem


class _Gathering:
    def __init__(
        self, seals: Seals, ats: Iterable[At], whole: Whole | None, redactions: Redactions
    ) -> None:
        self._seals = seals
        self._wanted: dict[str, set[int]] = {}
        for at in ats:
            self._wanted.setdefault(at.segment, set()).add(at.line)
        self._whole = whole
        self._redactions = redactions
        self._lines: list[Line] = []

    def run(self) -> Gathered:
        seals = self._seals
        seals.tiles.forget()
        note = seals.note()
        if not note:
            raise PackError("nothing is sealed yet: run `watchhouse log seal` first")
        checkpoint = Checkpoint.parse(parts_of(note)[0])
        if seals.tiles.root(checkpoint.size) != checkpoint.root:
            raise PackError(f"{seals.folder}: the tiles are not what was signed. {_TURNED}")
        entries = [entry for _, entry in seals.tiles.entries(checkpoint.size)]
        manifests = {
            place: Manifest.parse(entry)
            for place, entry in enumerate(entries)
            if parsed(entry)["kind"] == KIND
        }
        try:
            self._known = Known(seals, checkpoint)
        except SealError as problem:
            raise PackError(str(problem)) from problem
        self._sealed(manifests)
        first = self._first(manifests)
        files = {_name(first): _text(entries[first:])}
        ranges = self._keys(entries, checkpoint.size, files)
        ranges.append(self._range(first, len(entries) - first, checkpoint.size))
        sizes = {each["size"] for each in ranges}
        for size in sorted(sizes):
            files[f"log/{seals.signed(size).relative_to(seals.folder).as_posix()}"] = seals.signed(
                size
            ).read_bytes()
            for path in sorted(seals.folder.rglob(f"*{size:09d}*.tsr")):
                files[f"log/timestamps/{path.name}"] = path.read_bytes()
        shown = [each for place, each in manifests.items() if place >= first]
        touched = [each for each in shown if each.name in self._wanted or self._overlaps(each)]
        segments = [found for each in touched if (found := self._segment(each)) is not None]
        proofs = {
            "version": 1,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "ranges": ranges,
            "segments": segments,
            "whole": self._said(),
        }
        gaps = (*_gaps(shown), *self._erased(touched))
        erased = tuple(each.name for each in touched if each.name in self._known.states)
        return Gathered(tuple(self._lines), proofs, files, tuple(touched), gaps, checkpoint, erased)

    def _said(self) -> dict[str, str] | None:
        whole = self._whole
        if whole is None:
            return None
        return whole.who | {"since": stamp(whole.since), "until": stamp(whole.until)}

    def _sealed(self, manifests: dict[int, Manifest]) -> None:
        known = {each.name: each for each in manifests.values()}
        for name, lines in sorted(self._wanted.items()):
            manifest = known.get(name)
            if manifest is None:
                raise PackError(
                    f"{name} is not sealed yet, so that nothing could be proved of its records:"
                    " run `watchhouse log seal` after its hour has ended, and make the pack then"
                )
            if not 0 <= min(lines) <= max(lines) < manifest.records:
                raise PackError(f"{name} has {manifest.records} lines: there is no {max(lines)}")
        whole = self._whole
        if whole is None:
            return
        if whole.since >= whole.until or bool(whole.person) == bool(whole.client):
            raise PackError("complete for what? wanted a person or an address, and a period")
        newest = max((each.sealed for each in manifests.values()), default="")
        if newest < stamp(whole.until):
            raise PackError(
                f"the period ends at {stamp(whole.until)}, and the last seal was at"
                f" {newest or 'no time'}: seal first, or ask for a period that is over"
            )

    def _overlaps(self, manifest: Manifest) -> bool:
        whole = self._whole
        return (
            whole is not None
            and manifest.first_start < stamp(whole.until)
            and manifest.last_start >= stamp(whole.since)
        )

    def _first(self, manifests: dict[int, Manifest]) -> int:
        """Place of the first entry that is given: one that was sealed before the period."""
        needed = [
            place
            for place, each in manifests.items()
            if each.name in self._wanted or self._overlaps(each)
        ]
        first = min(needed, default=max(manifests, default=0))
        if self._whole is None:
            return first
        since = stamp(self._whole.since)
        before = [place for place, each in manifests.items() if each.sealed < since]
        return min(first, max((place for place in before if place <= first), default=0))

    def _keys(
        self, entries: Sequence[bytes], size: int, files: dict[str, bytes]
    ) -> list[dict[str, Any]]:
        """Where the log changed its key: the entry, under the first checkpoint that has it."""
        sizes = sorted(
            int(path.name)
            for path in self._seals.folder.glob("checkpoints/*/*")
            if path.name.isdecimal()
        )
        found = []
        for place, entry in enumerate(entries):
            if parsed(entry)["kind"] != _KEY:
                continue
            by = next(each for each in sizes if each > place)
            files[_name(place)] = _text([entry])
            found.append(self._range(place, 1, by))
            if by != size:
                found.append(self._range(place, 1, size))
        return found

    def _range(self, first: int, count: int, size: int) -> dict[str, Any]:
        tiles = self._seals.tiles
        path = path_of(lambda level, index: tiles.subtree(level, index, size), first, count, size)
        return {"size": size, "first": first, "path": [each.hex() for each in path]}

    def _segment(self, manifest: Manifest) -> dict[str, Any] | None:
        """Lines of a segment and what proves them; None where all of it was erased."""
        try:
            here = remaining_of(self._seals, manifest, self._known)
        except SealError as problem:
            raise PackError(str(problem)) from problem
        wanted = self._wanted.get(manifest.name, set())
        gone = sorted(wanted if here is None else wanted - here.lines.keys())
        if gone:
            raise PackError(f"line {gone[0]} of {manifest.name} was erased: there is only its hash")
        if here is None:
            return None
        tree = Leaves(here.leaves())
        said: dict[str, Any] = {"name": manifest.name, "lines": []}
        for number in sorted(wanted):
            line = Line(At(manifest.name, number), here.lines[number], withheld=False)
            hidden = self._hidden(line)
            self._lines.append(Line(line.at, line.octets, hidden))
            shown = (
                {"leaf": here.leaf(number).hex()}
                if hidden
                else {"nonce": here.of_lines[number][1].hex()}
            )
            path = path_of(tree.subtree, number, 1, manifest.records)
            said["lines"].append({"index": number, **shown, "path": [each.hex() for each in path]})
        # Where lines were erased, the key of the tags went with them, and nothing is claimed.
        if self._overlaps(manifest) and manifest.name not in self._known.states:
            said |= self._places(manifest, here)
        return said

    def _erased(self, touched: Iterable[Manifest]) -> list[str]:
        states = self._known.states
        return [
            f"{each.name}: {states[each.name].rest.erased} of {each.records} records were erased;"
            " it is not proved which were whose"
            for each in touched
            if each.name in states
        ]

    def _hidden(self, line: Line) -> bool:
        record = line.record
        return line.at in self._redactions.lines or any(
            record.get(each) not in (None, [], "") for each in self._redactions.fields
        )

    def _places(self, manifest: Manifest, here: Remaining) -> dict[str, Any]:
        """The person's places in a segment, with the two beside them."""
        whole = self._whole
        assert whole is not None, "it overlaps its period"
        name = SegmentName.parse(manifest.name)
        assert name is not None, "sealed under it"
        salt = Salt(self._seals.salt(name).read_bytes())
        places = [Place.parse(octets) for octets, _ in here.of_places]
        tree = Leaves(here.place_leaves())
        tag = tag_of(salt.tag_key, who_of(whole.who))
        low, high = (
            Place(tag, start_of({"start": stamp(each)}), 0) for each in (whole.since, whole.until)
        )
        inside = [n for n, each in enumerate(places) if low <= each < high]
        left = {places[n].index for n in inside} - self._wanted.get(manifest.name, set())
        if left:
            raise PackError(
                f"{manifest.name}: {len(left)} records of this person and period are not among"
                " those that were asked for (a filter?). A pack of some of them is made without"
                " a claim to be complete; a complete one has them, at least withheld."
            )
        begin = next((n for n, each in enumerate(places) if each >= low), len(places))
        first, end = max(0, begin - 1), min(len(places), begin + len(inside) + 1)
        path = path_of(tree.subtree, first, end - first, manifest.records)
        shown = [[p.octets.hex(), salt.of_place(p.index).hex()] for p in places[first:end]]
        return {
            "tags": salt.tag_key.hex(),
            "places": {"first": first, "of": shown, "path": [each.hex() for each in path]},
        }


def _name(first: int) -> str:
    return f"log/entries/{first:09d}.jsonl"


def _text(entries: Iterable[bytes]) -> bytes:
    return b"".join(entry + b"\n" for entry in entries)


def _gaps(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Records that are in no segment; late segments may have brought some of them."""
    shown = list(manifests)
    found = []
    for each in shown:
        for first, last in each.missing:
            late = any(
                other.worker == each.worker and other.first_seq <= first and last <= other.last_seq
                for other in shown
                if other.late
            )
            if not late:
                found.append(f"worker {each.worker}: records {first} to {last} ({each.name})")
        if each.broken:
            found.append(f"{each.name} was given up: {each.broken}")
    return tuple(found)
