"""One segment made ready to be sealed: read once, counted, hashed and compressed.

In: a segment that was ended, a salt. Out: the compressed file; what its manifest says of it.
Must never: read what does not count (a torn tail); hold a segment in memory whole; change one.

Compressed is by gzip, which every system can read, also without Watchhouse, and in a hundred years.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from proxy_addons.accesslog.seal.merkle import Growing, leaf_hash
from proxy_addons.accesslog.seal.salted import index_of, line_leaf, place_octets, tag_of
from proxy_addons.accesslog.segment import counted_bytes
from proxy_addons.accesslog.tails import lines_forward

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from proxy_addons.accesslog.seal.salted import Salt

_LEVEL: Final = 6
_GZIP: Final = (
    31  # zlib's window for gzip; it writes no time and no name: the same octets each time
)
_AT_ONCE: Final = 4096  # lines
_DEEP: Final = 200  # how deep the standard library goes depends on its version: deeper is its own
_STAMP: Final = re.compile(  # as record.py writes it
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6})Z", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - stamps are UTC, and say so by their Z
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class Counted:
    """What was found in a segment; see `manifest.Manifest`."""

    records: int = 0
    octets: int = 0
    first_seq: int = 0
    last_seq: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    first_start: str = ""
    last_start: str = ""
    sha256: str = ""
    packed_sha256: str = ""
    root: str = ""
    places: str = ""
    tags: str = ""
    policy_versions: tuple[str, ...] = ()
    list_versions: tuple[str, ...] = ()


def who_of(record: dict[str, Any]) -> str:
    """Whose a record is, in the second tree: the person, or the address where nobody is known."""
    person = record.get("person")
    if isinstance(person, str):
        return f"person:{person}"
    client = record.get("client_ip")
    return f"client:{client}" if isinstance(client, str) else ""


def start_of(record: dict[str, Any]) -> int:
    """When it began, in microseconds since 1970; 0 where it does not say so in our way.

    Strict, so that whoever checks a seal in years to come reads the same out of the same line.
    """
    moment = moment_of(record.get("start"))
    return 0 if moment is None else max(0, moment)


def moment_of(stamp: object) -> int | None:
    """Microseconds since 1970; None where a stamp is not written in our way."""
    match = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if match is None:
        return None
    try:
        return (datetime.fromisoformat(match[1]) - _EPOCH) // _MICROSECOND
    except ValueError:
        return None  # the thirtieth of February


def record_of(line: bytes) -> dict[str, Any]:
    """What a line says; nothing where it is no record.

    As the standard library reads it: the verifier that has nothing else must read the same out of
    a line that is none of ours. A faster library reads what both read alike, which is nearly all
    (tests/accesslog/seal/test_packing.py); what it refuses, and numbers beyond its own, are read
    again.
    """
    if line.count(b"[") + line.count(b"{") < _DEEP:
        try:
            record = orjson.loads(line)
        except ValueError:
            pass  # the standard library reads more: NaN, lone surrogates, large numbers
        else:
            if not isinstance(record, dict):
                return {}
            if type(record.get("seq")) is not float:  # it may have been a whole one, beyond 64 bits
                return record
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}  # it is evidence all the same, of nobody
    return record if isinstance(record, dict) else {}


def lines_of(segment: Path) -> Iterator[bytes]:
    """The lines of a segment that count.

    Raises:
        OSError: it cannot be read.
    """
    with segment.open("rb") as file:
        for _, line in lines_forward(file, counted_bytes(segment)):
            yield line


def pack(lines: Iterable[bytes], salt: Salt, into: int) -> Counted:
    """Count, hash and compress lines.

    Args:
        lines: without their newlines.
        salt: of the segment.
        into: a descriptor to which the compressed file is written; its caller makes it durable.

    Raises:
        OSError: it could not be written.
    """
    reckoning = _Reckoning(salt)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    plain, packed = hashlib.sha256(), hashlib.sha256()

    def out(data: bytes) -> None:
        packed.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(into, rest) :]

    for several in _several(lines):
        reckoning.add(several)
        octets = b"\n".join((*several, b""))
        plain.update(octets)
        reckoning.found.octets += len(octets)
        out(packer.compress(octets))
    out(packer.flush())
    found = reckoning.done()
    found.sha256, found.packed_sha256 = plain.hexdigest(), packed.hexdigest()
    return found


def count(lines: Iterable[bytes], salt: Salt) -> Counted:
    """The same of lines that are packed already; `packed_sha256` is not said."""
    reckoning = _Reckoning(salt)
    plain = hashlib.sha256()
    for several in _several(lines):
        reckoning.add(several)
        octets = b"\n".join((*several, b""))
        plain.update(octets)
        reckoning.found.octets += len(octets)
    found = reckoning.done()
    found.sha256 = plain.hexdigest()
    return found


def _several(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    several = []
    for line in lines:
        several.append(line)
        if len(several) == _AT_ONCE:
            yield several
            several = []
    if several:
        yield several


class _Reckoning:
    """What is counted while lines go by."""

    def __init__(self, salt: Salt) -> None:
        self._salt = salt
        self._tree = Growing()
        self._places: list[bytes] = []
        self._tags: dict[str, bytes] = {}
        self._versions: tuple[set[str], set[str]] = (set(), set())
        self._missing: list[tuple[int, int]] = []
        self.found = Counted()

    def add(self, lines: list[bytes]) -> None:
        found, salt = self.found, self._salt
        for index, line in enumerate(lines, found.records):
            self._tree.add(line_leaf(salt.of_line(index), line))
            record = record_of(line)
            who = who_of(record)
            if (tag := self._tags.get(who)) is None:
                tag = self._tags[who] = tag_of(salt.tag_key, who)
            self._places.append(place_octets(tag, start_of(record), index))
            self._note(record)
        found.records += len(lines)

    def _note(self, record: dict[str, Any]) -> None:
        found = self.found
        seq = record.get("seq")
        if isinstance(seq, int) and seq > found.last_seq:
            if found.first_seq == 0:
                found.first_seq = seq
            elif seq > found.last_seq + 1:
                self._missing.append((found.last_seq + 1, seq - 1))
            found.last_seq = seq
        start = record.get("start")
        if isinstance(start, str):
            found.first_start = min(found.first_start or start, start)
            found.last_start = max(found.last_start, start)
        for versions, key in zip(self._versions, ("policy_version", "list_version"), strict=True):
            if isinstance(version := record.get(key), str):
                versions.add(version)

    def done(self) -> Counted:
        found = self.found
        found.root = self._tree.root().hex()
        places = Growing()
        self._places.sort()
        for octets in self._places:
            places.add(leaf_hash(self._salt.of_place(index_of(octets)) + octets))
        found.places = places.root().hex()
        found.tags = self._salt.tags_commitment.hex()
        found.missing = tuple(self._missing)
        found.policy_versions, found.list_versions = (
            tuple(sorted(each)) for each in self._versions
        )
        return found
