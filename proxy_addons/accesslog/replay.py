"""Logged traffic as distinct questions, each with how often and by how many it was asked.

In: the segments, the seals, the Parquet files; a period; what makes moments differ.
Out: questions to decide anew; of what was decided, figures by change and by site.
Must never: give a name or an address of a client to whoever asks: people are counted in here, and
who is counted does not leave; show a figure of fewer than `FEWEST` people (docs/adr/0047).

A question is what a policy or a list can look at, with the moment reduced to what makes a
difference: a hundred thousand requests for one page in one break are one question.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import duckdb

from proxy_addons.accesslog.compact.columns import JSON_COLUMNS, quoted
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.record import DUCKDB_TYPES, FIELDS
from proxy_addons.accesslog.segment import SegmentName, counted_bytes, segments_in
from proxy_addons.accesslog.unpacked import PACKED, sealed_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

FEWEST: Final = 10
"""People of whom a figure is shown; of fewer, that they are fewer is all that is said."""
_SITES: Final = 10
_AT_ONCE: Final = 20_000
_FILES_AT_ONCE: Final = 24
_EARLIER: Final = 2 * 3600 * 1_000_000
"""Microseconds by which a segment's records may have begun before its hour's name says, at least:
one hour of a long transaction, one of a clock that was set back."""

OPTIONAL: Final = ("url", "content_type")
"""Columns that make nearly every request a question of its own: only where they are looked at."""
_COLUMNS: Final = (
    "kind", "method", "host", "port", "judged_host", "categories", "profile", "exemption",
    "states", "findings", "action", "rule", "policy_version", "altered",
)  # fmt: skip


class Asked(NamedTuple):
    """A question: what was the same of some requests.

    Attributes:
        number: of the question.
        span: which kind of moment, as `spans` numbered them.
        requests: how many asked it.
        kind: as in the record, and so are the others (docs/access-log.md).
        exemption: whether the decision rested on one; its reference is nobody's business here.
        altered: whether a list of the record was cut.
        url: empty unless it was wanted.
        content_type: likewise.
    """

    number: int
    span: int
    requests: int
    kind: str
    method: str
    host: str
    port: int
    judged_host: str
    categories: frozenset[str]
    profile: str
    exemption: bool
    states: frozenset[str]
    findings: frozenset[str]
    action: str
    rule: str
    policy_version: str
    altered: bool
    url: str = ""
    content_type: str = ""


class Answer(NamedTuple):
    """What became of a question.

    Attributes:
        number: of the question.
        was: what held, such as `block webmail`.
        becomes: what would hold; the same where nothing changes.
        left_out: why it could not be decided anew; empty where it was.
    """

    number: int
    was: str
    becomes: str
    left_out: str = ""


class Change(NamedTuple):
    """One way in which decisions change.

    Attributes:
        was: what held.
        becomes: what would hold.
        requests: how many; None: of fewer than `FEWEST` people.
        people: how many; None: fewer than `FEWEST`.
        sites: hosts that at least `FEWEST` people asked for, each with requests and people; the
            most requests first.
    """

    was: str
    becomes: str
    requests: int | None
    people: int | None
    sites: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the log is.

    Attributes:
        access: the folder of the segments.
        sealed: that of the seals.
        parquet: that of the Parquet files.
    """

    access: Path
    sealed: Path
    parquet: Path


class Traffic:
    """The logged traffic of a period. A context manager: what it holds is gone at its end.

    Args:
        places: where the log is.
        since: aware; of transactions that began then, or later.
        until: aware; ... and before this.
        spans: from when on (aware, in order, the first not after `since`) which kind of moment it
            is; moments of one kind are alike to whoever decides.
        optional: of `OPTIONAL`, what is looked at.
        memory: octets that DuckDB may take before it uses the disk.

    Attributes:
        total: transactions in the period, once they are read.
        unreadable: lines that are no records.
        problems: segments that could not be read, and why.
    """

    def __init__(
        self,
        places: Places,
        since: datetime,
        until: datetime,
        spans: Sequence[tuple[datetime, int]],
        *,
        optional: Sequence[str] = (),
        memory: int = 1_000_000_000,
    ) -> None:
        self._places = places
        self._since, self._until = (int(each.timestamp() * 1e6) for each in (since, until))
        self._spans = [(int(begins.timestamp() * 1e6), span) for begins, span in spans]
        self._optional = [name for name in OPTIONAL if name in optional]
        self._memory = memory
        self._held = ExitStack()
        self.total = self.unreadable = 0
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        self._spill = Path(self._held.enter_context(tempfile.TemporaryDirectory()))
        self._store = self._held.enter_context(
            duckdb.connect(
                ":memory:",
                config={
                    "memory_limit": f"{self._memory // 1_000_000}MB",
                    "temp_directory": str(self._spill),
                    "autoload_known_extensions": False,
                    "autoinstall_known_extensions": False,
                    "preserve_insertion_order": False,
                },
            )
        )
        self._store.execute("SET enable_progress_bar = false")
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def read(self, told: Callable[[int, int], None] = lambda _done, _whole: None) -> None:
        """Read the records of the period.

        Args:
            told: told how many files of how many are read.

        Raises:
            OSError: the folder of the segments cannot be read.
            ParquetIndexError: the index of the Parquet files is damaged.
            duckdb.Error: it needs more memory or disk than there is.
        """
        self._store.execute("CREATE TABLE spans (begins BIGINT, span INTEGER)")
        self._store.executemany("INSERT INTO spans VALUES (?, ?)", self._spans)
        sources = list(self._sources())
        self._add(_NOTHING, "CREATE TABLE grouped AS")
        for done, source in enumerate(sources):
            told(done, len(sources))
            self._add(source)
        told(len(sources), len(sources))
        self._number()

    def _sources(self) -> Iterator[str]:
        """What DuckDB reads, piece by piece."""
        index = Index.read(self._places.parquet)
        parquet = [
            str(self._places.parquet / each.name)
            for each in index.files
            if each.first is not None
            and each.last is not None
            and each.last >= self._since - 1
            and each.first <= self._until
        ]
        yield from (f"read_parquet({quoted(each)})" for each in parquet)
        plain: list[Path] = []
        packed: list[Path] = []
        for name, path in self._segments(index):
            try:
                (packed if path.name.endswith(PACKED) else plain).append(self._whole(name, path))
            except OSError as problem:
                # The others still tell what they know, and this one is named.
                self.problems.append(f"{path}: {problem.strerror or problem}")
        for paths in (plain, packed):
            for begin in range(0, len(paths), _FILES_AT_ONCE):
                several = ", ".join(map(quoted, paths[begin : begin + _FILES_AT_ONCE]))
                yield (
                    f"read_json([{several}], format = 'newline_delimited', ignore_errors = true,"
                    f" columns = {JSON_COLUMNS}, maximum_object_size = 67108864)"
                )

    def _segments(self, index: Index) -> list[tuple[SegmentName, Path]]:
        """The segments that are in no Parquet file and may have records of the period."""
        # Listed in this order: one that is taken away in between is found among the sealed ones.
        plain = dict(segments_in(self._places.access)) if self._places.access.is_dir() else {}
        found = {**dict(sealed_in(self._places.sealed)), **plain}
        return sorted(
            (name, path)
            for name, path in found.items()
            if str(name) not in index.segments
            and name.begins.timestamp() * 1e6 >= self._since - _EARLIER
        )

    def _whole(self, name: SegmentName, path: Path) -> Path:
        """A segment as far as it counts."""
        if path.name.endswith(PACKED) or counted_bytes(path) == path.stat().st_size:
            return path
        copy = self._spill / str(name)
        with path.open("rb") as file:
            copy.write_bytes(file.read(counted_bytes(path)))
        return copy

    def _add(self, source: str, make: str = "INSERT INTO grouped") -> None:
        self._store.execute(
            f"{make} SELECT span, {self._chosen()}, hash(coalesce(person, client_ip, '')) AS who,"  # noqa: S608 - text of ours; what is given is quoted
            " count(*) AS requests, id IS NULL AS unreadable"
            f" FROM (SELECT *, coalesce(epoch_us(start), {self._since}) AS us FROM {source}"
            f" WHERE id IS NULL OR (event = 'transaction'"
            f" AND epoch_us(start) >= {self._since} AND epoch_us(start) < {self._until}))"
            " ASOF JOIN spans ON us >= begins GROUP BY ALL"
        )

    def _chosen(self) -> str:
        """The columns of a question, none of them null."""
        text = "coalesce({0}, '') AS {0}"
        listed = "list_sort(coalesce({0}, []::VARCHAR[])) AS {0}"
        shapes = {
            "port": "coalesce(port, 0)::INTEGER AS port",
            "exemption": "(exemption IS NOT NULL) AS exemption",
            "altered": "len(list_filter(coalesce(altered, []::VARCHAR[]), x -> x LIKE"
            " 'categories:%' OR x LIKE 'findings:%' OR x LIKE 'states:%' OR x LIKE 'host:%')) > 0"
            " AS altered",
            **dict.fromkeys(("categories", "states", "findings"), listed),
        }
        names = (*_COLUMNS, *self._optional)
        return ", ".join(shapes.get(name, text).format(name) for name in names)

    def _number(self) -> None:
        """Give each question a number."""
        names = ", ".join((*_COLUMNS, *self._optional))
        store = self._store
        found = store.execute(
            "SELECT coalesce(sum(requests) FILTER (NOT unreadable), 0),"
            " coalesce(sum(requests) FILTER (unreadable), 0) FROM grouped"
        ).fetchone()
        assert found is not None, "an aggregate has a row"
        self.total, self.unreadable = map(int, found)
        store.execute(
            f"CREATE TABLE numbered AS SELECT dense_rank() OVER (ORDER BY span, {names}) AS number,"  # noqa: S608 - text of ours
            " * FROM grouped WHERE NOT unreadable"
        )
        store.execute("DROP TABLE grouped")
        store.execute(
            "CREATE TABLE seen AS SELECT number, host, who, sum(requests)::BIGINT AS requests"
            " FROM numbered GROUP BY ALL"
        )
        store.execute(
            f"CREATE TABLE asked AS SELECT number, span, sum(requests)::BIGINT AS requests, {names}"  # noqa: S608 - text of ours
            " FROM numbered GROUP BY ALL"
        )
        store.execute("DROP TABLE numbered")

    def questions(self) -> int:
        """How many there are."""
        found = self._store.execute("SELECT count(*) FROM asked").fetchone()
        assert found is not None, "an aggregate has a row"
        return int(found[0])

    def asked(self) -> Iterator[Asked]:
        """The questions, those of one kind of moment together."""
        cursor = self._store.cursor()
        cursor.execute("SELECT * FROM asked ORDER BY span, profile, number")
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                yield _asked(row, self._optional)

    def answer(self, answers: Iterable[Answer]) -> None:
        """Take what became of the questions; of each, once."""
        self._store.execute(
            "CREATE OR REPLACE TABLE answers"
            " (number BIGINT, was VARCHAR, becomes VARCHAR, left_out VARCHAR)"
        )
        for batch in batched(answers, _AT_ONCE):
            self._put(batch)

    def _put(self, batch: Iterable[Answer]) -> None:
        # One text: DuckDB takes lists of texts as parameters a hundred times as slowly.
        text = "\n".join("\t".join(map(str, each)) for each in batch)
        self._store.execute(
            "INSERT INTO answers SELECT row[1]::BIGINT, row[2], row[3], row[4] FROM"
            " (SELECT string_split(unnest(string_split($1, chr(10))), chr(9)) AS row)",
            [text],
        )

    def changes(self, sites: int = _SITES) -> tuple[Change, ...]:
        """What changes, the most requests first; those of few people last, by name.

        Args:
            sites: how many of each change are named at most.
        """
        rows = self._store.execute(
            "SELECT * FROM (SELECT was, becomes, sum(requests)::BIGINT AS asked,"
            " count(DISTINCT who) AS people FROM seen JOIN answers USING (number)"
            " WHERE left_out = '' AND was <> becomes GROUP BY was, becomes)"
            " ORDER BY people < $1, CASE WHEN people < $1 THEN 0 ELSE asked END DESC, was, becomes",
            [FEWEST],
        ).fetchall()
        return tuple(
            Change(was, becomes, requests, people, self._sites(was, becomes, sites))
            if people >= FEWEST
            else Change(was, becomes, None, None, ())
            for was, becomes, requests, people in rows
        )

    def _sites(self, was: str, becomes: str, most: int) -> tuple[tuple[str, int, int], ...]:
        rows = self._store.execute(
            "SELECT host, sum(requests)::BIGINT AS requests, count(DISTINCT who) AS people"
            " FROM seen JOIN answers USING (number)"
            " WHERE left_out = '' AND was = $1 AND becomes = $2"
            " GROUP BY host HAVING people >= $3 ORDER BY requests DESC, host LIMIT $4",
            [was, becomes, FEWEST, most],
        ).fetchall()
        return tuple((host, requests, people) for host, requests, people in rows)

    def left_out(self) -> dict[str, int]:
        """How many requests could not be decided anew, by why."""
        rows = self._store.execute(
            "SELECT left_out, sum(requests)::BIGINT FROM asked JOIN answers USING (number)"
            " WHERE left_out <> '' GROUP BY left_out ORDER BY 2 DESC, 1"
        ).fetchall()
        return {why: int(number) for why, number in rows}


_NOTHING: Final = (
    "(SELECT "
    + ", ".join(f"NULL::{DUCKDB_TYPES[field.type]} AS {field.name}" for field in FIELDS)
    + " LIMIT 0)"
)


def _asked(row: tuple[Any, ...], optional: Sequence[str]) -> Asked:
    number, span, requests, *rest = row
    given = dict(zip((*_COLUMNS, *optional), rest, strict=True))
    for name in ("categories", "states", "findings"):
        given[name] = frozenset(given[name])
    return Asked(number, span, requests, **given)
