"""Reading the trail: for the auditor, newest first, page by page.

In: the folder of the trail, that of its seals, what is wanted. Out: records, each with its place.
Must never: show a torn or given-up tail; hold back in silence what could not be read; change
anything.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from proxy_addons.accesslog.reader import started
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.accesslog.segment import SegmentName, counted_bytes, segments_in
from proxy_addons.accesslog.tails import end_of_last_line, lines_backward

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

_GZIP: Final = 31  # zlib's window for gzip
_LARGEST: Final = 1 << 30  # octets of one segment, unpacked: an hour of looks is far less


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which records are wanted: those that meet everything that is not empty.

    Attributes:
        person: canonical name of who did it.
        authorisation: reference.
        event: kind.
        since: at this moment (aware) or later.
        until: before this one.
    """

    person: str = ""
    authorisation: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def wants(self, record: dict[str, Any]) -> bool:
        """Whether a record meets it."""
        asked = (self.person, self.authorisation, self.event)
        said = (record.get("person"), record.get("authorisation"), record.get("event"))
        if any(one and one != other for one, other in zip(asked, said, strict=True)):
            return False
        if self.since is None and self.until is None:
            return True
        at = started(record)
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class TrailRecord:
    """A record, and where its line is.

    Attributes:
        segment: name of its segment.
        line: its place in there, from 0.
        record: as it was written.
    """

    segment: str
    line: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Some records, newest first.

    Attributes:
        records: of this page.
        after: what to ask the next page with; "" where this is the last one.
        problems: what could not be read, in words.
    """

    records: tuple[TrailRecord, ...]
    after: str = ""
    problems: tuple[str, ...] = ()


class TrailReader:
    """Reads plain segments, and sealed ones where the plain one is gone.

    Args:
        folder: of the segments.
        sealed: of the seals; None: there are none.
    """

    def __init__(self, folder: Path, sealed: Path | None = None) -> None:
        self._folder = folder
        self._seals = None if sealed is None else Seals(sealed)

    def page(
        self, wanted: TrailFilter = TrailFilter(), *, most: int = 50, after: str = ""
    ) -> TrailPage:
        """Some records.

        Args:
            wanted: which.
            most: of this page.
            after: `TrailPage.after` of the page before.

        Raises:
            OSError: the folder cannot be read.
            ValueError: `after` is none.
        """
        problems: list[str] = []
        found: list[TrailRecord] = []
        for each in self._newest_first(_place(after), problems):
            if not wanted.wants(each.record):
                continue
            if len(found) == most:
                last = found[-1]
                return TrailPage(tuple(found), f"{last.segment}:{last.line}", tuple(problems))
            found.append(each)
        return TrailPage(tuple(found), problems=tuple(problems))

    def _segments(self) -> dict[SegmentName, Path]:
        found: dict[SegmentName, Path] = {}
        if self._seals is not None and (self._seals.folder / "segments").is_dir():
            for path in (self._seals.folder / "segments").rglob("*.jsonl.gz"):
                name = SegmentName.parse(path.name.removesuffix(".gz"))
                if name is not None:
                    found[name] = path
        if self._folder.is_dir():
            found |= dict(segments_in(self._folder))
        return dict(sorted(found.items(), reverse=True))

    def _newest_first(
        self, before: tuple[SegmentName, int] | None, problems: list[str]
    ) -> Iterator[TrailRecord]:
        for name, path in self._segments().items():
            if before is not None and name > before[0]:
                continue
            try:
                lines = _lines(path)
            except (OSError, zlib.error) as problem:
                # The auditor is told; the others are shown.
                problems.append(f"{path.name} cannot be read: {problem}")
                continue
            limit = before[1] if before is not None and name == before[0] else len(lines)
            for number in range(min(limit, len(lines)) - 1, -1, -1):
                record = _record(lines[number])
                if record is None:
                    problems.append(f"{path.name}, line {number + 1}: no record")
                else:
                    yield TrailRecord(str(name), number, record)


def _place(after: str) -> tuple[SegmentName, int] | None:
    if not after:
        return None
    segment, _, line = after.rpartition(":")
    name = SegmentName.parse(segment)
    if name is None or not (line.isascii() and line.isdecimal()):
        msg = "this is no place in the trail; begin with the first page"
        raise ValueError(msg)
    return name, int(line)


def _lines(path: Path) -> list[bytes]:
    """The whole lines of a segment, oldest first."""
    if path.suffix == ".gz":
        unpacker = zlib.decompressobj(_GZIP)
        text = unpacker.decompress(path.read_bytes(), _LARGEST)
        if not unpacker.eof:
            msg = "it is cut short, or larger than a segment can be"
            raise zlib.error(msg)
        return text.split(b"\n")[:-1]
    with path.open("rb") as file:
        end = end_of_last_line(file, counted_bytes(path))
        return [line for _, line in lines_backward(file, end)][::-1]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except ValueError:
        # Not a record: the caller tells.
        return None
    return found if isinstance(found, dict) else None
