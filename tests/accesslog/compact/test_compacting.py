"""Every sealed segment is in one Parquet file, whatever moment the power goes."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pytest
from support.sealkill import SIGNER
from support.segments import record, write

from proxy_addons.accesslog.compact import making
from proxy_addons.accesslog.compact.compacting import CompactError, compact, forget
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.compact.lines import exact, fitting
from proxy_addons.accesslog.record import FIELDS, empty_record
from proxy_addons.accesslog.seal.sealing import Seals, seal

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def whole(seq_: int, **more: Any) -> dict[str, Any]:
    return {**empty_record(), **record(seq_, 1, NOON), **more}


def sealed(folder: Path, now: float = LATER) -> None:
    chance = random.Random(1)
    seals = Seals(folder / "seals")
    seal(folder / "access", seals, SIGNER, now=now, entropy=chance.randbytes, software="x")


def compacted(folder: Path, now: float = LATER) -> Any:
    return compact(folder / "access", Seals(folder / "seals"), folder / "parquet", now=now)


def rows_of(folder: Path) -> list[tuple[str, int, int]]:
    """Segment, line and number of all rows that the index names."""
    index = Index.read(folder / "parquet")
    found: list[tuple[str, int, int]] = []
    for each in index.files:
        path = str(folder / "parquet" / each.name)
        rows = duckdb.execute("SELECT segment, line, seq FROM read_parquet(?)", [path]).fetchall()
        assert len(rows) == each.rows == sum(held.rows for held in each.segments)
        found += rows
    return sorted(found)


def three(folder: Path) -> list[tuple[str, int, int]]:
    expected = []
    for hour in (12, 13, 14):
        made = [whole(hour * 100 + n) for n in range(30)]
        path = write(folder / "access", f"20261121T{hour}", made)
        expected += [(path.name, n, each["seq"]) for n, each in enumerate(made)]
    return expected


def names(folder: Path) -> list[str]:
    return [each.name for each in Index.read(folder / "parquet").files]


def test_hours_become_a_day(tmp_path: Path):
    expected = three(tmp_path)
    sealed(tmp_path)
    compacted(tmp_path, NOON.timestamp() + 4 * 3600)
    assert names(tmp_path) == [f"hours/2026-11-21T{hour}-w01-0001.parquet" for hour in (12, 13, 14)]
    assert rows_of(tmp_path) == expected
    assert compacted(tmp_path).days == ("20261121",)
    assert names(tmp_path) == ["days/2026-11-21.parquet"]
    assert rows_of(tmp_path) == expected
    assert not list((tmp_path / "parquet" / "hours").iterdir())
    assert compacted(tmp_path).days == ()


def test_a_late_segment_makes_the_day_anew(tmp_path: Path):
    expected = three(tmp_path)
    sealed(tmp_path)
    compacted(tmp_path)
    path = write(tmp_path / "access", "20261121T13", [whole(5000)], worker=2)
    sealed(tmp_path)
    compacted(tmp_path)
    assert names(tmp_path) == ["days/2026-11-21-2.parquet"]
    assert rows_of(tmp_path) == sorted([*expected, (path.name, 0, 5000)])
    assert [each.name for each in (tmp_path / "parquet/days").iterdir()] == ["2026-11-21-2.parquet"]


def test_a_day_waits_for_segments_that_have_not_ended(tmp_path: Path):
    three(tmp_path)
    write(tmp_path / "access", "20261121T23", [whole(7000)], mode=0o640)
    sealed(tmp_path)
    midnight = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    assert compacted(tmp_path, midnight + 3600).days == ()
    assert compacted(tmp_path, midnight + 7 * 3600).days == ("20261121",)


def test_values_are_what_the_lines_say(tmp_path: Path):
    made = whole(
        1, categories=["a", "b"], counted=True, duration_ms=0.5, url="ä\0\U0001f600", status=-1
    )
    write(tmp_path / "access", "20261121T12", [made])
    sealed(tmp_path)
    compacted(tmp_path)
    columns = ", ".join(
        f"epoch_us({each.name})" if each.type == "timestamp" else each.name for each in FIELDS
    )
    path = str(tmp_path / "parquet" / names(tmp_path)[0])
    row = duckdb.execute(f"SELECT {columns} FROM read_parquet(?)", [path]).fetchone()
    expected = made | {"start": int(NOON.timestamp()) * 1_000_000}
    assert row == tuple(
        list(value) if isinstance(value, tuple) else value for value in expected.values()
    )


def test_a_persons_records_stand_together(tmp_path: Path):
    made = [whole(n, person=f"P{n * 7919 % 100:03d}") for n in range(1, 41_001)]
    write(tmp_path / "access", "20261121T12", made)
    sealed(tmp_path)
    compacted(tmp_path)
    path = str(tmp_path / "parquet" / names(tmp_path)[0])
    groups = duckdb.execute(
        "SELECT stats_min_value, stats_max_value FROM parquet_metadata(?)"
        " WHERE path_in_schema = 'person' ORDER BY row_group_id",
        [path],
    ).fetchall()
    assert len(groups) == 3
    assert sum(low <= "P050" <= high for low, high in groups) == 1


BAD = [
    b"no record",
    b"",
    b"[1]",
    b'{"seq": 1}',
    b'{"start": "2026-11-21T12:00:00Z"}',
    orjson.dumps(whole(1, seq="12")),
    orjson.dumps(whole(1, seq=1.5)),
    orjson.dumps(whole(1, seq=2**63)),
    orjson.dumps(whole(1, person=5)),
    orjson.dumps(whole(1, categories="news")),
    orjson.dumps(whole(1, categories=[1])),
    orjson.dumps(whole(1, counted="true")),
    orjson.dumps(whole(1, start="2026-02-30T12:00:00.000000Z")),
    orjson.dumps(whole(1, person="A"))[:-1],
]
ODD = [
    orjson.dumps(whole(1) | {"later": [1, {"x": 2}]}),
    orjson.dumps(record(1, 1, NOON)),  # of a version that had fewer fields
    orjson.dumps(whole(2))[:-1] + b',"seq":1}',
    orjson.dumps(whole(1, duration_ms=3)),
]


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_record_has_no_row_and_is_counted(tmp_path: Path, line: bytes):
    good = [orjson.dumps(whole(n)) for n in (1, 3)]
    path = write(tmp_path / "access", "20261121T12", [])
    path.unlink()
    path.write_bytes(b"\n".join([good[0], line, good[1], b""]))
    path.chmod(0o440)
    sealed(tmp_path)
    compacted(tmp_path)
    assert rows_of(tmp_path) == [(path.name, 0, 1), (path.name, 2, 3)]
    held = Index.read(tmp_path / "parquet").segments[path.name]
    assert (held.rows, held.unreadable) == (2, 1)


@pytest.mark.parametrize("line", ODD)
def test_what_is_a_record_of_another_making_has_a_row(tmp_path: Path, line: bytes):
    assert fitting(line) is not None
    assert exact(line) is not None
    path = write(tmp_path / "access", "20261121T12", [])
    path.unlink()
    path.write_bytes(line + b"\n")
    path.chmod(0o440)
    sealed(tmp_path)
    compacted(tmp_path)
    assert rows_of(tmp_path) == [(path.name, 0, 1)]


def test_sealed_lines_that_were_changed_are_not_taken(tmp_path: Path):
    three(tmp_path)
    sealed(tmp_path)
    packed = sorted((tmp_path / "seals").glob("segments/**/*.gz"))[1]
    data = packed.read_bytes()
    packed.unlink()
    done = compacted(tmp_path)
    assert len(done.problems) == 1
    assert str(packed) in done.problems[0]
    packed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert len(compacted(tmp_path).problems) == 1
    packed.write_bytes(data)
    assert compacted(tmp_path).problems == ()
    assert len(rows_of(tmp_path)) == 90


def test_what_is_forgotten_is_made_anew(tmp_path: Path):
    expected = three(tmp_path)
    sealed(tmp_path)
    compacted(tmp_path)
    forget(tmp_path / "parquet", frozenset({expected[0][0]}))
    assert names(tmp_path) == []
    compacted(tmp_path)
    assert rows_of(tmp_path) == expected


def test_a_file_that_is_gone_is_made_anew(tmp_path: Path):
    expected = three(tmp_path)
    sealed(tmp_path)
    compacted(tmp_path)
    (tmp_path / "parquet" / names(tmp_path)[0]).unlink()
    compacted(tmp_path)
    assert rows_of(tmp_path) == expected


def test_a_damaged_index_is_named(tmp_path: Path):
    (tmp_path / "access").mkdir()
    (tmp_path / "parquet").mkdir()
    for text in ("{", "{}", '{"version": 9}', '{"version": 1, "files": [3], "problems": {}}'):
        (tmp_path / "parquet" / "index.json").write_text(text)
        with pytest.raises(CompactError, match=r"index\.json"):
            compacted(tmp_path)


class PowerError(BaseException):
    """The power goes."""


def test_whatever_moment_the_power_goes_nothing_is_left_out_or_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = three(tmp_path)
    sealed(tmp_path)
    late: list[tuple[str, int, int]] = []
    moments = 0
    for number in range(1, 200):
        left = [number]
        with monkeypatch.context() as patch:
            for name in ("open", "fsync", "rename", "unlink", "fchmod"):
                real = getattr(os, name)

                def call(*args: Any, real: Any = real, left: list[int] = left, **more: Any) -> Any:
                    left[0] -= 1
                    if left[0] == 0:
                        raise PowerError
                    return real(*args, **more)

                patch.setattr(os, name, call)
            try:
                compacted(tmp_path)
            except PowerError:
                moments += 1
                done = False
            else:
                done = True
        found = rows_of(tmp_path)
        assert len(found) == len(set(found))
        assert set(found) <= {*expected, *late}
        if done:
            assert found == sorted([*expected, *late])
            if late:
                break
            path = write(tmp_path / "access", "20261121T13", [whole(5000)], worker=2)
            late.append((path.name, 0, 5000))
            sealed(tmp_path)
    assert late
    assert moments >= 25
    kept = {path.name for path in (tmp_path / "parquet").glob("*/*")}
    assert kept == {name.partition("/")[2] for name in names(tmp_path)}


def test_two_do_not_compact_at_once(tmp_path: Path):
    three(tmp_path)
    sealed(tmp_path)
    seen = []

    def again(job: making.HourJob) -> Any:
        with pytest.raises(CompactError, match="another process"):
            compacted(tmp_path)
        seen.append(job)
        return making.hour_file(job)

    compact(
        tmp_path / "access",
        Seals(tmp_path / "seals"),
        tmp_path / "parquet",
        now=LATER,
        at_once=lambda _, jobs: map(again, jobs),
    )
    assert len(seen) == 3
