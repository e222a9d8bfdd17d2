"""What remains of a segment of which lines were erased, and still makes both roots of its manifest.

In: lines, a salt or what an earlier erasure left; which lines go. Out: the file `….kept`, and the
compressed lines that stay.
Must never: keep of an erased line anything but hashes that were made with nonces of its own; keep
the salt, or the key of the tags.

`….kept`, for a segment of n lines as it was sealed:
    n times, in the order of the lines: an octet 1 and the line's nonce, or an octet 0 and, in place
        of an erased line, the hash of its leaf (32 octets each);
    n times, in the order of the second tree: an octet 1, the nonce of the place and the place (tag,
        start, index: 48 octets), or an octet 0 and the hash of an erased line's leaf there.
The lines that stay are in `….gz`, in their order.

The key of the tags goes with the salt. With it, whoever tries names could see between which two
others an erased line stood, and so guess whose it was. Without it a tag says only that its lines
are of one person, whose name stands in them.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.merkle import HASH, Growing, leaf_hash
from proxy_addons.accesslog.seal.packing import record_of, start_of, who_of
from proxy_addons.accesslog.seal.salted import Place, index_of, line_leaf, place_octets, tag_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from proxy_addons.accesslog.seal.salted import Salt

GONE, STAYS = b"\0", b"\1"
_PLACE: Final = 48
_LEVEL: Final = 6
_GZIP: Final = 31


class RestError(ValueError):
    """What remains of a segment is not what it should be. The text says why."""


@dataclass(slots=True)
class Remaining:
    """A segment, or what remains of it.

    Attributes:
        of_lines: for each line as it was sealed: whether it stays, and its nonce, or the hash of
            its leaf.
        of_places: for each place in its order: its octets, b"" where its line is gone; and its
            nonce, or the hash of its leaf.
        lines: those that stay, by their index.
    """

    of_lines: list[tuple[bool, bytes]] = field(default_factory=list)
    of_places: list[tuple[bytes, bytes]] = field(default_factory=list)
    lines: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def sealed(cls, lines: Iterable[bytes], salt: Salt) -> Remaining:
        """A segment of which nothing was erased yet."""
        found, places, tags = cls(), [], dict[str, bytes]()
        for index, line in enumerate(lines):
            found.lines[index] = line
            found.of_lines.append((True, salt.of_line(index)))
            record = record_of(line)
            who = who_of(record)
            if who not in tags:
                tags[who] = tag_of(salt.tag_key, who)
            places.append(place_octets(tags[who], start_of(record), index))
        found.of_places = [(each, salt.of_place(index_of(each))) for each in sorted(places)]
        return found

    @classmethod
    def parse(cls, kept: bytes, lines: Iterable[bytes], records: int) -> Remaining:
        """What an erasure left.

        Args:
            kept: the file beside the lines.
            lines: that stay.
            records: lines of the segment as it was sealed.

        Raises:
            RestError: they do not belong together, or are damaged.
        """
        found, rest, at = cls(), iter(lines), 0
        for index in range(records):
            flag, value = kept[at : at + 1], kept[at + 1 : at + 1 + HASH]
            at += 1 + HASH
            if flag not in {GONE, STAYS} or len(value) != HASH:
                raise RestError("is cut short, or damaged")
            found.of_lines.append((flag == STAYS, value))
            if flag == STAYS:
                line = next(rest, None)
                if line is None:
                    raise RestError(f"line {index} is missing")
                found.lines[index] = line
        for _ in range(records):
            flag, value = kept[at : at + 1], kept[at + 1 : at + 1 + HASH]
            at += 1 + HASH
            place = kept[at : at + _PLACE] if flag == STAYS else b""
            at += len(place)
            whole = _PLACE if flag == STAYS else 0
            if flag not in {GONE, STAYS} or len(value) != HASH or len(place) != whole:
                raise RestError("is cut short, or damaged")
            found.of_places.append((place, value))
        if at != len(kept):
            raise RestError("goes on behind its end")
        if next(rest, None) is not None:
            raise RestError("there are more lines than it says")
        found.looked_at()
        return found

    def looked_at(self) -> None:
        """See that places are those of the lines, without the key of their tags.

        Raises:
            RestError: they are not.
        """
        places = [octets for octets, _ in self.of_places if octets]
        if places != sorted(places) or {index_of(each) for each in places} != self.lines.keys():
            raise RestError("its places are not those of its lines")
        tags: dict[str, bytes] = {}
        whose: dict[bytes, str] = {}
        for place in map(Place.parse, places):
            record = record_of(self.lines[place.index])
            who = who_of(record)
            alike = tags.setdefault(who, place.tag) == place.tag
            if not alike or whose.setdefault(place.tag, who) != who:
                raise RestError("one tag for two, or two for one")
            if place.start != start_of(record):
                raise RestError(f"line {place.index} began at another time than its place says")

    @property
    def erased(self) -> int:
        """Lines that are gone."""
        return len(self.of_lines) - len(self.lines)

    def leaf(self, index: int) -> bytes:
        """The hash of a line's leaf."""
        stays, value = self.of_lines[index]
        return line_leaf(value, self.lines[index]) if stays else value

    def leaves(self) -> list[bytes]:
        """The hashes of all lines."""
        return [self.leaf(index) for index in range(len(self.of_lines))]

    def place_leaves(self) -> list[bytes]:
        """The hashes of all places, in their order."""
        return [leaf_hash(value + octets) if octets else value for octets, value in self.of_places]

    def roots(self) -> tuple[str, str]:
        """Of the lines and of the places, as the manifest has them."""
        lines, places = Growing(), Growing()
        for each in self.leaves():
            lines.add(each)
        for each in self.place_leaves():
            places.add(each)
        return lines.root().hex(), places.root().hex()

    def without(self, gone: Collection[int]) -> Remaining:
        """The same without more lines."""
        gone = set(gone) & self.lines.keys()
        return Remaining(
            [
                (False, self.leaf(index)) if index in gone else each
                for index, each in enumerate(self.of_lines)
            ],
            [
                (b"", leaf_hash(value + octets))
                if octets and index_of(octets) in gone
                else (octets, value)
                for octets, value in self.of_places
            ],
            {index: line for index, line in self.lines.items() if index not in gone},
        )

    def kept(self) -> bytes:
        """The file beside the lines."""
        lines = [(STAYS if stays else GONE) + value for stays, value in self.of_lines]
        places = [(STAYS if octets else GONE) + value + octets for octets, value in self.of_places]
        return b"".join((*lines, *places))

    def packed(self) -> bytes:
        """The lines that stay, compressed; the same octets each time."""
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        parts = [packer.compress(self.lines[index] + b"\n") for index in sorted(self.lines)]
        return b"".join((*parts, packer.flush()))


def digest(octets: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(octets).hexdigest()
