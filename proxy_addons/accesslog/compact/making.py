"""Parquet files, of a segment each (days.py makes those of days), and what any of them needs.

In: sealed lines. Out: a file that is whole and durable, and what the index says of it.
Must never: null a value in silence; give a file its name before it is whole and on the disk; take
lines that are not what was sealed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb

from proxy_addons.accesslog.compact.columns import COLUMNS, JSON_COLUMNS, ORDER, WRITTEN, quoted
from proxy_addons.accesslog.compact.index import HOURS, File, Held
from proxy_addons.accesslog.compact.lines import exact, looked_through
from proxy_addons.accesslog.seal.files import FILE_MODE, HALF, make_folder
from proxy_addons.accesslog.seal.remaining import Remaining, RestError
from proxy_addons.accesslog.segment import SegmentName, sync_directory
from proxy_addons.accesslog.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.accesslog.seal.manifest import Manifest

SPILL: Final = "spill"
SORTED: Final = 200_000
"""Up to so many rows a segment's file is sorted; more would not fit into what a step may take."""
_BLOCK: Final = 1 << 20
_GZIP: Final = 31


class SourceError(Exception):
    """What is sealed of a segment is gone, or is not what was sealed. The text names the file."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a step may take.

    Attributes:
        folder: of the Parquet files; what does not fit into memory goes to `spill/` there.
        memory: octets for DuckDB.
        threads: for DuckDB.
    """

    folder: Path
    memory: int
    threads: int

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection within these."""
        spill = self.folder / SPILL
        make_folder(spill)
        store = duckdb.connect(
            config={
                "threads": self.threads,
                "memory_limit": f"{self.memory // 1_000_000}MB",
                "temp_directory": str(spill),
                "autoload_known_extensions": False,
                "autoinstall_known_extensions": False,
            }
        )
        store.execute("SET enable_progress_bar = false")  # a keeper has no screen
        return store


@dataclass(frozen=True, slots=True)
class HourJob:
    """A sealed segment to be made a file of, perhaps in another process.

    Where lines were erased, `packed` has those that stay, `kept` says which these are, and `sha256`
    is that of `packed`.
    """

    packed: Path
    manifest: Manifest
    means: Means
    kept: Path | None = None
    sha256: str = ""


def hour_file(job: HourJob) -> File | str:
    """Make the file of a segment.

    Returns:
        What the index says of it; or why there is none.

    Raises:
        OSError: it could not be written.
        duckdb.Error: the same.
    """
    manifest, means = job.manifest, job.means
    segment = SegmentName.parse(manifest.name)
    if segment is None:
        return f"{manifest.name} is not the name of a segment"
    hour = segment.begins.strftime("%Y-%m-%dT%H")
    name = f"{HOURS}/{hour}-w{segment.worker:02d}-{segment.number:04d}.parquet"
    try:
        unreadable, closed, there = _looked_through(job)
    except (OSError, SourceError, zlib.error) as problem:
        # The other segments are made all the same; the index and every look say that this is not.
        return f"{job.packed}: {getattr(problem, 'strerror', None) or problem}"
    with means.connect() as store:
        store.execute("CREATE TEMP TABLE closed AS SELECT unnest($1::INTEGER[]) AS line", [closed])
        rows = there - unreadable
        plain = means.folder / SPILL / f"{manifest.name}.exact"
        try:
            done = (
                unreadable == 0
                and job.kept is None
                and _read_as_it_is(store, job, means.folder / name)
            )
            if not done:
                rows = _rendered_anew(job, plain)
                columns = JSON_COLUMNS.removesuffix("}") + ", line: 'INTEGER'}"
                source = f"read_json({quoted(plain)}, format = 'newline_delimited', columns ="
                put_rows(store, _hour_rows(f"* FROM {source} {columns})", job), means.folder / name)
        finally:
            plain.unlink(missing_ok=True)
        held = Held(
            name=manifest.name,
            rows=rows,
            unreadable=there - rows,
            missing=sum(last - first + 1 for first, last in manifest.missing),
            packed_sha256=job.sha256 or manifest.packed_sha256,
        )
        return entered(store, means.folder, name, (held,))


def _hour_rows(source: str, job: HourJob) -> str:
    """The rows of a segment, with its name and what is derived.

    Where the segments before end is not known here: each closing record may be of theirs.
    """
    order = f" ORDER BY {ORDER}" if job.manifest.records <= SORTED else ""
    return (
        f"SELECT *, {quoted(job.manifest.name)} AS segment, event = 'transaction' AS abroad,"  # noqa: S608 - text of ours; what is given is bound
        " event = 'open' AND line NOT IN (SELECT line FROM closed) AS pending"
        f" FROM (SELECT {source}){order}"
    )


def _lines(job: HourJob) -> Iterator[bytes]:
    """The sealed lines; that they are what was sealed is known when the last one was given.

    Raises:
        SourceError: they are not.
        OSError: they cannot be read.
        zlib.error: they cannot be unpacked.
    """
    unpack, digest, rest, count = zlib.decompressobj(wbits=_GZIP), hashlib.sha256(), b"", 0
    with job.packed.open("rb") as file:
        while block := file.read(_BLOCK // 4):
            digest.update(block)
            while block:
                *lines, rest = (rest + unpack.decompress(block, _BLOCK)).split(b"\n")
                block = unpack.unconsumed_tail
                count += len(lines)
                yield from lines
    if digest.hexdigest() != job.manifest.packed_sha256:
        raise SourceError("is not what was sealed; `watchhouse log verify` says more")
    if rest or count != job.manifest.records:
        raise SourceError(f"has {count} lines where {job.manifest.records} were sealed")


def _placed(job: HourJob) -> Iterator[tuple[int, bytes]]:
    """The sealed lines that are there, each with its place; see `_lines`."""
    if job.kept is None:
        yield from enumerate(_lines(job))
        return
    octets = job.packed.read_bytes()
    if hashlib.sha256(octets).hexdigest() != job.sha256:
        raise SourceError("is not what an erasure left; `watchhouse log verify` says more")
    try:
        kept = job.kept.read_bytes()
        found = Remaining.parse(kept, unpacked(job.packed), job.manifest.records)
    except RestError as problem:
        raise SourceError(f"does not belong to {job.kept.name}: {problem}") from problem
    yield from sorted(found.lines.items())


def _looked_through(job: HourJob) -> tuple[int, list[int], int]:
    """How many lines are no records, which open ones are closed, how many lines there are."""
    placed = list(_placed(job)) if job.kept is not None else None
    if placed is None:
        unreadable, closed = looked_through(_lines(job))
        return unreadable, closed, job.manifest.records
    unreadable, closed = looked_through(line for _, line in placed)
    return unreadable, [placed[number][0] for number in closed], len(placed)


def _read_as_it_is(store: duckdb.DuckDBPyConnection, job: HourJob, target: Path) -> bool:
    """Let DuckDB read the sealed lines; False where it takes one for something else than we do."""
    source = (
        "*, (row_number() OVER () - 1)::INTEGER AS line FROM"
        f" read_json({quoted(job.packed)}, format = 'newline_delimited', columns = {JSON_COLUMNS},"
        " compression = 'gzip', maximum_object_size = 67108864)"
    )
    try:
        return put_rows(store, _hour_rows(source, job), target) == job.manifest.records
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return False  # a number beyond 64 bits, a key twice: each line is rendered anew


def _rendered_anew(job: HourJob, plain: Path) -> int:
    """Write the records among the lines, each with its place, for DuckDB; how many they are."""
    rows = 0
    with plain.open("wb") as file:
        for place, line in _placed(job):
            record = exact(line)
            if record is not None:
                file.write(b'%s,"line":%d}\n' % (record[:-1], place))
                rows += 1
    return rows


def put_rows(store: duckdb.DuckDBPyConnection, chosen: str, target: Path) -> int:
    """Write rows to a file, whole and durable; how many they are."""
    make_folder(target.parent)
    half = target.with_name(target.name + HALF)
    with contextlib.suppress(FileNotFoundError):
        half.unlink()  # of an attempt that was cut short
    text = f"COPY (SELECT {COLUMNS} FROM ({chosen})) TO {quoted(half)} ({WRITTEN})"  # noqa: S608 - text of ours; what is given is bound
    done = store.execute(text).fetchone()
    descriptor = os.open(half, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    half.rename(target)
    sync_directory(target.parent, os)
    return int(done[0]) if done else 0


def entered(
    store: duckdb.DuckDBPyConnection, folder: Path, name: str, segments: tuple[Held, ...]
) -> File:
    """What the index says of a file that is there.

    Raises:
        SourceError: it has not the rows of its segments.
    """
    found = store.execute(
        "SELECT count(*), epoch_us(min(start)), epoch_us(max(start)), count_if(pending),"
        " count_if(abroad), min(id) FILTER (event = 'transaction' AND NOT abroad),"
        " max(id) FILTER (event = 'transaction' AND NOT abroad) FROM read_parquet(?)",
        [str(folder / name)],
    ).fetchone()
    assert found is not None, "an aggregate has a row"
    rows, first, last, pending, abroad, *ids = found
    if rows != sum(each.rows for each in segments):
        raise SourceError(f"{folder / name} has {rows} rows, its segments have others")
    octets, sha256 = fingerprint(folder / name)
    return File(
        name=name,
        rows=rows,
        octets=octets,
        sha256=sha256,
        first=first,
        last=last,
        pending=pending,
        abroad=abroad,
        ids=None if ids[0] is None else (ids[0], ids[1]),
        segments=segments,
    )


def fingerprint(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
