"""Live rows: records of segments that are in no Parquet file yet.

In: the folder of the segments, and which of them are in Parquet. Out: the table `live`.
Must never: have a row of a segment that is in a Parquet file that is used; read what does not
count; leave out a line in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.compact.columns import COLUMNS
from proxy_addons.accesslog.compact.lines import exact
from proxy_addons.accesslog.record import DUCKDB_TYPES, FIELDS
from proxy_addons.accesslog.segment import counted_bytes, segments_in
from proxy_addons.accesslog.tails import lines_forward

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import duckdb

_AT_ONCE: Final = 2000
_SHAPE: Final = (
    "{" + ", ".join(f'"{field.name}": "{DUCKDB_TYPES[field.type]}"' for field in FIELDS) + "}"
)
_TABLE: Final = (
    "CREATE TABLE live ("
    + ", ".join(f'"{field.name}" {DUCKDB_TYPES[field.type]}' for field in FIELDS)
    + ", segment VARCHAR, line INTEGER, pending BOOLEAN, abroad BOOLEAN)"
)
_INSERT: Final = (
    f"INSERT INTO live ({COLUMNS}) SELECT record.*, $segment, line, record.event = 'open',"  # noqa: S608 - text of ours; what is given is bound
    " record.event = 'transaction' FROM (SELECT"
    f" from_json(unnest($texts::VARCHAR[])::JSON, '{_SHAPE}') AS record,"
    " unnest($lines::INTEGER[]) AS line)"
)


@dataclass(slots=True)
class _Read:
    """How far a segment was read."""

    octets: int = 0
    lines: int = 0
    unreadable: int = 0


class Live:
    """The rows.

    For one thread at a time.

    Args:
        access: the folder of the segments.
        store: where the table is made.

    Attributes:
        problems: segments that cannot be read, and why.
    """

    def __init__(self, access: Path, store: duckdb.DuckDBPyConnection) -> None:
        self._access, self._store = access, store
        self._read: dict[str, _Read] = {}
        self.problems: dict[str, str] = {}
        store.execute(_TABLE)

    def poll(self, compacted: Collection[str]) -> None:
        """Read what is new, and drop what is in Parquet now.

        Args:
            compacted: names of segments that are in Parquet.

        Raises:
            OSError: the folder cannot be read.
            duckdb.Error: the rows do not fit into memory.
        """
        there = segments_in(self._access)
        names = {str(name) for name, _ in there}
        # What is not there any more was erased, or taken away once it was in Parquet.
        gone = [name for name in self._read if name in compacted or name not in names]
        if gone:
            self._drop(gone)
        self.problems.clear()
        for name, path in there:
            if str(name) in compacted:
                continue
            try:
                self._follow(str(name), path)
            except OSError as problem:
                # Named to whoever looks; what was read of it stays.
                self.problems[str(name)] = f"{name}: {problem.strerror or problem}"

    def gaps(self) -> list[str]:
        """What is missing, in words."""
        unreadable = [
            f"{name}: {read.unreadable} lines that are no records"
            for name, read in sorted(self._read.items())
            if read.unreadable
        ]
        return [*self.problems.values(), *unreadable]

    @property
    def segments(self) -> Collection[str]:
        """Those whose rows are here."""
        return self._read.keys()

    def _drop(self, names: list[str]) -> None:
        self._store.execute("DELETE FROM live WHERE list_contains($1, segment)", [names])
        for name in names:
            del self._read[name]

    def _follow(self, name: str, path: Path) -> None:
        counted = counted_bytes(path)
        if name in self._read and counted < self._read[name].octets:
            self._drop([name])  # given up: what follows does not count, and stands in another one
        read = self._read.setdefault(name, _Read())
        if counted == read.octets:
            return
        with path.open("rb") as file:
            for several in batched(lines_forward(file, counted, read.octets), _AT_ONCE):
                self._insert(name, read, [line for _, line in several])
                offset, line = several[-1]
                read.octets = offset + len(line) + 1

    def _insert(self, name: str, read: _Read, lines: list[bytes]) -> None:
        found = [(place, exact(line)) for place, line in enumerate(lines, read.lines)]
        texts = [text.decode() for _, text in found if text is not None]
        places = [place for place, text in found if text is not None]
        if texts:
            self._store.execute(_INSERT, {"segment": name, "texts": texts, "lines": places})
        read.lines += len(lines)
        read.unreadable += len(lines) - len(texts)
