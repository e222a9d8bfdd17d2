"""Lines out of the sealed log, and what proves them.

In: the folder of the seals, which lines, whose and when a pack is to be complete for. Out: lines as
they stand, what proves them, entries of the log.
Must never: give a line that is not what was sealed; say of lines that they are complete when one is
missing; give a salt, or a nonce of a line that is withheld.

What is given of the log are all of its entries: no segment with a record of the period can be left
out, also a late one. Of a segment there are the lines that are shown and one file that says the two
trees from the left: nonces of what is shown, hashes of the rest (seal/partial.py).
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.seal.erasing import remaining_of
from proxy_addons.accesslog.seal.manifest import KIND, EntryError, Manifest, parsed
from proxy_addons.accesslog.seal.merkle import Leaves
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.partial import written
from proxy_addons.accesslog.seal.salted import Place, Salt, tag_of
from proxy_addons.accesslog.seal.sealing import Known, SealError
from proxy_addons.accesslog.seal.stamping import stamp_of
from proxy_addons.accesslog.seal.tiles import ENTRIES, WIDTH, TileError, name_of
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.pack.about import PackError, Redactions, Whole
from proxy_addons.audit.store import At

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

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
        files: of the log, of lines and of their proofs, by name.
        manifests: of the segments of the period, or of the lines.
        missing: numbers that are in no segment of the log: segment, first and last of each run.
        gaps: runs of records that are in no segment, in words.
        checkpoint: what all rests on.
        erased: segments of the period from which lines were erased: nothing is proved of others.
    """

    lines: tuple[Line, ...]
    proofs: dict[str, Any]
    files: dict[str, bytes]
    manifests: tuple[Manifest, ...]
    missing: tuple[tuple[str, int, int], ...]
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
        manifests = [Manifest.parse(each) for each in entries if parsed(each)["kind"] == KIND]
        try:
            self._known = Known(seals, checkpoint)
        except SealError as problem:
            raise PackError(str(problem)) from problem
        self._sealed(manifests)
        files = self._log(entries, checkpoint.size)
        touched = [each for each in manifests if each.name in self._wanted or self._overlaps(each)]
        tags: dict[str, str] = {}
        withheld: dict[str, list[int]] = {}
        for manifest in touched:
            files |= self._segment(manifest, tags, withheld)
        proofs = {"version": 2, "whole": self._said(), "tags": tags, "withheld": withheld}
        gaps = (*_gaps(touched, manifests), *self._erased(touched))
        erased = tuple(each.name for each in touched if each.name in self._known.states)
        return Gathered(
            tuple(self._lines), proofs, files, tuple(touched), missing_in(manifests),
            gaps, checkpoint, erased,
        )  # fmt: skip

    def _log(self, entries: Sequence[bytes], size: int) -> dict[str, bytes]:
        """All entries; the last checkpoint, and each that was the first with another key."""
        seals = self._seals
        sizes = sorted(
            int(path.name)
            for path in seals.folder.glob("checkpoints/*/*")
            if path.name.isdecimal() and int(path.name) <= size
        )
        turns = [place for place, each in enumerate(entries) if parsed(each)["kind"] == _KEY]
        shown = {next(each for each in sizes if each > place) for place in turns} | {size}
        paths = [seals.signed(each) for each in shown]
        paths += [path for each in shown if (path := stamp_of(seals.folder, each)).exists()]
        files = {path.relative_to(seals.folder).as_posix(): path.read_bytes() for path in paths}
        files["checkpoint"] = seals.signed(size).read_bytes()
        for at in range(0, size, WIDTH):
            bundle = entries[at : at + WIDTH]
            octets = b"".join(len(each).to_bytes(2) + each for each in bundle)
            files[name_of(ENTRIES, at // WIDTH, len(bundle))] = octets
        return files

    def _said(self) -> dict[str, str] | None:
        whole = self._whole
        if whole is None:
            return None
        return whole.who | {"since": stamp(whole.since), "until": stamp(whole.until)}

    def _sealed(self, manifests: Sequence[Manifest]) -> None:
        known = {each.name: each for each in manifests}
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
        newest = max((each.sealed for each in manifests), default="")
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

    def _segment(
        self, manifest: Manifest, tags: dict[str, str], withheld: dict[str, list[int]]
    ) -> dict[str, bytes]:
        """Lines of a segment and what proves them; nothing where all of it was erased."""
        try:
            here = remaining_of(self._seals, manifest, self._known)
        except SealError as problem:
            raise PackError(str(problem)) from problem
        wanted = self._wanted.get(manifest.name, set())
        gone = sorted(wanted if here is None else wanted - here.lines.keys())
        if gone:
            raise PackError(f"line {gone[0]} of {manifest.name} was erased: there is only its hash")
        if here is None:
            return {}
        asked = [Line(At(manifest.name, n), here.lines[n], withheld=False) for n in sorted(wanted)]
        asked = [Line(each.at, each.octets, self._hidden(each)) for each in asked]
        self._lines += asked
        shown = {
            each.at.line: here.of_lines[each.at.line][1] for each in asked if not each.withheld
        }
        hidden = [number for number in sorted(wanted) if number not in shown]
        beside = {}
        # Where lines were erased, the key of the tags went with them, and nothing is claimed.
        if self._overlaps(manifest) and manifest.name not in self._known.states:
            name = SegmentName.parse(manifest.name)
            assert name is not None, "sealed under it"
            salt = Salt(self._seals.salt(name).read_bytes())
            places = [Place.parse(octets) for octets, _ in here.of_places]
            tags[manifest.name] = salt.tag_key.hex()
            for n in self._run(manifest, places, salt):
                beside[n] = salt.of_place(places[n].index) + places[n].octets
        if hidden:
            withheld[manifest.name] = hidden
        proof = written(Leaves(here.leaves()).subtree, manifest.records, shown, hidden)
        proof += written(Leaves(here.place_leaves()).subtree, manifest.records, beside)
        octets = b"".join(here.lines[n] + b"\n" for n in shown)
        return {lines_of(manifest.name): octets, proof_of(manifest.name): proof}

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

    def _run(self, manifest: Manifest, places: list[Place], salt: Salt) -> range:
        """The person's places in a segment, with the two beside them."""
        whole = self._whole
        assert whole is not None, "it overlaps its period"
        tag = tag_of(salt.tag_key, who_of(whole.who))
        low, high = (
            Place(tag, start_of({"start": stamp(each)}), 0) for each in (whole.since, whole.until)
        )
        begin, end = bisect_left(places, low), bisect_left(places, high)
        inside = {each.index for each in places[begin:end]}
        left = inside - self._wanted.get(manifest.name, set())
        if left:
            raise PackError(
                f"{manifest.name}: {len(left)} records of this person and period are not among"
                " those that were asked for (a filter?). A pack of some of them is made without"
                " a claim to be complete; a complete one has them, at least withheld."
            )
        return range(max(0, begin - 1), min(len(places), end + 1))


def lines_of(name: str) -> str:
    """Where the lines of a segment are in a pack."""
    return f"lines/{name}"


def proof_of(name: str) -> str:
    """Where in a pack is what proves them."""
    return f"proofs/{name}.kept"


def missing_in(manifests: Iterable[Manifest]) -> tuple[tuple[str, int, int], ...]:
    """Runs of numbers that are in no segment, as the seals say: segment, first and last."""
    return tuple((each.name, *run) for each in manifests for run in each.missing)


def _gaps(touched: Iterable[Manifest], manifests: Sequence[Manifest]) -> tuple[str, ...]:
    """Records that are in no segment; late segments may have brought some of them."""
    found = []
    for each in touched:
        for first, last in each.missing:
            late = any(
                other.worker == each.worker and other.first_seq <= first and last <= other.last_seq
                for other in manifests
                if other.late
            )
            if not late:
                found.append(f"worker {each.worker}: records {first} to {last} ({each.name})")
        if each.broken:
            found.append(f"{each.name} was given up: {each.broken}")
    return tuple(found)
