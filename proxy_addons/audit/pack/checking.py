"""Checking a pack with our own parts: what is not as it was signed, file by file.

In: a zip or a folder, keys that were kept elsewhere. Out: what is wrong, and what is proved.
Must never: believe a file that the signed manifest does not have; unpack anything to a disk; end at
the first fault.

accesslog/seal/standalone.py does the same without any part of ours. The two share no code, so that
a fault of one is seen by the other; tests/audit/pack holds them together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.seal.erasure import ERASURE_KIND, Erasure
from proxy_addons.accesslog.seal.manifest import KIND, EntryError, Manifest, parsed
from proxy_addons.accesslog.seal.merkle import ProofError, leaf_hash
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    Checkpoint,
    NoteError,
    Verifier,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.ranged import root_by_path
from proxy_addons.accesslog.seal.salted import SALT, Place, line_leaf, tag_of
from proxy_addons.audit.pack.archive import ArchiveError, unzipped

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PROOFS: Final = "proofs.json"
LINES: Final = "lines/lines.jsonl"
_CHECKPOINTS: Final = "log/checkpoints/"
_DAMAGED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What a file raises that says something else than it should."""


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
        self.entries: dict[int, bytes] = {}
        self.checkpoints: dict[int, Checkpoint] = {}
        self.lines = self.withheld = 0
        self.covered: set[str] = set()
        self.erased: set[str] = set()
        self.without: set[str] = set()

    def run(self) -> CheckedPack:
        self._files()
        whole = None
        try:
            proofs = json.loads(self.files.get(PROOFS, b""))
            self._log(proofs["ranges"])
            self._signature()
            manifests = self._manifests()
            whole = proofs["whole"]
            self._segments(proofs["segments"], manifests, whole)
            if whole is not None:
                self._whole(whole, proofs["ranges"][-1], manifests)
        except (*_DAMAGED, RecursionError) as problem:
            # What was found so far stands, and this with it.
            self._wrong(PROOFS, f"cannot be followed: {type(problem).__name__}: {problem}")
        faults = tuple(dict.fromkeys(self.faults))
        size = max(self.checkpoints, default=0)
        erased = tuple(sorted(self.without)) if whole is not None else ()
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

    def _log(self, ranges: list[dict[str, Any]]) -> None:
        for first in sorted({each["first"] for each in ranges}):
            lines = self.files.get(_entries(first), b"").split(b"\n")[:-1]
            self.entries |= dict(enumerate(lines, first))
        self._checkpoints()
        for each in ranges:
            name = _entries(each["first"])
            count = len(self.files.get(name, b"").split(b"\n")) - 1
            leaves = [leaf_hash(self.entries[each["first"] + n]) for n in range(count)]
            checkpoint = self.checkpoints.get(each["size"])
            try:
                root = root_by_path(leaves, each["first"], each["size"], _hashes(each["path"]))
            except (ProofError, ValueError) as problem:
                self._wrong(name, f"its path leads nowhere: {problem}")
                continue
            if checkpoint is None or checkpoint.root != root:
                self._wrong(name, "not what was signed, or its path is not")

    def _checkpoints(self) -> None:
        """Who signed what: an entry `key` hands over to another key."""
        turns = []
        for place, entry in sorted(self.entries.items()):
            said = record_of(entry)
            if said.get("kind") == "key":
                turns.append((place, said))
        chain = self._chain(turns)
        before = 0
        names = sorted(name for name in self.files if name.startswith(_CHECKPOINTS))
        for name in names:
            try:
                note = self.files[name].decode()
                checkpoint = Checkpoint.parse(parts_of(note)[0])
                size = checkpoint.size
                if name != f"{_CHECKPOINTS}{size // 1000:06d}/{size:09d}":
                    raise NoteError(f"a checkpoint of {size} entries under another name")
                old, new = (sum(at < each for at, _ in turns) for each in (before, size))
                need = chain[old : new + 1] if chain else self.keys
                self._held(note, checkpoint.origin, need, name == names[-1])
            except (UnicodeDecodeError, NoteError) as problem:
                # Whatever rests on it is not proved.
                self._wrong(name, str(problem))
                continue
            self.checkpoints[size] = checkpoint
            before = size
        if chain:
            self.keys = chain[-1:]

    def _chain(self, turns: list[tuple[int, dict[str, Any]]]) -> list[Verifier]:
        chain: list[Verifier] = []
        for place, said in turns:
            try:
                replaced, key = (Verifier.parse(str(said.get(n))) for n in ("replaces", "key"))
            except NoteError as problem:
                self._wrong(_entries(place), f"entry {place} hands over to no key: {problem}")
                continue
            if chain and chain[-1] != replaced:
                self._wrong(_entries(place), f"entry {place} replaces a key that did not count")
            chain += [key] if chain else [replaced, key]
        if chain and not set(chain) & set(self.keys):
            self._wrong(_entries(turns[0][0]), "none of the keys that were given ever counted")
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
            keys = [each for each in self.keys if each.kind != COSIGNATURE]
            if not signatures_of(note.decode(), keys):
                self._wrong(SIGNATURE, "not signed by the key that counts")
        except (UnicodeDecodeError, NoteError) as problem:
            # Then the manifest says nothing.
            self._wrong(SIGNATURE, f"does not hold over {MANIFEST}: {problem}")

    def _manifests(self) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        last: dict[int, int] = {}
        for place, entry in sorted(self.entries.items()):
            try:
                if (kind := parsed(entry)["kind"]) == ERASURE_KIND:
                    self.erased |= {each.name for each in Erasure.parse(entry).segments}
                if kind != KIND:
                    continue
                each = Manifest.parse(entry)
            except EntryError as problem:
                self._wrong(PROOFS, f"entry {place} of the log: {problem}")
                continue
            if each.name in found:
                self._wrong(PROOFS, f"{each.name} is sealed twice")
            if each.worker in last and each.after_seq != last[each.worker]:
                self._wrong(PROOFS, f"{each.name} does not follow record {each.after_seq}")
            found[each.name] = each
            last[each.worker] = max(last.get(each.worker, each.after_seq or 0), each.last_seq)
        return found

    # --- lines --------------------------------------------------------------------------------

    def _segments(
        self,
        segments: list[dict[str, Any]],
        manifests: dict[str, Manifest],
        whole: dict[str, str] | None,
    ) -> None:
        *lines, rest = self.files.get(LINES, b"").split(b"\n")
        left = lines[::-1]
        for each in segments:
            manifest = manifests[each["name"]]
            shown: dict[int, bytes | None] = {}
            for one in each["lines"]:
                shown[one["index"]] = self._line(manifest, one, left)
            if whole is not None and "places" in each:
                self._places(manifest, each, shown, whole)
        if left or rest:
            self._wrong(LINES, "has lines of which nothing is proved")

    def _line(self, manifest: Manifest, one: dict[str, Any], left: list[bytes]) -> bytes | None:
        where = f"line {one['index']} of {manifest.name}"
        line = None
        if "leaf" in one:
            leaf = bytes.fromhex(one["leaf"])
            self.withheld += 1
        elif left:
            line, nonce = left.pop(), bytes.fromhex(one["nonce"])
            leaf = line_leaf(nonce, line) if len(nonce) == SALT else b""
            self.lines += 1
        else:
            self._wrong(LINES, f"{where} is missing")
            return None
        try:
            root = root_by_path([leaf], one["index"], manifest.records, _hashes(one["path"]))
        except ProofError as problem:
            self._wrong(PROOFS, f"{where}: its path leads nowhere: {problem}")
            return line
        if root.hex() != manifest.root:
            self._wrong(LINES, f"{where} was not sealed so")
        return line

    def _places(
        self,
        manifest: Manifest,
        each: dict[str, Any],
        shown: dict[int, bytes | None],
        whole: dict[str, str],
    ) -> None:
        """All places of the person in the period stand between two others, and are shown."""
        name, tags, first = manifest.name, bytes.fromhex(each["tags"]), each["places"]["first"]
        pairs = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in each["places"]["of"]]
        places = [Place.parse(octets) for octets, _ in pairs]
        leaves = [place.leaf(pair[1]) for place, pair in zip(places, pairs, strict=True)]
        path = _hashes(each["places"]["path"])
        if hashlib.sha256(tags).hexdigest() != manifest.tags:
            self._wrong(PROOFS, f"{name}: not the key of its tags")
        elif root_by_path(leaves, first, manifest.records, path).hex() != manifest.places:
            self._wrong(PROOFS, f"{name}: places that were not sealed so")
        elif any(len(nonce) != SALT for _, nonce in pairs) or places != sorted(places):
            self._wrong(PROOFS, f"{name}: places that cannot be")
        else:
            tag = tag_of(tags, who_of(dict(whole)))
            low, high = (Place(tag, start_of({"start": whole[at]}), 0) for at in ("since", "until"))
            begins = first == 0 or places[0] < low
            ends = first + len(places) == manifest.records or places[-1] >= high
            if not begins or not ends:
                self._wrong(PROOFS, f"{name}: a neighbour is missing")
            for place in places:
                if low <= place < high and not _is(place, tags, shown.get(place.index, b"")):
                    self._wrong(PROOFS, f"{name}: line {place.index} of the person is left out")
            self.covered.add(name)

    def _whole(
        self, whole: dict[str, str], main: dict[str, Any], manifests: dict[str, Manifest]
    ) -> None:
        """All segments that could have a line of the period are there."""
        first, size = main["first"], max(self.checkpoints)
        names = self.files.get(_entries(first), b"").count(b"\n")
        if main["size"] != size or first + names != size:
            self._wrong(_entries(first), "does not go on to the end of the log")
        if first and str(record_of(self.entries[first]).get("sealed", "~")) >= whole["since"]:
            self._wrong(_entries(first), "begins after the period has begun")
        for each in manifests.values():
            late = each.last_start >= whole["since"]
            if not late or each.first_start >= whole["until"] or each.name in self.covered:
                continue
            if each.name in self.erased:
                self.without.add(each.name)  # nothing is claimed of it
            else:
                self._wrong(PROOFS, f"nothing is shown of {each.name}, which is of the period")


def _is(place: Place, tags: bytes, line: bytes | None) -> bool:
    """Whether a line is whose a place says; of one that is withheld nobody can tell."""
    if line is None:
        return True
    record = record_of(line)
    return place == Place(tag_of(tags, who_of(record)), start_of(record), place.index)


def _entries(first: int) -> str:
    return f"log/entries/{first:09d}.jsonl"


def _hashes(path: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in path]
