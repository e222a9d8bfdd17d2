"""The index of the Parquet files: which segment is in which of them.

In: `index.json` of the folder. Out: files and segments; the file anew, whole.
Must never: name a segment in two files; be changed in part.

What the index names is used, and nothing else: a file that is there and not named is what a crash
left behind.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.compact.columns import COLUMNS
from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.segment import SegmentName

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "index.json"
VERSION: Final = 2
HOURS, DAYS = "hours", "days"


class ParquetIndexError(Exception):
    """The index cannot be read. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Held:
    """A segment in a file.

    Attributes:
        name: of the segment.
        rows: of it.
        unreadable: lines that are no records: they have no row.
        missing: records that its manifest says are in no segment.
        packed_sha256: of the sealed lines that the rows were made of.
    """

    name: str
    rows: int
    unreadable: int
    missing: int
    packed_sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A Parquet file.

    Attributes:
        name: below the folder: `hours/…` or `days/…`.
        rows: in it.
        octets: its size.
        sha256: of the file.
        first: earliest `start` of a row, microseconds since 1970; None: it has no row.
        last: latest one.
        pending: rows that are, see `columns.DERIVED`.
        abroad: the same.
        ids: first and last number of closing records that are not abroad, in the order of text;
            None: there are none.
        segments: whose lines are in it.
    """

    name: str
    rows: int
    octets: int
    sha256: str
    first: int | None
    last: int | None
    pending: int
    abroad: int
    ids: tuple[str, str] | None
    segments: tuple[Held, ...]

    @property
    def day(self) -> str:
        """Whose records these are: `20261121`, by the hour of the segments, UTC."""
        return self.segments[0].name.partition("-")[2].partition("-")[2][:8]


@dataclass(frozen=True)
class Index:
    """What there is.

    Attributes:
        files: by name.
        problems: sealed segments that could not be read, and why.
    """

    files: tuple[File, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @cached_property
    def segments(self) -> dict[str, Held]:
        """Every segment that is in a file."""
        return {each.name: each for file in self.files for each in file.segments}

    def with_files(self, new: tuple[File, ...], gone: frozenset[str] = frozenset()) -> Index:
        """The index with files more, and others no more.

        Raises:
            ValueError: a segment would be in two files.
        """
        files = (*(each for each in self.files if each.name not in gone), *new)
        names = [held.name for file in files for held in file.segments]
        if len(names) != len(set(names)):
            raise ValueError("a segment in two Parquet files")
        return Index(tuple(sorted(files, key=lambda each: each.name)), self.problems)

    def write(self, folder: Path) -> None:
        """Make it the one that counts.

        Raises:
            OSError: it is not; the one before is.
        """
        said = {
            "version": VERSION,
            "columns": COLUMNS,
            "files": [asdict(each) for each in self.files],
            "problems": self.problems,
        }
        put(folder / NAME, json.dumps(said, indent=1).encode() + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Index:
        """The one that counts; an empty one before there is any.

        Raises:
            ParquetIndexError: it is damaged.
            OSError: it cannot be read.
        """
        path = folder / NAME
        try:
            said = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls()  # nothing was compacted yet
        except ValueError as problem:
            raise ParquetIndexError(f"{path} is no JSON. {_REMEDY}") from problem
        try:
            if said["version"] != VERSION:
                raise ParquetIndexError(f"{path} has version {said['version']!r:.20}. {_REMEDY}")
            if said["columns"] != COLUMNS:
                raise ParquetIndexError(f"{path}: another version's columns. {_REMEDY}")
            files = tuple(_file(each) for each in said["files"])
            return cls((), dict(said["problems"])).with_files(files)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise ParquetIndexError(f"{path} is damaged. {_REMEDY}") from problem


_REMEDY: Final = (
    "Remove its folder and run `watchhouse log compact`: all of it is made anew from what is sealed"
)


def _file(said: dict[str, Any]) -> File:
    segments = tuple(Held(**each) for each in said["segments"])
    name = said["name"]
    sort, _, rest = name.partition("/")
    if sort not in {HOURS, DAYS} or "/" in rest or not rest.endswith(".parquet"):
        raise ValueError("a name of another kind")
    if not segments or any(SegmentName.parse(each.name) is None for each in segments):
        raise ValueError("a file without segments")
    ids = said["ids"]
    if ids is not None and [type(each) for each in ids] != [str, str]:
        raise ValueError("numbers of another kind")
    return File(**{**said, "segments": segments, "ids": ids and tuple(ids)})
