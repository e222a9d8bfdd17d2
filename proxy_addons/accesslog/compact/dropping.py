"""Rows of erased lines go out of the Parquet files.

In: what the log says of erasures; the files and their index. Out: files without these rows.
Must never: drop a row that no erasure names; leave the index to name a file that is not whole.

A file is written anew without the rows, whole and durable, before the index names it; the old one
goes after that. Cut short at any moment, the next run goes on: what it does is what the log says.
A file is sorted by person, so that a person's rows are a few runs of row numbers, and the others
are copied in their order.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final

import duckdb

from proxy_addons.accesslog.compact.columns import COLUMNS, ORDER, quoted
from proxy_addons.accesslog.compact.compacting import (
    MEMORY,
    CompactError,
    SealedNow,
    locked,
    sealed_now,
)
from proxy_addons.accesslog.compact.index import Held, Index, ParquetIndexError
from proxy_addons.accesslog.compact.making import SPILL, Means, SourceError, entered, put_rows
from proxy_addons.accesslog.seal.remaining import STAYS
from proxy_addons.accesslog.segment import SegmentName

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.compact.index import File
    from proxy_addons.accesslog.seal.erasure import State
    from proxy_addons.accesslog.seal.sealing import Seals

_LEAF: Final = 33
_MOST_RUNS: Final = 500


@dataclass(frozen=True, slots=True)
class Dropped:
    """What came of it.

    Attributes:
        files: that were written anew, or went.
        rows: that went.
    """

    files: int
    rows: int


def drop(seals: Seals, folder: Path, *, memory: int = MEMORY) -> Dropped:
    """Drop the rows of all lines that the log says are erased. Blocks.

    Args:
        seals: the folder of the seals.
        folder: the folder of the Parquet files.
        memory: octets that DuckDB may take.

    Raises:
        CompactError: the index, the log or a file is damaged, or another process is at it.
        OSError: something could not be read or written.
    """
    if not folder.is_dir():
        return Dropped(0, 0)
    with locked(folder):
        files = rows = 0
        sealed = sealed_now(seals)
        try:
            index = Index.read(folder)
            for file in index.files:
                stale = [each for each in file.segments if _stale(each, sealed.states)]
                if not stale:
                    continue
                new = _without(sealed, index, file, stale, Means(folder, memory, 2))
                index = index.with_files(() if new is None else (new,), frozenset({file.name}))
                index.write(folder)
                (folder / file.name).unlink(missing_ok=True)
                files, rows = files + 1, rows + file.rows - (new.rows if new else 0)
            known = {n: w for n, w in index.problems.items() if n not in sealed.states}
            if known != index.problems:
                replace(index, problems=known).write(folder)
        except ParquetIndexError as problem:
            raise CompactError(str(problem)) from problem
        except (duckdb.Error, SourceError) as problem:
            # The index still names what was there before; the next run tries again.
            raise CompactError(f"{folder}: {problem}") from problem
        finally:
            shutil.rmtree(folder / SPILL, ignore_errors=True)  # of our own making alone
    return Dropped(files, rows)


def _stale(held: Held, states: dict[str, State]) -> bool:
    state = states.get(held.name)
    return state is not None and (state.whole or held.packed_sha256 != state.rest.lines)


def _without(
    sealed: SealedNow, index: Index, file: File, stale: list[Held], means: Means
) -> File | None:
    """The file without rows that are erased; None where no segment remains in it."""
    states, folder = sealed.states, means.folder
    whole = {each.name for each in stale if states[each.name].whole}
    if len(whole) == len(file.segments):
        return None
    source = f"read_parquet({quoted(folder / file.name)}, file_row_number = true)"
    with means.connect() as store:
        store.execute("CREATE TEMP TABLE gone (segment VARCHAR, line INTEGER)")
        for each in stale:
            if each.name not in whole:
                lines = _erased(sealed, each.name)
                text = "INSERT INTO gone SELECT $1, unnest($2::INTEGER[])"
                store.execute(text, [each.name, lines])
        going = (
            f"SELECT segment, file_row_number AS row FROM {source} WHERE list_contains($1, segment)"  # noqa: S608 - text of ours; what is given is bound
            f" OR (segment, line) IN (SELECT (segment, line) FROM gone)"
        )
        store.execute(f"CREATE TEMP TABLE going AS {going}", [sorted(whole)])
        counts = dict(store.execute("SELECT segment, count(*) FROM going GROUP BY 1").fetchall())
        runs = store.execute(
            "SELECT min(row), max(row) FROM (SELECT row, row - row_number() OVER (ORDER BY row)"
            " AS run FROM going) GROUP BY run ORDER BY 1"
        ).fetchall()
        order = ""
        if len(runs) <= _MOST_RUNS:
            parts = " OR ".join(f"file_row_number BETWEEN {a} AND {b}" for a, b in runs) or "false"
        else:
            parts, order = "file_row_number IN (SELECT row FROM going)", f" ORDER BY {ORDER}"
        name = _free(file.name, index)
        chosen = f"SELECT {COLUMNS} FROM {source} WHERE NOT ({parts})"  # noqa: S608 - text of ours: numbers
        put_rows(store, f"{chosen}{order}", folder / name)
        segments = tuple(
            _held(each, counts.get(each.name, 0), states.get(each.name))
            for each in file.segments
            if each.name not in whole
        )
        return entered(store, folder, name, segments)


def _held(before: Held, gone: int, state: State | None) -> Held:
    if state is None:
        return before
    # Lines that were no records had no rows: those of them that went cannot be told apart here.
    return replace(before, rows=before.rows - gone, packed_sha256=state.rest.lines)


def _erased(sealed: SealedNow, text: str) -> list[int]:
    """The lines of a segment that are gone."""
    name, manifest = SegmentName.parse(text), sealed.manifests[text]
    assert name is not None, "it is sealed under it"
    _, path = sealed.seals.rest(name, sealed.states[text].number)
    kept = path.read_bytes()
    if len(kept) < _LEAF * manifest.records:
        raise SourceError(f"{path} is cut short; `watchhouse log verify` says more")
    flags = kept[: _LEAF * manifest.records : _LEAF]
    return [index for index, flag in enumerate(flags) if flag != STAYS[0]]


def _free(name: str, index: Index) -> str:
    """A name of the same sort that is not in use."""
    taken = {each.name for each in index.files}
    stem = name.removesuffix(".parquet")
    return next(each for n in count(2) if (each := f"{stem}-{n}.parquet") not in taken)
