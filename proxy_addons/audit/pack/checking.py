"""Checking a pack with our own parts: what is not as it was signed, file by file.

In: a zip or a folder, keys that were kept elsewhere. Out: what is wrong, and what is proved.
Must never: believe a file that the signed manifest does not have; unpack anything to a disk; end at
the first fault.

accesslog/seal/standalone/pack.py does the same without any part of ours, on a folder. The two share
no code, so that a fault of one is seen by the other; tests/audit/pack holds them together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.seal.keychange import KEY_KIND
from proxy_addons.accesslog.seal.manifest import KIND, EntryError, Manifest, parsed
from proxy_addons.accesslog.seal.merkle import leaf_hash, root_of
from proxy_addons.accesslog.seal.notes import (
    Checkpoint,
    NoteError,
    Verifier,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.packing import moment_of, record_of, start_of, who_of
from proxy_addons.accesslog.seal.salted import Place, tag_of
from proxy_addons.accesslog.seal.tiles import ENTRIES, WIDTH, TileError, entries_in, name_of
from proxy_addons.audit.pack.archive import ArchiveError, unzipped
from proxy_addons.audit.pack.gathering import lines_of, missing_in, proof_of
from proxy_addons.audit.pack.showing import left_out, shown

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PROOFS: Final = "proofs.json"
GAPS: Final = "gaps.json"
_TABLE: Final = "lines/lines.csv"
_CHECKPOINTS: Final = "checkpoints/"
_ENTRIES: Final = "tile/entries"
_DAMAGED: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a file raises that says something else than it should."""
_ERASURE: Final = "erasure"  # kind of an entry


class CheckError(Exception):
    """A pack cannot be checked. The text says why."""


@dataclass(frozen=True, slots=True)
class PackFault:
    """Something that is not as it was signed.

    Attributes:
        name: of the file in the pack.
        what: is wrong with it.
    """

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


@dataclass(frozen=True, slots=True)
class CheckedPack:
    """What was found.

    Attributes:
        faults: all that is wrong; none: the pack is as it was signed.
        lines: that are in it, and in the log.
        withheld: of which only the hash is in it.
        whole: whose lines of which period are all in it; None: nothing is proved about others.
        size: entries of the log that all rests on.
        erased: segments of the period from which lines were erased: `whole` says nothing of these.
    """

    faults: tuple[PackFault, ...]
    lines: int
    withheld: int
    whole: dict[str, str] | None
    size: int
    erased: tuple[str, ...] = ()


def check_pack(
    path: Path, keys: Collection[Verifier], *, witnesses: Collection[Verifier] = ()
) -> CheckedPack:
    """Check a pack.

    Args:
        path: of the zip, or of a folder into which it was unpacked.
        keys: of the log, that count.
        witnesses: each must have signed the checkpoint that all rests on.

    Raises:
        CheckError: there is nothing that could be checked.
    """
    try:
        files, wrong = unzipped(path)
    except (ArchiveError, OSError) as problem:
        # It proves nothing: whoever asks is told so.
        raise CheckError(str(problem)) from problem
    if MANIFEST not in files:
        raise CheckError(f"{path.name}: no pack: there is no {MANIFEST}")
    check = _Check(files, keys, witnesses)
    check.faults += [PackFault(*each) for each in wrong]
    return check.run()


class _Check:
    def __init__(
        self,
        files: dict[str, bytes],
        keys: Collection[Verifier],
        witnesses: Collection[Verifier],
    ) -> None:
        self.files = files
        self.keys = list(keys)
        self.witnesses = list(witnesses)
        self.faults: list[PackFault] = []
        self.entries: list[bytes] = []
        self.checkpoints: dict[int, Checkpoint] = {}
        self.lines = self.withheld = 0
        self.erased: set[str] = set()  # as the log says, from any of its segments
        self.without: set[str] = set()  # of the period

    def run(self) -> CheckedPack:
        self._files()
        self._log()
        self._signature()
        manifests = self._manifests()
        whole: dict[str, str] | None = None
        try:
            proofs = json.loads(self.files.get(PROOFS, b""))
            whole = proofs["whole"]
            self._period(whole)
            for each in manifests:
                self._segment(each, proofs)
            strange = {*proofs["tags"], *proofs["withheld"]} - {each.name for each in manifests}
            if strange:
                self._wrong(PROOFS, f"says something of {min(strange)}, which was not sealed")
        except (*_DAMAGED, RecursionError) as problem:
            # What was found so far stands, and this with it.
            self._wrong(PROOFS, f"cannot be followed: {type(problem).__name__}: {problem}")
        self._gaps(manifests)
        self._sealed(manifests)
        faults = tuple(dict.fromkeys(self.faults))
        size = max(self.checkpoints, default=0)
        erased = tuple(sorted(self.without))
        return CheckedPack(faults, self.lines, self.withheld, whole, size, erased)

    def _wrong(self, name: str, what: str) -> None:
        self.faults.append(PackFault(name, what))

    def _files(self) -> None:
        try:
            listed = dict(json.loads(self.files[MANIFEST])["files"])
        except (*_DAMAGED, RecursionError):
            # Nothing is known of any file then.
            self._wrong(MANIFEST, "cannot be read")
            listed = {}
        for name in sorted({*self.files, *listed} - {MANIFEST, SIGNATURE}):
            if name not in self.files:
                self._wrong(name, "is missing")
            elif name not in listed:
                self._wrong(name, "is in no manifest: somebody put it in")
            elif hashlib.sha256(self.files[name]).hexdigest() != listed[name]:
                self._wrong(name, "is not the file that was packed")

    # --- the log ------------------------------------------------------------------------------

    def _log(self) -> None:
        names = sorted(name for name in self.files if name.startswith(_CHECKPOINTS))
        self.entries = self._bundles(names[-1] if names else "")
        turns = [
            (place, said)
            for place, said in enumerate(map(record_of, self.entries))
            if said.get("kind") == KEY_KIND
        ]
        chain = self._chain(turns)
        before = 0
        for name in names:
            try:
                note = self.files[name].decode()
                checkpoint = Checkpoint.parse(parts_of(note)[0])
                size = checkpoint.size
                if name != f"{_CHECKPOINTS}{size // 1000:06d}/{size:09d}":
                    self._wrong(name, f"a checkpoint of {size} entries under another name")
                old, new = (sum(at < each for at, _ in turns) for each in (before, size))
                need = chain[old : new + 1] if chain else self.keys
                self._held(note, checkpoint.origin, need, name == names[-1])
            except (UnicodeDecodeError, NoteError) as problem:
                # Whatever rests on it is not proved.
                self._wrong(name, str(problem))
                continue
            self.checkpoints[size] = checkpoint
            before = size
            if root_of([leaf_hash(each) for each in self.entries[:size]]) != checkpoint.root:
                self._wrong(_ENTRIES, f"the first {size} are not those of {name}")
        last = self.files.get(names[-1]) if names else None
        if self.files.get("checkpoint") != last or last is None:
            self._wrong("checkpoint", "not the last that was signed")
        if chain:
            self.keys = chain[-1:]

    def _bundles(self, last: str) -> list[bytes]:
        """All entries, as the name of the last checkpoint says how many there are."""
        found: list[bytes] = []
        digits = last.rpartition("/")[2]
        size = int(digits) if digits.isascii() and digits.isdecimal() else 0
        if size > sum(map(len, self.files.values())):
            self._wrong(last, f"{size} entries are not in this pack")
            return []
        for number in range(-(-size // WIDTH)):
            name = name_of(ENTRIES, number, min(WIDTH, size - number * WIDTH))
            try:
                found += entries_in(self.files[name])
            except (KeyError, TileError) as problem:
                # The roots do not hold then.
                self._wrong(name, f"is missing, or damaged: {problem}")
        if len(found) != size:
            self._wrong(_ENTRIES, f"{len(found)} entries instead of {size}")
        return found

    def _chain(self, turns: list[tuple[int, dict[str, Any]]]) -> list[Verifier]:
        chain: list[Verifier] = []
        for place, said in turns:
            try:
                replaced, key = (Verifier.parse(str(said.get(n))) for n in ("replaces", "key"))
            except NoteError as problem:
                self._wrong(_ENTRIES, f"entry {place} hands over to no key: {problem}")
                continue
            if chain and chain[-1] != replaced:
                self._wrong(_ENTRIES, f"entry {place} replaces a key that did not count")
            chain += [key] if chain else [replaced, key]
        if chain and not set(chain) & set(self.keys):
            self._wrong(_ENTRIES, "none of the keys that were given ever counted")
        return chain

    def _held(self, note: str, origin: str, need: Collection[Verifier], last: bool) -> None:
        """Whether those signed that have to.

        Raises:
            NoteError: they did not.
        """
        held = {each.by for each in signatures_of(note, [*need, *self.witnesses])}
        ours = {each for each in held & set(need) if each.name == origin}
        if not ours or (len(need) > 1 and need is not self.keys and not set(need) <= held):
            raise NoteError("not signed by the key that counts")
        lacking = set(self.witnesses) - held if last else set()
        if lacking:
            raise NoteError(f"not signed by the witness {min(each.name for each in lacking)}")

    def _signature(self) -> None:
        note = self.files[MANIFEST] + b"\n" + self.files.get(SIGNATURE, b"")
        try:
            if not signatures_of(note.decode(), self.keys):
                self._wrong(SIGNATURE, "not signed by the key that counts")
        except (UnicodeDecodeError, NoteError) as problem:
            # Then the manifest says nothing.
            self._wrong(SIGNATURE, f"does not hold over {MANIFEST}: {problem}")

    def _manifests(self) -> list[Manifest]:
        """What is sealed: each segment once, each going on where its worker's last one ended."""
        found: list[Manifest] = []
        last: dict[int, int] = {}
        names: set[str] = set()
        for place, entry in enumerate(self.entries):
            try:
                said = parsed(entry)
                if said["kind"] == _ERASURE:
                    self.erased |= {each["name"] for each in said["segments"]}
                if said["kind"] != KIND:
                    continue
                each = Manifest.parse(entry)
            except (EntryError, KeyError, TypeError) as problem:
                # It proves nothing; the others may.
                self._wrong(_ENTRIES, f"entry {place} of the log: {problem}")
                continue
            if each.name in names:
                self._wrong(_ENTRIES, f"{each.name} is sealed twice")
            after = last.get(each.worker)
            if each.after_seq != after:
                self._wrong(_ENTRIES, f"{each.name} does not follow record {each.after_seq}")
            gap = after is not None and not each.late and each.first_seq > after + 1
            if gap and each.missing[:1] != (((after or 0) + 1, each.first_seq - 1),):
                self._wrong(_ENTRIES, f"{each.name} does not say what is missing before it")
            found.append(each)
            names.add(each.name)
            last[each.worker] = max(last.get(each.worker, 0), each.last_seq)
        return found

    def _gaps(self, manifests: list[Manifest]) -> None:
        try:
            said = json.loads(self.files.get(GAPS, b""))["missing"]
        except (*_DAMAGED, RecursionError):
            # It says nothing then.
            said = None
        if said != [list(each) for each in missing_in(manifests)]:
            self._wrong(GAPS, "has other gaps than the log says")

    # --- lines --------------------------------------------------------------------------------

    def _period(self, whole: dict[str, str] | None) -> None:
        """What a pack is to be complete for is a period: no segment lies in one that is none."""
        if whole is not None and None in (moment_of(whole[at]) for at in ("since", "until")):
            self._wrong(PROOFS, "complete for a period that is none")

    def _sealed(self, manifests: list[Manifest]) -> None:
        """Whatever stands among the lines and their proofs is of a segment that was sealed."""
        known = {at for each in manifests for at in (lines_of(each.name), proof_of(each.name))}
        for name in sorted(self.files.keys() - known - {_TABLE}):
            if name.startswith(("lines/", "proofs/")):
                self._wrong(name, "of a segment that was not sealed")

    def _segment(self, manifest: Manifest, proofs: dict[str, Any]) -> None:
        name, whole = manifest.name, proofs["whole"]
        files = f"{lines_of(name)}, {proof_of(name)}, {PROOFS}"
        needed = (
            whole is not None
            and manifest.last_start >= whole["since"]
            and manifest.first_start < whole["until"]
        )
        if needed and name in self.erased:
            self.without.add(name)  # the key of its tags is gone: nothing is claimed of it
            needed = False
        if not needed and not {lines_of(name), proof_of(name)} & self.files.keys():
            return
        try:
            octets = [self.files[each] for each in (lines_of(name), proof_of(name))]
            lines, places = shown(manifest, *octets)
        except (KeyError, ValueError) as problem:
            self._wrong(files, f"not what was sealed, or not proved: {problem}")
            return
        self.lines += len(lines)
        withheld = proofs["withheld"].get(name, [])
        self.withheld += len(withheld)
        if not needed:
            if set(withheld) & lines.keys():
                self._wrong(PROOFS, f"{name}: lines that are shown are called withheld")
            return
        self._run(manifest, proofs, lines, places)

    def _run(
        self,
        manifest: Manifest,
        proofs: dict[str, Any],
        lines: dict[int, bytes],
        places: dict[int, Place],
    ) -> None:
        """All lines of the person and period are shown, or said to be withheld."""
        name, whole = manifest.name, proofs["whole"]
        files = f"{lines_of(name)}, {proof_of(name)}, {PROOFS}"
        tags = bytes.fromhex(proofs["tags"][name])
        if hashlib.sha256(tags).hexdigest() != manifest.tags:
            self._wrong(PROOFS, f"{name}: not the key of its tags")
            return
        tag = tag_of(tags, who_of(dict(whole)))
        low, high = (Place(tag, start_of({"start": whole[at]}), 0) for at in ("since", "until"))
        lacking = left_out(places, manifest.records, low, high)
        if lacking:
            self._wrong(files, lacking)
            return
        inside = {each.index: each for each in places.values() if low <= each < high}
        if sorted(inside.keys() - lines.keys()) != proofs["withheld"].get(name, []):
            self._wrong(files, "a line of the person is left out, or one is called withheld")
        for number in inside.keys() & lines.keys():
            record = record_of(lines[number])
            if inside[number] != Place(tag_of(tags, who_of(record)), start_of(record), number):
                self._wrong(files, f"line {number} is not whose its place says")
