"""An entry that says of which segments lines were erased, and what remains of them.

In: entries of the log. Out: what was erased; what each segment must be like now.
Must never: hold a line, a name or an address: an entry is kept for good.

A segment of which something remains has two files: its other lines, compressed as before, and what
is needed to make its roots anew without those that are gone (remaining.py). The entry has their
SHA-256. A segment of which nothing remains has none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.seal.manifest import VERSION, EntryError, entry_of, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

ERASURE_KIND: Final = "erasure"
LONGEST_RULE: Final = 200
"""Characters."""
_FIELDS: Final = {"kind", "version", "at", "certificate", "records", "rule", "segments"}
_OF_SEGMENT: Final = {"name": str, "erased": int, "lines": str, "kept": str}


@dataclass(frozen=True, slots=True)
class Rest:
    """What an erasure left of a segment.

    Attributes:
        name: of the segment.
        erased: lines that are gone, those of earlier erasures too.
        lines: SHA-256 of the compressed file of those that remain, in hexadecimal digits; "": none
            does.
        kept: the same of the file beside it.
    """

    name: str
    erased: int
    lines: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure.

    Attributes:
        at: when, RFC 3339, UTC.
        certificate: the digest that the disposal certificate has: a hash of the list of what went.
        records: lines that went now.
        rule: by which, in words; no personal data.
        segments: of which; each once.
    """

    at: str
    certificate: str
    records: int
    rule: str
    segments: tuple[Rest, ...]

    def entry(self) -> bytes:
        """As it stands in the log."""
        return entry_of(ERASURE_KIND, asdict(self))

    @classmethod
    def parse(cls, entry: bytes) -> Erasure:
        """Read one.

        Raises:
            EntryError: it is none, or was not written so.
        """
        said = parsed(entry)
        if said["kind"] != ERASURE_KIND or said["version"] != VERSION or said.keys() != _FIELDS:
            raise EntryError("not the entry of an erasure")
        texts = all(isinstance(said[each], str) for each in ("at", "certificate", "rule"))
        if not texts or type(said["records"]) is not int or not isinstance(said["segments"], list):
            raise EntryError("an entry of an erasure with something else in it")
        segments = tuple(map(_rest, said["segments"]))
        found = cls(said["at"], said["certificate"], said["records"], said["rule"], segments)
        if found.entry() != entry or len({each.name for each in segments}) != len(segments):
            raise EntryError("an entry that is written in another way than ours")
        return found


def _rest(said: Any) -> Rest:
    if not isinstance(said, dict) or said.keys() != _OF_SEGMENT.keys():
        raise EntryError("an entry of an erasure that does not say what remains")
    if any(type(said[each]) is not kind for each, kind in _OF_SEGMENT.items()):
        raise EntryError("an entry of an erasure with something else in it")
    return Rest(**said)


@dataclass(frozen=True, slots=True)
class State:
    """What a segment is like after its last erasure.

    Attributes:
        number: how many erasures it has had: it stands in the names of its files.
        rest: what the last one left.
    """

    number: int
    rest: Rest

    @property
    def whole(self) -> bool:
        """Whether nothing remains."""
        return not self.rest.kept


def states_of(erasures: Iterable[Erasure]) -> dict[str, State]:
    """What segments are like of which anything was erased, by name.

    Args:
        erasures: of the log, from its beginning, in their order.
    """
    found: dict[str, State] = {}
    for erasure in erasures:
        for each in erasure.segments:
            before = found.get(each.name)
            found[each.name] = State(before.number + 1 if before else 1, each)
    return found
