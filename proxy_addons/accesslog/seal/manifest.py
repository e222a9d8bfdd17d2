"""What the log of the seals says: one entry for each segment, and for each thing that befalls it.

In: what was counted in a segment. Out: the entry, always the same octets for the same content.
Must never: hold a line, a name or an address: entries are kept for good, lines are not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

KIND: Final = "segment"
VERSION: Final = 1


class EntryError(ValueError):
    """An entry cannot be read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is sealed of one segment.

    Attributes:
        name: of the segment's file.
        worker: number of the worker that wrote it.
        records: lines.
        first_seq: number of the first record; 0 where there is none.
        last_seq: of the last one.
        after_seq: last number that was sealed of this worker before; None: nothing was.
        missing: numbers that are in no segment: first and last of each run.
        first_start: earliest `start` of a record, "" without any.
        last_start: latest `start`.
        octets: of all lines with their newlines.
        sha256: of these, in hexadecimal digits, as all that follows.
        packed_sha256: of the compressed file, the evidence.
        root: of the tree of the lines (salted.py).
        places: of the tree of whose they are.
        tags: SHA-256 of the key of the tags in there: whoever is given the key later knows that it
            is the one, and not another by which a person would seem to have no lines.
        late: whether a later segment of the same worker was sealed before.
        broken: why it was given up; "" where it was ended in order.
        policy_versions: in force, as the records name them.
        list_versions: the same of the category lists.
        software: version of Watchhouse that sealed it.
        sealed: when, RFC 3339, UTC.
    """

    name: str
    worker: int
    records: int
    first_seq: int
    last_seq: int
    after_seq: int | None
    missing: tuple[tuple[int, int], ...]
    first_start: str
    last_start: str
    octets: int
    sha256: str
    packed_sha256: str
    root: str
    places: str
    tags: str
    late: bool
    broken: str
    policy_versions: tuple[str, ...]
    list_versions: tuple[str, ...]
    software: str
    sealed: str

    def entry(self) -> bytes:
        """As it stands in the log."""
        return entry_of(KIND, asdict(self))

    @classmethod
    def parse(cls, entry: bytes) -> Manifest:
        """Read one.

        Raises:
            EntryError: it is none, or was not written so.
        """
        said = parsed(entry)
        kind, version = said.pop("kind"), said.pop("version")
        if kind != KIND or version != VERSION or said.keys() != {each.name for each in fields(cls)}:
            raise EntryError("not the entry of a segment")
        for name in ("missing", "policy_versions", "list_versions"):
            said[name] = tuple(
                tuple(each) if isinstance(each, list) else each for each in said[name]
            )
        found = cls(**said)
        if found.entry() != entry:
            raise EntryError("an entry that is written in another way than ours")
        return found


def entry_of(kind: str, said: dict[str, Any]) -> bytes:
    """An entry: JSON in ASCII, keys in their order, no space."""
    whole = {"kind": kind, "version": VERSION, **said}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def parsed(entry: bytes) -> dict[str, Any]:
    """What an entry says.

    Raises:
        EntryError: it cannot be read, or does not say what it is.
    """
    try:
        said = json.loads(entry)
    except (ValueError, RecursionError) as problem:
        raise EntryError("an entry that is no JSON") from problem
    if not isinstance(said, dict) or not isinstance(said.get("kind"), str) or "version" not in said:
        raise EntryError("an entry that does not say what it is")
    return said
